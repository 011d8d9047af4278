"""What models reported while they trained, as far as a page can show it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import polars as pl

most_points = 200  # of a curve: a figure is some 300 pixels wide


def curves(rows: pl.DataFrame) -> list[dict[str, Any]]:
    """Return a curve per name and fit to the training part of a fold, in the order of the folds.

    Parameters
    ----------
    rows : pl.DataFrame
        ``repeat``, ``fold`` (null for the fit to all tracks, which is left out), ``epoch``, ``name``, ``value``.

    Returns
    -------
    list of dict
        ``name``, ``repeat``, ``fold``, ``epochs`` (the first, the last and 198 evenly between them, if there are more)
        and the ``values`` at these epochs, None where one is not finite.
    """
    here = rows.drop_nulls("fold").sort("name", "repeat", "fold", "epoch")
    parts = here.partition_by("name", "repeat", "fold", as_dict=True, maintain_order=True)
    return [
        {"name": name, "repeat": repeat, "fold": fold, **_thinned(part)} for (name, repeat, fold), part in parts.items()
    ]


def _thinned(part: pl.DataFrame) -> dict[str, list[Any]]:
    kept = np.unique(np.linspace(0, part.height - 1, min(part.height, most_points)).round().astype(int))
    epochs, values = part["epoch"].to_numpy()[kept], part["value"].to_numpy()[kept]
    return {
        "epochs": epochs.tolist(),
        "values": [float(f"{value:.5g}") if math.isfinite(value) else None for value in values.tolist()],
    }
