"""The t test that papers publish: its numbers, its pairs, and that nothing rests on it."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from mirstore.core.experiments.inference import p_of_difference
from mirstore.store import Project, Store
from mirstore.store.ingest.published_tables import import_table

registry = """
[groupings.one]
groups = { a = ["*.a?"] }
[groupings.two]
groups = { a = ["*.a0", "*.a1"], b = ["*.a2", "*.a3"] }
[tasks.random]
dataset = "random"
labels = "genre"
split = "stratified"
metric = "accuracy"
[experiments.asking]
task = "random"
features = ["random"]
permutations = 0
halves = 0
random_groupings = 0
t_test = true
[experiments.asking.matrix]
grouping = ["one", "two"]
model = ["ridge", "logistic-regression", "majority"]
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Labels that have nothing to do with the features."""
    folder, rng = tmp_path_factory.mktemp("t"), np.random.default_rng(3)
    pl.DataFrame({f"a{i}": rng.normal(size=60) for i in range(4)}).with_columns(
        id=pl.Series([f"t{i}" for i in range(60)]), genre=pl.Series(rng.choice(["x", "y", "z"], 60))
    ).write_csv(folder / "table.csv")
    (folder / "registry.toml").write_text(registry)
    with Store(folder / "store", create=True) as store:
        import_table(store, folder / "table.csv", dataset="random", labels=["genre"])
    with Project(folder / "store", folder / "registry.toml") as project:
        project.run("asking", jobs=1).result()
        yield project


def test_pairs_differ_in_one_part_and_both_learn_something(project):
    (report,) = project.report("asking")
    cases = {case.run: case for case in report.cases}
    assert len(report.t_tests) == 4  # a square: two groupings, two models
    for test in report.t_tests:
        a, b = (cases[run].case for run in (test.run, test.than))
        assert sum(a[key] != b[key] for key in a) == 1
        assert "majority" not in (a["model"], b["model"])
        assert test.difference >= 0


def test_the_numbers_are_those_of_the_textbook_and_ours_are_larger(project):
    from scipy.stats import ttest_rel

    (report,) = project.report("asking")
    values = {case.run: case.findings.metrics["accuracy"].values for case in report.cases}
    tested = [test for test in report.t_tests if test.p is not None]
    assert tested
    for test in tested:
        a, b = values[test.run], values[test.than]
        assert test.p == pytest.approx(ttest_rel(a, b).pvalue)
        assert test.difference == pytest.approx(np.mean(a) - np.mean(b))
        assert test.corrected >= p_of_difference(np.subtract(a, b).tolist(), test_share=0.25) > test.p


def test_the_verdict_is_the_same_whether_it_is_asked_for_or_not(project):
    (asked,) = project.report("asking")
    project.registry.experiments["asking"].t_test = False
    try:
        (silent,) = project.report("asking")
    finally:
        project.registry.experiments["asking"].t_test = True
    assert silent.t_tests is None
    assert asked.verdict == silent.verdict
    assert not asked.verdict.found


def test_differences_that_are_all_equal_have_no_p_value():
    assert p_of_difference([0.02] * 5, test_share=0) is None
    assert p_of_difference([0.02], test_share=0) is None
