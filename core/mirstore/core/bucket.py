"""Object storage, as workers and the store use it: files that are written once, and this machine's copies of them.

Credentials are those that the environment has (``AWS_ACCESS_KEY_ID`` … or the machine's own role), never part of an
address: addresses stand in commands, and commands are kept.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from mirstore.core.cached import cache, keeping
from mirstore.core.errors import StoreError, UsageError
from mirstore.core.refusals import refusal

if TYPE_CHECKING:
    from obstore.store import ObjectStore

_patience = {"max_retries": 6, "retry_timeout": timedelta(seconds=25)}  # a request takes 30 s at most: a minute for all
_at_once = 8  # transfers
_piece = 8 << 20  # [bytes]
_files = "file://"
_pack = re.compile(r"([0-9a-f]{64})\.safetensors")  # called by the SHA-256 of its bytes
_users: list[int] = []  # the process whose threads move the bytes: a fork has none of them


@dataclass(frozen=True)
class Found:
    """An object: its size [bytes], and when it was written [s since 1970]."""

    bytes: int
    written: float


@dataclass(frozen=True)
class Bucket:
    """A folder in object storage, and its copy on this machine, which has what was needed so far.

    Attributes
    ----------
    url : str
        ``s3://bucket/folder``; ``gs://``, ``az://`` and, for a file system that all machines see, ``file:///`` as well.
    place : str
        Where copies are below the folder of all: what is nobody else's has one of its own.
    """

    url: str
    place: str = ""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"((s3|gs|az)://|file:///)[^\s?#@]*[^\s?#@/]", self.url):
            raise UsageError(
                "the address says no place for data, or more than that: user and password do not belong there",
                hint="data=s3://BUCKET/FOLDER; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
            )

    def __reduce__(self) -> tuple[type[Bucket], tuple[str, str]]:
        """Travel without the folder: another machine has its own."""
        return Bucket, (self.url, self.place)

    @cached_property
    def folder(self) -> Path:
        """Where this machine's copies are, below ``MIRSTORE_CACHE``."""
        return cache() / "stores" / hashlib.sha256(self.url.encode()).hexdigest()[:16] / self.place

    @property
    def _store(self) -> ObjectStore:
        return _opened(self.url)

    def make(self) -> None:
        """Make the folder, where there are any."""
        if self.url.startswith(_files):
            Path(self.url.removeprefix(_files)).mkdir(parents=True, exist_ok=True)

    @keeping()
    def fetch(
        self, wanted: Mapping[Path, int | None], *, anew: bool = False, sums: Mapping[Path, str] | None = None
    ) -> list[Path]:
        """Copy what is not there yet; what is not in the bucket either, or was altered there, stays missing.

        Parameters
        ----------
        wanted : Mapping of path to int or None
            Below `folder`, with their sizes [bytes] where these are known.
        anew : bool
            Copy also what is there: whoever reads the old copy goes on with it.
        sums : Mapping of path to str, optional
            SHA-256 of the bytes, where it is known; that of a pack is in its name.

        Returns
        -------
        list of path
            Files whose bytes in the bucket are others; copies of them are left alone.

        Raises
        ------
        StoreError
            If the bucket does not answer, or this machine does not take the copies.
        """
        lacking = [path for path, size in wanted.items() if anew or not _is_there(path, size)]
        if not lacking:
            return []
        with ThreadPoolExecutor(min(_at_once, len(lacking))) as threads:
            whole = list(threads.map(partial(self._fetch, sums=sums or {}), lacking))
        return [path for path, good in zip(lacking, whole, strict=True) if not good]

    def _fetch(self, path: Path, sums: Mapping[Path, str]) -> bool:
        """Copy an object; return False if its bytes are not what its name says, or what is known of them."""
        named, sha256 = _pack.fullmatch(path.name), hashlib.sha256()
        known = named[1] if named else sums.get(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{uuid4().hex}.{os.getpid()}.part")
        try:
            with self._answering(), open(part, "xb") as file:
                found = self._store.get(self.key(path))
                for piece in found.stream(min_chunk_size=_piece):
                    file.write(piece)
                    if known:
                        sha256.update(piece)
                file.flush()
                os.fsync(file.fileno())  # else a power cut may leave zeros, which nobody would tell from values
                if file.tell() != found.meta["size"]:
                    raise StoreError(f"{self.url}/{self.key(path)}: came in part only", hint="try again")
            if known and sha256.hexdigest() != known:
                return False
            part.chmod(0o444)
            part.rename(path)
        except FileNotFoundError:
            path.unlink(missing_ok=True)  # what is of another size than it should be, is not what was asked for
        finally:
            part.unlink(missing_ok=True)
        return True

    def put(self, paths: Iterable[Path]) -> None:
        """Copy files of `folder` into the bucket; each is there as a whole, or not at all.

        Parameters
        ----------
        paths : iterable of path

        Raises
        ------
        StoreError
            If the bucket does not take one.
        """
        with ThreadPoolExecutor(_at_once) as threads:
            list(threads.map(self._put, paths))

    def _put(self, path: Path) -> None:
        with self._there():
            self._store.put(self.key(path), path)

    def read(self, name: str) -> bytes | None:
        """Return a small object, None if there is none.

        Parameters
        ----------
        name : str
        """
        try:
            with self._answering():
                return bytes(self._store.get(name).bytes())
        except FileNotFoundError:
            return None

    def write(self, name: str, data: bytes) -> None:
        """Write a small object.

        Parameters
        ----------
        name : str
        data : bytes
        """
        with self._there():
            self._store.put(name, data)

    def list(self, prefix: str = "") -> Iterator[tuple[Path, Found]]:
        """Yield what is in the bucket, by where its copy is or would be.

        Parameters
        ----------
        prefix : str
            A folder in it.
        """
        with self._there():
            for some in self._store.list(prefix or None):
                for one in some:
                    yield self.folder / one["path"], Found(one["size"], one["last_modified"].timestamp())

    def copy(self, names: Mapping[Path, Path]) -> dict[Path, int]:
        """Copy objects within the bucket, which moves no data here; return the sizes [bytes] of the new ones.

        Parameters
        ----------
        names : Mapping of path to path
            New for old, below `folder`.

        Raises
        ------
        StoreError
            If the bucket does not answer, or has not one of them.
        """
        with ThreadPoolExecutor(_at_once) as threads:
            return dict(zip(names.values(), threads.map(self._copy, names, names.values()), strict=True))

    def _copy(self, old: Path, new: Path) -> int:
        try:
            with self._answering():
                self._store.copy(self.key(old), self.key(new))
                return int(self._store.head(self.key(new))["size"])
        except FileNotFoundError:
            raise StoreError(f"{self.url}/{self.key(old)}: is missing", hint="give the same command again") from None

    @keeping()
    def delete(self, paths: Iterable[Path]) -> None:
        """Delete objects and their copies; those that are gone already are none to worry about.

        Parameters
        ----------
        paths : iterable of path
            Below `folder`.
        """
        keys = [self.key(path) for path in paths]
        for first in range(0, len(keys), 1000):  # what S3 takes in one request
            self._delete(keys[first : first + 1000])
        for key in keys:
            (self.folder / key).unlink(missing_ok=True)

    def _delete(self, keys: Sequence[str]) -> None:
        try:
            with self._answering():
                self._store.delete(keys)
        except FileNotFoundError:  # S3 does not mind, a file system does
            for key in keys if len(keys) > 1 else ():
                self._delete([key])

    def key(self, path: Path) -> str:
        """Return the name of a file in the bucket.

        Parameters
        ----------
        path : path
            Below `folder`.
        """
        return path.relative_to(self.folder).as_posix()

    @contextmanager
    def _there(self) -> Iterator[None]:
        try:
            with self._answering():
                yield
        except FileNotFoundError:
            raise StoreError(f"{self.url}: is not there", hint="make the bucket, or mount the folder") from None

    @contextmanager
    def _answering(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise
        except Exception as error:
            if type(error).__module__.partition(".")[0] != "obstore":
                raise
            if "NoSuchBucket" in str(error):
                raise FileNotFoundError(self.url) from None
            why, hint = refusal(error)
            raise StoreError(f"{self.url}: {why}", hint=hint) from None


def _is_there(path: Path, size: int | None) -> bool:
    try:
        found = path.stat().st_size
    except FileNotFoundError:
        return False
    return size is None or found == size


@lru_cache(maxsize=16)
def _found(url: str) -> ObjectStore:
    try:
        from obstore.store import from_url
    except ImportError:
        raise UsageError("object storage needs obstore", hint="pip install 'mirstore[shared]'") from None
    if url.startswith(_files) and not Path(url.removeprefix(_files)).is_dir():
        raise StoreError(f"{url}: is not there", hint="mount it; what was committed is where it was")
    options: dict[str, Any] = {} if url.startswith(_files) else {"retry_config": _patience}
    return from_url(url, **options)


def _opened(url: str) -> ObjectStore:
    """Return the store of an address; what a fork inherits of it would wait for ever."""
    store = _found(url)
    _users[:] = _users or [os.getpid()]
    if _users != [os.getpid()]:
        raise StoreError(
            f"{url}: cannot be read in a forked process", hint='start processes by "spawn", as multiprocessing_context'
        )
    return store
