"""What DuckDB and the operating system say, in words for the user, with what to do."""

from __future__ import annotations

import shutil

import duckdb

from mirstore.core.cached import unkept
from mirstore.core.errors import StoreError
from mirstore.store.lake.home import Home


def explained(home: Home, error: Exception) -> StoreError:
    """Return the error of a store for one of DuckDB, of files or of Arrow.

    Parameters
    ----------
    home : Home
        Where it came to pass.
    error : Exception
    """
    text = str(error).splitlines()[0]
    if "No space left" in text or "is full" in text or shutil.disk_usage(home.path).free < 1 << 20:
        if not home.has_all:
            return unkept(home.path, "the disk is full")
        return StoreError(f"{home}: the disk is full", hint="free some space; what was committed is safe")
    if not home.has_all and isinstance(error, OSError | duckdb.IOException) and str(home.path) in str(error):
        return unkept(home.path, text)
    if "maximum retry count" in str(error):
        return StoreError(f"{home}: another process committed at the same time", hint="give the same command again")
    if "permission denied" in str(error):  # by PostgreSQL
        return StoreError(f"{home}: this user may only read", hint="ask who keeps the database")
    if "locked" in text:
        return StoreError(f"{home}: the catalogue is locked", hint="another program holds it open; try again")
    return StoreError(f"{home}: {text}", hint="mirstore doctor")
