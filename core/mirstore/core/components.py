"""The four kinds of component that a plugin can bring, as base classes.

A component is a dataclass whose fields are its parameters. A field that cannot change the result (a device, a
number of workers) is ``field(compare=False)`` and stays out of the identity.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar

from mirstore.core.columns import Column, Row

if TYPE_CHECKING:
    from typing import Self

    import numpy as np
    import polars as pl

    from mirstore.core.tracks import Track


@dataclass
class Component(ABC):
    """What all components share.

    Attributes
    ----------
    name : str
        Lower case, digits and hyphens; unique among the installed components of its kind.
    version : int
        Counts up whenever the same input and parameters would give another result.
    cite : tuple of str
        BibTeX of the publications behind it; reports print it.
    """

    name: ClassVar[str]
    version: ClassVar[int] = 1
    cite: ClassVar[tuple[str, ...]] = ()

    def params(self) -> dict[str, Any]:
        """Return the parameters that can change the result."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.compare}


@dataclass
class Extractor(Component):
    """Turns a track's audio, or other features of it, into rows of features.

    Attributes
    ----------
    inputs : tuple of str
        Feature sets that it reads; none means that it reads audio.
    batch : int
        How many tracks `extract_batch` likes at once; 1 unless a model gains from more.
    place : str
        Where it runs unless the registry says another place: ``"cpu"``, or ``"gpu"`` for a model that gains from one.
    memory : int [bytes] or None
        What one process needs, if that is much: as many run as there is memory for.
    cost : float or None
        CPU time per second of audio [s/s], beside what its inputs cost: a dry run's estimate until the store has
        times of its own. ``benchmarks/costs.py`` measures it.
    """

    inputs: ClassVar[tuple[str, ...]] = ()
    batch: ClassVar[int] = 1
    place: ClassVar[str] = "cpu"
    memory: ClassVar[int | None] = None
    cost: ClassVar[float | None] = None

    @abstractmethod
    def columns(self, *args: Any, **kwargs: Any) -> Mapping[str, Column]:
        """Return the columns that it writes; a ``start`` column [s] means several rows per track.

        Declared as ``columns(self)``, or as ``columns(self, inputs)`` where that depends on what is read: ``inputs``
        are the columns of each input, by the names in ``inputs``. `FeatureSet.columns` calls either.
        """

    @abstractmethod
    def extract(self, track: Track) -> Row | Sequence[Row]:
        """Return one track's row, or its rows if there is a ``start`` column."""

    def extract_batch(self, tracks: Sequence[Track]) -> Sequence[Row | Sequence[Row]]:
        """Return one result per track; override where a model gains from batches."""
        return [self.extract(track) for track in tracks]

    def weights(self) -> str | None:
        """Return the SHA-256 of the model weights that it uses, None if it has none."""
        return None


@dataclass
class Grouper(Component):
    """Sorts feature columns into named groups."""

    @abstractmethod
    def group(self, columns: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """Return group name to its columns, disjoint; columns are qualified as ``featureset.column``."""

    def lacking(self, columns: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """Return group name to what it would also hold but ``columns`` do not have; empty if it asks for nothing."""
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
        deviation 1 on the training part, nothing missing.
    classes : tuple of str
        Names of the k classes.
    labels : np.ndarray [shape=(n, k)] or None
        0/1 labels or label distributions; None when predicting.
    tensors : Mapping
        Tensor column to a lazily indexed sequence of n arrays.
    exclusive : bool
        Whether an example has exactly one class, as a genre; otherwise any number of them, as tags.
    units : np.ndarray [shape=(n,)] of str or None
        What must not be torn apart when examples are resampled or split again: the artist, if known.
    """

    table: pl.DataFrame
    classes: tuple[str, ...]
    labels: np.ndarray | None
    tensors: Mapping[str, Sequence[np.ndarray]]
    exclusive: bool = False
    units: np.ndarray | None = None


@dataclass
class Model(Component):
    """Learns labels from features; scikit-learn's manners.

    The three abstract methods are all that a model needs. The others let it explain itself further; a report shows
    what there is.
    """

    @abstractmethod
    def fit(self, examples: Examples, groups: Mapping[str, Sequence[str]], seed: int) -> Self:
        """Learn from labelled examples and return self; columns in no group are not used."""

    @abstractmethod
    def predict_proba(self, examples: Examples) -> np.ndarray:
        """Return a score in [0, 1] per example and class [shape=(n, k)]."""

    @abstractmethod
    def group_importances(self) -> Mapping[str, float]:
        """Return the share of each group; the shares sum to 1. Empty if the model has none."""

    def importances(self) -> Sequence[Importance]:
        """Return further measures of the groups, per label where there is such a thing."""
        return ()

    def column_weights(self) -> np.ndarray | None:
        """Return the signed weight, or the gain, of every column per class [shape=(k, columns of the table)]."""
        return None

    def contributions(self, examples: Examples) -> np.ndarray | None:
        """Return what each group adds to each class's score of each example [shape=(n, k, groups)].

        The scores meant are the ones before they are turned into [0, 1]; groups come in the order given to `fit`.
        """
        return None

    def importances_of_groupings(
        self, examples: Examples, groupings: Sequence[Mapping[str, Sequence[str]]], seed: int
    ) -> Sequence[Mapping[str, float]] | None:
        """Return the group importances of a fit under each grouping, where that is cheap."""
        return None

    def bootstrap_importances(
        self, examples: Examples, groups: Mapping[str, Sequence[str]], draws: int, seed: int
    ) -> Sequence[Mapping[str, float]] | None:
        """Return the group importances of fits to resampled ``units`` (drawn with replacement), where cheap."""
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
    """

    measure: str
    label: str | None
    group: str
    value: float
