"""Published feature tables: a table with ids, labels and features becomes a dataset and a feature set."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from mirstore.core.audio import hash_file
from mirstore.core.errors import UnknownNameError, UsageError
from mirstore.core.features import FeatureSet
from mirstore.core.text import check_given_name, some
from mirstore.store.ingest import row_tables
from mirstore.store.ingest.imported import Imported, Table, bring, current_rows, read_ids, with_ends
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


def import_table(
    store: Store,
    file: Path,
    *,
    dataset: str,
    feature: str | None = None,
    id_column: str | None = None,
    labels: Sequence[str] = (),
    label_set: str | None = None,
    targets: Sequence[str] = (),
    drop: Sequence[str] = (),
    texts: Sequence[str] = (),
    about: Path | None = None,
    licence: str | None = None,
) -> Imported:
    """Import a published table of features, labels or both.

    A table whose ids repeat, and that has a column ``start``, has several rows per track, as words, notes or segments;
    see `mirstore.store.ingest.row_tables`.

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
        Name of the label set; by default the column's name, ``tags`` for columns of 0 and 1, and ``targets``.
    targets : sequence of str
        Columns of numbers that are to be predicted, a label set together.
    drop : sequence of str
        Columns to leave out.
    texts : sequence of str
        Columns of text that are features, as lyrics; other columns of text are attributes of the tracks.
    about : path, optional
        Table with ``artist``, ``album``, ``title`` per id.
    licence : str, optional
        Of the table.

    Raises
    ------
    UsageError
        If ids repeat or are missing, or a column of numbers has a cell that is none.
    """
    check_given_name("a dataset", dataset)
    if feature is not None:
        check_given_name("features", feature)
    table = read(file)
    frame, report = table.frame, Report(file.name, remarks=table.remarks)
    key = id_column if id_column is not None else column_roles.find_id(frame.columns)
    if key is None or key not in frame.columns:
        raise UnknownNameError(f"id column in {file.name}:", id_column or "id", frame.columns)
    left_out = column_roles.expand(drop, frame.columns, file)
    numbers = column_roles.expand(targets, frame.columns, file)
    words = column_roles.expand(texts, frame.columns, file)
    if times := row_tables.times(frame.drop(left_out), key):
        if labels or targets or about:
            raise UsageError(
                f"{file}: has several rows per track, and labels and credits are kept per track",
                hint="import them from a table with one row per track",
            )
        described = {"dataset": dataset, "source": file.name, "sha256": hash_file(file), "licence": licence}
        ids = read_ids(frame[key], file, report)
        report.columns = [Meaning(name, "left out", "--drop") for name in left_out] + [Meaning(key, "id")]
        for name in {key, *left_out}:
            frame.drop_in_place(name)
        return row_tables.import_rows(store, file, described, feature or dataset, ids, frame, times, report)
    ids = read_ids(frame[key], file, report)
    _refuse_repeated(ids, file)
    given = column_roles.expand(labels, frame.columns, file)
    found = _roles(frame, key, given, label_set, [*left_out, *words], numbers)
    report.remarks += missing(frame.drop(key, *left_out))
    said = {name: Meaning(name, "left out", "--drop") for name in left_out}
    wanted = [name for name in found.rest if not column_roles.is_row_number(frame[name])]
    columns = frame.columns
    values, names, became = feature_columns(frame, [*wanted, *words], file, report, words)
    said |= became
    label_table = label_rows(frame, found)
    said |= meanings(frame, found, label_table, "id")
    row_number = "an index that pandas wrote"
    report.columns = [said.get(name) or Meaning(name, "left out", row_number) for name in columns]
    items, reports = _items(store, dataset, ids, frame, found, said), [report]
    if about is not None:
        items, told = _with_credits(items, ids.to_list(), about)
        reports.append(told)
    vectors = {name: kind.size for name, kind in values.schema.items() if isinstance(kind, pl.Array)}
    sha256, name = hash_file(file), feature or dataset
    kept = [new for new, old in names.items() if old in words]
    table_source = Table(sha256=sha256, names=names, vectors=vectors, texts=kept)
    source = FeatureSet(name, table_source) if names else None
    contents = {
        "items": items,
        "labels": _of_tracks(label_table, items).drop("row"),
        "splits": _of_tracks(_splits(split_parts(frame, found, report)), items).drop("row"),
    }
    described = {"dataset": dataset, "source": file.name, "sha256": sha256, "licence": licence}
    contents["labels"] = with_ends(store, contents["labels"], items, [*found.labels, *found.targets])
    if source:
        values = pl.concat([items.select("track"), values], how="horizontal")
    return bring(store, file, described, name, source, values, contents, reports)


def _roles(
    frame: pl.DataFrame,
    key: str,
    labels: Sequence[str],
    label_set: str | None,
    drop: Sequence[str],
    targets: Sequence[str],
) -> Roles:
    """Of several columns, those with 0 and 1 are tags of one set, the others a set each, unless one is named."""
    sets: dict[str, list[str]] = {}
    if len(labels) == 1:
        sets = {label_set or column_roles.normal(labels[0]): list(labels)}
    for name in labels if len(labels) > 1 else ():
        own = "tags" if cells.is_flag(frame[name]) else column_roles.normal(name)
        sets.setdefault(label_set or own, []).append(name)
    numbers = {label_set if label_set and not labels else "targets": targets} if targets else {}
    found = column_roles.assign(
        frame, key, label_sets=sets, targets=numbers, guess=not labels, among_features=True, drop=drop
    )
    if label_set and not labels and not targets and len(found.labels) == 1:
        found.labels = {label_set: next(iter(found.labels.values()))}
    return found


def _refuse_repeated(ids: pl.Series, file: Path) -> None:
    if ids.is_duplicated().any():
        twice = ids.filter(ids.is_duplicated())[0]
        rows = [str(row + 1) for row in (ids == twice).arg_true()[:3]]
        raise UsageError(
            f"{file}: id {twice!r} stands in several rows ({', '.join(rows)})", hint="give one row per track"
        )


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
    ids: pl.Series,
    frame: pl.DataFrame,
    found: Roles,
    said: Mapping[str, Meaning],
) -> pl.DataFrame:
    """Return the rows of ``items``; what this table does not say of a track stays as another said it."""
    items = pl.DataFrame([(f"{dataset}:" + ids).alias("track")]).with_row_index("position")
    credits = {what: cells.text(frame[name]).alias(what) for what, name in found.credits.items()}
    attrs = [name for name in found.rest if name in said and said[name].became == "attrs"]
    if attrs:
        texts = {name: _plain(frame[name]) for name in attrs}
        rows = ({n: v for n in sorted(texts) if (v := texts[n][row]) is not None} for row in range(len(ids)))
        written = [json.dumps(row, ensure_ascii=False, separators=(",", ":")) if row else None for row in rows]
        credits["attrs"] = pl.Series("attrs", written, pl.String)
    items = items.with_columns(credits.values())
    names = ["title", "artist", "album", "attrs"]
    before = current_rows(store, "items", dataset).select("track", *(pl.col(name).cast(pl.String) for name in names))
    kept = [name for name in names if name not in credits]
    if before.is_empty():
        items = items.with_columns(pl.lit(None, pl.String).alias(name) for name in kept)
    else:
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
    keys = read_ids(frame[key], about, report)
    _refuse_repeated(keys, about)
    matched = match(keys.to_list(), ids, str(about))
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
