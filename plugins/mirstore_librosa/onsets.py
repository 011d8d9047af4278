"""How much begins when: the onset envelope, of which tempograms are made."""

from __future__ import annotations

from dataclasses import dataclass

from mirstore.core import Column, Row, Tensor, Track
from mirstore_librosa.excerpt import Excerpted
from mirstore_librosa.publications import mcfee

sr, n_fft, hop_length, n_mels = 22050, 2048, 512, 128


@dataclass
class OnsetEnvelope(Excerpted):
    """Onset envelope: how many decibels louder 128 mel bands get from frame to frame, on average over the bands.

    It is librosa's ``onset_strength`` of 22,050 Hz, in frames of 2,048 samples and steps of 512 (23.2 ms), as those of
    `mel`; bands that get softer count 0.

    Parameters
    ----------
    offset : float >= 0 [s]
        Where the excerpt begins.
    duration : float > 0 [s] or None
        Length of the excerpt; None is all of the track, and ``offset`` is 0 then.
    window : str
        ``"hann"`` or ``"hamming"``.
    short : str
        What a track gives that ends before the excerpt does, as for `mel`: ``"earlier"``, ``"null"`` or ``"pad"``.
    """

    name = "onset-envelope"
    cite = (mcfee,)
    version = 1
    cost = 0.0006

    def columns(self) -> dict[str, Column]:
        # All 32 bits: 5 kB for 30 s, and tempograms are then those that librosa makes of the audio.
        kind = Tensor("float32", (None,), hop_length / sr)
        text = "rise of level per frame, mean over mel bands"
        return {"envelope": Column(kind, "dB", text, range=(0, 80), nullable=self.short == "null")}

    def extract(self, track: Track) -> Row:
        import librosa

        samples = self.samples(track, sr)
        if samples is None:
            return {"envelope": None}
        power = librosa.feature.melspectrogram(
            y=samples, sr=sr, n_fft=n_fft, hop_length=hop_length, n_mels=n_mels, window=self.window
        )
        levels = librosa.power_to_db(power)
        return {"envelope": librosa.onset.onset_strength(S=levels, sr=sr, n_fft=n_fft, hop_length=hop_length)}
