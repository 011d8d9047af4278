"""Mel-spectrograms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mirstore.core import Column, Row, Tensor, Track
from mirstore_librosa.excerpt import Excerpted
from mirstore_librosa.publications import mcfee


@dataclass
class Mel(Excerpted):
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
    duration: float = 30.0
    sr: int = 22050
    n_fft: int = 2048
    hop_length: int = 512
    n_mels: int = 128

    def columns(self) -> dict[str, Column]:
        kind = Tensor("float16", (self.n_mels, None), self.hop_length / self.sr)
        text = "mel-spectrogram below its loudest cell, bands by frames"
        return {"mel": Column(kind, "dB", text, range=(-80, 0), nullable=self.short == "null")}

    def extract(self, track: Track) -> Row:
        import librosa

        samples = self.samples(track, self.sr)
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
