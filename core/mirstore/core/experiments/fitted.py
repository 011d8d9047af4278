"""A fitted model together with what it needs to predict features as the store has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from mirstore.core.components import Examples, Model
from mirstore.core.experiments.assembly import without_columns
from mirstore.core.experiments.metrics import vote
from mirstore.core.experiments.scaling import Scaling
from mirstore.core.tensors import Tensors


@dataclass(frozen=True)
class Fitted:
    """A model, its columns and their scaling.

    Attributes
    ----------
    model : Model
    scaling : Scaling
        Of the training part.
    columns, tensors : tuple of str
        What it learned from, qualified as ``featureset.column``, in this order.
    classes : tuple of str
        Or targets, if ``numeric``.
    exclusive, numeric : bool
        As in `Examples`.
    """

    model: Model
    scaling: Scaling
    columns: tuple[str, ...]
    tensors: tuple[str, ...]
    classes: tuple[str, ...]
    exclusive: bool
    numeric: bool

    def scores(self, table: pl.DataFrame, tensors: Mapping[str, Tensors]) -> np.ndarray:
        """Return a score, or a number, per row and class [shape=(n, k)].

        Parameters
        ----------
        table : pl.DataFrame
            Unscaled numbers; all of ``columns`` are among its columns.
        tensors : Mapping of str to Tensors
            All of ``tensors``, one array per row.

        Raises
        ------
        ValueError
            If the model does not predict what it promised.
        """
        used = table.select(self.columns) if self.columns else without_columns(table.height)
        examples = Examples(
            self.scaling.apply(used),
            self.classes,
            None,
            {name: tensors[name] for name in self.tensors},
            self.exclusive,
            numeric=self.numeric,
        )
        return checked_scores(self.model, examples)

    def scores_of_track(self, table: pl.DataFrame, tensors: Mapping[str, Tensors]) -> np.ndarray:
        """Return the scores of one track, from all its rows, as an experiment votes them [shape=(k,)]."""
        scores = self.scores(table, tensors)
        return vote(scores, np.zeros(len(scores), dtype=np.int64), self.exclusive)[0]


def checked_scores(model: Model, examples: Examples) -> np.ndarray:
    """Return a model's scores, or the numbers that it predicts, if they are what it promised.

    Raises
    ------
    ValueError
        If their shape is wrong, or they are not finite numbers, scores in [0, 1].
    """
    predict = model.predict if examples.numeric else model.predict_proba
    scores = np.asarray(predict(examples), dtype=np.float64)
    expected, where = (len(examples), len(examples.classes)), f"{model.name}.{predict.__name__}"
    if scores.shape != expected:
        raise ValueError(f"{where} gave shape {scores.shape}, expected {expected}")
    if not np.isfinite(scores).all():
        raise ValueError(f"{where} gave values that are not finite numbers")
    if not examples.numeric and (scores.min(initial=0) < 0 or scores.max(initial=1) > 1):
        raise ValueError(f"{where} gave scores that are not finite numbers in [0, 1]")
    return scores
