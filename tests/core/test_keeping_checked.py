"""The conformance kit finds models that save themselves in a way that they should not."""

from __future__ import annotations

import pytest

from mirstore.core.checks.models import predicts_the_same_when_kept
from mirstore.core.models import Model
from mirstore.core.plugins import Plugins


def odd(way):
    return Plugins.installed().get(Model, "test-odd")(way)


def test_a_model_that_is_kept_well_passes(test_plugins):
    predicts_the_same_when_kept(odd("well"))


def test_a_model_without_save_is_asked_nothing(test_plugins):
    predicts_the_same_when_kept(Plugins.installed().get(Model, "test-constant")())


@pytest.mark.parametrize(
    ("way", "message"),
    [
        ("nothing", "save writes nothing"),
        ("pickle", "is neither safetensors nor JSON"),
        ("disguised", "is no safetensors file"),
        ("forgets", "it predicts otherwise after save and load"),
    ],
)
def test_a_model_that_is_not_is_told_why(test_plugins, way, message):
    with pytest.raises((AssertionError, ValueError), match=message):
        predicts_the_same_when_kept(odd(way))
