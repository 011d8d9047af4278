"""Messages between two processes: a little JSON each, and tables in memory that both can see.

What is large is written once, into a file without a name, and its reader maps it: it is copied nowhere, and never waits
in a pipe.
"""

from __future__ import annotations

import json
import mmap
import os
import socket
import struct
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

_head = struct.Struct("<Q")  # length of the JSON
_most = 1 << 26  # [bytes] of it: no message fills the memory of whoever receives it


def send(link: socket.socket, told: Mapping[str, Any], file: int | None = None) -> None:
    """Send a message.

    Parameters
    ----------
    link : socket.socket
    told : Mapping
        That JSON can say.
    file : int, optional
        Descriptor of what goes with it.
    """
    text = json.dumps(told).encode()
    socket.send_fds(link, [_head.pack(len(text))], [] if file is None else [file])
    link.sendall(text)


def receive(link: socket.socket) -> tuple[dict[str, Any], int | None]:
    """Wait for a message; what goes with it is the receiver's to close.

    Parameters
    ----------
    link : socket.socket

    Raises
    ------
    EOFError
        If the other end is closed, or dead.
    TimeoutError
        If the link has a timeout, and nothing came.
    """
    try:
        head, files, *_ = socket.recv_fds(link, _head.size, 1)
        (length,) = _head.unpack(head) if len(head) == _head.size else (0,)
        text = _exactly(link, length) if length <= _most else b""
    except ConnectionError:
        raise EOFError from None
    if not text:
        raise EOFError
    return json.loads(text), files[0] if files else None


def _exactly(link: socket.socket, length: int) -> bytes:
    """Return so many bytes, or none if the other end is gone before."""
    parts = []
    while length and (part := link.recv(min(length, 1 << 20))):
        parts.append(part)
        length -= len(part)
    return b"" if length else b"".join(parts)


def unnamed() -> int:
    """Return a descriptor of a new file that only those have who are given it."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("mirstore")
    from tempfile import TemporaryFile

    with TemporaryFile() as file:
        return os.dup(file.fileno())


def mapped(file: int) -> pa.Buffer:
    """Return what a file holds, and close it.

    Parameters
    ----------
    file : int
        Descriptor.
    """
    import pyarrow as pa

    try:
        return pa.py_buffer(mmap.mmap(file, 0, access=mmap.ACCESS_READ))
    finally:
        os.close(file)
