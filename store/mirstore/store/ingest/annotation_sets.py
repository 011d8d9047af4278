"""What annotations a user gives, and the sets that they belong to: names with columns, as feature sets."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import polars as pl

from mirstore.core.annotations import Annotation
from mirstore.core.columns import Column
from mirstore.core.errors import TrackError, UsageError
from mirstore.core.features import FeatureSet
from mirstore.core.text import counted, some
from mirstore.store.ingest import annotation_files
from mirstore.store.ingest.annotation_files import Parsed, kind_of, united
from mirstore.store.ingest.sources import glob_files
from mirstore.store.lake.lake import Lake
from mirstore.store.names import current

_types = {str(kind): kind for kind in (pl.Float64, pl.String, pl.Boolean)}


@dataclass(frozen=True)
class Given:
    """What a user gave: ``chords-true=labs/*.lab``, ``chords-true:chord_harte=jams/*.jams``, ``words=tag:lyrics``.

    Attributes
    ----------
    text, name : str
        All of it, and what stands first.
    namespace : str
        The only one of JAMS that is asked for; ``""`` for all.
    files : sequence of str
        Absolute paths; none if it is no files that say it.
    kind : str
        Their suffix; ``"column"`` of the tables that list the tracks, or ``"tag"`` of the audio files.
    key : str
        Name of the column or tag.
    """

    text: str
    name: str
    namespace: str
    files: Sequence[str]
    kind: str
    key: str = ""

    @classmethod
    def parse(cls, text: str) -> Given:
        """Read what a user gave.

        Parameters
        ----------
        text : str
            ``NAME=PATTERN``, ``NAME:NAMESPACE=PATTERN``, ``NAME=column:COLUMN`` or ``NAME=tag:TAG``.

        Raises
        ------
        UsageError
            If it has no name or pattern, or the pattern no files of one format.
        """
        named, _, pattern = text.partition("=")
        name, colon, namespace = (part.strip() for part in named.partition(":"))
        if not name or not pattern or bool(colon) != bool(namespace):
            raise UsageError(f"--annotation {text!r} is not NAME=PATTERN", hint="--annotation chords-true='labs/*.lab'")
        kind, _, key = pattern.partition(":")
        if kind in ("column", "tag") and key and not namespace:
            return cls(text, name, "", (), kind, key)
        pattern = os.path.expanduser(pattern)
        matched = glob_files(pattern) if glob.has_magic(pattern) else [Path(os.path.abspath(pattern))]
        files = [str(file) for file in sorted(matched) if file.is_file()]
        kinds = sorted({kind_of(file) for file in files})
        if not files:
            raise UsageError(f"no file matches {pattern!r}", hint=f"for example --annotation {name}='labs/*.lab'")
        if kinds == [""]:
            known = ", ".join(sorted(annotation_files.suffixes))
            raise UsageError(f"{some(files)}: no annotations by their names", hint=f"formats: {known}")
        if len(kinds) > 1:
            raise UsageError(f"{pattern!r} matches files of several formats", hint="one --annotation per format: *.lab")
        if namespace and kinds != [".jams"]:
            raise UsageError(f"--annotation {text!r}: only JAMS has namespaces", hint=f"--annotation {name}={pattern}")
        return cls(text, name, namespace, files, kinds[0])

    def called(self, namespace: str) -> str:
        """Return the name of the set that a namespace of the files is.

        Parameters
        ----------
        namespace : str
        """
        return f"{self.name}.{namespace}" if namespace != self.namespace else self.name


@dataclass(frozen=True)
class Source:
    """Files of annotations, and the set of each of their namespaces: ``""`` in all formats but JAMS."""

    given: Given
    sets: Mapping[str, FeatureSet]


def stored(lake: Lake) -> dict[str, FeatureSet]:
    """Return the sets of annotations that a store has, by name.

    Parameters
    ----------
    lake : Lake
    """
    sets = lake.scan("core.feature_sets").filter(pl.col("extractor") == Annotation.name).select("feature_set").collect()
    ids = set(sets["feature_set"]) - lake.hidden.features
    names = {id_: name for name, id_ in current(lake).items() if id_ in ids}
    columns: dict[str, dict[str, Column]] = {id_: {} for id_ in names}
    rows = lake.scan("core.columns").filter(pl.col("feature_set").is_in(list(names))).collect().sort("position")
    for row in rows.iter_rows(named=True):
        ends = None if row["low"] is None and row["high"] is None else (row["low"], row["high"])
        kind = _types[row["dtype"]]
        columns[row["feature_set"]][row["column"]] = Column(kind, row["unit"], row["text"], ends, row["nullable"])
    made = {id_: FeatureSet(name, Annotation(name, columns[id_])) for id_, name in names.items()}
    return {feature.name: feature for id_, feature in made.items() if feature.id == id_}  # else its columns are lost


def find(lake: Lake | None, given: Iterable[Given]) -> list[Source]:
    """Return the sets that files belong to: those that the store has, and new ones.

    Parameters
    ----------
    lake : Lake or None
        None if there is no store yet.
    given : iterable of Given

    Raises
    ------
    UsageError
        If a name is taken by other features, no file of a set can be read, or two sources of one set have different
        columns.
    """
    there = stored(lake) if lake else {}
    taken = _computed(lake) if lake else set()
    sources = [Source(item, _sets(item, there, _seen(lake))) for item in given]
    for name in all_sets(sources):
        if name in taken:
            raise UsageError(f"features {name!r} are there, made by an extractor", hint="give another name")
    for one, other in combinations(sources, 2):
        for feature in one.sets.values():
            twin = other.sets.get(one.given.namespace) if one.given.name == other.given.name else None
            if twin and twin.id != feature.id:
                columns = " and ".join(", ".join(each.columns) for each in (feature, twin))
                raise UsageError(
                    f"annotations {feature.name!r}: {one.given.text} and {other.given.text} differ in columns or "
                    f"types: {columns}",
                    hint="give one of them another name",
                )
    return sources


def all_sets(sources: Iterable[Source]) -> dict[str, FeatureSet]:
    """Return all sets by name.

    Parameters
    ----------
    sources : iterable of Source
    """
    return {feature.name: feature for source in sources for feature in source.sets.values()}


def _computed(lake: Lake) -> set[str]:
    """Return the names of features that an extractor made, or a table brought."""
    sets = lake.scan("core.feature_sets").filter(pl.col("extractor") != Annotation.name).select("feature_set").collect()
    return {name for name, id_ in current(lake).items() if id_ in sets["feature_set"]}


def _seen(lake: Lake | None) -> set[tuple[str, int]]:
    rows = lake.recorded("core.annotations").select("path", "mtime_ns").collect() if lake else pl.DataFrame()
    return set(rows.iter_rows())


def _sets(item: Given, there: Mapping[str, FeatureSet], seen: set[tuple[str, int]]) -> dict[str, FeatureSet]:
    """Return the set of each namespace; files are read only where nothing else tells its columns."""
    known = {item.namespace: item.name}
    if item.kind == ".jams" and not item.namespace:
        begin = f"{item.name}."
        known = {name.removeprefix(begin): name for name in there if name.startswith(begin)}
    sets = {namespace: there[name] for namespace, name in known.items() if name in there}
    if sets and item.kind != ".jams":
        return sets
    if item.kind in annotation_files.fixed:
        columns = {"": annotation_files.fixed[item.kind]}
    else:
        columns = _columns(item, [file for file in item.files if not sets or _stat(file) not in seen], bool(sets))
    new = {namespace: Annotation(item.called(namespace), columns[namespace]) for namespace in columns.keys() - sets}
    return sets | {namespace: FeatureSet(new[namespace].of, new[namespace]) for namespace in sorted(new)}


def _stat(file: str) -> tuple[str, int]:
    try:
        return file, os.stat(file).st_mtime_ns
    except OSError:
        return file, 0


def _columns(item: Given, files: Sequence[str], may_be_none: bool) -> dict[str, Mapping[str, Column]]:
    """Return the columns of each namespace, as all files together have them."""
    parsed: list[dict[str, Parsed]] = []
    wrong = []
    for file in files:
        try:
            parsed.append(annotation_files.read(Path(file)))
        except (TrackError, OSError) as error:
            wrong.append(f"{os.path.basename(file)}: {error}")
    namespaces = sorted({namespace for one in parsed for namespace in one})
    if item.namespace:
        namespaces = [namespace for namespace in namespaces if namespace == item.namespace]
    if not namespaces and not may_be_none:
        what = f"has a namespace {item.namespace!r}" if item.namespace and parsed else "can be read"
        raise UsageError(
            f"annotations {item.name!r}: none of {counted(len(files), 'file')} {what}",
            hint=some(wrong, between="; ") if wrong else "without a namespace, all are taken",
        )
    return {name: united([one[name].columns for one in parsed if name in one]) for name in namespaces}
