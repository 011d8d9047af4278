"""How well the cases did: the table, the folds, the labels, the mistakes."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from mirstore.core.experiments.metrics import ends, of_chunks
from mirstore.page import plots
from mirstore.page.claims import Claims
from mirstore.page.ranking import Scored, differing
from mirstore.page.svg import Figure
from mirstore.page.words import known, listed, metric, number, percent

rows_per_figure = 28
most_columns = 12  # cases beside each other
hits = ("accuracy", "balanced_accuracy")
"""What is shown of exclusive classes beside the task's metric, with the same of chunks."""


def table(report: Mapping[str, Any], claims: Claims) -> dict[str, Any]:
    """Return the columns and rows of the table of metrics, the best case first, and what guessing reaches.

    Parameters
    ----------
    report : Mapping
        Of one task, as JSON.
    claims : Claims
        Of this report.
    """
    main, cases = report["task"]["metric"], learned(claims.cases)
    every = [name for name in dict.fromkeys(n for case in cases for n in case.raw["metrics"]) if name != main]
    beside = [name for name in every if name.removeprefix(of_chunks) in (main, *hits)]
    others = [name for name in every if name not in beside]
    low, high = scale(cases)
    rows = [
        {
            "case": case,
            "marks": _marks(case, claims),
            "beside": [case.raw["metrics"].get(name) or {} for name in beside],
            "others": [case.raw["metrics"].get(name) or {} for name in others],
            "range": _range(case.value, low, high),
            "repeated": _over_repetitions(case.value),
        }
        for case in cases
    ]
    floors = {name: _floor(claims.cases, name) for name in (main, *every)}
    line = [_at(floor, low, high) for case in cases[:1] if known(floor := case.floor) and low <= floor <= high]
    differ = _repetitions(report)
    found = {"main": main, "beside": beside, "others": others, "rows": rows, "floors": floors, "repetitions": differ}
    return {**found, "line": line, "low": low, "high": high}


def _repetitions(report: Mapping[str, Any]) -> str:
    """Return by what repetitions differ: what their spread tells."""
    task, folds = report["task"], report["data"].get("folds") or []
    different = {fold.get("sha256") or (fold["run"], fold["fold"]) for fold in folds}
    by = [] if len(different) == len({fold["fold"] for fold in folds}) else ["by the folds"]
    if (size := task.get("train_size") or 1) < 1:
        by.append(
            f"by which {percent(size)} of the {task.get('units') or 'track'}s of a training part was learned from"
        )
    return f"Repetitions differ {listed([*by, 'by the seed of models'])}."


def _over_repetitions(value: Mapping[str, Any]) -> float | None:
    values = value.get("repetitions") or []
    return statistics.stdev(values) if len(values) > 1 else None


def learned(cases: Sequence[Scored]) -> list[Scored]:
    """Return the cases without those that only guess, whose value every case has beside it as its floor.

    Parameters
    ----------
    cases : sequence of Scored
    """
    return [case for case in cases if case.role != "floor" or not _guesses(case)]


def _guesses(case: Scored) -> bool:
    mean, floor = case.value.get("mean"), case.floor
    return known(mean) and known(floor) and math.isclose(mean, floor, abs_tol=1e-9)


def _floor(cases: Sequence[Scored], name: str) -> str:
    """Return what guessing reaches: one number, or the two ends where the cases were not tested on the same tracks."""
    found = [floor for case in cases if known(floor := (case.raw.get("floor") or {}).get(name))]
    return "–".join(dict.fromkeys(number(f(found)) for f in (min, max))) if found else ""


def _marks(case: Scored, claims: Claims) -> list[str]:
    words = {"floor": "floor", "opaque": "opaque", "control": "random groups"}
    return [*(["explained"] if case is claims.explained else []), *([words[case.role]] if case.role else [])]


def scale(cases: Sequence[Scored]) -> tuple[float, float]:
    """Return the range to draw: of all cases, and of guessing too unless that would take up most of it.

    Parameters
    ----------
    cases : sequence of Scored
    """
    possible = ends(cases[0].metric) if cases else (0.0, 1.0)
    others = limits([case.value for case in cases], possible)
    with_floor = limits([*(case.value for case in cases), *({"mean": case.floor} for case in cases)], possible)
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
    >>> limits([{"mean": 0.7, "low": 0.66}], (0.0, 1.0))
    (0.65, 0.75)
    """
    found = [end for v in values for end in (v.get("low"), v.get("high"), v.get("mean"), *(v.get("values") or []))]
    numbers = [end for end in found if known(end)] or [0.0, 1.0]
    step = 0.05 if possible[1] == 1 else 10.0 ** math.floor(math.log10(max(max(numbers) - min(numbers), 1e-9)))
    # 0.65 is not exactly thirteen steps of 0.05.
    low = math.floor(round(min(numbers) / step - 0.2, 6)) * step
    high = math.ceil(round(max(numbers) / step + 0.2, 6)) * step
    digits = max(2, 1 - math.floor(math.log10(step)))
    return round(max(low, possible[0]), digits), round(min(high, possible[1]), digits)


def _at(value: float, low: float, high: float) -> float:
    """Return where a value stands between two others [%]."""
    return round(100 * min(max((value - low) / ((high - low) or 1), 0.0), 1.0), 1)


def _range(value: Mapping[str, Any], low: float, high: float) -> dict[str, float] | None:
    if not known(value.get("mean")):
        return None
    both = [value[key] if known(value.get(key)) else value["mean"] for key in ("low", "high")]
    left, right, mean = (_at(x, low, high) for x in (*both, value["mean"]))
    return {"left": left, "width": round(right - left, 1), "mean": mean}


def fold_panels(report: Mapping[str, Any], claims: Claims) -> list[Figure]:
    """Return one figure per feature sets and grouping; its rows are the models.

    Parameters
    ----------
    report : Mapping
        Of one task, as JSON.
    claims : Claims
        Of this report.
    """
    cases = [case for case in learned(claims.cases) if known(case.value.get("mean"))]
    span, name = scale(cases), metric(report["task"]["metric"])
    panels: dict[tuple[str, ...], list[tuple[str, Scored]]] = {}
    keys = [key for key in differing([case["case"] for case in report["cases"]]) if key in ("features", "grouping")]
    for case in cases:
        label = case.model + (f"\n{case.text('smoothing')}" if case.text("smoothing") != "none" else "")
        panels.setdefault(tuple(case.text(key) for key in keys), []).append((label, case))
    axis = plots.Scale(*span, name, [label for rows in panels.values() for label, _ in rows])
    return [
        Figure(plots.folds(f"folds{i}", rows, axis, _drawn(rows[0][1].floor, span)), " · ".join(panel) or "All cases")
        for i, (panel, rows) in enumerate(sorted(panels.items()))
    ]


def _drawn(floor: float | None, span: tuple[float, float]) -> float | None:
    return floor if known(floor) and span[0] <= floor <= span[1] else None


def label_table(report: Mapping[str, Any], claims: Claims) -> dict[str, Any] | None:
    """Return figures and table of the values per label, of the case that was named and the best of the others.

    Parameters
    ----------
    report : Mapping
        Of one task, as JSON.
    claims : Claims
        Of this report.

    Returns
    -------
    dict or None
        None where no such case has values per label.
    """
    first = claims.named
    if first is None or not first.raw.get("labels"):
        return None
    others = (case for case in claims.cases if case is not first and case.role in ("", "opaque"))
    series = [first, *[case for case in (next(others, None),) if case and case.raw.get("labels")]]
    name = _label_metric(report["task"]["metric"], first)
    values = [_per_label(case, name) for case in series]
    # Where nothing is known of the case, nothing is known of which label it tells best.
    labels = sorted(values[0], key=lambda label: (-values[0][label] if claims.explained else 0.0, label))
    if not labels:
        return None
    span = limits([{"mean": value} for of_case in values for value in of_case.values()], ends(name))
    parts = -(-len(labels) // rows_per_figure)
    size = -(-len(labels) // parts)
    chunks = [labels[i : i + size] for i in range(0, len(labels), size)]
    axis = plots.Scale(*span, metric(name), labels)
    drawn = [plots.per_label(f"labels{i}", part, values, axis) for i, part in enumerate(chunks)]
    tracks = {row["label"]: row["tracks"] for row in report["data"].get("classes") or []}
    names = list(dict.fromkeys(n for row in first.raw["labels"] for n in row["metric"]))
    by_label = {row["label"]: row["metric"] for row in first.raw["labels"]}
    rows = [(label, tracks.get(label), [by_label[label].get(n) or {} for n in names]) for label in labels]
    return {"metric": name, "series": series, "figures": drawn, "names": names, "rows": rows}


def _per_label(case: Scored, name: str) -> dict[str, float]:
    found = {row["label"]: (row["metric"].get(name) or {}).get("mean") for row in case.raw["labels"]}
    return {label: mean for label, mean in found.items() if known(mean)}


def _label_metric(wanted: str, case: Scored) -> str:
    """Return the task's metric if it exists per label; the accuracy of one class is its recall."""
    there = list(dict.fromkeys(name for row in case.raw["labels"] for name in row["metric"]))
    return next((name for name in (wanted, "recall") if name in there), there[0] if there else wanted)


def label_heat(report: Mapping[str, Any], claims: Claims) -> dict[str, Any] | None:
    """Return the values per label of many cases beside each other.

    Parameters
    ----------
    report : Mapping
        Of one task, as JSON.
    claims : Claims
        Of this report.

    Returns
    -------
    dict or None
        ``metric``, ``cases`` (the best ones), ``more`` (how many others there are), ``low`` and ``high`` (what is
        lightest and darkest), ``rows`` (label, and per case value and shade). None of fewer than three cases: a figure
        shows two.
    """
    cases = [case for case in learned(claims.cases) if case.raw.get("labels")]
    if len(cases) < 3:
        return None
    shown = cases[:most_columns]
    name = _label_metric(report["task"]["metric"], shown[0])
    values = [_per_label(case, name) for case in shown]
    found = [value for of_case in values for value in of_case.values()]
    if not found:
        return None
    low, high = min(found), max(found)
    rows = [
        (
            label,
            [(value := of_case.get(label), _at(value, low, high) / 100 if known(value) else 0) for of_case in values],
        )
        for label in sorted({label for of_case in values for label in of_case})
    ]
    return {"metric": name, "cases": shown, "more": len(cases) - len(shown), "low": low, "high": high, "rows": rows}
