"""Aggregates against numpy: means, spreads and shares over rows, seconds, and the first of two answers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirstore.core import Column, Extractor
from mirstore.core.columns import check_rows
from mirstore.core.entries import FeatureEntry
from mirstore.core.errors import ConfigError, TrackError
from mirstore.core.features import FeatureSet
from mirstore.core.inputs import Inputs
from mirstore.core.plugins import Plugins
from mirstore.core.registry import Registry
from mirstore.core.resolve import resolve
from mirstore.core.tracks import Track
from mirstore_aggregates import Coalesce, Histogram, Mean, PerSecond, Std

start = Column(pl.Float64, "s", "begin", (0, None))
end = Column(pl.Float64, "s", "end", (0, None))
pitch = Column(pl.Float32, "Hz", "pitch of the note", (0, 20000), nullable=True)
label = Column(pl.String, "", "chord", nullable=True)
notes = {"start": start, "end": end, "pitch": pitch, "label": label}
points = {"start": start, "pitch": pitch}


def source(declared, name="notes"):
    """Return a feature set that nobody computes here: its rows are given."""

    @dataclass
    class Source(Extractor):
        def columns(self):
            return declared

        def extract(self, track):
            raise AssertionError

    Source.name = name
    return FeatureSet(name, Source())


def run(extractor, rows, columns=notes, **others):
    """Return what an extractor makes of rows, checked against its declaration as a worker does."""
    inputs = (
        {"rows": source(columns)}
        if extractor.inputs == ("rows",)
        else {n: source(c, n) for n, (_, c) in others.items()}
    )
    feature = FeatureSet("x", extractor, inputs)
    given = (
        {inputs["rows"].id: rows}
        if "rows" in inputs
        else {inputs[n].id: r for n, (r, _) in others.items() if r is not None}
    )
    track = Track("t", Path("t.wav"), inputs=Inputs(feature, given))
    return check_rows(extractor.extract(track), feature.columns)


def note(begin, stop, value, text=None):
    return {"start": begin, "end": stop, "pitch": value, "label": text}


def test_the_mean_is_weighted_by_length():
    rows = [note(0, 1, 100.0), note(1, 4, 200.0), note(4, 5, None)]
    assert run(Mean(), rows) == [{"pitch": 175.0, "rows": 3}]
    assert run(Mean(), [{"start": r["start"], "pitch": r["pitch"]} for r in rows], points) == [
        {"pitch": 150.0, "rows": 3}
    ]


def test_an_instrumental_has_no_mean_and_no_words():
    assert run(Mean(), []) == [{"pitch": None, "rows": 0}]
    assert run(Std(), []) == [{"pitch": None, "rows": 0}]
    assert run(PerSecond(), []) == []
    shares = run(Histogram("label", ["N"]), [])
    assert shares == [{"label_n": None, "label_other": None, "rows": 0}]


def test_rows_of_no_length_count_alike():
    assert run(Mean(), [note(1, 1, 1.0), note(2, 2, 3.0)]) == [{"pitch": 2.0, "rows": 2}]


def test_a_row_that_ends_before_it_starts_has_no_length():
    rows = [note(0, 3, 100.0, "C"), note(5, 3, 300.0, "G")]
    assert run(Mean(), rows) == [{"pitch": 100.0, "rows": 2}]
    assert run(Std(), rows) == [{"pitch": 0.0, "rows": 2}]
    assert run(Histogram("label", ["C"]), rows) == [{"label_c": 1.0, "label_other": 0.0, "rows": 2}]


lengths = st.floats(0.125, 8, width=32)
values = st.one_of(st.none(), st.floats(0, 1000, width=32))


@given(st.lists(st.tuples(lengths, values), min_size=1, max_size=20))
def test_moments_are_those_of_numpy(drawn):
    rows = [note(number, number + length, value) for number, (length, value) in enumerate(drawn)]
    there = [(length, value) for length, value in drawn if value is not None]
    (mean,), (std,) = run(Mean(), rows), run(Std(), rows)
    if not there:
        assert mean["pitch"] is std["pitch"] is None
        return
    weights, numbers = map(np.array, zip(*there, strict=True))
    middle = np.average(numbers, weights=weights)
    assert mean["pitch"] == pytest.approx(middle)
    assert std["pitch"] == pytest.approx(np.sqrt(np.average((numbers - middle) ** 2, weights=weights)), abs=1e-4)


def test_what_is_declared_tells_of_what_is_read():
    columns = FeatureSet("x", Mean(), {"rows": source(notes)}).columns
    assert list(columns) == ["pitch", "rows"]
    assert (columns["pitch"].unit, columns["pitch"].text) == ("Hz", "mean of pitch of the note")
    assert columns["pitch"].range == (0, 20000)


@pytest.mark.parametrize("extractor", [Mean(), Std(), PerSecond()])
def test_without_numbers_there_is_nothing_to_average(extractor):
    with pytest.raises(ConfigError, match="no columns of numbers") as error:
        _ = FeatureSet("x", extractor, {"rows": source({"start": start, "label": label})}).columns
    assert "histogram" in error.value.hint


def test_shares_of_texts_are_shares_of_time():
    rows = [note(0, 1, None, "C:maj"), note(1, 4, None, "G"), note(4, 8, None, "N"), note(8, 10, None, None)]
    (row,) = run(Histogram("label", ["C:maj", "G", "F#"]), rows)
    assert row == {"label_c_maj": 0.125, "label_g": 0.375, "label_f_sharp": 0.0, "label_other": 0.5, "rows": 4}


def test_values_that_would_have_one_name_get_numbers():
    columns = FeatureSet("x", Histogram("label", ["a b", "a-b", "other"]), {"rows": source(notes)}).columns
    assert list(columns) == ["label_a_b", "label_a_b_2", "label_other_2", "label_other", "rows"]
    assert columns["label_a_b_2"].text == "share of 'a-b' in chord"


@given(
    st.lists(st.floats(0, 10, width=32), min_size=1, max_size=30), st.lists(st.integers(1, 9), min_size=2, unique=True)
)
def test_bins_are_those_of_numpy(numbers, edges):
    edges = sorted(map(float, edges))
    (row,) = run(Histogram("pitch", bins=edges), [{"start": 0.0, "pitch": x} for x in numbers], points)
    expected, _ = np.histogram(numbers, edges)
    found = [row[f"pitch_bin_{number}"] for number in range(len(edges) - 1)]
    assert found == pytest.approx(list(expected / len(numbers)))
    assert sum(found) + row["pitch_other"] == pytest.approx(1)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"values": ["a"], "bins": [1, 2]}, "give either"),
        ({"values": ["a", "a"]}, "twice"),
        ({"bins": [2, 1]}, "rising"),
        ({"bins": [1]}, "two or more"),
    ],
)
def test_a_histogram_takes_values_or_bins(parameters, message):
    with pytest.raises(ValueError, match=message):
        Histogram("label", **parameters)


def test_a_histogram_of_nothing_says_what_it_needs():
    with pytest.raises(ConfigError, match="needs values"):
        _ = FeatureSet("x", Histogram("label"), {"rows": source(notes)}).columns


@pytest.mark.parametrize(("name", "known"), [("chord", "label"), ("pitch", "label")])
def test_a_histogram_of_what_is_not_there_names_what_is(name, known):
    with pytest.raises(ConfigError, match=f"no column '{name}' that is a text") as error:
        _ = FeatureSet("x", Histogram(name, ["N"]), {"rows": source(notes)}).columns
    assert error.value.hint == f"columns: {known}"


def test_each_second_is_weighted_by_overlap():
    rows = [note(0.0, 0.5, 10.0), note(0.5, 2.0, 20.0), note(3.25, 3.5, 40.0)]
    assert run(PerSecond(), rows) == [
        {"start": 0.0, "pitch": 15.0, "rows": 2},
        {"start": 1.0, "pitch": 20.0, "rows": 1},
        {"start": 2.0, "pitch": None, "rows": 0},
        {"start": 3.0, "pitch": 40.0, "rows": 1},
    ]


def test_points_belong_to_the_second_in_which_they_are():
    rows = [{"start": s, "pitch": p} for s, p in [(0.0, 1.0), (0.9, 3.0), (1.0, 5.0)]]
    assert run(PerSecond(), rows, points) == [
        {"start": 0.0, "pitch": 2.0, "rows": 2},
        {"start": 1.0, "pitch": 5.0, "rows": 1},
    ]


@given(st.lists(st.tuples(st.floats(0, 20, width=32), lengths, st.floats(0, 1000, width=32)), min_size=1, max_size=15))
def test_seconds_are_what_fine_sampling_says(drawn):
    rows = [note(float(s), float(s) + float(d), v) for s, d, v in drawn]
    found = run(PerSecond(), rows)
    begins, ends = np.array([r["start"] for r in rows]), np.array([r["end"] for r in rows])
    numbers = np.array([r["pitch"] for r in rows])
    assert len(found) == np.ceil(ends.max())
    for row in found:
        overlap = np.clip(np.minimum(ends, row["start"] + 1) - np.maximum(begins, row["start"]), 0, None)
        if overlap.sum() > 1e-6:
            assert row["pitch"] == pytest.approx(np.average(numbers, weights=overlap), rel=1e-4, abs=1e-4)


def test_seconds_of_two_sets_can_be_joined():
    first, second = (FeatureSet("x", PerSecond(), {"rows": source(c, n)}) for c, n in [(notes, "a"), (points, "b")])
    assert first.columns["start"].grid == second.columns["start"].grid == "every 1 s"


def test_a_row_that_ends_next_year_fails_and_takes_no_memory():
    with pytest.raises(TrackError, match="are the most"):
        run(PerSecond(), [note(0, 3e7, 1.0)])


def test_per_second_needs_times():
    with pytest.raises(ConfigError, match="one row per track"):
        _ = FeatureSet("x", PerSecond(), {"rows": source({"pitch": pitch})}).columns


one, two = [{"start": 0.0, "pitch": 1.0}], [note(0.0, 1.0, 2.0, "N")]


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (one, two, [{"start": 0.0, "pitch": 1.0, "source": "a"}]),
        (None, two, [{"start": 0.0, "pitch": 2.0, "source": "b"}]),
        (one, None, [{"start": 0.0, "pitch": 1.0, "source": "a"}]),
        ([], two, []),
    ],
)
def test_the_first_answer_counts(a, b, expected):
    assert run(Coalesce(), None, a=(a, points), b=(b, notes)) == expected


def test_no_answer_at_all_is_a_failure():
    with pytest.raises(TrackError, match="neither a nor b"):
        run(Coalesce(), None, a=(None, points), b=(None, notes))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"pitch": pitch}, "several rows per track"),
        ({"start": start, "other": pitch}, "no columns of one name"),
        ({"start": start, "pitch": Column(pl.Float32, "st", "pitch")}, "is in 'Hz' and in 'st'"),
    ],
)
def test_unlike_answers_are_refused(columns, message):
    with pytest.raises(ConfigError, match=message):
        _ = FeatureSet("x", Coalesce(), {"a": source(points, "a"), "b": source(columns, "b")}).columns


def test_anyone_can_name_them_in_the_registry(test_plugins):
    registry = Registry.load()
    registry.features["level"] = FeatureEntry(extractor="mean@1", inputs={"rows": "rms-segments"})
    feature = resolve(["level"], registry, Plugins.installed())["level"]
    assert feature.inputs["rows"].extractor.name == "rms-segments"
    assert feature.columns["rms_db"].unit == "dB"
