"""What all commands share: where the store and the registry are, and how much to say."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
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
        """Remark on stderr, unless quiet."""
        if not self.quiet:
            typer.echo(text, err=True)

    @contextmanager
    def progress(self) -> Iterator[Progress]:
        """Draw a progress bar with rate and ETA on stderr, if it is a terminal."""
        progress = Progress(draw=not self.quiet and sys.stderr.isatty())
        try:
            yield progress
        finally:
            progress.close()


class Progress:
    """One bar per stage; called with done, total and stage."""

    def __init__(self, *, draw: bool) -> None:
        self.draw = draw
        self._bar: Any = None
        self._tasks: dict[str, Any] = {}

    def __call__(self, done: int, total: int, stage: str) -> None:
        """Move the bar of a stage."""
        if not self.draw:
            return
        if self._bar is None:
            self._bar = self._new()
        if stage not in self._tasks:
            self._tasks[stage] = self._bar.add_task(stage, total=total)
        self._bar.update(self._tasks[stage], completed=done, rate=self._rate(stage))

    def _new(self) -> Any:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        bar = Bar(
            TextColumn("{task.description:<8}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        bar.start()
        return bar

    def _rate(self, stage: str) -> str:
        speed = self._bar.tasks[self._tasks[stage]].speed if self._bar else None
        return f"{speed:.1f}/s" if speed else ""

    def close(self) -> None:
        """Leave the bars as they are."""
        if self._bar is not None:
            self._bar.stop()
