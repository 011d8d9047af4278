"""What an import brings into a store: a dataset, and a feature set that no extractor made."""

from __future__ import annotations

import ctypes
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from mirstore.core.columns import Column, Row
from mirstore.core.components import Extractor
from mirstore.core.errors import UsageError
from mirstore.core.features import FeatureSet
from mirstore.core.tracks import Track
from mirstore.store.ingest.meanwhile import together, unsaid
from mirstore.store.lake.quoting import literal
from mirstore.store.store import Store
from mirstore.store.tables import cells, column_roles
from mirstore.store.tables.report import Report


@dataclass
class Table(Extractor):
    """Features that came from a file and not from audio.

    Parameters
    ----------
    sha256 : str
        Of the file, so that another file is another feature set.
    names : Mapping of str to str
        Column in the store to column in the file.
    vectors : Mapping of str to int
        Length of those columns that hold vectors.
    texts : sequence of str
        Those columns that hold text.
    times : sequence of str
        ``start`` and perhaps ``end``, where the file has several rows per track.
    """

    name = "table"
    sha256: str = ""
    names: Mapping[str, str] = field(default_factory=dict)
    vectors: Mapping[str, int] = field(default_factory=dict)
    texts: Sequence[str] = ()
    times: Sequence[str] = ()

    def params(self) -> dict[str, Any]:
        """Return the parameters; what tables did not have at first is left out where it is not used."""
        return {name: value for name, value in super().params().items() if value or name not in ("texts", "times")}

    def columns(self) -> dict[str, Column]:
        """Return one nullable column per column of the file, after its times; the units of others are not known."""
        times = {name: Column(pl.Float64, "s", f"where a row {name}s", (0, None)) for name in self.times}
        return times | {
            name: Column(self._type(name), "", f"column {original!r} of an imported table", nullable=True)
            for name, original in self.names.items()
        }

    def _type(self, name: str) -> Any:
        if name in self.vectors:
            return pl.Array(pl.Float32, self.vectors[name])
        return pl.String if name in self.texts else pl.Float64

    def extract(self, track: Track) -> Row:
        """Refuse: there is no audio behind an imported table."""
        raise UsageError("an imported table cannot be computed", hint="import the file again")


@dataclass(frozen=True)
class Imported:
    """What an import added.

    Attributes
    ----------
    dataset, feature : str
    feature_set : str or None
        Its id; None if the table has no features.
    tracks, columns : int
        How many tracks, and columns of features.
    labels : Mapping of str to int
        Label set to its number of labels, or targets.
    numeric : sequence of str
        Label sets that hold numbers.
    changed : int
        Tracks whose labels of a set were others before.
    fresh : bool
        Whether the store said all of it before.
    reports : list of Report
        What became of each column, of the table and of the one about it.
    withdrawn : int
        Tracks that were left out because they were withdrawn.
    """

    dataset: str
    feature: str
    feature_set: str | None
    tracks: int
    columns: int
    labels: Mapping[str, int]
    changed: int
    fresh: bool
    reports: Sequence[Report] = ()
    withdrawn: int = 0
    numeric: Sequence[str] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        plain = {key: value for key, value in vars(self).items() if key != "reports"}
        return plain | {"tables": [report.as_dict() for report in self.reports]}


def bring(
    store: Store,
    file: Path,
    described: Mapping[str, Any],
    name: str,
    source: FeatureSet | None,
    values: pl.DataFrame,
    contents: Mapping[str, pl.DataFrame],
    reports: Sequence[Report],
) -> Imported:
    """Write what a file says and the store does not say yet.

    Parameters
    ----------
    store : Store
    file : path
    described : Mapping
        The row of ``core.datasets``.
    name : str
        Of the features.
    source : FeatureSet or None
        None if there are none.
    values : pl.DataFrame
        The features' rows, with ``track``. What is written leaves it, so that its memory is there for all else.
    contents : Mapping of str to pl.DataFrame
        Rows of ``items``, ``labels`` and ``splits``.
    reports : sequence of Report

    Raises
    ------
    UsageError
        If an extractor's features, or annotations, have that name.
    """
    dataset, items, snapshot = described["dataset"], contents["items"], store.newest
    taken = source and store.names().get(name, source.id) != source.id
    if taken and not store.about(name)["source"].startswith("import:"):
        raise UsageError(f"features {name!r} are there, made by an extractor", hint="give another name: --feature")
    gone = pl.col("track").is_in(sorted(store.hidden.withdrawn))
    other = {view: _differing(store, view, frame.filter(~gone), dataset) for view, frame in contents.items()}
    known = dataset in store.scan("core.datasets").select("dataset").collect()["dataset"]
    tracks = pl.concat([frame.select("track") for frame in (items, values) if "track" in frame.columns])
    tracks = tracks.unique(maintain_order=True)
    fresh = known and not any(map(len, other.values())) and _has(store, tracks.filter(~gone), source)
    had = current_rows(store, "labels", dataset).select(other["labels"].columns).unique()
    changed = other["labels"].unique().join(had, on=had.columns, how="semi").height
    if not fresh:
        _write(store, file, described, source, values, contents, tracks, snapshot)
    labels = contents["labels"].drop_nulls("label")
    counts = labels.group_by("label_set", maintain_order=True).agg(pl.col("label").n_unique())
    withdrawn = tracks.filter(gone).height
    return Imported(
        dataset,
        name,
        source.id if source else None,
        tracks.height - withdrawn,
        len(source.columns) if source else 0,
        dict(counts.iter_rows()),
        changed,
        fresh,
        reports,
        withdrawn,
        labels.filter(pl.col("value") != 1)["label_set"].unique().sort().to_list(),
    )


def _has(store: Store, tracks: pl.DataFrame, source: FeatureSet | None) -> bool:
    """Whether a store has these tracks, and features of all of them: damage can have cost it either."""
    rows = [store.recorded("core.tracks")]
    if source:
        if source.id not in store.feature_set_ids() or store.unknown_feature_sets({source.name: source}):
            return False
        rows.append(store.recorded("core.extractions").filter(pl.col("feature_set") == source.id))
    return not any(tracks.lazy().join(each, on="track", how="anti").head(1).collect().height for each in rows)


def _write(
    store: Store,
    file: Path,
    described: Mapping[str, Any],
    source: FeatureSet | None,
    values: pl.DataFrame,
    contents: Mapping[str, pl.DataFrame],
    tracks: pl.DataFrame,
    snapshot: int,
) -> None:
    stamp: dict[str, Any] = {"ingest": uuid.uuid4().hex[:12], "added": datetime.now(UTC).replace(tzinfo=None)}
    stamped = [pl.lit(value).alias(name) for name, value in stamp.items()]
    with store.write(f"import {file.name}") as tx:
        if source:
            tx.add_feature_set(source.name, source, source=f"import:{file.name}:{described['sha256']}", **stamp)
            rows = values.select("track")
            tx.append(f"feat.{source.table}", _taken(values).to_arrow(), key=["track"])
            _trim()
        tx.append("core.datasets", [{**row, **stamp} for row in unsaid(tx, "core.datasets", [described], snapshot)])
        tx.append("core.tracks", tracks.with_columns(stamped).to_arrow(), key=["track"])
        for name, frame in contents.items():
            if tx.number > snapshot + 1:  # another has committed meanwhile
                frame = pl.DataFrame(unsaid(tx, f"core.{name}", frame.to_dicts(), snapshot), schema=frame.schema)
            tx.append(f"core.{name}", frame.with_columns(stamped).to_arrow())
        if source:
            done = {"feature_set": source.id, "status": "ok", "seconds": 0.0}
            counts = rows.group_by("track", maintain_order=True).agg(pl.len().cast(pl.Int32).alias("rows"))
            ledger = counts.with_columns(*(pl.lit(value).alias(name) for name, value in done.items()), *stamped)
            tx.append("core.extractions", ledger.to_arrow(), key=["track", "feature_set", "status"])


def _taken(frame: pl.DataFrame) -> pl.DataFrame:
    return pl.DataFrame([frame.drop_in_place(name) for name in frame.columns])


def _trim() -> None:
    """Give freed memory back to the system, which glibc leaves to whoever asks."""
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)


def imported(store: Store) -> set[str]:
    """Return the names of features that came from tables.

    Parameters
    ----------
    store : Store
    """
    sets = store.scan("core.feature_sets").filter(pl.col("extractor") == Table.name).select("feature_set").collect()
    ids = set(sets["feature_set"])
    return {name for name, id_ in store.names().items() if id_ in ids}


def _differing(store: Store, view: str, frame: pl.DataFrame, dataset: str) -> pl.DataFrame:
    """Return the groups of rows that the store does not have, or has otherwise; some more than once."""
    columns, key = [name for name in frame.columns if name != "position"], together[f"core.{view}"]
    have = current_rows(store, view, dataset).select(pl.col(name).cast(frame.schema[name]) for name in columns)
    if have.is_empty():
        return frame.select(key)
    have = have.join(frame, on=key, how="semi")
    new = frame.join(have, on=columns, how="anti", nulls_equal=True).select(key)
    return pl.concat([new, have.join(frame, on=columns, how="anti", nulls_equal=True).select(key)])


def with_ends(store: Store, rows: pl.DataFrame, items: pl.DataFrame, label_sets: Sequence[str]) -> pl.DataFrame:
    """Return the rows and, for tracks that had a label and have an empty cell now, rows that end it.

    Parameters
    ----------
    store : Store
    rows : pl.DataFrame
        Labels, as the table has them.
    items : pl.DataFrame
        ``dataset`` and ``track`` of the table's rows, of one dataset.
    label_sets : sequence of str
        Those that the table has a column for.
    """
    key = together["core.labels"]
    had = current_rows(store, "labels", items["dataset"][0]).filter(pl.col("label_set").is_in(label_sets)).select(key)
    ended = had.unique().join(items, on="track", how="semi").join(rows, on=key, how="anti")
    return pl.concat([rows, ended], how="diagonal")


def current_rows(store: Store, view: str, dataset: str) -> pl.DataFrame:
    """Return what a view says of a dataset now.

    Parameters
    ----------
    store : Store
    view : str
        One that has a column ``dataset``: ``items``, ``labels``, ``splits``.
    dataset : str
    """
    attrs = "* REPLACE (CASE WHEN cardinality(attrs) > 0 THEN to_json(attrs) END AS attrs)" if view == "items" else "*"
    return store.sql(f"SELECT {attrs} FROM {view} WHERE dataset = {literal(dataset)}")


def read_ids(column: pl.Series, file: Path, report: Report) -> pl.Series:
    """Return ids as text.

    Parameters
    ----------
    column : pl.Series
    file : path
        Of the table, for messages.
    report : Report
        Gets a remark on how they were read.

    Raises
    ------
    UsageError
        If one is missing.
    """
    column_roles.refuse_nested(column, file)
    if column.dtype == pl.String:
        ids = column.str.strip_chars()
        if ids.len() and ids.str.contains(r"^\d+\.0$").fill_null(False).all():
            ids = ids.str.strip_suffix(".0")  # pandas writes 3346.0 where an id was missing once
            report.remarks.append(f"ids in {column.name!r} are whole numbers: read without .0")
    else:
        ids = cells.text(column)
    empty = (ids.is_null() | (ids == "")).fill_null(True)
    if empty.any():
        first = empty.arg_true()[0] + 1
        have = "1 row has" if empty.sum() == 1 else f"{empty.sum()} rows have"
        raise UsageError(f"{file}: {have} no id in column {column.name!r}, the first is row {first}")
    return ids.alias("id")
