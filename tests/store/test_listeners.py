"""People's rankings beside the cases of a report: read from a table, compared with the shares of the same groups."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from inline import here

from mirstore.core.errors import UsageError
from mirstore.core.registry import Registry
from mirstore.store import Project, Store
from mirstore.store.experiments import running
from mirstore.store.ingest.published_tables import import_table

registry = Registry.model_validate(
    {
        "schema": 1,
        "groupings": {"mine": {"groups": {"told": ["a"], "noise": ["b", "c"]}}},
        "tasks": {"genre": {"dataset": "small", "labels": "genre", "metric": "accuracy", "folds": 3}},
        "experiments": {
            "one": {
                "task": "genre",
                "features": ["small"],
                "grouping": "mine",
                "permutations": 19,
                "halves": 20,
                "random_groupings": 0,
                "matrix": {"model": ["ridge", "majority"]},
            }
        },
    }
)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("listeners")
    rng, labels = np.random.default_rng(7), np.arange(36) % 2
    X = rng.normal(size=(36, 3)) + np.outer(labels, [3, 0, 0])
    frame = pl.DataFrame(X, schema=["a", "b", "c"]).with_columns(
        pl.Series("id", [f"t{i}" for i in range(36)]), pl.Series("genre", np.array(["jazz", "rock"])[labels])
    )
    frame.write_csv(folder / "small.csv")
    with Store(folder / "store", create=True) as store:
        import_table(store, folder / "small.csv", dataset="small", labels=["genre"])
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(running.run.__wrapped__.__kwdefaults__, "pool", here)
            with Project(store, registry) as made:
                made.run("one").result()
                yield made


def table(tmp_path, text):
    path = tmp_path / "people.csv"
    path.write_text(text)
    return path


def test_each_case_with_these_groups_has_its_distance_to_the_raters(project, tmp_path):
    rows = "".join(f"{rater},told,1\n{rater},noise,2\n" for rater in "xyz")
    (report,) = project.report("one", listeners=table(tmp_path, "rater,group,rank\n" + rows))
    said = report.listeners
    assert said is not None
    assert (said.source, list(said.raters), said.mean_ranks) == ("people.csv", ["x", "y", "z"], {"told": 1, "noise": 2})
    assert (said.w, said.to_each_other) == (1, 0)
    (ridge,) = [case for case in report.cases if case.case["model"] == "ridge"]
    near = said.cases[ridge.run]
    assert (near.distance, near.by_chance, near.p) == (0, 0.5, 0.5)
    assert near.ends == (0, 0)  # the label is in one column, in every half
    assert report.as_dict()["listeners"]["cases"][ridge.run]["distance"] == 0


def test_the_opposite_order_is_far(project, tmp_path):
    (report,) = project.report("one", listeners=table(tmp_path, "rater,group,rank\nx,told,2\nx,noise,1\n"))
    assert {near.distance for near in report.listeners.cases.values()} == {1}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("who,group,rank\nx,told,1\n", "has no column 'rater'"),
        ("rater,group,rank\nx,told,first\n", "cells that are no numbers"),
        ("rater,group,rank\nx,told,1\nx,told,2\n", "rater 'x' ranks 'told' twice"),
        ("rater,group,rank\nx,told,1\nx,noise,2\ny,told,1\n", "rank different groups: noise"),
        ("rater,group,rank\nx,told,1\n", "one group has no order"),
        ("rater,group,rank\nx,loud,1\nx,noise,2\n", "no finished case has these groups"),
        ("rater,group,rank\n,told,1\nx,noise,2\n", "a row has no rater or no group"),
    ],
)
def test_what_is_no_ranking_of_these_groups_is_refused(project, tmp_path, text, message):
    with pytest.raises(UsageError, match=message):
        project.report("one", listeners=table(tmp_path, text))
