"""What all commands share: where the store and the registry are, and how much to say."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from mirstore.cli.text import lines, tell
from mirstore.core.errors import UsageError

if TYPE_CHECKING:
    from mirstore.cli.progress import Bars
    from mirstore.core.events import Event, Events
    from mirstore.core.plugins import Plugins
    from mirstore.core.registry import Registry
    from mirstore.store import Project, Store
    from mirstore.store.removal import Removal

T = TypeVar("T")

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
SnapshotOption = Annotated[
    int | None, typer.Option("--snapshot", min=1, help="Read the store as it was at this snapshot; see mirstore log.")
]
ExecutorOption = Annotated[
    str | None,
    typer.Option("--executor", metavar="dask://HOST:PORT", help="A cluster that computes instead of this machine."),
]
SafeCsvOption = Annotated[
    bool,
    typer.Option("--safe-csv", help="Put ' before text that a spreadsheet would run as a formula (csv and tsv)."),
]
LogOption = Annotated[
    Path | None,
    typer.Option("--log", metavar="FILE", help="Add what happens to this file, as lines of JSON.", dir_okay=False),
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
    reads_only: bool = field(default=False, init=False)  # so that who interrupts it is told of no commits
    _bars: Bars | None = field(default=None, init=False)

    @property
    def command(self) -> str:
        """What the user asked."""
        return shlex.join(["mirstore", *sys.argv[1:]])

    def project(self) -> Project:
        """Return the store and the registry, which are opened when they are needed."""
        from mirstore.store import Project

        self.reads_only = False
        return Project(self.store, self.registry, command=self.command)

    def open_store(
        self, *, create: bool = False, read_only: bool = False, snapshot: int | None = None, at: str | None = None
    ) -> Store:
        """Open the store, as it was at a snapshot or date if one is given, or say how to make one.

        Parameters
        ----------
        create : bool
            Make it if it is not there.
        read_only : bool
            Refuse to write.
        snapshot : int, optional
        at : str, optional
            A date or time instead of the snapshot's number.
        """
        from mirstore.store import Store

        self.reads_only = read_only
        if snapshot is not None and at is not None:
            raise UsageError("both --snapshot and --at given", hint="give one of them")
        if at is None:
            return Store(self.store, create=create, read_only=read_only, snapshot=snapshot, command=self.command)
        from mirstore.store.lake.snapshots import at as snapshot_at

        with Store(self.store, read_only=True) as store:
            found = snapshot_at(store, at)
        self.say(f"snapshot {found}")
        return Store(self.store, snapshot=found, command=self.command)

    def agree(self, what: str, yes: bool) -> None:
        """Ask before something goes; without a terminal nobody can be asked.

        Parameters
        ----------
        what : str
            Would be removed.
        yes : bool
            Was agreed already.

        Raises
        ------
        UsageError
            If nobody can be asked.
        """
        if yes:
            return
        if not asked():
            raise UsageError(f"this would remove {what}", hint="--yes does it without asking")
        typer.confirm(lines(f"Remove {what}?"), abort=True, err=True)

    def tell_removed(self, removal: Removal, json_output: bool, state: str = "removed") -> None:
        """Print what was removed.

        Parameters
        ----------
        removal : Removal
        json_output : bool
        state : str
            What became of it.
        """
        import json

        if json_output:
            typer.echo(json.dumps({"state": state, **removal.counts}))
        else:
            tell(f"{state}: {removal.what}")

    def tell_withdrawn(self, count: int) -> None:
        """Remark that tracks did not come in again because they were withdrawn.

        Parameters
        ----------
        count : int
            How many tracks.
        """
        if count:
            tracks, them = ("1 track was", "it") if count == 1 else (f"{count} tracks were", "them")
            self.say(f"{tracks} withdrawn, and left out (mirstore rm --undo lets {them} in again)")

    def load_registry(self) -> Registry:
        """Load the shipped registry with the project's over it."""
        from mirstore.core.registry import Registry

        return Registry.load(Path(self.registry) if self.registry else None)

    def load_plugins(self) -> Plugins:
        """Find the installed plugins, and those in environments of their own."""
        from mirstore.core.isolated import everywhere

        return everywhere()

    def say(self, text: str) -> None:
        """Remark on stderr, above a bar that is being drawn, unless quiet.

        Parameters
        ----------
        text : str
        """
        if self.quiet:
            return
        text = lines(text)
        if self._bars is None or not self._bars.say(text):
            typer.echo(text, err=True)

    def watch(
        self, job: Events[T], log: Path | None = None, shown: Callable[[Event], Event] = lambda event: event
    ) -> T:
        """Do a job: draw its bars on stderr if that is a terminal, remark on what it warns of, keep a log of it.

        Parameters
        ----------
        job : Events
        log : path, optional
            A file to which each event is added as a line of JSON.
        shown : callable
            What to draw for an event.
        """
        from mirstore.cli.log_file import log_file

        with job, self._drawing() as bars, log_file(log) as write:
            for event in job:
                write(event)
                bars.show(shown(event))
                self._remark(event)
            return job.result()

    def _remark(self, event: Event) -> None:
        from mirstore.core.events import Failed, Warned

        if isinstance(event, Warned) and (self.verbose or not event.where):
            self.say(f"{event.where}: {event.text}" if event.where else event.text)
        elif isinstance(event, Failed) and (self.verbose or not event.part):
            self.say(f"failed: {': '.join(filter(None, [event.item, event.part, event.message]))}")

    @contextmanager
    def _drawing(self) -> Iterator[Bars]:
        from mirstore.cli.progress import Bars

        self._bars = Bars(draw=not self.quiet and sys.stderr.isatty())
        try:
            yield self._bars
        finally:
            self._bars.close()
            self._bars = None


def asked() -> bool:
    """Tell whether somebody is there who can be asked."""
    return sys.stdin.isatty()
