"""What all commands share: where the store and the registry are, and how much to say."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from mirstore.cli.text import lines

if TYPE_CHECKING:
    from mirstore.cli.progress import Progress
    from mirstore.core.plugins import Plugins
    from mirstore.core.registry import Registry
    from mirstore.store import Store


@dataclass
class Context:
    """Global options."""

    store: str
    registry: str | None
    verbose: int
    quiet: bool
    _progress: Progress | None = field(default=None, init=False)

    def open_store(self, *, create: bool = False) -> Store:
        """Open the store, or say how to make one."""
        from mirstore.store import Store

        return Store(self.store, create=create)

    def load_registry(self) -> Registry:
        """Load the shipped registry with the project's over it."""
        from mirstore.core.registry import Registry

        return Registry.load(Path(self.registry) if self.registry else None)

    def load_plugins(self) -> Plugins:
        """Find the installed plugins."""
        from mirstore.core.plugins import Plugins

        return Plugins.installed()

    def say(self, text: str) -> None:
        """Remark on stderr, above a bar that is being drawn, unless quiet."""
        if self.quiet:
            return
        text = lines(text)
        if self._progress is None or not self._progress.say(text):
            typer.echo(text, err=True)

    @contextmanager
    def progress(self) -> Iterator[Progress]:
        """Draw a progress bar with rate and ETA on stderr, if it is a terminal."""
        from mirstore.cli.progress import Progress

        self._progress = Progress(draw=not self.quiet and sys.stderr.isatty())
        try:
            yield self._progress
        finally:
            self._progress.close()
            self._progress = None
