"""Making a store: complete, or not at all."""

from __future__ import annotations

from pathlib import Path

from mirstore.core.errors import StoreError
from mirstore.store.lake import schema
from mirstore.store.lake.checksums import record
from mirstore.store.lake.connect import committer, connect, fsync, keep


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
        # A store that was being made has only its version; anything else has lost its catalogue.
        if any(file.parent.name != "meta" for file in path.glob("data/*/*/*.parquet")):
            raise StoreError(f"{path}: has data but no catalogue", hint=f"copy the newest of {path / 'backups'} back")
        new = path / "catalog.new.sqlite"  # renamed when complete: a kill leaves no half-made store
        new.unlink(missing_ok=True)
        connection = connect(path, read_only=False, catalog=new.name)
        connection.execute("CALL lake.set_option('parquet_compression', 'zstd')")
        # Readers look at data files only, so no row may wait inside the catalogue.
        connection.execute("CALL lake.set_option('data_inlining_row_limit', 0)")
        schema.create(connection)
        connection.close()
        new.rename(path / "catalog.sqlite")
        keep((path / "data").rglob("*.parquet"), path)
        record(path, (path / "data").rglob("*.parquet"))
        fsync(path.absolute().parent)
