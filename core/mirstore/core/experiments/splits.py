"""Which examples are learned from and which are predicted: folds."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from mirstore.core.errors import UsageError
from mirstore.core.experiment_entries import TaskEntry, crossed
from mirstore.core.experiments.three_parts import three_parts
from mirstore.core.text import counted

_parts = {
    "train": ("train", "training", "trn"),
    "validation": ("validation", "valid", "val", "dev", "devel", "development"),
    "test": ("test", "testing", "tst", "eval", "evaluation"),
}
used_parts = frozenset(_parts)
"""What an experiment learns from or tests."""


def part_name(word: str) -> str | None:
    """Return ``train``, ``validation`` or ``test`` for a word that published splits use for it, in any case.

    Parameters
    ----------
    word : str
        As it stands in a table.

    Returns
    -------
    str or None
        None for a word that no experiment uses.

    Examples
    --------
    >>> part_name("Dev"), part_name("evaluation"), part_name("unused")
    ('validation', 'test', None)
    """
    lower = word.strip().lower()
    return next((part for part, words in _parts.items() if lower in words), None)


def part_words() -> str:
    """Return the words that `part_name` knows, for a message."""
    return ", ".join("/".join(words) for words in _parts.values())


@dataclass(frozen=True)
class Fold:
    """One training part, one test part, and the validation part of a split that has one.

    Attributes
    ----------
    repeat, number : int
        Which repetition, and which fold of it, from 0.
    train, test, validation : np.ndarray of int
        Positions of the tracks, sorted; no position stands in two of them. What is in ``validation`` is neither
        learned from nor tested: it is for models that stop or choose by it.
    drawn_from : np.ndarray of int or None
        The whole training part, if ``train`` was drawn from it.
    """

    repeat: int
    number: int
    train: np.ndarray
    test: np.ndarray
    validation: np.ndarray = field(default_factory=lambda: np.arange(0))
    drawn_from: np.ndarray | None = None

    @property
    def whole(self) -> np.ndarray:
        """The training part before anything was drawn from it."""
        return self.train if self.drawn_from is None else self.drawn_from

    @property
    def key(self) -> str:
        """Checksum of who stands where: another seed on a published split makes the same fold, or draws from it."""
        parts = (part.astype(np.int64).tobytes() + b"|" for part in (self.whole, self.test, self.validation))
        return hashlib.sha256(b"".join(parts)).hexdigest()

    @property
    def seen(self) -> np.ndarray:
        """What a model may see before it is tested."""
        return np.union1d(self.train, self.validation)


def make_folds(
    task: TaskEntry, labels: np.ndarray, classes: Sequence[str], exclusive: bool, units: Sequence[str], repeats: int
) -> list[Fold]:
    """Return the folds of a task.

    Parameters
    ----------
    task : TaskEntry
        ``grouped`` keeps the units whole (stratified where classes are exclusive), ``stratified`` ignores them,
        ``modulo`` takes the number in the unit's name modulo the number of folds, ``holdout`` draws one test part of
        20 % of the units, ``8:1:1`` is `three_parts`.
    labels : np.ndarray [shape=(n, k)]
        0/1; numbers are split as they come, since they have no classes to be stratified by.
    classes : sequence of str
        The k names.
    exclusive : bool
        Whether every example has exactly one class.
    units : sequence of str
        What must stay together, the artist by default; one per example.
    repeats : int > 0
        Repetition ``r`` uses the task's seed + ``r``.

    Raises
    ------
    UsageError
        If there is one class only, a class or the number of units is smaller than the number of folds or parts, or a
        fold would be empty.

    Examples
    --------
    >>> from mirstore.core.experiment_entries import TaskEntry
    >>> task = TaskEntry(dataset="clips", labels="mood", metric="roc_auc", folds=2)
    >>> labels = np.array([[1, 0], [1, 0], [1, 0], [0, 1], [0, 1], [0, 1]])
    >>> artists = ["a", "a", "b", "c", "d", "d"]
    >>> folds = make_folds(task, labels, ("calm", "lively"), True, artists, repeats=1)
    >>> len(folds), shared_between(folds, artists)
    (2, [])
    """
    _check(task, labels, classes, exclusive, units)
    folds = [
        Fold(repeat, number, *map(np.sort, parts))
        for repeat in range(repeats)
        for number, parts in enumerate(_splits(task, labels, classes, exclusive, units, task.seed + repeat))
    ]
    _check_sizes(folds)
    return folds


def _check(task: TaskEntry, labels: np.ndarray, classes: Sequence[str], exclusive: bool, units: Sequence[str]) -> None:
    sizes = (labels > 0).sum(axis=0)
    if exclusive and len(classes) < 2:
        raise UsageError("only one class: there is nothing to tell apart", hint="choose another label set")
    if task.split not in crossed:
        return
    if len(units) < task.folds:
        raise UsageError(f"{len(units)} labelled tracks with these features are too few for {task.folds} folds")
    if task.split == "grouped" and len(set(units)) < task.folds:
        raise UsageError(
            f"{len(set(units))} {task.group_by or 'artist'}s are too few for {task.folds} folds",
            hint='fewer folds, or split = "stratified" where leakage does not matter',
        )
    if exclusive and task.split == "grouped":
        for name, members in zip(classes, labels.T, strict=True):
            owners = {unit for unit, member in zip(units, members, strict=True) if member}
            if len(owners) < 2:
                raise UsageError(
                    f"all tracks of class {name!r} are by one {task.group_by or 'artist'}: no fold can test it",
                    hint='leave it out: classes = [...] in the task; or split = "stratified", which leaks',
                )
    if exclusive and task.split in ("grouped", "stratified"):
        for name, size in zip(classes, sizes, strict=True):
            if size < task.folds:
                raise UsageError(
                    f"class {name!r} has {counted(size, 'track')}, fewer than the {task.folds} folds",
                    hint="fewer folds, or leave the class out: classes = [...] in the task",
                )


def _splits(
    task: TaskEntry, labels: np.ndarray, names: Sequence[str], exclusive: bool, units: Sequence[str], seed: int
) -> Iterator[tuple[np.ndarray, ...]]:
    """Yield training, test and, if there is one, validation part of each fold."""
    from sklearn import model_selection as ms

    classes = labels.argmax(axis=1) if exclusive else None
    if task.split == "modulo":
        numbers = np.array([_number(unit) % task.folds for unit in units])
        yield from ((np.flatnonzero(numbers != fold), np.flatnonzero(numbers == fold)) for fold in range(task.folds))
    elif task.split == "holdout":
        if task.group_by in (None, "track"):
            train, test = ms.train_test_split(np.arange(len(units)), train_size=0.8, random_state=seed)
            yield train, test
        else:
            yield from ms.GroupShuffleSplit(1, train_size=0.8, random_state=seed).split(labels, classes, units)
    elif task.split == "8:1:1":
        of_classes = labels[:, :0] if task.numeric else labels
        yield three_parts(of_classes, names, exclusive, units, task.group_by or "artist", seed)
    elif task.split == "stratified" and exclusive:
        yield from ms.StratifiedKFold(task.folds, shuffle=True, random_state=seed).split(labels, classes)
    elif task.split == "stratified":
        yield from ms.KFold(task.folds, shuffle=True, random_state=seed).split(labels)
    elif exclusive:
        yield from ms.StratifiedGroupKFold(task.folds, shuffle=True, random_state=seed).split(labels, classes, units)
    else:
        yield from ms.GroupKFold(task.folds, shuffle=True, random_state=seed).split(labels, groups=units)


def _number(name: str) -> int:
    digits = re.findall(r"\d+", name)
    if not digits:
        raise UsageError(f'split "modulo" needs a number in every name, {name!r} has none', hint='split = "grouped"')
    return int(digits[-1])


def published_folds(parts: Sequence[tuple[int, int, str]], repeats: int) -> list[Fold]:
    """Return the folds of a published split, numbered as published.

    Parameters
    ----------
    parts : sequence of (position, fold, part)
        ``train`` is learned from, ``validation`` is for models that stop or choose by it, ``test`` is predicted.
        With test parts only, every fold is learned from all the others. What stands in two parts of a fold, as copies
        of a file do, is tested only, or else validated by only.
    repeats : int > 0
        How often each fold stands in the result: for models that draw something by their seed.

    Raises
    ------
    UsageError
        If there is no test part, or nothing to learn from.

    Examples
    --------
    >>> parts = [(0, 0, "train"), (1, 0, "train"), (2, 0, "validation"), (3, 0, "test")]
    >>> (fold,) = published_folds(parts, repeats=1)
    >>> fold.train.tolist(), fold.validation.tolist(), fold.test.tolist()
    ([0, 1], [2], [3])
    """
    folds = []
    for fold in as_published(parts):
        validation = np.setdiff1d(fold.validation, fold.test)
        train = np.setdiff1d(fold.train, [*fold.test, *validation])
        folds.append(replace(fold, train=train, validation=validation))
    _check_sizes(folds, Counter(part for _, _, part in parts))
    return [replace(fold, repeat=repeat) for repeat in range(repeats) for fold in folds]


def as_published(parts: Sequence[tuple[int, int, str]]) -> list[Fold]:
    """Return the folds of a published split as they are: what stands in two parts of one leaks.

    Parameters
    ----------
    parts : sequence of (position, fold, part)
        As for `published_folds`.

    Examples
    --------
    >>> (fold,) = as_published([(0, 0, "train"), (1, 0, "train"), (1, 0, "test")])
    >>> shared_between([fold], ["a.wav", "b.wav"])
    ['b.wav']
    """
    only_tests = {part for _, _, part in parts} == {"test"}
    folds = []
    for number in sorted({fold for _, fold, _ in parts}):
        here = {
            name: np.unique([row for row, fold, part in parts if fold == number and part == name]).astype(np.int64)
            for name in used_parts
        }
        if only_tests:
            here["train"] = np.unique([row for row, fold, _ in parts if fold != number]).astype(np.int64)
        folds.append(Fold(0, number, **here))
    return folds


def _check_sizes(folds: Sequence[Fold], parts: Mapping[str, int] | None = None) -> None:
    for fold in folds:
        if not len(fold.train) or not len(fold.test):
            words = ", ".join(f"{count} {part!r}" for part, count in sorted((parts or {}).items()))
            raise UsageError(
                f"fold {fold.number} has {len(fold.train)} training and {len(fold.test)} test tracks"
                + (f" (the split has {words})" if words else ""),
                hint="parts are called train, validation and test" if words else None,
            )


def thinned(folds: Sequence[Fold], task: TaskEntry, units: Sequence[str]) -> list[Fold]:
    """Return the folds with what each repetition learns from.

    Parameters
    ----------
    folds : sequence of Fold
    task : TaskEntry
        Its ``train_size``, and its seed.
    units : sequence of str
        What is drawn, the artist by default; one per example.

    Raises
    ------
    UsageError
        If nothing is left to learn from.

    Examples
    --------
    >>> from mirstore.core.experiment_entries import TaskEntry
    >>> task = TaskEntry(dataset="clips", labels="mood", metric="roc_auc", train_size=0.5, seed=1)
    >>> whole = published_folds([(i, 0, "train") for i in range(8)] + [(8, 0, "test")], repeats=3)
    >>> drawn = thinned(whole, task, ["ab"[i % 2] for i in range(9)])
    >>> [fold.train.tolist() for fold in drawn], len({fold.key for fold in drawn})
    ([[0, 2, 4, 6], [1, 3, 5, 7], [1, 3, 5, 7]], 1)
    """
    if task.train_size == 1:
        return list(folds)
    names = np.array(units, dtype=object)
    return [replace(fold, train=_draw(fold, names, task), drawn_from=fold.train) for fold in folds]


def _draw(fold: Fold, units: np.ndarray, task: TaskEntry) -> np.ndarray:
    there = np.unique(units[fold.train].astype(str))
    many = round(task.train_size * len(there))
    if not many:
        raise UsageError(f"train_size = {task.train_size:g} of {len(there)} leaves nothing to learn from")
    kept = np.random.default_rng([task.seed, fold.repeat, fold.number]).choice(there, many, replace=False)
    return fold.train[np.isin(units[fold.train].astype(str), kept)]


def shared_between(folds: Sequence[Fold], values: Sequence[str | None]) -> list[str]:
    """Return the values (artists, recordings) that leak: in the test part of a fold and in what is seen before it.

    Parameters
    ----------
    folds : sequence of Fold
    values : sequence of (str or None)
        One per track; None is shared with nothing.

    Returns
    -------
    list of str
        Sorted.

    Examples
    --------
    >>> shared_between([Fold(0, 0, np.array([0, 1]), np.array([2]))], ["Bach", "Ligeti", "Bach"])
    ['Bach']
    """
    leaked: set[str] = set()
    for fold in folds:
        seen = {values[position] for position in fold.seen}
        leaked |= {value for position in fold.test if (value := values[position]) is not None and value in seen}
    return sorted(leaked)
