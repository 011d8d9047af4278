"""Published figures beside ours: which case each is of, and why there may be none."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from inline import here

from mirstore.core.errors import ConfigError
from mirstore.core.registry import Registry
from mirstore.store import Project, Store
from mirstore.store.experiments import running
from mirstore.store.ingest.published_tables import import_table

rng = np.random.default_rng(440)


def registry(*published: dict, **more: object) -> Registry:
    base = {"dataset": "small", "labels": "genre", "metric": "accuracy", "folds": 3}
    entry = {"permutations": 0, "halves": 0, "random_groupings": 0, "grouping": "all-features"}
    matrix = {"task": ["genre", "elsewhere"], "features": [["small"], ["small", "words"]], "model": ["ridge", "none"]}
    return Registry.model_validate(
        {
            "schema": 1,
            "tasks": {"genre": base, "elsewhere": {**base, "dataset": "music4all"}},
            "experiments": {"table": {**entry, "matrix": matrix, "published": list(published), **more}},
        }
    )


def figure(value: float = 0.6, **more: object) -> dict:
    return {"metric": "accuracy", "value": value, "source": "Table 1", **more}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("published")
    labels = np.arange(30) % 2
    X = rng.normal(size=(30, 2)) + 2 * labels[:, None]
    frame = pl.DataFrame(X, schema=["a", "b"]).with_columns(
        pl.Series("id", [f"t{i}" for i in range(30)]), pl.Series("genre", np.array(["jazz", "rock"])[labels])
    )
    frame.write_csv(folder / "small.csv")
    with Store(folder / "store", create=True) as made:
        import_table(made, folder / "small.csv", dataset="small", labels=["genre"])
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(running.run.__wrapped__.__kwdefaults__, "pool", here)
            with Project(made, registry()) as project:
                project.run("table", only=["task=genre", "features=small"]).result()
        yield made


def reported(store, *published):
    with Project(store, registry(*published)) as project:
        (report,) = project.report("table")
    return report


def test_a_figure_stands_beside_what_the_same_case_gave(store):
    case = {"task": "genre", "features": "small", "model": "ridge"}
    report = reported(store, figure(0.6, case=case, deviation="other folds"))
    (found,) = report.published
    (ours,) = [item.findings.metrics["accuracy"] for item in report.cases if item.case["model"] == "ridge"]
    assert (found.value, found.ours, found.why, found.deviation) == (0.6, ours, None, "other folds")
    assert found.run in {item.run for item in report.cases}


@pytest.mark.parametrize(
    ("case", "why"),
    [
        ({"task": "elsewhere", "features": "small", "model": "ridge"}, "not run here: dataset 'music4all' is absent"),
        ({"task": "genre", "features": "small+words", "model": "ridge"}, "not run here: features words are absent"),
        ({"task": "genre", "features": "small", "model": "none"}, "not run here"),
    ],
)
def test_a_case_that_has_not_run_says_why(store, case, why):
    (found,) = reported(store, figure(case=case)).published
    assert (found.ours, found.why) == (None, why)


def test_a_metric_that_was_not_measured_is_no_figure(store):
    case = {"task": "genre", "features": "small", "model": "ridge"}
    (found,) = reported(store, {**figure(case=case), "metric": "mae"}).published
    assert (found.ours, found.why) == (None, "mae was not measured here")


def test_what_is_none_of_the_cases_has_a_name_and_nothing_of_ours(store):
    (found,) = reported(store, figure(name="a net on everything", case={"task": "genre"})).published
    assert (found.name, found.case, found.ours, found.why) == ("a net on everything", {"task": "genre"}, None, None)


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ({"task": "genre"}, r"published \(1 of 1\): 4 cases are like that \(give its features, model too\)"),
        ({"model": "rigde"}, "unknown model 'rigde' .*did you mean 'ridge'"),
        ({"modle": "ridge"}, "unknown key of case 'modle'"),
        ({"task": "genre", "features": "words"}, "unknown features 'words'"),
    ],
)
def test_a_figure_that_does_not_say_its_case_is_refused_before_anything_runs(store, case, message):
    with Project(store, registry(figure(case=case))) as project, pytest.raises(ConfigError, match=message):
        project.cases("table")


@pytest.mark.parametrize(
    ("metric", "value", "message"),
    [
        ("accuracy", 67.4, r"accuracy cannot be 67.4 .*per cent\? then 0.674"),
        ("r2", 61.0, "r2 cannot be 61 .*then 0.61"),
        ("mae", -0.1, "mae cannot be -0.1"),
    ],
)
def test_a_figure_that_is_no_value_of_its_metric_is_refused(store, metric, value, message):
    wrong = {**figure(value, name="a net"), "metric": metric}
    with Project(store, registry(wrong)) as project, pytest.raises(ConfigError, match=message):
        project.cases("table")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({}, "give case, or the name"),
        ({"name": "a net", "case": {"model": "ridge"}}, "case may say its task only"),
        ({"name": "a net", "value": float("nan")}, "finite"),
        ({"name": "a net", "metric": "luck"}, "metric"),
    ],
)
def test_a_wrong_figure_is_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        registry({**figure(), **wrong})


def test_a_figure_is_no_part_of_a_case(store):
    before = registry(), registry(figure(name="a net"))
    states = []
    for given in before:
        with Project(store, given) as project:
            states.append([item.sha256 for item in project.cases("table") if item.state == "finished"])
    assert states[0] == states[1]
    assert len(states[0]) == 1
