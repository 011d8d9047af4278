"""People's order of the groups beside the models'."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mirstore.core.experiments.inference import alpha
from mirstore.core.experiments.rankings import ranks_of
from mirstore.page.claims import Claims
from mirstore.page.words import count, number, percent, probability


def comparison(report: Mapping[str, Any], claims: Claims) -> dict[str, Any] | None:
    """Return what raters have in common, and how near each case's order of groups is to theirs; None without raters.

    Parameters
    ----------
    report : Mapping
        See `mirstore.page.render`.
    claims : Claims

    Returns
    -------
    dict or None
        ``sentences``, ``groups`` (name, mean rank of the raters, rank in the explained case or None), ``cases``
        (scored case and its distance).
    """
    said = report.get("listeners")
    if not said:
        return None
    near = {run: row for run, row in said["cases"].items() if run in claims.by_run}
    main = claims.explained if claims.explained and claims.explained.raw["run"] in near else None
    names = list(said["mean_ranks"])
    ours = ranks_of([-main.shares[group] for group in names]).tolist() if main else [None] * len(names)
    rows = [(group, said["mean_ranks"][group], rank) for group, rank in zip(names, ours, strict=True)]
    return {
        "source": said["source"],
        "sentences": [_agreement(said), *([_nearness(main.prose, near[main.raw["run"]], said)] if main else [])],
        "groups": sorted(rows, key=lambda row: row[1]),
        "compared": main is not None,
        "cases": [{"case": case, **near[run]} for run, case in claims.by_run.items() if run in near],
    }


def agreed(said: Mapping[str, Any]) -> bool:
    """Return whether raters may be said to have an order: one by definition, several if they agree beyond chance.

    Parameters
    ----------
    said : Mapping
        `mirstore.store.experiments.report.Listeners` as JSON.
    """
    return len(said["raters"]) == 1 or (said["p"] is not None and said["p"] <= alpha)


def _agreement(said: Mapping[str, Any]) -> str:
    who = f"{count(len(said['raters']), 'rater')} ranked {count(len(said['mean_ranks']), 'group')}"
    if len(said["raters"]) == 1:
        return f"{who}: one ranking says nothing of whether people agree."
    if said["w"] is None:
        return f"{who}, and each gave all groups the same rank: that is no order."
    found = f"Kendall’s W {number(said['w'], 2)}, {probability(said['p'])}"
    if not agreed(said):
        return (
            f"{who} and are not shown to agree more than by chance ({found}): their mean ranks may be nobody’s order."
        )
    apart = f"a rater is {number(said['to_each_other'], 2)} ranks from the mean of the others on average"
    return f"{who} and agree more than by chance ({found}); {apart}."


def _few(share: float) -> str:
    """Return a share of orders in per cent, small ones with a decimal: none is never 0, as the same order is one."""
    if share < 0.001:
        return "fewer than 0.1\u202f%"
    return f"{number(100 * share, 1)}\u202f%" if share < 0.1 else percent(share)


def _nearness(name: str, near: Mapping[str, Any], said: Mapping[str, Any]) -> str:
    ends = near.get("ends")
    spread = f" [{number(ends[0], 2)}, {number(ends[1], 2)}]" if ends else ""
    told = (
        f"The order of the shares of {name} is {number(near['distance'], 2)}{spread} ranks from theirs on average; "
        f"random orders are {number(near['by_chance'], 2)} ranks away, and {_few(near['p'])} of them are as near or "
        "nearer"
    )
    if not agreed(said):
        return f"{told}."
    if near["p"] <= alpha and not ends:
        return f"{told}; whether that is so by chance was not tested, as no fits to halves of the data were made."
    nearer = near["p"] <= alpha and ends is not None and ends[1] < near["by_chance"]
    return f"{told}: it is {'nearer than by chance' if nearer else 'not shown to be nearer than by chance'}."
