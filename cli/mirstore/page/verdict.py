"""What the report answers: one sentence first, then what was tested, how, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mirstore.core.experiments.inference import alpha
from mirstore.core.experiments.metrics import ends
from mirstore.core.experiments.verdict import without_gate
from mirstore.page import uses
from mirstore.page.claims import Claims
from mirstore.page.ranking import Scored, case_prose, differing, keys
from mirstore.page.words import (
    article,
    capital,
    count,
    has_interval,
    interval,
    known,
    listed,
    metric,
    number,
    percent,
    probability,
    whole,
)

best_of_all = "best above guessing"


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
    group, known = kept_whole(report)
    what = "predict the numbers" if task.get("numeric") else "tell the labels"
    heard = f", on no {group} heard in training" if group and known == report["data"].get("tracks") else ""
    learned = f", learned on {task.get('dataset')}," if task.get("evaluate_on") else ""
    return (
        f"How well do the features of {features or 'this store'}{learned} {what} “{task.get('labels')}” of "
        f"{task.get('evaluate_on') or task.get('dataset')}{heard}, and which group of them do models use?"
    )


def kept_whole(report: Mapping[str, Any]) -> tuple[str | None, int]:
    """Return what folds keep whole, ``artist`` or ``album``, and how many tracks say theirs; None if none does.

    Parameters
    ----------
    report : Mapping
        Of one task, as JSON.
    """
    group = report["task"].get("group_by")
    known = next((leak["known"] for leak in report["data"].get("leakage") or [] if leak["kind"] == group), 0)
    return (group, known) if known else (None, 0)


def answer(report: Mapping[str, Any], claims: Claims) -> str:
    """Return the answer in one sentence.

    Parameters
    ----------
    report : Mapping
        Of one task, as JSON.
    claims : Claims
        Of this report.
    """
    if claims.explained:
        return f"These features {_tell(report['task'])} better than guessing{uses.in_short(claims)}."
    if bests := claims.held(best_of_all):
        return _only_the_best(report, claims, bests[0])
    if claims.named:
        return f"This data cannot tell: {_limits(claims, claims.named)}."
    return f"There is no answer yet: {_unfinished(report, claims)}."


def _tell(task: Mapping[str, Any], s: str = "") -> str:
    if task.get("numeric"):
        return f"predict{s} the numbers"
    return f"tell{s} the classes" if task.get("exclusive") else f"tell{s} the tags"


def _only_the_best(report: Mapping[str, Any], claims: Claims, claim: Mapping[str, Any]) -> str:
    case = claims.by_run[claim["run"]]
    missing = f"{claims.named.prose}, is not shown to" if claims.named else f"{_named(report)}, has not finished"
    does = f"{case.prose}, {_tell(report['task'], 's')} better than guessing"
    return (
        f"The best of {count(claim['of'], 'case')}, {does}; the case to explain, {missing}, so that nothing is said of "
        "groups of features."
    )


def _limits(claims: Claims, case: Scored) -> str:
    """Return how much data there is, what would have been found, and how much would be needed."""
    verdict, parts = claims.verdict, [count(claims.tracks, "track")]
    if known(least := verdict.get("detectable")):
        parts.append(f"{_bound(case, least)} would have been found")
    elif not claims.open("above guessing"):
        parts.append("one fold without permuted labels tests nothing")
    if needed := verdict.get("needs_tracks"):
        about = f"roughly {whole(needed)} tracks (within a factor of 3)"
        parts.append(f"{about} would be needed if the effect is what it looks like")
    return "; ".join(parts)


def _bound(case: Scored, least: float) -> str:
    name, (low, high) = metric(case.metric), ends(case.metric)
    if not low <= least <= high:
        return f"no {name}, however good,"
    return f"{article(name)} of {number(least)} or {'more' if case.sign > 0 else 'less'}"


def _unfinished(report: Mapping[str, Any], claims: Claims) -> str:
    if not report["cases"] or not claims.cases:
        return "no case has finished; the reasons stand at the end of the page"
    if all(case.role == "floor" for case in claims.cases):
        return f"only {listed(dict.fromkeys(case.model for case in claims.cases))}, which learns nothing, has finished"
    if not report.get("named"):
        return "these runs do not say which case was to be explained; run the experiment again"
    return f"the case to explain, {_named(report)}, {_why_not(report)}"


def _named(report: Mapping[str, Any]) -> str:
    named = report.get("named") or {}
    return case_prose(named, differing([named, *(case["case"] for case in report["cases"])]))


def _why_not(report: Mapping[str, Any]) -> str:
    named = report["named"]
    for case in report["cases"]:
        if all(case["case"].get(key) == named.get(key) for key in keys):
            return f"did not finish ({case.get('error') or 'no reason was recorded'})"
    return "has not run"


def evidence(report: Mapping[str, Any], claims: Claims) -> list[tuple[str, str]]:
    """Return headings and sentences: what was tested, and with what result.

    Parameters
    ----------
    report : Mapping
        Of one task, as JSON.
    claims : Claims
        Of this report.
    """
    found = [("Against guessing", _guessing(report, claims, claim)) for claim in claims.tested("above guessing")]
    found += [(f"Best of {claim['of']} cases", _best(claims, claim)) for claim in claims.tested(best_of_all)]
    found += [("Between cases", _pair(claims, claim)) for claim in claims.tested("better")]
    if claims.explained:
        found += uses.evidence(report["task"], claims, claims.explained)
    if not claims.named and claims.held(best_of_all):
        found.append(("Not explained", f"{capital(_unfinished(report, claims))}."))
    return found


def _guessing(report: Mapping[str, Any], claims: Claims, claim: Mapping[str, Any]) -> str:
    case, holds = claims.by_run[claim["run"]], claim["holds"]
    units = report["task"].get("units") or "track"
    said = f"{_tell(report['task'], 's')} better than guessing" if holds else "cannot be told from guessing"
    if not holds and units != "track" and has_interval(claim) and claim["low"] > 0:  # labels of artists do as well
        said = f"may know {units}s of the training part again, and nothing else"
    text = f"{case.prose} {said}: {_numbers(case, claim)}, {count(claims.tracks, 'track')}; {_test(case, claim, units)}"
    wide = holds and has_interval(claim) and claim["low"] <= 0 <= claim["high"]
    return capital(f"{text}{'. How large the difference is, these folds do not tell' if wide else ''}.")


def _numbers(case: Scored, claim: Mapping[str, Any]) -> str:
    floor = f", guessing {number(case.floor)}" if known(case.floor) else ""
    smaller = " (smaller is better)" if case.sign < 0 else ""
    return f"{metric(case.metric)} {number(case.value['mean'])}{smaller}{floor}, difference {_difference(claim)}"


def _difference(claim: Mapping[str, Any]) -> str:
    return f"{number(claim['value'])}{f' {interval(claim)}' if has_interval(claim) else ''}"


def _test(case: Scored, claim: Mapping[str, Any], units: str = "track") -> str:
    draws = len(case.raw.get("permuted") or [])
    if claim["test"] == "permuted labels" and draws:
        as_good = round(claim["p"] * (draws + 1)) - 1
        among = "" if units == "track" else f" among {units}s"
        did = f"{as_good or 'none'} of {count(draws, 'permutation')} of the labels{among}"
        return f"{did}, with everything fitted anew, did as well ({probability(claim['p'])})"
    folds = f" over {count(len(case.value.get('values') or []), 'fold')}" if claim["test"] == "corrected t" else ""
    test = {"corrected t": "corrected paired t test"}.get(claim["test"], claim["test"])
    return f"{test}{folds}, {probability(claim['p'])}"


def _best(claims: Claims, claim: Mapping[str, Any]) -> str:
    case = claims.by_run[claim["run"]]
    is_ = "is better than guessing" if claim["holds"] else "is not shown to be better than guessing"
    test = f"{_test(case, claim)} by Holm’s correction"
    if not claim["holds"] and claim["p"] <= alpha:
        test += f", and {percent(without_gate)} is asked where the case named before is not above guessing"
    numbers = _numbers(case, claim)
    return f"{capital(case.prose)} {is_}, counting that it is the best of {claim['of']}: {numbers}; {test}."


def _pair(claims: Claims, claim: Mapping[str, Any]) -> str:
    case, other = claims.by_run[claim["run"]], claims.by_run[claim["than"]]
    towards = _towards_better(claim, case.sign)
    test = _test(case, claim)
    if claim["of"] > 1:
        test += f" by Holm’s correction for {claim['of']} pairs"
    if claim["holds"]:
        return f"{capital(case.prose)} is better than {other.prose} by {_difference(towards)}; {test}."
    gap = interval(towards) if has_interval(towards) else number(towards["value"])
    return f"{capital(case.prose)} and {other.prose} cannot be told apart: difference {gap}; {test}."


def _towards_better(claim: Mapping[str, Any], sign: int) -> dict[str, Any]:
    """Return a claim's difference such that above 0 is better, also where a smaller value is."""
    ends_of = [claim["low"], claim["high"]][::sign]
    low, high = (sign * end if known(end) else None for end in ends_of)
    return {**claim, "value": sign * claim["value"], "low": low, "high": high}
