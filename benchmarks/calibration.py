"""How often a report claims what is not there, and finds what is: ``python benchmarks/calibration.py``.

Experiments whose answer is known go through the same fits and tests as `mirstore run-experiment`. In half of them the
labels are random, so that whatever a report claims is false. In the other half one group of features carries all that
can be known, and a set share of each label's score is noise.

    python benchmarks/calibration.py                           # 40 bundled clips
    python benchmarks/calibration.py --gtzan TABLE             # and drawn from GTZAN's 999 tracks; docs/experiments.md
    python benchmarks/calibration.py --gtzan TABLE --sets 20 --jobs 1

Each experiment is a line of ``calibration.jsonl``; what is there is not run again, so that a benchmark that was stopped
goes on. Features are extracted, or imported, once, into a store beside it.
"""

from __future__ import annotations

import argparse
import json
import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from time import process_time
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy comes: a core per experiment

import numpy as np

from mirstore.core.experiment_entries import TaskEntry
from mirstore.core.experiments.assembly import Assembly, Result, take
from mirstore.core.experiments.chance import evidence_in
from mirstore.core.experiments.fitted import checked_scores
from mirstore.core.experiments.fitting import Fitting
from mirstore.core.experiments.metrics import kept, mean_of
from mirstore.core.experiments.run import run_case
from mirstore.core.experiments.splits import make_folds
from mirstore.core.experiments.verdict import Verdict, judge
from mirstore.store import Project, Store
from mirstore.store.ingest.published_tables import import_table

clips = Path(__file__).parents[1] / "examples" / "clips" / "tracks.csv"
genres = "blues classical country disco hiphop jazz metal pop reggae rock".split()

registry = """
schema = 1
[tasks.clips-in-bench]
dataset = "clips"
labels = "genre"
split = "stratified"
metric = "accuracy"
[tasks.gtzan-in-bench]
dataset = "gtzan"
labels = "genre"
split = "stratified"
metric = "accuracy"
[experiments.clips-in-bench]
task = "clips-in-bench"
features = ["essentia", "essentia-key", "mfcc-stats"]
[experiments.clips-in-bench.matrix]
grouping = ["user-friendly", "all-features"]
model = ["em-banded", "logistic-regression"]
[experiments.gtzan-in-bench]
task = "gtzan-in-bench"
features = ["gtzan"]
[experiments.gtzan-in-bench.matrix]
grouping = ["user-friendly", "all-features"]
model = ["em-banded", "logistic-regression"]
"""


@dataclass(frozen=True)
class Kind:
    """A kind of experiment: where features come from, how many tracks, what can be known of the labels.

    Attributes
    ----------
    corpus : str
        ``clips`` or ``gtzan``.
    tracks, classes, runs : int
        Runs are repetitions of the five folds.
    effect : float in [0, 1)
        Share of each label's score that one group of features decides; 0 for random labels.
    by_artist : bool
        Whether an artist's tracks have one random label, and stay together in folds.
    """

    corpus: str
    tracks: int
    classes: int
    runs: int
    effect: float = 0.0
    by_artist: bool = False

    def __str__(self) -> str:
        artists = " by artist" if self.by_artist else ""
        return f"{self.corpus} {self.tracks}{artists}, " + (f"R² {self.effect:g}" if self.effect else "random labels")


kinds = {
    "clips": [
        (Kind("clips", 40, 3, 3), 4),
        (Kind("clips", 40, 3, 3, by_artist=True), 2),
        *((Kind("clips", 40, 3, 3, effect), 1) for effect in (0.2, 0.5, 0.8)),
    ],
    "gtzan": [
        (Kind("gtzan", 100, 10, 2), 4),
        (Kind("gtzan", 999, 10, 1), 1),
        *((Kind("gtzan", 100, 10, 2, effect), 1) for effect in (0.1, 0.3, 0.6)),
    ],
}
"""Corpus to its kinds of experiments, and how many parts of all ``--sets`` each gets."""


@dataclass(frozen=True)
class Corpus:
    """Cases of an experiment, the first of which is the one that a report explains."""

    cases: Sequence[Assembly]

    def experiment(self, kind: Kind, seed: int) -> tuple[list[Assembly], np.ndarray, np.ndarray, str | None]:
        """Return cases with new labels, the labels of all tracks, which tracks were taken, and the planted group."""
        rng = np.random.default_rng([seed, kind.tracks, round(100 * kind.effect), kind.by_artist])
        first = self.cases[0]
        every = len(first.tracks)
        units = first.units if kind.by_artist else np.arange(every)
        labels, planted = self._labels(kind, units, rng)
        while labels.sum(axis=0).min() < min(kind.tracks // kind.classes, 8):  # too few for five folds
            labels, planted = self._labels(kind, units, rng)
        chosen = np.arange(every)
        if kind.tracks < every:  # as many of each class
            each = [rng.permutation(np.flatnonzero(of_class))[: kind.tracks // kind.classes] for of_class in labels.T]
            chosen = np.sort(np.concatenate(each))
        task = TaskEntry(dataset="", labels="", metric="accuracy", split="grouped" if kind.by_artist else "stratified")
        classes = tuple(f"class {number}" for number in range(kind.classes))
        names = [str(unit) for unit in units[chosen]]
        folds = make_folds(task, labels[chosen], classes, True, names, kind.runs)
        cases = []
        for case in self.cases:
            examples = replace(take(case.examples, chosen), labels=labels[chosen], classes=classes)
            cases.append(
                replace(
                    case,
                    examples=replace(examples, units=np.array(names, dtype=object)),
                    tracks=tuple(case.tracks[i] for i in chosen),
                    owners=np.arange(len(chosen)),
                    folds=tuple(folds),
                    metric="accuracy",
                )
            )
        return cases, labels, chosen, planted

    def _labels(self, kind: Kind, units: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, str | None]:
        names, unit = np.unique(units, return_inverse=True)
        if not kind.effect:
            balanced = np.arange(len(names)) % kind.classes
            return np.eye(kind.classes)[rng.permutation(balanced)[unit]], None
        groups = self.cases[0].groups
        planted = list(groups)[rng.integers(len(groups))]
        X = self.cases[0].examples.table.select(groups[planted]).to_numpy().astype(float)
        X = np.nan_to_num((X - np.nanmean(X, axis=0)) / np.nanstd(X, axis=0))
        known = X @ rng.normal(size=(X.shape[1], kind.classes))
        known = (known - known.mean(axis=0)) / known.std(axis=0)
        noise = rng.normal(size=known.shape)
        return np.eye(kind.classes)[
            (np.sqrt(kind.effect) * known + np.sqrt(1 - kind.effect) * noise).argmax(axis=1)
        ], planted


@cache
def corpus(name: str, store: Path) -> Corpus:
    """Return the cases of a corpus, read from the store once per process."""
    (store.parent / "registry.toml").write_text(registry)
    with Project(store, store.parent / "registry.toml") as project:
        planned = project.cases(f"{name}-in-bench")
        if lacking := [item.why for item in planned if item.assembly is None]:
            raise SystemExit(f"{name}: {lacking[0]}")
        assemblies = [item.assembly for item in planned if item.assembly]
    assemblies.sort(key=lambda case: not case.permutations)
    return Corpus(assemblies)


def one(kind: Kind, number: int, store: Path) -> dict[str, Any]:
    """Return what the report on one experiment would say, and what is true."""
    begun = process_time()
    of = corpus(kind.corpus, store)
    cases, labels, chosen, planted = of.experiment(kind, number)
    evidence = [evidence_in(case, run_case(case), str(i)) for i, case in enumerate(cases)]
    verdict = judge(evidence, "0", kind.tracks)
    truth: dict[str, Any] = {}
    if kind.corpus == "gtzan" and kind.tracks < len(labels):
        truth = _truth(of, cases, labels, chosen, verdict)
    return {
        "kind": asdict(kind),
        "number": number,
        "planted": planted,
        "claims": [asdict(claim) for claim in verdict.claims],
        "open": [asdict(claim) for claim in verdict.open],
        "needs_tracks": verdict.needs_tracks,
        "top": max(evidence[0].shares, key=lambda group: evidence[0].shares[group]),
        "shares": {group: list(values) for group, values in verdict.shares.items()},
        "untested": dict(verdict.untested),
        "seconds": process_time() - begun,
        **truth,
    }


def _truth(of: Corpus, cases: Sequence[Assembly], labels: np.ndarray, chosen: np.ndarray, verdict: Verdict) -> Any:
    """Return what the intervals should hold: accuracy on tracks that were not drawn, shares in fresh draws of as many.

    The labels of all tracks follow the same rule, so that the rest of the corpus tells how good the fitted models are.
    """
    rest = np.setdiff1d(np.arange(len(labels)), chosen)
    above = {}
    for number, case in enumerate(cases):
        every = replace(
            of.cases[number],
            examples=replace(of.cases[number].examples, labels=labels, classes=case.examples.classes, units=None),
        )
        fitting, found = Fitting(every, Result(), Path()), []
        for fold in case.folds:
            _, (train, test) = fitting.scaled(chosen[fold.train], rest)
            model = fitting.fitted(train, case.seed + fold.repeat, fold, None)
            scores = kept(checked_scores(model, replace(test, labels=None)))
            floor = labels[rest][:, labels[chosen[fold.train]].sum(axis=0).argmax()].mean()
            found.append(mean_of("accuracy", labels[rest], scores) - floor)
        above[str(number)] = float(np.mean(found))
    if not verdict.shares:
        return {"above": above}
    rng, drawn = np.random.default_rng(1), []
    whole = replace(
        of.cases[0],
        examples=replace(of.cases[0].examples, labels=labels, classes=cases[0].examples.classes, units=None),
    )
    fitting = Fitting(whole, Result(), Path())
    for _ in range(20):
        _, (train,) = fitting.scaled(np.sort(rng.permutation(len(labels))[: len(chosen)]))
        drawn.append(fitting.fitted(train, 0, None, None).group_importances())
    return {"above": above, "expected": {g: float(np.mean([d[g] for d in drawn])) for g in drawn[0]}}


def summary(lines: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield a Markdown table, a row per kind."""
    of_kind: dict[Kind, list[dict[str, Any]]] = defaultdict(list)
    for line in lines:
        of_kind[Kind(**line["kind"])].append(line)
    heads = (
        "experiments",
        "sets",
        "any claim",
        "above guessing",
        "best of all",
        "order",
        "size",
        "wrong group",
        "planted first",
    )
    yield "| " + " | ".join(heads) + " |"
    yield "|" + "---|" * len(heads)
    for kind, found in of_kind.items():
        n = len(found)

        def share(test: Any, found: Sequence[dict[str, Any]] = found, n: int = n) -> str:
            return f"{sum(bool(test(line)) for line in found) / n:.3f}".removeprefix("0")

        def claimed(*names: str) -> Any:
            return lambda line: any(claim["kind"] in names for claim in line["claims"])

        wrong = share(lambda line: any(c["group"] not in (None, line["planted"]) for c in line["claims"]))
        planted = share(lambda line: line["top"] == line["planted"]) if kind.effect else "–"
        cells = [
            str(kind),
            str(n),
            share(lambda line: line["claims"]),
            share(claimed("above guessing")),
            share(claimed("best above guessing")),
            share(claimed("more")),
            share(claimed("more than size")),
            wrong,
            planted,
        ]
        yield "| " + " | ".join(cells) + " |"
    yield ""
    yield from coverage(lines)


def coverage(lines: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield how many of the printed 95 % intervals hold what they are about."""
    held: dict[str, list[bool]] = defaultdict(list)
    for line in lines:
        for claim in [*line["claims"], *line["open"]]:
            above, run, than = line.get("above", {}), claim["run"], claim["than"]
            if claim["kind"].endswith("above guessing") and run in above:
                held["difference to guessing"].append(claim["low"] <= above[run] <= claim["high"])
            if claim["kind"] == "better" and run in above:
                held["difference of two cases"].append(claim["low"] <= above[run] - above[than] <= claim["high"])
        for group, (_, low, high) in line["shares"].items():
            if "expected" in line:
                held["share of a group"].append(low <= line["expected"][group] <= high)
    for name, values in held.items():
        yield f"{name}: {np.mean(values):.3f} of {len(values)} intervals hold the truth"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gtzan", type=Path, help="GTZAN's published table of 61 features")
    parser.add_argument("--sets", type=int, default=200, help="experiments with random labels, and as many planted")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--folder", type=Path, default=Path("calibration"))
    asked = parser.parse_args()
    asked.folder.mkdir(exist_ok=True)
    store, results = asked.folder / "store", asked.folder / "calibration.jsonl"
    corpora = ["clips", *(["gtzan"] if asked.gtzan else [])]
    if asked.gtzan:
        with Store(store, create=True) as written:
            import_table(written, asked.gtzan, dataset="gtzan", labels=genres, label_set="genre")
    with Project(store) as project:
        project.ingest(str(clips), dataset="clips", features=["essentia", "essentia-key", "mfcc-stats"]).result()
    lines = [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []
    there = {(Kind(**line["kind"]), line["number"]) for line in lines}
    wanted = [todo for todo in experiments(corpora, asked.sets) if todo not in there]
    # A forked process would wait for threads of polars that it does not have.
    with ProcessPoolExecutor(asked.jobs, get_context("spawn")) as pool, results.open("a") as file:
        for done, future in enumerate(as_completed([pool.submit(one, *todo, store) for todo in wanted]), 1):
            lines.append(future.result())
            file.write(json.dumps(lines[-1]) + "\n")
            file.flush()
            print(f"\r{done} of {len(wanted)}", end="", flush=True)
    print("\n")
    print("\n".join(summary(lines)))


def experiments(corpora: Sequence[str], sets: int) -> list[tuple[Kind, int]]:
    """Return which experiments to run: so many with random labels, and as many planted; all kinds side by side."""
    found = []
    for planted in (False, True):
        parts = [(kind, part) for name in corpora for kind, part in kinds[name] if bool(kind.effect) is planted]
        for kind, part in parts:
            size = round(sets * part / sum(part for _, part in parts))
            found += [(number / size, kind, number) for number in range(size)]
    return [(kind, number) for _, kind, number in sorted(found, key=lambda item: item[0])]


if __name__ == "__main__":
    main()
