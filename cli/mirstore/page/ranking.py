"""The finished cases in order of success, and what each of them is there for."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mirstore.page.words import known, listed

keys = ("features", "grouping", "smoothing", "model")


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
        ``"floor"`` (guesses without listening), ``"opaque"`` (no sign says which way a feature works), ``"control"``
        (groups by chance) or ``""``.
    value : Mapping
        ``mean``, ``low``, ``high``, ``values`` of the task's metric.
    """

    raw: Mapping[str, Any]
    varying: Sequence[str]
    role: str
    value: Mapping[str, Any]

    def text(self, key: str) -> str:
        """Return one part of the case as text."""
        part = self.raw["case"].get(key) or "none"
        return part if isinstance(part, str) else " + ".join(part)

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
        words = {"features": "{} features", "grouping": "{} groups", "smoothing": "{} smoothing"}
        parts = [words[k].format(self.text(k)) for k in self.varying if k in words and self.text(k) != "none"]
        return f"{self.model} with {listed(parts)}" if parts else self.model

    @property
    def shares(self) -> dict[str, Mapping[str, Any]]:
        """The model's main importance of each group."""
        rows = self.raw.get("importances") or []
        return {row["group"]: row for row in rows if row["measure"] == "share" and row.get("label") is None}


def ranking(report: Mapping[str, Any]) -> list[Scored]:
    """Return the finished cases, the best first."""
    cases = [case for case in report["cases"] if case.get("state") == "finished" and case.get("metrics")]
    name = report["task"]["metric"]
    varying = differing([case["case"] for case in report["cases"]])
    able = {case["case"].get("model") for case in cases if signed(case)}
    found = [Scored(case, varying, _role(case, able), case["metrics"].get(name) or {}) for case in cases]
    return sorted(found, key=lambda case: (-case.value["mean"] if known(case.value.get("mean")) else 2.0, case.name))


def differing(cases: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the parts that are not the same in all cases; the model always counts."""
    return [key for key in keys if key == "model" or len({str(case.get(key)) for case in cases}) > 1]


def case_name(case: Mapping[str, Any], varying: Sequence[str]) -> str:
    """Return the model, and the rest of what tells a case apart in brackets."""
    parts = [_text(case.get(key)) for key in varying if key != "model"]
    shown = [part for part in parts if part != "none"]
    return f"{case.get('model')} ({', '.join(shown)})" if shown else str(case.get("model"))


def _text(part: Any) -> str:
    return " + ".join(part) if isinstance(part, list | tuple) else str(part or "none")


def _role(case: Mapping[str, Any], able: Collection[Any]) -> str:
    if case["components"]["model"] == "majority":
        return "floor"
    if case["case"].get("model") not in able:
        return "opaque"
    return "control" if case["components"]["grouper"] == "random" else ""


def signed(case: Mapping[str, Any]) -> bool:
    """Return whether the features have weights that say which way they work: gains have no sign."""
    columns = [column for group in case.get("groups") or [] for column in group["columns"]]
    return any(known(weight) and weight < 0 for column in columns for weight in (column.get("weights") or {}).values())


def best(cases: Sequence[Scored], *roles: str) -> Scored | None:
    """Return the best case that has one of these roles and a value."""
    fitting = [case for case in cases if case.role in roles and known(case.value.get("mean"))]
    return fitting[0] if fitting else None


def explained(cases: Sequence[Scored]) -> Scored | None:
    """Return the case that a report explains.

    That is the best whose features have a sign and whose groups were compared with random ones; without such a case
    the best whose features have a sign, without that the best that has importances at all.
    """
    tested = [case for case in cases if case.raw.get("null") or case.raw.get("bootstrap")]
    return best(tested, "") or best(cases, "") or best([case for case in cases if case.shares], "opaque", "control")


def pairs(cases: Sequence[Scored]) -> dict[str, list[Scored]]:
    """Return the cases to set side by side per grouping: EM-banded and XGBoost where they ran.

    Otherwise the best case of those whose weights have a sign, and the best of those whose have none.
    """
    found: dict[str, list[Scored]] = {}
    for grouping in dict.fromkeys(case.text("grouping") for case in sorted(cases, key=lambda c: c.text("grouping"))):
        here = [case for case in cases if case.text("grouping") == grouping and case.shares]
        both = [_preferred(here, "em-banded", ("", "control")), _preferred(here, "xgboost", ("opaque",))]
        if any(both):
            found[grouping] = [case for case in both if case]
    # First what the rest of the report explains, last the groups by chance: they are there to be compared with.
    main = explained(cases)
    first = main.text("grouping") if main else None
    return dict(sorted(found.items(), key=lambda item: (item[0] != first, by_chance(item[1][0]))))


def by_chance(case: Scored) -> bool:
    """Return whether its groups were drawn by chance."""
    return bool(case.raw["components"]["grouper"] == "random")


def _preferred(cases: Sequence[Scored], model: str, roles: tuple[str, ...]) -> Scored | None:
    named = [case for case in cases if case.raw["components"]["model"] == model]
    return named[0] if named else best(cases, *roles)
