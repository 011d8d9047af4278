"""Forgetting what is damaged: files, packs, and what the ledger says of their tracks, so that it is computed again."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from mirstore.core.errors import StoreError
from mirstore.store.lake import journal, schema, spoilt_runs
from mirstore.store.lake.connect import catalogue as in_duckdb
from mirstore.store.lake.connect import keep
from mirstore.store.lake.doctor import catalogue_problems, pack_problem, refuse_newer_data
from mirstore.store.lake.files import DataFile, data_files, new_data_file, packs_in
from mirstore.store.lake.gone import forget
from mirstore.store.lake.home import Catalogue, Home
from mirstore.store.lake.relisting import begun, failed, ledger_of, listed_again, unanswered, unlisted
from mirstore.store.lake.replacing import Change, replace
from mirstore.store.lake.rotten import parquet_problem
from mirstore.store.lake.schema import feature_of, order, revision
from mirstore.store.lake.shared import home_at
from mirstore.store.lake.tensors import pack_folder, pack_path

brought_again = frozenset(
    f"core.{name}"
    for name in (
        "annotations", "columns", "datasets", "duplicates", "extractions", "feature_sets", "grids", "inputs", "items",
        "labels", "locations", "names", "splits", "tags", "tracks",
    )
)  # fmt: skip
"""Tables of which the next ingest, or import, of the same files says again what was lost."""


@dataclass
class Repaired:
    """What is forgotten, and what is not.

    Attributes
    ----------
    files : list of path
        Data files and packs; they stay on disk until ``mirstore gc``.
    rows : dict of str to int
        Rows that were lost, per table of ``core``.
    again : dict of str to int
        Rows that were made again from the values that are there, per table of ``core``: what the ledger says of them,
        and where tensors are.
    runs : dict of str to str
        Runs that had finished and may lack results, and the tables that had them: they count as failed, and run again.
    tracks : dict of str to int
        Tracks that the next ingest computes again, per id of a feature set.
    put_back : list of path
        Data files and packs of which this machine had whole copies: nothing of them is lost.
    """

    files: list[Path] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)
    again: dict[str, int] = field(default_factory=dict)
    runs: dict[str, str] = field(default_factory=dict)
    tracks: dict[str, int] = field(default_factory=dict)
    put_back: list[Path] = field(default_factory=list)


def repair(store: str | Path, *, deep: bool = False) -> Repaired:
    """Forget the damaged files and packs of a store; killed at any moment, it can be run again.

    Parameters
    ----------
    store : str or path
        Its address.
    deep : bool
        Look for damage in every byte.

    Raises
    ------
    StoreError
        If the catalogue itself is damaged, or the store cannot be written.
    """
    home = home_at(store)
    with home.lock():
        if problems := catalogue_problems(home):
            raise StoreError(f"{problems[0]['file']}: {problems[0]['problem']}", hint=problems[0]["remedy"])
        with home.catalogue() as catalogue:
            done = _repair(home, catalogue, deep=deep)
        if "core.meta" in done.rows:
            _note_version(home)
    return done


def _repair(home: Home, catalogue: Catalogue, *, deep: bool) -> Repaired:
    files = data_files(catalogue, home.path)
    home.fetch({file.path: file.bytes for file in files})
    refuse_newer_data((file.path for file in files if file.table == "core.meta"), home)
    forget(home.path)
    back: list[Path] = []
    gone, whole = _sorted_out(home, files, back, deep=deep)
    packs = _damaged_packs(home, whole, back, deep=deep)
    spoilt, affected = {id_ for id_, _ in packs}, {file.table for file in gone}
    features = {table for table in {*affected, *whole} if table.startswith("feat.")}
    damaged = {table for table in features if table in affected or feature_of(table) in spoilt}
    entries = whole.get("core.extractions", []) if damaged or "core.extractions" in affected else []
    ledger = ledger_of([file.path for file in entries])
    lost = {
        table: _lost(table, whole.get(table, []), {pack for id_, pack in packs if id_ == feature_of(table)}, ledger)
        for table in damaged
    }
    told: pl.DataFrame = pl.DataFrame()
    unread: Set[tuple[str, str]] = frozenset()
    if "core.extractions" in affected:
        told, unread = _told_again(whole, ledger, lost)
    again = listed_again(home, gone, whole, told, packs.keys())
    changes: list[Change] = [(file, again.get(file)) for file in gone]
    for table, keys in _forgotten(lost, unread, packs.keys()).items():
        for file in whole.get(table, []) if keys.height else []:
            changes += _without(home, file, keys)
    runs = spoilt_runs.spoilt(gone, whole.get("core.runs", []))
    events = whole.get("core.run_events", []) if runs else []
    finished = spoilt_runs.finished(events)
    changes += spoilt_runs.failed(home, events, runs)  # also of removed ones: a later damage may cost the removal
    for (_, pack), path in packs.items():
        _make_way(home, pack, path)
    if changes:
        replace(home, catalogue, changes)
    elif home.is_told_badly:
        home.retell(journal.Tables(catalogue.execute))
    rows, made = Counter[str](), Counter[str]()
    for file in gone:
        rows[file.table] += file.rows
    for file, new in again.items():
        made[file.table] += new.rows
    return Repaired(
        sorted([*(file.path for file in gone), *packs.values()]),
        {table: count for table, count in (rows - made).items() if table.startswith("core.")},
        dict(made),
        {run: tables for run, tables in runs.items() if run in finished},
        {feature_of(table): len(tracks) for table, tracks in lost.items()},
        sorted(back),
    )


def _sorted_out(
    home: Home, files: Sequence[DataFile], back: list[Path], *, deep: bool
) -> tuple[list[DataFile], dict[str, list[DataFile]]]:
    """Return the files that are damaged, and the others by table; add to those that could be put back."""
    known = home.checksums()
    gone: list[DataFile] = []
    whole: dict[str, list[DataFile]] = {}
    for file in files:
        sha256 = known.get(file.path.relative_to(home.path).as_posix())
        seen = home.damage(file.path, file.bytes, deep=deep, sha256=sha256)
        if seen and sha256 and home.put_back(file.path, sha256):
            back.append(file.path)
            seen = None
        damaged = seen or parquet_problem(file.path, file.bytes, sha256)
        if damaged and not (seen or deep or home.has_all):  # it may be the copy on this machine only
            seen = home.damage(file.path, file.bytes, deep=True, sha256=sha256)
            damaged = seen or parquet_problem(file.path, file.bytes, sha256)
        (gone if damaged else whole.setdefault(file.table, [])).append(file)
    return gone, whole


def _make_way(home: Home, pack: str, path: Path) -> None:
    """Rename a damaged pack to a leftover for `mirstore gc`: the same tensors make a file of the same name."""
    inside = path.resolve().is_relative_to((home.path / "tensors").resolve())
    if path.is_file() and inside and re.fullmatch("[0-9a-f]{64}", pack):  # a store may be somebody else's
        home.put_aside(path, path.with_name(f".{pack}.0.part"))


def _damaged_packs(
    home: Home, whole: Mapping[str, list[DataFile]], back: list[Path], *, deep: bool
) -> dict[tuple[str, str], Path]:
    """Return the damaged packs that features name or that are listed, by feature set and pack.

    Add to those that could be put back.
    """
    listed = [
        pq.read_table(file.path, columns=["feature_set", "pack", "bytes"]) for file in whole.get("core.packs", [])
    ]
    sizes = {(row["feature_set"], row["pack"]): row["bytes"] for rows in listed for row in rows.to_pylist()}
    features = [file for table, files in whole.items() if table.startswith("feat.") for file in files]
    named = {(feature_of(file.table), pack) for file in features for pack in packs_in(file.path)}
    found = {}
    for id_, pack in sorted(named | sizes.keys()):
        path = pack_path(pack_folder(home.path, id_), pack)
        problem = home.damage(path, sizes.get((id_, pack)), deep=deep)
        if problem and home.put_back(path, pack):
            back.append(path)
        elif problem or ((deep or home.has_all) and pack_problem(path, pack, deep=deep)):
            found[id_, pack] = path
    return found


def _lost(table: str, files: Sequence[DataFile], packs: Set[str], ledger: pl.DataFrame) -> frozenset[str]:
    """Return the tracks of which a table of features has fewer whole rows than the ledger says."""
    entries = ledger.filter((pl.col("feature_set") == feature_of(table)) & (pl.col("status") == "ok"))
    counts: Counter[tuple[str, int | None]] = Counter()
    for file in files:
        rows = pq.read_table(file.path)
        at = rows[revision].to_pylist() if revision in rows.column_names else [None] * rows.num_rows
        broken = _naming(rows, packs)
        keys = zip(rows["track"].to_pylist(), at, strict=True)
        counts.update(key for key, bad in zip(keys, broken, strict=True) if not bad)
    revised = any(number is not None for _, number in counts)
    return frozenset(
        track
        for track, rows, number in entries.select("track", "rows", order).iter_rows()
        if counts[track, number if revised else None] < (rows or 0)
    )


def _told_again(
    whole: Mapping[str, Sequence[DataFile]], ledger: pl.DataFrame, lost: dict[str, frozenset[str]]
) -> tuple[pl.DataFrame, Set[tuple[str, str]]]:
    """Return the entries of a lost ledger, and the feature sets and tracks whose annotations are to be read again.

    Of damaged tables, nobody knows whether what is left of a track is all: those are lost, too.
    """
    features = {table: begun(files) for table, files in whole.items() if table.startswith("feat.")}
    entries = unlisted(features, ledger)
    read = unanswered([file.path for file in whole.get("core.annotations", [])], pl.concat([ledger, entries]))
    for table in lost:
        here = pl.col("feature_set") == feature_of(table)
        lost[table] |= {*entries.filter(here)["track"], *read.filter(here)["track"]}
        entries, read = entries.filter(~here), read.filter(~here)
    unread = set(zip(read["feature_set"], read["track"], strict=True))
    return pl.concat([entries, failed(read)], how="diagonal"), unread


def _naming(rows: pa.Table, packs: Set[str]) -> list[bool]:
    """Tell for each row whether it names one of these packs."""
    columns = [column.to_pylist() for column in rows.columns if packs and pa.types.is_struct(column.type)]
    values = zip(*columns, strict=True) if columns else ((),) * rows.num_rows
    return [any(value is not None and value["pack"] in packs for value in row) for row in values]


def _forgotten(
    lost: Mapping[str, Set[str]], unread: Set[tuple[str, str]], packs: Set[tuple[str, str]]
) -> dict[str, pl.DataFrame]:
    """Return the keys of rows about lost tracks and packs, and about annotations to be read again, per table."""
    pairs = {(feature_of(table), track) for table, tracks in lost.items() for track in tracks}
    entries, read = (
        pl.DataFrame(sorted(keys), {"feature_set": pl.String, "track": pl.String}, orient="row")
        for keys in (pairs, pairs | unread)
    )
    listed = pl.DataFrame(sorted(packs), {"feature_set": pl.String, "pack": pl.String}, orient="row")
    values = {
        table: pl.DataFrame({"track": pl.Series(sorted(tracks), dtype=pl.String)}) for table, tracks in lost.items()
    }
    return {**values, "core.extractions": entries, "core.annotations": read, "core.packs": listed}


def _without(home: Home, file: DataFile, keys: pl.DataFrame) -> Iterator[Change]:
    """Yield how a file changes whose rows with one of these keys are forgotten, if it has any."""
    rows = pl.read_parquet(file.path, columns=keys.columns, glob=False)
    marked = rows.join(keys.with_columns(forgotten=True), on=keys.columns, how="left", maintain_order="left")
    kept = marked["forgotten"].is_null()
    if not kept.all():
        left = pq.read_table(file.path).filter(kept.to_arrow())
        yield file, new_data_file(home, file, left) if left.num_rows else None


def _note_version(home: Home) -> None:
    """Write the store's version again."""
    before = set((home.path / "data").rglob("*.parquet"))
    connection = home.open(read_only=False)
    connection.execute("BEGIN")
    schema.complete(connection)
    new = set((home.path / "data").rglob("*.parquet")) - before
    keep(new, home.path)
    home.publish(new)
    connection.execute("COMMIT")
    home.retell(journal.Tables(connection.execute, f"{in_duckdb}."))
    home.close(connection)
