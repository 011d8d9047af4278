"""Published feature tables: a table with ids, labels and features becomes a dataset and a feature set."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from mirstore.core.audio import hash_file
from mirstore.core.columns import Column, Row
from mirstore.core.components import Extractor
from mirstore.core.errors import UnknownNameError, UsageError
from mirstore.core.features import FeatureSet
from mirstore.core.text import some
from mirstore.core.tracks import Track
from mirstore.store.ingest.corrections import count_changes
from mirstore.store.lake.quoting import literal
from mirstore.store.store import Store
from mirstore.store.tables import cells, column_roles
from mirstore.store.tables.column_roles import Roles
from mirstore.store.tables.feature_columns import feature_columns
from mirstore.store.tables.label_columns import label_rows
from mirstore.store.tables.meanings import meanings, missing
from mirstore.store.tables.reading import read
from mirstore.store.tables.report import Meaning, Report
from mirstore.store.tables.row_matching import match
from mirstore.store.tables.split_columns import split_parts


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
    """

    name = "table"
    sha256: str = ""
    names: Mapping[str, str] = field(default_factory=dict)
    vectors: Mapping[str, int] = field(default_factory=dict)

    def columns(self) -> dict[str, Column]:
        """Return one nullable column per column of the file; their units are not known."""
        return {
            name: Column(
                pl.Array(pl.Float32, self.vectors[name]) if name in self.vectors else pl.Float64,
                "",
                f"column {original!r} of an imported table",
                nullable=True,
            )
            for name, original in self.names.items()
        }

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
        Label set to its number of labels.
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

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        plain = {key: value for key, value in vars(self).items() if key != "reports"}
        return plain | {"tables": [report.as_dict() for report in self.reports]}


def import_table(
    store: Store,
    file: Path,
    *,
    dataset: str,
    feature: str | None = None,
    id_column: str | None = None,
    labels: Sequence[str] = (),
    label_set: str | None = None,
    drop: Sequence[str] = (),
    about: Path | None = None,
    licence: str | None = None,
) -> Imported:
    """Import a published table of features, labels or both.

    Parameters
    ----------
    store : Store
        Open for writing.
    file : path
        See `mirstore.store.tables.reading.read` for the formats.
    dataset : str
        Name of the dataset; tracks are called ``dataset:id``, ids being text as written.
    feature : str, optional
        Name of the feature set; the dataset's by default.
    id_column : str, optional
        Found by its name (``track_id``, ``id`` …) if not given.
    labels : sequence of str
        Columns with labels: one with classes of any type, or several with 0 and 1; ``first..last`` names a range.
        If not given, columns called ``genre``, ``label`` … are.
    label_set : str, optional
        Name of the label set; by default the column's name, and ``tags`` for columns of 0 and 1.
    drop : sequence of str
        Columns to leave out.
    about : path, optional
        Table with ``artist``, ``album``, ``title`` per id.
    licence : str, optional
        Of the table.

    Raises
    ------
    UsageError
        If ids repeat or are missing, or a column of numbers has a cell that is none.
    """
    table = read(file)
    frame, report = table.frame, Report(file.name, remarks=table.remarks)
    key = id_column if id_column is not None else column_roles.find_id(frame.columns)
    if key is None or key not in frame.columns:
        raise UnknownNameError(f"id column in {file.name}:", id_column or "id", frame.columns)
    ids = _ids(frame[key], file, report)
    left_out = column_roles.expand(drop, frame.columns, file)
    found = _roles(frame, key, column_roles.expand(labels, frame.columns, file), label_set, left_out)
    report.remarks += missing(frame.drop(key, *left_out))
    said = {name: Meaning(name, "left out", "--drop") for name in left_out}
    wanted = [name for name in found.rest if not column_roles.is_row_number(frame[name])]
    values, names, became = feature_columns(frame.select(wanted), file, report)
    said |= became
    label_table = label_rows(frame, found)
    said |= meanings(frame, found, label_table, "id")
    row_number = "an index that pandas wrote"
    report.columns = [said.get(name) or Meaning(name, "left out", row_number) for name in frame.columns]
    items, reports = _items(store, dataset, ids, frame, found, said), [report]
    if about is not None:
        items, told = _with_credits(items, ids, about)
        reports.append(told)
    vectors = {name: kind.size for name, kind in values.schema.items() if isinstance(kind, pl.Array)}
    sha256, name = hash_file(file), feature or dataset
    source = FeatureSet(name, Table(sha256=sha256, names=names, vectors=vectors)) if names else None
    contents = {
        "items": items,
        "labels": _of_tracks(label_table, items).drop("row"),
        "splits": _of_tracks(_splits(split_parts(frame, found, report)), items).drop("row"),
    }
    taken = source and store.names().get(name, source.id) != source.id
    if taken and not store.about(name)["source"].startswith("import:"):
        raise UsageError(f"features {name!r} are there, made by an extractor", hint="give another name: --feature")
    contents["labels"] = _with_ends(store, contents["labels"], items, list(found.labels))
    gone = pl.col("track").is_in(sorted(store.hidden.withdrawn))
    other = {view: _differing(store, view, frame.filter(~gone), dataset) for view, frame in contents.items()}
    known = dataset in store.scan("core.datasets").select("dataset").collect()["dataset"]
    fresh = known and (source is None or source.id in store.feature_set_ids()) and not any(map(len, other.values()))
    changes = count_changes(store, other["labels"].iter_rows())
    if not fresh:
        described = {"dataset": dataset, "source": file.name, "sha256": sha256, "licence": licence}
        _write(store, file, described, source, values, contents)
    counts = label_table.group_by("label_set", maintain_order=True).agg(pl.col("label").n_unique())
    withdrawn = items.filter(gone).height
    return Imported(
        dataset,
        name,
        source.id if source else None,
        len(ids) - withdrawn,
        len(names),
        dict(counts.iter_rows()),
        changes["changed"],
        fresh,
        reports,
        withdrawn,
    )


def _roles(frame: pl.DataFrame, key: str, labels: Sequence[str], label_set: str | None, drop: Sequence[str]) -> Roles:
    """Of several columns, those with 0 and 1 are tags of one set, the others a set each, unless one is named."""
    sets: dict[str, list[str]] = {}
    if len(labels) == 1:
        sets = {label_set or column_roles.normal(labels[0]): list(labels)}
    for name in labels if len(labels) > 1 else ():
        own = "tags" if cells.is_flag(frame[name]) else column_roles.normal(name)
        sets.setdefault(label_set or own, []).append(name)
    found = column_roles.assign(frame, key, label_sets=sets, guess=not labels, among_features=True, drop=drop)
    if label_set and not labels and len(found.labels) == 1:
        found.labels = {label_set: next(iter(found.labels.values()))}
    return found


def _write(
    store: Store,
    file: Path,
    described: Mapping[str, Any],
    source: FeatureSet | None,
    values: pl.DataFrame,
    contents: Mapping[str, pl.DataFrame],
) -> None:
    stamp: dict[str, Any] = {"ingest": uuid.uuid4().hex[:12], "added": datetime.now(UTC).replace(tzinfo=None)}
    stamped = [pl.lit(value).alias(name) for name, value in stamp.items()]
    tracks = contents["items"].select("track")
    with store.write(f"import {file.name}") as tx:
        tx.append("core.datasets", [{**described, **stamp}])
        tx.append("core.tracks", tracks.with_columns(stamped).to_arrow(), key=["track"])
        for name, frame in contents.items():
            tx.append(f"core.{name}", frame.with_columns(stamped).to_arrow())
        if source:
            tx.add_feature_set(source.name, source, source=f"import:{file.name}:{described['sha256']}", **stamp)
            rows = pl.concat([tracks, values], how="horizontal")
            tx.append(f"feat.{source.table}", rows.to_arrow(), key=["track"])
            done = {"feature_set": source.id, "status": "ok", "rows": 1, "seconds": 0.0}
            ledger = tracks.with_columns(*(pl.lit(value).alias(name) for name, value in done.items()), *stamped)
            tx.append("core.extractions", ledger.to_arrow(), key=["track", "feature_set", "status"])


_keys = {
    "items": ["dataset", "track"],
    "labels": ["dataset", "track", "label_set"],
    "splits": ["dataset", "split", "track"],
}


def _differing(store: Store, view: str, frame: pl.DataFrame, dataset: str) -> pl.DataFrame:
    """Return the groups of rows that the store does not have, or has otherwise."""
    columns, key = [name for name in frame.columns if name != "position"], _keys[view]
    have = _current(store, view, dataset).select(pl.col(name).cast(frame.schema[name]) for name in columns)
    have = have.join(frame, on=key, how="semi")
    new = frame.join(have, on=columns, how="anti", nulls_equal=True).select(key)
    return pl.concat([new, have.join(frame, on=columns, how="anti", nulls_equal=True).select(key)]).unique()


def _with_ends(store: Store, rows: pl.DataFrame, items: pl.DataFrame, label_sets: Sequence[str]) -> pl.DataFrame:
    """Return the rows and, for tracks that had a label and have an empty cell now, rows that end it."""
    key = _keys["labels"]
    had = _current(store, "labels", items["dataset"][0]).filter(pl.col("label_set").is_in(label_sets)).select(key)
    ended = had.unique().join(items, on="track", how="semi").join(rows, on=key, how="anti")
    return pl.concat([rows, ended], how="diagonal")


def _current(store: Store, view: str, dataset: str) -> pl.DataFrame:
    attrs = "* REPLACE (CASE WHEN cardinality(attrs) > 0 THEN to_json(attrs) END AS attrs)" if view == "items" else "*"
    return store.sql(f"SELECT {attrs} FROM {view} WHERE dataset = {literal(dataset)}")


def _ids(column: pl.Series, file: Path, report: Report) -> list[str]:
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
        raise UsageError(f"{file}: {empty.sum()} rows have no id in column {column.name!r}, the first is row {first}")
    if ids.is_duplicated().any():
        twice = ids.filter(ids.is_duplicated())[0]
        rows = [str(row + 1) for row in (ids == twice).arg_true()[:3]]
        raise UsageError(
            f"{file}: id {twice!r} stands in several rows ({', '.join(rows)})", hint="give one row per track"
        )
    return ids.to_list()


def _of_tracks(rows: pl.DataFrame, items: pl.DataFrame) -> pl.DataFrame:
    tracks = items.select("dataset", "track").with_row_index("row")
    return rows.join(tracks, on="row", maintain_order="left")


def _splits(parts: Sequence[Mapping[str, tuple[int, str]]]) -> pl.DataFrame:
    rows = [(row, split, *value) for row, said in enumerate(parts) for split, value in said.items()]
    schema = {"row": pl.UInt32, "split": pl.String, "fold": pl.Int32, "part": pl.String}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _items(
    store: Store,
    dataset: str,
    ids: Sequence[str],
    frame: pl.DataFrame,
    found: Roles,
    said: Mapping[str, Meaning],
) -> pl.DataFrame:
    """Return the rows of ``items``; what this table does not say of a track stays as another said it."""
    items = pl.DataFrame({"track": [f"{dataset}:{id_}" for id_ in ids]}).with_row_index("position")
    credits = {what: cells.text(frame[name]).alias(what) for what, name in found.credits.items()}
    attrs = [name for name in found.rest if name in said and said[name].became == "attrs"]
    if attrs:
        texts = {name: _plain(frame[name]) for name in attrs}
        rows = ({n: v for n in sorted(texts) if (v := texts[n][row]) is not None} for row in range(len(ids)))
        written = [json.dumps(row, ensure_ascii=False, separators=(",", ":")) if row else None for row in rows]
        credits["attrs"] = pl.Series("attrs", written, pl.String)
    items = items.with_columns(credits.values())
    names = ["title", "artist", "album", "attrs"]
    before = _current(store, "items", dataset).select("track", *(pl.col(name).cast(pl.String) for name in names))
    kept = [name for name in names if name not in credits]
    items = items.join(before.select("track", *kept), on="track", how="left", maintain_order="left")
    return items.select(pl.lit(dataset).alias("dataset"), "track", *names, pl.col("position").cast(pl.Int32))


def _plain(column: pl.Series) -> list[str | None]:
    if column.dtype.is_nested():
        return [None if value is None else str(value) for value in column.to_list()]
    return cells.text(column).to_list()


def _with_credits(items: pl.DataFrame, ids: Sequence[str], about: Path) -> tuple[pl.DataFrame, Report]:
    """Return the items with the credits of another table, whose ids may be spelt in another way."""
    table = read(about)
    frame, report = table.frame, Report(about.name, remarks=table.remarks)
    key = column_roles.find_id(frame.columns)
    key = frame.columns[0] if key is None else key
    found = column_roles.assign(frame, key, label_sets={}, guess=False)
    if not found.credits:
        raise UsageError(f"{about}: has none of the columns title, artist and album", hint="rename its columns")
    keys = _ids(frame[key], about, report)
    matched = match(keys, ids, str(about))
    rows = pl.Series("row", [matched.found.get(number) for number in range(len(ids))], pl.UInt32)
    credits = frame.select(cells.text(frame[name]).alias(what) for what, name in found.credits.items())
    credits = pl.DataFrame(rows).join(credits.with_row_index("row"), on="row", how="left", maintain_order="left")
    report.columns = [
        Meaning(name, "id") if name == key else Meaning(name, "not read", "--about gives credits")
        for name in frame.columns
    ]
    what = {name: Meaning(name, "credits", credit) for credit, name in found.credits.items()}
    report.columns = [what.get(meaning.column, meaning) for meaning in report.columns]
    without = [id_ for number, id_ in enumerate(ids) if number not in matched.found]
    report.match = {
        "rows": len(keys),
        "tracks": len(ids),
        "rows_without_track": len(matched.idle),
        "tracks_without_row": len(without),
        "first_tracks_without_row": without[:3],
    }
    if without:
        report.remarks.append(f"{len(without)} of {len(ids)} tracks have no row: {some(without)}")
    given = credits.drop("row")
    return items.with_columns(pl.coalesce(given[name], items[name]).alias(name) for name in given.columns), report
