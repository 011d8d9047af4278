"""A case between its plan and its run."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

from mirstore.core.experiments.assembly import Assembly
from mirstore.core.experiments.cases import Case
from mirstore.core.features import canonical_json
from mirstore.store.experiments.details import Details


@dataclass
class Planned:
    """A case before it runs.

    Attributes
    ----------
    case : Case
    state : str
        ``ready``, ``finished`` (found again, not to be run) or ``lacking``.
    why : str or None
        What it lacks, and what to do about it.
    run : str or None
        The finished run.
    config : dict
        What identifies it.
    details : Details or None
        What describes it; None if it lacks something.
    """

    case: Case
    state: str = "ready"
    why: str | None = None
    run: str | None = None
    config: dict[str, Any] = field(default_factory=dict)
    details: Details | None = None
    assembly: Assembly | None = None
    snapshot: int = 0

    @property
    def sha256(self) -> str:
        """Checksum of everything that went in."""
        return hashlib.sha256(canonical_json(self.config).encode()).hexdigest()
