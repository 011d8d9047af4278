"""Stems, words, notes, and what reads them."""

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

import mirstore.core.packs as packs
from mirstore.core import Column, Extractor, Row, Sound, Tensor, Track, hookimpl


@dataclass
class Halves(Extractor):
    """Two sounds: the track at half its level, and at a level above full scale. Where `log` is, a line for each."""

    name = "halves"
    sr: int = 8000
    log: str = ""

    def columns(self) -> dict[str, Column]:
        kind = Sound(self.sr, 1)
        return {"quiet": Column(kind, "", "half as loud"), "loud": Column(kind, "", "four times as loud")}

    def extract(self, track: Track) -> Row:
        if self.log:
            with open(self.log, "a") as file:
                file.write(f"{track.id}\n")
        samples = track.audio(self.sr)
        return {"quiet": 0.5 * samples, "loud": 4.0 * samples}


@dataclass
class Level(Extractor):
    """Root mean square level and length of what it hears."""

    name = "level"

    def columns(self) -> dict[str, Column]:
        return {"rms": Column(pl.Float64, "", "root mean square"), "length": Column(pl.Float64, "s", "its length")}

    def extract(self, track: Track) -> Row:
        samples = track.audio()
        return {"rms": np.sqrt(np.mean(np.square(samples, dtype=np.float64))), "length": track.duration}


@dataclass
class StemLevels(Extractor):
    """Peaks of both halves, read as a table."""

    name = "stem-levels"
    inputs = ("halves",)

    def columns(self) -> dict[str, Column]:
        return {"quiet": Column(pl.Float64, "", "peak of it"), "loud": Column(pl.Float64, "", "peak of it")}

    def extract(self, track: Track) -> Row:
        table = track.features("halves")
        return {name: float(np.abs(table[name][0]).max()) for name in table.columns}


@dataclass
class Liar(Extractor):
    """A sound that is not as it was declared; `how` says in what way."""

    name = "liar"
    how: str = "short"

    def columns(self) -> dict[str, Column]:
        return {"sound": Column(Sound(8000, 1), "", "no true sound")}

    def extract(self, track: Track) -> Row:
        samples = track.audio(8000)
        made = {
            "short": samples[: len(samples) // 2],
            "rate": track.audio(16000),
            "stereo": np.stack([samples, samples]),
            "nan": np.where(np.arange(len(samples)) == 3, np.nan, samples),
            "integers": (samples * 32767).astype(np.int16),
            "file": track.decoded,
        }
        return {"sound": made[self.how]}


@dataclass
class Big(Extractor):
    """A tensor of so many megabytes."""

    name = "big"
    megabytes: float = 1.0

    def columns(self) -> dict[str, Column]:
        return {"big": Column(Tensor("float16", (2, None)), "", "many numbers")}

    def extract(self, track: Track) -> Row:
        seed = int(track.id[:8], 16)
        n = round(self.megabytes * (1 << 18))
        return {"big": np.random.default_rng(seed).integers(0, 2000, (2, n), np.int16).astype(np.float16)}


@dataclass
class Dying(Big):
    """Large tensors; where the file `once` is, the process is killed while it writes one, and the file removed."""

    name = "dying"
    once: str = ""

    def extract(self, track: Track) -> Row:
        if self.once and Path(self.once).exists():
            Path(self.once).unlink()
            packs._blocks = _half  # type: ignore[assignment]
        return super().extract(track)


def _half(array: np.ndarray) -> Iterator[bytes]:
    yield array.tobytes()[: array.nbytes // 2]
    os.kill(os.getpid(), signal.SIGKILL)


@dataclass
class BigMean(Extractor):
    """Mean of a part of a large tensor."""

    name = "big-mean"
    inputs = ("big",)

    def columns(self) -> dict[str, Column]:
        return {"mean": Column(pl.Float64, "", "mean of the first values")}

    def extract(self, track: Track) -> Row:
        return {"mean": float(track.features("big")["big"][0][:, :1000].mean(dtype=np.float64))}


@dataclass
class Words(Extractor):
    """Words of a transcript; a track called instrumental has none."""

    name = "words"

    def columns(self) -> dict[str, Column]:
        return {
            "start": Column(pl.Float64, "s", "where it begins"),
            "word": Column(pl.String, "", "a sung word"),
            "loud": Column(pl.Float32, "", "how loud it is"),
        }

    def extract(self, track: Track) -> list[Row]:
        if "instrumental" in track.path.name:
            return []
        return [{"start": i + 0.25, "word": "la", "loud": 1.0} for i in range(3)]


@dataclass
class WordCount(Extractor):
    """How many words a track has."""

    name = "word-count"
    inputs = ("words",)

    def columns(self) -> dict[str, Column]:
        return {"words": Column(pl.Int32, "", "number of words", (0, 1000))}

    def extract(self, track: Track) -> Row:
        return {"words": track.features("words").height}


@dataclass
class Seconds(Extractor):
    """A value per second."""

    name = "seconds"
    factor: float = 1.0

    def columns(self) -> dict[str, Column]:
        return {
            "start": Column(pl.Float64, "s", "where it begins", grid="every 1 s"),
            "v": Column(pl.Float32, "", "a value here"),
        }

    def extract(self, track: Track) -> list[Row]:
        return [{"start": float(i), "v": self.factor * i} for i in range(3)]


@dataclass
class Notes(Extractor):
    """Notes of a chord have equal onsets, and are returned in no order."""

    name = "notes"

    def columns(self) -> dict[str, Column]:
        return {
            "start": Column(pl.Float64, "s", "its onset"),
            "pitch": Column(pl.Int16, "MIDI", "note number", (0, 127)),
            "voice": Column(pl.String, "", "who plays it", nullable=True),
        }

    def extract(self, track: Track) -> list[Row]:
        notes = [(1.0, 60, "a"), (0.0, 67, "b"), (0.0, 60, "a"), (0.0, 64, None), (0.0, 60, None)]
        return [{"start": start, "pitch": pitch, "voice": voice} for start, pitch, voice in notes]


@dataclass
class Pitches(Extractor):
    """The pitches of a track in the order in which they are read."""

    name = "pitches"
    inputs = ("notes",)

    def columns(self) -> dict[str, Column]:
        return {"pitches": Column(pl.String, "", "the notes in their order")}

    def extract(self, track: Track) -> Row:
        return {"pitches": " ".join(map(str, track.features("notes")["pitch"]))}


@dataclass
class Doubled(Extractor):
    """Twice each numeric column that it reads: its columns depend on its input's."""

    name = "doubled"
    inputs = ("rows",)

    def columns(self, inputs: dict[str, dict[str, Column]]) -> dict[str, Column]:
        return {name: column for name, column in inputs["rows"].items() if column.dtype == pl.Float64}

    def extract(self, track: Track) -> Row:
        (row,) = track.features("rows").to_dicts()
        return {name: 2 * value for name, value in row.items()}


@hookimpl
def register_extractors() -> list[type[Extractor]]:
    return [
        Halves, Level, StemLevels, Liar, Big, Dying, BigMean, Words, WordCount, Seconds, Notes, Pitches, Doubled,
    ]  # fmt: skip
