"""What a store costs as it grows: ``python benchmarks/growth.py [TRACKS …]``, 1,000, 10,000 and 100,000 by default.

Stores of ten feature sets are written straight, as an ingest would have left them: no audio, and paths below a folder
that need not exist. Then each thing that is done with a store is measured in a process of its own: its CPU time, the
peak of its memory, and what else there is to say. A store of 1,000,000 tracks takes 2 GB and some minutes.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from mirstore.core import Column, Extractor, Row, Track
from mirstore.core.features import FeatureSet
from mirstore.core.jobs import AudioFacts, Done, Outcome
from mirstore.core.plugins import PluginInfo, Plugins
from mirstore.core.registry import Registry
from mirstore.store import Store
from mirstore.store.ingest.committer import Committer
from mirstore.store.ingest.news import News
from mirstore.store.ingest.plan import Plan, make_plan
from mirstore.store.ingest.preview import Preview, preview
from mirstore.store.ingest.published_tables import import_table
from mirstore.store.ingest.scan import Scanned
from mirstore.store.ingest.source import Source
from mirstore.store.ingest.status import status
from mirstore.store.ingest.summary import Summary
from mirstore.store.ingest.tagging import genres
from mirstore.store.sql.engine import Engine
from mirstore.store.sql.engines import engine

music = "/music/of/nobody"
stamp: dict[str, Any] = {"ingest": "benchmark", "added": datetime(2026, 1, 1)}
columns = [f"f{number}" for number in range(8)]
size, mtime = 1_000_000, 1_700_000_000_000_000_000


@dataclass
class Narrow(Extractor):
    """Eight numbers."""

    name = "narrow"
    number: int = 0

    def columns(self) -> dict[str, Column]:
        return {name: Column(pl.Float32, "", "one of eight") for name in columns}

    def extract(self, track: Track) -> Row:
        return dict.fromkeys(columns, 0.5)


@dataclass
class Sum(Extractor):
    """The sum of another's numbers: what it costs is reading them."""

    name = "sum"
    inputs = ("narrow",)

    def columns(self) -> dict[str, Column]:
        return {"total": Column(pl.Float64, "", "of all eight")}

    def extract(self, track: Track) -> Row:
        return {"total": sum(track.features("narrow").row(0))}


features = {f"set{number}": FeatureSet(f"set{number}", Narrow(number)) for number in range(10)}
derived = {"sum": FeatureSet("sum", Sum(), {"narrow": features["set0"]})}


def fill(folder: Path, tracks: int) -> None:
    """Write a store of so many tracks, in one commit and one file per million rows of a table."""
    when, hashed = "'benchmark' AS ingest, TIMESTAMP '2026-01-01' AS added, 2 AS committed", "sha256(i::VARCHAR)"
    path = f"'{music}/' || lpad((i // 1000)::VARCHAR, 4, '0') || '/' || lpad(i::VARCHAR, 7, '0') || '.flac'"
    numbers = f"range({tracks}) AS r(i)"
    with Store(folder, create=True) as store, store.write("benchmark") as tx:
        for name, feature in features.items():
            tx.add_feature_set(name, feature, ingest="benchmark", added=datetime(2026, 1, 1))
        tx.append("core.datasets", [{"dataset": "music", "source": music, **stamp}])
        tx.append("core.ingests", [{"command": "", "seconds": 1.0, "ingest": "benchmark", "added": stamp["added"]}])
        for table, values in {
            "core.tracks": f"""{hashed} AS track, {size} AS bytes, 'flac' AS codec, 44100 AS sr, 2 AS channels,
                180.0 + hash(i) % 100 AS duration, sha256('pcm' || i) AS samples, 'soundfile' AS decoder, {when}""",
            "core.locations": f"{hashed} AS track, {path} AS path, {size} AS bytes, {mtime} AS mtime_ns, {when}",
            "core.tags": f"""{hashed} AS track, {path} AS path,
                '{{"album": "Album ' || i // 12 || '", "artist": "Artist ' || i // 100 || '", "genre": ["Genre '
                || i % 30 || '"], "title": "Title ' || i || '"}}' AS tags, {when}""",
            "core.labels": f"""'music' AS dataset, {hashed} AS track, '{genres}' AS label_set,
                'Genre ' || i % 30 AS label, 1.0 AS value, {when}""",
            "core.items": f"'music' AS dataset, {hashed} AS track, '{{}}' AS attrs, {when}",
        }.items():
            tx.writes(table)
            store.ask(f"INSERT INTO lake.{table} BY NAME SELECT {values} FROM {numbers}")
        tx.writes("core.extractions")
        ids = ", ".join(f"('{feature.id}')" for feature in features.values())
        store.ask(
            f"""INSERT INTO lake.core.extractions BY NAME SELECT {hashed} AS track, {path} AS path, id AS feature_set,
            'ok' AS status, 1 AS rows, 0.5 AS seconds, {when} FROM {numbers}, (VALUES {ids}) AS f(id)"""
        )
        for number, feature in enumerate(features.values()):
            tx.writes(f"feat.{feature.table}")
            random = ", ".join(
                f"(hash(i * 80 + {number * 8 + at}) / 2.0 ** 64)::FLOAT AS {columns[at]}" for at in range(8)
            )
            store.ask(
                f"INSERT INTO lake.feat.{feature.table} BY NAME SELECT {hashed} AS track, {random} FROM {numbers}"
            )


def known(store: Store, tracks: int) -> list[Scanned]:
    """Return the first tracks of the store as a scan would."""
    rows = store.scan("core.locations").select("path", "track").head(tracks).collect()
    return [
        Scanned(Source(path, dataset="music", origin=music), path, "known", track, size, mtime, located=True)
        for path, track in rows.iter_rows()
    ]


def committer(store: Store, plan: Plan) -> Committer:
    """Return one for a plan, as an ingest makes it."""
    counts = {feature.name: {"ok": 0, "failed": 0} for feature in plan.named.values()}
    summary = Summary("measured", "music", features=counts)
    found = Committer(store, Preview(plan, News({}, Counter(), Counter(), []), summary))
    for name, feature in plan.named.items():
        with store.write("feature set") as tx:
            tx.add_feature_set(name, feature, **stamp)
    return found


class Clock:
    """CPU time [s] of this process since it was made, or since it was asked last."""

    def __init__(self) -> None:
        self.since = time.process_time()

    def lap(self) -> float:
        before, self.since = self.since, time.process_time()
        return self.since - before


def commits(address: str) -> dict[str, float]:
    """Commit 200 new tracks with all features, ten times."""
    with Store(address) as store:
        items = [
            Scanned(Source(f"{music}/new/{n}.flac", dataset="music"), f"{music}/new/{n}.flac", "new", f"{n:064x}", size)
            for n in range(2000)
        ]
        plan = make_plan(store, items, features, retry_failed=False)
        books = committer(store, plan)
        facts = AudioFacts(44100, 2, 180.0, "flac", "soundfile", (), "0" * 64)
        row = dict.fromkeys(columns, 0.5)
        clock, laps = Clock(), []
        for job in plan.jobs(store, Path("jobs")):
            books.add(Done(job, facts, [Outcome(id_, "ok", [row], seconds=0.5) for id_ in job.features]))
            if not books.batch:
                laps.append(clock.lap())
        books.finish("benchmark")
    return {"median": statistics.median(laps), "most": max(laps)}


def derive(address: str) -> dict[str, float]:
    """Read and commit what a derived feature needs for 10,000 tracks."""
    with Store(address) as store:
        items = known(store, 10_000)
        clock = Clock()
        plan = make_plan(store, items, derived, retry_failed=False)
        planned, books = clock.lap(), committer(store, plan)
        clock.lap()
        (id_,) = (feature.id for feature in derived.values())
        for job in plan.jobs(store, Path("jobs")):
            ((row,),) = job.given.values()
            books.add(Done(job, None, [Outcome(id_, "ok", [{"total": sum(row.values())}], seconds=0.1)]))
        books.flush()
        return {"plan": planned, "per 1,000": clock.lap() / len(items) * 1000}


def plan(address: str) -> dict[str, float]:
    """Plan a second ingest of all tracks, whose files are as they were; to ask the disk for them is not counted."""
    with Store(address, read_only=True) as store:
        paths = store.scan("core.locations").select("path").collect()["path"].to_list()
        sources = [Source(path, dataset="music", origin=music) for path in paths]
        del paths
        there = os.stat_result((0o100644, 0, 0, 1, 0, 0, size, 0, 0, 0), {"st_mtime_ns": mtime})
        real = os.stat

        def known_or_real(path: Any, *args: Any, **kwargs: Any) -> os.stat_result:
            return there if isinstance(path, str) and path.startswith(music) else real(path, *args, **kwargs)

        os.stat = known_or_real  # in this process, which does nothing else
        clock, before = Clock(), peak()
        found = preview(store, sources, features).result()
        assert not found.plan.missing
        assert found.summary.tracks["known"] == len(sources)
        return {"sources": before, "all": clock.lap()}


def state(address: str) -> dict[str, float]:
    """Ask for the status of all features."""
    entries = {name: {"extractor": "narrow", "params": {"number": number}} for number, name in enumerate(features)}
    registry = Registry.model_validate({"features": entries})
    plugins = Plugins([], [(PluginInfo("benchmark", "benchmark", "1"), [Narrow, Sum])])
    with Store(address, read_only=True) as store:
        clock = Clock()
        rows = status(store, registry, plugins, features)
        assert all((row["state"], row["missing"]) == ("current", 0) for row in rows), rows
        return {"all": clock.lap()}


def collect(address: str) -> dict[str, float]:
    """Look for what can be removed."""
    with Store(address) as store:
        clock = Clock()
        store.gc(dry_run=True)
        return {"dry run": clock.lap()}


def point(address: str) -> dict[str, float]:
    """Ask for one track's value in SQL, the first time since the store was opened, and again.

    The process that answers is counted, too. To start both, and to import, is not.
    """
    with Store(address) as store:  # for writing: as after an ingest, it is kept which tracks are gone
        track = store.scan("core.tracks").select("track").head(1).collect().item()
    with engine() as answering:
        answering.read("SELECT 1", timeout=60, memory="2GB")  # it has started
    clock, laps = Clock(), []
    with Store(address, read_only=True) as store:
        opened, others = clock.lap(), spent(answering)
        for _ in range(5):
            assert store.sql(f"SELECT f0 FROM set0 WHERE track = '{track}'").height == 1
            before, others = others, spent(answering)
            laps.append((clock.lap(), others - before))
    (asks, answers), *more = laps
    again = [statistics.median(column) for column in zip(*more, strict=True)]
    return {"open": opened, "first": asks, "answering": answers, "again": again[0], "answering again": again[1]}


def spent(answering: Engine) -> float:
    """Return the CPU time [s] of a process that answers, so far, with that of threads that have ended."""
    return time.clock_gettime(~answering._process.pid << 3 | 2)  # what clock_getcpuclockid says on Linux


def wide(address: str) -> dict[str, float]:
    """Read three feature sets of all tracks, beside plain DuckDB on the same files."""
    import duckdb

    names = list(features)[:3]
    with Store(address, read_only=True) as store:
        clock = Clock()
        frame = store.features(names)
        ours = clock.lap()
        files = [[str(path) for path in store.files(f"feat.{features[name].table}")] for name in names]
    a, b, c = (f"read_parquet({each}) AS {name}" for name, each in zip(names, files, strict=True))
    clock.lap()
    table = duckdb.sql(f"FROM {a} JOIN {b} USING (track) JOIN {c} USING (track)").to_arrow_table()
    assert table.num_rows == frame.height
    return {"all": ours, "plain": clock.lap()}


def bring(address: str) -> dict[str, float]:
    """Import a table of 85 columns and as many tracks into a new store."""
    with Store(address, read_only=True) as store:
        tracks = store.scan("core.tracks").select(pl.len()).collect().item()
    file = Path(address).with_name("table.parquet")
    random = ", ".join(f"(hash(i * 85 + {at}) / 2.0 ** 64) AS c{at:02}" for at in range(85))
    import duckdb

    duckdb.sql(f"SELECT 'id' || i AS id, {random} FROM range({tracks}) r(i)").write_parquet(str(file))
    target = Path(address).with_name("imported")
    call = [sys.executable, __file__, "--import", str(target), str(file)]
    done = subprocess.run(call, check=True, stdout=subprocess.PIPE, text=True)
    seconds, megabytes = map(float, done.stdout.split())
    megabytes_of_file = file.stat().st_size / 1e6
    shutil.rmtree(target)
    file.unlink()
    return {"all": seconds, "file MB": megabytes_of_file, "over MB": megabytes}


def import_alone(target: Path, file: Path) -> None:
    """Import a table, and print CPU time [s] and the memory that it took more than an open store [MB]."""
    with Store(target, create=True) as store:
        clock, before = Clock(), peak()
        import_table(store, file, dataset="d")
        print(clock.lap(), peak() - before)


def files(address: str) -> dict[str, float]:
    """Count the files that the newest snapshot reads, and those on disk."""
    with Store(address, read_only=True) as store:
        live = sum(len(store.files(table)) for table in store.tables())
    paths = [path for path in Path(address).rglob("*.parquet")]
    return {"live": live, "on disk": len(paths), "GB": sum(path.stat().st_size for path in paths) / 1e9}


def peak() -> float:
    """Return the peak of this process's memory so far [MB]."""
    lines = Path("/proc/self/status").read_text().splitlines()  # ru_maxrss begins with that of the parent
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1000


measures: Sequence[Callable[[str], dict[str, float]]] = (
    plan, state, collect, point, wide, bring, derive, commits, files,
)  # fmt: skip


def measured(address: str, chosen: Sequence[str]) -> Iterator[tuple[str, dict[str, float]]]:
    """Yield what each measure says, from a process of its own."""
    for measure in measures:
        if not chosen or measure.__name__ in chosen:
            call = [sys.executable, __file__, "--measure", measure.__name__, address]
            yield (
                measure.__name__,
                json.loads(subprocess.run(call, check=True, stdout=subprocess.PIPE, text=True).stdout),
            )


def main(sizes: Sequence[int], chosen: Sequence[str], place: str | None) -> None:
    """Measure stores of these sizes."""
    print(f"{'tracks':>9}  {'what':<10} {'CPU [s]':<42} peak [MB]")
    for tracks in sizes:
        with tempfile.TemporaryDirectory(dir=place) as name:
            clock = Clock()
            fill(Path(name) / "store", tracks)
            print(f"{tracks:>9,}  {'written':<10} {clock.lap():.1f}", flush=True)
            for what, found in measured(str(Path(name) / "store"), chosen):
                memory = found.pop("peak")
                shown = ", ".join(f"{key} {value:.4g}" for key, value in found.items())
                print(f"{tracks:>9,}  {what:<10} {shown:<42} {memory:.0f}", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        (called,) = (measure for measure in measures if measure.__name__ == sys.argv[2])
        print(json.dumps({**called(sys.argv[3]), "peak": peak()}))
    elif sys.argv[1:2] == ["--import"]:
        import_alone(*map(Path, sys.argv[2:]))
    else:
        words = sys.argv[1:]
        numbers = [int(word) for word in words if word.isdigit()] or [1000, 10_000, 100_000]
        main(numbers, [word for word in words if not word.isdigit()], os.environ.get("TMPDIR"))
