"""What a task and its features are in a store: labelled examples, folds, and what leaks."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from mirstore.core.errors import UsageError
from mirstore.core.experiment_entries import ChunkEntry, TaskEntry, protocols
from mirstore.core.experiments.assembly import take
from mirstore.core.experiments.chunks import cut
from mirstore.core.experiments.copies import identities, known_of
from mirstore.core.experiments.splits import (
    Fold,
    as_published,
    make_folds,
    published_folds,
    shared_between,
    thinned,
)
from mirstore.core.models import Examples
from mirstore.core.tensors import Tensors
from mirstore.core.text import counted, some


@dataclass
class TaskExamples:
    """The labelled tracks of a task that have all features asked for.

    Attributes
    ----------
    tracks : pl.DataFrame
        ``track``, ``title``, ``artist``, ``album``, ``path``, ``duration``, ``dataset``, in the dataset's order.
    labels : np.ndarray [shape=(tracks, k)]
        0/1, or the targets' values if the task is of numbers.
    classes : tuple of str
        Sorted; the targets if the task is of numbers.
    table : pl.DataFrame
        Scalars, columns ``featureset.column``; a row per track, or per chunk.
    tensors : dict
        Tensor column to the tensors of it, one per row.
    owners : np.ndarray of int
        Track number of each row.
    exclusive : bool
        Whether each track has exactly one class.
    published : list of (position, fold, part)
        The split of that name.
    left_out : dict
        Reason to number of labelled tracks.
    copies : list of (str, str, str)
        Kind and ids of two tracks that are one recording.
    fingerprinted : int
        Number of tracks that were compared by a fingerprint.
    label_map : dict
        Label of the dataset that is tested on to label here, where they are not the same.
    assumed : list of str
        Which feature sets hold values that rest on something assumed.
    cut_from : str
        If they were cut into chunks: the checksum of what, and how.
    """

    task: TaskEntry
    tracks: pl.DataFrame
    labels: np.ndarray
    classes: tuple[str, ...]
    table: pl.DataFrame
    tensors: dict[str, Tensors]
    owners: np.ndarray
    exclusive: bool
    published: list[tuple[int, int, str]] = field(default_factory=list)
    left_out: dict[str, int] = field(default_factory=dict)
    copies: list[tuple[str, str, str]] = field(default_factory=list)
    fingerprinted: int = 0
    label_map: dict[str, str] = field(default_factory=dict)
    cut_from: str = ""
    assumed: list[str] = field(default_factory=list)

    @property
    def group_by(self) -> str:
        """What belongs together: as the task says, or the artist if any is known, or the track."""
        known = self.tracks["artist"].null_count() < self.tracks.height
        return self.task.group_by or ("artist" if known else "track")

    @property
    def kept_together(self) -> str | None:
        """What of `group_by` the folds do keep on one side; None if they are drawn by track, or were not made here."""
        made_here = self.task.split in protocols and self.task.split != "stratified" and not self.task.evaluate_on
        return self.group_by if made_here and self.group_by != "track" else None

    @cached_property
    def units(self) -> list[str]:
        """Name of what each track must stay together with; a track without artist stands for itself."""
        if self.group_by == "track":
            return self.tracks["track"].to_list()
        return self.tracks.select(pl.coalesce(self.group_by, "track")).to_series().to_list()

    def examples(self) -> Examples:
        """Return them as a model sees them."""
        units = np.array(self.units, dtype=object)[self.owners]
        return Examples(
            self.table,
            self.classes,
            self.labels[self.owners],
            self.tensors,
            self.exclusive,
            units,
            self.task.numeric,
        )

    def chunked(self, chunk: ChunkEntry) -> TaskExamples:
        """Return them with every tensor cut into chunks, each a row of its own.

        Tracks that are too short for a chunk are left out, and counted.

        Parameters
        ----------
        chunk : ChunkEntry

        Raises
        ------
        UsageError
            If the tensors cannot be cut, or all are too short.
        """
        chunks = cut(self.tensors, chunk)
        kept = np.unique(self.owners[chunks.rows])
        if not len(kept):
            raise UsageError(f"no track is long enough for chunks: {chunk}", hint="shorter chunks, or fewer")
        number = np.full(self.tracks.height, -1)
        number[kept] = np.arange(len(kept))
        short = {f"too short for chunks: {chunk}": self.tracks.height - len(kept)}
        return replace(
            self,
            tracks=self.tracks[kept],
            labels=self.labels[kept],
            table=take(Examples(self.table, (), None), chunks.rows).table,
            tensors=chunks.tensors,
            owners=number[self.owners[chunks.rows]],
            published=[(int(number[i]), fold, part) for i, fold, part in self.published if number[i] >= 0],
            left_out=self.left_out | {why: count for why, count in short.items() if count},
            cut_from=f"{self.sha256} {chunk}",
        )

    def folds(self, repeats: int) -> list[Fold]:
        """Return the folds that the task asks for.

        Parameters
        ----------
        repeats : int > 0

        Raises
        ------
        UsageError
            If the examples cannot be split so.
        """
        return thinned(self._whole_folds(repeats), self.task, self.units)

    def _whole_folds(self, repeats: int) -> list[Fold]:
        if self.task.evaluate_on:
            here = (self.tracks["dataset"] == self.task.dataset).to_numpy()
            parts = [(i, 0, "train" if learned else "test") for i, learned in enumerate(here)]
            return published_folds(parts, repeats)
        if self.task.split not in protocols:
            learned = {"validation": "train"} if self.task.learn_validation else {}
            return published_folds([(i, fold, learned.get(part, part)) for i, fold, part in self.published], repeats)
        task = self.task.model_copy(update={"group_by": self.group_by})
        if task.split == "grouped" and self.group_by == "track":
            task = task.model_copy(update={"split": "stratified"})  # nothing to keep together
        return make_folds(task, self.labels, self.classes, self.exclusive, self.units, repeats)

    def leakage(self, folds: Sequence[Fold]) -> list[dict[str, Any]]:
        """Return how much stands on both sides of a fold, whether or not it was grouped; see `identities`.

        Files of one id are one track, which only a published split can name on both sides.

        Parameters
        ----------
        folds : sequence of Fold
        """
        sides = [*folds, *as_published(self.published)]
        found = []
        same = identities(self.tracks, self.copies)
        known = known_of(self.tracks, same, self.fingerprinted)
        for kind, values in same.items():
            shared = shared_between(sides, values)
            examples = ", ".join(shared[:3]) or None
            found.append({"kind": kind, "known": known[kind], "shared": len(shared), "examples": examples})
        return found

    def lacking(self, folds: Sequence[Fold]) -> list[str]:
        """Return what is to be said of labels that a part of a fold has none of: a line per kind of part.

        Parameters
        ----------
        folds : sequence of Fold
        """
        if self.task.numeric:
            return []
        there = self.labels > 0
        parts = {
            "training": ([fold.train for fold in folds], "a model cannot know it there"),
            "validation": ([fold.validation for fold in folds if len(fold.validation)], "it decides nothing there"),
            "test": ([fold.test for fold in folds], "it is not in that fold's means over labels"),
        }
        found = []
        for name, (rows, means) in parts.items():
            absent = sum((~there[part].any(axis=0)).astype(int) for part in rows)
            missing = [
                f"{self.classes[i]!r} ({absent[i]} of {counted(len(rows), 'fold')})" for i in np.flatnonzero(absent)
            ]
            if missing:
                found.append(f"a {name} part without a label: {some(missing, most=5)}; {means}")
        return found

    @cached_property
    def sha256(self) -> str:
        """Checksum of everything here that can change a result."""
        digest = hashlib.sha256(self.cut_from.encode())
        if self.cut_from:
            return digest.hexdigest()
        for array in (self.labels, self.owners):
            digest.update(np.ascontiguousarray(array).tobytes())
        for text in (
            self.task.identity(),
            self.classes,
            self.exclusive,
            self.units,
            self.tracks["track"].to_list(),
            self.published,
            self.table.columns,
        ):
            digest.update(repr(text).encode())
        digest.update(self.table.cast(pl.Float64).fill_null(np.nan).to_numpy().tobytes())
        for name, items in sorted(self.tensors.items()):
            digest.update(repr((name, items.hop, getattr(items, "references", len(items)))).encode())
        return digest.hexdigest()
