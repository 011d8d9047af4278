"""How complete and how fresh the store's feature sets are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
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
from mirstore.store.ingest.ledger import Ledger
from mirstore.store.ingest.plan import change
from mirstore.store.lake.latest import latest
from mirstore.store.models import find
from mirstore.store.store import Store


def status(store: Store, registry: Registry, plugins: Plugins) -> list[dict[str, Any]]:
    """Return one row per feature name.

    Parameters
    ----------
    store : Store
    registry : Registry
    plugins : Plugins

    Returns
    -------
    list of dict
        ``feature``, ``id``, ``ok``, ``failed``, ``missing`` (tracks with audio that lack it) and ``state``:
        ``"current"``, or why the registry would now compute something else for all tracks or for some, or why it cannot
        tell; ``"annotation"`` and ``"imported"`` of what nothing computes.
    """
    tracks = set(store.scan("core.locations").select("track").collect()["track"])
    ledger = latest(store.scan("core.extractions").drop_nulls("feature_set"), "feature_set", "track")
    states = ledger.select("feature_set", "track", "status").collect()
    annotations, entries = stored(store), Ledger(store)
    rows = []
    for name, id_ in store.names().items():
        done = {track: state for feature, track, state in states.iter_rows() if feature == id_}
        resolved = partial(resolve, [name], registry, plugins, annotations, lambda model: find(store, model).folder)
        failed = sum(state == "failed" for state in done.values())
        rows.append(
            {
                "feature": name,
                "id": id_,
                "ok": sum(state in ("ok", "none") for state in done.values()),
                "failed": failed,
                "missing": len(tracks - done.keys()) if tracks & done.keys() else 0,
                "state": _state(store, id_, resolved, entries, done.keys() & tracks),
            }
        )
    return rows


def _state(
    store: Store, id_: str, resolved: Callable[[], dict[str, FeatureSet]], ledger: Ledger, tracks: Iterable[str]
) -> str:
    extractor = store.scan("core.feature_sets").filter(pl.col("feature_set") == id_).collect()["extractor"][0]
    if extractor in _not_computed:
        return _not_computed[extractor]
    try:
        (now,) = resolved().values()
    except MirstoreError as error:
        return f"cannot be computed here: {error}"
    if now.id != id_:
        return f"stale: {change(store, now)}"
    order = in_order({now.name: now})
    reasons = Counter(why for track in tracks if (why := ledger.outdated(track, order).why.get(id_)))
    if reasons:
        return "stale: " + "; ".join(f"{why}, {counted(count, 'track')}" for why, count in sorted(reasons.items()))
    return "current" if now.keep else "not kept: computed for what reads it"


_not_computed = {"table": "imported", "annotation": "annotation"}
