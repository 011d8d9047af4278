"""Kill mirstore at random moments, again and again, and count what is lost, doubled or half visible.

``python tests/chaos.py`` prints a table with a line per command; ``--rounds 20`` kills each of them twenty times, and
names (``ingest purge``) choose some. After each kill the store is looked at, and the same command has to finish.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl

from mirstore.store import Store
from mirstore.store.lake.doctor import examine

command_line = "import mirstore.store.ingest.committer as c; c.batch_tracks = 2; from mirstore.cli import main; main()"
compaction = "from mirstore.store import Store; Store('store').compact()"
features = ["big", "halves", "loud", "big-mean"]
tracks = 10
registry = """
schema = 1
[features.big]
extractor = "big@1"
params = { megabytes = 0.25 }
[features.big-mean]
extractor = "big-mean@1"
[features.halves]
extractor = "halves@1"
[features.loud]
extractor = "level@1"
inputs = { audio = "halves.loud" }
[tasks.genre]
dataset = "small"
labels = "genre"
metric = "accuracy"
folds = 2
[experiments.first]
task = "genre"
features = ["small"]
grouping = "halves"
random_groupings = 3
permutations = 20
halves = 3
model = "centroid"
"""


@dataclass
class Fault:
    """A command that is killed.

    Attributes
    ----------
    name : str
    command : sequence of str
        Arguments of Python.
    prepare : callable
        Brings the project to where the command has something to do.
    takes : bool
        Whether what it begins with is damaged, so that only the end of it can be looked at.
    """

    name: str
    command: Sequence[str]
    prepare: Callable[[Path], None] = lambda project: None
    takes: bool = False


@dataclass
class Outcome:
    """What came of it: how many rows, files or entries of each kind."""

    rounds: int = 0
    killed: int = 0
    lost: int = 0
    doubled: int = 0
    half_visible: int = 0
    seconds: list[float] = field(default_factory=list)

    @property
    def harm(self) -> int:
        """Everything that must not be."""
        return self.lost + self.doubled + self.half_visible


def mirstore(*arguments: str) -> list[str]:
    return ["-c", command_line, "-q", *arguments]


ingest = mirstore("ingest", "music", "--features", ",".join(features), "-j", "2")


def withdraw(project: Path) -> None:
    with Store(project / "store", read_only=True) as store:
        track = min(store.tensors("big").tracks)
    run(project, mirstore("rm", track, "--yes"))


def lose_catalogue(project: Path) -> None:
    for path in (project / "store").glob("catalog.sqlite*"):
        path.unlink()


def damage(project: Path) -> None:
    """Cut off a table of features and a pack."""
    with Store(project / "store", read_only=True) as store:
        victims = [store.files(store.table(store.resolve("loud")))[0], store.tensors("big").where(0).path]
    for victim in victims:
        victim.chmod(0o644)
        victim.write_bytes(victim.read_bytes()[:-50])


def grow(project: Path) -> None:
    """Leave many small files and merged ones."""
    with Store(project / "store") as store:
        for number in range(12):
            with store.write("pin") as tx:
                tx.append("core.pins", [{"name": f"pin {number}", "snapshot": number + 1}])
                tx.append("core.datasets", [{"dataset": f"empty {number}"}], key=["dataset"])


def grow_and_merge(project: Path) -> None:
    grow(project)
    run(project, ["-c", compaction])


def begin_anew(project: Path) -> None:
    shutil.rmtree(project / "store")


faults = [
    Fault("ingest", ingest, begin_anew),
    Fault("compaction", ["-c", compaction], grow),
    Fault("gc", mirstore("gc", "--grace", "0"), grow_and_merge),
    Fault("purge", mirstore("gc", "--purge", "--yes"), withdraw),
    Fault("import", mirstore("dataset", "import", "large.csv", "--name", "large", "--labels", "genre")),
    Fault("run-experiment", mirstore("run-experiment", "first", "-j", "1")),
    Fault("rebuild", mirstore("doctor", "--rebuild"), lose_catalogue, takes=True),
    Fault("repair", mirstore("doctor", "--repair"), damage, takes=True),
]


def run(project: Path, arguments: Sequence[str], seconds: float | None = None) -> bool:
    """Run a command in a project; after some seconds, kill it. Return whether it came to its end."""
    process = subprocess.Popen(
        [sys.executable, *arguments], cwd=project, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    try:
        _, errors = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return False
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(arguments[-5:])} ended with {process.returncode}: {errors}")
    return True


def make(project: Path) -> None:
    """Make a project with audio, tables, and a store."""
    import soundfile

    rng = np.random.default_rng(0)
    (project / "music").mkdir(parents=True)
    for number in range(tracks):
        soundfile.write(project / "music" / f"{number}.wav", 0.2 * rng.uniform(-1, 1, 8000), 8000, subtype="PCM_16")
    for name, rows in (("small", 24), ("large", 3000)):
        number = np.arange(rows) % 2
        X = rng.normal(size=(rows, 4)) + 3 * np.eye(2, 4)[number]
        named = [pl.Series("id", [f"{name}{i}" for i in range(rows)]), pl.Series("genre", np.array(["a", "b"])[number])]
        pl.DataFrame(X, schema=list("abcd")).with_columns(named).write_csv(project / f"{name}.csv")
    (project / "registry.toml").write_text(registry)
    run(project, ingest)
    run(project, mirstore("dataset", "import", "small.csv", "--name", "small", "--labels", "genre"))


def held(folder: Path) -> Counter[str]:
    """Return every row that the store shows, without where tensors lie: a purge moves them."""
    found: Counter[str] = Counter()
    with Store(folder, read_only=True) as store:
        for table in set(store.tables()) - {"core.packs"}:
            frame = store.scan(table).collect()
            plain = [name for name, kind in frame.schema.items() if not isinstance(kind, pl.Struct)]
            found.update(f"{table} {row}" for row in frame.select(plain).iter_rows())
    return found


def doubled(folder: Path) -> int:
    """Return how many rows are there twice that must be there once."""
    with Store(folder, read_only=True) as store:
        keys = {"core.tracks": ["track"], **{store.table(id_): ["track"] for id_ in store.names().values()}}
        frames = [store.scan(table).select(key).collect() for table, key in keys.items()]
        frames.append(store.sql("SELECT dataset FROM datasets"))
    return sum(frame.height - frame.unique().height for frame in frames)


def half_visible(folder: Path) -> int:
    """Return how much of the store does not fit together: ledger and rows, tensors, and what doctor says."""
    wrong = len(examine(folder, deep=True))
    with Store(folder, read_only=True) as store:
        ledger = store.scan("core.extractions").filter(pl.col("status") == "ok").collect()
        for id_ in set(store.names().values()) & set(ledger["feature_set"]):
            entries = ledger.filter(pl.col("feature_set") == id_).select("track").unique()
            rows = store.scan(store.table(id_)).select("track").unique().collect()
            wrong += (
                entries.join(rows, on="track", how="anti").height + rows.join(entries, on="track", how="anti").height
            )
        for name in set(store.names()) & {"big"}:
            for track, value in zip(store.tensors(name).tracks, store.tensors(name), strict=True):
                made = np.random.default_rng(int(track[:8], 16)).integers(0, 2000, value.shape, np.int16)
                wrong += not np.array_equal(value, made.astype(np.float16))
    return wrong


def summary(folder: Path) -> dict[str, int]:
    """Return how many rows views have: what a command that came to its end leaves, killed before or not."""
    with Store(folder) as store:
        views = [*store.names(), "tracks", "items", "labels", "datasets", "runs", "predictions", "removals", "failures"]
        found = {view: store.sql(f'SELECT count(*) AS n FROM "{view}"')["n"][0] for view in views}
        store.gc(0)
        listed = set(store.scan("core.packs").collect()["path"])
    packs = {str(path.relative_to(folder)) for path in (folder / "tensors").rglob("*") if path.is_file()}
    left = list((folder / "jobs").glob("*")) if (folder / "jobs").exists() else []
    return {**found, "packs that nothing names": len(packs - listed), "folders of jobs": len(left)}


def drill(fault: Fault, template: Path, place: Path, rounds: int, rng: random.Random) -> Outcome:
    """Kill a command in so many rounds, each in a copy of the project."""
    outcome = Outcome()
    whole = place / "whole"
    shutil.copytree(template, whole)
    fault.prepare(whole)
    begun = time.monotonic()
    run(whole, fault.command)
    lasts = time.monotonic() - begun
    after, expected = held(whole / "store"), summary(whole / "store")
    while outcome.killed < rounds:
        project = place / f"round-{outcome.rounds}"
        shutil.copytree(template, project)
        fault.prepare(project)
        store = project / "store"
        before = after if fault.takes else held(store) if store.exists() else Counter()
        outcome.rounds += 1
        if not run(project, fault.command, rng.uniform(0.1, 1) * lasts):
            outcome.killed += 1
            if (store / "catalog.sqlite").exists() and not (fault.takes and examine(store, deep=True)):
                look(outcome, store, before)
        begun = time.monotonic()
        run(project, fault.command)
        outcome.seconds.append(time.monotonic() - begun)
        look(outcome, store, before)
        found = summary(store)
        outcome.half_visible += sum(found[name] != expected[name] for name in expected)
        shutil.rmtree(project)
    return outcome


def look(outcome: Outcome, store: Path, before: Counter[str]) -> None:
    """Count the harm of a store that had certain rows."""
    outcome.lost += (before - held(store)).total()
    outcome.doubled += doubled(store)
    outcome.half_visible += half_visible(store)


def drills(names: Sequence[str], rounds: int, seed: int) -> Iterator[tuple[Fault, Outcome]]:
    """Do the drills of some faults, or of all."""
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="mirstore-chaos-") as folder:
        template = Path(folder) / "template"
        make(template)
        for fault in faults:
            if fault.name in names or not names:
                place = Path(folder) / fault.name
                place.mkdir()
                yield fault, drill(fault, template, place, rounds, rng)
                shutil.rmtree(place)


def with_test_plugins(folder: Path) -> None:
    """Let child processes find the extractors of the tests, as if they were installed."""
    from conftest import write_dist_info

    plugins = sorted(Path(__file__).parent.glob("plugin_*/"))
    for plugin in plugins:
        write_dist_info(folder, plugin / "pyproject.toml")
    paths = [str(folder), *map(str, plugins)]
    sys.path[:0] = paths
    os.environ["PYTHONPATH"] = os.pathsep.join([*paths, os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)


def main() -> int:
    """Print the table; return 1 if there was any harm."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="command", help="all of them by default")
    parser.add_argument("--rounds", type=int, default=5, help="kills of each command")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    options = parser.parse_args()
    if unknown := set(options.names) - {fault.name for fault in faults}:
        parser.error(f"unknown: {', '.join(unknown)}; known: {', '.join(fault.name for fault in faults)}")
    print(f"seed {options.seed}\n")
    print("| killed | rounds (killed) | lost | doubled | half visible | seconds to recover (longest) |")
    print("|---|---|---|---|---|---|", flush=True)
    harm = 0
    with tempfile.TemporaryDirectory(prefix="mirstore-plugins-") as folder:
        with_test_plugins(Path(folder))
        for fault, found in drills(options.names, options.rounds, options.seed):
            counts = f"{found.lost} | {found.doubled} | {found.half_visible}"
            seconds = f"{np.median(found.seconds):.1f} ({max(found.seconds):.1f})"
            print(f"| {fault.name} | {found.rounds} ({found.killed}) | {counts} | {seconds} |", flush=True)
            harm += found.harm
    return min(harm, 1)


if __name__ == "__main__":
    raise SystemExit(main())
