"""What components of plugins are: three of the four kinds, as base classes; `mirstore.core.models` has the fourth.

A component is a dataclass whose fields are its parameters. A field that cannot change the result (a device, a
number of workers) is ``field(compare=False)`` and stays out of the identity. One that is the folder of a kept model has
``metadata={"kept_model": True}``: in the registry stands the model's name or hash.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import Field, dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar

from mirstore.core.columns import Column, Row
from mirstore.core.errors import UsageError
from mirstore.core.pretrained import Weights

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from mirstore.core.tracks import Track


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
        Where one comes later, what was computed without it is computed again. One that the registry's entry does not
        name, and that nothing is called, is left out.
    fallbacks : Mapping of str to str
        Those of ``inputs`` that stand in for another one, to that one: a fallback is computed for tracks only that have
        no answer there when an ingest begins. It is not optional by that.
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
    fallbacks: ClassVar[Mapping[str, str]] = {}
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

    def rdf(self, inputs: Mapping[str, pl.DataFrame]) -> str:
        """Return what it takes of its inputs for, as a graph in Turtle; override it where there is such a form.

        Parameters
        ----------
        inputs : Mapping of str to pl.DataFrame
            The rows of all tracks, with ``track``, by the names in `inputs`.

        Raises
        ------
        UsageError
            If there is none.
        """
        raise UsageError(f"{self.name!r} has no form in RDF", hint="mirstore export --features writes tables")

    def reads(self) -> Mapping[str, str | None]:
        """Return what it reads by name, and the id that this feature set must have, None if any will do.

        By default `inputs`, whatever they mean; override it where that depends on parameters.
        """
        return dict.fromkeys(self.inputs)

    def weights(self) -> str | None:
        """Return the SHA-256 of the model weights that it uses, None if it has none; by default those of `uses`."""
        from mirstore.core.weights.cache import identity

        return identity(self.uses())


def weights_of(extractor: Extractor) -> str | None:
    """Return what an extractor's ``weights()`` says; where a parameter has that name, the SHA-256 of those of `uses`.

    Parameters
    ----------
    extractor : Extractor
    """
    return extractor.weights() if callable(extractor.weights) else Extractor.weights(extractor)


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

    def held_out(self, X: np.ndarray, Y: np.ndarray, others: np.ndarray, seed: int) -> np.ndarray | None:
        """Return the distributions of examples whose labels it has not seen, None if it cannot say.

        Nothing is learned from them: they show how much of what `smooth` says is what it was told.

        Parameters
        ----------
        X, Y : np.ndarray
            As for `smooth`.
        others : np.ndarray [shape=(m, d)]
            Features of the other examples.
        seed : int
            As for `smooth`.

        Returns
        -------
        np.ndarray [shape=(m, k)] or None
            Non-negative; rows sum to 1.
        """
        return None
