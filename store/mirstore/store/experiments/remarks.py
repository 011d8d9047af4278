"""What a person should know of cases before they run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mirstore.core.events import Warned
from mirstore.core.text import counted
from mirstore.store.datasets import spelling_remarks
from mirstore.store.experiments.planned import Planned
from mirstore.store.store import Store


def remarks(store: Store, planned: Sequence[Planned]) -> Iterator[Warned]:
    """Yield each remark once: misspelt names, tracks and features that are not used, artists with several spellings.

    Parameters
    ----------
    store : Store
    planned : sequence of Planned
    """
    of_each = (text for item in planned for text in (*_unmatched(item), *_unused(item), *_unread(item)))
    yield from map(Warned, dict.fromkeys(of_each))
    for dataset in dict.fromkeys(_by_artist(planned)):
        yield from (Warned(f"{dataset}: {text}") for text in spelling_remarks(store, dataset))


def _unmatched(item: Planned) -> Iterator[str]:
    """Yield what groups that were written by hand ask for and nothing has: that is a misspelt name, perhaps."""
    if item.details and item.details.components.grouper is None:
        for group, patterns in item.details.lacking.items():
            yield f"groupings.{item.case.grouping}: {group} names {', '.join(patterns)}, which no feature is called"


def _unused(item: Planned) -> Iterator[str]:
    """Yield which tracks of the task are neither learned from nor tested."""
    for left_out in item.details.data.left_out if item.details else ():
        are = "is" if left_out.tracks == 1 else "are"
        yield f"tasks.{item.case.task}: {counted(left_out.tracks, 'track')} {are} left out: {left_out.why}"


def _unread(item: Planned) -> Iterator[str]:
    """Yield which features a grouping leaves out, or a model does not read."""
    yield from item.details.remarks if item.details else ()


def _by_artist(planned: Sequence[Planned]) -> Iterator[str]:
    """Yield the datasets whose folds keep artists together."""
    tasks = (item.details.task for item in planned if item.details)
    yield from (task.dataset for task in tasks if task.group_by == "artist")
