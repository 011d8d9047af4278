"""The process that answers a user's SQL: what `mirstore.store.sql.engine` starts, and what it can rely on.

A statement may crash DuckDB, never end, or take memory that DuckDB does not count. Here that costs a process which
holds nothing. Its limits are the kernel's: a timer and a limit of its data end it whatever it is at, without a thread
that would have to get hold of Python's lock first.
"""

from __future__ import annotations

import fcntl
import os
import resource
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from mirstore.core.cores import cores
from mirstore.core.errors import UsageError
from mirstore.store.lake.quoting import literal
from mirstore.store.sql.held import refuse_types
from mirstore.store.sql.link import mapped, receive, send, unnamed
from mirstore.store.sql.locked import Contents, opened
from mirstore.store.sql.statement import allowed, parser

_rows = 100_000  # per batch of an answer
_room = 256 << 20  # [bytes] beside what DuckDB counts: what it hands over, what it has read of files
_room_per_thread = 32 << 20  # [bytes] stack and freed memory
_most_kept = 256 << 20  # [bytes] that a process may hold on to after a statement
_tries = 10  # of a statement that ends as if it were interrupted
_most_text = 10_000  # letters of one of DuckDB's messages


def serve() -> None:
    """Answer requests until the parent is gone."""
    link = socket.socket(fileno=0)
    _prepare()
    begun = _mapped()
    while True:
        try:
            request, file = receive(link)
        except EOFError:
            return
        with _ending_with_parent(link):
            reply, answer = _reply(request, file)
        send(link, {**reply, "last": _mapped() > begun + _most_kept}, answer)
        if answer is not None:
            os.close(answer)


def _prepare() -> None:
    """Let signals end this process, whatever the parent does with them, and let it be the first to go."""
    for number in (signal.SIGALRM, signal.SIGIO):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM, signal.SIGIO})
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError):  # only Linux has it
        Path("/proc/self/oom_score_adj").write_text("1000")


@contextmanager
def _ending_with_parent(link: socket.socket) -> Iterator[None]:
    """Have the kernel end this process when the other end is closed: while it works, it does not look."""
    fcntl.fcntl(link, fcntl.F_SETOWN, os.getpid())
    flags = fcntl.fcntl(link, fcntl.F_GETFL)
    fcntl.fcntl(link, fcntl.F_SETFL, flags | os.O_ASYNC)
    try:
        yield
    finally:
        fcntl.fcntl(link, fcntl.F_SETFL, flags)


def _reply(request: dict[str, Any], file: int | None) -> tuple[dict[str, Any], int | None]:
    """Return what to say to a request, with how much of its time is left, and the answer's file if there is one."""
    signal.setitimer(signal.ITIMER_REAL, request["seconds"])
    answer = None
    try:
        if "query" in request:
            told = _read(request)
        else:
            told, answer = _answer(request, file)
    except UsageError as error:
        told = {"refused": error.message, "hint": error.hint}
    except MemoryError:
        told = {"memory": True}
    left, _ = signal.setitimer(signal.ITIMER_REAL, 0)
    _limit_memory(None)
    return {**told, "left": left}, answer


def _read(request: dict[str, Any]) -> dict[str, Any]:
    with closing(duckdb.connect(config=parser)) as connection:
        limit = _bytes(connection, request["memory"])
        _limit_memory(limit)
        return {"statement": allowed(connection, request["query"]).told, "limit": limit}


def _bytes(connection: duckdb.DuckDBPyConnection, memory: str) -> int:
    try:
        return int(connection.execute(f"SELECT parse_formatted_bytes({literal(memory)})").fetchall()[0][0])
    except duckdb.Error:
        raise UsageError(f"memory {memory!r} is no size", hint="for example '2GB'") from None


def _answer(request: dict[str, Any], file: int | None) -> tuple[dict[str, Any], int | None]:
    _limit_memory(request["limit"])
    contents = Contents(_tables(request["tables"], file), request["made"], request["files"])
    try:
        connection = opened(contents, request["memory"])
    except (duckdb.IOException, duckdb.InvalidInputException, duckdb.OutOfMemoryException) as error:
        return _told(error, making=True), None
    with closing(connection):
        try:
            return {}, _written_at_last(connection, request["text"], request["limit"])
        except (MemoryError, UsageError):
            raise
        except duckdb.BinderException as error:
            return _told(error, columns=_columns(connection)), None
        except Exception as error:  # of DuckDB, of Arrow after the first batch, of C++: the statement's, all of them
            return _told(error), None


def _told(error: Exception, *, making: bool = False, columns: Sequence[str] = ()) -> dict[str, Any]:
    if str(error).startswith("Out of Memory Error"):
        raise MemoryError
    return {"error": str(error)[:_most_text] or type(error).__name__, "making": making, "columns": columns}


def _tables(names: Sequence[str], file: int | None) -> dict[str, pa.Table]:
    if file is None:
        return {}
    data = pa.BufferReader(mapped(file))
    return {name: pa.ipc.open_stream(data).read_all() for name in names}


def _written_at_last(connection: duckdb.DuckDBPyConnection, query: str, limit: int) -> int:
    """Return a file with the answer, or raise what is wrong with the statement.

    Where one of DuckDB's threads fails, another may say first that it was interrupted; nobody else interrupts here.
    """
    for _ in range(_tries):
        try:
            return _written(connection, query, limit)
        except (duckdb.Error, OSError) as error:
            if "INTERRUPT Error" not in str(error):
                raise
    return _written(connection, query, limit)


def _written(connection: duckdb.DuckDBPyConnection, query: str, limit: int) -> int:
    """Return a file with the answer; DuckDB's memory limit does not count what it hands over."""
    answer = connection.execute(query)
    refuse_types(answer.description)
    reader = answer.to_arrow_reader(_rows)
    file, size = unnamed(), 0
    try:
        with os.fdopen(os.dup(file), "wb", buffering=0) as sink, pa.ipc.new_stream(sink, reader.schema) as writer:
            for batch in reader:
                if (size := size + batch.nbytes) > limit:
                    raise MemoryError
                writer.write_batch(batch)
    except BaseException:
        os.close(file)
        raise
    return file


def _columns(connection: duckdb.DuckDBPyConnection) -> list[str]:
    rows = connection.execute("SELECT DISTINCT column_name FROM information_schema.columns").fetchall()
    return [name for (name,) in rows]


def _limit_memory(limit: int | None) -> None:
    """Let this process map so much more than now; None lets it map what it likes."""
    if sys.platform == "linux":  # elsewhere there is no such limit that holds
        most = resource.getrlimit(resource.RLIMIT_DATA)[1]
        wanted = most if limit is None else _mapped() + limit + _room + cores() * _room_per_thread
        soft = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
        resource.setrlimit(resource.RLIMIT_DATA, (soft, most))


def _mapped() -> int:
    """Return what this process has of its own [bytes]; 0 where there is no knowing."""
    with suppress(OSError):
        return int(Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize()
    return 0
