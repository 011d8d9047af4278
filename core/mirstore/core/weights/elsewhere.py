"""Conversions of plugins in environments of their own: known here by their names, and run there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, NoReturn

from mirstore.core.environments import Environment


@dataclass(frozen=True)
class Elsewhere:
    """Stands for a plugin's function in another interpreter; where it is sent to, it arrives as the function itself.

    Parameters
    ----------
    environment : Environment
        Where it lives.
    name : str
        ``module:qualname``.
    """

    environment: Environment
    name: str

    def __post_init__(self) -> None:
        module, _, qualname = self.name.partition(":")
        vars(self).update(__module__=module, __qualname__=qualname)  # as `functools.wraps` has it

    def __call__(self, files: Sequence[Path]) -> NoReturn:
        """Refuse: its libraries are not here."""
        raise TypeError(f"{self.name} runs in environment {self.environment.name!r}")

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return resolve_name, (self.name,)
