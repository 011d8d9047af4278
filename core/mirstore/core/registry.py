"""registry.toml: what names mean. People write it, git reviews it; every mistake in it is reported at once."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, Self

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mirstore.core.entries import FeatureEntry, GroupingEntry, ModelEntry, SmoothingEntry, WorkerEntry
from mirstore.core.environments import environments
from mirstore.core.errors import ConfigError, PluginError
from mirstore.core.experiment_entries import ExperimentEntry, TaskEntry
from mirstore.core.extras import installed

_largest = 4 << 20  # [bytes] of a registry
_deepest = 100  # parts of a key


class Registry(BaseModel):
    """What names mean: those that mirstore ships, with the project's over them.

    Attributes
    ----------
    version : int
        Of the file's form, its key ``schema``.
    plugins : dict of str to str
        What must be installed before the names are used: any name to a requirement, as pip takes it.
    project_features, project_groupings : list of str
        Which names are the project's own.
    """

    model_config = ConfigDict(extra="forbid")

    version: Literal[1] = Field(1, alias="schema")
    plugins: dict[str, str] = {}
    features: dict[str, FeatureEntry] = {}
    groupings: dict[str, GroupingEntry] = {}
    smoothings: dict[str, SmoothingEntry] = {}
    models: dict[str, ModelEntry] = {}
    tasks: dict[str, TaskEntry] = {}
    experiments: dict[str, ExperimentEntry] = {}
    workers: dict[str, WorkerEntry] = {}
    project_features: list[str] = Field([], exclude=True)
    project_groupings: list[str] = Field([], exclude=True)

    @classmethod
    def load(cls, project: Path | None = None) -> Self:
        """Read the shipped registry and the project's.

        Parameters
        ----------
        project : path, optional
            ``./registry.toml`` if it is there.

        Raises
        ------
        ConfigError
            Naming every mistake, one per line.
        PluginError
            If something of ``[plugins]`` is not installed, with the line that installs it.
        """
        shipped = cls._parse(tomllib.loads(_shipped()), "mirstore's registry.toml")
        if project is None:
            project = Path("registry.toml")
            if not project.exists():
                return shipped
        own = cls._parse(_read(project), project.name)
        tables = [name for name, field in cls.model_fields.items() if field.annotation is not None]
        merged = {
            name: {**getattr(shipped, name), **getattr(own, name)}
            for name in tables
            if isinstance(getattr(shipped, name), dict)
        }
        mine = {"project_features": list(own.features), "project_groupings": list(own.groupings)}
        registry = shipped.model_copy(update={**merged, **mine})
        problems = [f"{project.name}: {problem}" for problem in registry._dangling()]
        if problems:
            raise ConfigError("\n".join(problems), hint=f"mend {project}")
        registry._require_plugins(project.name)
        return registry

    @classmethod
    def _parse(cls, data: dict[str, Any], where: str) -> Self:
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            problems = [f"{where}: {_problem(item, data)}" for item in error.errors()]
            raise ConfigError("\n".join(problems)) from None

    def _dangling(self) -> Iterator[str]:
        """Yield references to names that are not registered.

        All but tasks may also be components' own names, which only the installed plugins know: what is nearly a
        registered name, and no component's, is a mistake.
        """
        for name, grouping in self.groupings.items():
            if (grouping.grouper is None) == (grouping.groups is None):
                yield f"groupings.{name}: give either grouper or groups"
            if grouping.groups is not None and grouping.params:
                yield f"groupings.{name}: groups have no params"
        yield from self._wrong_plugins()
        yield from self._wrong_workers()
        for name, experiment in self.experiments.items():
            where = f"experiments.{name}"
            for key, known in (
                ("task", self.tasks),
                ("grouping", self.groupings),
                ("smoothing", {**self.smoothings, "none": None}),
                ("model", self.models),
            ):
                here, each = getattr(experiment, key), [getattr(matrix, key) for matrix in experiment.matrix]
                if here is not None and any(each):
                    yield f"{where}: give {key} once, here or in matrix"
                if key in ("task", "model") and here is None and not all(each):
                    yield f"{where}: give {key}, here or in matrix"
                for value in dict.fromkeys([here, *(value for values in each for value in values or ())]):
                    if value is not None and value not in known and (key == "task" or self._mistaken(value, known)):
                        yield f"{where}: unknown {key} {value!r}{_meant(str(value), known)}"
            yield from self._wrong_features(where, experiment)

    def _wrong_features(self, where: str, experiment: ExperimentEntry) -> Iterator[str]:
        for key in ("features", "chunk"):
            if getattr(experiment, key) is not None and any(getattr(matrix, key) for matrix in experiment.matrix):
                yield f"{where}: give {key} once, here or in matrix"
        used = set()
        alternatives = (features for matrix in experiment.matrix for features in matrix.features or ())
        for features in [experiment.features or [], *alternatives]:
            for value in [features] if isinstance(features, str) else features:
                base = value.partition("@")[0]
                used.add(base)
                if base not in self.features and self._mistaken(base, self.features):
                    yield f"{where}: unknown features {value!r}{_meant(base, self.features)}"
        for chunk in [experiment.chunk, *(chunk for matrix in experiment.matrix for chunk in matrix.chunk or ())]:
            for base in sorted(chunk.steps.keys() - used) if chunk else ():
                yield f"{where}: chunk: steps of {base!r}, which is none of its features{_meant(base, used)}"

    def _mistaken(self, name: str, known: Iterable[str]) -> bool:
        return bool(get_close_matches(name, list(known), n=1)) and name not in self._provided

    @cached_property
    def _provided(self) -> set[str]:
        """Names of all components: whoever asks loads every plugin, so only on suspicion, and once."""
        from mirstore.core.isolated import everywhere

        return {component.partition("@")[0] for row in everywhere().rows() for component in row.components}

    def _wrong_plugins(self) -> Iterator[str]:
        for name, text in self.plugins.items():
            try:
                Requirement(text)
            except InvalidRequirement as error:
                yield f"plugins.{name}: {text!r} is no requirement: {str(error).splitlines()[0]}"

    def _require_plugins(self, where: str) -> None:
        lacking = [text for text in self.plugins.values() if not installed(Requirement(text))]
        if lacking:
            names, line = ", ".join(lacking), " ".join(f"'{text}'" for text in lacking)
            isolated = [text for text in lacking if canonicalize_name(Requirement(text).name) in self._lodged()]
            hint = f"mirstore plugins install '{isolated[0]}' --isolated" if isolated else f"pip install {line}"
            raise PluginError(f"{where}: [plugins] asks for {names}: not installed", hint=hint)

    def _lodged(self) -> set[str]:
        """Return the distributions that live, or are to live, in environments of their own."""
        names = [worker.isolated for worker in self.workers.values()]
        names += [found.card.get("distribution") for found in environments()]
        return {canonicalize_name(name) for name in names if name}

    def _wrong_workers(self) -> Iterator[str]:
        used = {feature.place for feature in self.features.values()}
        for name, worker in self.workers.items():
            if (worker.isolated is None) == (worker.python is None):
                yield f"workers.{name}: give either isolated or python"
            if name in ("cpu", "gpu"):
                yield f"workers.{name}: the name stands for this machine's own processors"
            if name not in used:
                yield f"workers.{name}: no features have place = {name!r}, so nothing would run there"


def _shipped() -> str:
    """Return the shipped registry: a checkout's own, or the wheel's.

    An editable install has both; its copy of the wheel's is as old as the install.
    """
    import mirstore

    checkouts = [Path(folder).parents[1] for folder in mirstore.__path__]
    own = [folder / "registry.toml" for folder in checkouts if (folder / "pyproject.toml").exists()]
    return (own[0] if own else files("mirstore") / "registry.toml").read_text()


def _read(path: Path) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            read = file.read(_largest + 1)
        if len(read) > _largest:
            raise ConfigError(f"{path}: is larger than {_largest >> 20} MB, and no registry is")
        text = read.decode()
        if any(_parts(piece) > _deepest for piece in re.split(r"[,={\[\n]", text)):
            raise ConfigError(f"{path}: has a key of more than {_deepest} parts")  # memory grows as their square
        data = tomllib.loads(text.replace("\r\n", "\n"))
        if any(abs(number) >= 1 << 63 for number in _whole_numbers(data)):
            raise ConfigError(f"{path}: has a whole number of more than 64 bits, which is no TOML")
        return data
    except OSError as error:
        raise ConfigError(f"{path}: {(error.strerror or 'cannot be read').lower()}", hint="mirstore init") from None
    except ValueError as error:  # of its text, its TOML, or a number of 5,000 digits
        raise ConfigError(f"{path}: {error}") from None
    except RecursionError:
        raise ConfigError(f"{path}: its brackets are nested too deeply") from None


def _parts(text: str) -> int:
    return sum(bool(part.strip()) for part in text.split("."))


def _whole_numbers(value: Any) -> Iterator[int]:
    if isinstance(value, int):
        yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _whole_numbers(part)


def _problem(item: Any, data: dict[str, Any]) -> str:
    """Return pydantic's finding as a person would put it."""
    where = ".".join(str(part) for part in item["loc"] if part != "[key]")
    where = where.replace(".matrix.0", ".matrix")  # where one matrix is a table and no list
    message = item["msg"].removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    if item["type"] == "extra_forbidden":
        return f"{where}: unknown key{_meant(str(item['loc'][-1]), _fields(item['loc']))}"
    if item["type"] == "missing":
        return f"{where}: field required"
    return f"{where}: {message}"


def _fields(where: tuple[Any, ...]) -> Iterable[str]:
    entries: dict[str, type[BaseModel]] = {
        "features": FeatureEntry,
        "groupings": GroupingEntry,
        "smoothings": SmoothingEntry,
        "models": ModelEntry,
        "tasks": TaskEntry,
        "experiments": ExperimentEntry,
        "workers": WorkerEntry,
    }
    if len(where) == 1:
        return ["schema", *entries, "plugins"]
    entry = entries.get(str(where[0]))
    return entry.model_fields if entry else ()


def _meant(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, list(known), n=1)
    return f", did you mean {close[0]!r}?" if close else ""
