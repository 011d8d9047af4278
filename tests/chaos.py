"""Kill mirstore at random moments, again and again, and count what is lost, doubled or half visible.

``python tests/chaos.py`` prints a table with a line per command; ``--rounds 20`` kills each of them twenty times,
``--shared`` does so over a store in PostgreSQL and S3, and names (``ingest purge``) choose some. After each kill the
store is looked at, and the same command has to finish.
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
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from operator import methodcaller
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import polars as pl
from servers import Servers, lacking, servers

from mirstore.store import Store
from mirstore.store.lake.doctor import examine

command_line = "import mirstore.store.ingest.committer as c; c.batch_tracks = 2; from mirstore.cli import main; main()"
compaction = "import os; from mirstore.store import Store; Store(os.environ['MIRSTORE_STORE']).compact()"
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


@dataclass(frozen=True)
class Project:
    """Where commands run, and a store."""

    folder: Path

    @property
    def store(self) -> str:
        """Its address."""
        return str(self.folder / "store")

    @property
    def environment(self) -> dict[str, str]:
        """What tells commands where it is."""
        return {"MIRSTORE_STORE": self.store, "MIRSTORE_CACHE": str(self.folder / "cache")}

    def keep(self) -> None:
        """Have what is there now copied from here on."""

    def copied(self, folder: Path) -> Project:
        """Return what was kept, in another folder."""
        shutil.copytree(self.folder, folder)
        return replace(self, folder=folder)

    def begin_anew(self) -> None:
        """Take the store away."""
        shutil.rmtree(self.store)

    def lose_catalogue(self) -> None:
        for path in Path(self.store).glob("catalog.sqlite*"):
            path.unlink()

    def cut(self, path: Path) -> None:
        """Cut the end off a file of the store."""
        path.chmod(0o644)
        path.write_bytes(path.read_bytes()[:-50])

    def files(self, below: str) -> set[str]:
        """Return the files in a folder of the store."""
        root = Path(self.store)
        return {str(path.relative_to(root)) for path in (root / below).rglob("*") if path.is_file()}

    def exists(self) -> bool:
        return Path(self.store, "catalog.sqlite").exists()


@dataclass(frozen=True)
class SharedProject(Project):
    """The same on servers: copies of the folder see one store, which `copied` sets back to what it was."""

    servers: Servers
    address: str

    @property
    def store(self) -> str:
        return self.address

    @property
    def environment(self) -> dict[str, str]:
        return {**super().environment, **self.servers.environment()}

    @property
    def _name(self) -> str:
        return urlsplit(self.address).path[1:]

    def keep(self) -> None:
        self.servers.copy_store(self._name, f"{self._name}_kept")

    def copied(self, folder: Path) -> Project:
        self.servers.copy_store(f"{self._name}_kept", self._name)
        copy = super().copied(folder)
        os.environ.update(copy.environment)  # this process looks at it, too
        return copy

    def begin_anew(self) -> None:
        self.servers.empty_store(self._name)

    def cut(self, path: Path) -> None:
        super().cut(path)
        with Store(self.store, read_only=True) as store:
            name = path.relative_to(store.path)
        self.servers.bucket.put(f"{self._name}/{name}", path.read_bytes())

    def files(self, below: str) -> set[str]:
        return {key.removeprefix(f"{self._name}/") for key in self.servers.objects(f"{self._name}/{below}/")}

    def exists(self) -> bool:
        return f"{self._name}/head" in self.servers.objects(f"{self._name}/")


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
    folder_only : bool
        Whether it is no command of a shared store.
    """

    name: str
    command: Sequence[str]
    prepare: Callable[[Project], None] = lambda project: None
    takes: bool = False
    folder_only: bool = False


@dataclass
class Outcome:
    """What came of it: how many rows, files or entries of each kind, and which."""

    rounds: int = 0
    killed: int = 0
    lost: int = 0
    doubled: int = 0
    half_visible: int = 0
    said: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    @property
    def harm(self) -> int:
        """Everything that must not be."""
        return self.lost + self.doubled + self.half_visible


def mirstore(*arguments: str) -> list[str]:
    return ["-c", command_line, "-q", *arguments]


ingest = mirstore("ingest", "music", "--features", ",".join(features), "-j", "2")


def withdraw(project: Project) -> None:
    with Store(project.store, read_only=True) as store:
        track = min(store.tensors("big").tracks)
    run(project, mirstore("rm", track, "--yes"))


def damage(project: Project) -> None:
    """Cut off a table of features and a pack."""
    with Store(project.store, read_only=True) as store:
        victims = [store.files(store.table(store.resolve("loud")))[0], store.tensors("big").where(0).path]
    for victim in victims:
        project.cut(victim)


def grow(project: Project) -> None:
    """Leave many small files and merged ones."""
    with Store(project.store) as store:
        for number in range(12):
            with store.write("pin") as tx:
                tx.append("core.pins", [{"name": f"pin {number}", "snapshot": number + 1}])
                tx.append("core.datasets", [{"dataset": f"empty {number}"}], key=["dataset"])


def grow_and_merge(project: Project) -> None:
    grow(project)
    run(project, ["-c", compaction])


faults = [
    Fault("ingest", ingest, methodcaller("begin_anew")),
    Fault("compaction", ["-c", compaction], grow),
    Fault("gc", mirstore("gc", "--grace", "0"), grow_and_merge),
    Fault("purge", mirstore("gc", "--purge", "--yes"), withdraw),
    Fault("import", mirstore("dataset", "import", "large.csv", "--name", "large", "--labels", "genre")),
    Fault("run-experiment", mirstore("run-experiment", "first", "-j", "1")),
    Fault("rebuild", mirstore("doctor", "--rebuild"), methodcaller("lose_catalogue"), takes=True, folder_only=True),
    Fault("repair", mirstore("doctor", "--repair"), damage, takes=True),
]


def run(project: Project, arguments: Sequence[str], seconds: float | None = None) -> bool:
    """Run a command in a project; after some seconds, kill it. Return whether it came to its end."""
    process = subprocess.Popen(
        [sys.executable, *arguments], cwd=project.folder, env={**os.environ, **project.environment},
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        _, errors = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return False
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(arguments[-5:])} ended with {process.returncode}: {errors}")
    return True


def make(project: Project) -> None:
    """Make a project with audio, tables, and a store."""
    import soundfile

    rng, folder = np.random.default_rng(0), project.folder
    (folder / "music").mkdir(parents=True)
    for number in range(tracks):
        soundfile.write(folder / "music" / f"{number}.wav", 0.2 * rng.uniform(-1, 1, 8000), 8000, subtype="PCM_16")
    for name, rows in (("small", 24), ("large", 3000)):
        number = np.arange(rows) % 2
        X = rng.normal(size=(rows, 4)) + 3 * np.eye(2, 4)[number]
        named = [pl.Series("id", [f"{name}{i}" for i in range(rows)]), pl.Series("genre", np.array(["a", "b"])[number])]
        pl.DataFrame(X, schema=list("abcd")).with_columns(named).write_csv(folder / f"{name}.csv")
    (folder / "registry.toml").write_text(registry)
    run(project, ingest)
    run(project, mirstore("dataset", "import", "small.csv", "--name", "small", "--labels", "genre"))
    project.keep()


def held(project: Project) -> Counter[str]:
    """Return every row that the store shows, without where tensors lie: a purge moves them."""
    found: Counter[str] = Counter()
    with Store(project.store, read_only=True) as store:
        for table in set(store.tables()) - {"core.packs"}:
            frame = store.scan(table).collect()
            plain = [name for name, kind in frame.schema.items() if not isinstance(kind, pl.Struct)]
            found.update(f"{table} {row}" for row in frame.select(plain).iter_rows())
    return found


def doubled(project: Project) -> int:
    """Return how many rows are there twice that must be there once."""
    with Store(project.store, read_only=True) as store:
        keys = {"core.tracks": ["track"], **{store.table(id_): ["track"] for id_ in store.names().values()}}
        frames = [store.scan(table).select(key).collect() for table, key in keys.items()]
        frames.append(store.sql("SELECT dataset FROM datasets"))
    return sum(frame.height - frame.unique().height for frame in frames)


def half_visible(project: Project) -> list[str]:
    """Return what does not fit together in a store: ledger and rows, tensors, and what doctor says."""
    wrong = [f"{problem['file']}: {problem['problem']}" for problem in examine(project.store, deep=True)]
    with Store(project.store, read_only=True) as store:
        ledger = store.scan("core.extractions").filter(pl.col("status") == "ok").collect()
        for id_ in set(store.names().values()) & set(ledger["feature_set"]):
            entries = ledger.filter(pl.col("feature_set") == id_).select("track").unique()
            rows = store.scan(store.table(id_)).select("track").unique().collect()
            wrong += [f"{id_}: no rows of {track}" for track in entries.join(rows, on="track", how="anti")["track"]]
            wrong += [f"{id_}: rows of {track} alone" for track in rows.join(entries, on="track", how="anti")["track"]]
        for name in set(store.names()) & {"big"}:
            for track, value in zip(store.tensors(name).tracks, store.tensors(name), strict=True):
                made = np.random.default_rng(int(track[:8], 16)).integers(0, 2000, value.shape, np.int16)
                wrong += [] if np.array_equal(value, made.astype(np.float16)) else [f"{name}: {track} has other values"]
    return wrong


def summary(project: Project) -> dict[str, int]:
    """Return how many rows views have: what a command that came to its end leaves, killed before or not."""
    with Store(project.store) as store:
        views = [*store.names(), "tracks", "items", "labels", "datasets", "runs", "predictions", "removals", "failures"]
        found = {view: store.sql(f'SELECT count(*) AS n FROM "{view}"')["n"][0] for view in views}
        store.gc(0)
        listed = set(store.scan("core.packs").collect()["path"])
    left = {path.split("/")[1] for path in project.files("jobs")}
    return {
        **found, "packs that nothing names": len(project.files("tensors") - listed), "folders of jobs": len(left)
    }  # fmt: skip


def drill(fault: Fault, template: Project, place: Path, rounds: int, rng: random.Random) -> Outcome:
    """Kill a command in so many rounds, each in a copy of the project."""
    outcome = Outcome()
    whole = template.copied(place / "whole")
    fault.prepare(whole)
    begun = time.monotonic()
    run(whole, fault.command)
    lasts = time.monotonic() - begun
    after, expected = held(whole), summary(whole)
    while outcome.killed < rounds:
        project = template.copied(place / f"round-{outcome.rounds}")
        fault.prepare(project)
        before = after if fault.takes else held(project) if project.exists() else Counter()
        outcome.rounds += 1
        if not run(project, fault.command, rng.uniform(0.1, 1) * lasts):
            outcome.killed += 1
            if project.exists() and not (fault.takes and examine(project.store, deep=True)):
                look(outcome, project, before)
        begun = time.monotonic()
        run(project, fault.command)
        outcome.seconds.append(time.monotonic() - begun)
        look(outcome, project, before)
        found = summary(project)
        tell(
            outcome,
            [
                f"{name}: {found[name]} instead of {expected[name]}"
                for name in expected
                if found[name] != expected[name]
            ],
        )
        shutil.rmtree(project.folder)
    return outcome


def look(outcome: Outcome, project: Project, before: Counter[str]) -> None:
    """Count the harm of a store that had certain rows."""
    lost = before - held(project)
    outcome.lost += lost.total()
    outcome.said += [f"lost: {row}" for row in lost]
    outcome.doubled += doubled(project)
    tell(outcome, half_visible(project))


def tell(outcome: Outcome, wrong: Sequence[str]) -> None:
    """Note what does not fit together."""
    outcome.half_visible += len(wrong)
    outcome.said += wrong


def drills(names: Sequence[str], rounds: int, seed: int, *, shared: bool) -> Iterator[tuple[Fault, Outcome]]:
    """Do the drills of some faults, or of all."""
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="mirstore-chaos-") as name:
        folder = Path(name)
        with servers(folder / "servers") if shared else nullcontext() as running:
            template = Project(folder / "template")
            if running is not None:
                template = SharedProject(folder / "template", running, running.new_store())
            make(template)
            for fault in faults:
                if (fault.name in names or not names) and not (shared and fault.folder_only):
                    place = folder / fault.name
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
    parser.add_argument("--shared", action="store_true", help="over a store in PostgreSQL and S3")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    options = parser.parse_args()
    if unknown := set(options.names) - {fault.name for fault in faults}:
        parser.error(f"unknown: {', '.join(unknown)}; known: {', '.join(fault.name for fault in faults)}")
    if options.shared and (why := lacking()):
        parser.error(why)
    print(f"seed {options.seed}\n")
    print("| killed | rounds (killed) | lost | doubled | half visible | seconds to recover (longest) |")
    print("|---|---|---|---|---|---|", flush=True)
    harm = 0
    with tempfile.TemporaryDirectory(prefix="mirstore-plugins-") as folder:
        with_test_plugins(Path(folder))
        for fault, found in drills(options.names, options.rounds, options.seed, shared=options.shared):
            counts = f"{found.lost} | {found.doubled} | {found.half_visible}"
            seconds = f"{np.median(found.seconds):.1f} ({max(found.seconds):.1f})"
            print(f"| {fault.name} | {found.rounds} ({found.killed}) | {counts} | {seconds} |", flush=True)
            print("".join(f"  {said}\n" for said in found.said), end="", file=sys.stderr, flush=True)
            harm += found.harm
    return min(harm, 1)


if __name__ == "__main__":
    raise SystemExit(main())
