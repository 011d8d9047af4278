"""Where this machine keeps what can be made or fetched again."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mirstore.core.errors import StoreError


def cache() -> Path:
    """Return the folder of what can be fetched again: ``MIRSTORE_CACHE``, or ``mirstore`` in the user's cache."""
    if own := os.environ.get("MIRSTORE_CACHE"):
        return Path(own).expanduser().absolute()
    users = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (users if users.is_absolute() else Path.home() / ".cache") / "mirstore"


def unkept(where: object, why: str) -> StoreError:
    """Return the error about copies of a store's files that this machine does not take.

    Parameters
    ----------
    where : object
        A file, or a folder.
    why : str
    """
    return StoreError(
        f"{where}: this machine's copies of the store cannot be kept there: {why}",
        hint="free some space or mend the folder, or set MIRSTORE_CACHE to another; what was committed is safe",
    )


@contextmanager
def keeping() -> Iterator[None]:
    """Make files in `cache` inside.

    Raises
    ------
    StoreError
        If they cannot be made.
    """
    try:
        yield
    except OSError as error:
        if error.errno is None:  # of a library, about something else
            raise
        raise unkept(error.filename or cache(), (error.strerror or "").lower()) from error
