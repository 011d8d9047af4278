"""The fourth kind of component: what learns labels from features, what it learns from, and how it explains itself."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

from mirstore.core.components import Component

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self

    import numpy as np
    import polars as pl

    from mirstore.core.tensors import Tensors


Role = Literal["floor", "opaque", "signed"]
Hears = Mapping[str, tuple[int | None, int | None]]
"""What a report may say of a model; see `Model`."""


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
    hears : Mapping of str to (int or None, int or None)
        For a model that reads certain tensors and nothing else: each of them in words, with how many rows and how many
        frames its arrays have; None where any number will do. Numbers are then kept out of its groups, which is told,
        and so are tensors of other shapes; a case without all of them is refused. Empty for all other models. A class
        attribute, or a property where it depends on a parameter.
    """

    role: ClassVar[Role] = "opaque"
    tabular: ClassVar[bool] = False

    @property
    def hears(self) -> Hears:
        """Return the tensors that it reads; none by default, which stands for all that there is."""
        return {}

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
