"""What all commands share: where the store and the registry are, and how much to say."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mirstore.cli.text import lines
from mirstore.core.errors import UsageError

if TYPE_CHECKING:
    from mirstore.cli.progress import Progress
    from mirstore.core.plugins import Plugins
    from mirstore.core.registry import Registry
    from mirstore.store import Store
    from mirstore.store.removal import Removal

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
SnapshotOption = Annotated[
    int | None, typer.Option("--snapshot", min=1, help="Read the store as it was at this snapshot; see mirstore log.")
]
ExecutorOption = Annotated[
    str | None,
    typer.Option("--executor", metavar="dask://HOST:PORT", help="A cluster that computes instead of this machine."),
]
AtOption = Annotated[
    str | None, typer.Option("--at", help="The same by date: 2026-11-20 (its end), or 2026-11-20T14:30, local time.")
]


@dataclass
class Context:
    """Global options."""

    store: str
    registry: str | None
    verbose: int
    quiet: bool
    _progress: Progress | None = field(default=None, init=False)

    def open_store(
        self, *, create: bool = False, read_only: bool = False, snapshot: int | None = None, at: str | None = None
    ) -> Store:
        """Open the store, as it was at a snapshot or date if one is given, or say how to make one."""
        from mirstore.store import Store

        if snapshot is not None and at is not None:
            raise UsageError("both --snapshot and --at given", hint="give one of them")
        command = shlex.join(["mirstore", *sys.argv[1:]])
        if at is None:
            return Store(self.store, create=create, read_only=read_only, snapshot=snapshot, command=command)
        from mirstore.store.lake.snapshots import at as snapshot_at

        with Store(self.store, read_only=True) as store:
            found = snapshot_at(store, at)
        self.say(f"snapshot {found}")
        return Store(self.store, snapshot=found, command=command)

    def agree(self, what: str, yes: bool) -> None:
        """Ask before something goes; without a terminal nobody can be asked."""
        if yes:
            return
        if not asked():
            raise UsageError(f"this would remove {what}", hint="--yes does it without asking")
        typer.confirm(f"Remove {what}?", abort=True, err=True)

    def tell_removed(self, removal: Removal, json_output: bool, state: str = "removed") -> None:
        """Print what was removed."""
        import json

        if json_output:
            typer.echo(json.dumps({"state": state, **removal.counts}))
        else:
            typer.echo(f"{state}: {removal.what}")

    def tell_withdrawn(self, count: int) -> None:
        """Remark that tracks did not come in again because they were withdrawn."""
        if count:
            tracks, them = ("1 track was", "it") if count == 1 else (f"{count} tracks were", "them")
            self.say(f"{tracks} withdrawn, and left out (mirstore rm --undo brings {them} back)")

    def kept_model(self, name: str) -> Path:
        """Return the folder of a kept model by its name or hash."""
        from mirstore.store.models import find

        with self.open_store(read_only=True) as store:
            return find(store, name).folder

    def load_registry(self) -> Registry:
        """Load the shipped registry with the project's over it."""
        from mirstore.core.registry import Registry

        return Registry.load(Path(self.registry) if self.registry else None)

    def load_plugins(self) -> Plugins:
        """Find the installed plugins, and those in environments of their own."""
        from mirstore.core.isolated import everywhere

        return everywhere()

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


def asked() -> bool:
    """Tell whether somebody is there who can be asked."""
    return sys.stdin.isatty()
