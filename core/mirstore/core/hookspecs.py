"""The whole contract between mirstore and a plugin: four hooks, each returns classes."""

from __future__ import annotations

from collections.abc import Sequence

import pluggy

from mirstore.core.components import Extractor, Grouper, Smoother
from mirstore.core.models import Model

hookspec = pluggy.HookspecMarker("mirstore")
hookimpl = pluggy.HookimplMarker("mirstore")
"""Marks a plugin's function as one of the hooks."""


@hookspec
def register_extractors() -> Sequence[type[Extractor]]:
    """Return the extractors (audio or features to features) that this plugin provides."""
    return ()


@hookspec
def register_groupers() -> Sequence[type[Grouper]]:
    """Return the groupers (feature columns to named groups) that this plugin provides."""
    return ()


@hookspec
def register_smoothers() -> Sequence[type[Smoother]]:
    """Return the smoothers (labels to label distributions) that this plugin provides."""
    return ()


@hookspec
def register_models() -> Sequence[type[Model]]:
    """Return the models (features and labels to scores and importances) that this plugin provides."""
    return ()
