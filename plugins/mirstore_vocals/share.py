"""How much of a track is voice."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from mirstore.core import Column, Extractor, Row, Track


@dataclass
class VocalShare(Extractor):
    """Energy of the voice, divided by that of the voice and the accompaniment: over the whole track, all channels.

    A gate for what makes no sense without a voice: of an instrumental it is seldom above .05. A separator decides what
    is a voice, so shares of two separators are two features.
    """

    name = "vocal-share"
    version = 1
    cost = 0.0002
    inputs = ("vocals",)

    def columns(self) -> dict[str, Column]:
        text = "energy of the voice / (voice + accompaniment); null where both are silent"
        return {"vocal_share": Column(pl.Float32, "", text, range=(0, 1), nullable=True)}

    def extract(self, track: Track) -> Row:
        stems = track.features("vocals")
        voice, rest = (_energy(stems[name][0]) for name in ("vocals", "accompaniment"))
        return {"vocal_share": voice / (voice + rest) if voice + rest > 0 else None}


def _energy(samples: np.ndarray) -> float:
    return sum(float(np.dot(part, part)) for channel in np.atleast_2d(samples) for part in _pieces(channel))


def _pieces(channel: np.ndarray) -> list[np.ndarray]:
    """Return parts of it as float64: sums of a million squares need more than float32 has."""
    return [channel[at : at + (1 << 20)].astype(np.float64) for at in range(0, len(channel), 1 << 20)]
