"""What is in the groups of features, in the words of their declarations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mirstore.page.claims import Claims
from mirstore.page.ranking import Scored
from mirstore.page.words import general, known, plain

shown = 6  # features per group


def meanings(claims: Claims) -> list[dict[str, Any]]:
    """Return per grouping what its groups hold; of the explained case the strongest features and their direction.

    Parameters
    ----------
    claims : Claims

    Returns
    -------
    list of dict
        ``grouping``, ``case`` (the explained one, or None), ``directed`` (whether its weights have a sign),
        ``several`` (whether the features come from several sets), ``groups``.
    """
    main, found = claims.explained, []
    for grouping, case in _one_each(claims).items():
        rows = case.raw["groups"]
        weighted = case is main
        if weighted and claims.held("more"):
            rows = sorted(rows, key=lambda row: -case.shares.get(row["group"], 0.0))
        sources = {column["column"].rpartition(".")[0] for row in rows for column in row["columns"]}
        found.append(
            {
                "grouping": grouping,
                "case": main if weighted else None,
                "directed": weighted and not case.role,
                "several": len(sources) > 1,
                "groups": [_group(row, case.shares if weighted else {}, weighted=weighted) for row in rows],
            }
        )
    return found


def _one_each(claims: Claims) -> dict[str, Scored]:
    """Return a case per grouping whose groups were not drawn by chance, the explained one first."""
    main = claims.explained
    cases = [case for case in claims.cases if case.raw.get("groups") and not case.raw["components"].get("by_chance")]
    found: dict[str, Scored] = {}
    for case in sorted(cases, key=lambda case: (case is not main, case.text("grouping"))):
        found.setdefault(case.text("grouping"), case)
    return found


def _group(group: Mapping[str, Any], shares: Mapping[str, float], *, weighted: bool) -> dict[str, Any]:
    columns: Sequence[Mapping[str, Any]] = group["columns"]
    if weighted:
        columns = sorted(columns, key=lambda column: -_strength(column))
    return {
        "name": plain(group["group"]),
        "share": shares.get(group["group"]),
        "lacking": group.get("lacking") or [],
        "features": [_feature(column) for column in columns[:shown]],
        "rest": [column["column"].partition(".")[2] or column["column"] for column in columns[shown:]],
    }


def _strength(column: Mapping[str, Any]) -> float:
    return max((abs(w) for w in (column.get("weights") or {}).values() if known(w)), default=0.0)


def _feature(column: Mapping[str, Any]) -> dict[str, Any]:
    source, _, short = column["column"].rpartition(".")
    low, high = column.get("low"), column.get("high")
    span = f"{general(low)} to {general(high)}" if known(low) or known(high) else ""
    weights = {label: w for label, w in (column.get("weights") or {}).items() if known(w) and w}
    order = sorted(weights, key=lambda label: -abs(weights[label]))[:4]
    return {
        "name": short,
        "source": source,
        "text": column.get("text"),
        "unit": column.get("unit"),
        "range": span.replace("– to ", "up to ").replace(" to –", " and more"),
        "more": [label for label in order if weights[label] > 0],
        "less": [label for label in order if weights[label] < 0],
    }
