"""The claims of a report, as the page finds them: what may be said was decided before, nothing is decided here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mirstore.page.ranking import Scored


@dataclass(frozen=True)
class Claims:
    """What a report's verdict holds, with its cases.

    Attributes
    ----------
    verdict : Mapping
        `mirstore.core.experiments.verdict.Verdict` as JSON; empty if an older mirstore kept the report.
    cases : sequence of Scored
        The finished ones.
    """

    verdict: Mapping[str, Any]
    cases: Sequence[Scored]

    def held(self, kind: str) -> list[Mapping[str, Any]]:
        """Return the claims of a kind that may be made.

        Parameters
        ----------
        kind : str
            See `mirstore.core.experiments.verdict.Claim`.
        """
        return [claim for claim in self.verdict.get("claims") or [] if claim["kind"] == kind]

    def open(self, kind: str) -> list[Mapping[str, Any]]:
        """Return the claims of a kind that were tested too and may not be made.

        Parameters
        ----------
        kind : str
        """
        return [claim for claim in self.verdict.get("open") or [] if claim["kind"] == kind]

    def tested(self, kind: str) -> list[Mapping[str, Any]]:
        """Return all claims of a kind, first those that may be made.

        Parameters
        ----------
        kind : str
        """
        return self.held(kind) + self.open(kind)

    @property
    def by_run(self) -> dict[str, Scored]:
        """The finished cases by their runs, as claims name them."""
        return {case.raw["run"]: case for case in self.cases}

    @property
    def named(self) -> Scored | None:
        """The case that was named before any had run, if it has finished."""
        return self.by_run.get(self.verdict.get("explained") or "")

    @property
    def explained(self) -> Scored | None:
        """The same if it is above guessing: what is not is not explained."""
        return self.named if self.held("above guessing") else None

    @property
    def tracks(self) -> int:
        """Of how many tracks the verdict is."""
        return int(self.verdict.get("tracks") or 0)

    @property
    def intervals(self) -> dict[str, tuple[float, float]]:
        """Of the explained case's groups: both ends of the interval of their shares."""
        return {group: (low, high) for group, (_, low, high) in (self.verdict.get("shares") or {}).items()}

    @property
    def untested(self) -> Mapping[str, str]:
        """Why ``order`` and ``size`` could not be tested."""
        return self.verdict.get("untested") or {}
