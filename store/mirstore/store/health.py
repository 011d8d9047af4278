"""How healthy a column is: the one definition that ``features stats`` and reports share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from mirstore.core.text import counted

far = 5.0  # robust standard deviations from the median; normal data has one such value in two million


@dataclass(frozen=True)
class ColumnHealth:
    """How healthy a column is.

    Attributes
    ----------
    column : str
    missing : int
        Values that are null, NaN or infinite.
    constant : bool
        Whether all that is known is one value.
    outliers : int
        Values further than five robust standard deviations from the median. That is 1.4826 times the median distance
        to the median: the standard deviation, if the values were normal. Where more than half of the values are
        equal there is no such spread, and nothing counts as an outlier.
    low, high : float or None
        The range of what is known.
    """

    column: str
    missing: int
    constant: bool = False
    outliers: int = 0
    low: float | None = None
    high: float | None = None

    @classmethod
    def of(cls, values: pl.Series) -> ColumnHealth:
        """Look at a column.

        Parameters
        ----------
        values : pl.Series
            Of numbers; what is not finite counts as missing.

        Examples
        --------
        >>> health = ColumnHealth.of(pl.Series("bpm", [118.0, 120.0, 121.0, 122.0, 900.0, None]))
        >>> health.missing, health.outliers
        (1, 1)
        """
        X = values.cast(pl.Float64).fill_null(np.nan).to_numpy()
        known = X[np.isfinite(X)]
        missing = len(X) - len(known)
        if not len(known):
            return cls(values.name, missing)
        distances = np.abs(known - np.median(known))
        spread = 1.4826 * np.median(distances)
        outliers = int((distances > far * spread).sum()) if spread > 0 else 0
        low, high = float(known.min()), float(known.max())
        return cls(values.name, missing, low == high, outliers, low, high)


def assumptions(frame: pl.DataFrame) -> Iterator[str]:
    """Yield what of a feature set rests on something that nobody said: ``X_source`` says whence ``X`` is known.

    Parameters
    ----------
    frame : pl.DataFrame
        Its rows, with ``track``.

    Examples
    --------
    >>> list(assumptions(pl.DataFrame({"track": ["a", "b"], "language_source": ["given", "assumed"]})))
    ['language is only assumed for 1 of 2 tracks']
    """
    for column, kind in frame.schema.items():
        if column.endswith("_source") and kind == pl.String:
            tracks = frame.filter(pl.col(column) == "assumed")["track"].n_unique()
            if tracks:
                every = counted(frame["track"].n_unique(), "track")
                yield f"{column.removesuffix('_source')} is only assumed for {tracks} of {every}"
