"""Checksums of the data files: neither DuckLake nor DuckDB's Parquet has any, so a flipped bit would go unseen."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from mirstore.store.lake.connect import fsync

name = "checksums.sha256"
"""In the store's folder, in the format of ``sha256sum``: ``cd store && sha256sum --check checksums.sha256``."""


def record(store: Path, files: Iterable[Path]) -> None:
    """Add new files before the commit that names them, under the lock; files of a commit that fails do no harm.

    Parameters
    ----------
    store : path
        The store's folder.
    files : iterable of path
        In that folder.
    """
    lines = [f"{digest(path)}  {path.relative_to(store)}\n" for path in sorted(files)]
    if not lines:
        return
    with open(store / name, "a") as file:
        file.write("\n" if file.tell() and not _ends_whole(store / name) else "")
        file.writelines(lines)
    fsync(store / name)


def forget_missing(store: Path) -> None:
    """Drop the lines of files that are no more.

    Parameters
    ----------
    store : path
        The store's folder.
    """
    if not (store / name).exists():
        return
    kept = [line for line in (store / name).read_text().splitlines() if (store / line.partition("  ")[2]).exists()]
    new = store / f"{name}.new"
    new.write_text("".join(f"{line}\n" for line in kept))
    fsync(new)
    new.replace(store / name)
    fsync(store)


def read(store: Path) -> dict[Path, str]:
    """Return the recorded SHA-256 per file; what was stored before there were checksums has none.

    Parameters
    ----------
    store : path
        The store's folder.
    """
    if not (store / name).exists():
        return {}
    lines = [line.partition("  ") for line in (store / name).read_text().splitlines()]
    return {store / path: sha256 for sha256, _, path in lines if len(sha256) == 64 and path}


def digest(path: Path) -> str:
    """Return the SHA-256 of a file as hex.

    Parameters
    ----------
    path : path
    """
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _ends_whole(path: Path) -> bool:
    """Tell whether the last line is complete; a power cut may have torn it."""
    with open(path, "rb") as file:
        file.seek(-1, 2)
        return file.read(1) == b"\n"
