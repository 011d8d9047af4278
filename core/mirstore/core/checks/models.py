"""What models promise: scores or numbers, importances, and scikit-learn's manners."""

# ruff: noqa: D401 (a check's docstring states the property)

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_args

import numpy as np
import polars as pl

from mirstore.core.artifacts.files import check_is_data
from mirstore.core.checks.smoothers import labelled_points
from mirstore.core.checks.subject import Subject, component_of, require
from mirstore.core.experiments.assembly import take, without_columns
from mirstore.core.models import Examples, Hears, Model, Role
from mirstore.core.pool import local_pool
from mirstore.core.tensors import Arrays
from mirstore.core.training import Training, fit
from mirstore.core.workers import Limits

groups = {"timbre": ["essentia.mfcc_01", "essentia.mfcc_02"], "rhythm": ["essentia.bpm", "midlevel.stability"]}
_spectrogram: Hears = {"mel.spectrogram": (128, 44)}  # for a model that takes whatever tensors there are


def labelled_examples(*, numeric: bool = False, hears: Hears = _spectrogram) -> Examples:
    """Return 60 examples of three classes, with four columns in two groups and a small spectrogram each.

    With ``numeric`` they have two targets instead, sums of the columns.

    Parameters
    ----------
    numeric : bool
        Give numbers to be predicted instead of classes.
    hears : Mapping of str to (int or None, int or None)
        The tensors, with their rows and frames.

    Examples
    --------
    >>> examples = labelled_examples()
    >>> len(examples), examples.classes, examples.tensors["mel.spectrogram"][0].shape
    (60, ('calm', 'happy', 'sad'), (128, 44))
    """
    X, Y = labelled_points()
    columns = [column for members in groups.values() for column in members]
    table = pl.DataFrame({column: X[:, i] for i, column in enumerate(columns)})
    tensors = {name: _over_time(X, rows or 128, frames or 50) for name, (rows, frames) in hears.items()}
    if numeric:
        targets = np.stack([10 * X[:, 0] - X[:, 2], 100 + X.sum(axis=1)], axis=1)
        return Examples(table, ("arousal", "valence"), targets, tensors, numeric=True)
    return Examples(table, ("calm", "happy", "sad"), Y, tensors)


def _over_time(X: np.ndarray, rows: int, frames: int) -> Arrays:
    """Return arrays whose rows are the example's values, one after the other."""
    values = X[:, np.arange(frames) * X.shape[1] // frames]
    return Arrays([np.outer(np.ones(rows), x).astype(np.float16) for x in values], hop=0.1)


def _model(subject: Subject) -> Model:
    component = component_of(subject)
    if not isinstance(component, Model):
        raise TypeError(f"{component!r} is no model")
    return type(component)(**component.params())  # what one check learns must not help the next


def _cases(subject: Subject) -> Iterator[Examples]:
    """Yield examples of what the model predicts, classes, numbers or both, with the tensors that it hears."""
    model = _model(subject)
    for numeric in (False, True):
        if model.predicts(numeric=numeric):
            yield labelled_examples(numeric=numeric, hears=model.hears or _spectrogram)


def _groups(model: Model) -> dict[str, list[str]]:
    """Return the groups that the model can read."""
    of_tensors = {"spectrum": list(model.hears or _spectrogram)}
    if model.hears:
        return of_tensors
    return groups if model.tabular else groups | of_tensors


def _fitted(
    subject: Subject,
    examples: Examples,
    members: Mapping[str, Sequence[str]] | None = None,
    context: Training | None = None,
) -> Model:
    model = _model(subject)
    returned = fit(model, examples, members or _groups(model), 0, context)
    require(returned is model, f"fit must return self, got {returned!r}")
    return model


def _predicted(model: Model, examples: Examples) -> np.ndarray:
    predict = model.predict if examples.numeric else model.predict_proba
    found = np.asarray(predict(replace(examples, labels=None)))
    expected = (len(examples), len(examples.classes))
    require(found.shape == expected, f"{predict.__name__} gives shape {found.shape}, expected {expected}")
    require(np.isfinite(found).all(), f"{predict.__name__} must give finite numbers")
    return found


def predicts_classes_or_numbers(subject: Subject) -> None:
    """It has ``predict_proba``, ``predict``, or both."""
    require(list(_cases(subject)), "has neither predict_proba, for classes, nor predict, for numbers")


def fits_and_returns_itself(subject: Subject) -> None:
    """So that ``Model().fit(…).predict_proba(…)`` reads well."""
    for examples in _cases(subject):
        _fitted(subject, examples)


def predicts_scores_between_0_and_1(subject: Subject) -> None:
    """One score per example and class; one number per example and target."""
    for examples in _cases(subject):
        scores = _predicted(_fitted(subject, examples), examples)
        inside = examples.numeric or ((scores >= 0) & (scores <= 1)).all()
        require(inside, f"scores from {scores.min():g} to {scores.max():g} leave 0 to 1")


def predicts_each_example_by_itself(subject: Subject) -> None:
    """A score does not depend on the other examples."""
    for examples in _cases(subject):
        model = _fitted(subject, examples)
        few = _predicted(model, take(examples, np.arange(7)))
        require(np.allclose(_predicted(model, examples)[:7], few, atol=1e-5), "scores change with fewer examples")


def repeats_itself_with_the_same_seed(subject: Subject) -> None:
    """The seed is the only source of randomness."""
    for examples in _cases(subject):
        first, second = (_predicted(_fitted(subject, examples), examples) for _ in range(2))
        require(np.array_equal(first, second), "two fits with seed 0 differ")


def survives_pickling(subject: Subject) -> None:
    """Fitted models go to other processes."""
    for examples in _cases(subject):
        model = _fitted(subject, examples)
        copy = pickle.loads(pickle.dumps(model))
        require(np.array_equal(_predicted(model, examples), _predicted(copy, examples)), "pickling changes the scores")


def predicts_the_same_when_kept(subject: Subject) -> None:
    """If it has ``save``: loaded in another process it predicts the same, bit for bit, from safetensors and JSON."""
    if not _model(subject).can_be_kept():
        return
    for examples in _cases(subject):
        model = _fitted(subject, examples)
        with TemporaryDirectory(prefix="mirstore-") as name, local_pool(1, Limits()) as pool:
            folder = Path(name)
            model.save(folder)
            files = [path for path in folder.rglob("*") if not path.is_dir()]
            require(files, "save writes nothing")
            for path in files:
                check_is_data(path)
            loaded = pool.submit(_predicted_again, subject, folder, examples).result()
        require(np.array_equal(_predicted(model, examples), loaded), "it predicts otherwise after save and load")


def _predicted_again(subject: Subject, folder: Path, examples: Examples) -> np.ndarray:
    model = _model(subject)
    require(model.load(folder) is model, "load must return self")
    return _predicted(model, examples)


def reads_tensors_or_says_that_it_does_not(subject: Subject) -> None:
    """Tensors beside a table, and tensors alone with a table without columns; or ``tabular = True``."""
    model = _model(subject)
    if model.tabular:
        return
    for examples in _cases(subject):
        alone = replace(examples, table=without_columns(len(examples)))
        for given, members in ((examples, _groups(model)), (alone, {"spectrum": list(examples.tensors)})):
            what = "tensors beside a table" if given.table.width else "tensors alone"
            try:
                _predicted(_fitted(subject, given, members), given)
            except Exception as error:  # whatever the model raises, this is why
                raise AssertionError(
                    f"cannot learn from {what} ({type(error).__name__}: {error}); if it reads tables only, it should "
                    "say tabular = True"
                ) from error


def trains_the_same_in_any_circumstances(subject: Subject) -> None:
    """If ``fit`` takes a context: also without one, without validation, and again in the same folder."""
    for examples in _cases(subject):
        train, validation = take(examples, np.arange(0, 60, 2)), take(examples, np.arange(1, 60, 2))
        _predicted(_fitted(subject, train), validation)
        with TemporaryDirectory(prefix="mirstore-") as folder:
            for number, part in enumerate((None, validation)):
                context = Training(Path(folder) / str(number), part)
                context.folder.mkdir()
                first, again = (_predicted(_fitted(subject, train, context=context), validation) for _ in range(2))
                require(np.array_equal(first, again), "the same fit in the same folder ends otherwise")


def says_what_a_report_may_claim(subject: Subject) -> None:
    """Its role is one of three, and a signed model has weights that show it."""
    model, known = _model(subject), get_args(Role)
    require(model.role in known, f"role is {model.role!r}, expected one of {', '.join(known)}")
    for examples in _cases(subject) if model.role == "signed" else ():
        weights = _fitted(subject, examples).column_weights()
        expected = (len(examples.classes), examples.table.width)
        require(weights is not None and weights.shape == expected, "role is 'signed', but it has no column_weights")


def shares_importance_between_the_groups(subject: Subject) -> None:
    """Every group has its share and the shares sum to 1, or the model has none at all."""
    for examples in _cases(subject):
        model = _fitted(subject, examples)
        shares, expected = dict(model.group_importances()), _groups(model)
        if not shares:
            continue
        require(shares.keys() == expected.keys(), f"importances for {sorted(shares)}, groups were {sorted(expected)}")
        require(all(share >= 0 for share in shares.values()), f"shares must not be negative, got {shares}")
        require(abs(sum(shares.values()) - 1) < 1e-6, f"shares must sum to 1, got {shares}")


def leaves_the_examples_untouched(subject: Subject) -> None:
    """The same examples go to other models."""
    for examples, before in zip(_cases(subject), _cases(subject), strict=True):
        _predicted(_fitted(subject, examples), examples)
        require(examples.table.equals(before.table), "changes the table")
        require(np.array_equal(examples.labels, before.labels), "changes the labels")  # type: ignore[arg-type]
        for name, arrays in before.tensors.items():
            same = all(np.array_equal(a, b) for a, b in zip(arrays, examples.tensors[name], strict=True))
            require(same, f"changes tensor {name!r}")


checks = (
    predicts_classes_or_numbers,
    reads_tensors_or_says_that_it_does_not,
    fits_and_returns_itself,
    predicts_scores_between_0_and_1,
    predicts_each_example_by_itself,
    repeats_itself_with_the_same_seed,
    survives_pickling,
    predicts_the_same_when_kept,
    trains_the_same_in_any_circumstances,
    says_what_a_report_may_claim,
    shares_importance_between_the_groups,
    leaves_the_examples_untouched,
)
