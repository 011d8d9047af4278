"""How complete and how fresh the store's feature sets are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

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
    tracks = set(store.scan("core.locations").select("track").collect()["track"])
    ledger = latest(store.scan("core.extractions").drop_nulls("feature_set"), "feature_set", "track")
    states = ledger.select("feature_set", "track", "status").collect()
    annotations, entries = stored(store), Ledger(store)
    sources = dict(store.scan("core.feature_sets").select("feature_set", "extractor").collect().iter_rows())
    rows = []
    known = store.names()
    for name, id_ in known.items() if names is None else [(name, known[name]) for name in names if name in known]:
        done = {track: state for feature, track, state in states.iter_rows() if feature == id_}
        ok = sum(state in ("ok", "none") for state in done.values())
        resolved = partial(resolve, [name], registry, plugins, annotations, lambda model: find(store, model).folder)
        state = _not_computed.get(sources[id_]) or _state(store, id_, resolved, entries, done.keys() & tracks)
        if state == "current":  # what nobody kept is missing where the registry keeps it now
            done = {track: state for track, state in done.items() if state != "not kept"}
        elif state == _unkept and ok:
            state = "current"  # as the values are that were kept before, or under another name
        expected = tracks & done.keys() if sources[id_] in _not_computed else state != _unkept
        failed = sum(state == "failed" for state in done.values())
        missing = len(tracks - done.keys()) if expected else 0
        rows.append({"feature": name, "id": id_, "ok": ok, "failed": failed, "missing": missing, "state": state})
    return rows


def _state(
    store: Store, id_: str, resolved: Callable[[], dict[str, FeatureSet]], ledger: Ledger, tracks: Iterable[str]
) -> str:
    try:
        (now,) = resolved().values()
        order = in_order({now.name: now})  # asks for the weights of each
    except MirstoreError as error:
        return f"cannot be computed here: {error}"
    if now.id != id_:
        return f"stale: {change(store, now)}"
    reasons = Counter(why for track in tracks if (why := ledger.outdated(track, order).why.get(id_)))
    if reasons:
        return "stale: " + "; ".join(f"{why}, {counted(count, 'track')}" for why, count in sorted(reasons.items()))
    return "current" if now.keep else _unkept


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
