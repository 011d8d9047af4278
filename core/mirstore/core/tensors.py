"""Tensors of many examples, read when they are asked for: whole, cropped, or as views of excerpts."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import overload

import numpy as np


class Tensors(Sequence[np.ndarray]):
    """The arrays of one tensor column, one per example; nothing is read before it is asked for.

    ``len(tensors)``, ``tensors[i]`` and iteration work as for a list, and a slice is again lazy, so that it can be
    given to torch's DataLoader as it is.

    Attributes
    ----------
    hop : float or None [s]
        How long a step of the last axis is; None where the column does not say.
    """

    hop: float | None = None

    @abstractmethod
    def length(self, index: int) -> int:
        """Return how many steps the last axis of array ``index`` has, without reading it.

        Parameters
        ----------
        index : int >= 0
        """

    @abstractmethod
    def crop(self, index: int, first: int, last: int) -> np.ndarray:
        """Return steps ``first`` to ``last`` of the last axis of array ``index``, without reading the rest.

        Parameters
        ----------
        index : int >= 0
        first, last : int
            ``0 <= first <= last``; ``last`` is left out, and may lie behind the end.
        """

    @overload
    def __getitem__(self, index: int) -> np.ndarray: ...
    @overload
    def __getitem__(self, index: slice) -> Tensors: ...
    def __getitem__(self, index: int | slice) -> np.ndarray | Tensors:
        if isinstance(index, slice):
            return self.take(np.arange(len(self))[index])
        number = range(len(self))[index]
        return self.crop(number, 0, self.length(number))

    def take(self, positions: np.ndarray) -> Tensors:
        """Return the tensors at these positions; they stay where they are.

        Parameters
        ----------
        positions : np.ndarray of int [shape=(n,)]
            In any order; one may stand there twice.
        """
        lengths = np.array([self.length(int(i)) for i in positions], dtype=np.int64)
        return Excerpts(self, np.asarray(positions), np.zeros_like(lengths), lengths)


class Arrays(Tensors):
    """Arrays in memory.

    Parameters
    ----------
    arrays : sequence of np.ndarray
    hop : float > 0 [s], optional

    Examples
    --------
    >>> mel = Arrays([np.ones((128, 300)), np.ones((128, 420))], hop=0.1)
    >>> len(mel), mel[1].shape, mel.crop(1, 400, 500).shape
    (2, (128, 420), (128, 20))
    >>> mel.take(np.array([1, 1, 0])).length(0)
    420
    """

    def __init__(self, arrays: Sequence[np.ndarray], hop: float | None = None) -> None:
        self.arrays, self.hop = list(arrays), hop

    def __len__(self) -> int:
        return len(self.arrays)

    def length(self, index: int) -> int:
        """Return the size of the last axis.

        Parameters
        ----------
        index : int >= 0
        """
        return int(self.arrays[index].shape[-1])

    def crop(self, index: int, first: int, last: int) -> np.ndarray:
        """Return a view.

        Parameters
        ----------
        index : int >= 0
        first, last : int
            As for `Tensors.crop`.
        """
        return self.arrays[index][..., first:last]


class Excerpts(Tensors):
    """Parts of other tensors along the last axis, as views.

    Parameters
    ----------
    items : Tensors
    rows, first, lengths : np.ndarray of int [shape=(n,)]
        Which of ``items`` each excerpt is of, the step where it begins, and how many steps it has.

    Examples
    --------
    >>> items = Arrays([np.arange(10.0)])
    >>> halves = Excerpts(items, rows=np.array([0, 0]), first=np.array([0, 5]), lengths=np.array([5, 5]))
    >>> halves[1].tolist()
    [5.0, 6.0, 7.0, 8.0, 9.0]
    """

    def __init__(self, items: Tensors, rows: np.ndarray, first: np.ndarray, lengths: np.ndarray) -> None:
        self.items, self.rows, self.first, self.lengths = items, rows, first, lengths
        self.hop = items.hop

    def __len__(self) -> int:
        return len(self.rows)

    def length(self, index: int) -> int:
        """Return how many steps an excerpt has.

        Parameters
        ----------
        index : int >= 0
        """
        return int(self.lengths[index])

    def crop(self, index: int, first: int, last: int) -> np.ndarray:
        """Return a part of an excerpt; it never reaches into the next one.

        Parameters
        ----------
        index : int >= 0
        first, last : int
            Counted from where the excerpt begins; ``last`` is left out.
        """
        begin, last = int(self.first[index]), min(last, self.length(index))
        return self.items.crop(int(self.rows[index]), begin + first, begin + max(first, last))

    def take(self, positions: np.ndarray) -> Excerpts:
        """Return some of the excerpts, of the same tensors.

        Parameters
        ----------
        positions : np.ndarray of int [shape=(n,)]
        """
        return Excerpts(self.items, self.rows[positions], self.first[positions], self.lengths[positions])
