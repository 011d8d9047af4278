"""What listeners say about the order of groups, beside what models use of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from mirstore.core.errors import UsageError
from mirstore.core.experiments.rankings import agreement, nearness
from mirstore.store.experiments.report import Findings, Listeners, Report
from mirstore.store.tables import cells
from mirstore.store.tables.reading import read


def beside_listeners(file: Path, reports: Sequence[Report]) -> list[Report]:
    """Return reports with what the raters of a table have in common, and how near the cases' orders are to it.

    Parameters
    ----------
    file : path
        A table with the columns ``rater``, ``group`` and ``rank``.
    reports : sequence of Report

    Raises
    ------
    UsageError
        If the table cannot be read, raters rank unlike groups, or no finished case has these groups.
    """
    ranked = _ranked(file)
    try:
        raters = agreement(ranked)
    except ValueError as error:
        raise UsageError(f"{file}: {error}", hint="a row per rater and group: rater,group,rank") from None
    means = dict(zip(raters.groups, raters.mean.tolist(), strict=True))
    found, known = [], dict[str, None]()
    for report in reports:
        near = {}
        for case in report.cases:
            shares = _shares(case.findings) if case.findings else {}
            known[", ".join(sorted(shares))] = None
            if case.findings and set(shares) == set(raters.groups):
                near[case.run] = nearness(shares, raters, case.findings.halves)
        said = Listeners(file.name, list(ranked), means, raters.w, raters.p, raters.to_each_other, near)
        found.append(replace(report, listeners=said) if near else report)
    if not any(report.listeners for report in found):
        raise UsageError(
            f"{file}: ranks {', '.join(sorted(raters.groups))}, and no finished case has these groups",
            hint=f"there are: {'; '.join(filter(None, known))}" if any(known) else "run a case first",
        )
    return found


def _shares(findings: Findings) -> Mapping[str, float]:
    """Return the shares of a fit to everything, or else their means over folds."""
    rows = (row for row in findings.importances if row["measure"] == "share" and row["label"] is None)
    return findings.whole or {row["group"]: row["mean"] for row in rows}


def _ranked(file: Path) -> dict[str, dict[str, float]]:
    frame = read(file).frame
    lacking = [name for name in ("rater", "group", "rank") if name not in frame.columns]
    if lacking:
        raise UsageError(f"{file}: has no column {lacking[0]!r}", hint="it needs rater, group and rank")
    found = cells.numbers(frame["rank"]).values
    if found is None or found.null_count():
        raise UsageError(f"{file}: column 'rank' has cells that are no numbers", hint="1 is the most important")
    ranked: dict[str, dict[str, float]] = {}
    for rater, group, rank in zip(
        frame["rater"].cast(str).to_list(), frame["group"].cast(str).to_list(), found.to_list(), strict=True
    ):
        if not (rater or "").strip() or not (group or "").strip():
            raise UsageError(f"{file}: a row has no rater or no group")
        if ranked.setdefault(rater, {}).setdefault(group, rank) != rank:
            raise UsageError(f"{file}: rater {rater!r} ranks {group!r} twice")
    return ranked
