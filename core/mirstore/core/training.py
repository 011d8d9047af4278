"""What a model that trains for long is given: a folder for checkpoints, a validation part, and someone to report to."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from inspect import signature
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mirstore.core.models import Examples, Model

curve_file = "learning-curve.jsonl"  # in the folder of each fit, a line per report


@dataclass(frozen=True)
class Training:
    """The circumstances of one fit.

    A fit that is killed is called again with the same arguments and the same folder: what it saved there lets it go on
    where it stopped. Write a checkpoint beside its name and rename it, so that a kill never leaves half of one.

    Attributes
    ----------
    folder : path
        For checkpoints. It is there, it is this fit's alone, and it goes when the case is finished.
    validation : Examples or None
        Labelled examples to stop or choose by; None where the split has no validation part.
    """

    folder: Path
    validation: Examples | None = None

    def report(self, epoch: int, *, of: int | None = None, **values: float) -> None:
        """Tell how an epoch went, before it is saved: a kill in between has it trained and told again.

        Said again, an epoch's values take the place of the former.

        Parameters
        ----------
        epoch : int >= 0
        of : int > 0, optional
            How many epochs there will be, at most: a progress bar then tells how long it may take.
        **values : float
            By name: ``loss=0.3, validation_loss=0.4``. Finite numbers.

        Raises
        ------
        ValueError
            If a value is not finite, or there is none.

        Examples
        --------
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     training = Training(Path(folder))
        ...     training.report(0, loss=0.9)
        ...     training.report(1, loss=0.6, validation_loss=0.7)
        ...     training.curve()
        {0: {'loss': 0.9}, 1: {'loss': 0.6, 'validation_loss': 0.7}}
        """
        plain = {name: float(value) for name, value in values.items()}
        if epoch < 0 or not plain or not all(map(isfinite, plain.values())):
            raise ValueError(f"report needs an epoch from 0 and finite values, got epoch {epoch} and {values}")
        with open(self.folder / curve_file, "a") as file:  # one write: a kill leaves all of it or nothing
            file.write(json.dumps([int(epoch), plain, of]) + "\n")

    def curve(self) -> dict[int, dict[str, float]]:
        """Return what was reported, epoch to name to value, in the order of epochs."""
        found: dict[int, dict[str, float]] = {}
        for epoch, values, _ in self._lines():
            found.setdefault(epoch, {}).update(values)
        return dict(sorted(found.items()))

    def epochs(self) -> int | None:
        """Return how many epochs there will be, at most, if that was told."""
        return next((of for *_, of in self._lines()), None)

    def _lines(self) -> Iterator[tuple[int, dict[str, float], int | None]]:
        path = self.folder / curve_file
        for line in path.read_text().splitlines(keepends=True) if path.exists() else ():
            if line.endswith("\n"):  # what another process is writing has none yet
                yield json.loads(line)


def takes_context(model: Model) -> bool:
    """Return whether a model's ``fit`` has a parameter ``context``: the only place that asks.

    Parameters
    ----------
    model : Model
    """
    return "context" in signature(model.fit).parameters


def fit(
    model: Model, examples: Examples, groups: Mapping[str, Sequence[str]], seed: int, context: Training | None
) -> Model:
    """Fit a model, with the context if it takes one.

    Parameters
    ----------
    model : Model
    examples : Examples
        With labels.
    groups : Mapping of str to sequence of str
    seed : int
    context : Training or None
        Left out for a model whose ``fit`` has no such parameter.
    """
    if takes_context(model):
        return model.fit(examples, groups, seed, context=context)  # type: ignore[call-arg]
    return model.fit(examples, groups, seed)
