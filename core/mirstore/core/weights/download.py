"""A file from an address: checked before each hop, cut off at its declared size, gone on with where it stopped."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from http.client import HTTPException, HTTPMessage
from pathlib import Path
from typing import IO, TypeVar
from urllib.error import HTTPError, URLError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from mirstore.core.errors import WeightsError
from mirstore.core.pretrained import WebFile, is_allowed

T = TypeVar("T")

_chunk = 1 << 18
_patience = 60.0  # [s] without a byte


def is_offline() -> bool:
    """Whether ``MIRSTORE_OFFLINE`` forbids any use of the network."""
    return os.environ.get("MIRSTORE_OFFLINE", "") not in ("", "0")


def refuse_offline(what: str, instead: str) -> None:
    """Stop before the network is used.

    Parameters
    ----------
    what : str
        Is wanted; the message's subject.
    instead : str
        The other thing to do.

    Raises
    ------
    WeightsError
        If ``MIRSTORE_OFFLINE`` is set.
    """
    if is_offline():
        raise WeightsError(f"{what} is on the network, and MIRSTORE_OFFLINE is set", hint=f"unset it, or {instead}")


def download(file: WebFile, to: Path) -> Iterator[int]:
    """Write an address's file, after what is there of it already; yield how many bytes there are.

    Parameters
    ----------
    file : WebFile
    to : path
        What an earlier call left there is kept, if the server can go on from there.

    Raises
    ------
    WeightsError
        If it cannot be had, or is shorter than declared; what came is left for the next call.
    """
    had = to.stat().st_size if to.exists() else 0
    request = Request(file.url, headers={"User-Agent": "mirstore"} | ({"Range": f"bytes={had}-"} if had else {}))
    with _tried(file.url, lambda: build_opener(_Careful).open(request, timeout=_patience)) as answer:
        going_on = getattr(answer, "status", None) == 206
        with open(to, "ab" if going_on else "wb") as out:
            while data := _tried(file.url, lambda: answer.read(min(_chunk, file.bytes + 1 - out.tell()))):
                out.write(data)
                yield out.tell()
    if (size := to.stat().st_size) < file.bytes:
        short = f"ended after {size:,} of {file.bytes:,} bytes"
        raise WeightsError(f"{file.url}: {short}", hint="run it again: it goes on from there")


def _tried(url: str, call: Callable[[], T]) -> T:
    """Return what a use of the network gives; its failures, and no others, are told as such."""
    try:
        return call()
    except HTTPError as error:
        why, hint = f"the server says {error.code} {error.reason}", "try again later, or ask the plugin's author"
    except (OSError, HTTPException) as error:
        why, hint = str(getattr(error, "reason", None) or error), "look at the connection, then run it again"
    raise WeightsError(f"{url}: {why}", hint=hint)


class _Careful(HTTPRedirectHandler):
    """Follows a redirection only to where weights may come from."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        if not newurl.startswith("http") or not is_allowed(newurl):
            raise URLError(f"leads to {newurl}, which is no https address")
        return super().redirect_request(req, fp, code, msg, headers, newurl)
