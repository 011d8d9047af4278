"""Published feature tables: a CSV or Parquet file with ids, labels and features becomes a dataset and a feature set."""

from __future__ import annotations

import re
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
from mirstore.core.tracks import Track
from mirstore.store.store import Store

_id_names = ("track", "track_id", "id", "item", "")
_label_names = ("class", "label", "genre", "subgenre", "style", "mood")


@dataclass
class Table(Extractor):
    """Features that came from a file and not from audio.

    Parameters
    ----------
    sha256 : str
        Of the file, so that another file is another feature set.
    names : Mapping of str to str
        Column in the store to column in the file.
    """

    name = "table"
    sha256: str = ""
    names: Mapping[str, str] = field(default_factory=dict)

    def columns(self) -> dict[str, Column]:
        """Return one nullable column per column of the file; their units are not known."""
        return {
            name: Column(pl.Float64, "", f"column {original!r} of an imported table", nullable=True)
            for name, original in self.names.items()
        }

    def extract(self, track: Track) -> Row:
        """Refuse: there is no audio behind an imported table."""
        raise UsageError("an imported table cannot be computed", hint="import the file again")


@dataclass(frozen=True)
class Imported:
    """What an import added."""

    dataset: str
    feature: str
    feature_set: str
    tracks: int
    columns: int
    labels: Mapping[str, int]
    fresh: bool


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
    """Import a published feature table.

    Parameters
    ----------
    store : Store
        Open for writing.
    file : path
        CSV, TSV or Parquet, also gzipped CSV.
    dataset : str
        Name of the dataset; tracks are called ``dataset:id``.
    feature : str, optional
        Name of the feature set; the dataset's by default.
    id_column : str, optional
        Found by its name (``track``, ``id`` …) if not given.
    labels : sequence of str
        Columns with labels: one with text, or several with 0 and 1; ``first..last`` names a range.
    label_set : str, optional
        Name of the label set; by default the text column's name, or ``tags``.
    drop : sequence of str
        Columns that are neither labels nor features.
    about : path, optional
        Table with ``artist``, ``album``, ``title`` per id.
    licence : str, optional
        Of the table.

    Raises
    ------
    UsageError
        If ids repeat or are missing, or a feature column is not numeric.
    """
    frame = read(file)
    key = id_column or next((name for name in frame.columns if name.lower().strip() in _id_names), None)
    if key is None or key not in frame.columns:
        raise UnknownNameError(f"id column in {file.name}:", id_column or "id", frame.columns)
    ids = _ids(frame[key], file)
    label_columns = _expand(labels, frame.columns, file) or [n for n in frame.columns if n.lower() in _label_names][:1]
    dropped = {key, *label_columns, *_expand(drop, frame.columns, file)}
    names = _safe_names([name for name in frame.columns if name not in dropped], file)
    rows = _features(frame, ids, dataset, names, file)
    sha256 = hash_file(file)
    name = feature or dataset
    source = FeatureSet(name, Table(sha256=sha256, names=names))
    set_name = label_set or (label_columns[0].lower() if len(label_columns) == 1 else "tags")
    label_rows = list(_labels(frame, ids, dataset, label_columns, set_name))
    stamp: dict[str, Any] = {"ingest": uuid.uuid4().hex[:12], "added": datetime.now(UTC).replace(tzinfo=None)}
    items = _items(ids, dataset, about)
    if store.names().get(name, source.id) != source.id and not store.about(name)["source"].startswith("import:"):
        raise UsageError(f"features {name!r} are there, made by an extractor", hint="give another name: --feature")
    fresh = source.id in store.feature_set_ids() and _is_known(store, dataset, items, label_rows)
    if not fresh:
        with store.write(f"import {file.name}") as tx:
            described = {"dataset": dataset, "source": file.name, "sha256": sha256, "licence": licence}
            tx.append("core.datasets", [{**described, **stamp}])
            tx.add_feature_set(name, source, source=f"import:{file.name}:{sha256}", **stamp)
            tx.append("core.tracks", [{"track": f"{dataset}:{id_}", **stamp} for id_ in ids], key=["track"])
            # Without a table about them, tracks that are there keep their artists.
            tx.append("core.items", [{**item, **stamp} for item in items], key=() if about else ("dataset", "track"))
            tx.append("core.labels", [{**row, **stamp} for row in label_rows])
            tx.append_features(source, rows, **stamp)
            done = {"feature_set": source.id, "status": "ok", "rows": 1, "seconds": 0.0, **stamp}
            tx.append(
                "core.extractions",
                [{"track": f"{dataset}:{id_}", **done} for id_ in ids],
                key=["track", "feature_set", "status"],
            )
    counts = {set_name: len({row["label"] for row in label_rows})} if label_rows else {}
    return Imported(dataset, name, source.id, len(ids), len(names), counts, fresh)


def _is_known(
    store: Store, dataset: str, items: Sequence[Mapping[str, Any]], labels: Sequence[Mapping[str, Any]]
) -> bool:
    """Return whether the store says the same of these tracks already, labels and credits included."""
    for view, rows in (("items", items), ("labels", labels)):
        columns = list(dict.fromkeys(key for row in rows for key in row if key != "position"))
        if rows:
            have = set(store.sql(f"SELECT {', '.join(columns)} FROM {view}").iter_rows())
            if not have.issuperset(tuple(row.get(column) for column in columns) for row in rows):
                return False
    return True


def read(file: Path) -> pl.DataFrame:
    """Return a CSV, TSV or Parquet file as a frame.

    Raises
    ------
    UsageError
        If it is missing or cannot be read.
    """
    try:
        if file.suffix == ".parquet":
            return pl.read_parquet(file)
        separator = "\t" if ".tsv" in file.suffixes else ","
        frame = pl.read_csv(file, separator=separator, infer_schema_length=None, truncate_ragged_lines=True)
        return frame.with_columns(_numbers(frame[name]) for name in frame.columns if frame[name].dtype == pl.String)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise UsageError(f"{file}: cannot be read as a table: {str(error).splitlines()[0]}") from None


def _numbers(column: pl.Series) -> pl.Series:
    """Return a column of text as numbers if it holds nothing but numbers, ``nan`` and ``inf`` in any case."""
    found = column.str.strip_chars().str.to_lowercase().replace({"": None, "nan": "NaN", "inf": "inf", "-inf": "-inf"})
    parsed = found.cast(pl.Float64, strict=False)
    return parsed if parsed.null_count() == found.null_count() else column


def _ids(column: pl.Series, file: Path) -> list[str]:
    ids = [_plain_id(value) for value in column]
    if None in ids or "" in ids:
        raise UsageError(f"{file}: {ids.count(None) + ids.count('')} rows have no id in column {column.name!r}")
    if len(set(ids)) < len(ids):
        twice = next(id_ for id_ in ids if ids.count(id_) > 1)
        raise UsageError(f"{file}: id {twice!r} stands in several rows", hint="give one row per track")
    return [id_ for id_ in ids if id_ is not None]


def _plain_id(value: Any) -> str | None:
    """Return 3346 for 3346.0: a column of whole numbers with decimals is what pandas writes when one was missing."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return None if value is None else str(value).strip()


def _expand(names: Sequence[str], known: Sequence[str], file: Path) -> list[str]:
    found: list[str] = []
    for name in names:
        first, dots, last = name.partition("..")
        for end in (first, last) if dots else (first,):
            if end not in known:
                raise UnknownNameError(f"column in {file.name}:", end, known)
        found += known[known.index(first) : known.index(last) + 1] if dots else [name]
    return found


def _safe_names(originals: Sequence[str], file: Path) -> dict[str, str]:
    """Return names that SQL takes without quotes: ``1-ZCRm`` is zcrm, ``Spectral-Flux`` is spectral_flux."""
    names: dict[str, str] = {}
    for original in originals:
        name = re.sub(r"\W+", "_", re.sub(r"^\d+\W+", "", original.strip())).strip("_").lower() or "column"
        if name in names:
            raise UsageError(
                f"{file}: columns {names[name]!r} and {original!r} would both be {name!r}", hint="rename one of them"
            )
        names[name] = original
    return names


def _features(
    frame: pl.DataFrame, ids: Sequence[str], dataset: str, names: Mapping[str, str], file: Path
) -> list[dict[str, Any]]:
    numbers = (pl.Boolean, pl.Null)  # beside numeric types; a column that is empty throughout is missing numbers
    texts = [name for name in names.values() if not (frame[name].dtype.is_numeric() or frame[name].dtype in numbers)]
    if texts:
        raise UsageError(
            f"{file}: columns with text cannot be features: {', '.join(map(repr, texts))}",
            hint="name them in --labels or --drop",
        )
    values = frame.select(
        pl.col(original).cast(pl.Float64).fill_nan(None).alias(name) for name, original in names.items()
    )
    return [{"track": f"{dataset}:{id_}", **row} for id_, row in zip(ids, values.iter_rows(named=True), strict=True)]


def _labels(
    frame: pl.DataFrame, ids: Sequence[str], dataset: str, columns: Sequence[str], label_set: str
) -> list[dict[str, Any]]:
    rows = []
    for name in columns:
        text = frame[name].dtype == pl.String
        for id_, value in zip(ids, frame[name], strict=True):
            label, weight = (value, 1.0) if text else (name, value)
            if label and weight:
                where = {"dataset": dataset, "track": f"{dataset}:{id_}", "label_set": label_set}
                rows.append({**where, "label": label, "value": float(weight)})
    return rows


def _items(ids: Sequence[str], dataset: str, about: Path | None) -> list[dict[str, Any]]:
    credits: dict[str, dict[str, Any]] = {}
    if about is not None:
        frame = read(about)
        columns = {name.lower().removesuffix("_id"): name for name in frame.columns}
        key = next((columns[name] for name in ("track", "id", "") if name in columns), frame.columns[0])
        texts = {name: columns[name] for name in ("title", "artist", "album") if name in columns}
        for row in frame.iter_rows(named=True):
            credits[_bare_id(str(row[key]))] = {name: row[original] for name, original in texts.items()}
    return [
        {"dataset": dataset, "track": f"{dataset}:{id_}", "position": position, **credits.get(_bare_id(id_), {})}
        for position, id_ in enumerate(ids)
    ]


def _bare_id(text: str) -> str:
    """Return ``3346`` for ``track_0003346``: tables of one collection spell the same number in several ways."""
    digits = re.search(r"(\d+)(?:\.0)?$", text)
    return str(int(digits[1])) if digits else text
