"""Mel-spectrogram, onset envelope and both tempograms of 30 s: ``python benchmarks/tempograms.py``.

Prints how many times faster than real time one core is: the extractors alone, beside a bare loop over librosa that
makes the envelope of the mel-spectrogram's own power and keeps nothing; and an ingest without its start, beside
decoding and that loop. Then what is kept per track, and what a tempogram costs to read and to make anew. Tracks are
45 s of the bundled clips, of which 15 s to 45 s are looked at.
"""

from __future__ import annotations

import os

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS", "POLARS_MAX_THREADS"), "1")

import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain, islice
from pathlib import Path

import numpy as np
import soundfile
from costs import run

from mirstore.core.columns import Row, input_frame
from mirstore.core.features import in_order
from mirstore.core.plugins import Plugins
from mirstore.core.registry import Registry
from mirstore.core.resolve import resolve
from mirstore.core.tensors import Tensors
from mirstore.core.tracks import Track
from mirstore.store import Store
from mirstore.store.ingest.run import ingest
from mirstore.store.ingest.sources import find
from mirstore.store.lake.tensors import pack_folder

clips = sorted((Path(__file__).parents[1] / "examples" / "clips").glob("*.ogg"))
names = ("mel-30", "onset-envelope-30", "tempogram-fourier-30", "tempogram-autocorrelation-30")
features = resolve(names, Registry.load(), Plugins.installed())


def cpu(call: Callable[[], object]) -> float:
    """Return CPU seconds, of ended children too."""

    def spent() -> float:
        uses = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return sum(use.ru_utime + use.ru_stime for use in uses)

    before = spent()
    call()
    return spent() - before


def longer(folder: Path) -> list[Path]:
    """Write a track of 45 s for each clip: it and the next two."""
    paths = []
    for number, clip in enumerate(clips):
        three = islice(chain(clips, clips), number, number + 3)
        paths.append(folder / f"{clip.stem}.wav")
        soundfile.write(paths[-1], np.concatenate([Track("", each).audio(44100) for each in three]), 44100)
    return paths


def extracted(track: Track) -> None:
    rows = dict[str, Sequence[Row]]()
    for feature in in_order(features):
        rows[feature.id] = run(feature, track, rows)


def bare(samples: np.ndarray) -> None:
    import librosa

    power = librosa.feature.melspectrogram(y=samples, sr=22050, window="hamming")
    librosa.power_to_db(power, ref=np.max).astype(np.float16)
    envelope = librosa.onset.onset_strength(S=librosa.power_to_db(power), sr=22050)
    np.abs(librosa.feature.fourier_tempogram(onset_envelope=envelope, sr=22050)).astype(np.float16)
    librosa.feature.tempogram(onset_envelope=envelope, sr=22050).astype(np.float16)


def ingested(folder: Path, paths: list[Path]) -> float:
    with Store(folder, create=True) as store:
        return cpu(lambda: ingest(store, find([str(path) for path in paths]), features, workers=1).result())


def heard(paths: list[Path]) -> list[np.ndarray]:
    return [Track(path.name, path).audio(22050, offset=15.0, duration=30.0) for path in paths]


def speed(paths: list[Path], folder: Path) -> None:
    tracks = [Track(path.name, path) for path in paths]
    samples = [track.audio(22050, offset=15.0, duration=30.0) for track in tracks]  # decoded and resampled for both
    extracted(tracks[0])  # imports and compilation, once per process
    pairs = [
        (cpu(partial(extracted, track)), cpu(partial(bare, part))) for track, part in zip(tracks, samples, strict=True)
    ]
    ours, theirs = (sum(times) / len(times) for times in zip(*pairs, strict=True))
    decoding = cpu(partial(heard, paths)) / len(paths)
    every, one = ingested(folder / "every", paths), ingested(folder / "one", paths[:1])
    engine = (every - one) / (len(paths) - 1)
    print(f"extractors                    {30 / ours:.0f} × real time")
    print(f"bare librosa                  {30 / theirs:.0f} × real time: {theirs / ours:.2f}")
    print(f"ingest                        {30 / engine:.0f} × real time")
    print(
        f"decoding, then bare librosa   {30 / (decoding + theirs):.0f} × real time: {(decoding + theirs) / engine:.2f}"
    )


def kept(folder: Path) -> None:
    with Store(folder) as store:
        for name, feature in features.items():
            packs = sum(path.stat().st_size for path in pack_folder(folder, feature.id).rglob("*") if path.is_file())
            print(f"{name:<29} {packs / len(clips) / 1e6:.3f} MB per track")
        columns = features["onset-envelope-30"].columns
        rows = [input_frame([{"envelope": each}], columns) for each in store.tensors("onset-envelope-30")]
        tracks = [Track("", Path(), {"onset-envelope": row}) for row in rows]
        for name in names[2:]:
            read = cpu(partial(copied, store.tensors(name), 10)) / 10 / len(clips)
            made = cpu(partial(list, map(features[name].extractor.extract, tracks))) / len(clips)
            print(f"{name:<29} {1e3 * read:.2f} ms to read, {1e3 * made:.1f} ms to make: {made / read:.0f}")


def copied(tensors: Tensors, times: int) -> None:
    for _ in range(times):
        for tensor in tensors:
            np.array(tensor)


if __name__ == "__main__":
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as name:
        speed(longer(Path(name)), Path(name))
        kept(Path(name) / "every")
    print(f"{time.perf_counter() - begun:.0f} s")
