"""Where tracks come from: files, folders, globs, and tables that list them with labels."""

from __future__ import annotations

import csv
import glob
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mirstore.core.errors import UnknownNameError, UsageError

# Taken from folders; a file that is named itself is tried whatever its suffix.
audio_suffixes = frozenset(
    ".aac .ac3 .aif .aiff .ape .au .caf .flac .m4a .mka .mp3 .mp4 .oga .ogg .opus .rf64 .wav .webm .wma .wv".split()
)
table_suffixes = frozenset({".csv", ".tsv", ".parquet"})
_path_names = ("path", "file", "filename", "filepath", "audio", "audio_path")
_id_names = ("track", "track_id", "id")
_text_names = ("title", "artist", "album")


@dataclass(frozen=True)
class Source:
    """One file to ingest, with what a table said about it.

    Attributes
    ----------
    path : str
        Absolute path as the user's system spells it.
    title, artist, album : str or None
        Credits.
    labels : Mapping of str to sequence of str
        Label set to its labels, e.g. ``{"genre": ["rock"], "mood": ["dark", "slow"]}``.
    splits : Mapping of str to (int, str)
        Split name to fold and part (``"train"``, ``"validation"``, ``"test"``).
    attrs : Mapping
        The table's other columns.
    dataset : str
        Named as people do: after the folder, or the folder of the file or table.
    """

    path: str
    title: str | None = None
    artist: str | None = None
    album: str | None = None
    labels: Mapping[str, Sequence[str]] = field(default_factory=dict)
    splits: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    attrs: Mapping[str, Any] = field(default_factory=dict)
    dataset: str = ""


def find(paths: Iterable[str | Path], labels: Path | None = None) -> list[Source]:
    """Return the files that ``paths`` name, each once, in a stable order.

    Parameters
    ----------
    paths : iterable of str or path
        Files, folders (searched for audio; links to folders are not followed), globs, or CSV, TSV and Parquet
        tables with a column ``path`` or ``file`` relative to the table.
    labels : path, optional
        A table with credits, labels and splits for these files, matched by path, name or stem.

    Raises
    ------
    UsageError
        If a path is not there, a glob matches nothing or a table has no column of paths.
    """
    found: dict[str, Source] = {}
    for path in paths:
        for source in _expand(os.fspath(path)):
            found.setdefault(source.path, source)
    if labels is not None:
        _describe(found, labels)
    return list(found.values())


def _expand(path: str) -> Iterator[Source]:
    if os.path.isdir(path):
        name = os.path.basename(os.path.abspath(path))
        yield from (Source(file, dataset=name) for file in _walk(os.path.abspath(path)))
    elif Path(path).suffix.lower() in table_suffixes:
        yield from read_table(Path(path))
    elif glob.has_magic(path) and not os.path.lexists(path):
        matches = [match for match in _glob(path) if not match.is_dir()]
        if not matches:
            raise UsageError(f"no file matches {path!r}", hint="quote the pattern, and use ** for sub-folders")
        yield from (Source(str(match), dataset=match.parent.name) for match in sorted(matches))
    else:
        path = os.path.abspath(path)
        _refuse_missing(path)
        yield Source(path, dataset=os.path.basename(os.path.dirname(path)))


def _refuse_missing(path: str) -> None:
    """Refuse a path given by hand that is not there; one in a table is that row's failure."""
    try:
        os.stat(path)
    except OSError as error:
        shown = os.fsencode(path).decode("utf-8", "backslashreplace")
        reason = (error.strerror or "cannot be read").lower()
        raise UsageError(f"{shown}: {reason}", hint="give a file, a folder, a table or a quoted pattern") from None


def _glob(pattern: str) -> Iterator[Path]:
    """Yield matches, no hidden ones; unlike ``glob.glob``, pathlib follows no links to folders below ``**``."""
    parts = Path(pattern).absolute().parts
    fixed = next(number for number, part in enumerate(parts) if glob.has_magic(part))
    base = Path(*parts[:fixed])
    for match in base.glob(str(Path(*parts[fixed:]))):
        if not any(part.startswith(".") for part in match.relative_to(base).parts):
            yield match


def _walk(folder: str) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if entry.is_dir(follow_symlinks=False):
                if not entry.name.startswith("."):
                    yield from _walk(entry.path)
            elif os.path.splitext(entry.name)[1].lower() in audio_suffixes and not entry.name.startswith("._"):
                yield entry.path


def _describe(found: dict[str, Source], table: Path) -> None:
    by_path = {source.path: source for source in read_table(table)}
    by_name = {os.path.basename(path): source for path, source in by_path.items()}
    by_stem = {os.path.splitext(name)[0]: source for name, source in by_name.items()}
    matched = 0
    for path in found:
        name = os.path.basename(path)
        source = by_path.get(path) or by_name.get(name) or by_stem.get(os.path.splitext(name)[0])
        if source:
            matched += 1
            found[path] = replace(source, path=path, dataset=found[path].dataset)
    if found and not matched:
        raise UsageError(
            f"{table}: none of its {len(by_path)} rows names one of the {len(found)} files",
            hint="its column 'path', 'file' or 'track' must hold paths, file names or stems",
        )


def read_table(table: Path) -> list[Source]:
    """Return the rows of a CSV, TSV or Parquet table as sources; later rows of one path add their labels.

    Columns by name: ``path`` or ``file``; ``title``, ``artist``, ``album``; ``split``, ``fold`` or
    ``split:NAME``; ``label``, ``tags``, ``genre``, ``mood`` … hold one label or several separated by ``|`` or ``;``;
    a column ``label:NAME`` with 0 or 1 holds one label. MTG-Jamendo's TSV, where tags run over all columns from
    the sixth on, is recognised by its header.
    """
    rows = _rows(table)
    if not rows:
        raise UsageError(f"{table}: has no rows")
    names = list(rows[0])
    key = next((name for name in names if name.lower() in _path_names), None) or next(
        (name for name in names if name.lower() in _id_names), None
    )
    if key is None:
        raise UnknownNameError(f"column for paths in {table}:", "path", names)
    base = table.parent.absolute()
    sources: dict[str, Source] = {}
    for row in rows:
        source = _source(row, key, base)
        earlier = sources.get(source.path)
        sources[source.path] = _merged(earlier, source) if earlier else source
    return list(sources.values())


def _rows(table: Path) -> list[dict[str, Any]]:
    if table.suffix.lower() == ".parquet":
        import polars as pl

        return pl.read_parquet(table).to_dicts()
    lines = list(csv.reader(_text(table).splitlines(), delimiter="\t" if table.suffix.lower() == ".tsv" else ","))
    lines = [line for line in lines if any(cell.strip() for cell in line)]
    if not lines:
        return []
    header, *body = lines
    named = [name for name in header if name.strip()]
    if twice := [name for name in named if named.count(name) > 1]:
        raise UsageError(f"{table}: column {twice[0]!r} stands there twice", hint="rename one of them")
    if header[-1].strip().upper() == "TAGS":  # ragged: MTG-Jamendo
        width = len(header) - 1
        return [{**dict(zip(header, line[:width], strict=False)), header[-1]: "|".join(line[width:])} for line in body]
    for number, line in enumerate(body, start=2):
        if len(line) > len(header):
            raise UsageError(
                f"{table}: line {number} has {len(line)} cells, the header {len(header)}",
                hint="quote cells that hold the separator",
            )
    return [dict(zip(header, line, strict=False)) for line in body]


def _text(table: Path) -> str:
    try:
        data = table.read_bytes()
    except OSError as error:
        raise UsageError(f"{table}: {(error.strerror or 'cannot be read').lower()}") from None
    for encoding in ("utf-16",) if data[:2] in (b"\xff\xfe", b"\xfe\xff") else ("utf-8-sig", "cp1252"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise UsageError(f"{table}: is neither UTF-8, UTF-16 nor Windows-1252 text", hint="save it as UTF-8")


def _source(row: Mapping[str, Any], key: str, base: Path) -> Source:
    texts: dict[str, str] = {}
    labels: dict[str, list[str]] = {}
    splits: dict[str, tuple[int, str]] = {}
    attrs: dict[str, Any] = {}
    fold = next((_fold(row[name]) for name in row if name.lower().strip() == "fold"), None)
    for name, value in row.items():
        lower, text = name.lower().strip(), _cell(value)
        if name == key or lower == "fold":
            continue
        if lower.removesuffix("_id") in _text_names:
            if text and lower.removesuffix("_id") not in texts:
                texts[lower.removesuffix("_id")] = text
        elif lower == "split" or lower.startswith("split:"):
            if text:
                splits[lower.partition(":")[2] or "split"] = (fold or 0, text)
        elif lower.startswith("label:"):
            if _is_true(name, text):
                labels.setdefault("label", []).append(name.partition(":")[2])
        elif lower in _label_names:
            for label_set, label in _labels(lower, text):
                if label not in labels.setdefault(label_set, []):
                    labels[label_set].append(label)
        elif text:
            attrs[name] = value
    if fold is not None and not splits:
        splits["fold"] = (fold, "test")  # each fold is learned from all the others
    path = os.path.abspath(base / str(row[key]))
    return Source(path, **texts, labels=labels, splits=splits, attrs=attrs, dataset=base.name)


def _cell(value: Any) -> str:
    """Return a cell as text; Parquet's lists as cells with several labels are written."""
    if isinstance(value, list | tuple) or type(value).__name__ == "ndarray":
        return "|".join(str(item).strip() for item in value)
    return "" if value is None else str(value).strip()


def _fold(value: Any) -> int | None:
    text = _cell(value)
    if not text:
        return None
    try:
        number = float(text)  # pandas writes 1.0 where one was missing
    except ValueError:
        number = -1.0
    if number < 0 or not number.is_integer():
        raise UsageError(f"fold {text!r} is no whole number")
    return int(number)


def _is_true(column: str, text: str) -> bool:
    if text.lower() in ("", "0", "0.0", "false"):
        return False
    if text.lower() in ("1", "1.0", "true"):
        return True
    raise UsageError(f"column {column!r} has {text!r}, which is neither 0 nor 1")


_label_names = frozenset(
    "class emotion genre genres instrument key label labels mood moods style subgenre tag tags".split()
)


def _labels(column: str, cell: str) -> Iterator[tuple[str, str]]:
    """Split ``genre---rock|mood/theme---dark`` into sets by their prefix, ``rock; pop`` under the column's name."""
    for part in cell.replace(";", "|").split("|"):
        label_set, dashes, label = part.strip().rpartition("---")
        if label:
            yield (label_set if dashes else column), label


def _merged(first: Source, second: Source) -> Source:
    labels = {name: list(first.labels.get(name, ())) for name in {**first.labels, **second.labels}}
    for name, more in second.labels.items():
        labels[name] += [label for label in more if label not in labels[name]]
    return Source(
        first.path,
        first.title or second.title,
        first.artist or second.artist,
        first.album or second.album,
        labels,
        {**first.splits, **second.splits},
        {**first.attrs, **second.attrs},
        first.dataset,
    )
