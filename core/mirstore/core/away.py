"""Tensors and sounds of workers that do not see the store's folder: they come and go through its bucket.

A job's folder and the references in its rows are then relative to the store. `arrived` fetches what a worker reads;
`sent` brings what it wrote to ``jobs/…`` in the bucket, under a name that has its SHA-256, so that the committer can
take it from there without reading it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mirstore.core.bucket import Bucket
from mirstore.core.jobs import Job
from mirstore.core.packs import Reference

Rows = Sequence[Mapping[str, Any]]


def workplace(job: Job) -> Path:
    """Return the folder on this machine in which a job's values are written.

    Parameters
    ----------
    job : Job
        That has a folder.
    """
    assert job.folder is not None
    return job.folder if job.bucket is None else _mine(job.bucket).folder / job.folder


def _mine(bucket: Bucket) -> Bucket:
    """Return a bucket whose copies are of this process: of what is not committed yet, nobody else may remove them."""
    return replace(bucket, place=f"away/{os.getpid()}")


def arrived(job: Job) -> dict[str, Rows]:
    """Return the rows that a job reads, after what they refer to is on this machine.

    Parameters
    ----------
    job : Job
        With a bucket.

    Raises
    ------
    StoreError
        If the bucket does not answer.
    """
    assert job.bucket is not None
    given = {id_: here(job, rows) for id_, rows in job.given.items()}
    mine = _mine(job.bucket)
    paths = {path for rows in given.values() for path in referred_to(rows)}
    own = {path for path in paths if path.is_relative_to(mine.folder)}
    mine.fetch(dict.fromkeys(own))
    job.bucket.fetch(dict.fromkeys(paths - own))
    return given


def here(job: Job, rows: Rows) -> Rows:
    """Return rows that refer to this machine's copies.

    Parameters
    ----------
    job : Job
    rows : sequence of dict
        That refer to the bucket, if the job has one.
    """
    if job.bucket is None:
        return rows
    kept, own = job.bucket.folder, _mine(job.bucket).folder
    return moved(rows, lambda path: (own if path.parts[0] == "jobs" else kept) / path)


def sent(job: Job, rows: Rows) -> list[dict[str, Any]]:
    """Return rows that refer to the bucket, after what they refer to is in there.

    Parameters
    ----------
    job : Job
        With a bucket.
    rows : sequence of dict
        That refer to packs in the job's `workplace`.

    Raises
    ------
    StoreError
        If the bucket does not take them.
    """
    assert job.bucket is not None
    mine = _mine(job.bucket)
    named = {path: path.rename(path.with_name(f"{_sha256(path)}.safetensors")) for path in referred_to(rows)}
    mine.put(named.values())
    return moved(rows, lambda path: named[path].relative_to(mine.folder))


def remove(job: Job) -> None:
    """Remove what was written on this machine once the bucket has it; what is still mapped stays readable.

    Parameters
    ----------
    job : Job
    """
    if job.bucket is not None and job.folder is not None:
        shutil.rmtree(workplace(job), ignore_errors=True)


def referred_to(rows: Rows) -> set[Path]:
    """Return the packs that rows refer to.

    Parameters
    ----------
    rows : sequence of dict
    """
    return {value.path for row in rows for value in row.values() if isinstance(value, Reference)}


def moved(rows: Iterable[Mapping[str, Any]], where: Callable[[Path], Path]) -> list[dict[str, Any]]:
    """Return rows whose references lead elsewhere.

    Parameters
    ----------
    rows : iterable of dict
    where : callable
        Returns the new path of a pack.
    """
    return [{name: _moved(value, where) for name, value in row.items()} for row in rows]


def _moved(value: Any, where: Callable[[Path], Path]) -> Any:
    return replace(value, path=where(value.path)) if isinstance(value, Reference) else value


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:  # hashlib.file_digest is not there in Python 3.10
        for piece in iter(lambda: file.read(1 << 20), b""):
            digest.update(piece)
    return digest.hexdigest()
