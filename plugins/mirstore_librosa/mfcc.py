"""MFCC, and what Buisson et al. (2022) make of them: statistics (section 3.1) and pooled windows (section 4.2)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from mirstore.core import Column, Extractor, Row, Tensor, Track, TrackError
from mirstore_librosa.excerpt import excerpt
from mirstore_librosa.publications import mcfee


@dataclass
class MFCC(Extractor):
    """Mel-frequency cepstral coefficients, frame by frame.

    Buisson et al.: 15 s from the fifth second on, 44.1 kHz, Hann window of 1,024 samples, FFT of 2,048, hop of 512:
    1,292 frames. Shorter tracks: the excerpt begins earlier, and is repeated if there are less than 15 s.

    Parameters
    ----------
    sr : int > 0 [Hz]
        Sampling rate.
    n_mfcc : int > 0
        Coefficients, the zeroth (level) included.
    win_length, n_fft, hop_length : int > 0 [samples]
        Window, transform and hop.
    offset, duration : float [s]
        The excerpt.
    """

    name = "mfcc"
    cite = (mcfee,)
    version = 1
    cost = 0.0009
    sr: int = 44100
    n_mfcc: int = 13
    win_length: int = 1024
    n_fft: int = 2048
    hop_length: int = 512
    offset: float = 5.0
    duration: float = 15.0

    def columns(self) -> dict[str, Column]:
        kind = Tensor("float32", (self.n_mfcc, None), self.hop_length / self.sr)
        return {"mfcc": Column(kind, "", "cepstral coefficients of the mel-spectrum in dB, coefficients by frames")}

    def extract(self, track: Track) -> Row:
        import librosa

        samples = excerpt(track, self.sr, self.offset, self.duration, pad=True)
        frames = librosa.feature.mfcc(
            y=samples,
            sr=self.sr,
            n_mfcc=self.n_mfcc,
            n_fft=self.n_fft,
            win_length=self.win_length,
            hop_length=self.hop_length,
        )
        return {"mfcc": frames}


@dataclass
class MFCCStats(Extractor):
    """Mean and standard deviation of 13 MFCC over time: MFCC-S of Buisson et al., section 3.1, 26 values."""

    name = "mfcc-stats"
    cite = (mcfee,)
    version = 1
    cost = 0.00002
    inputs = ("mfcc",)
    n_mfcc: int = 13

    def columns(self) -> dict[str, Column]:
        texts = {"mean": "mean over time", "std": "standard deviation over time"}
        return {
            f"mfcc_{number:02}_{kind}": Column(pl.Float32, "", f"{text} of MFCC {number}")
            for kind, text in texts.items()
            for number in range(self.n_mfcc)
        }

    def extract(self, track: Track) -> Row:
        frames = _frames(track, self.n_mfcc)
        return dict(zip(self.columns(), [*frames.mean(axis=1), *frames.std(axis=1)], strict=True))


@dataclass
class MFCCWindows(Extractor):
    """MFCC averaged over 15 windows of 86 frames (1 s each): MFCC-P of Buisson et al., section 4.2, 195 values.

    Parameters
    ----------
    frames : int > 0
        Frames per window; 86 · 512 / 44,100 = 0.998 s.
    windows : int > 0
        Number of whole windows that are kept.
    n_mfcc : int > 0
        Coefficients that ``mfcc`` has.
    """

    name = "mfcc-windows"
    cite = (mcfee,)
    version = 1
    cost = 0.00001
    inputs = ("mfcc",)
    frames: int = 86
    windows: int = 15
    n_mfcc: int = 13

    def columns(self) -> dict[str, Column]:
        kind = pl.Array(pl.Float32, self.windows * self.n_mfcc)
        text = "MFCC averaged per window, window after window: all coefficients of the first second, then of the next"
        return {"mfcc": Column(kind, "", text)}

    def extract(self, track: Track) -> Row:
        frames = _frames(track, self.n_mfcc)
        wanted = self.windows * self.frames
        if frames.shape[1] < wanted:
            raise TrackError("too short", f"has {frames.shape[1]} frames of MFCC; {wanted} are needed")
        windows = frames[:, :wanted].reshape(self.n_mfcc, self.windows, self.frames).mean(axis=2)
        return {"mfcc": windows.T.ravel()}  # window-major


def _frames(track: Track, n_mfcc: int) -> np.ndarray:
    frames: np.ndarray = track.features("mfcc")["mfcc"][0]
    if len(frames) != n_mfcc:
        raise TrackError("wrong input", f"reads {n_mfcc} coefficients, but 'mfcc' has {len(frames)}")
    return frames
