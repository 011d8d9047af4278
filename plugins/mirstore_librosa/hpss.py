"""Harmonic and percussive parts of a track, which other extractors can hear instead of it."""

from __future__ import annotations

from dataclasses import dataclass

from mirstore.core import Column, Extractor, Row, Sound, Track
from mirstore_librosa.publications import fitzgerald, mcfee


@dataclass
class HPSS(Extractor):
    """Harmonic and percussive part, told apart by medians over time and over frequency.

    Point an extractor that hears audio at one of them by ``inputs = { audio = "hpss.percussive" }``.

    Parameters
    ----------
    sr : int > 0 [Hz]
        Sampling rate of the parts, which are mono.
    n_fft, hop_length : int > 0 [samples]
        Length of a frame, and distance between frames.
    kernel_size : int > 0
        Length of both medians, in frames and in bins.
    margin : float >= 1
        How many times stronger one part must be to have a cell; above 1, what is neither is in no part.
    """

    name = "hpss"
    cite = (fitzgerald, mcfee)
    version = 1
    cost = 0.07
    sr: int = 44100
    n_fft: int = 2048
    hop_length: int = 512
    kernel_size: int = 31
    margin: float = 1.0

    def columns(self) -> dict[str, Column]:
        kind = Sound(self.sr, 1)
        return {
            "harmonic": Column(kind, "", "what sustains: tones, chords, voices"),
            "percussive": Column(kind, "", "what is short and broad: drums, attacks, consonants"),
        }

    def extract(self, track: Track) -> Row:
        import librosa

        harmonic, percussive = librosa.effects.hpss(
            track.audio(self.sr),
            n_fft=self.n_fft,
            hop_length=self.hop_length,
            kernel_size=self.kernel_size,
            margin=self.margin,
        )
        return {"harmonic": harmonic, "percussive": percussive}
