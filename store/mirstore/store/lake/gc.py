"""What can be deleted: files that no snapshot names, after a grace period for those who still read them."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

from mirstore.store.lake.backups import back_up
from mirstore.store.lake.files import (
    checkpoints,
    delete,
    scheduled,
    unnamed_artifacts,
    unnamed_data_files,
    unnamed_packs,
)
from mirstore.store.lake.job_folders import orphans, remove
from mirstore.store.lake.lake import Lake


def collect(lake: Lake, grace: float, *, dry_run: bool) -> list[Path]:
    """Remove what is older than ``grace`` [s], after a backup of the catalogue.

    What ingests that were killed left of their jobs goes at once: nobody can read it.

    Parameters
    ----------
    lake : Lake
    grace : float >= 0 [s]
    dry_run : bool
        Return what would go, and remove nothing.

    Raises
    ------
    StoreError
        If the catalogue names a file outside of the store.
    """
    with lake.lock(), lake.maintenance() as catalogue:
        return _collect(lake.path, catalogue, grace, dry_run=dry_run)


def _collect(store: Path, catalogue: sqlite3.Connection, grace: float, *, dry_run: bool) -> list[Path]:
    since = scheduled(catalogue, store)
    unnamed = [
        *unnamed_data_files(catalogue, store),
        *unnamed_packs(catalogue, store),
        *unnamed_artifacts(catalogue, store),
        *checkpoints(store),
    ]
    ages = {path: time.time() - max(path.stat().st_mtime, since.get(path, 0.0)) for path in unnamed}
    old = [path for path, age in ages.items() if age >= grace]
    left = orphans(store)
    of_jobs = [path for folder in left for path in sorted(folder.rglob("*")) if path.is_file()]
    if not dry_run:
        back_up(store, catalogue)
        delete(old, store)
        for folder in left:
            remove(folder)
        catalogue.executemany(
            "DELETE FROM ducklake_files_scheduled_for_deletion WHERE path = ?",
            [(str(path.relative_to(store / "data")),) for path in since if not path.exists()],
        )
    return [*old, *of_jobs]
