"""Where the workers of one ingest leave tensors and sounds until they are committed: ``jobs/<ingest>`` in the store."""

from __future__ import annotations

import fcntl
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mirstore.store.lake.connect import committer

_name = re.compile(r"[0-9a-f]{12}")  # of an ingest


@contextmanager
def job_folder(store: Path, ingest: str) -> Iterator[Path]:
    """Give an ingest its folder, which is gone afterwards; what ingests that were killed left is removed before.

    Parameters
    ----------
    store : path
    ingest : str
        Its id, 12 hex digits.
    """
    folder = store / "jobs" / ingest
    with committer(store):  # else one ingest could take another's, just made, for an orphan
        for orphan in orphans(store):
            remove(orphan)
        folder.mkdir(parents=True)
        lock = open(folder / "lock", "w")  # noqa: SIM115  # closed below, or by the system when this process ends
        fcntl.flock(lock, fcntl.LOCK_EX)
    with lock:
        try:
            yield folder
        finally:
            remove(folder)


def orphans(store: Path) -> list[Path]:
    """Return the folders of ingests that no process is at any more; nothing behind a link.

    Parameters
    ----------
    store : path
        The store's folder.
    """
    jobs = store / "jobs"
    if jobs.is_symlink() or not jobs.is_dir():
        return []
    return [path for path in sorted(jobs.iterdir()) if _name.fullmatch(path.name) and is_orphan(path)]


def is_orphan(folder: Path) -> bool:
    """Return whether a folder has no lock that a process holds.

    Parameters
    ----------
    folder : path
    """
    if folder.is_symlink() or not folder.is_dir():
        return False
    try:
        with open(folder / "lock") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def remove(folder: Path) -> None:
    """Remove a folder with all that is in it; a worker that is being ended may still write there.

    Parameters
    ----------
    folder : path
    """
    shutil.rmtree(folder, ignore_errors=True)
