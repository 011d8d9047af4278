"""What running a case costs beside `fit` and `predict`: ``python benchmarks/orchestration.py``.

Tables of the size of GTZAN (999 × 61, 10 classes) and of MTG-Jamendo's validation part (3,802 × 62, 56 tags), five
folds, through the store: assembling, scaling, measuring, and committing predictions, importances and contributions.
"""

from __future__ import annotations

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"

import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import polars as pl

from mirstore.core.experiments.cases import cases
from mirstore.core.plugins import Plugins
from mirstore.core.registry import Registry
from mirstore.store import Store
from mirstore.store.experiments.planning import plan
from mirstore.store.experiments.running import run
from mirstore.store.ingest.published_tables import import_table

rng = np.random.default_rng(440)


def make_table(path: Path, n: int, d: int, k: int, exclusive: bool) -> None:
    """Write a feature table with labels."""
    X = rng.normal(size=(n, d))
    scores = X[:, :k] + rng.normal(size=(n, k))
    Y = np.eye(k)[scores.argmax(axis=1)] if exclusive else (scores > np.quantile(scores, 0.95, axis=0)).astype(float)
    names = [f"f{i}" for i in range(d)], [f"label{i}" for i in range(k)]
    frame = pl.DataFrame(np.hstack([X, Y]), schema=[*names[0], *names[1]])
    frame.with_columns(id=pl.Series([f"t{i}" for i in range(n)])).write_csv(path)
    artists = pl.DataFrame({"id": [f"t{i}" for i in range(n)], "artist": [f"a{i % 307}" for i in range(n)]})
    artists.write_csv(path.with_name("about.csv"))


def main() -> None:
    """Run eight cases on each of two tables, once to load libraries and once to measure."""
    plugins = Plugins.installed()
    for n, d, k, exclusive in ((999, 61, 10, True), (3802, 62, 56, False)):
        with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "store", create=True) as store:
            table = Path(folder) / "table.csv"
            make_table(table, n, d, k, exclusive)
            labels, about = [f"label0..label{k - 1}"], Path(folder) / "about.csv"
            import_table(store, table, dataset="d", labels=labels, label_set="l", about=about)
            for round_ in range(2):
                task = {"dataset": "d", "labels": "l", "metric": "roc_auc"}
                experiment = {"task": "t", "features": ["d"], "grouping": "random", "seed": round_}
                registry = Registry.model_validate(
                    {
                        "schema": 1,
                        "tasks": {"t": task},
                        "models": {f"ridge-{a}": {"model": "ridge", "params": {"alpha": a}} for a in range(1, 8)},
                        "experiments": {
                            "e": {
                                **experiment,
                                "matrix": {"model": ["em-banded", *(f"ridge-{a}" for a in range(1, 8))]},
                            }
                        },
                    }
                )
                begun = time.process_time()
                planned = plan(store, cases(registry, ["e"]), registry, plugins)
                planning = (time.process_time() - begun) / len(planned)
                begun = time.process_time()
                outcomes = run(store, planned, pool=lambda workers, limits: ThreadPoolExecutor(1)).result()
                running = time.process_time() - begun
                assert all(outcome.error is None for outcome in outcomes)
                fits = [_fit_seconds(store, outcome.run) for outcome in outcomes]
                if round_:
                    beside = (running - sum(fits)) / len(planned) + planning
                    print(
                        f"{n:,} × {d} × {k}: em-banded fits and predicts in {max(fits):.2f} CPU-s, ridge in "
                        f"{min(fits):.2f}; all else {beside:.2f} a case ({planning:.2f} planning); wanted 0.2"
                    )


def _fit_seconds(store: Store, run: str) -> float:
    from mirstore.store.experiments.results import everything

    details = everything(store, run)["details"]
    return float(details["seconds"] - details["overhead_seconds"])


if __name__ == "__main__":
    main()
