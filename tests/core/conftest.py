"""Recordings in every container, taggers for them, and FFmpeg's command line for what no library of ours writes."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

# Suffix to what soundfile (format, subtype) or PyAV (format, codec) calls it.
by_soundfile = {
    ".wav": ("WAV", "PCM_16"),
    ".rf64": ("RF64", "PCM_16"),
    ".w64": ("W64", "PCM_16"),
    ".aiff": ("AIFF", "PCM_16"),
    ".caf": ("CAF", "PCM_16"),
    ".flac": ("FLAC", "PCM_16"),
    ".ogg": ("OGG", "VORBIS"),
    ".opus": ("OGG", "OPUS"),
    ".mp3": ("MP3", "MPEG_LAYER_III"),
}
by_av = {
    ".m4a": ("ipod", "aac"),
    ".wma": ("asf", "wmav2"),
    ".wv": ("wv", "wavpack"),
    ".aac": ("adts", "aac"),
    ".oga": ("ogg", "flac"),
    ".spx": ("ogg", "libspeex"),
    ".mka": ("matroska", "libvorbis"),
    ".webm": ("webm", "libopus"),
}


def write(path: Path, samples: np.ndarray, sr: int = 48000) -> Path:
    """Write mono samples [shape=(n,)] in the container that the suffix names."""
    if path.suffix in by_soundfile:
        import soundfile

        kind, subtype = by_soundfile[path.suffix]
        soundfile.write(path, samples, sr, format=kind, subtype=subtype)
        return path
    av = pytest.importorskip("av")
    kind, codec = by_av[path.suffix]
    sr = 16000 if codec == "libspeex" else sr
    try:
        av.codec.Codec(codec, "w")
    except av.codec.codec.UnknownCodecError:
        pytest.skip(f"this PyAV has no encoder {codec}")
    with av.open(str(path), "w", format=kind) as file:
        stream = file.add_stream(codec, rate=sr, layout="mono")
        stream.bit_rate = 64_000
        formats = [f.name for f in stream.codec_context.codec.audio_formats]
        stream.codec_context.format = formats[0]
        stream.codec_context.open()
        frame = av.AudioFrame.from_ndarray(samples[None].astype(np.float32), format="fltp", layout="mono")
        frame.sample_rate = sr
        size = stream.codec_context.frame_size or None
        resampler = av.AudioResampler(format=formats[0], layout="mono", rate=sr, frame_size=size)
        frame.pts = 0
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            file.mux(stream.encode(part))
        file.mux(stream.encode(None))
    return path


@pytest.fixture
def make_recording(tmp_path: Path) -> Callable[..., Path]:
    """Write a recording of noise; another seed is another recording."""

    def make(name: str, seed: int = 440, seconds: float = 3.0) -> Path:
        noise = 0.3 * np.random.default_rng(seed).uniform(-1, 1, int(48000 * seconds))
        return write(tmp_path / name, noise.astype(np.float32))

    return make


@pytest.fixture(scope="session")
def ffmpeg() -> Callable[..., subprocess.CompletedProcess[bytes]]:
    """Run ``ffmpeg`` with these words; what it reads and writes are bytes."""
    program = shutil.which("ffmpeg")
    if program is None:
        pytest.skip("needs FFmpeg's command line: apt-get install ffmpeg")

    def run(*words: object, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        command = [program, "-v", "error", "-y", *map(str, words)]
        return subprocess.run(command, input=given, capture_output=True)

    return run
