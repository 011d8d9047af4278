"""What a report says of one task, as data: `as_dict` is what ``mirstore report --json`` prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from mirstore.core.experiments.rankings import Nearness
from mirstore.core.experiments.verdict import Verdict
from mirstore.store.experiments.by_class import ColumnByClass
from mirstore.store.experiments.details import Components, DataDetails, FoldDetails, Leak, TaskDetails
from mirstore.store.experiments.results import Statistics
from mirstore.store.experiments.track_report import TrackReport
from mirstore.store.health import ColumnHealth


@dataclass(frozen=True)
class Findings:
    """What a finished case gave.

    Attributes
    ----------
    metrics : Mapping of str to Statistics
    labels : sequence of Mapping
        ``label``, and per ``metric`` its ``mean`` and ``sd``.
    importances : sequence of Mapping
        ``measure``, ``label`` (None for all), ``group``, ``mean``, ``sd``, ``values``.
    measures : Mapping of str to str
        What each measure means.
    whole : Mapping of str to float
        Group to its share in a fit to everything.
    null, halves : Mapping or None
        Group to its shares in groupings made by chance, and in fits to about half of the units; see `TaskDetails`.
    permuted : sequence of float
        How far the task's metric was from guessing under each permutation of the labels.
    floor : Mapping of str to float
        Metric to what a model reaches that knows only how often labels are, mean over folds.
    groups : sequence of Mapping
        ``group``, what it is ``lacking``, and its ``columns`` as declared, with ``weights`` per label.
    tracks : sequence of Mapping
        The tracks that are explained.
    confusion : Mapping or None
        ``labels`` and ``counts``: a row per true label, of tracks, as a mean over repetitions.
    ambiguity : Mapping or None
        What smoothing did: ``edges`` of a histogram of how much of a label is left on its own class, the numbers of
        tracks that were ``learned`` from and ``held_out``, and ``own_class_mean`` of both.
    learning_curves : sequence of Mapping
        What the model reported while it trained; see `mirstore.store.experiments.curves.curves`.
    """

    metrics: Mapping[str, Statistics]
    labels: Sequence[Mapping[str, Any]]
    importances: Sequence[Mapping[str, Any]]
    measures: Mapping[str, str]
    whole: Mapping[str, float]
    null: Mapping[str, Sequence[float]] | None
    halves: Mapping[str, Sequence[float]] | None
    permuted: Sequence[float]
    floor: Mapping[str, float]
    groups: Sequence[Mapping[str, Any]]
    tracks: Sequence[Mapping[str, Any]]
    confusion: Mapping[str, Any] | None
    ambiguity: Mapping[str, Any] | None
    learning_curves: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class CaseReport:
    """One case: its run, what it is called, what it is made of.

    Attributes
    ----------
    findings : Findings or None
        None if it has not finished; its attributes stand beside the others in `as_dict`.
    """

    run: str
    case: Mapping[str, Any]
    state: str
    error: str | None
    notes: Sequence[str]
    seconds: float | None
    overhead_seconds: float | None
    components: Components
    folds: Sequence[str]
    findings: Findings | None

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        plain = asdict(self)
        findings = plain.pop("findings") or {}
        return {**plain, **findings}


@dataclass(frozen=True)
class ReportData(DataDetails):
    """The data of all cases.

    Attributes
    ----------
    withdrawn : int
        How many of its tracks were taken out since.
    tracks_per_features : Mapping of str to int
        Empty if all features have the same tracks.
    """

    folds: Sequence[FoldDetails]
    leakage: Sequence[Leak]
    withdrawn: int
    tracks_per_features: Mapping[str, int]


@dataclass(frozen=True)
class FeatureReport:
    """A feature set that was used."""

    feature: str
    extractor: str
    id: str
    source: str
    params: Mapping[str, Any]
    columns: int
    seconds_per_track: float | None
    licences: Sequence[str]


@dataclass(frozen=True)
class PublishedFigure:
    """A figure that others published, beside ours.

    Attributes
    ----------
    experiment : str
    name : str
        What it is of, if that is none of the cases.
    case : Mapping of str to object
        The case that it is of; with a name its task, or nothing.
    metric : str
    value : float
        As published.
    source, deviation : str
        Where it stands, and in what ours is known to differ.
    run : str or None
        Of ours.
    ours : Statistics or None
    why : str or None
        Why there is none of ours.
    """

    experiment: str
    name: str
    case: Mapping[str, Any]
    metric: str
    value: float
    source: str
    deviation: str
    run: str | None
    ours: Statistics | None
    why: str | None


@dataclass(frozen=True)
class TTest:
    """The paired t test of two cases over folds as papers publish it, and ours of the same values.

    Attributes
    ----------
    run, than : str
        The case with the larger mean, and the other.
    difference : float
        Of the task's metric.
    folds : int
    p : float or None
        Two-sided, as if folds were independent and this pair the only one; None if all differences are equal.
    corrected : float or None
        For what training and test parts share, and for the number of pairs.
    """

    run: str
    than: str
    difference: float
    folds: int
    p: float | None
    corrected: float | None


@dataclass(frozen=True)
class Provenance:
    """What it takes to repeat it, and whom to cite."""

    snapshot: int
    seeds: Sequence[int]
    config_sha256: Sequence[str]
    distributions: Mapping[str, str]
    licences: Mapping[str, str | None]
    python: str
    machine: str
    bibtex: Sequence[str]


@dataclass(frozen=True)
class Listeners:
    """Rankings of groups by people, and how near the cases' orders are to theirs.

    Attributes
    ----------
    source : str
        The table's name.
    raters : sequence of str
    mean_ranks : Mapping of str to float
        Group to its mean rank, 1 the most important.
    w, p : float or None
        Kendall's W, and how likely so high a one is if each orders by chance; None with one rater.
    to_each_other : float or None
        Mean distance of a rater's ranks to the mean of the others.
    cases : Mapping of str to Nearness
        Run to the distance of its shares' order; of the runs that have these groups.
    """

    source: str
    raters: Sequence[str]
    mean_ranks: Mapping[str, float]
    w: float | None
    p: float | None
    to_each_other: float | None
    cases: Mapping[str, Nearness]


@dataclass(frozen=True)
class Report:
    """What the cases of one task found.

    Attributes
    ----------
    experiment : str
        One or several, separated by commas.
    made : str
        When, in ISO 8601.
    named : Mapping of str to object
        The case to explain, named before any had run, finished or not; empty if it was not recorded.
    verdict : Verdict
        What the cases say together.
    clips : Mapping of str to str
        Track to some seconds of its audio, as a data URL.
    tracks : sequence of TrackReport
        Those that were asked for, and those of the case that is explained.
    published : sequence of PublishedFigure
        Of all tasks of the experiments.
    listeners : Listeners or None
        If people's rankings were given.
    by_class : sequence of ColumnByClass
        Columns that were asked for.
    t_tests : sequence of TTest, or None
        If the experiment asks for them. No claim of the verdict rests on them.
    """

    experiment: str
    question: str | None
    made: str
    version: str
    command: str
    task: TaskDetails
    data: ReportData
    named: Mapping[str, Any]
    verdict: Verdict
    cases: Sequence[CaseReport]
    clips: Mapping[str, str]
    tracks: Sequence[TrackReport]
    published: Sequence[PublishedFigure]
    features: Sequence[FeatureReport]
    health: Sequence[ColumnHealth]
    provenance: Provenance
    listeners: Listeners | None = None
    by_class: Sequence[ColumnByClass] = ()
    t_tests: Sequence[TTest] | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {**asdict(replace(self, cases=())), "cases": [case.as_dict() for case in self.cases]}
