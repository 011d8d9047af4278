"""How complete and how fresh the store's feature sets are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import polars as pl

from mirstore.core.errors import MirstoreError
from mirstore.core.features import FeatureSet, in_order
from mirstore.core.plugins import Plugins
from mirstore.core.registry import Registry
from mirstore.core.resolve import resolve
from mirstore.core.text import counted
from mirstore.store.ingest.annotation_sets import stored
from mirstore.store.ingest.ledger import Entries, Ledger
from mirstore.store.ingest.plan import change
from mirstore.store.models import find
from mirstore.store.store import Store


def status(
    store: Store, registry: Registry, plugins: Plugins, names: Iterable[str] | None = None
) -> list[dict[str, Any]]:
    """Return one row per feature name.

    Parameters
    ----------
    store : Store
    registry : Registry
    plugins : Plugins
    names : iterable of str, optional
        Only these, as far as the store has them; all by default.

    Returns
    -------
    list of dict
        ``feature``, ``id``, ``ok``, ``failed``, ``missing`` (tracks with audio that lack it) and ``state``:
        ``"current"``, or why the registry would now compute something else for all tracks or for some, or why it cannot
        tell; ``"annotation"`` and ``"imported"`` of what nothing computes.
    """
    known = store.names()
    chosen = known if names is None else {name: known[name] for name in names if name in known}
    annotations = stored(store)
    sources = dict(store.scan("core.feature_sets").select("feature_set", "extractor").collect().iter_rows())
    now: dict[str, _Now] = {}
    for name, id_ in chosen.items():
        resolved = partial(resolve, [name], registry, plugins, annotations, lambda model: find(store, model).folder)
        why = _not_computed.get(sources[id_]) if id_ in sources else _lost
        now[name] = _Now(why) if why else _look(store, id_, resolved)
    counts = {name: _Counts() for name in chosen}
    tracks = _tracks(store, chosen.values())
    ids = {*chosen.values(), *(feature.id for each in now.values() for feature in each.order)}
    features = {feature.id: feature for each in now.values() for feature in each.order}
    ledger = Ledger(store, tracks["track"], ids, features.values())
    for at, entries, traits in ledger.alike(located=tracks["located"].to_numpy()):
        for name, id_ in chosen.items():
            counts[name].add(len(at), entries, id_, now[name], located=traits["located"])
    return [{"feature": name, "id": id_, **counts[name].row(now[name])} for name, id_ in chosen.items()]


def _tracks(store: Store, ids: Iterable[str]) -> pl.DataFrame:
    """Return the tracks that have audio, and those that features have an entry of: ``track``, ``located``."""
    entries = store.scan("core.extractions").filter(pl.col("feature_set").is_in(list(ids))).select("track")
    located = store.scan("core.locations").select("track", pl.lit(True).alias("located"))
    both = pl.concat([located, entries.with_columns(pl.lit(False).alias("located"))]).drop_nulls("track")
    return both.group_by("track").agg(pl.col("located").any()).collect(engine="streaming")


@dataclass
class _Now:
    """What the registry makes of a name now: why it is not computed, or what is, each after its inputs."""

    why: str = ""
    order: Sequence[FeatureSet] = ()


def _look(store: Store, id_: str, resolved: Callable[[], dict[str, FeatureSet]]) -> _Now:
    try:
        (now,) = resolved().values()
        order = in_order({now.name: now})  # asks for the weights of each
    except MirstoreError as error:
        return _Now(f"cannot be computed here: {error}")
    return _Now("" if now.keep else _unkept, order) if now.id == id_ else _Now(f"stale: {change(store, now)}")


@dataclass
class _Counts:
    """Tracks by what became of them, ``""`` if nothing did.

    Attributes
    ----------
    all, here : Counter
        All, and those that have audio.
    outdated : Counter
        Those by why they are.
    """

    all: Counter[str] = field(default_factory=Counter)
    here: Counter[str] = field(default_factory=Counter)
    outdated: Counter[str] = field(default_factory=Counter)

    def add(self, tracks: int, entries: Entries, id_: str, now: _Now, *, located: bool) -> None:
        """Count tracks that are alike."""
        state = entries.status(id_) or ""
        self.all[state] += tracks
        self.here[state] += tracks * located
        if located and state and (why := entries.outdated(now.order).why.get(id_)):
            self.outdated[why] += tracks

    def row(self, now: _Now) -> dict[str, Any]:
        """Return what is to be told."""
        ok, why, missing = self.all["ok"] + self.all["none"], now.why, self.here[""]
        if self.outdated:
            reasons = (f"{why}, {counted(count, 'track')}" for why, count in sorted(self.outdated.items()))
            why = f"stale: {'; '.join(reasons)}"
        elif not why:  # what nobody kept is missing where the registry keeps it now
            missing += self.here["not kept"]
        elif why == _unkept and ok:
            why = ""  # as the values are that were kept before, or under another name
        elif why == _unkept or (why in _not_computed.values() and missing == self.here.total()):
            missing = 0
        return {"ok": ok, "failed": self.all["failed"], "missing": missing, "state": why or "current"}


def stale(store: Store, registry: Registry, plugins: Plugins, names: Iterable[str]) -> Iterator[str]:
    """Yield a sentence per feature whose stored values an ingest would compute anew.

    Parameters
    ----------
    store : Store
    registry : Registry
    plugins : Plugins
    names : iterable of str
        What is to be read; pinned versions are meant as they are.
    """
    unpinned = [name for name in names if "@" not in name]
    for row in status(store, registry, plugins, unpinned):
        if row["state"].startswith("stale: "):
            yield (
                f"features {row['feature']!r} are read as they are stored, and are {row['state']} "
                f"(mirstore ingest … --features {row['feature']} computes them anew)"
            )


_not_computed = {"table": "imported", "annotation": "annotation"}
_unkept = "not kept: computed for what reads it"
_lost = "lost: what made them, until the same ingest or import records it again"
