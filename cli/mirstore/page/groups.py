"""What the groups of features are worth, by several measures, and what is in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mirstore.page import plots
from mirstore.page.ranking import Scored, by_chance, pairs
from mirstore.page.svg import Figure
from mirstore.page.words import general, known, plain

strongest = 6  # features shown per group
rows_per_table = 28
share_text = "what the model itself calls the importance of a group"


def measures(cases: Sequence[Scored]) -> dict[str, str]:
    """Return what each measure means, as the models say.

    Parameters
    ----------
    cases : sequence of Scored
    """
    told = {name: text for case in cases for name, text in (case.raw.get("measures") or {}).items() if text}
    return {"share": share_text, **told}


def importance_figures(cases: Sequence[Scored]) -> list[dict[str, Any]]:
    """Return one figure per grouping with the two cases it compares.

    Parameters
    ----------
    cases : sequence of Scored
        The best first, as all lists of them here.

    Returns
    -------
    list of dict
        ``figure`` and ``pair``.
    """
    found = pairs(cases)
    every = [case for pair in found.values() for case in pair]
    names = [plain(group) for case in every for group in case.shares]
    scale = plots.Scale(0, _top(every), "share of the importance", names)
    figures = []
    for i, (grouping, pair) in enumerate(found.items()):
        groups = _ordered(pair)
        title = f"Group importances, grouping {grouping}: " + "; ".join(
            f"{case.name_in_grouping}: "
            + ", ".join(f"{plain(g)} {general(case.shares[g]['mean'])}" for g in groups if g in case.shares)
            for case in pair
        )
        svg = plots.importances(f"groups{i}", groups, pair, title, scale)
        figures.append({"figure": Figure(svg, grouping), "pair": pair})
    return figures


def _ordered(pair: Sequence[Scored]) -> list[str]:
    groups = dict.fromkeys(group for case in pair for group in case.shares)
    value = {g: row["mean"] if known(row["mean"]) else 0.0 for case in reversed(pair) for g, row in case.shares.items()}
    return sorted(groups, key=lambda group: (-value[group], group))


def _top(cases: Sequence[Scored]) -> float:
    """Return the end of an axis that holds all bars, bands and intervals."""
    values = [row["mean"] for case in cases for row in case.shares.values() if known(row["mean"])]
    for case in cases:
        for kind in ("null", "bootstrap"):
            values += [ends[2] for drawn in (case.raw.get(kind) or {}).values() if (ends := plots.quantiles(drawn))]
    return max(-(-max(values, default=0.5) // 0.1) * 0.1, 0.2) + 0.02


def measure_tables(cases: Sequence[Scored]) -> list[dict[str, Any]]:
    """Return per grouping and case a table: groups by measures, each the mean over folds with its deviation.

    Parameters
    ----------
    cases : sequence of Scored

    Returns
    -------
    list of dict
        ``grouping``, ``case``, ``names`` (of the measures), ``rows`` (group and a value per measure, None if unknown).
    """
    tables = []
    for grouping, pair in pairs(cases).items():
        for case in pair:
            rows = [row for row in case.raw.get("importances") or [] if row.get("label") is None]
            names = list(dict.fromkeys(row["measure"] for row in rows))
            values = {(row["group"], row["measure"]): row for row in rows}
            groups = [group for group in _ordered([case]) if group in {row["group"] for row in rows}]
            table = [(group, [values.get((group, name)) for name in names]) for group in groups]
            tables.append({"grouping": grouping, "case": case, "names": names, "rows": table})
    return tables


def heat_maps(cases: Sequence[Scored]) -> list[dict[str, Any]]:
    """Return per grouping the shares of the groups per label, of the case whose features have a sign if it has them.

    Parameters
    ----------
    cases : sequence of Scored
    """
    maps = []
    for grouping, pair in pairs(cases).items():
        for case in pair:
            found = _label_shares(case)
            if found:
                maps.append({"grouping": grouping, "case": case, **found})
                break
    return maps


def _label_shares(case: Scored) -> dict[str, Any] | None:
    rows = [row for row in case.raw.get("importances") or [] if row.get("label") is not None and known(row["mean"])]
    names = dict.fromkeys(row["measure"] for row in rows)
    measure = next((name for name in ("share", *names) if name in names), None)
    shares: dict[str, dict[str, float]] = {}
    for row in rows:
        if row["measure"] == measure:
            shares.setdefault(row["label"], {})[row["group"]] = max(float(row["mean"]), 0.0)
    if not shares:
        return None
    groups = [group for group in _ordered([case]) if any(group in of_label for of_label in shares.values())]
    table = [
        (label, [of_label.get(group, 0.0) / (sum(of_label.values()) or 1.0) for group in groups])
        for label, of_label in sorted(shares.items())
    ]
    size = -(-len(table) // -(-len(table) // rows_per_table))  # parts of about the same length, to set side by side
    parts = [table[i : i + size] for i in range(0, len(table), size)]
    return {"measure": measure, "groups": groups, "parts": parts}


def meanings(cases: Sequence[Scored]) -> list[dict[str, Any]]:
    """Return per grouping what its groups hold: the strongest features in the words of their declarations.

    Parameters
    ----------
    cases : sequence of Scored
    """
    found = []
    for grouping, pair in pairs(cases).items():
        case, shares = pair[0], pair[0].shares
        rows = sorted(
            case.raw.get("groups") or [], key=lambda g: -(shares.get(g["group"]) or {"mean": 0.0}).get("mean", 0.0)
        )
        if rows and not by_chance(case):
            sources = {column["column"].rpartition(".")[0] for group in rows for column in group["columns"]}
            several, groups = len(sources) > 1, [_meaning(group, shares) for group in rows]
            found.append({"grouping": grouping, "case": case, "groups": groups, "several": several})
    return found


def _meaning(group: Mapping[str, Any], shares: Mapping[str, Any]) -> dict[str, Any]:
    columns = sorted(group["columns"], key=lambda column: -_strength(column))
    return {
        "name": plain(group["group"]),
        "share": (shares.get(group["group"]) or {}).get("mean"),
        "lacking": group.get("lacking") or [],
        "features": [_feature(column) for column in columns[:strongest]],
        "rest": [column["column"].partition(".")[2] or column["column"] for column in columns[strongest:]],
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
