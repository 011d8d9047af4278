"""The tables of registry.toml that say what is learned: tasks and experiments, and what these consist of."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

Metric = Literal["roc_auc", "pr_auc", "accuracy", "balanced_accuracy", "pearson_r", "r2", "mae"]

crossed = ("grouped", "stratified", "modulo")
"""The ``split`` of tasks whose folds test every track once."""

protocols = (*crossed, "holdout", "8:1:1")
"""How folds can be made; any other ``split`` is the name of a published one."""


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid")


class TaskEntry(_Entry):
    """``[tasks.N]``: a dataset's label set, how to split it and how to measure.

    Attributes
    ----------
    dataset : str
        Whose tracks are learned from and tested.
    labels : str
        Its label set, which is to be predicted.
    classes : list of str
        Only these labels, or targets; all by default.
    split : str
        ``grouped``, ``stratified``, ``modulo``, ``holdout``, ``8:1:1``, or the name of a published split of the
        dataset.
    metric : str
        The one that decides; the others are computed too. ``pearson_r``, ``r2`` and ``mae`` are of numbers: the label
        set's values are then predicted as they are.
    folds : int
        Into how many parts the tracks are cut; ``holdout``, ``8:1:1`` and a published split do not ask for it.
    seed : int
        Of the split.
    group_by : ``artist``, ``album`` or ``track``
        What must not be torn apart; by default the artist where artists are known.
    train_size : float in (0, 1]
        Share of each training part's artists, albums or tracks that is learned from, drawn anew for each repetition:
        with ``runs = 5`` of a published split it shows how much depends on which tracks were there to learn from.
    learn_validation : bool
        Whether the validation part of a published split is learned from like its training part.
    wrong_labels : float in [0, 1)
        Share of the training tracks that are learned under another class than theirs, drawn anew in each fold: shows
        what a model makes of wrong labels. Test tracks keep theirs.
    evaluate_on : str
        Another dataset: learn from all of ``dataset``, test on all of that. There is no ``split`` then.
    evaluate_labels : str
        Its label set; by default the one that is called as ``labels``.
    label_map : dict
        Label of the other dataset to label of this one; those not named must be called the same, but for case and
        what stands between words: ``Hip-Hop`` is ``hip hop``.
    source : str
        Where the dataset comes from and how it gets into a store: said where it is not there.
    """

    dataset: str
    labels: str
    classes: list[str] = []
    split: str = "grouped"
    metric: Metric
    folds: int = Field(5, ge=2)
    seed: int = Field(0, ge=0)
    group_by: Literal["artist", "album", "track"] | None = None
    train_size: float = Field(1.0, gt=0, le=1)
    learn_validation: bool = False
    wrong_labels: float = Field(0.0, ge=0, lt=1)
    evaluate_on: str | None = None
    evaluate_labels: str | None = None
    label_map: dict[str, str] = {}
    source: str = ""

    def identity(self) -> dict[str, Any]:
        """Return what decides the results, by name: what was added later only where it is not as it always was."""
        later = {name for name, usual in _later.items() if getattr(self, name) == usual}
        return self.model_dump(exclude={"source", *later})

    @property
    def numeric(self) -> bool:
        """Whether numbers are predicted."""
        return self.metric in ("pearson_r", "r2", "mae")

    @model_validator(mode="after")
    def _validation_is_published(self) -> Self:
        if self.learn_validation and self.evaluate_on:
            raise ValueError(f"learn_validation is of a published split, and evaluate_on tests on {self.evaluate_on!r}")
        if self.learn_validation and self.split in protocols:
            raise ValueError(f"learn_validation is of a published split, and {self.split!r} is none")
        return self

    @model_validator(mode="after")
    def _labels_of_another_dataset(self) -> Self:
        given = [name for name in ("evaluate_labels", "label_map") if getattr(self, name)]
        if given and not self.evaluate_on:
            raise ValueError(f"{given[0]} is of another dataset: say which by evaluate_on")
        return self

    @model_validator(mode="after")
    def _no_strata_of_numbers(self) -> Self:
        if self.numeric and self.split == "stratified":
            raise ValueError(
                f'split = "stratified" needs classes, and {self.metric} is of numbers; '
                'for folds by track give split = "grouped" and group_by = "track"'
            )
        return self


_since = ("train_size", "learn_validation", "wrong_labels", "evaluate_labels")
_later = {name: TaskEntry.model_fields[name].default for name in _since}


class ChunkEntry(_Entry):
    """``chunk`` of an experiment: into which excerpts every tensor is cut; give one of the three.

    Attributes
    ----------
    seconds : float > 0 [s]
        Excerpts of this length, aligned in time across features by their ``hop``; what remains at the end is left
        out.
    count : int > 0
        So many excerpts of each tensor, as long as they can be, paired by their number.
    steps : dict of str to int
        Feature set to the number of steps in each excerpt of its tensors, paired by their number: as many as the tensor
        with the fewest allows; what remains is left out. Names of features that a case does not use are passed over.
    """

    model_config = ConfigDict(frozen=True)
    seconds: float | None = Field(None, gt=0, allow_inf_nan=False)
    count: int | None = Field(None, ge=1)
    steps: dict[str, int] = {}

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if [self.seconds is None, self.count is None, not self.steps].count(False) != 1:
            raise ValueError("give one of seconds, count and steps")
        if any(number < 1 for number in self.steps.values()):
            raise ValueError(f"steps must be 1 or more, got {self.steps}")
        return self

    @model_serializer(mode="wrap")
    def _as_before(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave ``steps`` out where there are none: what was learned by seconds or count is called as it always was."""
        return {name: value for name, value in plain(self).items() if name != "steps" or value}

    def __hash__(self) -> int:
        return hash(str(self))

    def __str__(self) -> str:
        if self.steps:
            return "+".join(f"{name}:{number}" for name, number in sorted(self.steps.items()))
        return str(self.count) if self.seconds is None else f"{self.seconds:g}s"


class MatrixEntry(_Entry):
    """``[experiments.N.matrix]``: alternatives per key; the product of all is the cases.

    Several of them, ``[[experiments.N.matrix]]``, are for what does not go with everything, as a model with the
    features that it hears: the cases of one and then of the next.

    Attributes
    ----------
    task, grouping, model : list of str
        Names.
    smoothing : list of str
        Names; ``"none"`` means to learn from the labels as they are.
    features : list of (str or list of str)
        Names, or lists of names that are used together.
    chunk : list of ChunkEntry
        Ways to cut tensors.
    """

    task: list[str] | None = Field(None, min_length=1)
    features: list[list[str] | str] | None = Field(None, min_length=1)
    chunk: list[ChunkEntry] | None = Field(None, min_length=1)
    grouping: list[str] | None = Field(None, min_length=1)
    smoothing: list[str] | None = Field(None, min_length=1)
    model: list[str] | None = Field(None, min_length=1)


class PublishedEntry(_Entry):
    """``[[experiments.N.published]]``: a figure that others published, for the report to set beside ours.

    Attributes
    ----------
    case : dict of str to str
        Which case of the experiment it is of: names by ``task``, ``features`` (joined by ``+``), ``chunk``,
        ``grouping``, ``smoothing`` or ``model``, as many as tell it apart.
    name : str
        What it is of, if that is none of the cases; ``case`` then says its task, or nothing.
    metric : str
        What was measured.
    value : float
        As published.
    source : str
        Where it stands: ``"Patakis et al., Table 1"``.
    deviation : str
        In what ours is known to differ.
    """

    case: dict[str, str] = {}
    name: str = ""
    metric: Metric
    value: float = Field(allow_inf_nan=False)
    source: str
    deviation: str = ""

    @model_validator(mode="after")
    def _of_a_case_or_of_something_else(self) -> Self:
        if not self.case and not self.name:
            raise ValueError("give case, or the name of what is none of the cases")
        if self.name and self.case.keys() - {"task"}:
            raise ValueError("a figure with a name is of none of the cases: case may say its task only")
        return self


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
    seed : int
        Of the first repetition.
    explain : dict of str to str
        Which case the report explains, said before any has run: names by ``task``, ``features``, ``chunk``,
        ``grouping``, ``smoothing`` or ``model``. By default the first case whose model says which way its features
        work, in a grouping of the project before one that comes with mirstore.
    permutations : int
        How often the case that is explained is fitted to permuted labels, 19 times or more; 0 leaves this test out.
    halves : int
        How often it is fitted to about half of the artists, albums or tracks; 0 leaves this test out.
    random_groupings : int
        How often it is fitted with its columns in random groups; 0 leaves this test out.
    cite : list of str
        BibTeX.
    published : list of PublishedEntry
        Figures of others; they are no part of a case, and may be changed when it has run.
    t_test : bool
        Whether the report shows the t test over folds as papers publish it, beside ours; nothing is concluded from it.
    matrix : MatrixEntry, or list of them
        Alternatives.
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
    published: list[PublishedEntry] = []
    t_test: bool = False
    matrix: list[MatrixEntry] = [MatrixEntry()]

    @field_validator("matrix", mode="before")
    @classmethod
    def _one_or_several(cls, given: Any) -> Any:
        return [given] if isinstance(given, dict) else given

    @field_validator("permutations")
    @classmethod
    def _can_reach_5_percent(cls, number: int) -> int:
        if 0 < number < 19:
            raise ValueError("fewer than 19 cannot tell anything at 5 %: give 19 or more, or 0 to leave the test out")
        return number
