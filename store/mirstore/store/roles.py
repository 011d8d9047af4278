"""Which column of a table means what: ids, paths, credits, splits, labels. The only place that knows their names."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from mirstore.core.errors import UnknownNameError, UsageError
from mirstore.core.experiments.splits import part_name
from mirstore.core.text import some
from mirstore.store import cells
from mirstore.store.tagging import from_tags

_paths = (
    "path file filename filepath file_name file_path audio audio_path audio_file audio_filename audio_filepath "
    "track_path song_path rel_path relative_path local_path wav_path mp3_path fname fpath wav mp3"
).split()
_ids = "track_id trackid id song_id clip_id recording_id item_id file_id uid uuid".split()
_weak_ids = "track item clip song recording name".split()  # of all tables with another id, these describe
_index = re.compile(r"|unnamed: 0(\.\d+)?|unnamed: 0_level_\d|__index_level_\d+__|index|level_0")
_credits = {
    "title": "title track_title song_title track_name song_name song title_id track_title_id".split(),
    "artist": "artist artist_name track_artist artists performer artist_id artists_id".split(),
    "album": "album album_title album_name release release_title album_id".split(),
}
_splits = ("split", "set_split", "partition", "dataset_split")
_labels = (
    "class emotion genre genres genre_top track_genre_top track_genres track_tags instrument instruments key label "
    "labels mood moods style subgenre tag tags"
).split()
certain_labels = ("class", "label", "genre", "genre_top", "track_genre_top", "subgenre", "style", "mood")
"""Labels even if they are numbers and stand among features; ``key`` is a feature there."""
_starts = "start start_time start_s start_sec onset begin segment_start start_seconds".split()


def normal(name: str) -> str:
    """Return ``artist_name`` for ``Artist Name``, ``ArtistName`` and ``artist-name``."""
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.strip())
    return re.sub(r"[\W_]+", "_", name).strip("_").lower()


def find_path(columns: Sequence[str]) -> str | None:
    """Return the column of paths."""
    return _first(columns, _paths)


def find_id(columns: Sequence[str]) -> str | None:
    """Return the column of ids: one that is called so, or of paths, or what nothing else is called: an index."""
    found = _first(columns, _ids) or find_path(columns) or _first(columns, _weak_ids)
    return found if found is not None else next((name for name in columns if is_index(name)), None)


def is_index(name: str) -> bool:
    """Return whether pandas wrote this column unasked."""
    return bool(_index.fullmatch(name.strip().lower()))


def is_row_number(column: pl.Series) -> bool:
    """Return whether a column is an index that pandas wrote, or was told to keep: it says nothing about a track."""
    if not is_index(column.name):
        return False
    if column.name.strip().lower() not in ("index", "level_0"):
        return True
    values = cells.numbers(column).values
    return values is not None and values.equals(pl.Series(column.name, range(len(values)), pl.Float64))


def refuse_nested(column: pl.Series, file: Path) -> None:
    """Refuse lists as paths or ids.

    Raises
    ------
    UsageError
        Naming the column.
    """
    if column.dtype.is_nested():
        raise UsageError(f"{file}: column {column.name!r} holds lists", hint="choose another column, or flatten it")


def find_start(columns: Sequence[str]) -> str | None:
    """Return the column that says where a segment begins."""
    return _first(columns, _starts)


def _first(columns: Sequence[str], names: Sequence[str]) -> str | None:
    known = {normal(name): name for name in reversed(columns)}
    return next((known[name] for name in names if name in known), None)


def expand(names: Sequence[str], known: Sequence[str], file: Path) -> list[str]:
    """Return the columns that are named, ``first..last`` as a range.

    Raises
    ------
    UnknownNameError
        If there is no such column.
    """
    found: list[str] = []
    for name in names:
        first, dots, last = (name, "", "") if name in known else name.partition("..")
        for end in (first, last) if dots else (first,):
            if end not in known:
                raise UnknownNameError(f"column in {file.name}:", end, known)
        found += known[known.index(first) : known.index(last) + 1] if dots else [name]
    return found


@dataclass(frozen=True)
class Meaning:
    """What became of a column: ``labels``, ``credits``, ``path``, ``id``, ``split``, ``features``, ``attrs``."""

    column: str
    became: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.column or repr('')} → {self.became}" + (f" ({self.detail})" if self.detail else "")


@dataclass
class Report:
    """What a person should know of a table that was read.

    Attributes
    ----------
    table : str
        Its file.
    columns : list of Meaning
    remarks : list of str
    match : dict
        How rows found files: ``rows``, ``rows_without_file``, ``files``, ``files_without_row``; empty if not asked.
    """

    table: str
    columns: list[Meaning] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    match: dict[str, Any] = field(default_factory=dict)

    def lines(self) -> Iterator[str]:
        """Yield what to print: one line per column, runs of the same kind as one."""
        yield f"{self.table}:"
        run: list[Meaning] = []
        for meaning in [*self.columns, None]:
            if run and (meaning is None or meaning.became != run[0].became):
                yield from (f"  {text}" for text in _run(run))
                run = []
            run += [meaning] if meaning else []
        yield from (f"  {remark}" for remark in self.remarks)

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        columns = [vars(meaning) for meaning in self.columns]
        found = {"table": self.table, "columns": columns, "remarks": self.remarks}
        return found | ({"match": self.match} if self.match else {})


def _run(run: Sequence[Meaning]) -> Iterator[str]:
    if len(run) < 7 or run[0].became not in ("features", "attrs", "labels"):
        yield from map(str, run)
        return
    details = [meaning.detail for meaning in run if meaning.detail]
    shown = f"{details[0]} … {details[-1]}" if len(set(details)) > 1 else "".join(details[:1])
    count = f"{len(run)} columns" + (f": {shown}" if shown else "")
    yield f"{run[0].column} … {run[-1].column} → {run[0].became} ({count})"


@dataclass
class Roles:
    """The columns of one table by what they mean.

    Attributes
    ----------
    key : str
        Column of paths or ids.
    credits : dict
        ``title``, ``artist``, ``album`` to a column.
    splits : dict
        Split name to a column.
    fold : str or None
    labels : dict
        Label set to its columns: a column with its label where 0 and 1 say who has it, and None where cells are labels.
    rest : list of str
        All others.
    """

    key: str
    credits: dict[str, str] = field(default_factory=dict)
    splits: dict[str, str] = field(default_factory=dict)
    fold: str | None = None
    labels: dict[str, list[tuple[str, str | None]]] = field(default_factory=dict)
    rest: list[str] = field(default_factory=list)

    @property
    def label_columns(self) -> set[str]:
        """All columns of labels."""
        return {column for members in self.labels.values() for column, _ in members}


def assign(
    frame: pl.DataFrame,
    key: str,
    *,
    label_sets: Mapping[str, Sequence[str]],
    guess: bool = True,
    among_features: bool = False,
    drop: Collection[str] = (),
) -> Roles:
    """Say what the columns of a table mean.

    Parameters
    ----------
    frame : pl.DataFrame
    key : str
        The column of paths or ids.
    label_sets : Mapping of str to sequence of str
        Columns that the user called labels.
    guess : bool
        Whether columns called ``genre``, ``tags`` … are labels too.
    among_features : bool
        Whether numbers are features unless their name is certain: ``key`` of a feature table is one.
    drop : collection of str
        Columns to leave out.
    """
    asked = {column for columns in label_sets.values() for column in columns}
    columns = [name for name in frame.columns if name != key and name not in drop]
    roles = Roles(key, fold=next((name for name in columns if normal(name) == "fold"), None))
    free = [name for name in columns if name not in asked and name != roles.fold]
    roles.credits = {what: name for what, names in _credits.items() if (name := _first(columns, names)) is not None}
    for label_set, members in label_sets.items():
        several = len(members) > 1
        roles.labels[label_set] = [(name, _flagged(frame[name], name) if several else None) for name in members]
    for name in free:
        lower = name.strip().lower()
        if lower.startswith("split:") or normal(name) in _splits:
            roles.splits[name.strip()[6:] if lower.startswith("split:") else "split"] = name
        elif lower.startswith("label:"):
            label = _flagged(frame[name], name.strip()[6:])
            roles.labels.setdefault("label" if label else name.strip()[6:], []).append((name, label))
        elif guess and normal(name) in _labels and name not in roles.credits.values():
            number = among_features and normal(name) not in certain_labels and _is_number(frame[name])
            if not number:
                roles.labels.setdefault(normal(name), []).append((name, None))
    taken = {*roles.credits.values(), *roles.splits.values(), *roles.label_columns, roles.fold}
    roles.rest = [name for name in columns if name not in taken]
    return roles


def is_flag(column: pl.Series) -> bool:
    """Return whether a column says 0 or 1, or how much in between, and not the names of labels."""
    return _flagged(column, column.name) is not None


def _is_number(column: pl.Series) -> bool:
    return cells.numbers(column).values is not None


def _flagged(column: pl.Series, label: str) -> str | None:
    """Return the label if the column says 0 or 1, or how much in between; None if its cells are labels themselves."""
    found = cells.numbers(column)
    if found.stray is not None and cells.text(column).is_in(["0", "1"]).any():
        raise UsageError(
            f"column {column.name!r} has {found.stray[1]!r} in row {found.stray[0]}, which is neither 0 nor 1",
            hint="give 0 and 1, or names of classes, throughout",
        )
    if found.values is None or not found.values.count():
        return None
    within = found.values.drop_nulls().is_between(0, 1)
    return label.removeprefix("label:") if within.all() else None


def label_rows(frame: pl.DataFrame, roles: Roles) -> pl.DataFrame:
    """Return one row per label of a row.

    Returns
    -------
    pl.DataFrame
        ``row`` (from 0), ``label_set``, ``label``, ``value`` (1, or what the column of that label says).

    Raises
    ------
    UsageError
        If a label set is called as those of tags are: the next ingest would take it for one.
    """
    schema = {"row": pl.UInt32, "label_set": pl.String, "label": pl.String, "value": pl.Float64}
    parts = [pl.DataFrame(schema=schema)]
    for label_set, members in roles.labels.items():
        for column, label in members:
            if label is None:
                part = _classes(frame[column], label_set)
            else:
                values = cells.values(frame[column])
                part = pl.DataFrame({"value": values}).with_row_index("row").filter(pl.col("value") > 0)
                part = part.with_columns(pl.lit(label_set).alias("label_set"), pl.lit(label).alias("label"))
            parts.append(part.select(list(schema)).cast(schema))  # type: ignore[arg-type]
    found = pl.concat(parts).unique(["row", "label_set", "label"], keep="first", maintain_order=True)
    for name in found["label_set"].unique().sort():
        if name.startswith(from_tags):
            raise UsageError(
                f"a label set cannot be called {name!r}: {from_tags} is for what files' tags say",
                hint="call it something else",
            )
    return found


def without_label(frame: pl.DataFrame, members: Sequence[tuple[str, str | None]]) -> list[bool]:
    """Return per row whether its cells of a label set are empty; 0 is an answer of its own, and counts as empty too."""
    empty = pl.Series([True] * frame.height, dtype=pl.Boolean)
    for column, label in members:
        if label is None:
            cell = frame[column]
            nested = isinstance(cell.dtype, pl.List | pl.Array)
            some = cell.list.len() > 0 if isinstance(cell.dtype, pl.List) else cell.is_not_null()
            empty &= ~(some.fill_null(False) if nested else cells.text(cell).is_not_null())
    return empty.to_list()


def _classes(column: pl.Series, label_set: str) -> pl.DataFrame:
    if isinstance(column.dtype, pl.List | pl.Array):
        rows = pl.DataFrame({"cell": column}).with_row_index("row").explode("cell")
        names = cells.text(rows["cell"])
        found = pl.DataFrame({"row": rows["row"], "label": names}).drop_nulls("label")
        return found.with_columns(pl.lit(label_set).alias("label_set"), pl.lit(1.0).alias("value"))
    names = cells.text(column)
    said = [
        (cell, own or label_set, label) for cell in names.drop_nulls().unique() for own, label in cells.labels(cell)
    ]
    meanings = pl.DataFrame(
        said, schema={"cell": pl.String, "label_set": pl.String, "label": pl.String}, orient="row"
    ).with_columns(pl.lit(1.0).alias("value"))
    rows = pl.DataFrame({"cell": names}).with_row_index("row")
    return rows.join(meanings, on="cell", maintain_order="left_right")


def meanings(frame: pl.DataFrame, roles: Roles, found: pl.DataFrame, kind: str) -> dict[str, Meaning]:
    """Return what each column became, by column; those of `Roles.rest` are the caller's.

    Parameters
    ----------
    found : pl.DataFrame
        As `label_rows` returns.
    kind : str
        What the key is: ``path`` or ``id``.
    """
    said = {roles.key: Meaning(roles.key, kind)}
    said |= {name: Meaning(name, "credits", what) for what, name in roles.credits.items()}
    said |= {name: Meaning(name, "split", _parts(split, frame[name])) for split, name in roles.splits.items()}
    if roles.fold is not None:
        said[roles.fold] = Meaning(roles.fold, "fold")
    for label_set, members in roles.labels.items():
        for column, label in members:
            own = found.filter(pl.col("label_set") == label_set) if found.height else found
            if label is not None:
                count = own.filter(pl.col("label") == label).height
                detail = f"{label!r} of {label_set!r}, {count} tracks"
            else:
                prefixed = _classes(frame[column], label_set)
                sets = prefixed["label_set"].unique(maintain_order=True).to_list() or [label_set]
                number = prefixed["label"].n_unique()
                detail = f"{number} {'class' if number == 1 else 'classes'}"
                detail += "" if sets == [normal(column)] or sets == [column] else f" of {', '.join(map(repr, sets))}"
            became = "credits, labels" if column in said and said[column].became == "credits" else "labels"
            said[column] = Meaning(column, became, detail)
    return {name: said[name] for name in frame.columns if name in said}


def _parts(split: str, column: pl.Series) -> str:
    found = Counter(cells.text(column).drop_nulls())
    told = [
        f"{part_name(word)} {count}" + (f" called {word!r}" if word != part_name(word) else "")
        for word, count in found.most_common(6)
        if part_name(word)
    ]
    told += [f"{word!r} {count}" for word, count in found.most_common(3) if not part_name(word)]
    return f"{split!r}: {', '.join(told)}"


def missing(frame: pl.DataFrame) -> list[str]:
    """Return a remark on the words that were taken for missing values."""
    found = {name: cells.words(frame[name]) for name in frame.columns}
    told = [f"{', '.join(map(repr, words))} in {name!r}" for name, words in found.items() if words]
    return [f"taken for missing: {some(told, between='; ')}"] if told else []
