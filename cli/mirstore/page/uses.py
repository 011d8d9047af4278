"""Which groups of features the explained case uses, in sentences made from claims."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mirstore.core.experiments.verdict import deviations
from mirstore.page.claims import Claims
from mirstore.page.ranking import Scored
from mirstore.page.words import about_half, capital, count, listed, percent, plain, probability

Claim = Mapping[str, Any]


def in_short(claims: Claims) -> str:
    """Return the end of a sentence that says what the explained case uses; empty if that was not tested.

    Parameters
    ----------
    claims : Claims
        With an explained case.
    """
    case, held = claims.explained, claims.held("more")
    if case is None or not claims.tested("more"):
        return ""
    tell = f"{count(claims.tracks, 'track')} do not tell"
    if not held:
        return f"; which group of them {case.prose} uses more, {tell}"
    first = held[0]["group"]
    if {claim["than"] for claim in held if claim["group"] == first} == set(case.shares) - {first}:
        half = first in [claim["group"] for claim in claims.held("most")]
        whole = ": more than half of what it uses" if half else ""
        return f", and {case.prose} uses {plain(first)} more than any other group of them{whole}"
    said = ", and ".join(_comparisons(held))
    return f", and {case.prose} uses {said}; which group it uses most, {tell}"


def _comparisons(held: Sequence[Claim]) -> list[str]:
    behind: dict[str, list[str]] = {}
    for claim in held:
        behind.setdefault(claim["group"], []).append(plain(claim["than"]))
    return [f"{plain(group)} more than {listed(others)}" for group, others in behind.items()]


def evidence(task: Mapping[str, Any], claims: Claims, case: Scored) -> list[tuple[str, str]]:
    """Return headings and sentences on the groups of the explained case.

    Parameters
    ----------
    task : Mapping
        As JSON.
    claims : Claims
    case : Scored
        The one explained.
    """
    return [*_order(task, claims, case), *_most(claims), *_size(claims, case)]


def _order(task: Mapping[str, Any], claims: Claims, case: Scored) -> list[tuple[str, str]]:
    if why := claims.untested.get("order"):
        return [("Groups", f"Which group of features it uses more was not tested: {why}.")]
    held, open_ = claims.held("more"), claims.open("more")
    if not claims.tested("more"):
        return []
    sentences = []
    if held:
        sentences.append(f"{capital(case.prose)} uses {listed(_with_shares(claims, case, claim) for claim in held)}.")
    sentences += _undecided(claims, case, open_, any_held=bool(held))
    halves = len(next(iter((case.raw.get("halves") or {}).values()), []))
    rule = f"a difference of shares counts if it exceeds {deviations} standard deviations"
    sentences.append(f"Tested by {count(halves, 'fit')}, each to {about_half(task)}: {rule}.")
    return [("Groups", " ".join(sentences))]


def _with_shares(claims: Claims, case: Scored, claim: Claim) -> str:
    more, less = claim["group"], claim["than"]
    return f"{plain(more)} more than {plain(less)} ({_share(claims, case, more)} and {_share(claims, case, less)})"


def _share(claims: Claims, case: Scored, group: str) -> str:
    return f"{percent(case.shares.get(group))}{_ends(claims.intervals.get(group))}"


def _ends(ends: tuple[float, float] | None) -> str:
    return f" [{percent(ends[0])}, {percent(ends[1])}]" if ends else ""


def _undecided(claims: Claims, case: Scored, open_: Sequence[Claim], *, any_held: bool) -> list[str]:
    """Return what is said of pairs that were not told apart: equal as printed, or not known."""
    printed = {group: percent(share) for group, share in case.shares.items()}
    if len(set(printed.values())) == 1:
        return [f"All groups have the same share, {next(iter(printed.values()))}."]
    tracks, found = count(claims.tracks, "track"), []
    for claim in open_:
        if printed.get(claim["group"]) == printed.get(claim["than"]):
            shares = f"{plain(claim['group'])} and {plain(claim['than'])} have the same share"
            found.append(f"{capital(shares)}, {printed.get(claim['group'])}.")
    apart = [claim for claim in open_ if printed.get(claim["group"]) != printed.get(claim["than"])]
    if apart and not any_held:
        shares_of = listed(f"{plain(group)} {_share(claims, case, group)}" for group in case.shares)
        return [f"{tracks} do not tell which group it uses more (shares: {shares_of}).", *found]
    if apart:
        pairs = "; ".join(f"{plain(claim['group'])} or {plain(claim['than'])}" for claim in apart)
        found.insert(0, f"{tracks} do not tell which it uses more: {pairs}.")
    return found


def _most(claims: Claims) -> list[tuple[str, str]]:
    return [
        (
            "Most",
            f"More than half of what it uses is {plain(claim['group'])}: {percent(claim['value'])}"
            f"{_ends((claim['low'], claim['high']))}.",
        )
        for claim in claims.held("most")
    ]


def _size(claims: Claims, case: Scored) -> list[tuple[str, str]]:
    if why := claims.untested.get("size"):
        text = "Whether a group is used more than its number of features explains is not known"
        return [("Size", f"{text}: {why}.")]
    held, open_ = claims.held("more than size"), claims.open("more than size")
    if not claims.tested("more than size"):
        return []
    sentences = [_more_than_size(case, claim) for claim in held]
    if open_:
        smallest = probability(min(claim["p"] for claim in open_))
        other = "No other group" if held else "No group"
        sentences.append(f"{other} is shown to be used more than its number of features explains ({smallest} or more).")
    draws = len(next(iter((case.raw.get("null") or {}).values()), []))
    of = count((held + open_)[0]["of"], "group")
    sentences.append(f"Tested against {count(draws, 'random grouping')} of the same sizes, corrected for {of}.")
    return [("Size", " ".join(sentences))]


def _more_than_size(case: Scored, claim: Claim) -> str:
    share = case.shares[claim["group"]]
    by_chance = f"{percent(share - claim['high'])} to {percent(share - claim['low'])}"
    return (
        f"{capital(plain(claim['group']))} is used more than its number of features explains: {percent(share)}, where "
        f"groups drawn by chance get {by_chance} ({probability(claim['p'])})."
    )
