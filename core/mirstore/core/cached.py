"""Where this machine keeps what can be made or fetched again."""

from __future__ import annotations

import os
from pathlib import Path


def cache() -> Path:
    """Return the folder of what can be fetched again: ``MIRSTORE_CACHE``, or ``mirstore`` in the user's cache."""
    if own := os.environ.get("MIRSTORE_CACHE"):
        return Path(own).expanduser().absolute()
    users = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (users if users.is_absolute() else Path.home() / ".cache") / "mirstore"
