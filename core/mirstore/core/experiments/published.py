"""Figures that others published: which case of an experiment each is of."""

from __future__ import annotations

from collections.abc import Iterator

from mirstore.core.errors import ConfigError, UnknownNameError
from mirstore.core.experiment_entries import PublishedEntry
from mirstore.core.experiments.cases import Case, expand, keys
from mirstore.core.experiments.metrics import ends
from mirstore.core.registry import Registry


def published(registry: Registry, experiment: str) -> Iterator[tuple[PublishedEntry, Case | None]]:
    """Yield the published figures of an experiment, each with its case; None for what is none of the cases.

    Parameters
    ----------
    registry : Registry
    experiment : str
        One of its experiments.

    Raises
    ------
    ConfigError
        If a figure is no value of its metric, names what is not in the experiment, or leaves it open which of several
        cases it is of.
    """
    entry = registry.experiments[experiment]
    every = expand(experiment, entry)
    for number, figure in enumerate(entry.published, 1):
        where = f"experiments.{experiment}.published ({number} of {len(entry.published)})"
        low, high = ends(figure.metric)
        if not low <= figure.value <= high:
            hint = (
                f"is it in per cent? then {figure.value / 100:g}" if 1 < figure.value <= 100 else f"{low:g} to {high:g}"
            )
            raise ConfigError(f"{where}: {figure.metric} cannot be {figure.value:g}", hint=hint)
        found = _matching(every, figure, where)
        if not figure.name and len(found) > 1:
            apart = [key for key in keys if len({case.text(key) for case in found}) > 1]
            raise ConfigError(f"{where}: {len(found)} cases are like that", hint=f"give its {', '.join(apart)} too")
        yield figure, None if figure.name else found[0]


def _matching(cases: list[Case], figure: PublishedEntry, where: str) -> list[Case]:
    for key, value in figure.case.items():
        if key not in keys:
            raise ConfigError(f"{where}: {UnknownNameError('key of case', key, keys)}")
        known = {case.text(key) for case in cases}
        if value not in known:
            raise ConfigError(f"{where}: {UnknownNameError(key, value, known)}")
        cases = [case for case in cases if case.text(key) == value]
    return cases
