"""What models promise: scores, importances, and scikit-learn's manners."""

# ruff: noqa: D401 (a check's docstring states the property)

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import polars as pl

from mirstore.core.checks.smoothers import labelled_points
from mirstore.core.checks.subject import Subject, component_of, require
from mirstore.core.components import Examples, Model

groups = {"timbre": ["essentia.mfcc_01", "essentia.mfcc_02"], "rhythm": ["essentia.bpm", "midlevel.stability"]}


def labelled_examples() -> Examples:
    """Return 60 examples of three classes, with four columns in two groups and a small spectrogram each."""
    X, Y = labelled_points()
    columns = [column for members in groups.values() for column in members]
    table = pl.DataFrame({column: X[:, i] for i, column in enumerate(columns)})
    spectrograms = [np.outer(np.ones(128), x).astype(np.float16) for x in np.repeat(X, 11, axis=1)]  # 128 × 44
    return Examples(table, ("calm", "happy", "sad"), Y, {"mel.spectrogram": spectrograms})


def _fitted(subject: Subject, seed: int = 0) -> tuple[Model, Examples]:
    component = component_of(subject)
    if not isinstance(component, Model):
        raise TypeError(f"{component!r} is no model")
    model = type(component)(**component.params())  # what one check learns must not help the next
    examples = labelled_examples()
    returned = model.fit(examples, groups, seed)
    require(returned is model, f"fit must return self, got {returned!r}")
    return model, replace(examples, labels=None)


def fits_and_returns_itself(subject: Subject) -> None:
    """So that ``Model().fit(…).predict_proba(…)`` reads well."""
    _fitted(subject)


def predicts_scores_between_0_and_1(subject: Subject) -> None:
    """One score per example and class."""
    model, examples = _fitted(subject)
    scores = np.asarray(model.predict_proba(examples))
    expected = (examples.table.height, len(examples.classes))
    require(scores.shape == expected, f"shape {scores.shape}, expected {expected}")
    require(np.isfinite(scores).all(), "scores must be finite")
    require(((scores >= 0) & (scores <= 1)).all(), f"scores from {scores.min():g} to {scores.max():g} leave 0 to 1")


def predicts_each_example_by_itself(subject: Subject) -> None:
    """A score does not depend on the other examples."""
    model, examples = _fitted(subject)
    tensors = {name: arrays[:7] for name, arrays in examples.tensors.items()}
    few = replace(examples, table=examples.table.head(7), tensors=tensors)
    all_scores, few_scores = model.predict_proba(examples), model.predict_proba(few)
    require(np.allclose(all_scores[:7], few_scores, atol=1e-5), "scores change when fewer examples are given")


def repeats_itself_with_the_same_seed(subject: Subject) -> None:
    """The seed is the only source of randomness."""
    first, second = ((model.predict_proba(examples)) for model, examples in (_fitted(subject), _fitted(subject)))
    require(np.array_equal(first, second), "two fits with seed 0 differ")


def survives_pickling(subject: Subject) -> None:
    """Fitted models go to other processes."""
    model, examples = _fitted(subject)
    copy = pickle.loads(pickle.dumps(model))
    require(np.array_equal(model.predict_proba(examples), copy.predict_proba(examples)), "pickling changes the scores")


def shares_importance_between_the_groups(subject: Subject) -> None:
    """Every group has its share and the shares sum to 1, or the model has none at all."""
    shares = dict(_fitted(subject)[0].group_importances())
    if not shares:
        return
    require(shares.keys() == groups.keys(), f"importances for {sorted(shares)}, groups were {sorted(groups)}")
    require(all(share >= 0 for share in shares.values()), f"shares must not be negative, got {shares}")
    require(abs(sum(shares.values()) - 1) < 1e-6, f"shares must sum to 1, got {shares}")


def leaves_the_examples_untouched(subject: Subject) -> None:
    """The same examples go to other models."""
    component = component_of(subject)
    if not isinstance(component, Model):
        raise TypeError(f"{component!r} is no model")
    examples, before = labelled_examples(), labelled_examples()
    type(component)(**component.params()).fit(examples, groups, 0).predict_proba(examples)
    require(examples.table.equals(before.table), "changes the table")
    require(np.array_equal(examples.labels, before.labels), "changes the labels")  # type: ignore[arg-type]
    for name, arrays in before.tensors.items():
        same = all(np.array_equal(a, b) for a, b in zip(arrays, examples.tensors[name], strict=True))
        require(same, f"changes tensor {name!r}")


checks = (
    fits_and_returns_itself,
    predicts_scores_between_0_and_1,
    predicts_each_example_by_itself,
    repeats_itself_with_the_same_seed,
    survives_pickling,
    shares_importance_between_the_groups,
    leaves_the_examples_untouched,
)
