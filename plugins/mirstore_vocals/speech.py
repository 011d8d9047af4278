"""What a recogniser of speech hears best: the voice, and a little of what is around it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mirstore.core import Column, Extractor, MirstoreError, Row, Sound, Track
from mirstore_vocals.stems import part, rate


@dataclass
class VocalsForSpeech(Extractor):
    """The voice with a tenth of the accompaniment, as one channel, for an extractor that hears words.

    Separation leaves holes and whistling where music was; a little music covers what recognisers take for speech.

    Parameters
    ----------
    accompaniment : float, 0 to 1
        What the accompaniment is multiplied by.
    """

    name = "vocals-for-speech"
    version = 1
    cost = 0.0002
    inputs = ("vocals",)
    accompaniment: float = 0.1

    def __post_init__(self) -> None:
        if not 0 <= self.accompaniment <= 1:
            raise MirstoreError(
                f"accompaniment={self.accompaniment} must be from 0 to 1",
                hint=f"accompaniment = {type(self).accompaniment}",
            )

    def columns(self, inputs: Mapping[str, Mapping[str, Column]]) -> dict[str, Column]:
        kind = Sound(rate(inputs["vocals"], self.name), 1)
        return {"vocals": Column(kind, "", "the voice with some accompaniment")}

    def extract(self, track: Track) -> Row:
        voice, rest = (part(track, name).mean(axis=0) for name in ("vocals", "accompaniment"))
        rest *= self.accompaniment
        voice += rest
        return {"vocals": voice}
