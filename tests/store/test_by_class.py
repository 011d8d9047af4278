"""A column of numbers by the classes of a task."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from test_experiments import add_rows

from mirstore.core import Column
from mirstore.core.errors import UnknownNameError, UsageError
from mirstore.store import Project, Store
from mirstore.store.experiments.by_class import by_class, most_bins
from mirstore.store.experiments.loaded import loaded
from mirstore.store.experiments.runs import find
from mirstore.store.ingest.published_tables import import_table

registry = """
[tasks.styles]
dataset = "styles"
labels = "genre"
metric = "accuracy"
classes = ["dub", "house", "techno"]
[experiments.styles]
task = "styles"
features = ["styles"]
permutations = 0
halves = 0
random_groupings = 0
grouping = "all"
model = "ridge"
[groupings.all]
groups = { all = ["*"] }
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Of each style 12 tracks: house from 120 BPM on, techno from 130 on and two without a tempo, dub at 70 or 140."""
    folder, rng = tmp_path_factory.mktemp("by-class"), np.random.default_rng(0)
    bpm = [*range(120, 132), None, float("nan"), *range(130, 140), *[70, 140] * 6, *[60] * 3]
    styles = [style for style in ("house", "techno", "dub") for _ in range(12)] + ["talk"] * 3
    pl.DataFrame({"id": [f"t{i}" for i in range(39)], "bpm": bpm, "genre": styles}, strict=False).with_columns(
        loud=pl.Series(np.append(rng.normal(size=38), 1e6))
    ).write_csv(folder / "table.csv")
    (folder / "registry.toml").write_text(registry)
    with Store(folder / "store", create=True) as store:
        import_table(store, folder / "table.csv", dataset="styles", labels=["genre"])
        # Two rows of each of two house tracks: a word and a number.
        add_rows(store, "beats", {"start": Column(pl.Float64, "s", "time"), "word": Column(pl.String, "", "a word"),
                                  "gap": Column(pl.Float64, "s", "to the next beat")},
                 [{"track": f"styles:t{i}", "start": float(at), "word": "a", "gap": i + at / 2}
                  for i in range(2) for at in range(2)])  # fmt: skip
    with Project(folder / "store", folder / "registry.toml") as project:
        project.run("styles", jobs=1).result()
        yield project


@pytest.fixture(scope="module")
def details(project):
    (run,) = loaded(project.store, find(project.store, ["styles"]))
    return run.details


def test_each_class_has_its_tracks_and_says_how_many_have_no_value(project):
    (report,) = project.report("styles", by_class=["styles.bpm"])
    (column,) = report.by_class
    assert column.column == "styles.bpm"
    assert [(row.label, row.tracks, row.missing, row.quartiles) for row in column.classes] == [
        ("dub", 12, 0, (70.0, 105.0, 140.0)),
        ("house", 12, 0, (122.75, 125.5, 128.25)),
        ("techno", 10, 2, (132.25, 134.5, 136.75)),
    ]  # fmt: skip
    assert not column.averaged
    json.dumps(report.as_dict(), allow_nan=False)


def test_of_several_rows_the_mean_is_a_tracks_value(project, details):
    column = by_class(project.store, "beats", details)  # its only column of numbers
    assert (column.column, column.unit, column.text, column.averaged) == ("beats.gap", "s", "to the next beat", True)
    house = next(row for row in column.classes if row.label == "house")
    assert (house.tracks, house.missing, house.quartiles) == (2, 10, (0.5, 0.75, 1.0))


def test_classes_that_the_task_leaves_out_are_not_shown(project):
    (report,) = project.report("styles", by_class=["styles.bpm"])
    assert "talk" not in [row.label for row in report.by_class[0].classes]
    assert report.by_class[0].edges[0] > 60


def test_whole_numbers_are_in_the_middle_of_their_bins(project, details):
    column = by_class(project.store, "styles.bpm", details)
    width = column.edges[1] - column.edges[0]
    assert width == 2
    assert len(column.edges) <= most_bins + 2
    assert column.edges[0] == 69.5
    assert all(row.outside == 0 and sum(row.counts) == row.tracks for row in column.classes)


def test_a_far_outlier_does_not_squeeze_the_others_and_is_counted(project, details):
    column = by_class(project.store, "styles.loud", details)
    assert column.edges[-1] < 10
    assert sum(row.outside for row in column.classes) == 0  # the outlier is talk, which the task leaves out
    every = [*details.data.classes, replace(details.data.classes[0], label="talk")]
    column = by_class(project.store, "styles.loud", replace(details, data=replace(details.data, classes=every)))
    assert {row.label: row.tracks for row in column.classes}["talk"] == 3
    assert sum(row.outside for row in column.classes) + sum(sum(row.counts) for row in column.classes) == 39


@pytest.mark.parametrize(
    ("column", "error", "message"),
    [
        ("styles.tempo", UnknownNameError, "unknown column of 'styles': 'tempo'"),
        ("style.bpm", UnknownNameError, "'style'"),
        ("styles", UsageError, "have 2 columns of numbers: say which"),
        ("beats.word", UsageError, "column 'word' of 'beats' holds no numbers"),
        ("beats.start", UsageError, "column 'start' of 'beats' holds no numbers"),
    ],
)
def test_what_cannot_be_shown_by_class_says_why(project, column, error, message):
    with pytest.raises(error, match=message):
        project.report("styles", by_class=[column])


def test_a_task_of_numbers_has_no_classes(project, details):
    numeric = replace(details, task=replace(details.task, numeric=True))
    with pytest.raises(UsageError, match="predicts numbers"):
        by_class(project.store, "styles.bpm", numeric)
