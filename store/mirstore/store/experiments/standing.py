"""Why a case scored a track as it did, as far as that is known: what groups added, and where values stand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import polars as pl

from mirstore.core.errors import UsageError
from mirstore.core.experiments.wide import qualified, references
from mirstore.store.experiments.loaded import LoadedRun
from mirstore.store.experiments.track_report import ColumnStanding, GroupPart, LocalExplanation
from mirstore.store.store import Store

most_labels = 3  # of a track
most_columns = 3  # of a group
least = 0.02  # of what the strongest column of a label pushes: less is not worth a sentence


def explanations(store: Store, case: LoadedRun, tracks: Sequence[str]) -> dict[str, list[LocalExplanation]]:
    """Return for each of some tracks what groups added to the labels of which that was kept.

    These are a track's own labels and those that the model thought likely; of them the likeliest one and its own, three
    at most. Of targets all.

    Parameters
    ----------
    store : Store
    case : LoadedRun
        Finished.
    tracks : sequence of str
    """
    here = pl.col("track").is_in(list(tracks))
    parts = case.table("contributions").filter(here)
    if parts.is_empty():
        return {}
    predictions = case.table("predictions").filter(pl.col("repeat") == 0)
    values, averaged = _values(store, case, predictions["track"].unique().sort().to_list())
    compared = _Compared(case, values) if values is not None and case.details.components.role == "signed" else None
    found: dict[str, list[LocalExplanation]] = {}
    for track, label, fold in _explained(predictions.filter(here), numeric=case.details.task.numeric):
        added = parts.filter((pl.col("track") == track) & (pl.col("label") == label))
        groups = sorted(added.select("group", "value").rows(), key=lambda item: (-abs(item[1]), item[0]))
        made = [
            compared.part(track, label, group, value) if compared else GroupPart(group, value, (), 0)
            for group, value in groups
        ]
        if made:
            several = values.height if values is not None else 0
            found.setdefault(track, []).append(LocalExplanation(label, fold, several, averaged, made))
    return found


def _explained(predictions: pl.DataFrame, *, numeric: bool) -> Iterator[tuple[str, str, int]]:
    """Yield track, label and fold: the right labels, and the likeliest if it is none of them; all targets."""
    for (track,), rows in predictions.partition_by("track", as_dict=True, maintain_order=True).items():
        ordered = rows.sort("score", "label", descending=[True, False])
        likely = ordered.filter((pl.col("truth") > 0) | (pl.int_range(pl.len()) == 0)).head(most_labels)
        wanted = ordered if numeric else likely
        yield from ((str(track), label, fold) for label, fold in wanted.select("label", "fold").iter_rows())


def _values(store: Store, case: LoadedRun, tracks: Sequence[str]) -> tuple[pl.DataFrame | None, bool]:
    """Return the numbers of some tracks as the case saw them, a row each, and whether these are means of several rows.

    None if they are not there any more.
    """
    frames, averaged = list[pl.DataFrame](), False
    with Store(store.address, snapshot=case.row["snapshot"]) as then, suppress(UsageError):
        for name, id_ in case.config["features"].items():
            frame = qualified(name.partition("@")[0], then.features(id_, tracks))
            numbers = frame.drop(references(frame), "start", strict=False)
            finite = pl.exclude("track").cast(pl.Float64)
            numbers = numbers.with_columns(pl.when(finite.is_finite()).then(finite))
            averaged = averaged or numbers["track"].is_duplicated().any()
            frames.append(numbers.group_by("track").agg(pl.all().mean()))
        wide = frames[0]
        for frame in frames[1:]:
            wide = wide.join(frame, on="track", how="inner")
        return wide.sort("track"), averaged
    return None, False


@dataclass
class _Compared:
    """The values of all tracks that a case was tested on, beside the weights of its model."""

    case: LoadedRun
    values: pl.DataFrame

    def __post_init__(self) -> None:
        self.at = {track: i for i, track in enumerate(self.values["track"])}
        self.meanings = self.case.meanings
        self.weights: dict[str, dict[str, float]] = {}
        for label, column, value in self.case.table("column_weights").select("label", "column", "value").iter_rows():
            self.weights.setdefault(label, {})[column] = value
        self.known = {name: self.values[name].drop_nulls().to_numpy() for name in self.values.columns[1:]}

    def part(self, track: str, label: str, group: str, value: float) -> GroupPart:
        """Return what a group added, with the columns that push the most."""
        columns = [name for name in self.case.details.groups.get(group, ()) if name in self.known]
        if track not in self.at:
            return GroupPart(group, value, (), 0)
        weights = self.weights.get(label, {})
        standing = [found for name in columns if (found := self._standing(track, name, weights.get(name, 0.0)))]
        missing = sum(self.values[name][self.at[track]] is None for name in columns)
        pushes = [column.push for column in standing]
        if sum(pushes) * value <= 0:
            return GroupPart(group, value, (), missing)
        strongest = max(map(abs, pushes))
        standing.sort(key=lambda column: (-abs(column.push), column.column))
        shown = [column for column in standing[:most_columns] if abs(column.push) >= least * strongest]
        return GroupPart(group, value, shown, missing)

    def _standing(self, track: str, name: str, weight: float) -> ColumnStanding | None:
        """Return where a value stands; None if it is missing, or pushes nothing.

        The mean is that of the fit: tracks of a part that was only tested can have another one, on whose other side
        the value is.
        """
        value = self.values[name][self.at[track]]
        if value is None or not weight or name not in self.case.details.ran.scales:
            return None
        mean, deviation = self.case.details.ran.scales[name]
        if value == mean:
            return None
        every = self.known[name]
        return ColumnStanding(
            column=name,
            unit=self._said(name, "unit"),
            text=self._said(name, "text"),
            value=value,
            mean=mean,
            lower=int((every < value).sum()),
            equal=int((every == value).sum()) - 1,
            higher=int((every > value).sum()),
            unknown=self.values.height - len(every),
            weight=weight,
            push=weight * (value - mean) / deviation,
        )

    def _said(self, column: str, what: str) -> Any:
        return self.meanings.get(column, {}).get(what)
