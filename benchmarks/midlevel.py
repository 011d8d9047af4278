"""What the extractor of a kept network costs beside a bare loop of the same network: ``python benchmarks/midlevel.py``.

Both start from decoded audio: 30 s of noise at 22,050 Hz, of which MFCC of the first 15 s are made and predicted from.
The network is the default one, a quarter as wide as published. One thread, as in a worker; CPU time, the least of five.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import librosa
import numpy as np
import soundfile
import torch

from mirstore.core import Track
from mirstore.core.features import FeatureSet
from mirstore.core.inputs import Inputs
from mirstore.core.plugins import Plugins
from mirstore.core.recording import Audio
from mirstore.core.registry import Registry
from mirstore.core.resolve import resolve
from mirstore.store import Project
from mirstore.store.models import find
from mirstore.store.tables.column_options import Options
from mirstore_midlevel import MidlevelNet

sr = 22050
clips = 30
rng = np.random.default_rng(440)
registry = """
schema = 1
[models.midlevel-net]
model = "midlevel-net@1"
params = { epochs = 1 }
"""


def kept_network(folder: Path) -> FeatureSet:
    """Return the feature set of a network that has learned from ten clips of noise."""
    rows = ["path,artist,melody,mode"]
    for number in range(10):
        soundfile.write(folder / f"{number}.wav", rng.normal(0, 0.1, sr), sr)
        rows.append(f"{number}.wav,{number},{rng.random()},{rng.random()}")
    (folder / "clips.csv").write_text("\n".join(rows))
    (folder / "registry.toml").write_text(registry)
    columns = Options(targets={"midlevel": ["melody", "mode"]})
    with Project(folder / "store", folder / "registry.toml") as project:
        asked = {"dataset": "midlevel", "features": ["mfcc40-15s"], "columns": columns}
        project.ingest(str(folder / "clips.csv"), jobs=1, **asked).result()
        project.train("midlevel").result()
        plugins = Plugins.installed()
        return resolve(["midlevel"], Registry.load(), plugins, kept=lambda name: find(project.store, name).folder)[
            "midlevel"
        ]


def by_extractor(feature: FeatureSet, recordings: list[Audio]) -> list[list[float]]:
    """Predict as a worker does, feature set by feature set."""
    found = []
    for recording in recordings:
        track = Track("0" * 64, Path("noise.wav"), recording=recording)
        rows = {source.id: [source.extractor.extract(track)] for source in feature.tables.values()}
        track = Track("0" * 64, Path("noise.wav"), inputs=Inputs(feature, rows), recording=recording)
        found.append(list(feature.extractor.extract(track).values()))
    return found


def by_loop(model: MidlevelNet, recordings: list[Audio]) -> list[list[float]]:
    """Predict with librosa, the network, and nothing else."""
    found = []
    means, deviations = (array.astype(np.float32)[:, None] for array in vars(model.scales_[0]).values())
    with torch.inference_mode():
        for recording in recordings:
            frames = librosa.feature.mfcc(y=recording.samples[0, : 15 * sr], sr=sr, n_mfcc=40, n_fft=2048)
            given = torch.from_numpy((frames - means) / deviations)[None]
            values = model.net_(given).numpy()[0]
            found.append(list(values * model.targets_.deviations + model.targets_.means))
    return found


def seconds(call: Callable[[], object]) -> float:
    """Return the CPU time [s] of this process."""
    begun = time.process_time()
    call()
    return time.process_time() - begun


def main() -> None:
    torch.set_num_threads(1)
    recordings = [
        Audio(rng.normal(0, 0.1, (1, 30 * sr)).astype(np.float32), sr, "pcm", "none", ("M",)) for _ in range(clips)
    ]
    with TemporaryDirectory() as folder:
        feature = kept_network(Path(folder))
        model = feature.extractor._fitted.model
        assert np.allclose(by_extractor(feature, recordings), by_loop(model, recordings), atol=1e-4)
        ways = (lambda: by_extractor(feature, recordings)), (lambda: by_loop(model, recordings))
        rounds = [[seconds(way) for way in ways] for _ in range(5)]  # in turns: another load on the machine meets both
    ours, bare = (min(times) for times in zip(*rounds, strict=True))
    print(f"extractor  {1000 * ours / clips:.1f} CPU-ms per clip")
    print(f"bare loop  {1000 * bare / clips:.1f} CPU-ms per clip")
    print(f"ratio      {ours / bare:.2f}")


if __name__ == "__main__":
    main()
