"""The lines of registry.toml on a kept model's page mean the very features that it learned from."""

from __future__ import annotations

import tomllib
from types import SimpleNamespace

from mirstore.core.artifacts.card import Definition
from mirstore.core.artifacts.readme import definitions
from mirstore.core.features import FeatureSet
from mirstore.core.plugins import Plugins
from mirstore.core.registry import Registry
from mirstore.core.resolve import resolve


def recorded(feature: FeatureSet) -> dict[str, Definition]:
    """Return definitions as a card has them, what is read before its reader."""
    found: dict[str, Definition] = {}
    for source in feature.inputs.values():
        found |= recorded(source)
    own = feature.definition
    return found | {feature.id: Definition(**{**own, "inputs": feature.reads})}


def again(registry, name):
    """Return a feature set, and what the lines about it mean in an empty registry."""
    plugins = Plugins.installed()
    feature = resolve([name], registry, plugins)[name]
    card = SimpleNamespace(learned=SimpleNamespace(features={name: feature.id}), definitions=recorded(feature))
    lines = Registry.model_validate({"schema": 1, **tomllib.loads(definitions(card))})
    return feature, resolve([name], lines, plugins)[name]


def test_parameters_and_what_is_read_come_back():
    registry = Registry.model_validate(
        {
            "schema": 1,
            "features": {
                "short": {"extractor": "mfcc@1", "params": {"duration": 5.0}},
                "my stats": {"extractor": "mfcc-stats@1", "inputs": {"mfcc": "short"}},
            },
        }
    )
    feature, found = again(registry, "my stats")
    assert found.id == feature.id


def test_a_sound_that_is_heard_comes_back():
    registry = Registry.model_validate(
        {
            "schema": 1,
            "features": {
                "parts": {"extractor": "hpss@1"},
                "drums": {"extractor": "mfcc@1", "inputs": {"audio": "parts.percussive"}},
            },
        }
    )
    feature, found = again(registry, "drums")
    assert found.id == feature.id
    assert found.audio == "percussive"
