"""Checksums of the data files: neither DuckLake nor DuckDB's Parquet has any, so a flipped bit would go unseen."""

from __future__ import annotations

import hashlib
from pathlib import Path

legacy_name = "checksums.sha256"
"""Where they were before there was a journal, in the format of ``sha256sum``."""


def digest(path: Path) -> str:
    """Return the SHA-256 of a file as hex.

    Parameters
    ----------
    path : path
    """
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def legacy(store: Path) -> dict[str, str]:
    """Return the SHA-256 per file that a store without a journal has, by its path below the store.

    Parameters
    ----------
    store : path
        The store's folder.
    """
    if not (store / legacy_name).exists():
        return {}
    lines = [line.partition("  ") for line in (store / legacy_name).read_text(errors="replace").splitlines()]
    return {path: sha256 for sha256, _, path in lines if len(sha256) == 64 and path}
