"""A fitted model together with what it needs to predict features as the store has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from mirstore.core.experiment_entries import ChunkEntry
from mirstore.core.experiments.assembly import without_columns
from mirstore.core.experiments.chunks import cut
from mirstore.core.experiments.metrics import vote
from mirstore.core.experiments.scaling import Scaling
from mirstore.core.experiments.wide import beside, qualified
from mirstore.core.models import Examples, Model
from mirstore.core.tensors import Arrays, Tensors


@dataclass(frozen=True)
class Fitted:
    """A model, its columns and their scaling.

    Attributes
    ----------
    model : Model
    scaling : Scaling
        Of the training part.
    columns : tuple of str
        Numbers that it learned from, qualified as ``featureset.column``, in this order.
    tensors : Mapping of str to float or None
        Tensors that it learned from, with their hop [s].
    classes : tuple of str
        Or targets, if ``numeric``.
    exclusive, numeric : bool
        As in `Examples`.
    chunk : ChunkEntry or None
        How tensors are cut.
    """

    model: Model
    scaling: Scaling
    columns: tuple[str, ...]
    tensors: Mapping[str, float | None]
    classes: tuple[str, ...]
    exclusive: bool
    numeric: bool
    chunk: ChunkEntry | None = None

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

    def scores_of_track(self, inputs: Mapping[str, pl.DataFrame]) -> np.ndarray | None:
        """Return the scores of one track, as an experiment votes them from all its rows [shape=(k,)].

        Parameters
        ----------
        inputs : Mapping of str to pl.DataFrame
            The track's rows of each feature set, as `Track.features` gives them.

        Returns
        -------
        np.ndarray or None
            None if there is nothing to predict from: no rows, no tensor, or one too short for a chunk.
        """
        alone = not self.columns and all(f.height == 1 and "start" not in f.columns for f in inputs.values())
        table, tensors = self._of_one_row(inputs) if alone else self._side_by_side(inputs)
        if self.chunk is not None:
            chunks = cut(tensors, self.chunk)
            table, tensors = table[chunks.rows], chunks.tensors
        if not table.height:
            return None
        scores = self.scores(table, tensors)
        return vote(scores, np.zeros(len(scores), dtype=np.int64), self.exclusive)[0]

    def _of_one_row(self, inputs: Mapping[str, pl.DataFrame]) -> tuple[pl.DataFrame, dict[str, Tensors]]:
        """Do what `_side_by_side` does for tensors alone, one of each: joins would cost more than a small network."""
        arrays = {name: inputs[name.partition(".")[0]][name.partition(".")[2]][0] for name in self.tensors}
        rows = int(all(array is not None for array in arrays.values()))
        return without_columns(rows), {name: Arrays([arrays[name]][:rows], hop) for name, hop in self.tensors.items()}

    def _side_by_side(self, inputs: Mapping[str, pl.DataFrame]) -> tuple[pl.DataFrame, dict[str, Tensors]]:
        """Return a table with all columns, null where a vector is shorter, and the tensors of its rows."""
        arrays: dict[str, pl.Series] = {}
        wide = pl.DataFrame({"track": [0]})
        for name, frame in inputs.items():
            rows = pl.struct(pl.int_range(pl.len()))  # polars joins no objects
            objects = [column for column, kind in frame.schema.items() if kind == pl.Object]
            arrays |= {f"{name}.{column}": frame[column] for column in objects}
            there = [pl.when(frame[column].is_not_null()).then(rows).alias(column) for column in objects]
            wide = beside(wide, qualified(name, frame.with_columns(pl.lit(0).alias("track"), *there)))
        wide = wide.drop_nulls(list(self.tensors))
        if "start" in wide.columns:
            wide = wide.sort("start")
        tensors: dict[str, Tensors] = {
            name: Arrays([arrays[name][row] for row in wide[name].struct.unnest().to_series()], hop)
            for name, hop in self.tensors.items()
        }
        lacking = [pl.lit(None, pl.Float64).alias(column) for column in self.columns if column not in wide.columns]
        return wide.with_columns(lacking), tensors


def checked_scores(model: Model, examples: Examples) -> np.ndarray:
    """Return a model's scores, or the numbers that it predicts, if they are what it promised.

    Parameters
    ----------
    model : Model
        Fitted.
    examples : Examples
        To predict.

    Returns
    -------
    np.ndarray [shape=(n, k), dtype=float64]

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
