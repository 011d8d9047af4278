"""Audio in: user files become float32 samples, or an `AudioError` with one of these reasons.

=============  ===========================================================================
missing        no such file, a broken link, a loop of links
not a file     a folder, a pipe, a device
unreadable     permissions, or the disk fails
empty          0 bytes, or no audio samples
not audio      text, a playlist, a format that no decoder knows
truncated      less than half of what the header promises
corrupt        the decoder gave up
too long       longer than the limit (20 min unless asked otherwise)
too short      under 0.1 s
channels       more than 8 channels, or none
sampling rate  outside 1 kHz to 384 kHz
non-finite     NaN or infinite samples
silent         every sample is zero
=============  ===========================================================================

Files are decoded by soundfile from a Python file object (odd names cannot hurt, no other file is ever opened), what it
does not know by PyAV packet by packet. Both stop at the limit, whatever the header says.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from io import BufferedReader
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import soundfile
import soxr

from mirstore.core.errors import AudioError

shortest = 0.1  # [s]
_block = 1 << 20  # samples
_max_samples = 60_000_000  # of all channels together: 240 MB as float32
_rates = range(1_000, 384_001)
_text_starts = (
    b"#EXTM3U",
    b"ffconcat",
    b"<!DOCTYPE",
    b"<!doctype",
    b"<html",
    b"<HTML",
    b"<?xml",
    b"[playlist]",
    b"%PDF",
)
# Containers whose demuxers read the file itself and nothing else; concat, hls and dash would open others.
_av_formats = frozenset("aac ac3 aiff asf ape au caf eac3 flac matroska mov mp3 mp4 ogg wav webm wv".split())


@dataclass(frozen=True, eq=False)
class Audio:
    """Decoded audio.

    Attributes
    ----------
    samples : np.ndarray [shape=(channels, n), dtype=float32]
        Read-only, full scale is ±1.
    sr : int [Hz]
        Sampling rate of the file.
    codec : str
        As the decoder calls it.
    decoder : str
        Name and version: decoders differ by up to 93 ms of offset.
    warnings : tuple of str
        What was odd but usable.
    """

    samples: np.ndarray
    sr: int
    codec: str
    decoder: str
    warnings: tuple[str, ...] = ()

    @property
    def channels(self) -> int:
        """Number of channels."""
        return int(self.samples.shape[0])

    @property
    def duration(self) -> float:
        """Length [s]."""
        return self.samples.shape[1] / self.sr

    @cached_property
    def mono(self) -> np.ndarray:
        """Mean of the channels [shape=(n,)]."""
        return self.samples[0] if self.channels == 1 else _frozen(self.samples.mean(axis=0))

    @cached_property
    def samples_sha256(self) -> str:
        """SHA-256 of the rate, the number of channels and all samples: equal for a wav and the flac made of it."""
        digest = hashlib.sha256(f"{self.sr} Hz, {self.channels} channels, float32\n".encode())
        for channel in self.samples:
            digest.update(np.ascontiguousarray(channel, "<f4").data)
        return digest.hexdigest()

    def resampled(self, sr: int, *, mono: bool) -> np.ndarray:
        """Return the samples at another rate [shape=(n,) if mono else (channels, n)], by soxr's HQ."""
        samples = self.mono if mono else self.samples
        if sr == self.sr:
            return samples
        return _frozen(np.ascontiguousarray(soxr.resample(samples.T, self.sr, sr).T))


def _frozen(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a regular file's bytes; a recording's id leaves its tags out, see `identity.track_id`.

    Raises
    ------
    AudioError
        If it is no readable, non-empty regular file.
    """
    with open_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def open_file(path: Path) -> BufferedReader:
    """Open a regular file, and nothing that could block or never end."""
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            raise AudioError("not a file", f"is {_kind(status.st_mode)}, not a file")
        if status.st_size == 0:
            raise AudioError("empty", "has 0 bytes")
        return open(path, "rb")
    except FileNotFoundError:
        raise AudioError("missing", "broken link" if os.path.islink(path) else "no such file") from None
    except OSError as error:
        reason = "missing" if error.errno in (40, 20) else "unreadable"  # ELOOP, ENOTDIR
        raise AudioError(reason, (error.strerror or str(error)).lower()) from None


def _kind(mode: int) -> str:
    kinds = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}
    return kinds.get(stat.S_IFMT(mode), "special")


def decode(path: Path, *, max_duration: float = 1200.0) -> Audio:
    """Decode a file.

    Parameters
    ----------
    path : pathlib.Path
        Any name, any suffix: the content decides.
    max_duration : float > 0 [s]
        Longer recordings are refused.

    Raises
    ------
    AudioError
        See the module's table.
    """
    with open_file(path) as file:
        _refuse_text(file)
        try:
            audio = _by_soundfile(file, max_duration)
        except soundfile.LibsndfileError as error:
            file.seek(0)
            audio = _by_av(file, max_duration, error.error_string)
    _check(audio)
    return audio


def _refuse_text(file: BinaryIO) -> None:
    start = file.read(512)
    file.seek(0)
    if start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(_text_starts):
        raise AudioError("not audio", "is text or a playlist, not audio")
    if start.isascii() and all(byte >= 9 for byte in start) and not start.startswith((b"RIFF", b"fLaC", b"OggS")):
        raise AudioError("not audio", "is text, not audio")


def _by_soundfile(file: BinaryIO, max_duration: float) -> Audio:
    with soundfile.SoundFile(file) as sound:
        _check_format(sound.samplerate, sound.channels)
        limit = int(max_duration * sound.samplerate)
        declared = sound.frames
        if limit < declared < 1 << 50:  # a header may lie about billions of hours: then reading decides
            _refuse_long(declared / sound.samplerate, max_duration)
        blocks, problem = _read(sound, limit)
        sr, codec = sound.samplerate, f"{sound.format}/{sound.subtype}".lower()
    frames = sum(map(len, blocks))
    if frames > limit:
        _refuse_long(frames / sr, max_duration)
    if not frames:
        raise AudioError("empty" if not problem else "corrupt", problem or "has no audio samples")
    warnings = _compare_length(frames, declared, problem)
    samples = np.empty((blocks[0].shape[1], frames), np.float32)
    at = 0
    while blocks:  # freed one by one, so that two copies never stand side by side
        block = blocks.pop(0)
        samples[:, at : at + len(block)] = block.T
        at += len(block)
    library = soundfile.__libsndfile_version__.removeprefix("libsndfile-")
    decoder = f"soundfile {soundfile.__version__} (libsndfile {library})"
    return Audio(_frozen(samples), sr, codec, decoder, warnings)


def _read(sound: soundfile.SoundFile, limit: int) -> tuple[list[np.ndarray], str]:
    blocks: list[np.ndarray] = []
    frames, size = 0, max(1, _block // sound.channels)
    try:
        while frames <= limit:
            block = sound.read(size, dtype="float32", always_2d=True)
            if not len(block):
                break
            blocks.append(block)
            frames += len(block)
            _refuse_large(frames * sound.channels)
    except soundfile.LibsndfileError as error:
        if not frames:
            raise
        return blocks, error.error_string
    return blocks, ""


def _compare_length(frames: int, declared: int, problem: str) -> tuple[str, ...]:
    if 0 < declared < 1 << 50 and frames < declared:
        share = f"has {frames} of the {declared} frames that its header promises"
        if frames < 0.5 * declared:
            raise AudioError("truncated", share)
        return (share,)
    return (problem,) if problem else ()


def _by_av(file: BinaryIO, max_duration: float, problem: str) -> Audio:
    try:
        import av
    except ImportError:
        message = f"{problem} For m4a, aac, wma, webm: pip install 'mirstore[av]'"
        raise AudioError("not audio", message) from None
    av.logging.set_level(av.logging.PANIC)
    try:
        with av.open(file, mode="r", options={"protocol_whitelist": ""}) as container:
            if not _av_formats & set(container.format.name.split(",")):
                raise AudioError("not audio", f"format {container.format.name!r} is not decoded")
            if not container.streams.audio:
                raise AudioError("not audio", "has no audio stream")
            stream = container.streams.audio[0]
            if stream.codec_context is None:
                raise AudioError("not audio", "its codec is not known")
            _check_format(stream.rate or 0, stream.channels)
            blocks, rate, trouble = _av_blocks(container, stream, max_duration)
            codec = str(stream.codec_context.name)
    except (av.FFmpegError, ValueError, OverflowError) as error:
        raise AudioError("not audio", f"no decoder knows it: {getattr(error, 'strerror', None) or error}") from None
    if not blocks:
        raise AudioError("corrupt" if trouble else "empty", trouble or "has no audio samples")
    samples = np.concatenate(blocks, axis=1)
    return Audio(_frozen(samples), rate, codec, f"PyAV {version('av')}", (trouble,) if trouble else ())


def _av_blocks(container: Any, stream: Any, max_duration: float) -> tuple[list[np.ndarray], int, str]:
    """Decode packet by packet; a broken packet is left out, the rest is kept."""
    import av

    rate, blocks, frames, broken = int(stream.rate), [], 0, 0
    layout = "mono" if stream.channels == 1 else "stereo"  # other layouts crash FFmpeg's resampler
    resampler = av.AudioResampler(format="fltp", layout=layout, rate=rate)
    for packet in container.demux(stream):
        try:
            decoded = packet.decode()
        except av.FFmpegError:
            broken += 1
            continue
        for frame in decoded:
            for part in resampler.resample(frame):
                block = part.to_ndarray().astype(np.float32, copy=False)
                blocks.append(block)
                frames += block.shape[1]
        if frames > max_duration * rate:
            _refuse_long(frames / rate, max_duration)
        _refuse_large(2 * frames)
    return blocks, rate, f"{broken} packets could not be decoded" if broken else ""


def _check_format(sr: int, channels: int) -> None:
    if not 1 <= channels <= 8:
        raise AudioError("channels", f"has {channels} channels; 1 to 8 can be used")
    if sr not in _rates:
        raise AudioError("sampling rate", f"sampling rate {sr} Hz is outside {_rates[0]} to {_rates[-1]} Hz")


def _refuse_long(seconds: float, limit: float) -> None:
    raise AudioError("too long", f"is at least {seconds:.0f} s long; the limit is {limit:.0f} s")


def _refuse_large(samples: int) -> None:
    if samples > _max_samples:
        raise AudioError("too long", f"has more than {_max_samples} samples; cut it, or mix it down to mono")


def _check(audio: Audio) -> None:
    if audio.duration < shortest:
        raise AudioError("too short", f"is {audio.duration:.3f} s long; {shortest:g} s is the least")
    peaks = [(float(block.min()), float(block.max())) for block in _pieces(audio.samples)]
    if not np.isfinite(peaks).all():
        raise AudioError("non-finite", "has NaN or infinite samples")
    if not np.any(peaks):
        raise AudioError("silent", "every sample is zero")


def _pieces(samples: np.ndarray) -> Iterator[np.ndarray]:
    """Yield parts, so that checks need no copy of the whole."""
    for at in range(0, samples.shape[1], _block):
        yield samples[:, at : at + _block]
