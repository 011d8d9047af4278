"""What the groups of features are worth, by several measures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mirstore.page import plots
from mirstore.page.claims import Claims
from mirstore.page.ranking import Scored, best
from mirstore.page.svg import Figure
from mirstore.page.words import known, percent, plain

rows_per_table = 28
freedom = "degrees of freedom"
"""The measure that stands beside a share: how many free weights a group amounts to."""


def pairs(claims: Claims) -> dict[str, list[Scored]]:
    """Return the cases to set side by side per grouping, first that of the explained case; none without such a case.

    They are the explained case in its own grouping, elsewhere the best whose weights have a sign, each with the best
    opaque one.

    Parameters
    ----------
    claims : Claims
    """
    main = claims.explained
    if main is None or not main.shares:
        return {}
    with_shares = [case for case in claims.cases if case.shares]
    groupings = sorted({case.text("grouping") for case in with_shares})
    found: dict[str, list[Scored]] = {}
    for grouping in sorted(groupings, key=lambda name: name != main.text("grouping")):
        here = [case for case in with_shares if case.text("grouping") == grouping]
        first = main if main in here else best(here, "", "control")
        both = dict.fromkeys([first, best(here, "opaque")])
        found[grouping] = [case for case in both if case]
    return found


def importance_figures(claims: Claims) -> list[dict[str, Any]]:
    """Return one figure per grouping with the cases it compares.

    Parameters
    ----------
    claims : Claims

    Returns
    -------
    list of dict
        ``figure`` and ``pair``.
    """
    found = pairs(claims)
    every = [case for pair in found.values() for case in pair]
    names = [plain(group) for case in every for group in case.shares]
    scale = plots.Scale(0, _top(every, claims), "share of what the model uses", names)
    figures = []
    for i, (grouping, pair) in enumerate(found.items()):
        groups = ordered(pair, claims)
        title = f"Shares of groups, grouping {grouping}: " + "; ".join(
            f"{case.name_in_grouping}: "
            + ", ".join(f"{plain(g)} {percent(case.shares[g])}" for g in groups if g in case.shares)
            for case in pair
        )
        intervals = claims.intervals if claims.explained in pair else {}
        svg = plots.importances(f"groups{i}", groups, pair, title, scale, intervals)
        figures.append({"figure": Figure(svg, grouping), "pair": pair})
    return figures


def ordered(pair: Sequence[Scored], claims: Claims) -> list[str]:
    """Return the groups of some cases: as their grouping has them, by share only where the order is a finding.

    Parameters
    ----------
    pair : sequence of Scored
    claims : Claims
    """
    groups = dict.fromkeys(group for case in pair for group in case.shares)
    main = claims.explained
    if main is None or main not in pair or not claims.held("more"):
        return list(groups)
    return sorted(groups, key=lambda group: (-main.shares.get(group, 0.0), group))


def _top(cases: Sequence[Scored], claims: Claims) -> float:
    """Return the end of an axis that holds all bars, bands and intervals."""
    values = [share for case in cases for share in case.shares.values()]
    values += [high for _, high in claims.intervals.values()]
    values += [
        ends[1] for case in cases for drawn in (case.raw.get("null") or {}).values() if (ends := plots.band(drawn))
    ]
    return max(-(-max(values, default=0.5) // 0.1) * 0.1, 0.2) + 0.02


def share_table(claims: Claims) -> list[dict[str, Any]]:
    """Return a row per group of the explained case: its columns, its share, what chance gives, its freedom.

    Parameters
    ----------
    claims : Claims

    Returns
    -------
    list of dict
        ``group``, ``columns``, ``share``, ``ends`` and ``by_chance`` (low and high, or None), ``freedom`` (mean and
        sd, or None).
    """
    case = claims.explained
    if case is None:
        return []
    columns = {group["group"]: len(group["columns"]) for group in case.raw.get("groups") or []}
    free = {row["group"]: row for row in _rows(case) if row["measure"] == freedom}
    null = case.raw.get("null") or {}
    return [
        {
            "group": group,
            "columns": columns.get(group),
            "share": case.shares[group],
            "ends": claims.intervals.get(group),
            "by_chance": plots.band(null.get(group)),
            "freedom": free.get(group),
        }
        for group in ordered([case], claims)
    ]


def _rows(case: Scored) -> list[Mapping[str, Any]]:
    return [row for row in case.raw.get("importances") or [] if row.get("label") is None]


def measure_tables(claims: Claims) -> list[dict[str, Any]]:
    """Return per grouping and case a table: groups by measures, each the mean over folds with its deviation.

    Parameters
    ----------
    claims : Claims

    Returns
    -------
    list of dict
        ``grouping``, ``case``, ``names`` (of the measures), ``words`` (what they mean, as far as the model says),
        ``rows`` (group and a value per measure, None if unknown).
    """
    tables = []
    for grouping, pair in pairs(claims).items():
        for case in pair:
            rows = _rows(case)
            names = list(dict.fromkeys(row["measure"] for row in rows))
            values = {(row["group"], row["measure"]): {**row, "sd": _deviation(row)} for row in rows}
            there = {row["group"] for row in rows}
            table = [
                (group, [values.get((group, name)) for name in names])
                for group in ordered([case], claims)
                if group in there
            ]
            said = {name: text for name in names if (text := (case.raw.get("measures") or {}).get(name))}
            tables.append({"grouping": grouping, "case": case, "names": names, "words": said, "rows": table})
    return tables


def _deviation(row: Mapping[str, Any]) -> float | None:
    """Return the deviation over folds, or over repetitions where there is one fold."""
    found: float | None = row["sd"] if row.get("sd") is not None else row.get("over_repetitions")
    return found


def heat_maps(claims: Claims) -> list[dict[str, Any]]:
    """Return the shares of the explained case's groups per label, by each measure that it has per label.

    Parameters
    ----------
    claims : Claims

    Returns
    -------
    list of dict
        ``case``, ``measure``, ``groups``, ``means`` (rows over all labels: the mean of their rows, and the measure of
        all labels together, if there is one) and ``parts`` (rows of labels, to set side by side).
    """
    case = claims.explained
    rows = [row for row in (case.raw.get("importances") or []) if known(row["mean"])] if case else []
    names = dict.fromkeys(row["measure"] for row in rows if row.get("label") is not None)
    return [
        {"case": case, "measure": name, **_label_shares([row for row in rows if row["measure"] == name], claims)}
        for name in names
        if name != freedom
    ]


def _label_shares(rows: Sequence[Mapping[str, Any]], claims: Claims) -> dict[str, Any]:
    values: dict[str | None, dict[str, float]] = {}
    for row in rows:
        values.setdefault(row.get("label"), {})[row["group"]] = max(float(row["mean"]), 0.0)
    together = values.pop(None, {})
    order = ordered([claims.explained] if claims.explained else [], claims)
    groups = [group for group in order if any(group in of_label for of_label in values.values())]
    table = [
        (str(label), _scaled([of_label.get(group, 0.0) for group in groups])) for label, of_label in values.items()
    ]
    table.sort()
    columns = zip(*(shares for _, shares in table), strict=True)
    means = [("mean of the rows", [sum(column) / len(table) for column in columns])]
    if together:
        means.append(("all labels together", _scaled([together.get(group, 0.0) for group in groups])))
    size = -(-len(table) // -(-len(table) // rows_per_table))  # parts of about the same length, to set side by side
    parts = [table[i : i + size] for i in range(0, len(table), size)]
    return {"groups": groups, "means": means, "parts": parts}


def _scaled(values: Sequence[float]) -> list[float]:
    return [value / (sum(values) or 1.0) for value in values]
