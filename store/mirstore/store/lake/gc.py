"""What can be deleted: files that no snapshot names, after a grace period for those who still read them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from mirstore.store.lake.files import (
    checkpoints,
    data_files,
    left_by_jobs,
    scheduled,
    unnamed_artifacts,
    unnamed_data_files,
    unnamed_packs,
)
from mirstore.store.lake.gone import forget, known
from mirstore.store.lake.home import Catalogue, Home
from mirstore.store.lake.job_folders import orphans, remove
from mirstore.store.lake.lake import Lake

_at_once = 500  # rows that one statement deletes: the table has no index, and older SQLite takes 999 values


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
        return _collect(lake.home, catalogue, grace, dry_run=dry_run)


def _collect(home: Home, catalogue: Catalogue, grace: float, *, dry_run: bool) -> list[Path]:
    since = scheduled(catalogue, home.path)
    unnamed = (
        unnamed_data_files(catalogue, home)
        | unnamed_packs(catalogue, home)
        | unnamed_artifacts(catalogue, home)
        | checkpoints(home)
        | left_by_jobs(home)
    )
    now = time.time()
    old = [path for path, written in unnamed.items() if now - max(written, since.get(path, 0.0)) >= grace]
    left = orphans(home.path)
    of_jobs = [path for folder in left for path in sorted(folder.rglob("*")) if path.is_file()]
    if not dry_run:
        home.back_up_before(catalogue)
        home.delete(old)
        for folder in left:
            remove(folder)
        gone = since.keys() - (unnamed.keys() - set(old))
        # one that is still there is behind a link, where nothing is deleted
        names = [path.relative_to(home.path / "data").as_posix() for path in gone if not path.exists()]
        _unschedule(catalogue, names)
        locations = [file.path for file in data_files(catalogue, home.path) if file.table == "core.locations"]
        if known(home.path, locations) is None:  # it may name tracks that were purged from another machine
            forget(home.path)
    return [*old, *of_jobs]


def _unschedule(catalogue: Catalogue, names: Sequence[str]) -> None:
    """Forget files that are deleted."""
    catalogue.execute("BEGIN")
    for first in range(0, len(names), _at_once):
        some = names[first : first + _at_once]
        marks = ", ".join("?" for _ in some)
        catalogue.execute(f"DELETE FROM ducklake_files_scheduled_for_deletion WHERE path IN ({marks})", some)
    catalogue.execute("COMMIT")
