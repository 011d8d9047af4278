"""The nearest of some examples, exactly, by scikit-learn or by faiss."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np

from mirstore.core.extras import require

Search = Literal["scikit-learn", "faiss"]

spare = 10  # neighbours fetched beyond those needed, so that equally near ones can be put in order
rows = 4096  # looked up at once


def nearest(
    among: np.ndarray, wanted: np.ndarray, count: int, search: Search, own: np.ndarray | None = None
) -> np.ndarray:
    """Return the positions of the nearest, nearest first; among equally near ones the first [shape=(m, count)].

    Parameters
    ----------
    among : np.ndarray [shape=(n, p)]
        The examples that may be neighbours: more than ``count``.
    wanted : np.ndarray [shape=(m, p)]
        Those whose neighbours are looked for.
    count : int
    search : str
        faiss is faster among tens of thousands. It counts in float32: it finds some more than asked for, and exact
        distances decide among them.
    own : np.ndarray of int [shape=(m,)], optional
        Where each of ``wanted`` stands in ``among``: it is no neighbour of its own.
    """
    chosen = np.empty((len(wanted), count), dtype=np.intp)
    for begin, distance, found in _looked_up(among, wanted, min(len(among), count + 1 + spare), search):
        part = slice(begin, begin + len(found))
        if own is not None:
            distance[found == own[part, None]] = np.inf  # among equals it need not come out first
        # Equal rows come out with distances that differ by rounding, which depends on the processor.
        order = np.lexsort((found, np.round(distance, 9)), axis=1)[:, :count]
        chosen[part] = np.take_along_axis(found, order, axis=1)
    return chosen


def _looked_up(
    among: np.ndarray, wanted: np.ndarray, count: int, search: Search
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Yield where a block begins, and the distances and positions of its neighbours."""
    blocks = range(0, len(wanted), rows)
    if search == "scikit-learn":
        from sklearn.neighbors import NearestNeighbors

        index = NearestNeighbors(n_neighbors=count, algorithm="brute").fit(among)
        for begin in blocks:
            yield begin, *index.kneighbors(wanted[begin : begin + rows])
        return
    require("ann")
    from faiss import IndexFlatL2

    flat = IndexFlatL2(among.shape[1])
    flat.add(among.astype(np.float32))
    for begin in blocks:
        block = wanted[begin : begin + rows]
        _, found = flat.search(block.astype(np.float32), count)
        apart = among[found]
        apart -= block[:, None]
        yield begin, np.sqrt(np.einsum("ijk,ijk->ij", apart, apart)), found
