"""Whether a data file holds what was written, and which one does not, once reading has failed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from mirstore.core.errors import StoreError
from mirstore.store.lake.checksums import digest
from mirstore.store.lake.home import Home, damage


def parquet_problem(path: Path, size: int, sha256: str | None) -> str | None:
    """Return what is wrong with a data file.

    Parameters
    ----------
    path : path
    size : int [bytes]
        As the catalogue has it.
    sha256 : str or None
        As the journal has it.
    """
    if problem := damage(path, size):
        return problem
    try:
        if sha256:
            return None if digest(path) == sha256 else "was altered: its checksum differs"
        pq.read_table(path, page_checksum_verification=True)
    except (OSError, ValueError, pa.ArrowException) as error:
        return f"cannot be read: {str(error).splitlines()[0]}"
    return None


def rotten(home: Home, sizes: Mapping[Path, int]) -> StoreError | None:
    """Return the error of the first data file on this machine that is not as it was written.

    Parameters
    ----------
    home : Home
    sizes : Mapping of path to int [bytes]
        Files of tables as the catalogue has them; those of a shared store that are not here are passed over.
    """
    known = home.checksums()
    fetched = "mirstore doctor --deep compares it with the bucket's, and fetches it anew"
    hint = "mirstore doctor lists all damage, --repair forgets it" if home.has_all else fetched
    for path, size in sizes.items():
        sha256 = known.get("/".join(path.parts[-4:]))  # data/core/tracks/ducklake-….parquet
        if path.exists() and (problem := parquet_problem(path, size, sha256)):
            return StoreError(f"{path}: {problem}", hint=hint)
    return None
