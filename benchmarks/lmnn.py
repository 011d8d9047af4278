"""Our LMNN against metric-learn's, and faiss against scikit-learn, as ratios in one run.

Objectives are computed by one function for both, from the mappings that they learned. With ``--gtzan TABLE``, the
published feature table (a column Track, 61 features, ten columns of genres), on that too: a minute more. One BLAS
thread everywhere.
"""

from __future__ import annotations

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["OMP_NUM_THREADS"] = "1"

import argparse
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl

from mirstore_smoothing.lmnn import LMNN, nearest_of_class, objective
from mirstore_smoothing.neighbours import nearest
from mirstore_smoothing.peer import metric_learn_lmnn

rng = np.random.default_rng(440)


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """Return CPU time [s] and result."""
    begun = time.process_time()
    result = call()
    return time.process_time() - begun, result


def against_metric_learn(X: np.ndarray, y: np.ndarray, what: str, n_components: int) -> None:
    targets = nearest_of_class(X, y, 3)
    ours, mapping = timed(lambda: LMNN(n_components).fit(X, y))
    theirs, peer = timed(lambda: metric_learn_lmnn(n_components, seed=0).fit(X, y))
    left, right = (objective(found.components_, X, y, targets)[0] for found in (mapping, peer))
    print(
        f"{what}, {len(X)} × {X.shape[1]} to {n_components}: {theirs / ours:.0f} × as fast as metric-learn "
        f"({ours:.2f} CPU-s, {mapping.n_iter_} iterations; {theirs:.1f} CPU-s, {peer.n_iter_} iterations); objective "
        f"{left:,.0f}, metric-learn {right:,.0f}, ratio {left / right:.3f}; wanted 10 ×, at most 1",
        flush=True,
    )


def memory() -> None:
    """An evaluation holds blocks of distances, not all of them."""
    for n in (2_000, 8_000):
        X, y = rng.normal(size=(n, 61)), rng.integers(0, 10, n)
        targets = nearest_of_class(X, y, 3)
        tracemalloc.start()
        seconds, _ = timed(lambda X=X, y=y, t=targets: objective(np.eye(32, 61), X, y, t))
        most = tracemalloc.get_traced_memory()[1] / 1e6
        tracemalloc.stop()
        print(f"an evaluation with {n:,} examples: {most:.0f} MB at most, {seconds:.2f} CPU-s", flush=True)


def neighbours() -> None:
    X = rng.normal(size=(20_000, 64))
    peer, expected = timed(lambda: nearest(X, X, 30, "scikit-learn", own=np.arange(len(X))))
    ours, found = timed(lambda: nearest(X, X, 30, "faiss", own=np.arange(len(X))))
    same = (found == expected).mean()
    print(f"30 neighbours of 20,000 × 64: faiss {peer / ours:.1f} × as fast as scikit-learn; {same:.2%} the same")


def gtzan(path: str) -> None:
    table = pl.read_csv(path).drop("Track")
    X, y = table[:, :-10].to_numpy(), table[:, -10:].to_numpy().argmax(axis=1)
    against_metric_learn((X - X.mean(axis=0)) / X.std(axis=0), y, "GTZAN", 32)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gtzan", metavar="TABLE", help="the published feature table of GTZAN")
    asked = parser.parse_args()
    classes = rng.integers(0, 5, 250)
    clouds = rng.normal(size=(250, 40)) + 1.2 * np.eye(5, 40)[classes]
    against_metric_learn(clouds, classes, "five overlapping clouds", 16)
    if asked.gtzan:
        gtzan(asked.gtzan)
    memory()
    neighbours()
