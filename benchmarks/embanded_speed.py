"""EM-banded regression against the published formulation, as ratios in one run.

The peer is the algorithm as published, written out below: per iteration a full inverse and a pass over all rows. Two
labels and 20 of its 200 iterations are timed, and multiplied. One BLAS thread everywhere.
"""

from __future__ import annotations

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"

import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from mirstore.core import Examples
from mirstore.core.experiments.run import random_groupings
from mirstore_embanded import EMBanded, Gram
from mirstore_embanded.evidence import Priors
from mirstore_embanded.regression import Settings, fit

rng = np.random.default_rng(440)
sizes = {"signal": 85, "midlevel": 7, "harmony": 312, "lyrics": 9}


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """Return CPU time [s] and result."""
    begun = time.process_time()
    result = call()
    return time.process_time() - begun, result


def peak(call: Callable[[], Any]) -> float:
    """Return the most memory that a call allocates at once [MB]."""
    tracemalloc.start()
    call()
    most = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    return most


def music(n: int, labels: int = 56) -> tuple[np.ndarray, np.ndarray]:
    """Return features like SAMAT's: correlated signal features, sparse n-grams of chord functions, rare tags.

    312 n-grams are the shares of the 6, 36 and 216 sequences of one to three functions, and 54 sums of some of them:
    collinear, as real ones are.
    """
    latent = rng.normal(size=(n, 12))
    dense = latent @ rng.normal(size=(12, 101)) + 1.5 * rng.normal(size=(n, 101))
    habits = rng.dirichlet(np.full(6, 0.8), size=n)
    orders = [np.array(list(product(range(6), repeat=k))) for k in (1, 2, 3)]
    shares = [rng.poisson(60 * np.prod(habits[:, order], axis=2)) / 60 for order in orders]
    sums = shares[2] @ (rng.random((216, 54)) < 0.05)
    X = np.hstack([dense[:, :92], *shares, sums, dense[:, 92:]])
    X = (X - X.mean(axis=0)) / np.maximum(X.std(axis=0), 1e-9)
    weights = (
        rng.normal(size=(X.shape[1], labels)) * np.repeat([0.06, 0.15, 0.008, 0.03], list(sizes.values()))[:, None]
    )
    scores = X @ weights + rng.normal(size=(n, labels))
    rare = rng.uniform(0.006, 0.1, labels)
    return X, (scores > np.quantile(scores, 1 - rare, axis=0).diagonal()).astype(float)


def reference(X: np.ndarray, y: np.ndarray, groups: list[np.ndarray], iterations: int) -> None:
    """Run the published iteration."""
    from scipy.linalg import cho_factor, cho_solve

    X, y = X - X.mean(axis=0), y - y.mean()
    G, c = X.T @ X, X.T @ y
    lambdas, nu = np.ones(len(groups)), 1.0
    owner = np.concatenate([np.full(len(m), j) for j, m in enumerate(groups)])
    for _ in range(iterations):
        covariance = cho_solve(cho_factor(G / nu + np.diag(1 / lambdas[owner])), np.eye(len(c)))
        w = covariance @ c / nu
        residual = y - X @ w
        lambdas = np.array(
            [(w[m] @ w[m] + np.trace(covariance[np.ix_(m, m)]) + 2e-4) / (len(m) + 2.0002) for m in groups]
        )
        nu = (residual @ residual + np.einsum("ij,ji->", G, covariance) + 2e-4) / (len(y) + 2.0002)


def against_the_reference() -> None:
    """14,000 tracks × 413 features × 56 tags, four groups."""
    X, Y = music(14_000)
    ends = np.cumsum(list(sizes.values()))
    groups = {name: np.arange(end - size, end) for (name, size), end in zip(sizes.items(), ends, strict=True)}
    each = [timed(lambda i=i: reference(X, Y[:, i], list(groups.values()), 20))[0] for i in range(2)]
    peer = np.mean(each) * 10 * Y.shape[1]
    for solver, wanted in (("em", 50), ("auto", 150)):
        settings = Settings(solver, 200, 1e-8, Priors(1e-4, 1e-4, 1e-4, 1e-4), None, scale_y=False, shared=False)
        seconds, found = timed(lambda settings=settings: fit(Gram.of(X, Y), groups, settings))
        what = "published trajectory" if solver == "em" else "its optimum          "
        print(
            f"14,000 × 413 × 56, {what} {seconds:6.2f} CPU-s with X'X, {peer / seconds:4.0f} × as fast as published "
            f"({peer:.0f}, scaled up from 2 labels and 20 iterations); wanted {wanted} ×; "
            f"{found.iterations.mean():.0f} evaluations"
        )
    for times in (1, 4):
        many, targets = np.tile(X, (times, 1)), np.tile(Y, (times, 1))
        ours = peak(lambda x=many, y=targets: fit(Gram.of(x, y), groups, settings))
        theirs = peak(lambda x=many, y=targets: reference(x, y[:, 0], list(groups.values()), 1))
        print(f"   peak memory beside {len(many):,} rows: {ours:.0f} MB; published {theirs:.0f} MB for one label")


def streamed(rows: int = 1_000_000) -> None:
    """A million tracks from Parquet files, never more than a batch of them in memory."""
    with tempfile.TemporaryDirectory() as folder:
        names = [f"f{i:03}" for i in range(413)]
        for part in range(10):
            block = rng.standard_normal((rows // 10, 413), dtype=np.float32)
            columns = {name: block[:, i] for i, name in enumerate(names)} | {"y": block[:, 0] + block[:, 1]}
            pq.write_table(
                pa.table(columns), Path(folder) / f"{part}.parquet", row_group_size=16_384, compression="zstd"
            )
            del block, columns
        # A process of its own, so that its peak memory is the streaming's.
        subprocess.run([sys.executable, "-c", stream, folder], check=True)


stream = """
import resource, sys, time
from pathlib import Path
import pyarrow as pa, pyarrow.parquet as pq
from mirstore_embanded import Gram
pa.set_cpu_count(1)
files = sorted(Path(sys.argv[1]).glob("*.parquet"))
batches = (batch for file in files for batch in pq.ParquetFile(file).iter_batches(16_384))
gram = Gram.of_arrow(batches, ["y"])
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(f"{gram.n:,.0f} × 413 from Parquet to X'X {time.process_time():.1f} CPU-s, {peak:.0f} MB; wanted 20 s, 1,000 MB")
"""


def draws() -> None:
    """Null distributions and bootstraps, at the sizes of GTZAN and MTG-Jamendo's validation part."""
    names = [f"t.f{i}" for i in range(62)]
    for n, d, labels, exclusive, groups in ((999, 61, 10, True, 5), (3802, 62, 56, False, 3)):
        X = rng.normal(size=(n, 10)) @ rng.normal(size=(10, d)) + rng.normal(size=(n, d))
        scores = X[:, :labels] if labels <= d else X
        Y = (
            np.eye(labels)[scores.argmax(axis=1)]
            if exclusive
            else (scores > np.quantile(scores, 0.95, axis=0)).astype(float)
        )
        units = np.array([f"artist {i % 307}" for i in range(n)], dtype=object)
        X = (X - X.mean(axis=0)) / X.std(axis=0)
        examples = Examples(pl.DataFrame(X, schema=names[:d]), tuple(map(str, range(labels))), Y, {}, exclusive, units)
        grouping = {f"g{j}": [str(c) for c in part] for j, part in enumerate(np.array_split(names[:d], groups))}
        model = EMBanded().fit(examples, grouping, 0)
        if exclusive:
            drawn = list(random_groupings(grouping, 100, 0))
            seconds, _ = timed(lambda m=model, e=examples, g=drawn: m.importances_of_groupings(e, g, 0))
            print(f"100 random groupings, {n} × {d} × {labels} {seconds:.1f} CPU-s; wanted 5")
        else:
            seconds, _ = timed(lambda m=model, e=examples, g=grouping: m.bootstrap_importances(e, g, 100, 0))
            print(f"100 artist bootstraps, {n} × {d} × {labels} {seconds:.1f} CPU-s; wanted 10")


if __name__ == "__main__":
    streamed()
    against_the_reference()
    draws()
