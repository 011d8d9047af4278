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
from collections.abc import Callable, Iterator, Mapping
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
    return X.select(c for members in groups.values() for c in members).to_numpy(), dict(
        zip(groups, places, strict=True)
    )


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


def gtzan_folds(Y: np.ndarray, n: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield training rows, about n with even classes, and test rows."""
    from sklearn.model_selection import StratifiedKFold

    classes = Y.argmax(axis=1)
    for train, test in StratifiedKFold(5, shuffle=True, random_state=0).split(Y, classes):
        for repeat in range(repeats if n < len(train) else 1):
            order = np.random.default_rng(repeat).permutation(train)
            each = n // Y.shape[1]
            some = [order[classes[order] == c][:each] for c in range(Y.shape[1])]
            yield (np.concatenate(some) if n < len(train) else train), test


def difference(a: np.ndarray, b: np.ndarray, ratio: float) -> str:
    """Return the mean difference and the half width of its corrected 95 % interval; ratio is test to training rows."""
    from scipy.stats import t

    d = a - b
    half = t.ppf(0.975, len(d) - 1) * np.sqrt(d.var(ddof=1) * (1 / len(d) + ratio))
    return f"{d.mean():+.4f} ± {half:.4f}"


def compared(
    where: str,
    X: np.ndarray,
    Y: np.ndarray,
    groups: Groups,
    folds: list[tuple[np.ndarray, np.ndarray]],
    measure: Callable[[np.ndarray, np.ndarray], float],
) -> None:
    """Print a line: the mean measure of each model, and of eb against the others."""
    found = {name: np.empty(len(folds)) for name in models}
    seconds = dict.fromkeys(models, 0.0)
    for number, (train, test) in enumerate(folds):
        A, B = scaled(X[train], X[test])
        for name, model in models.items():
            begun = time.process_time()
            found[name][number] = measure(Y[test], learned(A, Y[train], *model(groups), B))
            seconds[name] += time.process_time() - begun
    ratio = len(folds[0][1]) / len(folds[0][0])
    print(
        f"{where:<22}" + "".join(f"  {name} {values.mean():.4f}" for name, values in found.items()),
        f"  eb - paper {difference(found['eb'], found['paper'], ratio)}",
        f"  eb - ridge {difference(found['eb'], found['ridge'], ratio)}",
        f"  {1000 * seconds['eb'] / len(folds):.0f} and {1000 * seconds['paper'] / len(folds):.0f} CPU-ms a fit",
        flush=True,
    )


def main() -> None:
    """Measure."""
    X, Y, _ = table("gtzan_perceptual_features", "blues", "rock")
    for grouper in groupers:
        for n in sizes:
            compared(f"GTZAN {grouper}, n = {n}", *_with(X, Y, grouper), list(gtzan_folds(Y, n)), accuracy)
    X, Y, tracks = table("jamendo_perceptual_validation", "action", "uplifting")
    fold = artists(tracks) % 5
    folds = [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(5)]
    for grouper in groupers:
        compared(f"MTG-Jamendo {grouper}", *_with(X, Y, grouper), folds, area)


def _with(X: pl.DataFrame, Y: np.ndarray, grouper: str) -> tuple[np.ndarray, np.ndarray, Groups]:
    matrix, groups = columns(X, grouper)
    return matrix, Y, groups


if __name__ == "__main__":
    main()
