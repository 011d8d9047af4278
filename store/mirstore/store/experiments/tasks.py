"""Reading the examples of a task from the store: tracks, labels, features and published splits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import duckdb
import numpy as np
import polars as pl

from mirstore.core.bucket import Bucket
from mirstore.core.errors import UnknownNameError, UsageError
from mirstore.core.experiment_entries import TaskEntry, protocols
from mirstore.core.experiments.splits import part_name, used_parts
from mirstore.core.experiments.wide import qualified, references
from mirstore.core.text import counted, some
from mirstore.store.experiments.examples import TaskExamples
from mirstore.store.health import assumptions
from mirstore.store.known_copies import fingerprinted
from mirstore.store.lake.quoting import literal, literals
from mirstore.store.lake.tensors import TensorReader, pack_folder
from mirstore.store.sql.session import session
from mirstore.store.store import Store
from mirstore.store.tables.column_roles import normal
from mirstore.store.values import hops, side_by_side

Reading = Callable[[pl.DataFrame], TensorReader]
"""Makes a tensor column's reader of the rows that it is wanted for."""

needs_one_class = ("accuracy", "balanced_accuracy")  # metrics


def load_task(store: Store, task: TaskEntry, features: Sequence[str]) -> TaskExamples:
    """Read the examples of a task.

    Parameters
    ----------
    store : Store
    task : TaskEntry
    features : sequence of str
        Feature sets by name.

    Raises
    ------
    UnknownNameError
        If the dataset, label set, split or a feature set is not in the store.
    UsageError
        If no labelled track has all features, or a label of the task is on no track.
    """
    views = "duplicates", "items", "labels", "splits", "tracks"  # they say what is current: own queries say it twice
    with session(store, views, memory="4GB") as connection:
        tracks = _members(store, task, connection)
        every, label_map = _labels(task, connection)
        published = _published(task, connection)
        pairs = connection.execute("SELECT DISTINCT kind, a, b FROM duplicates WHERE a <> b").fetchall()
    labelled = every.filter(pl.col("label").is_in(sorted(_known(task, every))))
    several = labelled.select("track", "dataset").is_duplicated().any()
    exclusive = not task.numeric and (task.metric in needs_one_class or not several)
    wanted = labelled.filter(pl.col("label").is_in(task.classes)) if task.classes else labelled
    # Of classes, those asked for; of tags, tracks that have others only are the negatives; of numbers, all of them.
    owners = _with_every_target(task, wanted) if task.numeric else wanted if exclusive else labelled
    chosen = tracks.join(owners, on=["track", "dataset"], how="semi", maintain_order="left")
    table, tensors, assumed = _features(store, features, chosen["track"].to_list())
    left_out = _without_label(task, tracks.join(chosen, on=["track", "dataset"], how="anti"), every, wanted)
    complete = chosen.join(table.select("track").unique(), on="track", how="semi", maintain_order="left")
    left_out["no features"] = chosen.height - complete.height
    if complete.is_empty():
        raise UsageError(
            f"no labelled track of {task.dataset!r} has features {', '.join(features)}",
            hint=f"mirstore ingest … --dataset {task.dataset} --features {','.join(features)}",
        )
    rows = (
        complete.with_row_index("_owner")
        .select("track", "_owner")
        .join(table, on="track", how="inner", maintain_order="left_right")
    )
    parts = _at(complete, published)
    left_out |= _unused(parts, complete.height, published is not None)
    labels, classes = _matrix(complete, wanted, numeric=task.numeric)
    _check_labels(task, labels, classes, exclusive, features)
    return TaskExamples(
        task,
        complete,
        labels,
        classes,
        # Dropped and not selected: a table without columns keeps its rows.
        rows.drop("_owner", *(column for column in table.columns if column in ("track", "start", *tensors))),
        {name: make(rows) for name, make in tensors.items()},
        rows["_owner"].to_numpy().astype(np.int64),
        exclusive,
        parts,
        {why: count for why, count in left_out.items() if count},
        pairs,
        fingerprinted(store, complete["track"].to_list()),
        label_map,
        assumed=assumed,
    )


def _without_label(task: TaskEntry, missing: pl.DataFrame, every: pl.DataFrame, wanted: pl.DataFrame) -> dict[str, int]:
    """Return how many of the tracks without a label of the task have another one, which, and how many have none."""
    others = missing.join(every, on=["track", "dataset"]).filter(~pl.col("label").is_in(wanted["label"].to_list()))
    unmatched = ~pl.col("label").is_in(sorted(_known(task, every)))
    found = {}
    for why, rows in (
        ("another label than the task's", others.filter(~unmatched)),
        (f"a label of {task.evaluate_on!r} that none here is called", others.filter(unmatched)),
    ):
        found[f"{why}: {some(sorted(rows['label'].unique()), most=10)}"] = rows["track"].n_unique()
    here = pl.col("dataset") == task.dataset
    none = missing.join(others, on=["track", "dataset"], how="anti")
    return {
        "no label": none.filter(here).height,
        f"no label in {task.evaluate_on!r}": none.filter(~here).height,
        **found,
    }


def _with_every_target(task: TaskEntry, labelled: pl.DataFrame) -> pl.DataFrame:
    """Return the tracks that have a value of every target: with several, none is made up."""
    targets = labelled["label"].n_unique()
    counts = labelled.group_by("track", "dataset").agg(pl.col("label").n_unique())
    found = counts.filter(pl.col("label") == targets)
    if found.is_empty():
        raise UsageError(
            f"no track has a value of all {targets} targets of {task.labels!r}", hint="fewer of them: classes = [...]"
        )
    return found


def _check_labels(
    task: TaskEntry, labels: np.ndarray, classes: Sequence[str], exclusive: bool, features: Sequence[str]
) -> None:
    for label in task.classes:
        if label not in classes:
            raise UsageError(f"no track of class {label!r} has features {', '.join(features)}", hint="mirstore status")
    several = int(((labels > 0).sum(axis=1) > 1).sum())
    if exclusive and several:
        raise UsageError(
            f"{task.metric} needs one label per track, and {counted(several, 'track')} of {task.labels!r} "
            f"{'has' if several == 1 else 'have'} several",
            hint='metric = "roc_auc", or fewer classes = [...]',
        )


def _members(store: Store, task: TaskEntry, connection: duckdb.DuckDBPyConnection) -> pl.DataFrame:
    known = set(store.scan("core.datasets").select("dataset").collect()["dataset"])
    for dataset in _datasets(task):
        if dataset not in known:
            raise _absent(dataset, task, known)
    # What stands in both datasets is learned from, and not tested.
    return _ask(
        connection,
        f"""SELECT i.track, i.title, i.artist, i.album, t.path, t.duration, i.dataset
        FROM items i JOIN tracks t USING (track) WHERE i.dataset IN {literals(_datasets(task))}
        QUALIFY row_number() OVER (PARTITION BY i.track ORDER BY i.dataset <> {literal(task.dataset)}) = 1
        ORDER BY i.dataset <> {literal(task.dataset)}, i.position NULLS LAST, t.path, i.track""",
    )


def _absent(dataset: str, task: TaskEntry, known: set[str]) -> UsageError:
    if task.source:
        return UsageError(f"dataset {dataset!r} is not in this store", hint=task.source)
    return UnknownNameError("dataset", dataset, known)


def _datasets(task: TaskEntry) -> list[str]:
    return [task.dataset, *([task.evaluate_on] if task.evaluate_on else [])]


def _labels(task: TaskEntry, connection: duckdb.DuckDBPyConnection) -> tuple[pl.DataFrame, dict[str, str]]:
    """Return the rows of the task's label sets by the names that labels have here, and whose names were others."""
    frame = _ask(connection, f"SELECT * FROM labels WHERE dataset IN {literals(_datasets(task))}")
    here = pl.col("dataset") == task.dataset
    sets = {task.dataset: task.labels}
    if task.evaluate_on:
        sets[task.evaluate_on] = task.evaluate_labels or task.labels
    for dataset, label_set in sets.items():
        known = set(frame.filter(pl.col("dataset") == dataset)["label_set"])
        if label_set not in known:
            raise UnknownNameError(f"label set of {dataset!r}:", label_set, known)
    frame = _of_the_kind(task, frame.filter(pl.col("label_set") == pl.col("dataset").replace_strict(sets)))
    classes = _known(task, frame)
    for label in (*task.classes, *task.label_map.values()):
        if label not in classes:
            raise UnknownNameError(f"label of {task.dataset!r}:", label, classes)
    names = _names_here(task, set(frame.filter(~here)["label"]), classes)
    mapped = pl.when(here).then("label").otherwise(pl.col("label").replace(names))
    frame = frame.with_columns(mapped.alias("label")).unique(["track", "dataset", "label"], maintain_order=True)
    return frame, names


def _known(task: TaskEntry, labels: pl.DataFrame) -> set[str]:
    """Return the labels of the dataset that is learned from."""
    return set(labels.filter(pl.col("dataset") == task.dataset)["label"])


def _names_here(task: TaskEntry, there: set[str], classes: set[str]) -> dict[str, str]:
    """Return what labels of the other dataset are called here if not the same: as mapped, or nearly the same."""
    for label in task.label_map:
        if label not in there:
            raise UnknownNameError(f"label of {task.evaluate_on!r}:", label, there)
    spelt = Counter(map(normal, classes))
    alike = {normal(label): label for label in classes if spelt[normal(label)] == 1}
    return {label: alike[normal(label)] for label in there - classes if normal(label) in alike} | task.label_map


def _of_the_kind(task: TaskEntry, frame: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of a label set that count: all numbers, but of labels those that a track has.

    Raises
    ------
    UsageError
        If the metric is of numbers and these are labels, or the other way round.
    """
    values = frame["value"]
    if task.numeric:
        if (values == 1).all():
            raise UsageError(
                f"{task.metric} is of numbers, and {task.labels!r} holds labels",
                hint='metric = "balanced_accuracy" for classes, "roc_auc" for tags',
            )
        return frame
    if not values.is_between(0, 1).all():
        raise UsageError(
            f"{task.metric} is of labels, and {task.labels!r} holds numbers", hint='metric = "r2", "pearson_r" or "mae"'
        )
    return frame.filter(pl.col("value") > 0)


def _matrix(tracks: pl.DataFrame, labelled: pl.DataFrame, *, numeric: bool) -> tuple[np.ndarray, tuple[str, ...]]:
    found = tracks.with_row_index("row").select("row", "track", "dataset").join(labelled, on=["track", "dataset"])
    classes = tuple(sorted(found["label"].unique()))
    number = {label: i for i, label in enumerate(classes)}
    labels = np.zeros((tracks.height, len(classes)))
    values = found["value"].to_numpy() if numeric else 1.0
    labels[found["row"].to_numpy(), [number[label] for label in found["label"]]] = values
    return labels, classes


def _features(
    store: Store, names: Sequence[str], tracks: Sequence[str]
) -> tuple[pl.DataFrame, dict[str, Reading], list[str]]:
    """Return feature sets of tracks side by side, columns qualified, how to read tensors, and what is only assumed."""
    bases = Counter(name.partition("@")[0] for name in names)
    if several := [name for name, count in bases.items() if count > 1]:
        raise UsageError(f"two versions of features {several[0]!r} in one case", hint="choose one of them")
    frames: dict[str, pl.LazyFrame] = {}
    tensors: dict[str, Reading] = {}
    assumed: list[str] = []
    for name in names:
        base, whole = name.partition("@")[0], store.features(name, tracks)
        assumed += (f"features.{name}: {text}" for text in assumptions(whole))
        frame = qualified(base, whole)
        for column in references(frame):
            folder, plain = pack_folder(store.home.root, store.resolve(name)), column.removeprefix(f"{base}.")
            tensors[column] = _reader(folder, column, hops(store, name).get(plain), store.home.bucket)
            frame = frame.drop_nulls(column)  # a missing number is filled in, a missing tensor is not
        frames[name] = frame.lazy()
    wide = side_by_side(store, frames).collect()
    return wide.sort("track", *(["start"] if "start" in wide.columns else []), maintain_order=True), tensors, assumed


def _reader(folder: Path, column: str, hop: float | None, bucket: Bucket | None) -> Reading:
    def make(rows: pl.DataFrame) -> TensorReader:
        starts = rows["start"].to_list() if "start" in rows.columns else [None] * rows.height
        return TensorReader(folder, rows["track"].to_list(), rows[column].to_list(), starts, hop, bucket)

    return make


def _published(task: TaskEntry, connection: duckdb.DuckDBPyConnection) -> pl.DataFrame | None:
    if task.split in protocols or task.evaluate_on:
        return None
    splits = _ask(connection, f"SELECT * FROM splits WHERE dataset = {literal(task.dataset)}")
    known = set(splits["split"])
    if task.split not in known:
        raise UnknownNameError(f"split of {task.dataset!r}:", task.split, {*known, *protocols})
    return splits.filter(pl.col("split") == task.split)


def _at(tracks: pl.DataFrame, splits: pl.DataFrame | None) -> list[tuple[int, int, str]]:
    """Return position, fold and part of each track that the published split names."""
    if splits is None:
        return []
    rows = tracks.with_row_index("row").select("row", "track").join(splits, on="track")
    return sorted(
        (row, fold or 0, part_name(part) or part) for row, fold, part in rows.select("row", "fold", "part").iter_rows()
    )


def _unused(parts: Sequence[tuple[int, int, str]], tracks: int, published: bool) -> dict[str, int]:
    """Return why labelled tracks are neither learned from nor tested, and how many."""
    words = {part for _, _, part in parts}
    used = {row for row, _, part in parts if part in used_parts}
    found = {f"part {word!r}": len({row for row, _, part in parts if part == word} - used) for word in sorted(words)}
    if published:
        found["in no part of the split"] = tracks - len({row for row, _, _ in parts})
    return found


def _ask(connection: duckdb.DuckDBPyConnection, query: str) -> pl.DataFrame:
    return pl.DataFrame(connection.execute(query).to_arrow_table())
