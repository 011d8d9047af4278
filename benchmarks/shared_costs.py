"""What a shared store costs here and at its servers: CPU, requests, bytes, rows of the catalogue. No audio is read.

For `shared_plan.py`. The servers are those of the tests, on loopback, and children of this process. Batches are written
as an ingest writes them, tensors as the workers of a cluster send them; what the values are is of no account.
"""

from __future__ import annotations

import math
import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from growth import columns, features, mtime, music, size

from mirstore.core import Column, Extractor, Row, Tensor, Track
from mirstore.core.away import remove, sent, workplace
from mirstore.core.bucket import Bucket, Found
from mirstore.core.features import FeatureSet
from mirstore.core.jobs import AudioFacts, Done, Job, Outcome
from mirstore.core.packed import put
from mirstore.store import Store
from mirstore.store.ingest.committer import Committer, batch_tracks
from mirstore.store.ingest.news import News
from mirstore.store.ingest.plan import make_plan
from mirstore.store.ingest.preview import Preview
from mirstore.store.ingest.scan import Scanned
from mirstore.store.ingest.source import Source
from mirstore.store.ingest.summary import Summary
from mirstore.store.lake import shared
from mirstore.store.lake.shared import Shared

facts = AudioFacts(44100, 2, 180.0, "flac", "soundfile", (), "0" * 64)
piece = 5 << 20  # [bytes] a larger file is put in pieces of this size, which are requests of their own
listed = 1000  # objects per request
asked: Counter[str] = Counter()
_lock = Lock()


def count(**what: int) -> None:
    """Count requests and bytes."""
    with _lock:
        asked.update(what)


class Counted(Bucket):
    """A bucket that counts what is asked of it, as S3 would."""

    def _put(self, path: Path) -> None:
        bytes_ = path.stat().st_size
        count(PUT=1 if bytes_ <= piece else 2 + math.ceil(bytes_ / piece), bytes_put=bytes_)
        super()._put(path)

    def _fetch(self, path: Path) -> None:
        super()._fetch(path)
        count(GET=1, bytes_got=path.stat().st_size if path.exists() else 0)

    def read(self, name: str) -> bytes | None:
        count(GET=1)
        return super().read(name)

    def write(self, name: str, data: bytes) -> None:
        count(PUT=1, bytes_put=len(data))
        super().write(name, data)

    def list(self, prefix: str = "") -> Iterator[tuple[Path, Found]]:
        number = 0
        for number, each in enumerate(super().list(prefix)):
            if number % listed == 0:
                count(LIST=1)
            yield each

    def _copy(self, old: Path, new: Path) -> int:
        count(COPY=1, GET=1)  # HEAD costs what GET does
        return super()._copy(old, new)

    def delete(self, paths: Iterable[Path]) -> None:
        paths = list(paths)
        count(DELETE=math.ceil(len(paths) / listed))
        super().delete(paths)


shared.Bucket = Counted  # type: ignore[attr-defined,misc]  # in a process that does nothing else


class Meter:
    """What was spent since it was made, or since it was asked last [s, requests, bytes]."""

    def __init__(self) -> None:
        self.since = self._now()

    def lap(self) -> Counter[str]:
        """Return it: ``cpu`` of this process, ``wall``, ``postgres``, ``weed``, and what was asked of the bucket."""
        before, self.since = self.since, self._now()
        return Counter({name: value - before[name] for name, value in self.since.items()})  # type: ignore[misc]

    @staticmethod
    def _now() -> Counter[str]:
        spent: Any = {"cpu": time.process_time(), "wall": time.monotonic(), **_servers(), **asked}
        return Counter(spent)


def _servers() -> dict[str, float]:
    """Return the CPU time [s] of the servers that this process started, with that of their processes that ended."""
    found: dict[int, tuple[str, int, float]] = {}
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = file.read_text()
        except OSError:
            continue  # it ended
        name, rest = text[text.index("(") + 1 : text.rindex(")")], text[text.rindex(")") + 2 :].split()
        ticks = sum(map(int, rest[11:15]))
        found[int(file.parent.name)] = name, int(rest[1]), ticks / os.sysconf("SC_CLK_TCK")
    spent = dict.fromkeys(("postgres", "weed"), 0.0)
    tops = {pid for pid, (name, parent, _) in found.items() if parent == os.getpid() and name in spent}
    for pid, (name, parent, seconds) in found.items():
        if name in spent and (pid in tops or parent in tops):
            spent[name] += seconds
    return spent


@dataclass
class Picture(Extractor):
    """A small tensor."""

    name = "picture"

    def columns(self) -> dict[str, Column]:
        return {"values": Column(Tensor("float16", (8, None)), "", "nothing")}

    def extract(self, track: Track) -> Row:
        return {"values": np.zeros((8, 64), np.float16)}


pictures = {"picture": FeatureSet("picture", Picture())}
rng = np.random.default_rng(440)


def tracks(first: int, number: int) -> list[Scanned]:
    """Return tracks as a scan finds them."""
    paths = [f"{music}/{n // 1000:06}/{n:09}.flac" for n in range(first, first + number)]
    ids = rng.bytes(32 * number).hex()
    return [
        Scanned(Source(path, dataset="music", origin=music), path, "new", ids[at * 64 : at * 64 + 64], size, mtime)
        for at, path in enumerate(paths)
    ]


def books(store: Store, items: Sequence[Scanned], named: dict[str, FeatureSet]) -> Committer:
    """Return a committer that has committed what is known before anything is computed."""
    plan = make_plan(store, items, named, retry_failed=False)
    rows: dict[str, list[dict[str, Any]]] = {
        "core.locations": [
            {"track": item.track, "path": item.shown, "bytes": size, "mtime_ns": mtime} for item in items
        ],
        "core.items": [{"dataset": "music", "track": item.track, "attrs": "{}"} for item in items],
        "core.datasets": [{"dataset": "music", "source": music}],
    }
    counts = {name: {"ok": 0, "failed": 0} for name in named}
    news = News(rows, Counter(), Counter(), [])
    found = Committer(store, Preview(plan, news, Summary(f"of {items[0].shown}", "music", features=counts)))
    found.register()
    return found


def picture(job: Job) -> list[dict[str, Any]]:
    """Return a tensor of a track after it was put into the bucket, as a worker does."""
    made = put([{"values": rng.random((8, 64)).astype(np.float16)}], ["values"], workplace(job) / "0.safetensors")
    rows = sent(job, made)
    remove(job)
    return rows


def computed(job: Job) -> Done:
    """Return ten feature sets of eight numbers for a track, and a tensor if it is asked for."""
    id_ = pictures["picture"].id
    rows = [dict(zip(columns, some, strict=True)) for some in rng.random((len(job.features), len(columns))).tolist()]
    found = {each: [row] for each, row in zip(job.features, rows, strict=True) if each != id_}
    found |= {id_: picture(job)} if id_ in job.features else {}
    return Done(job, facts, [Outcome(each, "ok", some, seconds=0.5) for each, some in found.items()])


def batches(store: Store, items: Sequence[Scanned], *, tensors: bool = False) -> Iterator[tuple[str, Counter[str]]]:
    """Ingest tracks, and yield what each step cost: ``known``, ``sent``, ``commit``, ``merge``, ``end``.

    Files are merged where an ingest merges them; what that costs is told apart.
    """
    home = store.home
    assert isinstance(home, Shared)
    meter = Meter()
    found = books(store, items, features | pictures if tensors else features)
    yield "known", meter.lap()
    jobs = found.plan.jobs(store, Path("jobs/plan"), home.bucket if tensors else None)
    merge, merged = store.compact, Counter[str]()

    def compact() -> None:
        before = Meter()
        merge()
        merged.update(before.lap())

    store.compact = compact  # type: ignore[method-assign]
    try:
        for at in range(0, len(items), batch_tracks):
            some = [job for _, job in zip(range(min(batch_tracks, len(items) - at)), jobs, strict=False)]
            done = [computed(job) for job in some]
            yield "sent", meter.lap()
            found.since = time.monotonic()  # sending is what other machines do
            for each in done:
                found.add(each)
            found.flush()
            spent = meter.lap()
            if merged:
                yield "merge", Counter(merged)
                spent.subtract(merged)
                merged.clear()
            yield "commit", spent
        found.finish("benchmark")
        meter.lap()
        yield "end", Counter(merged)
    finally:
        store.compact = merge  # type: ignore[method-assign]


def rows(home: Shared) -> dict[str, int]:
    """Return how many rows the catalogue has, by table, and its size [bytes]."""
    tables = "snapshot", "snapshot_changes", "data_file", "file_column_stats", "files_scheduled_for_deletion"
    with home.catalogue() as catalogue:
        found = {table: catalogue.execute(f"SELECT count(*) FROM ducklake_{table}").fetchone()[0] for table in tables}
        (found["bytes"],) = catalogue.execute("SELECT pg_database_size(current_database())").fetchone()
    return found


def shapes(store: Store) -> dict[str, tuple[int, float]]:
    """Return of each table its rows, and the bytes of one in its largest file."""
    assert isinstance(store.home, Shared)
    with store.home.catalogue() as catalogue:
        found = catalogue.execute(
            "SELECT table_name, sum(record_count)::int8, max(ARRAY[record_count, file_size_bytes]) "
            "FROM ducklake_data_file JOIN ducklake_table USING (table_id) GROUP BY 1 HAVING sum(record_count) >= 100"
        ).fetchall()
    return {name: (rows_, bytes_ / many) for name, rows_, (many, bytes_) in found}


def entries(home: Shared, *, commits: int, files: int, merged: int) -> None:
    """Add to a catalogue what so many commits leave: entries only, there are no files.

    Parameters
    ----------
    commits : int
        Snapshots, with their messages.
    files : int
        Of each table of features, with a range for each column.
    merged : int
        Files that were merged and wait for ``mirstore gc``.
    """
    said = '{"command": "mirstore ingest s3://music --features all", "session": "0123456789ab"}'
    with home.catalogue() as catalogue:
        newest, schema, next_, file = catalogue.execute(
            "SELECT snapshot_id, schema_version, next_catalog_id, next_file_id FROM ducklake_snapshot "
            "ORDER BY 1 DESC LIMIT 1"
        ).fetchone()
        tables = catalogue.execute(
            "SELECT table_id FROM ducklake_table JOIN ducklake_schema USING (schema_id) WHERE schema_name = 'feat'"
        ).fetchall()
        last = file + files * len(tables) + merged
        catalogue.execute(
            f"INSERT INTO ducklake_snapshot SELECT {newest} + i, now(), {schema}, {next_}, {last} "
            f"FROM generate_series(1, {commits}) i"
        )
        catalogue.execute(
            f"INSERT INTO ducklake_snapshot_changes SELECT {newest} + i, "
            f"'inserted_into_table:7,inserted_into_table:17,inserted_into_table:36', 'mirstore', 'ingest', '{said}' "
            f"FROM generate_series(1, {commits}) i"
        )
        for number, (table,) in enumerate(tables):
            first = file + number * files
            catalogue.execute(
                "INSERT INTO ducklake_data_file (data_file_id, table_id, begin_snapshot, path, path_is_relative, "
                "file_format, record_count, file_size_bytes, footer_size, row_id_start) "
                f"SELECT {first} + i, {table}, {newest} + 1, 'ducklake-' || gen_random_uuid() || '.parquet', true, "
                f"'parquet', 8000000, 520000000, 2000, 0 FROM generate_series(0, {files - 1}) i"
            )
            catalogue.execute(
                "INSERT INTO ducklake_file_column_stats (data_file_id, table_id, column_id, column_size_bytes, "
                f"value_count, null_count, min_value, max_value) SELECT {first} + i, {table}, column_id, 50000000, "
                f"8000000, 0, '0.0', '1.0' FROM generate_series(0, {files - 1}) i, ducklake_column "
                f"WHERE table_id = {table}"
            )
        catalogue.execute(
            f"INSERT INTO ducklake_files_scheduled_for_deletion SELECT {last - merged} + i, "
            "'feat/narrow_0123456789/ducklake-' || gen_random_uuid() || '.parquet', true, now() "
            f"FROM generate_series(0, {merged - 1}) i"
        )
        for table in ("snapshot", "snapshot_changes", "data_file", "file_column_stats"):
            catalogue.execute(f"ANALYZE ducklake_{table}")
