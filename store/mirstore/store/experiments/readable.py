"""What of a case's columns its model can read: tables only, certain tensors, or everything."""

from __future__ import annotations

from collections.abc import Sequence

from mirstore.core.errors import UsageError
from mirstore.core.experiments.cases import Case
from mirstore.core.experiments.grouping import Groups
from mirstore.core.models import Model
from mirstore.core.nets.parts import heard
from mirstore.core.text import some
from mirstore.store.experiments.examples import TaskExamples


def readable(case: Case, model: Model, found: Groups, data: TaskExamples) -> tuple[dict[str, Sequence[str]], list[str]]:
    """Return the groups that a model can read, and what is to be said of those that it cannot.

    Parameters
    ----------
    case : Case
        For messages.
    model : Model
    found : Groups
        Of all columns that the case has.
    data : TaskExamples

    Returns
    -------
    tuple of (dict of str to sequence of str, list of str)

    Raises
    ------
    UsageError
        If it can read none of them, or lacks a tensor that it hears.
    """
    members = [column for group in found.columns.values() for column in group]
    tensors = {column for column in members if column in data.tensors}
    if model.tabular:
        unread, reads, needs = tensors, "tables only", "numbers"
    else:
        unread = set(members) - _heard(case, model, tensors, data) if model.hears else set()
        reads, needs = " and ".join(model.hears), "tensors"
    if not unread:
        return dict(found.columns), []
    parts = {name: [column for column in group if column not in unread] for name, group in found.columns.items()}
    groups: dict[str, Sequence[str]] = {name: group for name, group in parts.items() if group}
    if not groups:
        raise UsageError(
            f"model {case.model!r} reads {reads}, and features {', '.join(case.features)} have no {needs}",
            hint=f"choose features with {needs}, or a model that reads {'tensors' if model.tabular else 'tables'}",
        )
    return groups, [f"{case.model} reads {reads}: {some([c for c in members if c in unread])} not used"]


def _heard(case: Case, model: Model, tensors: set[str], data: TaskExamples) -> set[str]:
    """Return the tensors that a model hears."""
    if not tensors:
        return set()
    try:
        return set(heard(model.hears, {column: data.tensors[column] for column in tensors}))
    except ValueError as error:
        hint = (
            f"choose features that have it, or {'another chunk' if case.chunk else 'cut them: chunk = { seconds = … }'}"
        )
        raise UsageError(f"model {case.model!r}: {error}", hint=hint) from None
