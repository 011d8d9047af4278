"""The finished cases in order of success, and what they are called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mirstore.core.experiments.metrics import smaller_is_better
from mirstore.page.words import known, listed

keys = ("features", "chunk", "grouping", "smoothing", "model")
phrases = {"features": "{} features", "chunk": "chunks of {}", "grouping": "{} groups", "smoothing": "{} smoothing"}


@dataclass(frozen=True, eq=False)
class Scored:
    """A finished case with its value of the task's metric.

    Attributes
    ----------
    raw : Mapping
        As in the report.
    varying : sequence of str
        The parts that tell the cases of the report apart.
    role : str
        ``"floor"`` (learns nothing from the features), ``"opaque"`` (no sign says which way a feature works),
        ``"control"`` (groups by chance) or ``""``: as its components say of themselves.
    metric : str
        The task's.
    value : Mapping
        ``mean``, ``low``, ``high``, ``values`` of the metric.
    """

    raw: Mapping[str, Any]
    varying: Sequence[str]
    role: str
    metric: str
    value: Mapping[str, Any]

    @property
    def sign(self) -> int:
        """1 if a larger value is better, -1 if a smaller one is."""
        return -1 if self.metric in smaller_is_better else 1

    def text(self, key: str) -> str:
        """Return one part of the case as text.

        Parameters
        ----------
        key : str
            One of `keys`.
        """
        return _text(self.raw["case"].get(key))

    @property
    def model(self) -> str:
        """Name of the model."""
        return self.text("model")

    @property
    def name(self) -> str:
        """The model, and the rest of what tells this case apart in brackets."""
        return case_name(self.raw["case"], self.varying)

    @property
    def name_in_grouping(self) -> str:
        """The same without the grouping, for where that is known."""
        return case_name(self.raw["case"], [key for key in self.varying if key != "grouping"])

    @property
    def setting(self) -> str:
        """All that tells this case apart except the model."""
        return " · ".join(self.text(k) for k in self.varying if k != "model" and self.text(k) != "none")

    @property
    def prose(self) -> str:
        """The name as part of a sentence."""
        return case_prose(self.raw["case"], self.varying)

    @property
    def floor(self) -> float | None:
        """What guessing reaches on the same folds; None if that is not known."""
        return (self.raw.get("floor") or {}).get(self.metric)

    @property
    def shares(self) -> dict[str, float]:
        """The model's main importance of each group: in the fit to everything, else the mean over folds."""
        if whole := self.raw.get("whole"):
            return dict(whole)
        rows = self.raw.get("importances") or []
        main = [row for row in rows if row["measure"] == "share" and row.get("label") is None]
        return {row["group"]: row["mean"] for row in main if known(row["mean"])}


def ranking(report: Mapping[str, Any]) -> list[Scored]:
    """Return the finished cases, the best first.

    Parameters
    ----------
    report : Mapping
        Of one task, as JSON.
    """
    cases = [case for case in report["cases"] if case.get("state") == "finished" and case.get("metrics")]
    name = report["task"]["metric"]
    varying = differing([case["case"] for case in report["cases"]])
    found = [Scored(case, varying, _role(case), name, case["metrics"].get(name) or {}) for case in cases]
    return sorted(found, key=lambda case: (_rank(case), case.name))


def _rank(case: Scored) -> float:
    mean = case.value.get("mean")
    return -case.sign * mean if known(mean) else float("inf")


def differing(cases: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the parts that are not the same in all cases; the model always counts.

    Parameters
    ----------
    cases : sequence of Mapping
        Part to name.

    Examples
    --------
    >>> differing([{"features": ["mel"], "model": "cnn"}, {"features": ["mel", "mfcc"], "model": "cnn"}])
    ['features', 'model']
    """
    return [key for key in keys if key == "model" or len({_text(case.get(key)) for case in cases}) > 1]


def case_name(case: Mapping[str, Any], varying: Sequence[str]) -> str:
    """Return the model, and the rest of what tells a case apart in brackets.

    Parameters
    ----------
    case : Mapping
        Part to name.
    varying : sequence of str
        As `differing` returns them.

    Examples
    --------
    >>> case_name({"features": ["mel"], "model": "cnn"}, ["features", "model"])
    'cnn (mel)'
    """
    parts = [_text(case.get(key)) for key in varying if key != "model"]
    shown = [part for part in parts if part != "none"]
    return f"{case.get('model')} ({', '.join(shown)})" if shown else str(case.get("model"))


def case_prose(case: Mapping[str, Any], varying: Sequence[str]) -> str:
    """Return the same as part of a sentence.

    Parameters
    ----------
    case : Mapping
        Part to name.
    varying : sequence of str
        As `differing` returns them.

    Examples
    --------
    >>> case_prose({"features": ["mel"], "grouping": "mine", "model": "cnn"}, ["features", "grouping", "model"])
    'cnn with mel features and mine groups'
    """
    parts = [(key, _text(case.get(key))) for key in varying if key in phrases]
    said = [phrases[key].format(part) for key, part in parts if part != "none"]
    return f"{case.get('model')} with {listed(said)}" if said else str(case.get("model"))


def _text(part: Any) -> str:
    return " + ".join(part) if isinstance(part, list | tuple) else str(part or "none")


def _role(case: Mapping[str, Any]) -> str:
    role = case["components"].get("role") or "opaque"
    if role != "signed":
        return str(role)
    return "control" if case["components"].get("by_chance") else ""


def best(cases: Sequence[Scored], *roles: str) -> Scored | None:
    """Return the best case that has one of these roles and a value.

    Parameters
    ----------
    cases : sequence of Scored
        The best first.
    *roles : str
        As of `Scored`.
    """
    fitting = [case for case in cases if case.role in roles and known(case.value.get("mean"))]
    return fitting[0] if fitting else None
