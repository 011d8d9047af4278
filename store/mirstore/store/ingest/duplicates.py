"""Which tracks of a store are one recording: by equal samples, or near by their fingerprints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from mirstore.core.chromaprints import decode, find_copies
from mirstore.store.ingest.same_recording import told
from mirstore.store.known_copies import fingerprints
from mirstore.store.lake.latest import latest, located
from mirstore.store.store import Store


@dataclass
class Duplicates:
    """What an ingest found.

    Attributes
    ----------
    pairs : list of dict
        New rows of ``core.duplicates``.
    near : str
        ``"looked for"``, or why near duplicates were not.
    """

    pairs: list[dict[str, Any]] = field(default_factory=list)
    near: str = ""

    def add(self, store: Store, pairs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Keep the pairs that the store does not say yet, and return them.

        Parameters
        ----------
        store : Store
        pairs : sequence of dict
            ``kind``, ``a``, ``b``, ``a_path``, ``b_path``, ``details``.
        """
        key = ("kind", "a", "b", "a_path", "b_path", "details")
        rows = latest(store.scan("core.duplicates"), *key[:-1]).select(key).collect().iter_rows()
        known = {row[:-1]: row[-1] for row in rows}
        new = [pair for pair in pairs if known.get(tuple(pair[k] for k in key[:-1]), "") != pair["details"]]
        self.pairs += new
        return new

    def look(self, store: Store, stamp: Mapping[str, Any]) -> None:
        """Compare the tracks of the last ingest with all others, and commit what is new.

        Parameters
        ----------
        store : Store
            Open for writing.
        stamp : Mapping of str to value
            What each row gets: ``ingest`` and ``added``.
        """
        paths = _paths(store)
        pairs = list(_same_samples(store, paths))
        equal = {(pair["a"], pair["b"]) for pair in pairs}
        features = fingerprints(store)
        self.near = "looked for" if features or len(paths) < 2 else "not looked for: no features with a fingerprint"
        for feature, column in features:
            pairs += [
                pair
                for pair in _near(store, feature, column, paths, stamp["ingest"])
                if (pair["a"], pair["b"]) not in equal
            ]
        new = self.add(store, pairs)
        if new:
            with store.write(f"ingest {stamp['ingest']}: duplicates") as tx:
                tx.append("core.duplicates", [{**pair, **stamp} for pair in new])
            self._describe(store)

    def _describe(self, store: Store) -> None:
        """Say in which labels new pairs differ, as the view does."""
        rows = store.sql("SELECT kind, a_path, b_path, details FROM duplicates").iter_rows()
        details = {(kind, a, b): text for kind, a, b, text in rows}
        self.pairs = [
            {**pair, "details": details.get((pair["kind"], pair["a_path"], pair["b_path"]), pair["details"])}
            for pair in self.pairs
        ]

    def as_dict(self) -> dict[str, Any]:
        """Return counts by kind, and what to tell of them."""
        return {
            "found": dict(Counter(pair["kind"] for pair in self.pairs)),
            "told": told(self.pairs),
            "near": self.near,
        }


def _paths(store: Store) -> dict[str, str]:
    """Return the first path of each track that has one."""
    paths = located(store.scan("core.locations")).sort("path", descending=True)
    return {track: path for path, track in paths.iter_rows()}


def _same_samples(store: Store, paths: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    rows = (
        store.scan("core.tracks").filter(pl.col("samples").is_not_null()).select("track", "samples").unique().collect()
    )
    groups: dict[str, list[str]] = {}
    for track, samples in rows.filter(pl.col("samples").is_duplicated()).iter_rows():
        if track in paths:
            groups.setdefault(samples, []).append(track)
    for tracks in groups.values():
        first, *others = sorted(tracks, key=lambda track: paths[track])
        yield from (_pair("same samples", first, other, paths, None) for other in others)


def _near(store: Store, feature: str, column: str, paths: Mapping[str, str], ingest: str) -> Iterator[dict[str, Any]]:
    id_ = store.resolve(feature)
    done = store.scan("core.extractions").filter(pl.col("feature_set") == id_, pl.col("ingest") == ingest)
    new = set(done.select("track").collect()["track"])
    if not new:
        return
    rows = store.features(feature).select("track", column).drop_nulls().iter_rows()
    prints = {
        track: decode(text) for track, text in sorted(rows, key=lambda row: paths.get(row[0], "")) if track in paths
    }
    for a, b, error in find_copies(prints, new):
        yield _pair("near", a, b, paths, round(1 - error, 4))


def _pair(kind: str, a: str, b: str, paths: Mapping[str, str], score: float | None) -> dict[str, Any]:
    first, second = sorted((a, b), key=lambda track: paths[track])
    where = {"a": first, "b": second, "a_path": paths[first], "b_path": paths[second]}
    return {"kind": kind, **where, "score": score, "details": None}
