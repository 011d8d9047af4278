"""Declared weights in plain JSON: what another interpreter tells of what its extractors need."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mirstore.core.pretrained import Convert, File, UserFile, WebFile, Weights, WheelFile

_kinds: dict[str, type[File]] = {kind.__name__: kind for kind in (WebFile, WheelFile, UserFile)}


def weights_as_json(weights: Weights) -> dict[str, Any]:
    """Return a declaration as JSON.

    Parameters
    ----------
    weights : Weights
    """
    files = [[type(file).__name__, vars(file)] for file in weights.files]
    return {**vars(weights), "files": files, "convert": weights.converted_by}


def weights_from_json(told: dict[str, Any], convert: Callable[[str], Convert]) -> Weights:
    """Return the declaration that `weights_as_json` wrote.

    Parameters
    ----------
    told : dict
    convert : callable
        Returns what converts as the function of this ``module:qualname`` does.

    Examples
    --------
    >>> from pkgutil import resolve_name
    >>> weights = Weights("tiny", "for tests", "MIT", (UserFile("a.bin", "ask", "0" * 64, 9),), convert=weights_as_json)
    >>> weights_from_json(weights_as_json(weights), resolve_name) == weights
    True
    """
    files = tuple(_kinds[kind](**values) for kind, values in told["files"])
    return Weights(**{**told, "files": files, "convert": told["convert"] and convert(told["convert"])})
