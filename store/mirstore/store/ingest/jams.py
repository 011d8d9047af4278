"""JAMS files: annotations of several kinds in one JSON file, each in a namespace."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mirstore.core.errors import TrackError
from mirstore.core.text import shown
from mirstore.store.tables.feature_columns import safe_names


def read_jams(text: str) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of each namespace, in the order of their starts.

    A row has ``start`` and ``end`` [s], ``value`` (where it has parts, ``value_`` and the name of each), ``confidence``
    and ``annotation``: of several annotations of one namespace, by several people perhaps, the number, from 0.

    Parameters
    ----------
    text : str
        Content of the file.

    Raises
    ------
    TrackError
        If it is no JAMS, or has no annotations.
    """
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise TrackError("no JAMS", f"is no JSON: {str(error).splitlines()[0]}") from None
    annotations = content.get("annotations") if isinstance(content, dict) else None
    if not isinstance(annotations, list) or not all(isinstance(item, dict) for item in annotations):
        raise TrackError("no JAMS", "is JSON, but has no list 'annotations'")
    found: dict[str, list[dict[str, Any]]] = {}
    counts: dict[str, int] = {}
    for item in annotations:
        namespace = item.get("namespace")
        if not isinstance(namespace, str) or not namespace.strip():
            raise TrackError("no JAMS", "has an annotation without a namespace")
        number = counts[namespace] = counts.get(namespace, -1) + 1
        rows = found.setdefault(namespace, [])
        rows += [{**_row(item, namespace), "annotation": number} for item in _observations(item, namespace)]
    if not found:
        raise TrackError("no annotations", "is JAMS without annotations")
    return {namespace: sorted(_safe(rows), key=lambda row: row["start"]) for namespace, rows in found.items()}


_parts = ("time", "duration", "value", "confidence")


def _observations(annotation: Mapping[str, Any], namespace: str) -> Iterator[Mapping[str, Any]]:
    """Yield them from a list, or from the lists by which JAMS writes many values densely."""
    data = annotation.get("data")
    if isinstance(data, dict):
        lists = [part for part in map(data.get, _parts) if isinstance(part, list)]
        if len(lists) < len(_parts) or len({len(part) for part in lists}) > 1:
            raise TrackError("no JAMS", f"data of {namespace} are no lists of one length")
        yield from (dict(zip(_parts, values, strict=True)) for values in zip(*lists, strict=True))
        return
    if not isinstance(data, list) or not all(isinstance(item, dict) for item in data):
        raise TrackError("no JAMS", f"data of {namespace} are no list of observations")
    yield from data


def _row(observation: Mapping[str, Any], namespace: str) -> dict[str, Any]:
    begin, length = _number(observation.get("time")), _number(observation.get("duration") or 0.0)
    if begin is None or length is None:
        times = f"{shown(observation.get('time'))} and {shown(observation.get('duration'))}"
        raise TrackError("wrong time", f"an observation of {namespace} has the time and duration {times}")
    value = observation.get("value")
    values = {f"value_{key}": part for key, part in value.items()} if isinstance(value, dict) else {"value": value}
    return {"start": begin, "end": begin + length, **values, "confidence": _number(observation.get("confidence"))}


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _safe(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return rows whose columns have names that SQL takes without quotes."""
    times = ("start", "end")
    names = safe_names(list(dict.fromkeys(name for row in rows for name in row if name not in times)))
    return [{**{t: row[t] for t in times}, **{name: row.get(old) for name, old in names.items()}} for row in rows]
