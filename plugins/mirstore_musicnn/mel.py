"""What the networks hear: a logarithmic mel-spectrogram, and its patches of three seconds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mirstore.core import Column, Extractor, Row, Tensor, Track, TrackError
from mirstore_musicnn.publications import musicnn

sr, n_fft, hop, bands = 16000, 512, 256, 96
frames = 187  # of a patch, 3 s


@dataclass
class MelMusicnn(Extractor):
    """Mel-spectrogram as MusiCNN and its VGG learned from it: log10(1 + 10,000 × power), 96 bands up to 8 kHz.

    The logarithm is taken in 32 bits: power in 16 bits, as in the musicnn package, is infinite where music is loud.
    """

    name = "mel-musicnn"
    version = 1
    cost = 0.0007
    cite = (musicnn,)

    def columns(self) -> dict[str, Column]:
        kind = Tensor("float16", (bands, None), hop / sr)
        return {"mel": Column(kind, "", "log10(1 + 10,000 × power), bands by frames", range=(0, None))}

    def extract(self, track: Track) -> Row:
        import librosa

        samples = track.audio(sr)
        samples = np.pad(samples, (0, max(0, n_fft - len(samples))))
        power = librosa.feature.melspectrogram(y=samples, sr=sr, n_fft=n_fft, hop_length=hop, n_mels=bands)
        return {"mel": np.log10(1 + 10000 * power).astype(np.float16)}


def patches(track: Track) -> Iterator[np.ndarray]:
    """Yield a track's whole patches one after another [shape=(96, 187), dtype=float32]; what is left is not heard.

    Parameters
    ----------
    track : Track
        With `MelMusicnn`'s rows as ``mel-musicnn``.

    Raises
    ------
    TrackError
        If it is shorter than one patch.
    """
    mel = track.features("mel-musicnn")["mel"][0]
    whole = mel.shape[1] // frames
    if not whole:
        raise TrackError("too short", f"has {mel.shape[1]} frames of mel-musicnn; {frames} (3 s) are needed")
    for at in range(whole):
        yield mel[:, at * frames : (at + 1) * frames].astype(np.float32)
