"""Which column of a table means what: ids, paths, credits, splits, labels. The only place that knows their names."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from mirstore.core.errors import UnknownNameError, UsageError
from mirstore.store.tables import cells

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
_ends = "end end_time end_s end_sec offset stop segment_end end_seconds".split()
_starts = "start start_time start_s start_sec onset begin segment_start start_seconds".split()


def normal(name: str) -> str:
    """Return ``artist_name`` for ``Artist Name``, ``ArtistName`` and ``artist-name``.

    Parameters
    ----------
    name : str

    Examples
    --------
    >>> normal("Artist Name"), normal("ArtistName"), normal("artist-name")
    ('artist_name', 'artist_name', 'artist_name')
    """
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.strip())
    return re.sub(r"[\W_]+", "_", name).strip("_").lower()


def find_path(columns: Sequence[str]) -> str | None:
    """Return the column of paths.

    Parameters
    ----------
    columns : sequence of str
    """
    return _first(columns, _paths)


def find_id(columns: Sequence[str]) -> str | None:
    """Return the column of ids: one that is called so, or of paths, or what nothing else is called: an index.

    Parameters
    ----------
    columns : sequence of str
    """
    found = _first(columns, _ids) or find_path(columns) or _first(columns, _weak_ids)
    return found if found is not None else next((name for name in columns if is_index(name)), None)


def is_index(name: str) -> bool:
    """Return whether pandas wrote this column unasked.

    Parameters
    ----------
    name : str
    """
    return bool(_index.fullmatch(name.strip().lower()))


def is_row_number(column: pl.Series) -> bool:
    """Return whether a column is an index that pandas wrote, or was told to keep: it says nothing about a track.

    Parameters
    ----------
    column : pl.Series
    """
    if not is_index(column.name):
        return False
    if column.name.strip().lower() not in ("index", "level_0"):
        return True
    values = cells.numbers(column).values
    return values is not None and values.equals(pl.Series(column.name, range(len(values)), pl.Float64))


def refuse_nested(column: pl.Series, file: Path) -> None:
    """Refuse lists as paths or ids.

    Parameters
    ----------
    column : pl.Series
    file : path
        Of the table, for messages.

    Raises
    ------
    UsageError
        Naming the column.
    """
    if column.dtype.is_nested():
        raise UsageError(f"{file}: column {column.name!r} holds lists", hint="choose another column, or flatten it")


def find_start(columns: Sequence[str]) -> str | None:
    """Return the column that says where a segment begins.

    Parameters
    ----------
    columns : sequence of str
    """
    return _first(columns, _starts)


def find_end(columns: Sequence[str]) -> str | None:
    """Return the column that says where a segment ends.

    Parameters
    ----------
    columns : sequence of str
    """
    return _first(columns, _ends)


def _first(columns: Sequence[str], names: Sequence[str]) -> str | None:
    known = {normal(name): name for name in reversed(columns)}
    return next((known[name] for name in names if name in known), None)


def expand(names: Sequence[str], known: Sequence[str], file: Path) -> list[str]:
    """Return the columns that are named, ``first..last`` as a range.

    Parameters
    ----------
    names : sequence of str
    known : sequence of str
        The columns of the table, in their order.
    file : path
        Of the table, for messages.

    Raises
    ------
    UnknownNameError
        If there is no such column.

    Examples
    --------
    >>> expand(["bpm", "mfcc_1..mfcc_3"], ["bpm", "mfcc_1", "mfcc_2", "mfcc_3"], Path("features.csv"))
    ['bpm', 'mfcc_1', 'mfcc_2', 'mfcc_3']
    """
    found: list[str] = []
    for name in names:
        first, dots, last = (name, "", "") if name in known else name.partition("..")
        for end in (first, last) if dots else (first,):
            if end not in known:
                raise UnknownNameError(f"column in {file.name}:", end, known)
        found += known[known.index(first) : known.index(last) + 1] if dots else [name]
    return found


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
    targets : dict
        Label set to its columns of numbers, each a target that is called as its column.
    rest : list of str
        All others.
    """

    key: str
    credits: dict[str, str] = field(default_factory=dict)
    splits: dict[str, str] = field(default_factory=dict)
    fold: str | None = None
    labels: dict[str, list[tuple[str, str | None]]] = field(default_factory=dict)
    targets: dict[str, list[str]] = field(default_factory=dict)
    rest: list[str] = field(default_factory=list)

    @property
    def label_columns(self) -> set[str]:
        """All columns of labels."""
        of_labels = {column for members in self.labels.values() for column, _ in members}
        return of_labels.union(*self.targets.values())


def assign(
    frame: pl.DataFrame,
    key: str,
    *,
    label_sets: Mapping[str, Sequence[str]],
    targets: Mapping[str, Sequence[str]] | None = None,
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
    targets : Mapping of str to sequence of str, optional
        Columns that the user called numbers to be predicted.
    guess : bool
        Whether columns called ``genre``, ``tags`` … are labels too.
    among_features : bool
        Whether numbers are features unless their name is certain: ``key`` of a feature table is one.
    drop : collection of str
        Columns to leave out.

    Raises
    ------
    UsageError
        If a column is asked for as both.
    """
    of_labels, of_targets = (
        {column for columns in sets.values() for column in columns} for sets in (label_sets, targets or {})
    )
    if both := sorted(of_labels & of_targets):
        raise UsageError(f"column {both[0]!r} is asked for as labels and as numbers", hint="choose one of the two")
    asked = of_labels | of_targets
    columns = [name for name in frame.columns if name != key and name not in drop]
    roles = Roles(key, fold=next((name for name in columns if normal(name) == "fold"), None))
    roles.targets = {name: list(members) for name, members in (targets or {}).items()}
    free = [name for name in columns if name not in asked and name != roles.fold]
    roles.credits = {what: name for what, names in _credits.items() if (name := _first(columns, names)) is not None}
    for label_set, members in label_sets.items():
        several = len(members) > 1
        roles.labels[label_set] = [(name, cells.flagged(frame[name], name) if several else None) for name in members]
    for name in free:
        lower = name.strip().lower()
        if lower.startswith("split:") or normal(name) in _splits:
            roles.splits[name.strip()[6:] if lower.startswith("split:") else "split"] = name
        elif lower.startswith("label:"):
            label = cells.flagged(frame[name], name.strip()[6:])
            roles.labels.setdefault("label" if label else name.strip()[6:], []).append((name, label))
        elif guess and normal(name) in _labels and name not in roles.credits.values():
            number = among_features and normal(name) not in certain_labels and _is_number(frame[name])
            if not number:
                roles.labels.setdefault(normal(name), []).append((name, None))
    taken = {*roles.credits.values(), *roles.splits.values(), *roles.label_columns, roles.fold}
    roles.rest = [name for name in columns if name not in taken]
    return roles


def _is_number(column: pl.Series) -> bool:
    return cells.numbers(column).values is not None
