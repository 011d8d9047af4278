"""Labels that a source says otherwise than the store: what was corrected, and what was taken back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mirstore.store.store import Store

_key = ("dataset", "track", "label_set")


def count_changes(store: Store, groups: Iterable[tuple[Any, ...]]) -> Counter[str]:
    """Return how many tracks have labels of a set ``added``, and how many have other labels, ``changed``.

    Parameters
    ----------
    store : Store
        Before they are written.
    groups : iterable of (dataset, track, label set)
        Those that differ from what the store says.
    """
    said = set(groups)
    before = _labelled(store) if said else set()
    return Counter("changed" if group in before else "added" for group in said)


def taken_away(store: Store, silent: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return rows that end the labels of tracks for which a table has a column of labels and an empty cell.

    Parameters
    ----------
    store : Store
        Before they are written.
    silent : sequence of dict
        ``dataset``, ``track``, ``label_set`` of those cells.
    """
    before = _labelled(store) if silent else set()
    return [
        {**where, "label": None, "value": None} for where in silent if tuple(where[name] for name in _key) in before
    ]


def _labelled(store: Store) -> set[tuple[Any, ...]]:
    return set(store.sql(f"SELECT DISTINCT {', '.join(_key)} FROM labels").iter_rows())
