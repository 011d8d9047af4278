"""Mel-spectrograms and MFCC keep the field's definitions."""

from __future__ import annotations

import numpy as np
import pytest

from mirstore.core import MirstoreError, Track, TrackError
from mirstore.core.checks import checks_for
from mirstore.core.columns import check_rows, input_frame
from mirstore.core.features import FeatureSet
from mirstore_librosa import MFCC, Mel, MFCCStats, MFCCWindows

sr = 22050
rng = np.random.default_rng(440)


def track(make_wav, folder, samples, rate=sr):
    return Track("x", make_wav(folder / "x.wav", samples, rate))


def with_mfcc(frames):
    return Track("x", None, {"mfcc": input_frame([{"mfcc": frames}], MFCC().columns())})


def test_a_sine_lights_the_mel_band_at_its_frequency(make_wav, tmp_path):
    import librosa

    tone = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(2 * sr) / sr)
    mel = Mel().extract(track(make_wav, tmp_path, tone))["mel"]
    centres = librosa.mel_frequencies(130, fmin=0, fmax=sr / 2)[1:-1]
    assert centres[np.argmax(mel.mean(axis=1))] == pytest.approx(1000, rel=0.03)
    assert mel.shape == (128, 1 + 2 * sr // 512)
    assert mel.dtype == np.float16
    assert mel.max() == 0


def test_thirty_seconds_are_kept(make_wav, tmp_path):
    noise = 0.1 * rng.standard_normal(40 * sr)
    assert Mel().extract(track(make_wav, tmp_path, noise))["mel"].shape == (128, 1292)


def test_what_mel_is_called_did_not_change_with_its_new_parameters():
    """Nobody computes mel-spectrograms again because there is a window to choose."""
    assert FeatureSet("mel", Mel()).id == "3fe993a7ee"
    assert FeatureSet("mel", Mel(duration=120.0)).id == "5ab728daed"
    assert "window" not in Mel().params()
    assert Mel(window="hamming").params()["window"] == "hamming"


def test_a_hamming_window_is_librosas(make_wav, tmp_path):
    import librosa

    subject = track(make_wav, tmp_path, 0.1 * rng.standard_normal(2 * sr))
    power = librosa.feature.melspectrogram(y=subject.audio(sr), sr=sr, window="hamming")
    expected = librosa.power_to_db(power, ref=np.max)
    np.testing.assert_allclose(Mel(window="hamming").extract(subject)["mel"], expected, atol=0.05)
    assert np.abs(Mel().extract(subject)["mel"] - expected).max() > 0.1


def test_an_excerpt_that_a_track_is_too_short_for_is_what_was_declared(make_wav, tmp_path):
    subject = track(make_wav, tmp_path, 0.1 * rng.standard_normal(4 * sr))

    def mel(short, duration=3.0):
        return Mel(offset=2.0, duration=duration, short=short).extract(subject)["mel"]

    frames = 1 + 3 * sr // 512
    assert mel("null") is None
    assert mel("null", duration=2.0).shape == (128, 1 + 2 * sr // 512)
    assert mel("pad").shape == mel("earlier").shape == (128, frames)
    assert (mel("pad")[:, -30:] == -80).all()
    assert (mel("pad")[:, :80] > -79).all()
    assert mel("earlier")[:, -30:].mean() > -60
    check_rows({"mel": None}, Mel(short="null").columns())


@pytest.mark.parametrize(("settings", "message"), [({"window": "kaiser"}, "window 'kaiser'"), ({"short": "x"}, "'x'")])
def test_an_unknown_choice_is_named(settings, message):
    with pytest.raises(MirstoreError, match=message):
        Mel(**settings)


def test_mfcc_of_fifteen_seconds_have_1292_frames(make_wav, tmp_path):
    noise = 0.1 * rng.standard_normal(22 * 44100)
    assert MFCC().extract(track(make_wav, tmp_path, noise, 44100))["mfcc"].shape == (13, 1292)


def test_a_short_track_is_repeated_until_it_fits(make_wav, tmp_path):
    noise = 0.1 * rng.standard_normal(4 * 44100)
    once = MFCC().extract(track(make_wav, tmp_path, noise, 44100))["mfcc"]
    four = MFCC().extract(track(make_wav, tmp_path / "b", np.tile(noise, 4), 44100))["mfcc"]
    assert once.shape == four.shape == (13, 1292)


def test_statistics_are_means_then_deviations():
    frames = rng.standard_normal((13, 1292)).astype(np.float32)
    row = MFCCStats().extract(with_mfcc(frames))
    assert len(row) == 26
    assert row["mfcc_03_mean"] == pytest.approx(frames[3].mean())
    assert row["mfcc_12_std"] == pytest.approx(frames[12].std())


def test_windows_are_stacked_one_after_the_other():
    frames = np.repeat(np.arange(16), 86)[None, :1292] + 100 * np.arange(13)[:, None]
    row = MFCCWindows().extract(with_mfcc(frames.astype(np.float32)))
    assert row["mfcc"].shape == (195,)
    np.testing.assert_allclose(row["mfcc"][:3], [0, 100, 200])
    np.testing.assert_allclose(row["mfcc"][13:16], [1, 101, 201])
    check_rows(row, MFCCWindows().columns())


def test_too_few_frames_have_a_reason():
    with pytest.raises(TrackError, match="1290 are needed"):
        MFCCWindows().extract(with_mfcc(np.zeros((13, 100), np.float32)))


chain = {"mfcc": FeatureSet("mfcc", MFCC())}
subjects = [
    FeatureSet("mel", Mel()),
    FeatureSet("mel-hamming", Mel(offset=15.0, window="hamming", short="null")),
    chain["mfcc"],
    FeatureSet("mfcc-stats", MFCCStats(), chain),
    FeatureSet("mfcc-windows", MFCCWindows(), chain),
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("subject", "check"),
    [pytest.param(s, c, id=f"{s.name}-{c.__name__}") for s in subjects for c in checks_for(s)],
)
def test_keeps_the_contract(subject, check):
    check(subject)
