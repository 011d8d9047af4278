"""Decoding keeps level, length and channels, and every odd file ends with a typed reason."""

from __future__ import annotations

import os
import resource

import numpy as np
import pytest
import soundfile

from mirstore.core import AudioError, Track
from mirstore.core.audio import decode, hash_file

sr = 44100
time = np.arange(2 * sr) / sr
sine = 0.5 * np.sin(2 * np.pi * 440 * time)

reasons = {
    "missing", "not a file", "unreadable", "empty", "not audio", "truncated", "corrupt", "too long", "too short",
    "channels", "sampling rate", "non-finite", "silent",
}  # fmt: skip


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3", "aiff"])
def test_a_sine_keeps_its_level_and_length(tmp_path, suffix):
    path = tmp_path / f"sine.{suffix}"
    soundfile.write(path, sine, sr)
    audio = decode(path)
    assert (audio.sr, audio.channels) == (sr, 1)
    assert audio.duration == pytest.approx(2.0, abs=0.06)
    assert np.sqrt(np.mean(audio.mono**2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.02)
    assert audio.samples.dtype == np.float32
    assert not audio.samples.flags.writeable
    assert audio.decoder.startswith("PyAV")


def test_resampling_keeps_frequency_and_level(tmp_path):
    soundfile.write(tmp_path / "sine.wav", sine, sr)
    samples = decode(tmp_path / "sine.wav").resampled(22050, mono=True)
    assert samples.shape == (44100,)
    assert np.argmax(np.abs(np.fft.rfft(samples))) * 22050 / len(samples) == pytest.approx(440, abs=1)
    assert np.sqrt(np.mean(samples**2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.01)


def test_mono_is_the_mean_of_the_channels(tmp_path):
    soundfile.write(tmp_path / "stereo.wav", np.stack([sine, -0.5 * sine], axis=1), sr, subtype="FLOAT")
    track = Track("x", tmp_path / "stereo.wav")
    np.testing.assert_allclose(track.audio(), 0.25 * sine, atol=1e-6)
    assert track.audio(22050, mono=False).shape == (2, 44100)


def test_an_excerpt_begins_at_its_offset(tmp_path):
    soundfile.write(tmp_path / "ramp.wav", time / 2, sr, subtype="FLOAT")
    part = Track("x", tmp_path / "ramp.wav").audio(offset=0.5, duration=0.25)
    assert part.shape == (sr // 4,)
    assert part[0] == pytest.approx(0.25)
    with pytest.raises(ValueError, match="read-only"):
        part[0] = 1


def odd_file(kind, folder):
    path = folder / "odd.wav"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        return "/dev/zero"
    elif kind == "broken link":
        path.symlink_to("nowhere")
    elif kind == "link loop":
        path.symlink_to(path)
    elif kind == "empty":
        path.touch()
    elif kind == "text":
        path.write_text("#EXTM3U\n/etc/passwd\n")
    elif kind == "silence":
        soundfile.write(path, np.zeros(sr), sr)
    elif kind == "click":
        soundfile.write(path, np.ones(64), sr)
    elif kind == "nan":
        soundfile.write(path, np.where(time < 1, sine, np.nan), sr, subtype="FLOAT")
    return path


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("folder", "not a file"),
        ("pipe", "not a file"),
        ("device", "not a file"),
        ("broken link", "missing"),
        ("link loop", "missing"),
        ("none", "missing"),
        ("empty", "empty"),
        ("text", "not audio"),
        ("silence", "silent"),
        ("click", "too short"),
        ("nan", "non-finite"),
    ],
)
def test_odd_files_have_a_reason(tmp_path, kind, reason):
    with pytest.raises(AudioError) as error:
        decode(odd_file(kind, tmp_path))
    assert error.value.reason == reason


def test_long_recordings_are_refused_by_their_header(tmp_path):
    soundfile.write(tmp_path / "long.flac", np.zeros(8000 * 30), 8000)
    with pytest.raises(AudioError, match="at least 30 s long; the limit is 10 s") as error:
        decode(tmp_path / "long.flac", max_duration=10)
    assert error.value.reason == "too long"


def test_the_id_is_the_sha256_of_the_bytes(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    assert hash_file(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_every_file_that_breaks_decoders_ends_typed(shared):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    decoded, found = 0, set()
    for path in sorted((shared / "data" / "torture").iterdir()):
        try:
            audio = decode(path)
        except AudioError as error:
            found.add(error.reason)
        else:
            decoded += 1
            assert np.isfinite(audio.samples).all(), path.name
            assert audio.duration >= 0.1
    assert decoded >= 45
    assert found <= reasons
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown < 300  # [MB]
