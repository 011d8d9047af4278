"""What can be deleted: files that no snapshot names, after a grace period for those who still read them."""

from __future__ import annotations

import sqlite3
import time
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from mirstore.store.store import Store


def collect(store: Store, connection: duckdb.DuckDBPyConnection, grace: float, *, dry_run: bool) -> list[Path]:
    """Remove what is older than ``grace`` [s], after a backup of the catalogue; the caller holds the lock."""
    if not dry_run:
        _back_up(store.path)
    age = f"older_than => now() - INTERVAL '{grace} seconds'"
    old = connection.execute(
        f"CALL ducklake_cleanup_old_files('lake', {age}, dry_run => {str(dry_run).lower()})"
    ).fetchall()
    # DuckLake names orphans, but does not delete them: it looks by a glob, so that in a store called `jazz*` it takes
    # the files of the store `jazz1` for orphans.
    orphans = connection.execute(f"CALL ducklake_delete_orphaned_files('lake', {age}, dry_run => true)").fetchall()
    data = store.path.absolute() / "data"
    ours = [path for path in (Path(name) for (name, *_) in orphans) if path.is_relative_to(data)]
    ours += _unknown_packs(store, grace)
    if not dry_run:
        for path in ours:
            path.unlink()
    return [*(Path(name) for (name, *_) in old), *ours]


def _unknown_packs(store: Store, grace: float) -> list[Path]:
    known = set(store.scan("core.packs").select("pack").collect()["pack"])
    return [
        path
        for path in (store.path / "tensors").rglob("*")
        if path.is_file() and time.time() - path.stat().st_mtime >= grace and path.name.split(".")[0] not in known
    ]


def _back_up(folder: Path) -> None:
    backups = folder / "backups"
    backups.mkdir(exist_ok=True)
    target = backups / f"catalog-{datetime.now(UTC):%Y%m%dT%H%M%S%f}.sqlite"
    source, copy = sqlite3.connect(folder / "catalog.sqlite"), sqlite3.connect(target)
    try:
        source.backup(copy)
    finally:
        source.close()
        copy.close()
