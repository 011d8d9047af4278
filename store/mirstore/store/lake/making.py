"""Making a store: complete, or not at all."""

from __future__ import annotations

from pathlib import Path

from mirstore.core.errors import StoreError
from mirstore.store.lake import journal, schema
from mirstore.store.lake.connect import catalogue, committer, connect, fsync, keep
from mirstore.store.lake.connection import Connection

new_name = "catalog.new.sqlite"
"""Of a catalogue that is being made; it is renamed when it is complete: a kill leaves no half of one."""


def new_catalogue(path: Path) -> Connection:
    """Return a connection with a new catalogue, which has nothing in it.

    Parameters
    ----------
    path : path
        The store's folder.
    """
    take_away_new(path)
    connection = connect(path, read_only=False, catalog=new_name)
    connection.execute("CALL lake.set_option('parquet_compression', 'zstd')")
    # Readers look at data files only, so no row may wait inside the catalogue.
    connection.execute("CALL lake.set_option('data_inlining_row_limit', 0)")
    return connection


def take_away_new(path: Path) -> None:
    """Delete what there is of a catalogue that was being made, and what SQLite kept beside it.

    Parameters
    ----------
    path : path
        The store's folder.
    """
    for left in path.glob(f"{new_name}*"):
        left.unlink()


def lost_catalogue(path: Path) -> bool:
    """Tell whether a folder holds a store's data without a catalogue. One that was being made has only its version.

    Parameters
    ----------
    path : path
    """
    there = (path / "catalog.sqlite").exists()
    return not there and any(file.parent.name != "meta" for file in path.glob("data/*/*/*.parquet"))


def make(path: Path) -> None:
    """Make an empty store in a folder, unless another process was faster.

    Parameters
    ----------
    path : path

    Raises
    ------
    StoreError
        If the folder cannot be made, or holds data whose catalogue is lost.
    """
    try:
        (path / "data").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{path}: cannot be made: {(error.strerror or '').lower()}") from None
    with committer(path):
        if (path / "catalog.sqlite").exists():  # another process was faster
            return
        if lost_catalogue(path):
            raise StoreError(f"{path}: has data but no catalogue", hint="mirstore doctor --rebuild")
        connection = new_catalogue(path)
        schema.create(connection)
        keep((path / "data").rglob("*.parquet"), path)
        journal.rewrite(path, journal.Tables(connection.execute, f"{catalogue}."))
        connection.close()
        (path / new_name).rename(path / "catalog.sqlite")
        fsync(path.absolute().parent)
