"""Model weights for tests: from the cache, fetched if they can be, or the test is skipped with what fetches them."""

from __future__ import annotations

import pytest

from mirstore.core import Weights
from mirstore.core.errors import WeightsError
from mirstore.core.weights.cache import state
from mirstore.core.weights.fetch import fetch


def needs(weights: Weights) -> None:
    """Skip the test that calls this if the weights are not there and cannot be fetched."""
    if state(weights).word == "present":
        return
    try:
        list(fetch(weights))
    except WeightsError as error:
        pytest.skip(f"mirstore weights fetch {weights.name}: {error.message}")
