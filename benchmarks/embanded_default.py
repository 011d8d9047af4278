"""EM-banded's default beside the published settings and ridge, on the published tables: python embanded_default.py.

Accuracy on GTZAN (5 folds by track, training parts cut to n tracks, `repeats` draws) and ROC-AUC on MTG-Jamendo's
validation part (5 folds by artist), of the raw scores. Ridge is the same regression with all columns in one group. The
tables lie in ``MIRSTORE_SHARED``. Differences have the paired interval that folds with common training tracks need
(Nadeau and Bengio, 2003).
"""

from __future__ import annotations

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from mirstore_embanded.regression import Fit, Settings, fit
from mirstore_embanded.statistics import Gram
from mirstore_groupings import AllFeatures, DomainExpert, UserFriendly

tables = Path(os.environ.get("MIRSTORE_SHARED", "shared")) / "data" / "tables"
repeats = 4
sizes = (50, 100, 200, 400, 799)
groupers = {"all": AllFeatures, "UF": UserFriendly, "DE": DomainExpert}
Groups = Mapping[str, np.ndarray]


def table(name: str, first: str, last: str) -> tuple[pl.DataFrame, np.ndarray, np.ndarray]:
    """Return features, labels [shape=(n, l)] and numbers of tracks."""
    frame = pl.read_csv(tables / f"vaslyb_{name}.csv.gz", infer_schema_length=None)
    labels = frame.columns[frame.columns.index(first) : frame.columns.index(last) + 1]
    X = frame.drop([*labels, frame.columns[0]]).rename(lambda c: "t." + re.sub(r"\W+", "_", c).lower())
    return X, frame.select(labels).to_numpy().astype(float), frame[frame.columns[0]].cast(pl.Int64).to_numpy()


def artists(tracks: np.ndarray) -> np.ndarray:
    """Return the number of each track's artist."""
    about = pl.read_csv(
        tables / "mtg_jamendo" / "autotagging_moodtheme.tsv.gz", separator="\t", truncate_ragged_lines=True
    )
    of = {int(track[6:]): int(artist[7:]) for track, artist in about.select("TRACK_ID", "ARTIST_ID").iter_rows()}
    return np.array([of[track] for track in tracks])


def columns(X: pl.DataFrame, grouper: str) -> tuple[np.ndarray, Groups]:
    """Return the grouped columns and their groups' positions."""
    groups = groupers[grouper]().group(X.columns)
    ends = np.cumsum([len(members) for members in groups.values()])
    places = np.split(np.arange(ends[-1]), ends[:-1])
    matrix = X.select(column for members in groups.values() for column in members).to_numpy()
    return matrix, dict(zip(groups, places, strict=True))


def learned(X: np.ndarray, Y: np.ndarray, groups: Groups, settings: Settings, test: np.ndarray) -> np.ndarray:
    """Return scores of test rows by a fit to the others given."""
    return scores(fit(Gram.of(X, Y), groups, settings, (X, Y, np.ones(len(X)))), test)


def scores(found: Fit, test: np.ndarray) -> np.ndarray:
    """Return the regressions' scores."""
    return test @ found.coef.T + found.intercept


def together(groups: Groups) -> Groups:
    """Return one group."""
    return {"all": np.concatenate(list(groups.values()))}


models: dict[str, Callable[[Groups], tuple[Groups, Settings]]] = {
    "eb": lambda groups: (groups, Settings()),
    "paper": lambda groups: (groups, Settings("inverse-gamma", "none")),
    "ridge": lambda groups: (together(groups), Settings(pooling="none")),
}


def scaled(train: np.ndarray, *others: np.ndarray) -> Iterator[np.ndarray]:
    """Yield rows with the training part's mean 0 and deviation 1; 0 where it has none."""
    mean, deviation = train.mean(axis=0), train.std(axis=0)
    yield from ((part - mean) / np.where(deviation > 0, deviation, np.inf) for part in (train, *others))


def accuracy(truth: np.ndarray, found: np.ndarray) -> float:
    """Return the share of tracks whose own class has the highest score."""
    return float((truth.argmax(axis=1) == found.argmax(axis=1)).mean())


def area(truth: np.ndarray, found: np.ndarray) -> float:
    """Return the mean ROC-AUC of labels that have both kinds of tracks."""
    from scipy.stats import rankdata

    ranks, yes = rankdata(found, axis=0), truth.sum(axis=0)
    both = (yes > 0) & (yes < len(truth))
    areas = ((ranks * truth).sum(axis=0) - yes * (yes + 1) / 2)[both] / (yes * (len(truth) - yes))[both]
    return float(areas.mean())


def gtzan_folds(Y: np.ndarray, n: int) -> Iterator[list[tuple[np.ndarray, np.ndarray]]]:
    """Yield per fold pairs of training rows, about n with even classes, and test rows."""
    from sklearn.model_selection import StratifiedKFold

    classes = Y.argmax(axis=1)
    for train, test in StratifiedKFold(5, shuffle=True, random_state=0).split(Y, classes):
        draws = []
        for repeat in range(repeats if n < len(train) else 1):
            order = np.random.default_rng(repeat).permutation(train)
            some = [order[classes[order] == c][: n // Y.shape[1]] for c in range(Y.shape[1])]
            draws.append((np.concatenate(some) if n < len(train) else train, test))
        yield draws


def interval(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    """Return the mean difference of values per fold, and the half width of its corrected 95 % interval."""
    from scipy.stats import t

    d = a - b
    # A test part is a fifth, so a quarter of the rows it may be learned from.
    return float(d.mean()), float(t.ppf(0.975, len(d) - 1) * np.sqrt(d.var(ddof=1) * (1 / len(d) + 1 / 4)))


def measured(
    X: np.ndarray,
    Y: np.ndarray,
    groups: Groups,
    folds: list[list[tuple[np.ndarray, np.ndarray]]],
    measure: Callable[[np.ndarray, np.ndarray], float],
    names: Sequence[str],
) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """Return the measure of each model named per fold, the mean over its draws, and CPU seconds per fit."""
    found = {name: np.zeros(len(folds)) for name in names}
    seconds = dict.fromkeys(names, 0.0)
    fits = sum(len(draws) for draws in folds)
    for number, draws in enumerate(folds):
        for train, test in draws:
            A, B = scaled(X[train], X[test])
            for name in names:
                begun = time.process_time()
                value = measure(Y[test], learned(A, Y[train], *models[name](groups), B))
                seconds[name] += (time.process_time() - begun) / fits
                found[name][number] += value / len(draws)
    return found, seconds


def told(where: str, found: dict[str, np.ndarray], seconds: dict[str, float]) -> None:
    """Print a line."""
    differences = []
    for other in ("paper", "ridge"):
        mean, half = interval(found["eb"], found[other])
        differences.append(f"  eb - {other} {mean:+.4f} ± {half:.4f}")
    print(
        f"{where:<20}" + "".join(f"  {name} {values.mean():.4f}" for name, values in found.items()),
        *differences,
        f"  CPU-ms a fit: eb {1000 * seconds['eb']:.0f}, paper {1000 * seconds['paper']:.0f}",
        flush=True,
    )


def gtzan(grouper: str, n: int, names: Sequence[str] = tuple(models)) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """Return accuracies on GTZAN; see `measured`."""
    X, Y, _ = table("gtzan_perceptual_features", "blues", "rock")
    matrix, groups = columns(X, grouper)
    return measured(matrix, Y, groups, list(gtzan_folds(Y, n)), accuracy, names)


def jamendo(grouper: str, names: Sequence[str] = tuple(models)) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """Return ROC-AUC on MTG-Jamendo; see `measured`."""
    X, Y, tracks = table("jamendo_perceptual_validation", "action", "uplifting")
    fold = artists(tracks) % 5
    matrix, groups = columns(X, grouper)
    folds = [[(np.flatnonzero(fold != k), np.flatnonzero(fold == k))] for k in range(5)]
    return measured(matrix, Y, groups, folds, area, names)


def main() -> None:
    """Measure."""
    for grouper in groupers:
        for n in sizes:
            told(f"GTZAN {grouper}, n = {n}", *gtzan(grouper, n))
    for grouper in groupers:
        told(f"MTG-Jamendo {grouper}", *jamendo(grouper))


if __name__ == "__main__":
    main()
