"""What is noted in a shared store's bucket beside the files: whose it is, which commit was the last, and checksums.

A database that was restored from an old copy is known by it, and a bucket that is another store's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from uuid import uuid4

from mirstore.core.bucket import Bucket
from mirstore.core.errors import StoreError

_sums = "sums"  # the folder of objects with SHA-256 of data files
_head = "head"  # the object with the number of the last commit


def say(bucket: Bucket, snapshot: int, identity: str) -> None:
    """Write down whose it is, and which commit was the last.

    Parameters
    ----------
    bucket : Bucket
    snapshot : int
        0 while the store is being made.
    identity : str
        See `Database.identity`.
    """
    bucket.write(_head, f"{snapshot} {identity}".encode())


def known(bucket: Bucket, identity: str) -> int:
    """Return the last snapshot that is sure to be.

    Parameters
    ----------
    bucket : Bucket
    identity : str
        See `Database.identity`.

    Raises
    ------
    StoreError
        If it is another store's.
    """
    number, _, store = (bucket.read(_head) or b"").decode().partition(" ")
    if store != identity:
        what = "has another store's data" if store else "has nothing of this store"
        raise StoreError(
            f"{bucket.url}: {what}",
            hint="is it mounted? is AWS_ENDPOINT_URL another one's? what was committed is where it was",
        )
    return int(number)


def refuse_taken(bucket: Bucket) -> None:
    """Refuse a folder of a bucket that another store has: each would collect the other's files.

    Parameters
    ----------
    bucket : Bucket

    Raises
    ------
    StoreError
        If one has.
    """
    number, _, _ = (bucket.read(_head) or b"0").decode().partition(" ")
    others = (path for path, _ in bucket.list("data") if path.parent.name != "meta")
    if number != "0" or any(True for _ in others):
        raise StoreError(
            f"{bucket.url}: has another store's data",
            hint="give the database of that store, or another folder of the bucket",
        )


def checksums(bucket: Bucket) -> dict[str, str]:
    """Return the SHA-256 that is known per data file, by its path below the store.

    Parameters
    ----------
    bucket : Bucket

    Raises
    ------
    StoreError
        If what says so is damaged.
    """
    found: dict[str, str] = {}
    for path, _ in bucket.list(_sums):
        try:
            found |= json.loads(bucket.read(bucket.key(path)) or b"{}")
        except (ValueError, TypeError):
            shown = f"{bucket.url}/{bucket.key(path)}"
            raise StoreError(f"{shown}: is damaged", hint="delete it: it has checksums only") from None
    return found


def add_checksums(bucket: Bucket, sums: Mapping[str, str]) -> None:
    """Write down checksums beside those that are there.

    Parameters
    ----------
    bucket : Bucket
    sums : Mapping of str to str
        As `checksums` returns them.
    """
    bucket.write(f"{_sums}/{uuid4().hex}.json", json.dumps(sums).encode())


def rewrite_checksums(bucket: Bucket, sums: Mapping[str, str]) -> None:
    """Write down these checksums, as one object, and no others.

    Parameters
    ----------
    bucket : Bucket
    sums : Mapping of str to str
        As `checksums` returns them.
    """
    old = [path for path, _ in bucket.list(_sums)]
    add_checksums(bucket, sums)
    bucket.delete(old)
