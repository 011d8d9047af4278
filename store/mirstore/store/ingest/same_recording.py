"""Files of one recording in an ingest: what they say is told where they differ, and two classes are refused."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl

from mirstore.core.errors import UsageError
from mirstore.core.text import some
from mirstore.store.ingest.scan import Scanned
from mirstore.store.ingest.source import Source
from mirstore.store.ingest.tagging import genres
from mirstore.store.lake.latest import latest, latest_commit, located
from mirstore.store.store import Store
from mirstore.store.tables.label_columns import from_tags

_credits = ("title", "artist", "album")


@dataclass
class SameFiles:
    """What the files of an ingest say, one per dataset and track.

    Attributes
    ----------
    scanned : list of Scanned
        The first file of each, with the credits of the first that has them and the labels of all.
    pairs : list of dict
        For ``core.duplicates``: the first file and each other one, and how what they say differs.
    """

    scanned: list[Scanned] = field(default_factory=list)
    pairs: list[dict[str, Any]] = field(default_factory=list)


def one_per_track(store: Store, scanned: Sequence[Scanned], tags: Mapping[str, tuple[str, str | None]]) -> SameFiles:
    """Put the files of one recording together.

    Parameters
    ----------
    store : Store
        Tells which other files of the same recordings are there already.
    scanned : sequence of Scanned
        In the order of the sources: the first file's credits are kept.
    tags : Mapping of str to (str, str or None)
        Path to track and tags, see `tagging.latest_tags`: a table's credits win over them.

    Raises
    ------
    UsageError
        If two files of one recording have different labels in a set where all tracks have one.
    """
    found = SameFiles()
    earlier = _earlier(store, scanned)
    classes = _classes(scanned)
    clashes: list[str] = []
    for dataset, track, items in _groups(scanned):
        members = [*earlier.get((dataset, track), ()), *items]
        for item in members[1:]:
            differ = list(_differences(_said(members[0], tags), _said(item, tags)))
            found.pairs.append(_pair(track, members[0], item, differ))
            a, b = short(members[0].shown, item.shown)
            clashes += [
                f"{a} and {b} are the same recording, but {name} says {x!r} and {y!r}"
                for name, x, y in differ
                if (dataset, name) in classes
            ]
        found.scanned.append(_merged(members, items[0]) if len(members) > 1 else items[0])
    if clashes:
        raise UsageError(
            some(clashes, between="; "),
            hint="leave one of the files out, or give both the same label; tags of one track go together: rock|pop",
        )
    return found


def _groups(scanned: Sequence[Scanned]) -> Iterator[tuple[str, str, list[Scanned]]]:
    """Yield the files of each dataset and track; most have one, of which no group is made beforehand."""
    files = [item for item in scanned if item.track is not None]
    names = {"dataset": [item.source.dataset for item in files], "track": [item.track for item in files]}
    repeated = pl.DataFrame(names).is_duplicated()
    groups: dict[tuple[str, str], list[Scanned]] = {}
    for item in (files[at] for at in repeated.arg_true()):
        groups.setdefault((item.source.dataset, item.track or ""), []).append(item)
    for item, is_repeated in zip(files, repeated, strict=True):
        key = item.source.dataset, item.track or ""
        if not is_repeated:
            yield *key, [item]
        elif key in groups:
            yield *key, groups.pop(key)


def _classes(scanned: Sequence[Scanned]) -> set[tuple[str, str]]:
    """Return datasets and label sets where every file has one label."""
    sizes: dict[tuple[str, str], set[int]] = {}
    for item in scanned:
        for name, labels in item.source.labels.items():
            if labels:
                sizes.setdefault((item.source.dataset, name), set()).add(len(labels))
    return {key for key, counts in sizes.items() if counts == {1}}


def _earlier(store: Store, scanned: Sequence[Scanned]) -> dict[tuple[str, str], list[Scanned]]:
    """Return stored files of the recordings that came by another path now, if they are still there."""
    moved = {item.track for item in scanned if item.state == "moved"}
    if not moved:
        return {}
    here = {item.shown for item in scanned}
    paths = located(store.scan("core.locations")).sort("path")
    found: dict[tuple[str, str], list[Scanned]] = {}
    for path, track in paths.iter_rows():
        if track in moved and path not in here and os.path.exists(path):
            for dataset, source in _stored_sources(store, track, path):
                found.setdefault((dataset, track), []).append(Scanned(source, path, "known", track))
    return found


def _stored_sources(store: Store, track: str, path: str) -> Iterator[tuple[str, Source]]:
    items = latest(store.scan("core.items").filter(pl.col("track") == track), "dataset").collect()
    said = store.scan("core.labels").filter(pl.col("track") == track)
    labels = latest_commit(said, "dataset", "label_set").drop_nulls("label").collect()
    for item in items.iter_rows(named=True):
        dataset = item["dataset"]
        here = labels.filter(pl.col("dataset") == dataset, ~pl.col("label_set").str.starts_with(from_tags))
        sets: dict[str, list[str]] = {}
        targets: dict[str, dict[str, float]] = {}
        for (name,), rows in here.group_by("label_set", maintain_order=True):
            if (rows["value"] == 1).all():
                sets[str(name)] = rows["label"].to_list()
            else:
                targets[str(name)] = dict(rows.select("label", "value").iter_rows())
        credits = {name: item[name] for name in _credits}
        yield dataset, Source(path, **credits, labels=sets, targets=targets, dataset=dataset)


def _said(item: Scanned, tags: Mapping[str, tuple[str, str | None]]) -> Source:
    """Return the source with the credits and genres of the file's tags where it has none of its own."""
    track, text = tags.get(item.shown, (None, None))
    found = json.loads(text) if text and track == item.track else {}
    title, artist, album = (getattr(item.source, name) or found.get(name) for name in _credits)
    labels = {**item.source.labels, genres: found.get("genre", ())}
    return replace(item.source, title=title, artist=artist, album=album, labels=labels)


def _differences(first: Source, other: Source) -> Iterator[tuple[str, str, str]]:
    for name in _credits:
        x, y = getattr(first, name), getattr(other, name)
        if x and y and x != y:
            yield name, x, y
    for name in sorted(first.labels.keys() & other.labels.keys()):
        a, b = ("|".join(sorted(source.labels[name])) for source in (first, other))
        if a and b and a != b:
            yield name, a, b


def _pair(track: str, first: Scanned, other: Scanned, differ: Sequence[tuple[str, str, str]]) -> dict[str, Any]:
    details = "; ".join(f"{name} differs: {x}, {y}" for name, x, y in differ) or None
    paths = {"a_path": first.shown, "b_path": other.shown}
    return {"kind": "identical file", "a": track, "b": track, **paths, "score": None, "details": details}


def _merged(members: Sequence[Scanned], item: Scanned) -> Scanned:
    """Return ``item`` with the first credits, and the labels of all members."""
    sources = [member.source for member in members]
    credits = {name: next(filter(None, (getattr(source, name) for source in sources)), None) for name in _credits}
    labels: dict[str, list[str]] = {}
    attrs: dict[str, Any] = {}
    targets: dict[str, Mapping[str, float]] = {}
    for source in sources:
        attrs, targets = {**source.attrs, **attrs}, {**source.targets, **targets}
        for name, names in source.labels.items():
            kept = labels.setdefault(name, [])
            kept += [label for label in names if label not in kept]
    title, artist, album = (credits[name] for name in _credits)
    source = replace(item.source, title=title, artist=artist, album=album, labels=labels, targets=targets, attrs=attrs)
    return replace(item, source=source)


def short(a: str, b: str) -> tuple[str, str]:
    """Return two paths without the folders that they share.

    Parameters
    ----------
    a, b : str
        Absolute.

    Examples
    --------
    >>> short("/music/rock/a.mp3", "/music/rock/best/a.flac")
    ('a.mp3', 'best/a.flac')
    """
    try:
        common = os.path.commonpath([os.path.dirname(a), os.path.dirname(b)])
    except ValueError:
        return a, b
    return os.path.relpath(a, common), os.path.relpath(b, common)


def told(pairs: Sequence[Mapping[str, Any]], most: int = 5) -> list[str]:
    """Return a sentence per pair, those that say different things first, and how many more there are.

    Parameters
    ----------
    pairs : sequence of Mapping
        ``kind``, ``a_path``, ``b_path``, ``details`` (None where both say the same).
    most : int > 0
        How many are named.
    """
    lines = []
    ranked = sorted(pairs, key=lambda pair: pair["details"] is None)
    for pair in ranked[:most]:
        a, b = short(pair["a_path"], pair["b_path"])
        same = "sounds like the same recording as" if pair["kind"] == "near" else "is the same recording as"
        lines.append(f"{b} {same} {a}" + (f"; {pair['details']}" if pair["details"] else ""))
    if len(pairs) > most:
        kinds = Counter(str(pair["kind"]) for pair in ranked[most:])
        counts = ", ".join(f"{count} × {kind}" for kind, count in kinds.items())
        lines.append(f"and {len(pairs) - most} more ({counts}): mirstore sql 'FROM duplicates'")
    return lines
