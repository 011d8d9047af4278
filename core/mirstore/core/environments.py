"""Environments of their own, for plugins whose libraries cannot live beside ours: what is there, and taking it away.

``$MIRSTORE_ENVIRONMENTS/NAME/`` holds a virtual environment and ``environment.json``, its card, without which it is
unfinished. An environment has the plugin and what a worker needs; mirstore itself it borrows from who starts it.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from mirstore.core.errors import PluginError, UnknownNameError, UsageError

card_name = "environment.json"


@dataclass(frozen=True)
class Environment:
    """An interpreter with plugins that run in it.

    Attributes
    ----------
    name : str
        Also that of the place where its extractors run.
    python : pathlib.Path
        Its interpreter.
    card : Mapping
        What is recorded of it; empty for an interpreter that others look after.
    damage : str
        Why its card cannot be read, if so.
    jobs : int > 0 or None
        Processes that may run there at once; None for as many as on this machine's processors.
    memory : int > 0 [bytes] or None
        What each of them may take; None for an equal share of the machine's.
    installed_as : str
        What it is called on disk, where ``[workers]`` calls it otherwise.
    """

    name: str
    python: Path
    card: Mapping[str, Any] = field(default_factory=dict, compare=False)
    damage: str = ""
    jobs: int | None = None
    memory: int | None = None
    installed_as: str = ""

    @property
    def remedy(self) -> str:
        """The one thing to do if it cannot be used."""
        own = self.installed_as or self.name
        if self.damage:
            return f"mirstore plugins remove {own}, and install it again"
        if not self.card:
            return f"mend {self.python}, or [workers.{self.name}] in registry.toml"
        python = f" --python {self.card['base']}" if self.card.get("base") else ""
        return f"mirstore plugins install '{self.card['requirement']}' --isolated --name {own}{python}"

    @property
    def problem(self) -> str | None:
        """Why it cannot be used, as far as that can be seen without starting it."""
        if self.damage:
            return self.damage
        if not os.access(self.python, os.X_OK):  # also a link to an interpreter that was uninstalled
            return f"its interpreter {self.python} is gone"
        return None


def root() -> Path:
    """Return the folder of environments: ``MIRSTORE_ENVIRONMENTS``, or one beside the user's other data."""
    if own := os.environ.get("MIRSTORE_ENVIRONMENTS"):
        return Path(own).expanduser().absolute()
    if sys.platform == "darwin":
        return Path.home() / "Library/Application Support/mirstore/environments"
    users = Path(os.environ.get("XDG_DATA_HOME", ""))
    return (users if users.is_absolute() else Path.home() / ".local/share") / "mirstore" / "environments"


def environments() -> list[Environment]:
    """Return the finished environments, by name."""
    return [_read(card) for card in sorted(root().glob(f"*/{card_name}"))]


def having(distribution: str) -> Environment:
    """Return the environment of a distribution, or of that name.

    Parameters
    ----------
    distribution : str
        Of a plugin that was installed isolated, or the environment's own name.

    Raises
    ------
    PluginError
        If there is none.
    """
    for found in environments():
        if distribution in (found.name, found.card.get("distribution")):
            return found
    line = f"mirstore plugins install {distribution} --isolated"
    raise PluginError(f"no environment has {distribution!r}", hint=line)


def environment(name: str) -> Environment:
    """Return an environment by its name.

    Parameters
    ----------
    name : str

    Raises
    ------
    UnknownNameError
        If there is none.
    """
    known = {found.name: found for found in environments()}
    if name not in known:
        raise UnknownNameError("environment", name, known)
    return known[name]


def _read(card: Path) -> Environment:
    name = card.parent.name
    try:
        told = json.loads(card.read_text())
        return Environment(name, card.parent / told["folder"] / "bin" / "python", told)
    except (OSError, ValueError, KeyError, TypeError):
        return Environment(name, card, damage=f"its card {card} cannot be read")


def record(name: str, card: Mapping[str, Any]) -> Environment:
    """Write an environment's card, whole or not at all.

    Parameters
    ----------
    name : str
    card : Mapping of str to plain JSON
        What is known of the environment.
    """
    folder = root() / name
    new = folder / f".{card_name}-{uuid4().hex[:8]}"
    new.write_text(json.dumps(card, indent=1))
    os.replace(new, folder / card_name)
    return environment(name)


def remove(name: str) -> None:
    """Take an environment away.

    Parameters
    ----------
    name : str

    Raises
    ------
    UnknownNameError
        If there is none.
    """
    if not (root() / name / card_name).exists():
        environment(name)
    with alone(name):
        (root() / name / card_name).unlink(missing_ok=True)
        sweep(name)
    with suppress(OSError):
        (root() / name / "lock").unlink()
        (root() / name).rmdir()


def sweep(name: str, but: str | None = None) -> None:
    """Remove the virtual environments of this name, but one: replaced ones, and what an interrupted install left.

    Parameters
    ----------
    name : str
    but : str, optional
        The folder of the one to leave; None removes all.
    """
    for folder in (root() / name).glob("venv-*"):
        if folder.name != but:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def alone(name: str) -> Iterator[None]:
    """Change an environment while nobody else does.

    Parameters
    ----------
    name : str

    Raises
    ------
    PluginError
        If somebody does.
    UsageError
        If it cannot be written to.
    """
    import fcntl

    folder = root() / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "lock").touch()
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise UsageError(f"{folder}: {why}", hint="set MIRSTORE_ENVIRONMENTS to a folder that can be written") from None
    with open(folder / "lock") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            why = f"environment {name!r} is being changed by another process"
            raise PluginError(why, hint="wait for it, or end it") from None
        yield
