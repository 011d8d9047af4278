"""Major and minor chords over time, by the Harmony Transformer as Omnizart ships it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl

from mirstore.core import Column, Extractor, MirstoreError, Row, Track, TrackError, Weights
from mirstore_omnizart.network import Network, places
from mirstore_omnizart.segments import labels, roots, segments
from mirstore_omnizart.vamp import collect
from mirstore_omnizart.weights import omnizart_chord, omnizart_chroma

sr, hop = 44100, 2048
_min_duration = 0.1  # [s]
_chroma = {"useNNLS": 0, "rollon": 1, "tuningmode": 0, "whitening": 1, "s": 0.7, "chromanormalize": 0}
_chen = r"""@inproceedings{chen2019harmony,
  author = {Chen, Tsung-Ping and Su, Li},
  title = {Harmony Transformer: Incorporating Chord Segmentation into Harmony Recognition},
  booktitle = {Proc. Int. Society for Music Information Retrieval Conference (ISMIR)},
  pages = {259--267},
  year = {2019},
}"""
_wu = r"""@article{wu2021omnizart,
  author = {Wu, Yu-Te and Luo, Yin-Jyun and Chen, Tsung-Ping and Wei, I-Chieh and Hsu, Jui-Yang and
            Chuang, Yi-Chin and Su, Li},
  title = {Omnizart: A General Toolbox for Automatic Music Transcription},
  journal = {Journal of Open Source Software},
  volume = {6},
  number = {68},
  pages = {3391},
  year = {2021},
}"""


@dataclass
class ChordsOmnizart(Extractor):
    """Major and minor chords over time, by Omnizart's network; where it hears none there is no row.

    Parameters
    ----------
    model : str
        Folder of a chord network that you trained with Omnizart, with ``saved_model.pb`` and ``variables``; empty for
        the one that its authors trained.
    """

    name = "chords-omnizart"
    version = 1
    cost = 0.01
    memory = 1_500_000_000
    cite = (_wu, _chen)
    needs = (omnizart_chord, omnizart_chroma)
    model: str = field(default="", compare=False)  # its hash counts

    def __post_init__(self) -> None:
        lacking = [place for place in places if not (Path(self.model) / place).is_file()] if self.model else []
        if lacking:
            hint = "name a folder that omnizart chord train-model wrote"
            raise MirstoreError(f"model={self.model!r} has no {lacking[0]}", hint=hint)

    def uses(self) -> tuple[Weights, ...]:
        return (omnizart_chroma,) if self.model else self.needs

    def weights(self) -> str | None:
        declared = super().weights()
        if not self.model:
            return declared
        hashes = [hashlib.sha256((Path(self.model) / place).read_bytes()).hexdigest() for place in places]
        return hashlib.sha256(" ".join([declared or "", *hashes]).encode()).hexdigest()

    def columns(self) -> Mapping[str, Column]:
        sure = "mean probability of the chord, frame by frame"
        return {
            "start": Column(pl.Float64, "s", "where the chord begins", range=(0, None)),
            "end": Column(pl.Float64, "s", "where the chord ends", range=(0, None)),
            "label": Column(pl.String, "", "the chord in Harte's syntax, as A:min"),
            "root": Column(pl.String, "", f"its root: {', '.join(roots)}"),
            "quality": Column(pl.String, "", "its quality: maj, min"),
            "confidence": Column(pl.Float32, "", sure, range=(0, 1)),
        }

    @cached_property
    def network(self) -> Network:
        """The network, which stays as long as the worker."""
        if not self.model:
            return Network(omnizart_chord.load())
        return Network({place: np.fromfile(Path(self.model) / place, np.uint8) for place in places})

    @cached_property
    def chroma_plugin(self) -> Path:
        """The library of the plugin for profiles of pitch classes."""
        return omnizart_chroma.path()

    def extract(self, track: Track) -> list[Row]:
        x = track.audio(sr)
        likely = self.network(chroma(self.chroma_plugin, x))
        found = segments(likely.argmax(axis=1).tolist(), _min_duration * sr / hop)
        return [_row(start, end, chord, likely, len(x) / sr) for start, end, chord in found]


def chroma(library: Path, x: np.ndarray) -> np.ndarray:
    """Return profiles of pitch classes in bass and treble, as Omnizart has them [shape=(frames, 24), dtype=float32].

    Parameters
    ----------
    library : path
        Of the plugin.
    x : np.ndarray [shape=(n,), dtype=float32]
        44.1 kHz.

    Raises
    ------
    TrackError
        If the library is for another kind of machine.
    """
    try:
        return collect(library, "nnls-chroma", "bothchroma", _chroma, x, sr)
    except OSError as error:
        raise TrackError("no plugin", f"NNLS-Chroma is for Linux on x86-64, and cannot be loaded: {error}") from None


def _row(start: int, end: int, chord: int, likely: np.ndarray, duration: float) -> Row:
    root, quality = labels[chord].split(":")
    return {
        "start": start * hop / sr,
        "end": min(end * hop / sr, duration),
        "label": labels[chord],
        "root": root,
        "quality": quality,
        "confidence": float(likely[start - 1 : end, chord].mean()),
    }
