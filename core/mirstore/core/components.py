"""The four kinds of component that a plugin can bring, as base classes.

A component is a dataclass whose fields are its parameters. A field that cannot change the result (a device, a
number of workers) is ``field(compare=False)`` and stays out of the identity. One that is the folder of a kept model has
``metadata={"kept_model": True}``: in the registry stands the model's name or hash.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import Field, dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from mirstore.core.columns import Column, Row
from mirstore.core.pretrained import Weights

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self

    import numpy as np
    import polars as pl

    from mirstore.core.tensors import Tensors
    from mirstore.core.tracks import Track


Role = Literal["floor", "opaque", "signed"]
"""What a report may say of a model; see `Model`."""


@dataclass
class Component(ABC):
    """What all components share.

    A parameter that is added to a version names what was done before it: ``field(default="hann", metadata={"was":
    "hann"})``. It stays out of the identity while it has that value, which must be its default, so that a new option
    makes nothing stale.

    Attributes
    ----------
    name : str
        Lower case, digits and hyphens; unique among the installed components of its kind.
    version : int
        Counts up whenever the same input and parameters would give another result.
    cite : tuple of str
        BibTeX of the publications behind it; reports print it.
    needs : tuple of Weights
        Model weights that it may use; ``mirstore weights`` lists and fetches them.
    """

    name: ClassVar[str]
    version: ClassVar[int] = 1
    cite: ClassVar[tuple[str, ...]] = ()
    needs: ClassVar[tuple[Weights, ...]] = ()

    def params(self) -> dict[str, Any]:
        """Return the parameters that can change the result."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.compare and not self._as_before(f)}

    def _as_before(self, parameter: Field[Any]) -> bool:
        return "was" in parameter.metadata and getattr(self, parameter.name) == parameter.metadata["was"]

    def uses(self) -> tuple[Weights, ...]:
        """Return those of `needs` that it uses with these parameters: all, unless a parameter chooses."""
        return self.needs


@dataclass
class Extractor(Component):
    """Turns a track's audio, or other features of it, into rows of features.

    Attributes
    ----------
    inputs : tuple of str
        Feature sets that it reads; none means that it reads audio.
    optional : frozenset of str
        Those of ``inputs`` that a track may lack: they are not in ``track.inputs`` then, and empty if they are read.
        Where one comes later, what was computed without it is computed again.
    batch : int
        How many tracks `extract_batch` likes at once; 1 unless a model gains from more.
    place : str
        Where it runs unless the registry says another place: ``"cpu"``, or ``"gpu"`` for a model that gains from one.
    memory : int [bytes] or None
        What one process needs, if that is much: as many run as there is memory for.
    cost : float or None
        CPU time per second of audio [s/s], beside what its inputs cost: a dry run's estimate until the store has
        times of its own. ``benchmarks/costs.py`` measures it.

    Examples
    --------
    >>> from pathlib import Path
    >>> import numpy as np
    >>> import polars as pl
    >>> from mirstore.core import Audio, Track
    >>> @dataclass
    ... class Level(Extractor):
    ...     name = "level"
    ...     sr: int = 22050
    ...
    ...     def columns(self):
    ...         return {"rms": Column(pl.Float32, "", "root mean square, full scale is 1", range=(0, None))}
    ...
    ...     def extract(self, track):
    ...         return {"rms": float(np.sqrt(np.mean(track.audio(self.sr) ** 2)))}
    >>> silence = Audio(np.zeros((1, 22050), np.float32), 22050, "pcm", "none", ("FC",))
    >>> Level().extract(Track("0" * 64, Path("a.wav"), recording=silence))
    {'rms': 0.0}
    >>> Level(sr=8000).params()
    {'sr': 8000}
    """

    inputs: ClassVar[tuple[str, ...]] = ()
    optional: ClassVar[frozenset[str]] = frozenset()
    batch: ClassVar[int] = 1
    place: ClassVar[str] = "cpu"
    memory: ClassVar[int | None] = None
    cost: ClassVar[float | None] = None

    @abstractmethod
    def columns(self, *args: Any, **kwargs: Any) -> Mapping[str, Column]:
        """Return the columns that it writes; a ``start`` column [s] means several rows per track.

        Declared as ``columns(self)``, or as ``columns(self, inputs)`` where that depends on what is read: ``inputs``
        are the columns of each input, by the names in ``inputs``. `FeatureSet.columns` calls either.

        Parameters
        ----------
        *args, **kwargs
            Nothing, or ``inputs``: Mapping of str to Mapping of str to Column.

        Returns
        -------
        Mapping of str to Column
            In the order in which the table has them.
        """

    @abstractmethod
    def extract(self, track: Track) -> Row | Sequence[Row]:
        """Return one track's row, or its rows if there is a ``start`` column.

        Parameters
        ----------
        track : Track
            Its audio, or its rows of the feature sets in ``inputs``.

        Returns
        -------
        Row or sequence of Row
            Exactly the declared columns. No rows at all are an answer too: this track has none of what is looked for.

        Raises
        ------
        TrackError
            If this track has no value; other tracks go on.
        """

    def extract_batch(self, tracks: Sequence[Track]) -> Sequence[Row | Sequence[Row]]:
        """Return one result per track; override where a model gains from batches.

        Parameters
        ----------
        tracks : sequence of Track
            At most ``batch``, and at least one.

        Returns
        -------
        sequence of (Row or sequence of Row)
            In the order of ``tracks``; each as `extract` returns it, but for rounding.
        """
        return [self.extract(track) for track in tracks]

    def reads(self) -> Mapping[str, str | None]:
        """Return what it reads by name, and the id that this feature set must have, None if any will do.

        By default `inputs`, whatever they mean; override it where that depends on parameters.
        """
        return dict.fromkeys(self.inputs)

    def weights(self) -> str | None:
        """Return the SHA-256 of the model weights that it uses, None if it has none; by default those of `uses`."""
        from mirstore.core.weights.cache import identity

        return identity(self.uses())


@dataclass
class Grouper(Component):
    """Sorts feature columns into named groups.

    Attributes
    ----------
    by_chance : bool
        Whether its groups are drawn at random and mean nothing: a report then takes them for a control.
    """

    by_chance: ClassVar[bool] = False

    @abstractmethod
    def group(self, columns: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """Return group name to its columns, disjoint.

        Parameters
        ----------
        columns : sequence of str
            Qualified as ``featureset.column``; those that hold tensors are among them.
        """

    def lacking(self, columns: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """Return group name to what it would also hold but ``columns`` do not have; empty if it asks for nothing.

        Parameters
        ----------
        columns : sequence of str
            As for `group`.
        """
        return {}


@dataclass
class Smoother(Component):
    """Turns one-hot labels into label distributions."""

    @abstractmethod
    def smooth(self, X: np.ndarray, Y: np.ndarray, seed: int) -> np.ndarray:
        """Return distributions.

        Parameters
        ----------
        X : np.ndarray [shape=(n, d)]
            Features.
        Y : np.ndarray [shape=(n, k)]
            One-hot labels; not changed.
        seed : int
            The only source of randomness.

        Returns
        -------
        np.ndarray [shape=(n, k)]
            Non-negative; rows sum to 1.
        """


@dataclass
class Examples:
    """What a model learns from or predicts.

    Attributes
    ----------
    table : pl.DataFrame
        One row per example, columns qualified as ``featureset.column``: numbers, scaled to mean 0 and standard
        deviation 1 on the training part, nothing missing. It has no columns where all features are tensors.
    classes : tuple of str
        Names of the k classes, or of the k targets if ``numeric``.
    labels : np.ndarray [shape=(n, k)] or None
        0/1 labels, label distributions, or the targets' values if ``numeric``; None when predicting.
    tensors : Mapping of str to Tensors
        Tensor column to n arrays, which are read when they are asked for.
    exclusive : bool
        Whether an example has exactly one class, as a genre; otherwise any number of them, as tags.
    units : np.ndarray [shape=(n,)] of str or None
        What must not be torn apart when examples are resampled or split again: the artist, if known.
    numeric : bool
        Whether the labels are numbers to be predicted as they are, in their own units, by `Model.predict`.

    Examples
    --------
    >>> import numpy as np
    >>> import polars as pl
    >>> from mirstore.core import Arrays
    >>> table = pl.DataFrame({"essentia.bpm": [-1.0, 1.0], "essentia.loudness": [0.5, -0.5]})
    >>> mel = Arrays([np.zeros((128, 300)), np.zeros((128, 420))], hop=0.1)
    >>> labels = np.array([[1, 0], [0, 1]])
    >>> examples = Examples(table, ("calm", "lively"), labels, {"mel.spectrogram": mel}, exclusive=True)
    >>> len(examples), examples.tensors["mel.spectrogram"].length(1)
    (2, 420)
    """

    table: pl.DataFrame
    classes: tuple[str, ...]
    labels: np.ndarray | None
    tensors: Mapping[str, Tensors] = field(default_factory=dict)
    exclusive: bool = False
    units: np.ndarray | None = None
    numeric: bool = False

    def __len__(self) -> int:
        if self.labels is not None:
            return len(self.labels)
        return len(next(iter(self.tensors.values()), ())) or self.table.height


@dataclass
class Model(Component):
    """Learns labels from features; scikit-learn's manners.

    A model needs `fit`, and `predict_proba` for classes and tags or `predict` for numbers: which of the two it has
    says what it is for. All other methods let it explain itself; a report shows what there is. A model that explains
    nothing is fitted once per fold, one that does also to everything that some fold learns from.

    What a fitted model knows can be kept, and used elsewhere, if it has `save` and `load`.

    A model that trains for long takes a further argument, ``fit(examples, groups, seed, context=None)``, and is given
    a `Training` by it: a folder for checkpoints, a validation part, and a way to report each epoch.

    Attributes
    ----------
    role : str
        What a report may say of it. ``"floor"``: it learns nothing from the features, which others have to beat;
        ``"signed"``: its `column_weights` say which way a feature works; ``"opaque"``: anything else.
    tabular : bool
        Whether it reads `Examples.table` only. Tensors are then kept out of its groups, which is told, and a case
        whose features are tensors only is refused.
    """

    role: ClassVar[Role] = "opaque"
    tabular: ClassVar[bool] = False

    @abstractmethod
    def fit(self, examples: Examples, groups: Mapping[str, Sequence[str]], seed: int) -> Self:
        """Learn from labelled examples and return self.

        Parameters
        ----------
        examples : Examples
            With labels.
        groups : Mapping of str to sequence of str
            Group to its columns, of the table and of tensors; columns in no group are not used.
        seed : int
            The only source of randomness.
        """

    def predict_proba(self, examples: Examples) -> np.ndarray:
        """Return a score in [0, 1] per example and class [shape=(n, k)].

        Parameters
        ----------
        examples : Examples
            Without labels; with the columns, tensors and classes of those that `fit` was given.

        Returns
        -------
        np.ndarray [shape=(n, k)]
            In [0, 1]; rows need not sum to 1.
        """
        raise NotImplementedError(f"{self.name} does not predict classes")

    def predict(self, examples: Examples) -> np.ndarray:
        """Return a value per example and target, in the targets' units [shape=(n, k)].

        Parameters
        ----------
        examples : Examples
            Without labels; with the columns, tensors and targets of those that `fit` was given.

        Returns
        -------
        np.ndarray [shape=(n, k)]
            Finite.
        """
        raise NotImplementedError(f"{self.name} does not predict numbers")

    def save(self, folder: Path) -> None:
        """Write what `fit` learned to an empty folder, as safetensors and JSON: `mirstore.core.save_state` does.

        Parameters are not part of it: `load` is called on a model that has the same ones.

        Parameters
        ----------
        folder : path
            It is there, and empty.
        """
        raise NotImplementedError(f"{self.name} cannot be kept: it implements no save")

    def load(self, folder: Path) -> Self:
        """Take up what `save` wrote and return self; it then predicts the same, bit for bit.

        Parameters
        ----------
        folder : path
            What `save` wrote to it, here or on another machine.
        """
        raise NotImplementedError(f"{self.name} cannot be used again: it implements no load")

    @classmethod
    def can_be_kept(cls) -> bool:
        """Return whether it has `save`."""
        return cls.save is not Model.save

    @classmethod
    def predicts(cls, *, numeric: bool) -> bool:
        """Return whether it predicts numbers, or else classes: whether it has that method.

        Parameters
        ----------
        numeric : bool
            Ask about numbers, else about classes.
        """
        return cls.predict is not Model.predict if numeric else cls.predict_proba is not Model.predict_proba

    def group_importances(self) -> Mapping[str, float]:
        """Return the share of each group; the shares sum to 1. Empty if the model has none."""
        return {}

    def importances(self) -> Sequence[Importance]:
        """Return further measures of the groups, per label where there is such a thing."""
        return ()

    def column_weights(self) -> np.ndarray | None:
        """Return the signed weight, or the gain, of every column per class [shape=(k, columns of the table)]."""
        return None

    def contributions(self, examples: Examples) -> np.ndarray | None:
        """Return what each group adds to each class's score of each example [shape=(n, k, groups)].

        The scores meant are the ones before they are turned into [0, 1]; groups come in the order given to `fit`.

        Parameters
        ----------
        examples : Examples
            As for `predict_proba` or `predict`.

        Returns
        -------
        np.ndarray [shape=(n, k, groups)] or None
            None if the model cannot say.
        """
        return None

    def importances_of_groupings(
        self, examples: Examples, groupings: Sequence[Mapping[str, Sequence[str]]], seed: int
    ) -> Sequence[Mapping[str, float]] | None:
        """Return the group importances of a fit under each grouping, where that is cheap.

        Parameters
        ----------
        examples : Examples
            With labels.
        groupings : sequence of Mapping of str to sequence of str
            Each as the groups of `fit`: often random ones, which a grouping has to beat.
        seed : int
            The only source of randomness.

        Returns
        -------
        sequence of Mapping of str to float, or None
            Per grouping as `group_importances`; None if each would cost a fit of its own.
        """
        return None

    def bootstrap_importances(
        self, examples: Examples, groups: Mapping[str, Sequence[str]], draws: int, seed: int
    ) -> Sequence[Mapping[str, float]] | None:
        """Return the group importances of fits to resampled ``units`` (drawn with replacement), where cheap.

        Parameters
        ----------
        examples : Examples
            With labels and ``units``.
        groups : Mapping of str to sequence of str
            As for `fit`.
        draws : int > 0
            How many times ``units`` are drawn.
        seed : int
            The only source of randomness.

        Returns
        -------
        sequence of Mapping of str to float, or None
            Per draw as `group_importances`; None if each would cost a fit of its own.
        """
        return None


@dataclass(frozen=True)
class Importance:
    """One value of one measure of a group; `Model.importances` says it per label or (label None) for all.

    Attributes
    ----------
    measure : str
        What is measured, in a word or two: ``lambda``, ``prior share``, ``variance``.
    label, group : str
        Label None stands for all labels together.
    value : float
    text : str
        What the measure means, for a report's reader: ``"share of the group in the variance of the scores"``.
    """

    measure: str
    label: str | None
    group: str
    value: float
    text: str = ""
