"""A process that answers a user's SQL, as whoever asks sees it: each end that it may come to is a typed error."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from mirstore.core.durations import duration
from mirstore.core.errors import QueryCrashedError, QueryStoppedError, StoreError, UsageError
from mirstore.store.sql.link import mapped, receive, send, unnamed

if TYPE_CHECKING:
    import pyarrow as pa

    from mirstore.store.sql.locked import Contents
    from mirstore.store.sql.statement import Statement

_longest = 10_000_000  # letters of a query: a message has room for so many
_forever = 1e6  # [s] eleven days; timers know no infinity
_grace = 60.0  # [s] for a process to start, and for the kernel to end it; more than that it is frozen
_out_of_memory = (b"bad_alloc", b"MemoryError", b"annot allocate memory", b"thread constructor failed")


class DatabaseError(Exception):
    """What DuckDB says about a statement.

    Attributes
    ----------
    columns : list of str
        All that there are, if it does not know one.
    making : bool
        Whether it was about the store's files, before the statement ran.
    """

    def __init__(self, message: str, columns: list[str], making: bool) -> None:
        super().__init__(message)
        self.columns, self.making = columns, making


class Engine:
    """A process that answers, one statement after another: each is read, then answered."""

    def __init__(self) -> None:
        self._link, theirs = socket.socketpair()
        with theirs:
            try:
                self._process = _started(theirs.fileno())
            except (OSError, TypeError) as error:  # a TypeError where there is no sys.executable
                self._link.close()
                raise StoreError(
                    f"the process that answers SQL cannot be started: {error}",
                    hint="let this process start others: see ulimit -u, or the sandbox that it runs in",
                ) from None
        self._timeout, self._memory, self._left, self._limit = 0.0, "", 0.0, 0
        self.usable = True

    @property
    def alive(self) -> bool:
        """Whether the process has not ended."""
        return self._process.poll() is None

    def read(self, query: str, *, timeout: float, memory: str) -> Statement:
        """Begin a statement: have it parsed, and return what it is.

        Parameters
        ----------
        query : str
        timeout : float > 0 [s]
            For the statement, parsing included; what happens between `read` and `answer` does not count.
        memory : str
            As ``"2GB"``.

        Raises
        ------
        UsageError
            If it may not run.
        QueryStoppedError
            If it took too long, or more memory, or crashed the process.
        """
        from mirstore.store.sql.statement import Statement  # not before: a process starts while the rest is imported

        if len(query) > _longest:
            raise UsageError(f"query has {len(query):,} letters", hint=f"at most {_longest:,} are read")
        self._timeout, self._memory, self._left = timeout, memory, min(max(timeout, 1e-3), _forever)
        with self._asking():
            told, _ = self._ask({"query": query}, None)
        self._limit = told["limit"]
        return Statement.of(told["statement"])

    def answer(self, text: str, contents: Contents) -> pa.Table:
        """Answer the statement that was read.

        Parameters
        ----------
        text : str
            The statement.
        contents : Contents
            What it sees.

        Raises
        ------
        DatabaseError
            If DuckDB says so.
        QueryStoppedError
            If it took too long, or more memory, or crashed the process.
        """
        import pyarrow as pa

        request = {"text": text, "made": contents.made, "files": contents.files, "limit": self._limit}
        with self._asking():
            _, file = self._ask({**request, "tables": list(contents.tables)}, _written(contents.tables))
        assert file is not None  # it has answered
        return pa.ipc.open_stream(mapped(file)).read_all()

    def _ask(self, request: Mapping[str, Any], given: int | None) -> tuple[dict[str, Any], int | None]:
        self._link.settimeout(self._left + _grace)  # without any, Ctrl-C would not be heard beside polars
        with suppress(ConnectionError):  # it is dead, which is seen when its answer is read
            send(self._link, {**request, "seconds": self._left, "memory": self._memory}, given)
        if given is not None:
            os.close(given)
        told, file = receive(self._link)
        if told.get("memory"):
            raise MemoryError
        self.usable, self._left = not told["last"], max(told["left"], 1e-3)
        if "refused" in told:
            raise UsageError(told["refused"], hint=told["hint"])
        if "error" in told:
            raise DatabaseError(told["error"], told["columns"], told["making"])
        return told, file

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """Make a typed error of whatever becomes of the process."""
        self.usable = False
        try:
            yield
        except MemoryError:  # there is more than may be
            raise self._too_large() from None
        except TimeoutError:
            raise self._too_long() from None
        except EOFError:
            raise self._death() from None

    def _death(self) -> Exception:
        """Return why the process has ended."""
        said, _ = self._process.communicate()
        code = self._process.returncode
        if code == -signal.SIGALRM:
            return self._too_long()
        if code == -signal.SIGKILL or any(words in said for words in _out_of_memory):  # the system has none left
            return self._too_large()
        if code < 0:
            return QueryCrashedError(
                f"the query crashed the database engine (signal {-code})",
                hint="ask in another way: the store is unharmed",
            )
        words = said.decode(errors="replace").strip().rpartition("\n")[2]
        return StoreError(f"the process that answers SQL ended with {code}: {words}", hint="mirstore doctor")

    def _too_long(self) -> QueryStoppedError:
        text = f"stopped after {duration(self._timeout)}"
        return QueryStoppedError(text, hint="ask for less, or give a longer --timeout")

    def _too_large(self) -> QueryStoppedError:
        return QueryStoppedError(f"needs more than {self._memory} of memory", hint="ask for fewer rows or columns")

    def end(self) -> None:
        """Kill the process, and leave nothing of it."""
        self._process.kill()
        self._process.wait()
        self._let_go()

    def forget(self) -> None:
        """Let go of a process that belongs to the one that this was forked from."""
        self._process.returncode = 0  # not ours to wait for
        self._let_go()

    def _let_go(self) -> None:
        self.usable = False
        self._link.close()
        if self._process.stdout is not None:
            self._process.stdout.close()


def _started(link: int) -> subprocess.Popen[bytes]:
    # No numpy: neither DuckDB nor Arrow needs it, and to import it takes as long as both.
    code = "sys.modules['numpy'] = None; from mirstore.store.sql.child import serve; serve()"
    path = [os.path.abspath(folder) for folder in sys.path if folder]
    return subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path[:] = {path!r}; {code}"],
        stdin=link,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,  # its last words
        process_group=0,  # Ctrl-C is for whoever asks
        env={**os.environ, "ARROW_DEFAULT_MEMORY_POOL": "system"},  # the others reserve a GB
    )


def _written(tables: Mapping[str, pa.Table]) -> int | None:
    """Return a file with tables one after the other, None of none."""
    import pyarrow as pa

    if not tables:
        return None
    file = unnamed()
    with os.fdopen(os.dup(file), "wb") as sink:
        for table in tables.values():
            with pa.ipc.new_stream(sink, table.schema) as writer:
                writer.write_table(table)
    return file
