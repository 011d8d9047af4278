"""The main loop of a worker process: what `mirstore.core.pool` starts, and what it can rely on."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from mirstore.core.compiled import claim
from mirstore.core.messages import dumps
from mirstore.core.text import explained

_spoilt = False


def leave() -> None:
    """Have this worker replaced after the call under way: what ran in it may have left it spoilt."""
    global _spoilt
    _spoilt = True


def serve(connection: int, lifeline: int, memory: int | None) -> None:
    """Answer calls one after another until the parent is gone.

    Parameters
    ----------
    connection, lifeline : int
        Descriptors: of the pipe for calls and answers, and of one that ends when the parent does.
    memory : int > 0 [bytes] or None
        What this process may take; None for any.
    """
    threading.Thread(target=_end_with_parent, args=(lifeline,), daemon=True).start()
    if sys.platform == "linux":
        import resource

        if memory is not None:
            resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    claim()
    link = Connection(connection)
    process, folder, depth = os.getpid(), os.getcwd(), sys.getrecursionlimit()
    while True:
        try:
            message = link.recv_bytes()
        except (EOFError, OSError):
            return
        answer = _answer(message)
        if os.getpid() != process:
            os._exit(0)  # a child that a plugin forked, on its way back
        link.send_bytes(answer)
        del message, answer
        os.chdir(folder)  # a plugin may have gone elsewhere
        sys.setrecursionlimit(depth)


def _end_with_parent(lifeline: int) -> None:
    with suppress(OSError):  # closed by a plugin: then there is no knowing
        os.read(lifeline, 1)
        os.killpg(os.getpgid(0), signal.SIGKILL)  # with all that plugins started


def _answer(message: bytes) -> bytes:
    """Return (went well, result or exception, whether to replace this worker), pickled."""
    try:
        call, arguments, named = pickle.loads(message)
        return dumps((True, call(*arguments, **named), _spoilt))
    except BaseException as error:  # sys.exit() in a plugin, a result that does not pickle
        return dumps((False, _travelling(error), True))


def _travelling(error: BaseException) -> Any:
    """Return an exception that arrives: plugins raise some that do not pickle, or that would end the parent."""
    if isinstance(error, Exception):
        with suppress(Exception):
            return pickle.loads(dumps(error))
    return RuntimeError(": ".join(explained(error)))
