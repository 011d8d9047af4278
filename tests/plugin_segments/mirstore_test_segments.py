"""Level per second: several rows per track."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from mirstore.core import Column, Extractor, Row, Track, hookimpl


@dataclass
class RmsSegments(Extractor):
    """Root mean square level of each segment [dB re full scale]."""

    name = "rms-segments"
    sr: int = 22050  # [Hz]
    seconds: float = 1.0  # [s]

    def columns(self) -> dict[str, Column]:
        return {
            "start": Column(pl.Float64, "s", "where the segment begins"),
            "end": Column(pl.Float64, "s", "where the segment ends"),
            "rms_db": Column(pl.Float32, "dB", "root mean square level re full scale", range=(-120, 0)),
        }

    def extract(self, track: Track) -> list[Row]:
        samples, size = track.audio(self.sr), round(self.seconds * self.sr)
        return [
            {
                "start": at / self.sr,
                "end": min(at + size, len(samples)) / self.sr,
                "rms_db": level_db(samples[at : at + size]),
            }
            for at in range(0, len(samples), size)
        ]


def level_db(samples: np.ndarray) -> float:
    rms = np.sqrt(np.mean(np.square(samples, dtype=np.float64)))
    return float(np.clip(20 * np.log10(max(rms, 1e-6)), -120, 0))


@hookimpl
def register_extractors() -> list[type[Extractor]]:
    return [RmsSegments]
