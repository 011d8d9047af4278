"""DuckLake: opening the catalogue, the lock of the one committer, and what makes a commit durable."""

from __future__ import annotations

import atexit
import errno
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import duckdb

from mirstore.core.cores import cores
from mirstore.core.errors import StoreError, UsageError
from mirstore.store.lake.connection import Connection
from mirstore.store.lake.quoting import literal
from mirstore.store.lake.stranger import check_catalogue, refuse_links

catalogue = "__ducklake_metadata_lake"
"""Schema of DuckLake's own tables on a connection; asking them is three times as fast as its functions."""

_extensions = {"ducklake": "ducklake", "sqlite_scanner": "sqlite-scanner", "postgres_scanner": "postgres-scanner"}
"""DuckDB's extensions, by name, and their distributions."""
_network_file_systems = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "fuse.sshfs", "9p", "afs", "ceph", "glusterfs"}


def connect(
    folder: Path, *, read_only: bool, snapshot: int | None = None, catalog: str = "catalog.sqlite"
) -> Connection:
    """Return a connection with the lake in ``folder`` attached as ``lake``.

    The store may come from somebody else: what is in it is looked at before it is believed, and DuckDB can open nothing
    but the store's data.

    Parameters
    ----------
    folder : path
        The store.
    read_only : bool
        Whether writing is refused.
    snapshot : int, optional
        See the lake as it was then.
    catalog : str
        File name of the catalogue.

    Raises
    ------
    StoreError
        If an extension is missing, or the catalogue cannot be opened, or holds what mirstore would not write.
    UsageError
        If there is no such snapshot.
    """
    _refuse_network_file_system(folder)
    unknown = UsageError(f"{folder}: has no snapshot {snapshot}", hint="mirstore log lists them")
    if snapshot is not None and snapshot < 1:  # 0 is before the store was made
        raise unknown
    path = str(folder.absolute())
    refuse_links(folder)
    exists = (folder / catalog).exists()
    # SQLite's WAL needs files beside the catalogue, which read-only media cannot give.
    catalog = f"{path}/{catalog}" if os.access(folder, os.W_OK) else _copied(folder, catalog)
    # The catalogue keeps the data folder's absolute path; overriding it lets a store be moved.
    options = [f"DATA_PATH {literal(path + '/data/')}", "OVERRIDE_DATA_PATH true", "META_BUSY_TIMEOUT 10000"]
    options += ["READ_ONLY"] if read_only else ["META_JOURNAL_MODE 'WAL'"]
    options += [f"SNAPSHOT_VERSION {snapshot}"] if snapshot is not None else []
    connection = with_extensions("ducklake", "sqlite_scanner")
    lock_down(connection, f"{path}/data/")
    try:
        if exists:
            check_catalogue(connection, catalog, folder)
        connection.execute(f"ATTACH {literal(f'ducklake:sqlite:{catalog}')} AS lake ({', '.join(options)})")
    except StoreError:
        connection.close()
        raise
    except (duckdb.Error, UnicodeDecodeError) as error:
        connection.close()
        if "No snapshot found" in str(error):
            raise unknown from None
        raise StoreError(
            f"{folder}: its catalogue cannot be opened: {str(error).splitlines()[0]}",
            hint="mirstore doctor; the last good catalogue is in the store's backups folder",
        ) from None
    return Connection(connection)


def with_extensions(*names: str) -> duckdb.DuckDBPyConnection:
    """Return a connection of DuckDB's with extensions, which is not locked down yet.

    Parameters
    ----------
    *names : str
    """
    # To check the signatures of 67 MB takes .1 s each time. They came with pip, as the code that would check them did.
    connection = duckdb.connect(
        config={"autoinstall_known_extensions": "false", "allow_unsigned_extensions": "true", "threads": cores()}
    )
    for name in names:
        _load(connection, name, _extensions[name])
    return connection


def lock_down(connection: duckdb.DuckDBPyConnection, data: str) -> None:
    """Have a connection open files in a folder only, for good.

    Two things no setting stops: SQL that writes into the data folder, as DuckLake must, and DuckDB's extension for
    SQLite, which asks nobody when it opens a file. So a text from outside must never become SQL: names are quoted, a
    call is one statement (`Connection`), and the catalogue is checked before it is attached.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
    data : str
        The folder.
    """
    for setting in (
        "allow_unsigned_extensions = false",
        "allow_community_extensions = false",
        "autoload_known_extensions = false",
        "python_enable_replacements = false",
        f"allowed_directories = [{literal(data)}]",
        "enable_external_access = false",
        "lock_configuration = true",
    ):
        connection.execute(f"SET {setting}")


def _copied(folder: Path, catalog: str) -> str:
    """Return a copy of the catalogue of a store on read-only media; it lives as long as this process."""
    copy = tempfile.mkdtemp(prefix="mirstore-")
    atexit.register(shutil.rmtree, copy, ignore_errors=True)
    for path in folder.glob(f"{catalog}*"):
        shutil.copyfile(path, Path(copy) / path.name)
    return f"{copy}/{catalog}"


def _load(connection: duckdb.DuckDBPyConnection, name: str, distribution: str) -> None:
    """Load an extension from its wheel: no network."""
    pip = f"pip install duckdb-extension-{distribution}=={duckdb.__version__}"
    try:
        found = version(f"duckdb-extension-{distribution}")
        package = Path(import_module(f"duckdb_extension_{name}").__file__ or "").parent
    except (PackageNotFoundError, ImportError):
        raise StoreError(f"DuckDB's extension {name!r} is not installed", hint=pip) from None
    files = sorted(package.rglob(f"{name}.duckdb_extension"))
    if not files or found != duckdb.__version__:
        raise StoreError(f"DuckDB {duckdb.__version__} cannot load extension {name!r} {found}", hint=pip)
    connection.execute(f"LOAD {literal(str(files[-1]))}")


def _refuse_network_file_system(folder: Path) -> None:
    """SQLite and flock are unsafe there."""
    mounts = Path("/proc/mounts")
    if not mounts.exists():
        return
    folder = folder.resolve()  # a link may lead to another file system
    best, kind = "", ""
    for line in mounts.read_text().splitlines():
        _, point, file_system, *_ = line.split()
        point = point.replace("\\040", " ")
        if os.path.commonpath([point, folder]) == point and len(point) >= len(best):
            best, kind = point, file_system
    if kind in _network_file_systems:
        raise StoreError(f"{folder}: is on a network file system ({kind})", hint="keep the store on a local disk")


@contextmanager
def committer(folder: Path, timeout: float = 600.0) -> Iterator[None]:
    """Hold the lock that lets one process commit at a time.

    Parameters
    ----------
    folder : path
        The store's.
    timeout : float >= 0 [s]
        How long to wait for others.

    Raises
    ------
    StoreError
        If another process holds it for longer than ``timeout`` [s], or the store is read-only.
    """
    try:
        lock = open(folder / "write.lock", "a+", opener=_no_link)  # noqa: SIM115  # closed below, which releases the lock
    except OSError as error:
        why = (error.strerror or "").lower()
        raise StoreError(f"{folder}: cannot be written: {why}", hint="check who may write there") from None
    with lock:
        end = time.monotonic() + timeout
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError as error:
                if error.errno not in (errno.EAGAIN, errno.EACCES):
                    raise
            if time.monotonic() > end:
                raise StoreError(f"{folder}: another process is writing", hint="wait for it, or end it")
            time.sleep(0.02)
        yield


def _no_link(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o666)  # else a file would be made where a link leads


def keep(files: Iterable[Path], root: Path) -> None:
    """Make new files below ``root`` read-only, and durable with the names of all folders that lead to them.

    Parameters
    ----------
    files : iterable of path
    root : path
    """
    folders = {root}
    for path in files:
        path.chmod(0o444)  # no SQL, and no slip, overwrites them
        fsync(path)
        folders.update(folder for folder in path.parents if folder.is_relative_to(root))
    for folder in folders:
        fsync(folder)


def fsync(path: Path) -> None:
    """Make a file's, or a folder's, content survive a power cut.

    Parameters
    ----------
    path : path
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
