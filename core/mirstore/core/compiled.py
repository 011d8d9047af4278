"""Where numba keeps what it compiled: a folder that no other process writes to at the same time.

Two processes that compile the same function for different types, and share numba's folder, may each save theirs under
the name that the index has for the other's (numba 0.66). Whoever loads it later calls machine code with arguments of
the wrong types, and crashes.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from itertools import count
from pathlib import Path

from mirstore.core.cached import cache

_variable = "NUMBA_CACHE_DIR"
_held: list[int] = []  # locks, for as long as this process lives


def claim() -> None:
    """Have numba use a folder of this process, before it is imported; where the user has said which, that one.

    The folders are numbered, and each process takes the first that is free: what one compiled is there for the next.
    """
    folder = cache() / "numba"
    given = os.environ.get(_variable)
    if _held or (given and Path(given).parent != folder):
        return
    with suppress(OSError):  # nothing can be kept there: numba does as it would without us
        folder.mkdir(parents=True, exist_ok=True)
        os.environ[_variable] = str(folder / str(_first_free(folder)))


def _first_free(folder: Path) -> int:
    for number in count():
        lock = os.open(folder / f"{number}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            continue
        _held.append(lock)
        return number
    raise AssertionError
