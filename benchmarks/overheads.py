"""What the platform costs beside the extractors, as ratios measured in one run: ``python benchmarks/overheads.py``.

Second ingest, wide read, tensor access, start-up, overhead, workers. Nothing here is a test: figures depend on the
machine, ratios less so. Give a folder of ogg files to measure the engine on more than the 40 bundled clips, where the
2 CPU-s that every ingest takes to begin and end weigh most.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import duckdb
import numpy as np
import polars as pl

from mirstore.core.features import FeatureSet
from mirstore.store import Store
from mirstore.store.ingest.published_tables import Table

clips = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1] / "examples" / "clips"
rng = np.random.default_rng(440)


def timed(call: Callable[[], object], repeats: int = 5) -> float:
    """Return the median CPU time [s] of this process."""
    seconds = []
    for _ in range(repeats):
        begun = time.process_time()
        call()
        seconds.append(time.process_time() - begun)
    return statistics.median(seconds)


def mirstore(*arguments: str) -> tuple[float, float]:
    """Run a command and return its CPU and wall time [s], workers included."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, "-m", "mirstore.cli", *arguments], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, time.perf_counter() - begun


def wide_read(folder: Path) -> None:
    """18,486 tracks × 413 features to numpy, against plain DuckDB on the same files."""
    names = {f"f{number:03}": f"f{number:03}" for number in range(413)}
    feature = FeatureSet("wide", Table(sha256="benchmark", names=names))
    matrix = rng.standard_normal((18_486, 413))
    frame = pl.DataFrame({"track": [f"{number:064x}" for number in range(len(matrix))]}).with_columns(
        pl.DataFrame(matrix, schema=list(names))
    )
    stamp = {"ingest": "benchmark", "added": datetime(2026, 1, 1)}
    with Store(folder / "wide", create=True) as store:
        with store.write("benchmark") as tx:
            tx.add_feature_set("wide", feature, **stamp)
            tx.append(f"feat.{feature.table}", frame.to_arrow())
        files = [str(path) for path in store.files(f"feat.{feature.table}")]
        columns = ", ".join(names)

        def plain() -> np.ndarray:
            table = duckdb.sql(f"SELECT {columns} FROM read_parquet({files})").fetchnumpy()
            return np.column_stack(list(table.values()))

        ours = timed(lambda: store.features("wide").drop("track").to_numpy())
        peer = timed(plain)
    print(f"wide read 18,486 × 413         {ours:.3f} CPU-s, {ours / peer:.2f} × plain DuckDB ({peer:.3f})")


def second_ingest(folder: Path, tracks: int = 20_000) -> None:
    """20,000 unchanged files."""
    import soundfile

    music = folder / "music"
    music.mkdir()
    for number in range(tracks):
        soundfile.write(music / f"{number:05}.wav", rng.uniform(-0.1, 0.1, 900).astype(np.float32), 8000)
    arguments = ["--store", str(folder / "many"), "-q", "ingest", str(music), "--dataset", "many"]
    _, first = mirstore(*arguments)
    _, second = mirstore(*arguments)
    print(f"second ingest of 20,000 files  {second:.2f} s wall ({second / first:.3f} of the first)")


def overhead(folder: Path) -> None:
    """CPU of an ingest against a bare loop of the same extractor over the same files."""
    bare = (
        "import sys, pathlib\n"
        "from mirstore.core.tracks import Track\n"
        "from mirstore_essentia import Essentia\n"
        "for path in sorted(pathlib.Path(sys.argv[1]).glob('*.ogg')):\n"
        "    Essentia().extract(Track(path.name, path))\n"
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", bare, str(clips)], check=True, env=environment, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    peer = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    walls = []
    for workers in (1, 2):
        store = str(folder / f"overhead{workers}")
        cpu, wall = mirstore("--store", store, "-q", "ingest", str(clips), "--features", "essentia", "-j", str(workers))
        walls.append(wall)
        if workers == 1:
            print(f"ingest, essentia, 1 worker     {cpu:.1f} CPU-s, {cpu / peer:.3f} × a bare loop ({peer:.1f})")
    print(f"two workers                    {walls[0] / walls[1]:.2f} × one ({walls[0]:.1f} s, {walls[1]:.1f} s wall)")


def tensors(folder: Path) -> None:
    """Random access to mel-spectrograms of 30 s."""
    from mirstore_librosa import Mel

    feature = FeatureSet("mel", Mel())
    stamp = {"ingest": "benchmark", "added": datetime(2026, 1, 1)}
    with Store(folder / "tensors", create=True) as store, store.write("benchmark") as tx:
        tx.add_feature_set("mel", feature, **stamp)
        for batch in range(4):
            mels = rng.uniform(-80, 0, (100, 128, 1292)).astype(np.float16)
            tx.append_features(feature, [{"track": f"{batch}-{n}", "mel": m} for n, m in enumerate(mels)], **stamp)
    with Store(folder / "tensors") as store:
        reader = store.tensors("mel")
        order = rng.permutation(len(reader))
        for index in order:
            reader[index]
        begun = time.perf_counter()
        for index in order:
            reader[index]
        each = (time.perf_counter() - begun) / len(order)
        begun = time.perf_counter()
        for index in order:
            reader.crop(index, 500, 628)
        crop = (time.perf_counter() - begun) / len(order)
    print(f"random access to a 30 s mel    {1000 * each:.3f} ms warm, a crop of 128 frames {1000 * crop:.3f} ms")


def start_up() -> None:
    """``mirstore --help`` with all plugins installed."""
    seconds = statistics.median(mirstore("--help")[0] for _ in range(5))
    print(f"mirstore --help                {seconds:.3f} CPU-s")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        start_up()
        wide_read(Path(name))
        tensors(Path(name))
        overhead(Path(name))
        second_ingest(Path(name))
