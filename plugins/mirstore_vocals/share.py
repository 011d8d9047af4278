"""How much of a track is voice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from mirstore.core import Column, Extractor, Row, Track
from mirstore_vocals.stems import part, rate

_piece = 1 << 20  # [samples]


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

    def columns(self, inputs: Mapping[str, Mapping[str, Column]]) -> dict[str, Column]:
        rate(inputs["vocals"], self.name)
        text = "energy of the voice / (voice + accompaniment); null where both are silent"
        return {"vocal_share": Column(pl.Float32, "", text, range=(0, 1), nullable=True)}

    def extract(self, track: Track) -> Row:
        voice, rest = _energy(part(track, "vocals")), _energy(part(track, "accompaniment"))
        return {"vocal_share": voice / (voice + rest) if voice + rest > 0 else None}


def _energy(samples: np.ndarray) -> float:
    """Return the sum of squares, as float64, piece by piece: 20 minutes are large."""
    pieces = (samples[:, at : at + _piece].astype(np.float64) for at in range(0, samples.shape[1], _piece))
    return sum(float(np.vdot(piece, piece)) for piece in pieces)
