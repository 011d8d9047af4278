"""registry.toml: what names mean. People write it, git reviews it; every mistake in it is reported at once."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, Self

from packaging.requirements import InvalidRequirement, Requirement
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from mirstore.core.environments import Environment, having
from mirstore.core.errors import ConfigError, PluginError
from mirstore.core.extras import installed


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid")


class FeatureEntry(_Entry):
    """``[features.N]``: an extractor with parameters and inputs.

    Attributes
    ----------
    extractor : str
        ``name`` or ``name@version``.
    params : dict
    inputs : dict
        Name that the extractor declares to feature set. ``audio`` is what it hears instead of the file: a feature set
        with a sound, ``"vocals"``, or one of its several, ``"vocals.accompaniment"``.
    keep : bool
        False stores nothing: it is computed for what reads it, and again when that is.
    place : str or None
        Where it is computed; the extractor's own place by default.
    """

    extractor: str
    params: dict[str, Any] = {}
    inputs: dict[str, str] = {}
    keep: bool = True
    place: str | None = None


class GroupingEntry(_Entry):
    """``[groupings.N]``: a grouper, or groups written by hand."""

    grouper: str | None = None
    params: dict[str, Any] = {}
    groups: dict[str, list[str]] | None = None


class SmoothingEntry(_Entry):
    """``[smoothings.N]``: a smoother and the features whose neighbours it uses."""

    smoother: str
    features: list[str] = []
    params: dict[str, Any] = {}


class ModelEntry(_Entry):
    """``[models.N]``: a model with parameters."""

    model: str
    params: dict[str, Any] = {}


class TaskEntry(_Entry):
    """``[tasks.N]``: a dataset's label set, how to split it and how to measure.

    Attributes
    ----------
    dataset, labels : str
        Dataset and label set.
    classes : list of str
        Only these labels, or targets; all by default.
    split : str
        ``grouped``, ``stratified``, ``modulo``, ``holdout``, or the name of a published split of the dataset.
    metric : str
        The one that decides; the others are computed too. ``pearson_r``, ``r2`` and ``mae`` are of numbers: the label
        set's values are then predicted as they are.
    folds, seed : int
        Of the split.
    group_by : ``artist``, ``album`` or ``track``
        What must not be torn apart; by default the artist where artists are known.
    evaluate_on : str
        Another dataset: learn from all of ``dataset``, test on all of that.
    label_map : dict
        Label of the other dataset to label of this one; those not named must be called the same.
    """

    dataset: str
    labels: str
    classes: list[str] = []
    split: str = "grouped"
    metric: Literal["roc_auc", "pr_auc", "accuracy", "balanced_accuracy", "pearson_r", "r2", "mae"]
    folds: int = Field(5, ge=2)
    seed: int = Field(0, ge=0)
    group_by: Literal["artist", "album", "track"] | None = None
    evaluate_on: str | None = None
    label_map: dict[str, str] = {}

    @property
    def numeric(self) -> bool:
        """Whether numbers are predicted."""
        return self.metric in ("pearson_r", "r2", "mae")

    @model_validator(mode="after")
    def _no_strata_of_numbers(self) -> Self:
        if self.numeric and self.split == "stratified":
            raise ValueError(
                f'split = "stratified" needs classes, and {self.metric} is of numbers; '
                'for folds by track give split = "grouped" and group_by = "track"'
            )
        return self


class ChunkEntry(_Entry):
    """``chunk`` of an experiment: into which excerpts every tensor is cut; give one of the two.

    Attributes
    ----------
    seconds : float > 0 [s]
        Excerpts of this length, aligned in time across features by their ``hop``; what remains at the end is left
        out.
    count : int > 0
        So many excerpts of each tensor, as long as they can be, paired by their number.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    seconds: float | None = Field(None, gt=0, allow_inf_nan=False)
    count: int | None = Field(None, ge=1)

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.seconds is None) == (self.count is None):
            raise ValueError("give either seconds or count")
        return self

    def __str__(self) -> str:
        return str(self.count) if self.seconds is None else f"{self.seconds:g}s"


class MatrixEntry(_Entry):
    """``[experiments.N.matrix]``: alternatives per key; the product of all is the cases."""

    task: list[str] | None = Field(None, min_length=1)
    features: list[list[str] | str] | None = Field(None, min_length=1)
    chunk: list[ChunkEntry] | None = Field(None, min_length=1)
    grouping: list[str] | None = Field(None, min_length=1)
    smoothing: list[str] | None = Field(None, min_length=1)
    model: list[str] | None = Field(None, min_length=1)


class ExperimentEntry(_Entry):
    """``[experiments.N]``: one case, or a matrix of them.

    Attributes
    ----------
    question : str
        What it is to answer, for the report.
    task, features, grouping, smoothing, model
        Names; each once, here or in ``matrix``.
    chunk : ChunkEntry
        How tensors are cut, here or in ``matrix``; each is one example if it is not given.
    runs : int
        Repetitions, each with its own seed for split and model.
    explain : dict of str to str
        Which case the report explains, said before any has run: names by ``task``, ``features``, ``chunk``,
        ``grouping``, ``smoothing`` or ``model``. By default the first case whose model says which way its features
        work, in a grouping of the project before one that comes with mirstore.
    permutations, halves, random_groupings : int
        How often the case that is explained is fitted to permuted labels, to half of the tracks, and to random groups.
    cite : list of str
        BibTeX.
    """

    question: str = ""
    task: str | None = None
    features: list[str] | None = None
    chunk: ChunkEntry | None = None
    grouping: str | None = None
    smoothing: str | None = None
    model: str | None = None
    runs: int = Field(1, ge=1)
    seed: int = Field(0, ge=0)
    explain: dict[str, str] = {}
    permutations: int = Field(199, ge=0)
    halves: int = Field(100, ge=0)
    random_groupings: int = Field(200, ge=0)
    cite: list[str] = []
    matrix: MatrixEntry = MatrixEntry()


class WorkerEntry(_Entry):
    """``[workers.N]``: another interpreter, for features with ``place = "N"``.

    Attributes
    ----------
    isolated : str
        Distribution, or name, of an environment that ``mirstore plugins install --isolated`` made.
    python : str
        Or the path of an interpreter that somebody else looks after: it has the plugin, numpy, packaging, pluggy and
        polars.
    jobs : int
        Processes that run there at once; by default as many as ``-j`` says.
    memory : float [GB]
        What each may take.
    """

    isolated: str | None = None
    python: str | None = None
    jobs: int | None = Field(None, ge=1)
    memory: float | None = Field(None, gt=0)

    def environment(self, name: str) -> Environment:
        """Return the interpreter as a place of this name.

        Parameters
        ----------
        name : str

        Raises
        ------
        PluginError
            If it is not there, or its interpreter is gone.
        """
        memory = int(self.memory * 1e9) if self.memory else None
        if self.isolated is not None:
            found = having(self.isolated)
            if found.problem:
                raise PluginError(
                    f"workers.{name}: environment {found.name!r} cannot be used: {found.problem}", hint=found.remedy
                )
            return replace(found, name=name, jobs=self.jobs, memory=memory)
        return Environment(name, Path(self.python or "").expanduser().absolute(), jobs=self.jobs, memory=memory)


class Registry(_Entry):
    """The shipped names with the project's over them."""

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
                alternatives = getattr(experiment.matrix, key) or []
                values = [getattr(experiment, key), *alternatives]
                if getattr(experiment, key) is not None and alternatives:
                    yield f"{where}: give {key} once, here or in matrix"
                if key in ("task", "model") and values == [None]:
                    yield f"{where}: give {key}, here or in matrix"
                for value in values:
                    if value is not None and value not in known and (key == "task" or _mistaken(value, known)):
                        yield f"{where}: unknown {key} {value!r}{_meant(str(value), known)}"
            for key in ("features", "chunk"):
                if getattr(experiment, key) is not None and getattr(experiment.matrix, key):
                    yield f"{where}: give {key} once, here or in matrix"
            for features in [experiment.features or [], *(experiment.matrix.features or [])]:
                for value in [features] if isinstance(features, str) else features:
                    base = value.partition("@")[0]
                    if base not in self.features and _mistaken(base, self.features):
                        yield f"{where}: unknown features {value!r}{_meant(base, self.features)}"

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
            raise PluginError(f"{where}: [plugins] asks for {names}: not installed", hint=f"pip install {line}")

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
        return tomllib.loads(path.read_text())
    except OSError as error:
        raise ConfigError(f"{path}: {(error.strerror or 'cannot be read').lower()}", hint="mirstore init") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from None
    except RecursionError:
        raise ConfigError(f"{path}: its brackets are nested too deeply") from None


def _problem(item: Any, data: dict[str, Any]) -> str:
    """Return pydantic's finding as a person would put it."""
    where = ".".join(str(part) for part in item["loc"] if part != "[key]")
    message = item["msg"].removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    if item["type"] == "extra_forbidden":
        return f"{where}: unknown key{_meant(str(item['loc'][-1]), _fields(item['loc']))}"
    if item["type"] == "missing":
        return f"{where}: field required"
    return f"{where}: {message}"


def _fields(where: tuple[Any, ...]) -> Iterable[str]:
    entries: dict[str, type[_Entry]] = {
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


def _mistaken(name: str, known: Iterable[str]) -> bool:
    if not get_close_matches(name, list(known), n=1):
        return False
    from mirstore.core.isolated import everywhere  # loads every plugin: only on suspicion

    provided = {component.partition("@")[0] for row in everywhere().rows() for component in row.components}
    return name not in provided
