"""What is taken for what: a table per case, and of one case the most frequent confusions, as a list and as a graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mirstore.page import graph
from mirstore.page.claims import Claims
from mirstore.page.ranking import Scored
from mirstore.page.scores import learned
from mirstore.page.words import percent

drawn_from = 0.1
"""Share of a class's tracks from which on a confusion is drawn."""
most_drawn = 40
listed_first = 10
most_tables = 6
compact_from = 12  # classes: a wider table does not fit beside anything


@dataclass(frozen=True)
class Confusion:
    """Tracks of one class that were taken for another.

    Attributes
    ----------
    label, guess : str
        The true class, and what its tracks were taken for.
    tracks : float
        How many, as a mean over repetitions.
    of : float
        How many tracks the class has.
    """

    label: str
    guess: str
    tracks: float
    of: float

    @property
    def share(self) -> float:
        """Of the class's tracks."""
        return self.tracks / self.of


def confusions(claims: Claims) -> dict[str, Any] | None:
    """Return the confusions of the case that was named, and tables of the best others.

    Parameters
    ----------
    claims : Claims

    Returns
    -------
    dict or None
        ``tables`` (the first is of the case that was named), ``more`` (cases without one), ``frequent``
        (`Confusion`, the largest share first; none of a case that is not above guessing), ``graph`` (SVG, or None
        where nothing is that frequent) and ``drawn`` (what it shows, in words). None if there is no such case, or it
        has no confusion.
    """
    main = claims.named
    if main is None or not main.raw.get("confusion"):
        return None
    others = [case for case in learned(claims.cases) if case is not main and case.raw.get("confusion")]
    # Where nothing is known of the case, nothing is known of what it confuses the most.
    frequent = _frequent(main.raw["confusion"]) if claims.explained else []
    often = [each for each in frequent if each.share >= drawn_from - 1e-9]
    drawn = f"all of {percent(drawn_from)} or more" if len(often) <= most_drawn else f"the {most_drawn} most frequent"
    return {
        "tables": [_table(case) for case in (main, *others[: most_tables - 1])],
        "more": max(0, len(others) - most_tables + 1),
        "frequent": frequent[:listed_first],
        "graph": _graph(main, often[:most_drawn], drawn),
        "drawn": drawn,
    }


def _table(case: Scored) -> dict[str, Any]:
    """Return the shares of each true class's tracks, and how many it has."""
    found = case.raw["confusion"]
    rows = [
        (label, [count / (sum(counts) or 1) for count in counts], sum(counts))
        for label, counts in zip(found["labels"], found["counts"], strict=True)
    ]
    return {"case": case, "labels": found["labels"], "rows": rows, "compact": len(rows) > compact_from}


def _frequent(found: Mapping[str, Any]) -> list[Confusion]:
    every = [
        Confusion(label, guess, count, sum(counts))
        for label, counts in zip(found["labels"], found["counts"], strict=True)
        for guess, count in zip(found["labels"], counts, strict=True)
        if count and guess != label
    ]
    return sorted(every, key=lambda each: (-each.share, each.label, each.guess))


def _graph(case: Scored, edges: Sequence[Confusion], drawn: str) -> str | None:
    if not edges:
        return None
    said = "; ".join(f"{each.label} for {each.guess} {percent(each.share)}" for each in edges)
    title = f"What {case.name} takes for what, {drawn} by their share of the true class. {said}"
    return graph.arcs("confusions", [(each.label, each.guess, each.share) for each in edges], title)
