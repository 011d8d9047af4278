"""Many channels become one by ITU-R BS.775, whatever decoded them, and channels that cancel are told."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

from mirstore.core.audio import decode
from mirstore.core.downmix import mono_weights, name_channels

sr = 44100
rng = np.random.default_rng(775)
half = 0.5**0.5
layouts = {
    "mono": ("FC",),
    "stereo": ("FL", "FR"),
    "2.1": ("FL", "FR", "LFE"),
    "3.0": ("FL", "FR", "FC"),
    "4.0": ("FL", "FR", "FC", "BC"),
    "quad": ("FL", "FR", "BL", "BR"),
    "5.0": ("FL", "FR", "FC", "BL", "BR"),
    "5.1": ("FL", "FR", "FC", "LFE", "BL", "BR"),
    "5.1(side)": ("FL", "FR", "FC", "LFE", "SL", "SR"),
    "7.1": ("FL", "FR", "FC", "LFE", "BL", "BR", "SL", "SR"),
}
truth = {"FL": (1, 0), "FR": (0, 1), "FC": (half, half), "LFE": (0, 0), "BC": (0.5, 0.5)}
truth |= {"BL": (half, 0), "SL": (half, 0), "BR": (0, half), "SR": (0, half)}  # table 2 of BS.775


@pytest.mark.parametrize("layout", [name for name, names in layouts.items() if len(names) > 2])
def test_the_mono_mix_is_the_mean_of_the_two_channels_of_bs_775(layout):
    names = layouts[layout]
    samples = rng.standard_normal((len(names), 100))
    left, right = (sum(truth[name][side] * row for name, row in zip(names, samples, strict=True)) for side in (0, 1))
    np.testing.assert_allclose(mono_weights(names) @ samples, (left + right) / 2, atol=1e-6)


@pytest.fixture
def encoded(ffmpeg, tmp_path):
    """Write samples [shape=(channels, n)] with the names of a layout, which soundfile cannot."""

    def write(samples, layout, suffix, *options):
        path = tmp_path / f"{layout}.{suffix}"
        raw = (samples.T * 32768).round().astype("<i2").tobytes()
        words = ("-f", "s16le", "-ar", sr, "-ac", len(samples), "-channel_layout", layout, "-i", "-", *options, path)
        done = ffmpeg(*words, given=raw)
        assert done.returncode == 0, done.stderr
        return path

    return write


@pytest.mark.parametrize("suffix", ["wav", "flac", "wv", "mkv"])
@pytest.mark.parametrize("layout", ["5.1", "7.1", "quad", "5.0", "4.0", "stereo", "mono"])
def test_channels_and_level_are_the_same_from_every_codec(encoded, layout, suffix):
    names = layouts[layout]
    samples = 0.1 * rng.uniform(-1, 1, (len(names), sr // 2))
    audio = decode(encoded(samples, layout, suffix, *(["-c:a", "flac"] if suffix == "mkv" else [])))
    assert audio.channels == len(names)
    assert audio.warnings == ()
    rows = [audio.layout.index(name) for name in names]
    np.testing.assert_allclose(audio.samples[rows], samples, atol=1e-4)
    np.testing.assert_allclose(audio.mono, mono_weights(names) @ samples, atol=1e-4)


@pytest.mark.parametrize("layout", ["5.1", "7.1"])
@pytest.mark.parametrize(
    ("suffix", "codec"), [("ogg", "libvorbis"), ("opus", "libopus"), ("m4a", "aac"), ("ac3", "ac3")]
)
def test_lossy_codecs_keep_which_channel_is_which(encoded, layout, suffix, codec):
    if (layout, suffix) == ("7.1", "ac3"):
        pytest.skip("AC-3 ends at 5.1")
    names = layouts[layout]
    tones = 220 * 2 ** (np.arange(len(names)) / 2)
    tones[names.index("LFE")] = 60
    samples = 0.3 * np.sin(2 * np.pi * np.outer(tones, np.arange(sr)) / sr)
    audio = decode(encoded(samples, layout, suffix, "-c:a", codec))
    assert audio.channels == len(names)
    for name, tone in zip(names, tones, strict=True):
        spectrum = np.abs(np.fft.rfft(audio.samples[_row(audio.layout, name)]))
        assert np.argmax(spectrum) * audio.sr / audio.samples.shape[1] == pytest.approx(tone, abs=2), name


def _row(layout, name):
    """Dolby's formats call the channels at the sides what others call those at the back."""
    return layout.index(name) if name in layout else layout.index(name.replace("B", "S"))


def test_music_in_the_front_of_five_point_one_keeps_its_level(encoded):
    front = 0.3 * rng.uniform(-1, 1, (2, sr))
    surround = np.zeros((6, sr))
    surround[:2] = front
    stereo = decode(encoded(front, "stereo", "flac"))
    six = decode(encoded(surround, "5.1", "wv"))
    np.testing.assert_allclose(six.mono, stereo.mono, atol=1e-4)


def test_channels_without_names_are_told(tmp_path):
    for channels, said in ((6, "taken as FL FR FC LFE BL BR"), (7, "no known layout: mono is their mean")):
        samples = 0.1 * rng.uniform(-1, 1, (sr, channels))
        soundfile.write(tmp_path / "x.wav", samples, sr)
        audio = decode(tmp_path / "x.wav")
        assert audio.channels == channels
        assert len([text for text in audio.warnings if said in text]) == 1
    np.testing.assert_allclose(audio.mono, samples.mean(axis=1), atol=1e-4)
    assert name_channels(("TFL", "TFR", "FC"))[1] == "its 3 channels are of no known layout: mono is their mean"


# A channel of −15.56 dB beside one that is 0.45 dB weaker has −15.8 dB on average; of their sum 1/40 is left: −32.0 dB.
@pytest.mark.parametrize(("inverse", "told"), [(-1.0, "silence against -15.6"), (-0.95, "-47.6 dBFS against -15.8")])
def test_channels_that_cancel_are_told_with_the_numbers(tmp_path, inverse, told):
    x = rng.uniform(-1, 1, sr)
    x *= 10 ** (-15.56 / 20) / np.sqrt(np.mean(x**2))
    soundfile.write(tmp_path / "x.wav", np.stack([x, inverse * x], axis=1), sr, subtype="FLOAT")
    (warning,) = decode(tmp_path / "x.wav").warnings
    assert told in warning
    assert "more than 20 dB quieter" in warning


@pytest.mark.parametrize("other", [0.0, 1.0, -0.5])
def test_ordinary_stereo_is_told_nothing(tmp_path, other):
    x = 0.2 * rng.uniform(-1, 1, sr)
    soundfile.write(tmp_path / "x.wav", np.stack([x, other * x], axis=1), sr)
    assert decode(tmp_path / "x.wav").warnings == ()
