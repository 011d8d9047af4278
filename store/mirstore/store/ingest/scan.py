"""Which tracks are behind the files: a file whose size and time are known is not read again."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import polars as pl

from mirstore.core.errors import AudioError
from mirstore.core.identity import track_id
from mirstore.core.tags import Tags, read_tags
from mirstore.store.ingest.source import Source
from mirstore.store.lake.latest import latest
from mirstore.store.lake.schema import order
from mirstore.store.store import Store

most_at_once = 64  # files


@dataclass(frozen=True, slots=True)
class Scanned:
    """A source and the track behind it.

    Attributes
    ----------
    source : Source
        As found.
    shown : str
        Its path as text: bytes that are no UTF-8 are escaped, because a table holds text only.
    state : str
        ``"new"``, ``"changed"``, ``"moved"``, ``"known"``, ``"failed"`` or ``"withdrawn"``.
    track : str or None
        Id of the recording, see `mirstore.core.identity.track_id`; None if it failed or was withdrawn.
    bytes, mtime_ns : int
        Size and time of the file.
    error : tuple of (str, str) or None
        Reason and message if it failed.
    located : bool
        Whether the store knows this path with this size and time.
    tags : Tags or None
        None if they were not read: the file is known, or they are not wanted.
    """

    source: Source
    shown: str
    state: str
    track: str | None = None
    bytes: int = 0
    mtime_ns: int = 0
    error: tuple[str, str] | None = None
    located: bool = False
    tags: Tags | None = None


def scan(
    store: Store, sources: Sequence[Source], threads: int = 4, *, tagged: pl.DataFrame | None = None
) -> Iterator[Scanned]:
    """Tell new, changed, moved, known and unreadable files apart.

    Parameters
    ----------
    store : Store
        What is known.
    sources : sequence of Source
        The files.
    threads : int > 0
        How many files are read at once.
    tagged : pl.DataFrame, optional
        ``path`` and ``track`` of the files whose tags were read before; no tags are read if not given.

    Yields
    ------
    Scanned
        One per source, in order; hashing is spread over threads, because it waits for the disk.
    """
    known = _Known(store, sources, tagged)
    # Several at once: handing one file to a thread takes longer than looking at one that is known.
    size = max(1, min(most_at_once, len(sources) // (8 * threads)))
    parts = (slice(at, at + size) for at in range(0, len(sources), size))
    with ThreadPoolExecutor(threads) as pool:
        for part in pool.map(known.look, parts):
            yield from part


class _Known:
    """What the store knows of some files, side by side with them: a dict of a million paths takes a gigabyte."""

    def __init__(self, store: Store, sources: Sequence[Source], tagged: pl.DataFrame | None) -> None:
        locations = store.recorded("core.locations").select("path", "track", "bytes", "mtime_ns", order).collect()
        there = latest(locations, "path").drop(order).drop_nulls("track")  # null: the path holds nothing any more
        self._sources, self._wants_tags = sources, tagged is not None
        self._shown = [_shown(source.path) for source in sources]
        self._there, self._withdrawn = there["track"], store.hidden.withdrawn
        self._unreadable = _unreadable(store, locations)
        tags = (there.clear() if tagged is None else tagged).select("path", pl.col("track").alias("tagged"))
        files = pl.DataFrame({"path": pl.Series(self._shown, dtype=pl.String)})
        for known in (there, tags):
            files = files.join(known, on="path", how="left", maintain_order="left")
        self._files = files.select("track", "bytes", "mtime_ns", "tagged")

    @cached_property
    def _tracks(self) -> frozenset[str]:
        return frozenset(self._there)

    def look(self, part: slice) -> list[Scanned]:
        """Return what is there of some of the files."""
        rows = self._files[part].iter_rows()
        return [self._look(*each) for each in zip(self._sources[part], self._shown[part], rows, strict=True)]

    def _look(self, source: Source, shown: str, known: tuple[str | None, int, int, str | None]) -> Scanned:
        try:
            status = os.stat(source.path)
            if not stat.S_ISREG(status.st_mode):
                track_id(Path(source.path))  # refuses with the reason for its kind
            track, size, mtime, tagged = known
            is_known = track is not None and (size, mtime) == (status.st_size, status.st_mtime_ns)
            found = track if is_known and track is not None else track_id(Path(source.path))
            if is_known and found in self._withdrawn:
                return Scanned(source, shown, "withdrawn")
            is_read = is_known and tagged == found
            tags = read_tags(Path(source.path)) if self._wants_tags and not is_read else None
        except AudioError as error:
            return Scanned(source, shown, "failed", error=(error.reason, str(error)))
        except OSError as error:
            reason = "missing" if isinstance(error, FileNotFoundError) else "unreadable"
            return Scanned(source, shown, "failed", error=(reason, (error.strerror or str(error)).lower()))
        if found in self._withdrawn:
            return Scanned(source, shown, "withdrawn")
        state = "known" if is_known else self._state(found, track)
        located = is_known and shown not in self._unreadable
        return Scanned(source, shown, state, found, status.st_size, status.st_mtime_ns, located=located, tags=tags)

    def _state(self, track: str, before: str | None) -> str:
        if track in self._tracks:
            return "known" if before == track else "moved"
        return "changed" if before else "new"


def _shown(path: str) -> str:
    """Return a path as text; mostly it is text, and not copied."""
    return path if path.isascii() else os.fsencode(path).decode("utf-8", "backslashreplace")


def _unreadable(store: Store, locations: pl.DataFrame) -> set[str]:
    """Return paths that could not be read since they were last seen: seeing them again clears that failure."""
    files = store.recorded("core.extractions").filter(pl.col("feature_set").is_null())
    failed = files.filter(pl.col("track").is_null()).select("path", order).collect()
    if failed.is_empty():
        return set()
    seen = locations.group_by("path").agg(pl.col(order).max().alias("seen"))
    later = failed.join(seen, on="path").filter(pl.col(order) >= pl.col("seen"))
    return set(later["path"])
