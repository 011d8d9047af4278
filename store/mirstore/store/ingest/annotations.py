"""Annotations as a source: files that say something about tracks, matched with them by their names.

A file of a track is an answer of a set of annotations, as an extractor's result is one of a feature set, and goes the
same way: into a table and the ledger. A file that has changed is a new answer, and the ledger's latest entry says which
rows hold.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

import polars as pl

from mirstore.core.columns import check_rows
from mirstore.core.errors import TrackError, UsageError
from mirstore.core.features import FeatureSet
from mirstore.core.jobs import Done, Job, Outcome
from mirstore.core.text import counted, some
from mirstore.store.ingest import annotation_files, annotation_texts
from mirstore.store.ingest.annotation_sets import Given, Source
from mirstore.store.ingest.costs import declared_length
from mirstore.store.ingest.scan import Scanned
from mirstore.store.lake.lake import Lake
from mirstore.store.lake.latest import latest
from mirstore.store.tables.report import Report
from mirstore.store.tables.row_matching import matches


@dataclass(frozen=True)
class File:
    """A file that may say something new about a track.

    Attributes
    ----------
    feature : FeatureSet
        The set.
    namespace, path, track : str
    audio : Path
        The track's file.
    sha256 : str or None
        Of the content that the track's latest answer is of; None if there is none, or it is to be read whatever it is.
    text : str or None
        What is said, where it stands in a table or in a tag and not in a file of its own.
    tag : str
        Name of that tag, empty if it stands elsewhere.
    """

    feature: FeatureSet
    namespace: str
    path: str
    track: str
    audio: Path
    sha256: str | None
    text: str | None = None
    tag: str = ""


@dataclass(frozen=True)
class Read:
    """What reading a file brought: rows for ``core.annotations`` and, if it says something new, an outcome."""

    file: File
    row: dict[str, Any]
    outcome: Outcome | None

    @property
    def done(self) -> Done:
        """The outcome as that of a job."""
        return Done(Job(self.file.track, self.file.audio, ()), None, [self.outcome] if self.outcome else [])


@dataclass
class Annotated:
    """What annotations mean for the tracks of an ingest.

    Attributes
    ----------
    files : list of File
        To be read.
    states : dict of (str, str) to str
        Track and id of a set to the status of the answer that it will have, where that is a new one.
    fresh : Counter
        Id of a set to the number of tracks whose answer stays.
    failed : Counter
        Id of a set to the number of tracks whose file could not be used before, and is as it was.
    reports : list of Report
        What matched nothing, or several.
    """

    files: list[File] = field(default_factory=list)
    states: dict[tuple[str, str], str] = field(default_factory=dict)
    fresh: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    reports: list[Report] = field(default_factory=list)

    def stays(self, id_: str, answer: Mapping[str, Any] | None) -> None:
        """Count a file that says nothing new.

        Parameters
        ----------
        id_ : str
            Of the set.
        answer : Mapping or None
            The ledger's entry about its track, if there is one.
        """
        if answer is not None:
            (self.failed if answer["status"] == "failed" else self.fresh)[id_] += 1


def look(lake: Lake, sources: Sequence[Source], scanned: Sequence[Scanned], *, retry_failed: bool) -> Annotated:
    """Match files with tracks, and tell what is new; a file that is as it was costs a stat.

    Parameters
    ----------
    lake : Lake
    sources : sequence of Source
    scanned : sequence of Scanned
        The audio files.
    retry_failed : bool
        Read files again that could not be used.

    Raises
    ------
    UsageError
        If the files of a source belong to none of the tracks, or no table has its column.
    """
    found = Annotated()
    if not sources:
        return found
    ids = [feature.id for source in sources for feature in source.sets.values()]
    files, answers = _latest(lake, "core.annotations", ids), _latest(lake, "core.extractions", ids)
    tracks = {item.shown: item for item in scanned if item.track}
    told: dict[str, set[str]] = {}  # name of a set to the paths of which a source says something: the first one counts
    for source in sources:
        report, before = Report(source.given.text), told.setdefault(source.given.called(""), set())
        found.reports.append(report)
        for path, item in list(_pairs(source.given, tracks, report)):
            if item.shown in before:
                continue
            new = _to_read(source, path, item, files, answers, retry_failed)
            if new is None:
                continue
            before.add(item.shown)
            found.files.extend(new)
            unread = {feature.id for feature in source.sets.values()} - {file.feature.id for file in new}
            for id_ in unread:
                found.stays(id_, answers.get((id_, item.track or "")))
    last = {source.given.called(""): (source, report) for source, report in zip(sources, found.reports, strict=True)}
    for name, (source, report) in last.items():
        ids = [feature.id for feature in source.sets.values()]
        kept = {shown for shown, item in tracks.items() if any((id_, item.track) in answers for id_ in ids)}
        report.remarks += _lacking([shown for shown in tracks if shown not in told[name]], kept, len(tracks))
    for each in read(lake, found.files):
        key = each.file.track, each.file.feature.id
        if each.outcome:
            found.states[key] = each.outcome.status
        else:
            found.stays(each.file.feature.id, answers.get((each.file.feature.id, each.file.track)))
    return found


_Entries = Mapping[tuple[str, str], Mapping[str, Any]]
"""Rows by set and track."""


def _latest(lake: Lake, table: str, ids: Sequence[str]) -> dict[tuple[str, str], dict[str, Any]]:
    rows = latest(lake.recorded(table).filter(pl.col("feature_set").is_in(list(ids))), "feature_set", "track").collect()
    return {(row["feature_set"], row["track"]): row for row in rows.iter_rows(named=True)}


def _where(path: str, tag: str) -> dict[str, Any]:
    shown = os.fsencode(path).decode("utf-8", "backslashreplace") + (f" tag:{tag}" if tag else "")
    try:
        status = os.stat(path)
    except OSError:
        return {"path": shown, "bytes": None, "mtime_ns": None}
    return {"path": shown, "bytes": status.st_size, "mtime_ns": status.st_mtime_ns}


def _pairs(given: Given, tracks: Mapping[str, Scanned], report: Report) -> Iterator[tuple[str, Scanned]]:
    """Yield the tracks of which a source may say something, and where."""
    if given.files:
        yield from ((path, tracks[shown]) for path, shown in _matched(given, list(tracks), report))
    else:
        annotation_texts.refuse_unknown(given, (item.source for item in tracks.values()))
        yield from ((annotation_texts.where(given, item.source), item) for item in tracks.values())


def _to_read(
    source: Source, path: str, item: Scanned, files: _Entries, answers: _Entries, retry_failed: bool
) -> list[File] | None:
    """Return what is to be read of a track, None if nothing is said of it."""
    assert item.track is not None
    tag = source.given.key if source.given.kind == "tag" else ""
    where, track = _where(path, tag), item.track
    new, text = [], None
    for namespace, feature in source.sets.items():
        before, answer = files.get((feature.id, track)), answers.get((feature.id, track))
        failed = answer is not None and answer["status"] == "failed"
        lost = answer is None and source.given.kind != ".jams"  # which may say nothing of a namespace
        again = lost or (retry_failed and failed)
        if not again and before and where["mtime_ns"] is not None and where.items() <= before.items():
            continue
        if not source.given.files:
            text = annotation_texts.text(source.given, item.source)
            if text is None:
                return None
        sha256 = before["sha256"] if before and not again else None
        new.append(File(feature, namespace, path, track, Path(item.source.path), sha256, text, tag))
    return new


def _matched(given: Given, paths: Sequence[str], report: Report) -> list[tuple[str, str]]:
    """Return pairs of an annotation file and an audio file; the report tells of the others."""
    files = given.files
    found = matches([_with_one_suffix(file, given) for file in files], paths)
    if paths and not found.found and not found.unclear:
        raise UsageError(
            f"annotations {given.name!r}: none of {counted(len(files), 'file')} is called like an audio file",
            hint=f"{os.path.basename(files[0])} belongs to an audio file of the same name before the suffix",
        )
    unclear = [([files[key] for key in keys], [paths[path] for path in many]) for keys, many in found.unclear]
    idle = []
    for file in (files[key] for key in found.idle):
        again = matches([os.path.basename(_with_one_suffix(file, given))], paths).unclear
        idle += [] if again else [os.path.basename(file)]
        unclear += [([file], [paths[path] for path in many]) for _, many in again]
    for keys, many in unclear:
        belong = "all belong to" if len(keys) > 1 else "may belong to"
        named = some([os.path.basename(file) for file in keys])
        report.remarks.append(f"{named} {belong} {some(many)}: not read")
    if idle:
        belong = "belongs" if len(idle) == 1 else "belong"
        report.remarks.append(f"{counted(len(idle), 'file')} of {len(files)} {belong} to no track: {some(idle)}")
    report.match = {
        "files": len(files),
        "files_without_track": len(idle),
        "files_unclear": len(unclear),
        "tracks": len(paths),
        "tracks_without_file": len(paths) - len(found.found),
    }
    return [(files[key], paths[path]) for path, key in sorted(found.found.items())]


def _with_one_suffix(file: str, given: Given) -> str:
    """Return a path as it is matched: of ``.lyrics.txt`` all goes, and what is left of other names stays whole."""
    return file[: -len(given.kind)] + ".txt"


def _lacking(without: Sequence[str], kept: Set[str], tracks: int) -> Iterator[str]:
    """Yield what is to be said of tracks of which no source says anything; those in ``kept`` had an annotation."""
    for those, lack in (
        ([path for path in without if path not in kept], "no annotation"),
        ([path for path in without if path in kept], "no file any more, and what it said stays"),
    ):
        if those:
            have, names = "has" if len(those) == 1 else "have", some([os.path.basename(path) for path in those])
            yield f"{counted(len(those), 'track')} of {tracks} {have} {lack}: {names}"


def read(lake: Lake, files: Sequence[File]) -> Iterator[Read]:
    """Read files, each once for all of its sets: one that cannot be used is a failure of its track and set.

    Parameters
    ----------
    lake : Lake
    files : sequence of File
        Those of one path stand together.

    Yields
    ------
    Read
        Nothing for a namespace that a file does not have.
    """
    durations = dict(lake.recorded("core.tracks").select("track", "duration").drop_nulls().collect().iter_rows())
    for (path, text, tag), group in groupby(files, key=lambda file: (file.path, file.text, file.tag)):
        parts = list(group)
        where, wrong = _where(path, tag), None
        parsed: dict[str, annotation_files.Parsed] = {}
        sha256 = None
        try:
            sha256 = _digest(path, text)
            if any(part.sha256 != sha256 for part in parts):
                parsed = annotation_files.read(Path(path)) if text is None else {"": annotation_files.said(text)}
        except TrackError as error:
            wrong = error.reason, error.message
        except OSError as error:
            wrong = "unreadable", (error.strerror or str(error)).lower()
        for part in parts:
            row = {"feature_set": part.feature.id, "track": part.track, **where, "sha256": sha256}
            length = durations.get(part.track) or declared_length(str(part.audio))
            said = None if part.sha256 == sha256 is not None else _outcome(part, parsed, wrong, length)
            yield Read(part, row, said)


def _digest(path: str, text: str | None) -> str:
    if text is not None:
        return hashlib.sha256(text.encode()).hexdigest()
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _outcome(
    file: File, parsed: Mapping[str, annotation_files.Parsed], wrong: tuple[str, str] | None, length: float | None
) -> Outcome | None:
    name = os.path.basename(file.path)
    if wrong is None and file.namespace not in parsed:
        return Outcome(file.feature.id, "none") if file.sha256 else None  # it had one before
    try:
        if wrong:
            raise TrackError(*wrong)
        columns = file.feature.columns
        rows = check_rows(annotation_files.fitted(parsed[file.namespace], columns, file.feature.name, length), columns)
    except TrackError as error:
        return Outcome(file.feature.id, "failed", [], error.reason, f"{name}: {error.message}")
    return Outcome(file.feature.id, "ok" if rows else "none", rows)
