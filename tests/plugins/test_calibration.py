"""Whole experiments whose answer is known: what a report claims of random labels, and of labels that one group makes.

`benchmarks/calibration.py` does the same on real features, in hundreds.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from threadpoolctl import threadpool_limits

from mirstore.core import Examples
from mirstore.core.experiment_entries import TaskEntry
from mirstore.core.experiments.assembly import Assembly
from mirstore.core.experiments.chance import evidence_in
from mirstore.core.experiments.run import run_case
from mirstore.core.experiments.splits import make_folds
from mirstore.core.experiments.verdict import judge
from mirstore.store import Project
from mirstore_embanded import EMBanded

clips = Path(__file__).parents[2] / "examples" / "clips" / "tracks.csv"
registry = """
schema = 1
[tasks.genre]
dataset = "clips"
labels = "genre"
classes = ["electronic", "metal", "orchestral"]
metric = "accuracy"
[experiments.genre]
task = "genre"
features = ["essentia", "essentia-key", "mfcc-stats"]
runs = 3
permutations = 0
[experiments.genre.matrix]
grouping = ["user-friendly", "all-features"]
model = ["em-banded"]
"""
log_loss = """
WITH known AS (SELECT run, repeat, fold, track, label, truth, score FROM predictions),
     often AS (
         SELECT test.run, test.repeat, test.fold, train.label, avg(train.truth) AS share
         FROM (SELECT DISTINCT run, repeat, fold FROM known) test
         JOIN known train ON train.run = test.run AND train.repeat = test.repeat AND train.fold <> test.fold
         GROUP BY ALL
     )
SELECT grouping, avg(-ln(score)) AS model, avg(-ln(share)) AS frequencies
FROM known JOIN often USING (run, repeat, fold, label) JOIN runs USING (run)
WHERE truth = 1
GROUP BY grouping
"""

n, classes, sets = 60, tuple("abcd"), 20
columns = [f"f.{i:02}" for i in range(20)]
groups = {name: columns[5 * i : 5 * i + 5] for i, name in enumerate(("first", "second", "third", "fourth"))}


def verdict(seed, effect):
    """Return what is said of 60 tracks in which the first group decides so much of the labels' scores."""
    local = np.random.default_rng(seed)
    X = local.normal(size=(n, len(columns)))
    known = X[:, :5] @ local.normal(size=(5, len(classes)))
    scores = np.sqrt(effect) * known / known.std(axis=0) + np.sqrt(1 - effect) * local.normal(size=known.shape)
    labels = np.eye(len(classes))[scores.argmax(axis=1)]
    if labels.sum(axis=0).min() < 5:  # five folds need five
        return verdict(seed + 1000, effect)
    task = TaskEntry(dataset="", labels="", metric="accuracy", split="stratified")
    folds = make_folds(task, labels, classes, True, [str(i) for i in range(n)], 1)
    case = Assembly(
        Examples(pl.DataFrame(X, schema=columns), classes, labels, {}, True),
        tuple(map(str, range(n))),
        np.arange(n),
        tuple(folds),
        groups,
        EMBanded(),
        permutations=99,
        halves=50,
        random_groupings=0,
    )
    with threadpool_limits(1):
        return judge([evidence_in(case, run_case(case), "run")], "run", n)


@pytest.mark.slow
def test_of_random_labels_hardly_a_report_claims_anything():
    found = [verdict(seed, 0.0) for seed in range(sets)]
    assert sum(each.found for each in found) <= 3  # more in one of 60 such tests
    assert all(each.detectable for each in found if not each.found)


@pytest.mark.slow
def test_what_one_group_makes_is_found_and_no_other_group_is_named():
    found = [verdict(seed, 0.6) for seed in range(sets)]
    assert sum(each.found for each in found) >= 18
    named = [claim.group for each in found for claim in each.claims if claim.group]
    assert set(named) == {"first"}
    assert sum(any(claim.kind == "more" for claim in each.claims) for each in found) >= 10


@pytest.mark.slow
def test_probabilities_of_genres_of_clips_say_more_than_their_frequencies(tmp_path):
    (tmp_path / "registry.toml").write_text(registry)
    with Project(tmp_path / "store", tmp_path / "registry.toml") as project:
        project.ingest(str(clips), dataset="clips", features=["essentia", "essentia-key", "mfcc-stats"]).result()
        project.run("genre").result()
        found = project.sql(log_loss)
    assert set(found["grouping"]) == {"user-friendly", "all-features"}
    for row in found.iter_rows(named=True):  # artists never heard, of whose clips there are twelve a class
        assert row["model"] < row["frequencies"]
