"""What computing features will cost: after what they took here so far, else after what their extractors declare."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from statistics import mean

import polars as pl

from mirstore.core.audio import open_file
from mirstore.core.decoders import Source
from mirstore.core.errors import AudioError
from mirstore.core.features import FeatureSet
from mirstore.store.ingest.scan import Scanned
from mirstore.store.store import Store

_guess = 240.0  # [s] of audio in a track whose header says nothing
_sample = 50  # headers that are read to know how long new tracks are


class Costs:
    """Estimates for tracks of one plan.

    Parameters
    ----------
    store : Store
    scanned : sequence of Scanned
        The sources; their headers are read only if it is needed.
    """

    def __init__(self, store: Store, scanned: Sequence[Scanned]) -> None:
        self._store, self._scanned = store, scanned

    def estimate(self, feature: FeatureSet, tracks: int) -> float | None:
        """Return the CPU time [s] for so many tracks, without that of what the feature reads.

        It is what the same extractor took so far per track, or else what it declares per second of audio; None where
        there is neither.

        Parameters
        ----------
        feature : FeatureSet
        tracks : int >= 0
        """
        each = self._measured.get(feature.extractor.name)
        if each is None and feature.extractor.cost is not None:
            each = feature.extractor.cost * self._length
        return None if each is None else each * tracks

    @cached_property
    def _measured(self) -> dict[str, float]:
        """Mean seconds per track and extractor."""
        sets = self._store.scan("core.feature_sets").select("feature_set", "extractor")
        means = (
            self._store.recorded("core.extractions")
            .filter(pl.col("status").is_in(["ok", "not kept"]))
            .join(sets, on="feature_set")
            .group_by("extractor")
            .agg(pl.col("seconds").mean())
            .collect()
        )
        return dict(means.iter_rows())

    @cached_property
    def _length(self) -> float:
        """Mean length of the tracks [s]: of those that were decoded before, and of some files' headers."""
        stored = self._store.scan("core.tracks").select("track", "duration").drop_nulls().collect()
        items = [item for item in self._scanned if item.track]
        tracks = pl.DataFrame({"track": pl.Series([item.track for item in items], dtype=pl.String)})
        lengths = tracks.join(stored, on="track", how="left", maintain_order="left")["duration"]
        new = [items[at].source.path for at in lengths.is_null().arg_true()]
        step = max(1, len(new) // _sample)
        headers = [length for path in new[::step] if (length := declared_length(path))]
        found = lengths.fill_null(mean(headers) if headers else _guess).mean()
        return found if isinstance(found, float) else _guess


def declared_length(path: str) -> float | None:
    """Return the length that a file's header declares [s]; good enough for an estimate, and for nothing else.

    Parameters
    ----------
    path : str
    """
    import soundfile

    try:
        with open_file(Path(path)) as file:
            info = soundfile.info(Source(file))  # which has no name: some names soundfile cannot open, or takes for RAW
    except (AudioError, soundfile.SoundFileError):
        return None
    return float(info.duration) if 0 < info.duration < 86400 else None
