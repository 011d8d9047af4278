"""A scheduler's TERM and a closed terminal's HUP end a command as Ctrl-C does: what is done is committed first."""

from __future__ import annotations

import signal
from typing import Any

_received = signal.SIGINT


def catch() -> None:
    """Make TERM and HUP interrupt the command, unless they are ignored (``nohup``)."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)


def exit_code() -> int:
    """Return what an interrupted command ends with: 128 and the signal's number."""
    return 128 + _received


def _interrupt(number: int, frame: Any) -> None:
    global _received
    _received = signal.Signals(number)
    signal.signal(number, signal.SIG_IGN)  # some send it twice; the commit under way must not suffer
    raise KeyboardInterrupt
