"""How well the cases did: the table, the folds, the labels, the mistakes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from mirstore.core.experiments.metrics import ends
from mirstore.page import plots
from mirstore.page.ranking import Scored, best, differing, explained
from mirstore.page.svg import Figure
from mirstore.page.words import known, metric

rows_per_figure = 28


def table(report: Mapping[str, Any], cases: Sequence[Scored]) -> dict[str, Any]:
    """Return the columns and rows of the table of metrics, the best case first.

    Parameters
    ----------
    report : Mapping
        Of one task, as JSON.
    cases : sequence of Scored
        Its finished cases, the best first.
    """
    main = report["task"]["metric"]
    others = [name for name in dict.fromkeys(n for case in cases for n in case.raw["metrics"]) if name != main]
    low, high = scale(cases)
    floor, opaque = best(cases, "floor"), best(cases, "opaque")
    rows = [
        {
            "case": case,
            "marks": _marks(case, i == 0, case is opaque),
            "others": [case.raw["metrics"].get(name) or {} for name in others],
            "range": _range(case.value, low, high),
        }
        for i, case in enumerate(cases)
    ]
    line = _at(floor.value["mean"], low, high) if floor and low <= floor.value["mean"] else None
    return {"main": main, "others": others, "rows": rows, "floor": line, "low": low, "high": high}


def _marks(case: Scored, first: bool, best_opaque: bool) -> list[str]:
    words = {"floor": "floor", "opaque": "best opaque" if best_opaque else "opaque", "control": "random groups"}
    return [*(["best"] if first else []), *([words[case.role]] if case.role else [])]


def scale(cases: Sequence[Scored]) -> tuple[float, float]:
    """Return the range to draw: of all cases, without the floor if that would take up most of it.

    Parameters
    ----------
    cases : sequence of Scored
    """
    possible = ends(cases[0].metric) if cases else (0.0, 1.0)
    with_floor = limits([case.value for case in cases], possible)
    others = limits([case.value for case in cases if case.role != "floor"], possible)
    return others if with_floor[1] - with_floor[0] > 2 * (others[1] - others[0]) else with_floor


def limits(values: Sequence[Mapping[str, Any]], possible: tuple[float, float]) -> tuple[float, float]:
    """Return a range in round steps, of 0.05 where values go to 1, that holds all folds and intervals.

    Parameters
    ----------
    values : sequence of Mapping
        ``low``, ``high``, ``mean``, ``values``; what is not known is left out.
    possible : (float, float)
        Ends of the metric.

    Examples
    --------
    >>> limits([{"mean": 0.71, "low": 0.67, "high": 0.76}], (0.0, 1.0))
    (0.65, 0.8)
    """
    ends = [end for v in values for end in (v.get("low"), v.get("high"), v.get("mean"), *(v.get("values") or []))]
    numbers = [end for end in ends if known(end)] or [0.0, 1.0]
    step = 0.05 if possible[1] == 1 else 10.0 ** math.floor(math.log10(max(max(numbers) - min(numbers), 1e-9)))
    low = (min(numbers) - step / 5) // step * step
    high = -(-(max(numbers) + step / 5) // step) * step
    digits = max(2, 1 - math.floor(math.log10(step)))
    return round(max(low, possible[0]), digits), round(min(high, possible[1]), digits)


def _at(value: float, low: float, high: float) -> float:
    """Return where a value stands between two others [%]."""
    return round(100 * min(max((value - low) / ((high - low) or 1), 0.0), 1.0), 1)


def _range(value: Mapping[str, Any], low: float, high: float) -> dict[str, float] | None:
    if not known(value.get("mean")) or value["mean"] < low:
        return None
    ends = [value[key] if known(value.get(key)) else value["mean"] for key in ("low", "high")]
    left, right, mean = (_at(x, low, high) for x in (*ends, value["mean"]))
    return {"left": left, "width": round(right - left, 1), "mean": mean}


def fold_panels(report: Mapping[str, Any], cases: Sequence[Scored]) -> list[Figure]:
    """Return one figure per feature sets and grouping; its rows are the models.

    Parameters
    ----------
    report : Mapping
        Of one task, as JSON.
    cases : sequence of Scored
        Its finished cases, the best first.
    """
    floor, span, name = best(cases, "floor"), scale(cases), metric(report["task"]["metric"])
    shown = [case for case in cases if known(case.value.get("mean")) and case.value["mean"] >= span[0]]
    panels: dict[tuple[str, ...], list[tuple[str, Scored]]] = {}
    keys = [key for key in differing([case["case"] for case in report["cases"]]) if key in ("features", "grouping")]
    for case in shown:
        label = case.model + (f"\n{case.text('smoothing')}" if case.text("smoothing") != "none" else "")
        panels.setdefault(tuple(case.text(key) for key in keys), []).append((label, case))
    floor_value = floor.value["mean"] if floor and floor.value["mean"] >= span[0] else None
    axis = plots.Scale(*span, name, [label for rows in panels.values() for label, _ in rows])
    return [
        Figure(plots.folds(f"folds{i}", rows, axis, floor_value), " · ".join(panel) or "All cases")
        for i, (panel, rows) in enumerate(sorted(panels.items()))
    ]


def label_table(report: Mapping[str, Any], cases: Sequence[Scored]) -> dict[str, Any] | None:
    """Return figures and table of the values per label, of the case explained and the best opaque one.

    Parameters
    ----------
    report : Mapping
        Of one task, as JSON.
    cases : sequence of Scored
        Its finished cases, the best first.

    Returns
    -------
    dict or None
        None where no such case has values per label.
    """
    wanted = dict.fromkeys([explained(cases), best(cases, "opaque")])
    series = [case for case in wanted if case and case.raw.get("labels")]
    if not series:
        return None
    name = _label_metric(report["task"]["metric"], series[0])
    values = [
        {
            row["label"]: v["mean"]
            for row in case.raw["labels"]
            if known((v := row["metric"].get(name) or {}).get("mean"))
        }
        for case in series
    ]
    labels = sorted(values[0], key=lambda label: (-values[0][label], label))
    if not labels:
        return None
    span = limits([{"mean": value} for of_case in values for value in of_case.values()], ends(name))
    parts = -(-len(labels) // rows_per_figure)
    size = -(-len(labels) // parts)
    chunks = [labels[i : i + size] for i in range(0, len(labels), size)]
    axis = plots.Scale(*span, metric(name), labels)
    drawn = [plots.per_label(f"labels{i}", part, values, axis) for i, part in enumerate(chunks)]
    tracks = {row["label"]: row["tracks"] for row in report["data"].get("classes") or []}
    names = list(dict.fromkeys(n for row in series[0].raw["labels"] for n in row["metric"]))
    by_label = {row["label"]: row["metric"] for row in series[0].raw["labels"]}
    rows = [(label, tracks.get(label), [by_label[label].get(n) or {} for n in names]) for label in labels]
    return {"metric": name, "series": series, "figures": drawn, "names": names, "rows": rows}


def _label_metric(wanted: str, case: Scored) -> str:
    """Return the task's metric if it exists per label; the accuracy of one class is its recall."""
    there = list(dict.fromkeys(name for row in case.raw["labels"] for name in row["metric"]))
    return next((name for name in (wanted, "recall") if name in there), there[0] if there else wanted)


def confusion(cases: Sequence[Scored]) -> dict[str, Any] | None:
    """Return the confusion of the case explained, with each row's shares.

    Parameters
    ----------
    cases : sequence of Scored
        The best first.

    Returns
    -------
    dict or None
        None where there is no such case, or it has no confusion.
    """
    case = explained(cases)
    if case is None or not case.raw.get("confusion"):
        return None
    found = case.raw["confusion"]
    rows = [
        (label, [(count, count / (sum(counts) or 1)) for count in counts])
        for label, counts in zip(found["labels"], found["counts"], strict=True)
    ]
    mistakes = [
        (share, true, guess)
        for true, cells in rows
        for guess, (count, share) in zip(found["labels"], cells, strict=True)
        if guess != true and count
    ]
    return {"case": case, "labels": found["labels"], "rows": rows, "worst": sorted(mistakes, key=lambda m: -m[0])[:3]}
