"""Which tracks are behind the files: a file whose size and time are known is not read again."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
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


@dataclass(frozen=True)
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


def _unreadable(store: Store, locations: pl.DataFrame) -> set[str]:
    """Return paths that could not be read since they were last seen: seeing them again clears that failure."""
    failed = store.recorded("core.extractions").filter(pl.col("track").is_null()).select("path", order).collect()
    seen = locations.group_by("path").agg(pl.col(order).max().alias("seen"))
    later = failed.join(seen, on="path").filter(pl.col(order) >= pl.col("seen"))
    return set(later["path"])


def scan(
    store: Store, sources: Sequence[Source], threads: int = 4, *, tagged: Mapping[str, str] | None = None
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
    tagged : Mapping of str to str, optional
        Path to the track whose tags were read there before; no tags are read if not given.

    Yields
    ------
    Scanned
        One per source, in order; hashing is spread over threads, because it waits for the disk.
    """
    locations = store.recorded("core.locations").select("path", "track", "bytes", "mtime_ns", order).collect()
    there = latest(locations, "path").drop(order).drop_nulls("track")  # null: the path holds nothing any more
    known = {path: (track, size, mtime) for path, track, size, mtime in there.iter_rows()}
    tracks = {track for track, _, _ in known.values()}
    withdrawn = store.hidden.withdrawn
    unreadable = _unreadable(store, locations)

    def look(source: Source) -> Scanned:
        shown = os.fsencode(source.path).decode("utf-8", "backslashreplace")
        try:
            status = os.stat(source.path)
            if not stat.S_ISREG(status.st_mode):
                track_id(Path(source.path))  # refuses with the reason for its kind
            before = known.get(shown)
            if before and before[1:] == (status.st_size, status.st_mtime_ns):
                if before[0] in withdrawn:
                    return Scanned(source, shown, "withdrawn")
                is_read = tagged is None or tagged.get(shown) == before[0]
                tags = None if is_read else read_tags(Path(source.path))
                return Scanned(source, shown, "known", *before, located=shown not in unreadable, tags=tags)
            track = track_id(Path(source.path))
            tags = None if tagged is None else read_tags(Path(source.path))
        except AudioError as error:
            return Scanned(source, shown, "failed", error=(error.reason, str(error)))
        except OSError as error:
            reason = "missing" if isinstance(error, FileNotFoundError) else "unreadable"
            return Scanned(source, shown, "failed", error=(reason, (error.strerror or str(error)).lower()))
        if track in withdrawn:
            return Scanned(source, shown, "withdrawn")
        if track in tracks:
            state = "known" if before and before[0] == track else "moved"
        else:
            state = "changed" if before else "new"
        return Scanned(source, shown, state, track, status.st_size, status.st_mtime_ns, tags=tags)

    # Several at once: handing one file to a thread takes longer than looking at one that is known.
    size = max(1, min(most_at_once, len(sources) // (8 * threads)))
    parts = [sources[at : at + size] for at in range(0, len(sources), size)]
    with ThreadPoolExecutor(threads) as pool:
        for part in pool.map(lambda part: [look(source) for source in part], parts):
            yield from part
