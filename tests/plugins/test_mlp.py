"""The small network over tables: classes, tags and distributions."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from mirstore.core import Examples
from mirstore.core.checks import checks_for
from mirstore.core.errors import ConfigError
from mirstore.core.resolve import build

pytest.importorskip("torch", reason="the extra 'mlp' is not installed")

from mirstore_mlp import MLP

groups = {"all": ["f.x", "f.y"]}


def three_clouds(n=90, seed=0) -> tuple[Examples, np.ndarray]:
    rng = np.random.default_rng(seed)
    classes = np.arange(n) % 3
    points = rng.normal(size=(n, 2)) * 0.5 + np.array([[0, 2], [2, -1], [-2, -1]])[classes]
    table = pl.DataFrame(points, schema=["f.x", "f.y"])
    return Examples(table, ("a", "b", "c"), np.eye(3)[classes], exclusive=True), classes


@pytest.mark.parametrize("check", [pytest.param(c, id=c.__name__) for c in checks_for(MLP())])
def test_keeps_the_contract(check):
    check(MLP(epochs=5))


@pytest.mark.parametrize("error", ["cross-entropy", "absolute"])
def test_it_tells_clouds_apart(error):
    given, _ = three_clouds()
    model = MLP(epochs=40, rate=0.01, error=error).fit(given, groups, 0)
    fresh, truth = three_clouds(seed=1)
    found = model.predict_proba(fresh)
    assert np.mean(found.argmax(axis=1) == truth) > 0.95
    assert np.allclose(found.sum(axis=1), 1)


def test_it_learns_distributions_as_they_are():
    given, classes = three_clouds(300)
    given.labels = np.array([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.3, 0.2, 0.5]])[classes]
    found = MLP(epochs=80, rate=0.01, dropout=0.0).fit(given, groups, 0).predict_proba(given)
    assert np.abs(found - given.labels).mean() < 0.05


def test_tags_have_a_probability_each():
    given, classes = three_clouds()
    tags = np.stack([classes == 0, classes != 2], axis=1).astype(float)
    tagged = Examples(given.table, ("first", "not third"), tags)
    found = MLP(epochs=60, rate=0.01).fit(tagged, groups, 0).predict_proba(tagged)
    assert ((found > 0.5) == (tags > 0)).mean() > 0.95
    assert found.sum(axis=1).max() > 1.5


@pytest.mark.parametrize("params", [{"hidden": 0}, {"dropout": 1.0}, {"error": "mae"}, {"batch": 1}])
def test_parameters_out_of_range_are_refused(params):
    with pytest.raises(ConfigError):
        build(MLP, params, "models.x.params")
