"""Harmonic and percussive parts are told apart, add up, and can be heard by other extractors."""

from __future__ import annotations

import numpy as np
import pytest

from mirstore.core import Track
from mirstore.core.checks import checks_for
from mirstore.core.plugins import Plugins
from mirstore.core.registry import Registry
from mirstore.core.resolve import resolve
from mirstore_librosa import HPSS

sr = 22050


@pytest.fixture
def parts(make_wav, tmp_path):
    """Separate samples; return both parts without the edges, where frames are cut."""

    def separate(samples):
        row = HPSS(sr).extract(Track("x", make_wav(tmp_path / "x.wav", samples, sr)))
        return {name: part[2048:-2048] for name, part in row.items()}

    return separate


def tone(seconds: float = 3.0) -> np.ndarray:
    return 0.3 * np.sin(2 * np.pi * 440 * np.arange(round(seconds * sr)) / sr)


def clicks(seconds: float = 3.0) -> np.ndarray:
    samples = np.zeros(round(seconds * sr))
    samples[:: sr // 4] = 0.9
    return samples


def energy(samples) -> float:
    return float(np.sum(np.square(samples)))


def test_a_tone_is_harmonic_and_clicks_are_percussive(parts):
    both = parts(tone())
    assert energy(both["harmonic"]) > 100 * energy(both["percussive"])
    both = parts(clicks())
    assert energy(both["percussive"]) > 100 * energy(both["harmonic"])


def test_a_mixture_comes_apart_and_adds_up_again(parts):
    both = parts(tone() + clicks())
    assert np.corrcoef(both["harmonic"], tone()[2048:-2048])[0, 1] > 0.99
    assert np.corrcoef(both["percussive"], clicks()[2048:-2048])[0, 1] > 0.9
    np.testing.assert_allclose(both["harmonic"] + both["percussive"], (tone() + clicks())[2048:-2048], atol=1e-3)


def test_mfcc_and_essentia_hear_the_percussive_part_by_registry_entries_alone():
    registry = Registry.load()
    features = resolve(["mfcc-stats-percussive", "essentia-percussive"], registry, Plugins.installed())
    percussive = features["essentia-percussive"]
    assert percussive.audio == "percussive"
    assert percussive.inputs["audio"].keep is False
    assert features["mfcc-stats-percussive"].inputs["mfcc"].inputs["audio"].id == percussive.inputs["audio"].id
    for name in ("essentia", "mfcc"):
        assert resolve([name], registry, Plugins.installed())[name].id != percussive.id


@pytest.mark.slow
def test_it_keeps_the_contract():
    for check in checks_for(HPSS(sr)):
        check(HPSS(sr))
