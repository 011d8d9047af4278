"""What a fitted model writes of itself and reads again: arrays as safetensors, all else as JSON. No code is in either.

A model's two methods are two lines::

    def save(self, folder: Path) -> None:
        save_state(folder, weights=self.weights_, columns=self.columns_)

    def load(self, folder: Path) -> Self:
        state = load_state(folder)
        self.weights_, self.columns_ = state["weights"], state["columns"]
        return self
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from mirstore.core.weights.arrays import from_bytes, to_bytes

arrays_name, rest_name = "state.safetensors", "state.json"


def save_state(folder: Path, **values: Any) -> None:
    """Write values to a folder.

    Parameters
    ----------
    folder : path
        It is there, and empty.
    **values
        By name: arrays of numbers or booleans, bit for bit; text, numbers, lists, dictionaries and None as JSON, so
        that a tuple becomes a list.

    Raises
    ------
    TypeError
        If a value is an array of something else, or neither an array nor plain JSON.
    ValueError
        If a number outside of arrays is not finite, which is no JSON.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as name:
    ...     save_state(Path(name), weights=np.eye(2), columns=("bpm", "loudness"))
    ...     state = load_state(Path(name))
    >>> state["weights"].tolist(), state["columns"]
    ([[1.0, 0.0], [0.0, 1.0]], ['bpm', 'loudness'])
    """
    arrays = {name: value for name, value in values.items() if isinstance(value, np.ndarray)}
    rest = {name: value for name, value in values.items() if name not in arrays}
    if arrays:
        folder.joinpath(arrays_name).write_bytes(to_bytes(arrays))
    if rest:
        text = json.dumps(rest, ensure_ascii=False, allow_nan=False, indent=1)
        folder.joinpath(rest_name).write_text(text + "\n", encoding="utf-8")


def load_state(folder: Path) -> dict[str, Any]:
    """Return what `save_state` wrote, by name.

    Parameters
    ----------
    folder : path
        The one that `save_state` wrote to.

    Raises
    ------
    ValueError
        If the arrays are no safetensors file.
    """
    arrays, rest = folder / arrays_name, folder / rest_name
    found: dict[str, Any] = json.loads(rest.read_text(encoding="utf-8")) if rest.exists() else {}
    if arrays.exists():
        # Copied: an array that stands for itself is aligned as the one that was saved.
        found |= {name: array.copy() for name, array in from_bytes(np.fromfile(arrays, np.uint8)).items()}
    return found
