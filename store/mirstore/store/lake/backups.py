"""Copies of the catalogue in the store's ``backups``: the newest three, and one a day for a week."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from mirstore.core.errors import StoreError
from mirstore.store.lake.connect import fsync

newest, days = 3, 7
"""How many are kept: of the newest, and of the last one of a day."""

_name = re.compile(r"catalog-(\d{8})T\d{12}\.sqlite")
_aside = re.compile(r"catalog-replaced-\d{8}T\d{12}\.sqlite(-wal|-shm)?")


def backups(store: Path) -> list[Path]:
    """Return the copies of the catalogue, the oldest first.

    Parameters
    ----------
    store : path
        The store's folder.
    """
    folder = store / "backups"
    if folder.is_symlink() or not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if _name.fullmatch(path.name) and not path.is_symlink())


def back_up(store: Path, catalogue: sqlite3.Connection) -> None:
    """Copy the catalogue, and delete copies that are not kept any more.

    Parameters
    ----------
    store : path
        The store's folder.
    catalogue : sqlite3.Connection

    Raises
    ------
    StoreError
        If the folder of backups is a link, or the disk is full.
    """
    folder = _folder(store)
    target = folder / f"catalog-{datetime.now(UTC):%Y%m%dT%H%M%S%f}.sqlite"
    part = target.with_suffix(".part")
    try:
        with closing(sqlite3.connect(part)) as copy:
            catalogue.backup(copy)
        fsync(part)
        part.rename(target)
        fsync(folder)
    except (sqlite3.OperationalError, OSError) as error:
        raise StoreError(
            f"{target}: the catalogue cannot be backed up: {error}", hint="free some space; the store itself is safe"
        ) from None
    finally:
        part.unlink(missing_ok=True)
    for path in set(backups(store)) - _kept(backups(store)):
        path.unlink()


def forget(store: Path) -> list[Path]:
    """Delete all copies, those put aside too, and return them.

    Parameters
    ----------
    store : path
        The store's folder.
    """
    there = backups(store)
    if (store / "backups").is_dir() and not (store / "backups").is_symlink():
        there += [path for path in (store / "backups").iterdir() if _aside.fullmatch(path.name)]
    for path in there:
        path.unlink()
    return there


def _kept(there: list[Path]) -> set[Path]:
    of_days = {path.name[8:16]: path for path in there}  # the last one of each day
    return {*there[-newest:], *[of_days[day] for day in sorted(of_days)[-days:]]}


def put_aside(store: Path) -> list[Path]:
    """Move the catalogue to the backups, under a name that is not deleted with them; return what was moved.

    Parameters
    ----------
    store : path
        The store's folder.

    Raises
    ------
    StoreError
        If the folder of backups is a link.
    """
    now = f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}"
    moved = []
    for name in ("catalog.sqlite", "catalog.sqlite-wal", "catalog.sqlite-shm"):
        if (store / name).exists():
            moved.append((store / name).rename(_folder(store) / name.replace("catalog", f"catalog-replaced-{now}")))
    return moved


def _folder(store: Path) -> Path:
    folder = store / "backups"
    if folder.is_symlink():
        raise StoreError(f"{folder}: is a link, and nothing is written behind a link", hint="make it a folder")
    folder.mkdir(exist_ok=True)
    return folder
