"""Columns of numbers class by class: a histogram for each, one above the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mirstore.page import plots
from mirstore.page.words import count, general, listed

rows_per_figure = 30


def distributions(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return figures and a table of each column that was asked for.

    Parameters
    ----------
    report : Mapping
        Of one task, as JSON.

    Returns
    -------
    list of dict
        ``about`` (the column as JSON), ``figures`` (SVG), ``rows`` (classes in the order of their medians), and
        ``left`` (a sentence on what is not in the figure, or nothing).
    """
    return [_column(i, column) for i, column in enumerate(report.get("by_class") or [])]


def _column(number: int, column: Mapping[str, Any]) -> dict[str, Any]:
    rows = sorted(column["classes"], key=lambda row: row["quartiles"][1] if row["quartiles"] else float("inf"))
    drawn = [row for row in rows if row["tracks"]]
    parts = -(-len(drawn) // rows_per_figure)
    size = -(-len(drawn) // max(1, parts))
    axis = f"{column['column']} [{column['unit']}]" if column.get("unit") else column["column"]
    return {
        "about": column,
        "figures": [
            plots.histograms(f"by-class{number}-{i}", drawn[i : i + size], column["edges"], axis, _said(axis, drawn))
            for i in range(0, len(drawn), size or 1)
        ],
        "rows": rows,
        "left": _left(column),
    }


def _said(axis: str, rows: Sequence[Mapping[str, Any]]) -> str:
    medians = "; ".join(f"{row['label']} {general(row['quartiles'][1])}" for row in rows)
    return f"{axis} by class. Medians: {medians}"


def _left(column: Mapping[str, Any]) -> str:
    """Return a sentence on the tracks that no histogram holds; counted once per class that they are in."""
    missing = sum(row["missing"] for row in column["classes"])
    outside = sum(row["outside"] for row in column["classes"])
    ends = f"below {general(column['edges'][0])} or above {general(column['edges'][-1])}"
    parts = [f"{count(missing, 'track')} without a value"] if missing else []
    parts += [f"{count(outside, 'track')} {ends}"] if outside else []
    several = missing + outside > 1
    return f"{listed(parts)} {'are' if several else 'is'} not drawn." if parts else ""
