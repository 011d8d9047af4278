"""Tempograms: which tempi an onset envelope has, frame by frame."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mirstore.core import Column, Extractor, MirstoreError, Row, Tensor, Track, TrackError
from mirstore_librosa.onsets import hop_length, sr
from mirstore_librosa.publications import grosche, hsu, mcfee

win_length = 384  # frames, 8.9 s
per_minute = 60 * sr / hop_length  # frames: 2,584
block = 1024  # frames

values = ("magnitude", "log", "real")


@dataclass
class TempogramFourier(Extractor):
    """Fourier tempogram: how strongly each tempo is in the onset envelope around each frame, through 8.9 s of it.

    Row r is a tempo of 6.729 · r BPM, 0 to 1,292 BPM, 193 rows (`fourier_bpm`). Multiples of a tempo are in it too. It
    is librosa's ``fourier_tempogram`` of a Hann window of 384 frames, without its last frame: it then has the frames of
    `mel` and of `onset-envelope`. A track whose envelope is null has null, and one of less than 384 frames fails.

    Parameters
    ----------
    value : str
        ``"magnitude"``; ``"log"``, the logarithm of 1 + magnitude; or ``"real"``, the real part, whose sign depends on
        where the beats are: Hsu et al.'s released code has that.
    """

    name = "tempogram-fourier"
    cite = (grosche, mcfee, hsu)
    version = 1
    cost = 0.0001
    inputs = ("onset-envelope",)
    value: Literal["magnitude", "log", "real"] = "magnitude"

    def __post_init__(self) -> None:
        if self.value not in values:
            raise MirstoreError(f"unknown value {self.value!r}", hint=f"known: {', '.join(values)}")

    def columns(self) -> dict[str, Column]:
        kind = Tensor("float16", (len(fourier_bpm()), None), hop_length / sr)
        ends = None if self.value == "real" else (0, None)
        text = "strength of each tempo in the onset envelope, rows of 6.729 BPM by frames"
        return {"tempogram": Column(kind, "", text, range=ends, nullable=True)}

    def extract(self, track: Track) -> Row:
        envelope = read_envelope(track)
        if envelope is None:
            return {"tempogram": None}
        spectrum = fourier(envelope)
        found = spectrum.real if self.value == "real" else np.abs(spectrum)
        # At most 15,360 (80 dB of envelope, and a window of area 192): 16 bits hold it.
        return {"tempogram": (np.log1p(found) if self.value == "log" else found).astype(np.float16)}


@dataclass
class TempogramAutocorrelation(Extractor):
    """Autocorrelation tempogram: how alike the onset envelope is to itself some frames later, through 8.9 s of it.

    Row l is a lag of l frames, a tempo of 2,584 / l BPM, 384 rows (`autocorrelation_bpm`): no linear axis of tempo. Row
    0 is 1 but in silence, and parts of a tempo are in it too. It is librosa's ``tempogram`` of a Hann window of 384
    frames, each frame divided by its maximum. A track whose envelope is null has null, and one of less than 384 frames
    fails.
    """

    name = "tempogram-autocorrelation"
    cite = (mcfee, hsu)
    version = 1
    cost = 0.0005
    inputs = ("onset-envelope",)

    def columns(self) -> dict[str, Column]:
        kind = Tensor("float16", (win_length, None), hop_length / sr)
        text = "likeness of the onset envelope to itself later, rows of one frame of lag by frames"
        return {"tempogram": Column(kind, "", text, range=(0, 1), nullable=True)}

    def extract(self, track: Track) -> Row:
        envelope = read_envelope(track)
        return {"tempogram": None if envelope is None else np.concatenate(list(_autocorrelation(envelope)), axis=1)}


def _autocorrelation(envelope: np.ndarray) -> Iterator[np.ndarray]:
    """Yield blocks of frames: of a whole track at once, librosa needs 18 kB of memory per frame, and more time."""
    import librosa

    padded = np.pad(envelope, win_length // 2, mode="linear_ramp")  # as librosa does for centred frames
    for first in range(0, len(envelope), block):
        part = padded[first : min(first + block, len(envelope)) + win_length - 1]
        found = librosa.feature.tempogram(
            onset_envelope=part, sr=sr, hop_length=hop_length, win_length=win_length, window="hann", center=False
        )
        yield found.astype(np.float16)


def fourier(envelope: np.ndarray) -> np.ndarray:
    """Return the complex Fourier tempogram [shape=(193, frames)].

    Parameters
    ----------
    envelope : np.ndarray [shape=(frames,)]
        384 frames or more.
    """
    import librosa

    found: np.ndarray = librosa.feature.fourier_tempogram(
        onset_envelope=envelope, sr=sr, hop_length=hop_length, win_length=win_length, window="hann"
    )
    return found[:, :-1]


def fourier_bpm() -> np.ndarray:
    """Return the tempo of each row of a Fourier tempogram [shape=(193,)] [BPM].

    Examples
    --------
    >>> fourier_bpm()[[0, 18, 26]].round(1).tolist()
    [0.0, 121.1, 175.0]
    """
    return np.arange(win_length // 2 + 1) * per_minute / win_length


def autocorrelation_bpm() -> np.ndarray:
    """Return the tempo of each row of an autocorrelation tempogram [shape=(384,)] [BPM], infinite for row 0.

    Examples
    --------
    >>> autocorrelation_bpm()[[0, 15, 22]].round(1).tolist()
    [inf, 172.3, 117.5]
    """
    return np.concatenate([[np.inf], per_minute / np.arange(1, win_length)])


def read_envelope(track: Track) -> np.ndarray | None:
    """Return a track's onset envelope [shape=(frames,)], None where it is null.

    Parameters
    ----------
    track : Track
        With `OnsetEnvelope`'s rows as ``onset-envelope``.

    Raises
    ------
    TrackError
        If it is shorter than the window of a tempogram.
    """
    envelope: np.ndarray | None = track.features("onset-envelope")["envelope"][0]
    if envelope is not None and len(envelope) < win_length:
        message = f"has {len(envelope)} frames of onset-envelope; {win_length} (8.9 s) are needed"
        raise TrackError("too short", message)
    return envelope
