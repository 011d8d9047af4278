"""The t test over folds as papers publish it: a table, and no sentence on any of its rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mirstore.page.claims import Claims
from mirstore.page.published import signed
from mirstore.page.words import known, probability


def table(report: Mapping[str, Any], claims: Claims) -> dict[str, Any] | None:
    """Return a row per pair of cases; None where it was not asked for.

    Parameters
    ----------
    report : Mapping
        Of one task, as JSON.
    claims : Claims

    Returns
    -------
    dict or None
        ``asked``, and ``rows``: none if no two cases can be compared.
    """
    if report.get("t_tests") is None:
        return None
    names = {run: case.name for run, case in claims.by_run.items()}
    rows = [
        {
            "case": names[test["run"]],
            "than": names[test["than"]],
            "difference": signed(test["difference"]),
            "folds": test["folds"],
            "p": _p(test["p"]),
            "corrected": _p(test["corrected"]),
        }
        for test in report["t_tests"]
    ]
    return {"asked": True, "rows": rows}


def _p(value: Any) -> str:
    return probability(value) if known(value) else "–"
