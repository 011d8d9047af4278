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
from mirstore.store.ingest import annotation_files
from mirstore.store.ingest.annotation_sets import Source
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
    """

    feature: FeatureSet
    namespace: str
    path: str
    track: str
    audio: Path
    sha256: str | None


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
        If the files of a source belong to none of the tracks.
    """
    found = Annotated()
    if not sources:
        return found
    ids = [feature.id for source in sources for feature in source.sets.values()]
    files, answers = _latest(lake, "core.annotations", ids), _latest(lake, "core.extractions", ids)
    tracks = {item.shown: item for item in scanned if item.track}
    for source in sources:
        sets = [feature.id for feature in source.sets.values()]
        kept = {shown for shown, item in tracks.items() if any((id_, item.track) in answers for id_ in sets)}
        pairs, report = _matched(source, list(tracks), kept)
        found.reports.append(report)
        for path, item in ((path, tracks[shown]) for path, shown in pairs):
            assert item.track is not None
            where = _where(path)
            for namespace, feature in source.sets.items():
                before, answer = files.get((feature.id, item.track)), answers.get((feature.id, item.track))
                again = retry_failed and answer is not None and answer["status"] == "failed"
                if not again and before and where.items() <= before.items():
                    found.stays(feature.id, answer)
                    continue
                sha256 = before["sha256"] if before and not again else None
                audio = Path(item.source.path)
                found.files.append(File(feature, namespace, path, item.track, audio, sha256))
    for each in read(lake, found.files):
        key = each.file.track, each.file.feature.id
        if each.outcome:
            found.states[key] = each.outcome.status
        else:
            found.stays(each.file.feature.id, answers.get((each.file.feature.id, each.file.track)))
    return found


def _latest(lake: Lake, table: str, ids: Sequence[str]) -> dict[tuple[str, str], dict[str, Any]]:
    rows = latest(lake.recorded(table).filter(pl.col("feature_set").is_in(list(ids))), "feature_set", "track").collect()
    return {(row["feature_set"], row["track"]): row for row in rows.iter_rows(named=True)}


def _where(path: str) -> dict[str, Any]:
    shown = os.fsencode(path).decode("utf-8", "backslashreplace")
    try:
        status = os.stat(path)
    except OSError:
        return {"path": shown, "bytes": None, "mtime_ns": None}
    return {"path": shown, "bytes": status.st_size, "mtime_ns": status.st_mtime_ns}


def _matched(source: Source, paths: Sequence[str], kept: Set[str]) -> tuple[list[tuple[str, str]], Report]:
    """Return pairs of an annotation file and an audio file, and what is to be said of the others.

    Those that had an annotation, in ``kept``, keep it without the file.
    """
    files, report = source.given.files, Report(source.given.text)
    found = matches(files, paths)
    if paths and not found.found and not found.unclear:
        raise UsageError(
            f"annotations {source.given.name!r}: none of {counted(len(files), 'file')} is called like an audio file",
            hint=f"{os.path.basename(files[0])} belongs to an audio file of the same name before the suffix",
        )
    unclear = [([files[key] for key in keys], [paths[path] for path in many]) for keys, many in found.unclear]
    idle = []
    for file in (files[key] for key in found.idle):
        again = matches([os.path.basename(file)], paths).unclear
        idle += [] if again else [os.path.basename(file)]
        unclear += [([file], [paths[path] for path in many]) for _, many in again]
    for keys, many in unclear:
        belong = "all belong to" if len(keys) > 1 else "may belong to"
        named = some([os.path.basename(file) for file in keys])
        report.remarks.append(f"{named} {belong} {some(many)}: not read")
    if idle:
        belong = "belongs" if len(idle) == 1 else "belong"
        report.remarks.append(f"{counted(len(idle), 'file')} of {len(files)} {belong} to no track: {some(idle)}")
    without = [path for number, path in enumerate(paths) if number not in found.found]
    for those, lack in (
        ([path for path in without if path not in kept], "no annotation"),
        ([path for path in without if path in kept], "no file any more, and what it said stays"),
    ):
        if those:
            have, names = "has" if len(those) == 1 else "have", some([os.path.basename(path) for path in those])
            report.remarks.append(f"{counted(len(those), 'track')} of {len(paths)} {have} {lack}: {names}")
    report.match = {
        "files": len(files),
        "files_without_track": len(idle),
        "files_unclear": len(unclear),
        "tracks": len(paths),
        "tracks_without_file": len(without),
    }
    return [(files[key], paths[path]) for path, key in sorted(found.found.items())], report


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
    for path, group in groupby(files, key=lambda file: file.path):
        parts = list(group)
        where, wrong = _where(path), None
        parsed: dict[str, annotation_files.Parsed] = {}
        sha256 = None
        try:
            with open(path, "rb") as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            if any(part.sha256 != sha256 for part in parts):
                parsed = annotation_files.read(Path(path))
        except TrackError as error:
            wrong = error.reason, error.message
        except OSError as error:
            wrong = "unreadable", (error.strerror or str(error)).lower()
        for part in parts:
            row = {"feature_set": part.feature.id, "track": part.track, **where, "sha256": sha256}
            length = durations.get(part.track) or declared_length(str(part.audio))
            said = None if part.sha256 == sha256 is not None else _outcome(part, parsed, wrong, length)
            yield Read(part, row, said)


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
