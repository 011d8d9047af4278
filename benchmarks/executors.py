"""A Dask cluster beside local processes, as a ratio in one run: ``python benchmarks/executors.py``.

Two workers each, 40 tasks of 0.5 s that sleep, so that what is measured is bringing them there and back. The cluster's
workers are processes on this machine; its start is not counted, that of our own processes is.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from mirstore.core import Column, Extractor, Row, Track
from mirstore.core.cluster import places_at
from mirstore.core.extraction import extract
from mirstore.core.features import FeatureSet
from mirstore.core.jobs import Job
from mirstore.core.places import Place

tasks, seconds, workers = 40, 0.5, 2


@dataclass
class Sleeps(Extractor):
    """Takes its time, and no CPU."""

    name = "sleeps"

    def columns(self) -> dict[str, Column]:
        return {"seconds": Column(pl.Float64, "s", "how long it took")}

    def extract(self, track: Track) -> Row:
        time.sleep(seconds)
        return {"seconds": seconds}


def timed(jobs: Sequence[Job], feature: FeatureSet, where: Mapping[str, Place] | None) -> float:
    """Return the wall time [s] of an extraction."""
    begun = time.perf_counter()
    done = list(extract(jobs, [feature], workers=workers, where=where))
    spent = time.perf_counter() - begun
    assert [outcome.status for one in done for outcome in one.outcomes] == ["ok"] * len(jobs)
    return spent


def main() -> None:
    """Measure, each three times in turn; the first time is for the file cache."""
    import soundfile
    from distributed import LocalCluster
    from executors import Sleeps  # what workers import it by

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "short.wav"
        soundfile.write(path, np.random.default_rng(440).uniform(-0.1, 0.1, 8000), 8000)
        feature = FeatureSet("sleeps", Sleeps())
        jobs = [Job(str(number), path, (feature.id,)) for number in range(tasks)]
        with LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None) as cluster:
            address = cluster.scheduler_address.replace("tcp://", "dask://")
            where = places_at(address, [feature.extractor], [path])
            pairs = [(timed(jobs, feature, None), timed(jobs, feature, where)) for _ in range(3)][1:]
    local, dask = (min(times) for times in zip(*pairs, strict=True))
    ideal = tasks * seconds / workers
    print(
        f"{tasks} tasks of {seconds} s, {workers} workers   ideal {ideal:.1f} s, local {local:.2f} s, Dask {dask:.2f} s"
    )
    print(f"Dask                          {dask / local:.3f} × local processes; wanted 1.05 ×")


if __name__ == "__main__":
    main()
