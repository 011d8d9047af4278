"""``--log FILE``: what a long job tells, as lines of JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mirstore.cli.text import as_json
from mirstore.core.errors import UsageError
from mirstore.core.events import Event


@contextmanager
def log_file(path: Path | None) -> Iterator[Callable[[Event], None]]:
    """Give what writes an event to the end of a file at once, with the time; without a file it does nothing.

    Parameters
    ----------
    path : path or None

    Raises
    ------
    UsageError
        If the file cannot be written.
    """
    if path is None:
        yield lambda event: None
        return
    try:
        file = path.open("a", encoding="utf-8", errors="backslashreplace", buffering=1)  # line by line: one may follow
    except OSError as error:
        raise UsageError(f"{path}: {(error.strerror or 'cannot be written').lower()}", hint="--log FILE") from None

    def write(event: Event) -> None:
        line = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), **event.as_dict()}
        file.write(as_json(line, default=_plain) + "\n")

    with file:
        yield write


def _plain(value: Any) -> Any:
    return value.as_dict() if hasattr(value, "as_dict") else str(value)
