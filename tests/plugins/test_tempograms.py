"""Onset envelopes, tempograms and tempo: librosa's values, and the tempo that is there."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mirstore.core import MirstoreError, Track, TrackError
from mirstore.core.checks import checks_for
from mirstore.core.checks.rows import rows_of
from mirstore.core.columns import check_rows, input_frame
from mirstore.core.features import FeatureSet
from mirstore.core.plugins import Plugins
from mirstore.core.registry import Registry
from mirstore.core.resolve import resolve
from mirstore_librosa import (
    Mel,
    OnsetEnvelope,
    TempoFromTempogram,
    TempogramAutocorrelation,
    TempogramFourier,
    autocorrelation_bpm,
    fourier_bpm,
)

sr, hop = 22050, 512
rng = np.random.default_rng(440)


def clicks(bpm, seconds, silent=0.0):
    """Return bursts of noise on each beat after some silence."""
    t = np.arange(round(seconds * sr)) / sr
    return np.where(t >= silent, rng.uniform(-0.5, 0.5, len(t)) * np.exp(-80 * (t % (60 / bpm))), 0)


def track(make_wav, folder, samples):
    return Track("x", make_wav(folder / "x.wav", samples, sr))


def with_envelope(envelope):
    column = OnsetEnvelope(short="null").columns()
    return Track("x", None, {"onset-envelope": input_frame([{"envelope": envelope}], column)})


def envelope_of(subject):
    return OnsetEnvelope().extract(subject)["envelope"]


def tempogram(extractor, envelope):
    (row,) = check_rows(extractor.extract(with_envelope(envelope)), extractor.columns())
    return row["tempogram"]


def tempo(envelope, **settings):
    extractor = TempoFromTempogram(**settings)
    (row,) = check_rows(extractor.extract(with_envelope(envelope)), extractor.columns())
    return row


def pulse(bpm, frames=1000):
    """Return an envelope with one tempo only."""
    return (1 + np.cos(2 * np.pi * bpm / 60 * np.arange(frames) * hop / sr)).astype(np.float32)


# What librosa gives


def test_an_envelope_is_librosas_to_the_last_bit(make_wav, tmp_path):
    import librosa

    subject = track(make_wav, tmp_path, clicks(120, 12))
    expected = librosa.onset.onset_strength(y=subject.audio(sr), sr=sr)
    np.testing.assert_array_equal(envelope_of(subject), expected)


def test_an_envelope_of_an_excerpt_is_that_of_the_excerpt_alone(make_wav, tmp_path):
    import librosa

    subject = track(make_wav, tmp_path, clicks(120, 20))
    part = OnsetEnvelope(offset=5.0, duration=10.0, window="hamming").extract(subject)["envelope"]
    power = librosa.feature.melspectrogram(y=subject.audio(sr)[5 * sr : 15 * sr], sr=sr, window="hamming")
    expected = librosa.onset.onset_strength(S=librosa.power_to_db(power), sr=sr)
    np.testing.assert_array_equal(part, expected)


@pytest.mark.parametrize("frames", [384, 1292, 3000])  # one, two and three blocks
def test_tempograms_are_librosas_rounded_to_16_bits(frames):
    import librosa

    envelope = rng.gamma(1.0, 2.0, frames).astype(np.float32)
    waves = librosa.feature.fourier_tempogram(onset_envelope=envelope, sr=sr, hop_length=hop)[:, :-1]
    for value, expected in (("magnitude", np.abs(waves)), ("log", np.log1p(np.abs(waves))), ("real", waves.real)):
        found = tempogram(TempogramFourier(value=value), envelope)
        assert found.shape == (193, frames)
        np.testing.assert_array_equal(found, expected.astype(np.float16))
    lags = librosa.feature.tempogram(onset_envelope=envelope, sr=sr, hop_length=hop)
    found = tempogram(TempogramAutocorrelation(), envelope)
    assert found.shape == (384, frames)
    np.testing.assert_allclose(found, lags, rtol=2**-11, atol=1e-7)  # half a step of 16 bits


def test_rows_are_librosas_tempi():
    import librosa

    np.testing.assert_allclose(fourier_bpm(), librosa.fourier_tempo_frequencies(sr=sr, hop_length=hop))
    np.testing.assert_allclose(autocorrelation_bpm(), librosa.tempo_frequencies(384, sr=sr, hop_length=hop))


@pytest.mark.parametrize("seconds", [9.0, 12.345, 30.0])
def test_tempograms_have_the_frames_of_the_mel_spectrogram(make_wav, tmp_path, seconds):
    subject = track(make_wav, tmp_path, clicks(100, seconds))
    envelope = envelope_of(subject)
    frames = Mel().extract(subject)["mel"].shape[1]
    assert len(envelope) == frames
    assert tempogram(TempogramFourier(), envelope).shape == (193, frames)
    assert tempogram(TempogramAutocorrelation(), envelope).shape == (384, frames)
    hops = {column.dtype.hop for kind in (Mel, OnsetEnvelope, TempogramFourier) for column in kind().columns().values()}
    assert hops == {hop / sr}


# The tempo that is there


def test_a_click_track_lights_the_rows_of_its_tempo(make_wav, tmp_path):
    bpm = autocorrelation_bpm()[20]  # 129.2, a whole number of frames per beat
    envelope = envelope_of(track(make_wav, tmp_path, clicks(bpm, 20)))
    middle = slice(200, -200)  # where the window lies inside of the track
    waves = tempogram(TempogramFourier(), envelope)[:, middle].astype(np.float32).mean(axis=1)
    slow = waves[5:30]  # 34 to 195 BPM: its multiples lie above
    assert fourier_bpm()[5 + slow.argmax()] == pytest.approx(bpm, abs=fourier_bpm()[1] / 2)
    lags = tempogram(TempogramAutocorrelation(), envelope)[:, middle].astype(np.float32).mean(axis=1)
    assert lags[0] == 1
    assert 10 + lags[10:30].argmax() == 20
    assert 30 + lags[30:50].argmax() == 40


@pytest.mark.parametrize("bpm", [67.0, 90.0, 120.0, 128.0, 140.0, 174.0, 190.0])
def test_the_tempo_of_a_click_track_is_found(make_wav, tmp_path, bpm):
    row = tempo(envelope_of(track(make_wav, tmp_path, clicks(bpm, 30))), lowest=1.01 * bpm / 2, highest=1.5 * bpm)
    assert row["bpm"] == pytest.approx(bpm, rel=0.01)
    assert row["bpm_spread"] < 0.01 * bpm
    assert row["bpm_steady"] > 0.95


@given(st.floats(62, 198))
def test_the_tempo_of_a_pulse_lies_between_the_rows(bpm):
    assert tempo(pulse(bpm))["bpm"] == pytest.approx(bpm, rel=0.004)


def test_a_change_of_tempo_shows_in_spread_and_steadiness():
    row = tempo(np.concatenate([pulse(100, 1500), pulse(130, 1000)]))
    assert row["bpm"] == pytest.approx(100, rel=0.01)
    assert row["bpm_spread"] == pytest.approx(30, rel=0.05)
    assert row["bpm_steady"] == pytest.approx(0.6, abs=0.02)


def test_silence_before_the_music_has_no_tempo_and_changes_none(make_wav, tmp_path):
    row = tempo(envelope_of(track(make_wav, tmp_path, clicks(120, 40, silent=20))), lowest=65)
    assert row["bpm"] == pytest.approx(120, rel=0.01)
    assert row["bpm_steady"] > 0.9


@pytest.mark.slow
def test_the_tempo_of_rendered_songs_is_found_but_for_octaves(shared):
    folder = shared / "data" / "rendered"
    with (folder / "tracks.csv").open() as file:
        songs = list(csv.DictReader(file))
    found = np.array([tempo(envelope_of(Track(s["track_id"], folder / s["file"])))["bpm"] for s in songs])
    true = np.array([float(s["bpm"]) for s in songs])
    right = {f: np.abs(found - f * true) <= 0.04 * f * true for f in (1, 0.5, 2)}
    assert len(songs) == 240
    assert right[1].mean() > 0.8
    assert (right[1] | right[0.5] | right[2]).mean() > 0.9


# What cannot be had


@settings(max_examples=25)
@given(st.integers(384, 1500), st.integers(0, 2**32 - 1), st.sampled_from([0.0, 1e-30, 1e-6, 1.0, 80.0]))
def test_every_envelope_has_finite_tempograms(frames, seed, level):
    chance = np.random.default_rng(seed)
    envelope = (level * (chance.random(frames) < chance.random())).astype(np.float32)
    for value in ("magnitude", "log", "real"):
        assert np.isfinite(tempogram(TempogramFourier(value=value), envelope)).all()
    lags = tempogram(TempogramAutocorrelation(), envelope)
    assert 0 <= lags.min() <= lags.max() <= 1


def test_the_loudest_envelope_fits_into_16_bits():
    loudest = np.full(1000, 80, np.float32)
    assert tempogram(TempogramFourier(), loudest).max() == pytest.approx(80 * 192, rel=0.001)


def test_nothing_begins_in_silence():
    nothing = np.zeros(500, np.float32)
    assert tempogram(TempogramFourier(), nothing).max() == 0
    assert tempogram(TempogramAutocorrelation(), nothing).max() == 0
    assert tempo(nothing) == {"bpm": None, "bpm_spread": None, "bpm_steady": None}


readers = [TempogramFourier(), TempogramAutocorrelation(), TempoFromTempogram()]


@pytest.mark.parametrize("reader", readers, ids=lambda reader: reader.name)
def test_less_than_a_window_has_a_reason_and_null_stays_null(reader):
    with pytest.raises(TrackError, match=r"has 383 frames of onset-envelope; 384 \(8.9 s\) are needed"):
        reader.extract(with_envelope(np.ones(383, np.float32)))
    (row,) = check_rows(reader.extract(with_envelope(None)), reader.columns())
    assert set(row.values()) == {None}


@pytest.mark.parametrize(
    ("kind", "params", "message"),
    [
        (TempogramFourier, {"value": "phase"}, "unknown value 'phase'"),
        (TempoFromTempogram, {"lowest": 200.0, "highest": 60.0}, "lowest=200.0 and highest=60.0 must be 6.8 BPM apart"),
        (TempoFromTempogram, {"lowest": 61.0, "highest": 67.0}, "must be 6.8 BPM apart"),  # no row is between them
        (TempoFromTempogram, {"lowest": 0.0}, "from 14 to 1280 BPM"),
        (OnsetEnvelope, {"offset": 15.0}, "offset=15.0 needs a duration"),
        (OnsetEnvelope, {"offset": -1.0, "duration": 30.0}, "offset=-1.0 must be 0 s or more"),
        (OnsetEnvelope, {"duration": 0.0}, "duration=0.0 more than 0 s"),
        (OnsetEnvelope, {"window": "kaiser"}, "unknown window 'kaiser'"),
    ],
)
def test_parameters_that_make_no_sense_are_named(kind, params, message):
    with pytest.raises(MirstoreError, match=message):
        kind(**params)


# By name


@pytest.mark.parametrize(
    ("name", "column", "shape"),
    [
        ("mel-30", "mel", (128, 1292)),
        ("mel-120", "mel", None),
        ("onset-envelope-30", "envelope", (1292,)),
        ("tempogram-fourier-30", "tempogram", (193, 1292)),
        ("tempogram-autocorrelation-30", "tempogram", (384, 1292)),
    ],
)
def test_the_papers_excerpts_are_of_30_s_or_null(make_wav, tmp_path, monkeypatch, name, column, shape):
    monkeypatch.chdir(tmp_path)  # a folder without a registry of its own
    feature = resolve([name], Registry.load(), Plugins.installed())[name]
    (row,) = rows_of(feature, make_wav(tmp_path / "long.wav", clicks(125, 46)))
    assert (None if row[column] is None else row[column].shape) == shape
    (row,) = rows_of(feature, make_wav(tmp_path / "short.wav", clicks(125, 44)))
    assert row[column] is None


chain = {"onset-envelope": FeatureSet("onset-envelope", OnsetEnvelope())}
subjects = [
    *chain.values(),
    FeatureSet("onset-envelope-null", OnsetEnvelope(offset=2.0, duration=10.0, window="hamming", short="null")),
    FeatureSet("real", TempogramFourier(value="real"), chain),
    *(FeatureSet(reader.name, reader, chain) for reader in readers),
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("subject", "check"),
    [pytest.param(s, c, id=f"{s.name}-{c.__name__}") for s in subjects for c in checks_for(s)],
)
def test_keeps_the_contract(subject, check):
    check(subject)
