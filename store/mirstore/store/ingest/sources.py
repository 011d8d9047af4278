"""Where tracks come from: files, folders, globs, and tables that list them with labels."""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from mirstore.core.errors import UsageError
from mirstore.core.text import counted, some
from mirstore.store.ingest.file_tables import Listing, read_listing
from mirstore.store.ingest.folders import audio_files
from mirstore.store.ingest.source import Source
from mirstore.store.tables import row_matching
from mirstore.store.tables.column_options import Options, default
from mirstore.store.tables.reading import is_table
from mirstore.store.tables.report import Meaning, Report

_lists = frozenset(".json .jsonl .m3u .m3u8 .pls .xspf .xml .yaml .yml".split())


def find(
    paths: Iterable[str | Path],
    labels: Path | None = None,
    *,
    options: Options = default,
    label_from_folder: bool = False,
    reports: list[Report] | None = None,
    passed_over: Counter[str] | None = None,
) -> list[Source]:
    """Return the files that ``paths`` name, each once, in a stable order.

    Parameters
    ----------
    paths : iterable of str or path
        Files, folders (searched for audio; links to folders are not followed), globs, or tables with a column of
        paths relative to the table; see `mirstore.store.tables.reading.read` for their formats.
    labels : path, optional
        A table with credits, labels and splits for these files, matched by the longest common ending of path.
    options : Options
        Which columns are labels and paths.
    label_from_folder : bool
        Whether the folder below a folder that is searched, or around a file, is its label, in the set ``label``.
    reports : list, optional
        Takes what a person should know of each table.
    passed_over : Counter, optional
        Takes the suffixes of the files in folders that are taken for no audio; see `mirstore.store.ingest.folders`.

    Raises
    ------
    UsageError
        If a path is not there, a glob matches nothing, a table has no column of paths, or its rows fit several files.
    """
    found: dict[str, Source] = {}
    tables: list[Listing] = []
    passed_over = Counter() if passed_over is None else passed_over
    for path in (os.fspath(path) for path in paths):
        origin = os.path.abspath(path) if os.path.isdir(path) or is_table(path) else ""
        for source in _expand(path, options, tables, passed_over):
            source = _labelled_by_folder(source, path) if label_from_folder else source
            found.setdefault(source.path, replace(source, origin=origin))
    if label_from_folder and reports is not None:
        reports.append(_about_folders(found.values()))
    if labels is not None:
        tables.append(read_listing(labels, options))
        _describe(found, tables[-1])
    options.check(table.columns for table in tables)
    if reports is not None:
        reports += [table.report for table in tables]
    return list(found.values())


def _expand(path: str, options: Options, tables: list[Listing], passed_over: Counter[str]) -> Iterator[Source]:
    if os.path.isdir(path):
        name = os.path.basename(os.path.abspath(path))
        yield from (Source(file, dataset=name) for file in audio_files(os.path.abspath(path), passed_over))
    elif is_table(path):
        table = read_listing(Path(path), options)
        if options.path_column is None:
            table.refuse_ids()
        tables.append(table)
        yield from table.sources
    elif Path(path).suffix.lower() in _lists:
        raise UsageError(f"{path}: is neither audio nor a table", hint="give a CSV with a column 'path'")
    elif glob.has_magic(path) and not os.path.lexists(path):
        matches = [match for match in glob_files(path) if not match.is_dir()]
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


def _labelled_by_folder(source: Source, given: str) -> Source:
    below = Path(source.path).parent.parts
    if os.path.isdir(given):
        below = below[len(Path(given).absolute().parts) :][:1]
    return replace(source, labels={"label": list(below[-1:])} | dict(source.labels)) if below else source


def glob_files(pattern: str) -> Iterator[Path]:
    """Yield matches, no hidden ones; unlike ``glob.glob``, pathlib follows no links to folders below ``**``.

    Parameters
    ----------
    pattern : str
        With at least one of ``*``, ``?`` and ``[``.
    """
    parts = Path(pattern).absolute().parts
    fixed = next(number for number, part in enumerate(parts) if glob.has_magic(part))
    base = Path(*parts[:fixed])
    for match in base.glob(str(Path(*parts[fixed:]))):
        if not any(part.startswith(".") for part in match.relative_to(base).parts):
            yield match


def _about_folders(sources: Collection[Source]) -> Report:
    counts = Counter(label for source in sources for label in source.labels.get("label", ()))
    without = [source.path for source in sources if not source.labels.get("label")]
    report = Report("folders", [Meaning("folder", "labels", f"{counted(len(counts), 'class')} of 'label'")])
    if without:
        names = some([os.path.basename(path) for path in without])
        stand = "file stands" if len(without) == 1 else "files stand"
        report.remarks.append(f"{len(without)} {stand} in no folder of a class: {names}")
    return report


def _describe(found: dict[str, Source], table: Listing) -> None:
    """Give the files what the table says about them, and the report which rows and files found no partner."""
    paths = list(found)
    shown = _below(paths)
    matched = row_matching.match(table.keys, paths, str(table.file), [source.path for source in table.sources])
    for path, row in matched.found.items():
        source, file = table.sources[row], found[paths[path]]
        found[file.path] = replace(
            file,
            title=source.title or file.title,
            artist=source.artist or file.artist,
            album=source.album or file.album,
            labels={**file.labels, **source.labels},
            targets={**file.targets, **source.targets},
            splits={**file.splits, **source.splits},
            attrs={**file.attrs, **source.attrs},
        )
    if found and not matched.found:
        raise UsageError(
            f"{table.file}: none of its {counted(len(table.keys), 'row')} names one of {counted(len(found), 'file')}",
            hint=f"its column {table.key!r} must hold paths, file names or stems; --path-column names another",
        )
    idle = [table.keys[row] for row in matched.idle]
    without = [shown[number] for number in range(len(paths)) if number not in matched.found]
    table.report.match = {
        "rows": len(table.keys),
        "files": len(paths),
        "rows_without_file": len(idle),
        "first_rows_without_file": idle[:3],
        "files_without_row": len(without),
        "first_files_without_row": without[:3],
    }
    if idle:
        named = "named" if len(idle) > 1 or len(table.keys) > 1 else "names"
        rows, files = counted(len(table.keys), "row"), counted(len(paths), "file")
        table.report.remarks.append(f"{len(idle)} of {rows} {named} none of the {files}: {some(idle)}")
    if without:
        have = "has" if len(without) == 1 else "have"
        table.report.remarks.append(f"{len(without)} of {counted(len(paths), 'file')} {have} no row: {some(without)}")
    if loose := [f"{table.keys[row]} for {shown[path]}" for path, row in matched.loose]:
        fit = "row fits" if len(loose) == 1 else "rows fit"
        table.report.remarks.append(f"{len(loose)} {fit} by name, though the folders differ: {some(loose)}")


def _below(paths: list[str]) -> list[str]:
    """Return paths as short as tells them apart for a reader: below the folder that holds all."""
    folder = os.path.commonpath([os.path.dirname(path) for path in paths]) if paths else ""
    return [os.path.relpath(path, folder) for path in paths]
