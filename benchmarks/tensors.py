"""Large tensors through an ingest beside writing the packs directly: ``python benchmarks/tensors.py``.

Prints two ratios of one run, and what the committing process needed at its peak, once with small and once with large
tensors. Of both ways, what small tensors cost is subtracted: starting workers, reading files, commits.
"""

from __future__ import annotations

import hashlib
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

tracks, small, large = 48, 0.01, 16.0  # [MB] per track
per_pack = 16  # of the largest: what one commit takes
module = """
from dataclasses import dataclass
import numpy as np
from mirstore.core import Column, Extractor, Tensor

@dataclass
class Ramp(Extractor):
    "As many numbers as are asked for, others for each track."
    name = "ramp"
    megabytes: float = 1.0

    def columns(self):
        return {"ramp": Column(Tensor("float16", (2, None)), "", "numbers that rise and fall")}

    def extract(self, track):
        n = round(self.megabytes * (1 << 18))
        rng = np.random.default_rng(int(track.id[:8], 16))
        return {"ramp": rng.integers(0, 1 << 14, (2, n), np.uint16).view(np.float16)}
"""
ingest = """
import sys
sys.path.insert(0, sys.argv[1])
from ramp import Ramp
from mirstore.core.features import FeatureSet
from mirstore.store import Store
from mirstore.store.ingest.run import ingest
from mirstore.store.ingest.sources import find
with Store(sys.argv[3], create=True) as store:
    ingest(store, find([sys.argv[2]]), {"ramp": FeatureSet("ramp", Ramp(float(sys.argv[4])))}, workers=1).result()
for line in open("/proc/self/status"):  # ru_maxrss begins with that of the process that started this one
    if line.startswith("VmHWM"):
        print(int(line.split()[1]) >> 10)
"""


def direct(files: list[Path], folder: Path, megabytes: float) -> None:
    """Decode, extract and write packs as anybody would by hand."""
    from ramp import Ramp  # type: ignore[import-not-found]
    from safetensors.numpy import save

    from mirstore.core.identity import track_id
    from mirstore.core.tracks import Track

    arrays = {}
    for number, path in enumerate(files, start=1):
        track = Track(track_id(path), path)
        _ = track.decoded
        arrays[track.id] = Ramp(megabytes).extract(track)["ramp"]
        if number % per_pack == 0 or number == len(files):
            data = save(arrays)
            with open(folder / hashlib.sha256(data).hexdigest(), "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            arrays = {}


def spent(call) -> tuple[float, float]:  # type: ignore[no-untyped-def]
    """Return wall and CPU seconds, of children too."""

    def cpu() -> float:
        uses = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return sum(use.ru_utime + use.ru_stime for use in uses)

    begun, before = time.perf_counter(), cpu()
    call()
    return time.perf_counter() - begun, cpu() - before


def main(folder: Path) -> None:
    (folder / "ramp.py").write_text(module)
    sys.path.insert(0, str(folder))
    files = []
    (folder / "music").mkdir()
    for number in range(tracks):
        files.append(folder / "music" / f"{number}.wav")
        soundfile.write(files[-1], np.random.default_rng(number).uniform(-1, 1, 4000), 8000)
    peaks, times = {}, {}
    for size in (small, large):
        (folder / f"direct-{size}").mkdir()
        times["direct", size] = spent(lambda size=size: direct(files, folder / f"direct-{size}", size))
        arguments = [str(folder), str(folder / "music"), str(folder / f"store-{size}"), str(size)]

        def through_the_engine(arguments=arguments, size=size):  # type: ignore[no-untyped-def]
            peaks[size] = int(subprocess.check_output([sys.executable, "-c", ingest, *arguments], text=True))

        times["engine", size] = spent(through_the_engine)
    for number, unit in enumerate(["wall", "CPU"]):
        by_hand, engine = (times[way, large][number] - times[way, small][number] for way in ("direct", "engine"))
        print(f"tensors, {unit:<22} {by_hand / engine:.2f} × writing packs directly ({by_hand:.1f} s, {engine:.1f} s)")
    total = tracks * large
    print(f"committing process, peak       {peaks[small]} MB with small tensors, {peaks[large]} MB with {total:.0f} MB")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        main(Path(name))
