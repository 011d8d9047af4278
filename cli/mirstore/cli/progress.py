"""What a long job tells, on a terminal: one line per stage, with count, rate and the time that is left; remarks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mirstore.cli.text import printable
from mirstore.core.durations import duration
from mirstore.core.events import Event, Progress, Started

if TYPE_CHECKING:
    from rich.progress import Progress as Lines
    from rich.progress import Task, TaskID

_bar_width = 30  # never the whole line: a terminal that is made narrower would break it in two
_narrow = 60  # columns below which the rate is left out


class Bars:
    """Draws a bar per stage on stderr.

    Parameters
    ----------
    draw : bool
        Whether to draw at all.
    """

    def __init__(self, *, draw: bool) -> None:
        self.draw = draw
        self._lines: Lines | None = None
        self._stages: dict[str, TaskID] = {}

    def show(self, event: Event) -> None:
        """Move the bar of a stage, or say beside the last one what goes on; a new stage gets a line of its own.

        Parameters
        ----------
        event : Event
        """
        if not self.draw:
            return
        if isinstance(event, Started):
            self._move(event.stage, 0, event.total)
        elif isinstance(event, Progress):
            self._move(event.stage, event.done, event.total)
        elif (note := event.note()) and self._lines is not None and self._stages:
            self._lines.update(list(self._stages.values())[-1], note=printable(note))

    def _move(self, stage: str, done: int, total: int) -> None:
        if self._lines is None:
            self._lines = _lines()
            self._lines.start()
        if stage not in self._stages:
            self._stages[stage] = self._lines.add_task(stage, total=total)
        self._lines.update(self._stages[stage], completed=done, total=total)

    def say(self, text: str) -> bool:
        """Print a remark above the bars; return False if none are drawn.

        Parameters
        ----------
        text : str
        """
        if self._lines is None:
            return False
        self._lines.console.print(text, soft_wrap=True, markup=False, highlight=False)
        return True

    def close(self) -> None:
        """Leave the bars as they are."""
        if self._lines is not None:
            self._lines.stop()


def _lines() -> Lines:
    from rich.console import Console
    from rich.progress import BarColumn, ProgressColumn, TextColumn
    from rich.progress import Progress as Lines
    from rich.table import Column
    from rich.text import Text

    console = Console(stderr=True)
    whole = Column(no_wrap=True)

    class Figures(ProgressColumn):
        """Count, rate and time: only the bar gives way where there is no room."""

        def render(self, task: Task) -> Text:
            return Text(figures(task, narrow=console.width < _narrow), no_wrap=True)

    return Lines(
        TextColumn("{task.description:<7}", markup=False, table_column=whole),
        BarColumn(bar_width=None, table_column=Column(max_width=_bar_width)),
        Figures(table_column=whole),
        console=console,
        speed_estimate_period=600,  # [s]; a case of an experiment may take minutes
    )


def figures(task: Any, *, narrow: bool) -> str:
    """Return what a line says beside its bar: ``12/40  1.1/s  25 s left``, a note, in the end ``40/40  in 38 s``.

    Parameters
    ----------
    task : rich.progress.Task
    narrow : bool
        Whether to leave out the rate.
    """
    parts = [f"{task.completed:.0f}/{task.total:.0f}"]
    if task.finished:
        return "  ".join([*parts, f"in {duration(task.finished_time or 0.0)}"])
    if task.speed and not narrow:
        parts.append(f"{task.speed:.1f}/s" if task.speed >= 1 else f"{duration(1 / task.speed)} each")
    if (left := task.time_remaining) is not None:
        parts.append(f"{duration(left)} left")
    if (note := task.fields.get("note")) and not narrow:
        parts.append(note)
    return "  ".join(parts)
