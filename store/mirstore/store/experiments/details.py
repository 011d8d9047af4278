"""What describes a run beside its results: its data, folds, groups and circumstances, as it is kept with the run."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Self, TypeVar

from mirstore.core.errors import StoreError
from mirstore.store.health import ColumnHealth

version = 2
"""Of what `Details.as_dict` returns; counts up whenever a key gets another meaning. 1 had no such key."""

T = TypeVar("T")


@dataclass(frozen=True)
class Components:
    """What the parts of a case say of themselves.

    Attributes
    ----------
    model : str
        The component.
    role : str or None
        The model's: ``signed``, ``opaque`` or ``floor``; None if an older mirstore did not record it.
    grouper : str or None
        None if the groups were written by hand.
    by_chance : bool
        Whether the groups were drawn at random.
    """

    model: str
    role: str | None = None
    grouper: str | None = None
    by_chance: bool = False


@dataclass(frozen=True)
class TaskDetails:
    """The task's entry of the registry, its name, and what came of it: see `mirstore.core.registry.TaskEntry`.

    Attributes
    ----------
    exclusive : bool
        Whether a track has one class.
    numeric : bool
        Whether numbers are predicted.
    group_by : str or None
        What the folds keep on one side.
    units : str
        What is taken whole when labels are permuted, and for halves: ``artist``, ``album`` or ``track``.
    runs : int
        Repetitions.
    train_size : float
        Share of the training part's units that a repetition learns from.
    learn_validation : bool
        Whether a published validation part is learned from.
    wrong_labels : float
        Share of training tracks that are learned under another class.
    evaluate_labels : str or None
        Label set of the dataset that is tested on, if it is called otherwise.
    label_map : Mapping of str to str
        Label of that dataset to label of the task, wherever they are not the same.
    """

    name: str
    dataset: str
    labels: str
    metric: str
    split: str
    folds: int
    exclusive: bool
    group_by: str | None = None
    units: str = "track"
    runs: int = 1
    seed: int = 0
    numeric: bool = False
    classes: Sequence[str] = ()
    evaluate_on: str | None = None
    label_map: Mapping[str, str] = field(default_factory=dict)
    train_size: float = 1.0
    learn_validation: bool = False
    wrong_labels: float = 0.0
    evaluate_labels: str | None = None


@dataclass(frozen=True)
class LabelCount:
    """How many tracks have a label."""

    label: str
    tracks: int


@dataclass(frozen=True)
class LeftOut:
    """How many labelled tracks are not used, and why."""

    why: str
    tracks: int


@dataclass(frozen=True)
class DataDetails:
    """The tracks of a case: how many, of how many artists (None if not all are known), their length, their labels."""

    tracks: int
    hours: float | None
    artists: int | None
    classes: Sequence[LabelCount]
    left_out: Sequence[LeftOut]


@dataclass(frozen=True)
class FoldDetails:
    """A fold's numbers of tracks, and a checksum by which the same fold of another case is known."""

    run: int
    fold: int
    train: int
    test: int
    sha256: str
    validation: int = 0


@dataclass(frozen=True)
class Leak:
    """What stands in training and test of one fold.

    Attributes
    ----------
    kind : str
        ``artist``, ``album``, ``audio`` or ``near``.
    known : int
        How many tracks say theirs.
    shared : int
    examples : str or None
        A few of them.
    """

    kind: str
    known: int
    shared: int
    examples: str | None = None


@dataclass(frozen=True)
class Circumstances:
    """When and how a case ran.

    Attributes
    ----------
    seeds : sequence of int
        One per repetition.
    python, machine : str
    notes : sequence of str
        Warnings, each once.
    measures : Mapping of str to str
        What the model says of its measures of importance.
    scales : Mapping of str to (float, float)
        Column to its mean and standard deviation where the weights of columns were learned.
    seconds, overhead_seconds : float or None [s]
        CPU time of the whole, and of what is not the components'; None if it failed.
    """

    seeds: Sequence[int] = ()
    python: str = ""
    machine: str = ""
    notes: Sequence[str] = ()
    measures: Mapping[str, str] = field(default_factory=dict)
    scales: Mapping[str, Sequence[float]] = field(default_factory=dict)
    seconds: float | None = None
    overhead_seconds: float | None = None


@dataclass(frozen=True)
class Details:
    """What describes a run.

    Attributes
    ----------
    question : str or None
        As the registry asks it.
    cite : sequence of str
        BibTeX entries.
    distributions : Mapping of str to str
        What computed it, with versions.
    groups, lacking : Mapping of str to sequence of str
        Group to its columns, and to what it asks for and no feature is called.
    remarks : sequence of str
        What of the features is not used.
    explained : bool
        Whether this is the case that its experiment's report explains, named before any had run.
    named : Mapping of str to object
        That case, as `mirstore.core.experiments.cases.Case.names` returns it; empty if it was not recorded.
    ran : Circumstances
        Its attributes stand beside the others in `as_dict`.
    """

    question: str | None
    cite: Sequence[str]
    distributions: Mapping[str, str]
    components: Components
    task: TaskDetails
    data: DataDetails
    health: Sequence[ColumnHealth]
    folds: Sequence[FoldDetails]
    leakage: Sequence[Leak]
    groups: Mapping[str, Sequence[str]]
    lacking: Mapping[str, Sequence[str]]
    remarks: Sequence[str] = ()
    explained: bool = False
    named: Mapping[str, Any] = field(default_factory=dict)
    ran: Circumstances = field(default_factory=Circumstances)

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        found = asdict(self)
        ran = found.pop("ran")
        return {"version": version, **found, **ran}

    def without_examples(self) -> Self:
        """Return them without the examples of what leaks: artists, albums and paths of tracks that may be gone."""
        return replace(self, leakage=[replace(leak, examples=None) for leak in self.leakage])

    @classmethod
    def read(cls, text: str) -> Self:
        """Read what is kept with a run, also with one of an older mirstore.

        Parameters
        ----------
        text : str
            JSON.

        Raises
        ------
        StoreError
            If a newer mirstore wrote it, or it cannot be understood.
        """
        data = json.loads(text)
        if (newer := data.get("version", 1)) > version:
            raise StoreError(
                f"the details of a run have version {newer}, and this mirstore reads up to {version}",
                hint="install the mirstore that made the run, or a newer one",
            )
        try:
            return cls._of(data)
        except (KeyError, TypeError, AttributeError) as error:
            raise StoreError(f"the details of a run cannot be read: {error}", hint="mirstore doctor") from None

    @classmethod
    def _of(cls, data: Mapping[str, Any]) -> Self:
        about = data["data"]
        return cls(
            question=data.get("question"),
            cite=data.get("cite", ()),
            distributions=data.get("distributions", {}),
            components=_one(Components, data["components"]),
            task=_one(TaskDetails, data["task"]),
            data=_one(
                DataDetails,
                {
                    **about,
                    "classes": _all(LabelCount, about["classes"]),
                    "left_out": _all(LeftOut, about.get("left_out", ())),
                },
            ),
            health=_all(ColumnHealth, data.get("health", ())),
            folds=_all(FoldDetails, data["folds"]),
            leakage=_all(Leak, data.get("leakage", ())),
            groups=data["groups"],
            lacking=data.get("lacking", {}),
            remarks=data.get("remarks", []),
            explained=data.get("explained", False),
            named=data.get("named", {}),
            ran=_one(Circumstances, data),
        )


def _one(kind: type[T], data: Mapping[str, Any]) -> T:
    """Return a dataclass of the keys that it knows."""
    return kind(**{each.name: data[each.name] for each in fields(kind) if each.name in data})  # type: ignore[arg-type]


def _all(kind: type[T], rows: Iterable[Mapping[str, Any]]) -> tuple[T, ...]:
    return tuple(_one(kind, row) for row in rows)
