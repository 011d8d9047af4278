"""Finding damage: every listed file is opened and read, because counts from statistics lie."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from mirstore.core.artifacts.files import Artifact
from mirstore.core.errors import StoreError
from mirstore.store.lake import checksums
from mirstore.store.lake.artifacts import artifact_folder
from mirstore.store.lake.lake import Lake
from mirstore.store.lake.latest import latest


def doctor(lake: Lake) -> list[dict[str, str]]:
    """Return what is wrong with the store's files.

    Parameters
    ----------
    lake : Lake

    Returns
    -------
    list of dict
        ``table``, ``file`` and ``problem``; empty if all is well.
    """
    return [*_tables(lake), *_packs(lake), *_artifacts(lake)]


def _tables(lake: Lake) -> Iterator[dict[str, str]]:
    known = {path.absolute(): sha256 for path, sha256 in checksums.read(lake.path).items()}
    for table in lake.tables():
        for path, size in lake.file_sizes(table).items():
            problem = _parquet_problem(path, size, known.get(path))
            if problem:
                yield {"table": table, "file": str(path), "problem": problem}


def _parquet_problem(path: Path, size: int, sha256: str | None) -> str | None:
    if not path.exists():
        return "is missing"
    if path.stat().st_size != size:
        return f"has {path.stat().st_size} bytes, the catalogue says {size}"
    if sha256 is not None:
        return None if checksums.digest(path) == sha256 else "was altered: its checksum differs"
    try:
        pq.ParquetFile(path, page_checksum_verification=True).read()
    except (OSError, ValueError) as error:
        return f"cannot be read: {str(error).splitlines()[0]}"
    return None


def _packs(lake: Lake) -> Iterator[dict[str, str]]:
    packs = lake.scan("core.packs").select("pack", "path", "bytes").unique().collect()
    for sha256, name, size in packs.iter_rows():
        path = lake.path / name
        problem = None
        if not path.exists():
            problem = "is missing"
        elif path.stat().st_size != size:
            problem = f"has {path.stat().st_size} bytes, the store says {size}"
        elif checksums.digest(path) != sha256:
            problem = "was altered: its checksum differs"
        if problem:
            yield {"table": "core.packs", "file": str(path), "problem": problem}


def _artifacts(lake: Lake) -> Iterator[dict[str, str]]:
    kept = latest(lake.scan("core.artifacts"), "artifact").filter(pl.col("state") == "kept").collect()
    for sha256 in kept["artifact"]:
        folder = artifact_folder(lake.path, sha256)
        try:
            Artifact.read(folder, sha256)
        except StoreError as error:
            yield {"table": "core.artifacts", "file": str(folder), "problem": error.message}
