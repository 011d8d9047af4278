"""Published figures beside ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mirstore.page.ranking import case_name, differing, keys
from mirstore.page.words import has_interval, metric, number


def table(report: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a row per figure that others published; None if there is none.

    Parameters
    ----------
    report : Mapping
        See `mirstore.page.render`.

    Returns
    -------
    dict or None
        ``tasks`` and ``metrics`` (whether rows differ by them), ``rows``, and ``deviations``: each text once, in the
        order of the numbers that rows have as ``notes``.
    """
    figures = report.get("published") or []
    if not figures:
        return None
    varying = differing([figure["case"] for figure in figures if not figure["name"]])
    texts = list(dict.fromkeys(figure["deviation"] for figure in figures if figure["deviation"]))
    tasks = {task for figure in figures if (task := figure["case"].get("task"))}
    return {
        "tasks": len(tasks) > 1,
        "metrics": len({figure["metric"] for figure in figures}) > 1,
        "rows": [_row(figure, [key for key in keys if key in varying], texts) for figure in figures],
        "deviations": texts,
    }


def _row(figure: Mapping[str, Any], varying: list[str], texts: list[str]) -> dict[str, Any]:
    ours = figure.get("ours") or {}
    text = figure["deviation"]
    return {
        "task": figure["case"].get("task") or "",
        "name": figure["name"] or case_name(figure["case"], varying),
        "metric": metric(figure["metric"]),
        "published": number(figure["value"]),
        "source": figure["source"],
        "ours": ours,
        "difference": signed(ours["mean"] - figure["value"]) if ours else "",
        "within": has_interval(ours) and ours["low"] <= figure["value"] <= ours["high"],
        "note": texts.index(text) + 1 if text else None,
        "why": figure.get("why") or ("" if ours else "none of the cases here"),
    }


def signed(value: float) -> str:
    """Return a difference with its sign, to three decimals; none where it rounds to 0.

    Parameters
    ----------
    value : float

    Examples
    --------
    >>> signed(0.0123), signed(-0.0123), signed(0.0001)
    ('+0.012', '−0.012', '0.000')
    """
    text = number(value)
    return f"+{text}" if value > 0 and text != number(0.0) else text
