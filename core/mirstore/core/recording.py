"""A decoded recording: its samples, and what was found out on the way."""

from __future__ import annotations

import hashlib
import io
import wave
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from mirstore.core.decoding import decoder
from mirstore.core.downmix import mono_weights
from mirstore.core.errors import AudioError


@dataclass(frozen=True, eq=False)
class Audio:
    """Decoded audio.

    Attributes
    ----------
    samples : np.ndarray [shape=(channels, n), dtype=float32]
        All channels of the file, in its order. Read-only, full scale is ±1.
    sr : int [Hz]
        Sampling rate of the file.
    codec : str
        As the decoder calls it.
    decoder : str
        Name and version: decoders differ by up to 93 ms of offset.
    layout : tuple of str
        Names of the channels as FFmpeg writes them: FL, FR, FC, LFE, BL, BR, …
    warnings : tuple of str
        What was odd but usable.

    Examples
    --------
    >>> audio = Audio(np.zeros((2, 44100), np.float32), 44100, "pcm", "none", ("FL", "FR"))
    >>> audio.channels, audio.duration, audio.mono.shape
    (2, 1.0, (44100,))
    """

    samples: np.ndarray
    sr: int
    codec: str
    decoder: str
    layout: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    _resampled: dict[tuple[int, bool], np.ndarray] = field(default_factory=dict, init=False, repr=False)

    @property
    def channels(self) -> int:
        """Number of channels in the file."""
        return int(self.samples.shape[0])

    @property
    def duration(self) -> float:
        """Length [s]."""
        return self.samples.shape[1] / self.sr

    @cached_property
    def mono(self) -> np.ndarray:
        """The channels mixed down [shape=(n,)]: their mean up to two, else by ITU-R BS.775 (`core.downmix`)."""
        if self.channels == 1:
            return self.samples[0]
        if there := decoder():  # sums of another numpy differ in the last bit
            return there.resampled(self.samples, self.sr, self.layout, self.sr, mono=True)
        return frozen(mono_weights(self.layout) @ self.samples)

    @cached_property
    def samples_sha256(self) -> str:
        """SHA-256 of the rate, the number of channels and all samples: equal for a wav and the flac made of it."""
        digest = hashlib.sha256(f"{self.sr} Hz, {self.channels} channels, float32\n".encode())
        for channel in self.samples:
            digest.update(np.ascontiguousarray(channel, "<f4").data)
        return digest.hexdigest()

    def resampled(self, sr: int, *, mono: bool) -> np.ndarray:
        """Return the samples at another rate [shape=(n,) if mono else (channels, n)], by soxr's HQ, once per rate.

        Parameters
        ----------
        sr : int > 0 [Hz]
        mono : bool
            Mix all channels down, or keep them.

        Returns
        -------
        np.ndarray [dtype=float32]
            Read-only; the same array each time.

        Raises
        ------
        AudioError
            If the rates are too far apart for soxr.
        """
        if (sr, mono) not in self._resampled:
            self._resampled[sr, mono] = self._resample(sr, mono)
        return self._resampled[sr, mono]

    def _resample(self, sr: int, mono: bool) -> np.ndarray:
        if sr == self.sr:
            return self.mono if mono else self.samples
        if there := decoder():
            return there.resampled(self.samples, self.sr, self.layout, sr, mono=mono)
        import soxr  # here, so that interpreters without it can hold audio

        samples = self.mono if mono else self.samples
        try:
            return frozen(np.ascontiguousarray(soxr.resample(samples.T, self.sr, sr).T))
        except (RuntimeError, ValueError) as error:
            raise AudioError("sampling rate", f"cannot be resampled from {self.sr} to {sr} Hz: {error}") from None

    def wav(self) -> bytes:
        """Return it as a 16-bit wav file, for a page to play; what exceeds full scale is clipped."""
        file = io.BytesIO()
        with wave.open(file, "wb") as writer:
            writer.setnchannels(self.channels)
            writer.setsampwidth(2)
            writer.setframerate(self.sr)
            writer.writeframes(np.rint(np.clip(self.samples.T, -1, 1) * 32767).astype("<i2").tobytes())
        return file.getvalue()


def frozen(array: np.ndarray) -> np.ndarray:
    """Return the array itself, read-only from now on.

    Parameters
    ----------
    array : np.ndarray
    """
    array.flags.writeable = False
    return array
