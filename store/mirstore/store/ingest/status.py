"""How complete and how fresh the store's feature sets are."""

from __future__ import annotations

from typing import Any

import polars as pl

from mirstore.core.errors import MirstoreError
from mirstore.core.plugins import Plugins
from mirstore.core.registry import Registry
from mirstore.core.resolve import resolve
from mirstore.store.ingest.plan import change
from mirstore.store.lake.latest import latest
from mirstore.store.models import find
from mirstore.store.store import Store


def status(store: Store, registry: Registry, plugins: Plugins) -> list[dict[str, Any]]:
    """Return one row per feature name.

    Returns
    -------
    list of dict
        ``feature``, ``id``, ``ok``, ``failed``, ``missing`` (tracks with audio that lack it) and ``state``:
        ``"current"``, or why the registry would now compute something else, or why it cannot tell.
    """
    tracks = set(store.scan("core.locations").select("track").collect()["track"])
    ledger = latest(store.scan("core.extractions").drop_nulls("feature_set"), "feature_set", "track")
    states = ledger.select("feature_set", "track", "status").collect()
    rows = []
    for name, id_ in store.names().items():
        done = {track: state for feature, track, state in states.iter_rows() if feature == id_}
        failed = sum(state == "failed" for state in done.values())
        rows.append(
            {
                "feature": name,
                "id": id_,
                "ok": len(done) - failed,
                "failed": failed,
                "missing": len(tracks - done.keys()) if tracks & done.keys() else 0,
                "state": _state(store, name, id_, registry, plugins),
            }
        )
    return rows


def _state(store: Store, name: str, id_: str, registry: Registry, plugins: Plugins) -> str:
    extractor = store.scan("core.feature_sets").filter(pl.col("feature_set") == id_).collect()["extractor"][0]
    if extractor == "table":
        return "imported"
    try:
        now = resolve([name], registry, plugins, lambda model: find(store, model).folder)[name]
    except MirstoreError as error:
        return f"cannot be computed here: {error}"
    return "current" if now.id == id_ else f"stale: {change(store, now)}"
