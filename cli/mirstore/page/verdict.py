"""What the numbers say, in sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mirstore.page.plots import quantiles
from mirstore.page.ranking import Scored, best, explained
from mirstore.page.words import (
    capital,
    count,
    has_interval,
    interval,
    known,
    listed,
    metric,
    number,
    percent,
    plain,
)


def question(report: Mapping[str, Any]) -> str:
    """Return the experiment's question, or one made of what it compares.

    Parameters
    ----------
    report : Mapping
        Of one task, as JSON.
    """
    if report.get("question"):
        return str(report["question"])
    task = report["task"]
    features = listed(dict.fromkeys(name for case in report["cases"] for name in case["case"].get("features") or []))
    group = task.get("group_by")
    what = "predict the numbers" if task.get("numeric") else "tell the labels"
    heard = f", on no {group} heard in training" if group else ""
    return (
        f"How well do the features of {features or 'this store'} {what} “{task.get('labels')}” of "
        f"{task.get('dataset')}{heard}, and which group of them does it?"
    )


def verdict(report: Mapping[str, Any], cases: Sequence[Scored]) -> list[tuple[str, str]]:
    """Return headings and sentences: the best case, how far it is from the baselines, what matters in it.

    Parameters
    ----------
    report : Mapping
        Of one task, as JSON.
    cases : sequence of Scored
        Its finished cases, the best first.
    """
    top = best(cases, "", "opaque", "control")
    if top is None:
        floors = listed(dict.fromkeys(case.model for case in cases))
        what = (
            f"Only {floors} has finished, which learns nothing from the features" if cases else "No case has finished"
        )
        return [("Result", f"{what}, so there is no answer yet; the reasons stand at the end of the page.")]
    name, shown = metric(report["task"]["metric"]), explained(cases)
    found = [("Best case", _best(cases, top, name))]
    if shown and shown is not top and known(shown.value.get("mean")):
        found.append(("Case explained", _explained(cases, shown, top)))
    floor, opaque = best(cases, "floor"), best(cases, "opaque")
    if floor:
        found.append(("Against the floor", f"{capital(_distance(top, floor, f'the floor, {floor.prose}'))}."))
    else:
        found.append(("Against the floor", "No model that learns nothing from the features has finished: no floor."))
    if opaque and opaque is not top and shown is top:
        found.append(
            ("Against opaque", f"{capital(_distance(top, opaque, 'the best opaque model, ' + opaque.prose))}.")
        )
    if shown:
        found += _groups(shown)
    return found


def _explained(cases: Sequence[Scored], shown: Scored, top: Scored) -> str:
    kind = "case with importances"
    if shown is best(cases, ""):
        kind = "best case that says which way its features work"
    elif shown.role == "":
        kind = "best case that says which way its features work and was compared with random groups"
    reaches = f"{number(shown.value['mean'])}, {_distance(shown, top, 'the best case')}"
    return f"The {kind}, {shown.prose}, reaches {reaches}."


def _best(cases: Sequence[Scored], case: Scored, name: str) -> str:
    folds = [value for value in case.value.get("values") or [] if known(value)]
    kind = " (opaque: it does not say which way its features work)" if case.role == "opaque" else ""
    smaller = "; smaller is better" if case.sign < 0 else ""
    best_of = f"The best of {count(len(cases), 'case')}" if len(cases) > 1 else "The only case"
    where = (
        f"95\u202f% interval {interval(case.value)}, {count(len(folds), 'fold')}"
        if has_interval(case.value)
        else f"{count(len(folds), 'fold')}, too few for an interval"
    )
    return f"{best_of}, {case.prose}{kind}, reaches {article(name)} of {number(case.value['mean'])} ({where}){smaller}."


def article(noun: str) -> str:
    """Return a noun with ``a`` or ``an``.

    Parameters
    ----------
    noun : str
        Not empty.

    Examples
    --------
    >>> article("artist"), article("fold")
    ('an artist', 'a fold')
    """
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def _distance(case: Scored, other: Scored, called: str) -> str:
    """Return how two cases differ, and how sure that is."""
    gap = case.value["mean"] - other.value["mean"]
    size = number(abs(gap))
    if not float(size):
        text = f"equal to {called}"
    else:
        text = f"{size} {'above' if gap > 0 else 'below'} {called} ({number(other.value['mean'])})"
    return f"{text}{_sure(case, other, gap)}"


def _sure(case: Scored, other: Scored, gap: float) -> str:
    """Return what intervals and folds say of a difference; folds that all agree weigh more than the intervals."""
    pairs, side = _paired(case, other), "ahead" if case.sign * gap > 0 else "behind"
    agreeing = sum((a - b) * gap > 0 for a, b in pairs)
    folds = f"{side} on {agreeing} of {count(len(pairs), 'fold')}" if len(pairs) > 1 and gap else ""
    if not has_interval(case.value) or not has_interval(other.value):
        return f"; {folds}" if folds else ""
    a, b = case.value, other.value
    if a["low"] > b["high"] or b["low"] > a["high"]:
        return "; the intervals do not overlap" + (f"; {folds}" if folds else "")
    if folds and agreeing == len(pairs) >= 5:
        return f"; the intervals overlap, but it is {folds}"
    return "; the intervals overlap, so this difference may be chance" + (f"; {folds}" if folds else "")


def _paired(case: Scored, other: Scored) -> list[tuple[float, float]]:
    if case.raw["folds"] != other.raw["folds"]:
        return []
    both = zip(case.value.get("values") or [], other.value.get("values") or [], strict=False)
    return [pair for pair in both if all(map(known, pair))]


def _groups(case: Scored) -> list[tuple[str, str]]:
    shares = {group: row["mean"] for group, row in case.shares.items() if known(row["mean"])}
    order = sorted(shares, key=lambda group: -shares[group])
    if not order:
        return []
    if len(order) == 1:
        return [("What matters", f"There is one group of features only, {plain(order[0])}, so none can matter more.")]
    top = order[0]
    sentence = f"Most of what {case.prose} uses is {plain(top)}: {percent(shares[top])} of the importance of groups"
    return [("What matters", f"{sentence}; {_chance(case, top, shares[top])}; {_next(case, order, shares)}.")]


def _chance(case: Scored, group: str, share: float) -> str:
    band = quantiles((case.raw.get("null") or {}).get(group))
    if band is None:
        return "there was no comparison with random groups"
    low, _, high = band
    said = f"random groups of that size get {percent(low)} to {percent(high)}"
    if share > high:
        return f"{said}, so it is more than its size explains"
    return f"{said}, so {'its size alone explains this' if share >= low else 'it is less than its size would give'}"


def _next(case: Scored, order: Sequence[str], shares: Mapping[str, float]) -> str:
    draws = case.raw.get("bootstrap") or {}
    own, other = quantiles(draws.get(order[0])), quantiles(draws.get(order[1]))
    runner_up = f"{plain(order[1])}, the next ({percent(shares[order[1]])})"
    if own is None or other is None:
        return f"how sure its lead over {runner_up} is was not measured"
    ranges = f"resampling gives {percent(own[0])} to {percent(own[2])} for it"
    if own[0] > other[2]:
        return f"{ranges}, clear of {runner_up}"
    return f"{ranges}, which overlaps {runner_up}: their order is not certain"
