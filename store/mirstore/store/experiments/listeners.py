"""What listeners say about the order of groups, beside what models use of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mirstore.core.errors import UsageError
from mirstore.core.experiments.rankings import Nearness, agreement, nearness
from mirstore.store.experiments.report import CaseReport, Findings
from mirstore.store.tables import cells
from mirstore.store.tables.reading import read


@dataclass(frozen=True)
class Listeners:
    """Rankings of groups by people, and how near the cases' orders are to theirs.

    Attributes
    ----------
    source : str
        The table's name.
    raters : sequence of str
    mean_ranks : Mapping of str to float
        Group to its mean rank, 1 the most important.
    w, p : float or None
        Kendall's W, and how likely so high a one is if each orders by chance; None with one rater.
    to_each_other : float or None
        Mean distance of a rater's ranks to the mean of the others.
    cases : Mapping of str to Nearness
        Run to the distance of its shares' order; of the runs that have these groups.
    """

    source: str
    raters: Sequence[str]
    mean_ranks: Mapping[str, float]
    w: float | None
    p: float | None
    to_each_other: float | None
    cases: Mapping[str, Nearness]


def compared(file: Path, cases: Sequence[CaseReport]) -> Listeners:
    """Return what the raters of a table have in common, and how near the cases' orders are to it.

    Parameters
    ----------
    file : path
        A table with the columns ``rater``, ``group`` and ``rank``.
    cases : sequence of CaseReport
        Of one task.

    Raises
    ------
    UsageError
        If the table cannot be read, raters rank unlike groups, or no run has these groups.
    """
    ranked = _ranked(file)
    try:
        raters = agreement(ranked)
    except ValueError as error:
        raise UsageError(f"{file}: {error}", hint="a row per rater and group: rater,group,rank") from None
    shares = {case.run: _shares(case.findings) for case in cases if case.findings}
    halves = {case.run: case.findings.halves for case in cases if case.findings}
    near = {
        run: nearness(of_run, raters, halves[run])
        for run, of_run in shares.items()
        if set(of_run) == set(raters.groups)
    }
    if not near:
        known = dict.fromkeys(", ".join(sorted(of_run)) for of_run in shares.values() if of_run)
        raise UsageError(
            f"{file}: ranks {', '.join(sorted(raters.groups))}, and no case that has run has these groups",
            hint=f"there are: {'; '.join(known)}" if known else "run a case first",
        )
    means = dict(zip(raters.groups, raters.mean.tolist(), strict=True))
    return Listeners(file.name, list(ranked), means, raters.w, raters.p, raters.to_each_other, near)


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
        if rater is None or group is None:
            raise UsageError(f"{file}: a row has no rater or no group")
        if ranked.setdefault(rater, {}).setdefault(group, rank) != rank:
            raise UsageError(f"{file}: rater {rater!r} ranks {group!r} twice")
    return ranked
