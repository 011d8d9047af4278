"""What describes a run is read again as it was written, also by an older mirstore; a newer one's is refused."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest

from mirstore.core.errors import StoreError
from mirstore.store.experiments.details import Details, FoldDetails, LabelCount, Leak, version
from mirstore.store.health import ColumnHealth

first_version = {
    "data": {
        "tracks": 3,
        "hours": None,
        "artists": 2,
        "classes": [{"label": "rock", "tracks": 2}],
        "left_out": [{"why": "no label", "tracks": 1}],
    },
    "health": [{"column": "f.x", "missing": 0, "constant": False, "outliers": 1, "low": -1.0, "high": 2.0}],
    "question": None,
    "cite": ["@book{b}"],
    "distributions": {"mirstore": "0.1"},
    "components": {"model": "ridge"},
    "task": {
        "dataset": "d",
        "labels": "genre",
        "classes": [],
        "split": "grouped",
        "metric": "accuracy",
        "folds": 2,
        "seed": 0,
        "group_by": "artist",
        "evaluate_on": None,
        "label_map": {},
        "name": "t",
        "exclusive": True,
        "runs": 1,
    },
    "folds": [{"run": 0, "fold": 0, "train": 2, "test": 1, "sha256": "ab"}],
    "leakage": [{"kind": "artist", "known": 3, "shared": 0, "examples": None}],
    "groups": {"all": ["f.x"]},
    "lacking": {},
    "seeds": [0],
    "python": "3.11.2",
    "machine": "Linux x86_64",
    "notes": ["a warning"],
    "measures": {},
    "seconds": 1.5,
    "overhead_seconds": 0.5,
}


def test_the_first_version_is_read():
    details = Details.read(json.dumps(first_version))
    assert details.components.role is None
    assert details.folds == (FoldDetails(0, 0, 2, 1, "ab", validation=0),)
    assert details.data.classes == (LabelCount("rock", 2),)
    assert details.health[0].outliers == 1
    assert (details.task.name, details.task.numeric) == ("t", False)
    assert (details.ran.seconds, details.ran.notes, details.ran.seeds) == (1.5, ["a warning"], [0])


def test_what_is_written_is_read_again_and_has_the_keys_of_the_first_version():
    details = Details.read(json.dumps(first_version))
    written = details.as_dict()
    assert written["version"] == version == 2
    assert first_version.keys() <= written.keys()
    assert {key: json.loads(json.dumps(written[key])) for key in ("data", "leakage", "cite", "seconds", "health")} == {
        key: first_version[key] for key in ("data", "leakage", "cite", "seconds", "health")
    }
    again = Details.read(json.dumps(written))
    assert again == details
    assert Details.read(json.dumps({**written, "unheard of": 1})) == details


def test_a_newer_version_is_refused_with_the_reason():
    with pytest.raises(StoreError, match=r"have version 3, and this mirstore reads up to 2.*or a newer one"):
        Details.read(json.dumps({**first_version, "version": 3}))


@pytest.mark.parametrize("key", ["data", "folds", "task", "groups", "components"])
def test_what_lacks_a_part_is_damaged_and_not_a_traceback(key):
    with pytest.raises(StoreError, match="cannot be read"):
        Details.read(json.dumps({name: value for name, value in first_version.items() if name != key}))


def test_examples_of_leaks_can_be_left_out():
    leaks = [{"kind": "artist", "known": 3, "shared": 1, "examples": "Nina"}]
    details = Details.read(json.dumps({**first_version, "leakage": leaks}))
    assert details.leakage == (Leak("artist", 3, 1, "Nina"),)
    assert details.without_examples().leakage == [Leak("artist", 3, 1, None)]


def test_outliers_are_those_beyond_five_robust_standard_deviations():
    values = np.append(np.random.default_rng(440).normal(0, 1, 10_000), [5.5, -7.0])
    health = ColumnHealth.of(pl.Series("x", [*values, None, float("nan"), float("inf")]))
    assert (health.column, health.missing, health.outliers, health.constant) == ("x", 3, 2, False)
    assert (health.low, health.high) == (-7.0, 5.5)


def test_a_constant_and_an_empty_column_have_no_outliers():
    assert ColumnHealth.of(pl.Series("x", [2, 2, 2])) == ColumnHealth("x", 0, True, 0, 2.0, 2.0)
    assert ColumnHealth.of(pl.Series("x", [None, None], pl.Float32)) == ColumnHealth("x", 2, False, 0, None, None)
