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

A file is read to its end, whatever its header says, and what was lost, converted or assumed on the way stands in
`Audio.warnings`; see `mirstore.core.decoders`. Reading stops at the limit.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable
from dataclasses import replace
from io import BufferedReader
from pathlib import Path

import numpy as np

from mirstore.core.decoders import Source, decode_by_av, decode_by_soundfile
from mirstore.core.downmix import mono_weights
from mirstore.core.errors import AudioError
from mirstore.core.headers import container_name, refuse_others
from mirstore.core.recording import Audio

shortest = 0.1  # [s]
_block = 1 << 20  # samples
_cancelled = 20.0  # [dB] that a mono mix may lie below its channels without a word


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a regular file's bytes; a recording's id leaves its tags out, see `identity.track_id`.

    Parameters
    ----------
    path : path

    Raises
    ------
    AudioError
        If it is no readable, non-empty regular file.
    """
    with open_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def open_file(path: Path) -> BufferedReader:
    """Open a regular file, and nothing that could block or never end.

    Parameters
    ----------
    path : path

    Raises
    ------
    AudioError
        If it is no readable, non-empty regular file.
    """
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
        source = Source(file)
        refuse_others(source)
        try:
            audio = _typed(decode_by_av, source, max_duration)
        except AudioError as first:
            if first.reason not in _second_chance:
                raise
            try:
                audio = _typed(decode_by_soundfile, source, max_duration)
            except AudioError as second:
                raise (first if second.reason in _second_chance else second) from None
    return _checked(audio)


_second_chance = frozenset({"not audio", "corrupt", "empty"})


def _typed(decoder: Callable[[Source, float], Audio], file: Source, max_duration: float) -> Audio:
    """Decode; whatever the decoder raises becomes an `AudioError`."""
    try:
        audio = decoder(file, max_duration)
    except MemoryError:
        raise
    except Exception as error:  # libraries' own kinds, RuntimeError, OSError, …
        _refuse_unread(file)
        if isinstance(error, AudioError):
            raise
        raise _unreadable(file, getattr(error, "strerror", None) or str(error)) from None
    _refuse_unread(file)
    return audio


def _unreadable(file: Source, problem: str) -> AudioError:
    name = container_name(file)
    if not name:
        return AudioError("not audio", f"no decoder knows it: {problem}")
    hint = "; its index is missing or damaged, so it was probably cut short" if name in ("MPEG-4", "CAF") else ""
    return AudioError("corrupt", f"begins as {name}, but cannot be read: {problem}{hint}")


def _refuse_unread(file: Source) -> None:
    if file.error:
        raise AudioError("unreadable", (file.error.strerror or str(file.error)).lower())


def _checked(audio: Audio) -> Audio:
    """Return it, with a warning if its channels cancel in the mono mix; refuse what no feature can be made of."""
    if audio.duration < shortest:
        raise AudioError("too short", f"is {audio.duration:.3f} s long; {shortest:g} s is the least")
    power = np.zeros((audio.channels, audio.channels))
    for at in range(0, audio.samples.shape[1], _block):  # so that the checks need no copy of the whole
        block = audio.samples[:, at : at + _block]
        with np.errstate(all="ignore"):
            power += block @ block.T
    if not np.isfinite(power).all() and not np.isfinite(audio.samples).all():  # squares may overflow
        raise AudioError("non-finite", "has NaN or infinite samples")
    if not power.any() and not audio.samples.any():  # or vanish
        raise AudioError("silent", "every sample is zero")
    weights, channels = mono_weights(audio.layout), float(np.mean(np.diag(power)))
    if weights @ power @ weights > channels * 10 ** (-_cancelled / 10):
        return audio
    mixed = float(np.mean(np.square(audio.mono, dtype=np.float64)))  # again: the sum above is inexact near zero
    levels = f"{_db(mixed)} against {_db(channels / audio.samples.shape[1])}"
    warning = (
        f"the mono mix is more than {_cancelled:.0f} dB quieter than the channels ({levels}): they cancel each other"
    )
    return replace(audio, warnings=(*audio.warnings, warning))


def _db(power: float) -> str:
    return f"{10 * np.log10(power):.1f} dBFS" if power > 0 else "silence"
