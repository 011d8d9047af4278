"""Mel-spectrograms."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from mirstore.core import Column, Extractor, MirstoreError, Row, Tensor, Track
from mirstore_librosa.excerpt import excerpt
from mirstore_librosa.publications import mcfee


@dataclass
class Mel(Extractor):
    """Mel-spectrogram in decibels, the input of convolutional networks.

    Parameters
    ----------
    sr : int > 0 [Hz]
        Sampling rate.
    n_fft : int > 0 [samples]
        Length of a frame.
    hop_length : int > 0 [samples]
        Distance between frames; 512 at 22,050 Hz is 23.2 ms.
    n_mels : int > 0
        Number of mel bands.
    offset : float >= 0 [s]
        Where the excerpt begins.
    duration : float > 0 [s]
        Length of the excerpt.
    window : str
        ``"hann"`` or ``"hamming"``.
    short : str
        What a track gives that ends before the excerpt does. ``"earlier"``: an excerpt that begins earlier, or all of
        the track if that is not enough, and so fewer frames. ``"null"``: null. ``"pad"``: the excerpt with digital
        silence at its end.
    """

    name = "mel"
    cite = (mcfee,)
    version = 1
    cost = 0.0006
    sr: int = 22050
    n_fft: int = 2048
    hop_length: int = 512
    n_mels: int = 128
    offset: float = 0.0
    duration: float = 30.0
    window: Literal["hann", "hamming"] = field(default="hann", metadata={"was": "hann"})
    short: Literal["earlier", "null", "pad"] = field(default="earlier", metadata={"was": "earlier"})

    def __post_init__(self) -> None:
        for name, known in (("window", ("hann", "hamming")), ("short", ("earlier", "null", "pad"))):
            if getattr(self, name) not in known:
                raise MirstoreError(f"unknown {name} {getattr(self, name)!r}", hint=f"known: {', '.join(known)}")

    def columns(self) -> dict[str, Column]:
        kind = Tensor("float16", (self.n_mels, None), self.hop_length / self.sr)
        text = "mel-spectrogram below its loudest cell, bands by frames"
        return {"mel": Column(kind, "dB", text, range=(-80, 0), nullable=self.short == "null")}

    def extract(self, track: Track) -> Row:
        import librosa

        samples = self._excerpt(track)
        if samples is None:
            return {"mel": None}
        power = librosa.feature.melspectrogram(
            y=samples,
            sr=self.sr,
            n_fft=self.n_fft,
            hop_length=self.hop_length,
            n_mels=self.n_mels,
            window=self.window,
        )
        # Decibels, not power: half floats keep 0.0033 of a standard deviation of decibels, but overflow on power.
        return {"mel": librosa.power_to_db(power, ref=np.max).astype(np.float16)}

    def _excerpt(self, track: Track) -> np.ndarray | None:
        if self.short == "earlier":
            return excerpt(track, self.sr, self.offset, self.duration, pad=False)
        samples = track.audio(self.sr, offset=self.offset, duration=self.duration)
        missing = round(self.duration * self.sr) - len(samples)
        if missing > 1 and self.short == "null":  # rounding of the rate may cost a sample
            return None
        return np.pad(samples, (0, max(missing, 0)))
