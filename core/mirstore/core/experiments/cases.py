"""The cases of an experiment: the product of its alternatives."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from itertools import product
from typing import Any

from mirstore.core.errors import ConfigError, UnknownNameError, UsageError
from mirstore.core.experiment_entries import ChunkEntry, ExperimentEntry, MatrixEntry
from mirstore.core.registry import Registry

keys = ("task", "features", "chunk", "grouping", "smoothing", "model")


@dataclass(frozen=True)
class Case:
    """One combination of names.

    Attributes
    ----------
    experiment, task, grouping, smoothing, model : str
        ``smoothing`` is ``"none"`` for hard labels.
    features : tuple of str
        Feature sets.
    chunk : ChunkEntry or None
        How tensors are cut; as text it is ``4.64s``, a number of chunks, or ``mel:200`` for steps of each feature set
        (by name, joined by ``+``); ``none`` if they are not.
    """

    experiment: str
    task: str
    features: tuple[str, ...]
    chunk: ChunkEntry | None
    grouping: str
    smoothing: str
    model: str

    def names(self) -> dict[str, Any]:
        """Return what tells it apart, as plain JSON."""
        return {key: list(self.features) if key == "features" else self.text(key) for key in keys}

    def __str__(self) -> str:
        optional = ("chunk", "smoothing")
        return " ".join(f"{key}={self.text(key)}" for key in keys if key not in optional or self.text(key) != "none")

    def text(self, key: str) -> str:
        """Return one of the names as ``--only`` takes it.

        Parameters
        ----------
        key : str
            ``task``, ``features``, ``chunk``, ``grouping``, ``smoothing`` or ``model``.

        Examples
        --------
        >>> case = Case("moods", "mood", ("essentia", "mel"), None, "samat", "none", "ridge")
        >>> case.text("features"), case.text("chunk")
        ('essentia+mel', 'none')
        """
        if key == "features":
            return "+".join(self.features)
        value = getattr(self, key)
        return "none" if value is None else str(value)


def cases(registry: Registry, patterns: Iterable[str], only: Sequence[str] = ()) -> list[Case]:
    """Return the cases of all experiments whose name matches.

    Parameters
    ----------
    registry : Registry
    patterns : iterable of str
        Names, also with ``*`` and ``?``.
    only : sequence of str
        ``key=value`` (a name or pattern); a case must satisfy one per key that is given.

    Raises
    ------
    UnknownNameError
        If a pattern or an ``only`` matches nothing.
    """
    found = [case for name in _matching(registry, patterns) for case in expand(name, registry.experiments[name])]
    for key, wanted in _conditions(only).items():
        kept = [case for case in found if any(p == case.text(key) or fnmatchcase(case.text(key), p) for p in wanted)]
        if not kept:
            raise UnknownNameError(key, ", ".join(wanted), {case.text(key) for case in found})
        found = kept
    return found


def _matching(registry: Registry, patterns: Iterable[str]) -> list[str]:
    names: dict[str, None] = {}
    for pattern in patterns:
        matches = [name for name in registry.experiments if name == pattern or fnmatchcase(name, pattern)]
        if not matches:
            raise UnknownNameError("experiment", pattern, registry.experiments)
        names |= dict.fromkeys(matches)
    return list(names)


def _conditions(only: Sequence[str]) -> dict[str, list[str]]:
    conditions: dict[str, list[str]] = {}
    for condition in only:
        key, equals, value = condition.partition("=")
        if not equals:
            raise UsageError(f"--only {condition!r}: not of the form key=value", hint=f"keys: {', '.join(keys)}")
        if key not in keys:
            raise UnknownNameError("key of --only", key, keys)
        conditions.setdefault(key, []).append(value)
    return conditions


def expand(name: str, entry: ExperimentEntry) -> list[Case]:
    """Return the product of an experiment's alternatives, the last key varying fastest, matrix after matrix.

    Parameters
    ----------
    name : str
        Of the experiment.
    entry : ExperimentEntry
    """
    blank = Case(name, "", (), None, "", "none", "")
    combined = (
        values for matrix in entry.matrix for values in product(*(_alternatives(entry, matrix, key) for key in keys))
    )
    return list(dict.fromkeys(replace(blank, **dict(zip(keys, values, strict=True))) for values in combined))


def explained(
    registry: Registry, name: str, roles: Mapping[str, str], by_chance: Container[str] = ()
) -> dict[str, Case]:
    """Return the case of each task that a report explains, which is named before any has run.

    Parameters
    ----------
    registry : Registry
    name : str
        Of the experiment. Its ``explain`` says which; else it is the first whose model is ``signed``, or the first
        that is no floor, in a grouping of the project before one that comes with mirstore.
    roles : Mapping of str to str
        Model to ``signed``, ``opaque`` or ``floor``.
    by_chance : container of str
        Groupings that draw their groups at random.

    Raises
    ------
    ConfigError
        If ``explain`` names what is not in the experiment.
    """
    entry = registry.experiments[name]
    every = expand(name, entry)
    for key, value in entry.explain.items():
        if key not in keys:
            raise ConfigError(f"experiments.{name}: explain: unknown key {key!r}", hint=f"keys: {', '.join(keys)}")
        every = [case for case in every if case.text(key) == value]
        if not every:
            raise ConfigError(f"experiments.{name}: explain: no case of it has {key} = {value!r}")
    rank = {"signed": 0, "opaque": 1}
    able = [case for case in every if roles.get(case.model) in rank and case.grouping not in by_chance]
    # Sorting keeps the order of equals: that of the registry, whose last key varies fastest.
    able.sort(key=lambda case: (rank[roles[case.model]], case.grouping not in registry.project_groupings))
    return {case.task: case for case in reversed(able)}


def _alternatives(entry: ExperimentEntry, matrix: MatrixEntry, key: str) -> list[Any]:
    values: list[Any] = getattr(matrix, key) or [getattr(entry, key)]
    if key == "features":
        return [tuple([value] if isinstance(value, str) else value or ()) for value in values]
    default = {"grouping": "all-features", "smoothing": "none"}.get(key)
    return [default if value is None else value for value in values]
