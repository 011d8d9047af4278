"""What a million and a hundred million tracks cost on a shared store: ``python benchmarks/shared_plan.py [TRACKS]``.

With a number of tracks, unit costs are measured on PostgreSQL and SeaweedFS on loopback (see `shared_costs`). A store
of so many tracks is written, whose catalogue, ledger, Parquet files and packs are real and whose audio is not, and
what it took is printed beside what the plan says of it. Then a copy of its catalogue gets the entries that 100,000,000
tracks leave. A second number says how many more tracks have tensors. 10,000 and 2,000 take some minutes of CPU time;
``--simulate`` writes the store and does no more. Without a number the plan is printed from what was measured before.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from itertools import islice
from math import ceil
from pathlib import Path
from typing import Any, cast

from mirstore.store.ingest.committer import batch_bytes, batch_tracks, compact_after
from mirstore.store.lake.compacting import merged_up_to, whole

piece = 5 << 20  # [bytes] of a larger file, which are put one by one
at_once = 8  # requests of one process
ingest_tracks = 100_000  # at most in one command, whose plan is in memory


@dataclass(frozen=True)
class Prices:
    """List prices on demand, without tax, of a large cloud in the United States, as of 2025 [USD]."""

    core_hour: float = 0.0446
    gigabyte_month: float = 0.023
    put: float = 5e-6  # and COPY, LIST
    get: float = 0.4e-6  # and HEAD; to delete is free


@dataclass(frozen=True)
class Costs:
    """Unit costs: CPU [s], requests, bytes.

    Attributes
    ----------
    decoding, numbers, tensor, networks : float [s per s of audio]
        CPU of a worker.
    tensor_bytes : float [bytes per s of audio]
    sending : float [s]
        CPU of a worker per tensor that it puts into the bucket.
    commit, commit_servers : float [s]
        CPU of the committer, and of both servers, per commit of 200 tracks with ten feature sets.
    taking, taking_servers : float [s]
        The same with 200 tensors besides, each a pack of its own.
    merge, merge_megabyte : float [s]
        CPU of the committer per merge of all tables' files, and per megabyte that it writes anew.
    puts, gets, taking_puts : float
        Requests per commit, without those for packs.
    shapes, tensor_shapes : Mapping of str to (float, float)
        Of each table its rows per track, and bytes per row; of those that come with tensors.
    """

    decoding: float
    numbers: float
    tensor: float
    networks: float
    tensor_bytes: float
    sending: float
    commit: float
    commit_servers: float
    taking: float
    taking_servers: float
    merge: float
    merge_megabyte: float
    puts: float
    gets: float
    taking_puts: float
    shapes: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    tensor_shapes: Mapping[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Load:
    """What is asked for.

    Attributes
    ----------
    tracks : int
    seconds : float [s]
        Of audio per track.
    tensors : bool
        Whether a tensor is kept of each track.
    networks : bool
        Whether neural extractors run, on processors.
    """

    tracks: int
    seconds: float
    tensors: bool = False
    networks: bool = False


@dataclass(frozen=True)
class Plan:
    """What that takes; times in hours, sizes in GB of 10^9 bytes, money in USD."""

    core_hours: float
    committer_hours: float
    enough_cores: float  # at which the committer is the limit
    commits: int
    merges: int
    files: int
    packs: int
    waiting_files: int  # merged, until gc
    catalogue_rows: int
    parquet: float
    written: float  # with what is merged again
    tensors: float
    puts: int
    copies: int
    gets: int
    compute: float
    requests: float
    month: float

    def wall_hours(self, cores: int, stores: int = 1) -> float:
        """Return how long so many cores take with so many stores, each with a committer, at once."""
        return max(self.core_hours / cores, self.committer_hours / stores)


@dataclass(frozen=True)
class Merged:
    """What the merging of a table's files comes to."""

    files: int
    merged: int
    written: float  # [bytes]
    puts: int


@cache  # many tables are alike
def merging(commits: int, bytes_: float) -> Merged:
    """Follow the files of a table through an ingest, as `Store.compact` merges them.

    Parameters
    ----------
    commits : int
    bytes_ : float
        Each brings.
    """
    sizes: list[float] = []  # from the oldest on
    merged, written, puts, done = 0, 0.0, 0, 0
    for number in range(1, commits + 1):
        sizes.append(bytes_)
        if number % compact_after and number < commits:
            continue
        largest = merged_up_to(sizes)
        if len(due := [size for size in sizes if size <= largest]) > 1:
            new = [0.0]
            for size in due:  # a file that is whole takes no more
                new = [*new, size] if new[-1] >= whole else [*new[:-1], new[-1] + size]
            merged += len(due)
            written += sum(due)
            puts += sum(1 if size <= piece else 2 + ceil(size / piece) for size in new)
            sizes = [*sizes[: len(sizes) - len(due)], *new]
        done += sum(size >= whole for size in sizes)
        sizes = [size for size in sizes if size < whole]
    return Merged(done + len(sizes), merged, written, puts)


def planned(load: Load, costs: Costs, prices: Prices, *, latency: float = 0.03, columns: int = 10) -> Plan:
    """Return what a load takes.

    Parameters
    ----------
    load : Load
    costs : Costs
    prices : Prices
    latency : float [s]
        Of a request to the bucket; eight are under way at once.
    columns : int
        Of a table, whose ranges the catalogue keeps for each file.
    """
    tensor = load.seconds * costs.tensor_bytes if load.tensors else 0.0
    batch = min(batch_tracks, int(batch_bytes // tensor)) if tensor else batch_tracks
    commits = ceil(load.tracks / batch)
    merges = commits // compact_after
    shapes = [*costs.shapes.values(), *(costs.tensor_shapes.values() if load.tensors else [])]
    tables = [merging(commits, batch * rows * each) for rows, each in shapes]
    written = sum(table.written for table in tables)
    files, merged = sum(table.files for table in tables), sum(table.merged for table in tables)
    packs = load.tracks if load.tensors else 0

    per_second = costs.decoding + costs.numbers + load.tensors * costs.tensor + load.networks * costs.networks
    worker = load.tracks * (load.seconds * per_second + load.tensors * costs.sending)
    spent = costs.commit + costs.commit_servers
    if load.tensors:
        spent += batch / batch_tracks * (costs.taking + costs.taking_servers - spent)
    of_commit = costs.taking_puts if load.tensors else costs.puts
    rounds = ceil(of_commit / at_once) + costs.gets + (2 * batch / at_once + 1 if load.tensors else 0)
    committer = commits * (spent + rounds * latency) + merges * costs.merge + written / 1e6 * costs.merge_megabyte

    puts = commits * of_commit + sum(table.puts for table in tables) + packs
    gets = commits * costs.gets + packs + load.tracks  # the audio
    parquet = load.tracks * sum(rows * each for rows, each in shapes) / 1e9
    tensors = packs * (tensor + 150) / 1e9
    core_hours, committer_hours = worker / 3600, committer / 3600
    return Plan(
        core_hours=core_hours,
        committer_hours=committer_hours,
        enough_cores=worker / committer,
        commits=commits,
        merges=merges,
        files=files,
        packs=packs,
        waiting_files=merged,
        catalogue_rows=2 * (commits + merges) + files * (1 + columns) + merged,
        parquet=parquet,
        written=parquet + written / 1e9,
        tensors=tensors,
        puts=round(puts),
        copies=packs,
        gets=round(gets),
        compute=(core_hours + 4 * committer_hours) * prices.core_hour,  # two cores commit, two are the database's
        requests=(puts + packs) * prices.put + gets * prices.get,
        month=(parquet + tensors) * prices.gigabyte_month,
    )


measured = Costs(
    decoding=0.0017, numbers=0.022, tensor=0.0027, networks=0.061, tensor_bytes=11_025, sending=0.0025,
    commit=0.27, commit_servers=0.058, taking=0.57, taking_servers=0.63, merge=0.56, merge_megabyte=0.052,
    puts=13, gets=1, taking_puts=15,
    shapes={f"set{number}": (1, 64.0) for number in range(10)}
    | {"extractions": (10, 4.4), "locations": (1, 36.1), "tracks": (1, 35.5), "items": (1, 35.3)},
    tensor_shapes={"packs": (1, 78.3), "picture": (1, 76.9)},
)  # fmt: skip
"""By ``python benchmarks/shared_plan.py 10000 2000``, merging by ``100000 2000``; ``docs/scale.md`` says where."""


def show(costs: Costs, prices: Prices, cores: int = 64, stores: int = 16) -> None:
    """Print the plan for 1 and 100 million tracks of 30 s and of 4 min, as a table."""
    loads = [Load(tracks, seconds) for tracks in (10**6, 10**8) for seconds in (30, 240)]
    kinds: dict[str, dict[str, bool]] = {
        "numbers": {},
        "and a tensor": {"tensors": True},
        "and networks": {"tensors": True, "networks": True},
    }
    plans = {kind: [planned(replace(load, **asked), costs, prices) for load in loads] for kind, asked in kinds.items()}

    def row(text: str, value: Callable[[Plan], float], *which: str) -> None:
        for number, kind in enumerate(which):
            shown = " | ".join(short(value(plan)) for plan in plans[kind])
            print(f"| {'…' if number else text + ':'} {kind} | {shown} |")

    print("| | " + " | ".join(f"{load.tracks / 1e6:.0f} M × {load.seconds:.0f} s" for load in loads) + " |")
    print("|---" * (len(loads) + 1) + "|")
    every, some = tuple(kinds), ("numbers", "and a tensor")
    row("core-hours of workers", lambda plan: plan.core_hours, *every)
    row("hours of the committer", lambda plan: plan.committer_hours, *some)
    row("cores that one committer keeps up with", lambda plan: plan.enough_cores, *every)
    row(f"hours in all, {cores} cores, one store", lambda plan: plan.wall_hours(cores), *every)
    row(
        f"hours in all, {cores * stores:,} cores, {stores} stores at once",
        lambda plan: plan.wall_hours(cores * stores, stores),
        *every,
    )
    row("Parquet [GB]", lambda plan: plan.parquet, *some)
    row("Parquet written, with what is merged again [GB]", lambda plan: plan.written, *some)
    row("tensors [GB]", lambda plan: plan.tensors, "and a tensor")
    row("snapshots", lambda plan: plan.commits + plan.merges, "numbers")
    row("live data files", lambda plan: plan.files, *some)
    row("merged files that wait for gc", lambda plan: plan.waiting_files, *some)
    row("rows of the catalogue, those included", lambda plan: plan.catalogue_rows, *some)
    row("packs", lambda plan: plan.packs, "and a tensor")
    row("PUT", lambda plan: plan.puts, *some)
    row("COPY", lambda plan: plan.copies, "and a tensor")
    row("GET and HEAD", lambda plan: plan.gets, *some)
    row("cores [USD]", lambda plan: plan.compute, *every)
    row("requests [USD]", lambda plan: plan.requests, *some)
    row("storage [USD per month]", lambda plan: plan.month, *some)


def short(value: float) -> str:
    """Return a number with two digits that count."""
    for unit, name in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= 10 * unit or (value >= unit and unit > 1e3):
            return f"{value / unit:.3g}{name}"
    return f"{value:,.0f}" if value >= 100 else f"{value:.2g}"


def of_audio() -> dict[str, Any]:
    """Measure what a second of audio costs: decoding, numbers and a tensor; of networks, what they declare."""
    import time

    from costs import clips, costs

    from mirstore.core import Extractor, Tensor
    from mirstore.core.plugins import Plugins
    from mirstore.core.registry import Registry
    from mirstore.core.resolve import resolve
    from mirstore.core.tracks import Track

    registry, plugins = Registry.load(), Plugins.installed()
    begun, seconds = time.process_time(), 0.0
    for clip in clips:
        track = Track(clip.name, clip)
        _ = track.decoded
        seconds += track.duration
    decoding = (time.process_time() - begun) / seconds
    mel = resolve(["mel"], registry, plugins)["mel"]
    (kind,) = (column.dtype for column in mel.columns.values() if isinstance(column.dtype, Tensor))
    assert kind.hop
    nets = [plugins.get(Extractor, name).cost for name in ("musicnn-patches", "chords-large", "vocals-spleeter")]
    return {
        "decoding": decoding,
        "numbers": sum(costs("essentia", registry, plugins).values())
        + sum(costs("mfcc-stats", registry, plugins).values()),
        "tensor": sum(costs("mel", registry, plugins).values()),
        "networks": sum(cost or 0.0 for cost in nets),
        "tensor_bytes": (kind.shape[0] or 1) * 2 / kind.hop,
    }


def of_commits(address: str, tracks: int) -> dict[str, Any]:
    """Measure commits of ten feature sets, and of tensors that workers sent, into a new store."""
    from statistics import mean, median

    import shared_costs as shared

    laps: dict[str, list[Counter[str]]] = {}
    with shared.Store(address, create=True) as store:
        for tensors, number in ((False, tracks), (True, max(batch_tracks, tracks // 3))):
            for what, spent in shared.batches(store, shared.tracks(0, number), tensors=tensors):
                laps.setdefault(f"{what} {tensors}", []).append(spent)

    def usual(what: str, name: str) -> float:
        return median(lap[name] for lap in laps[what])

    def servers(what: str) -> float:
        return mean(lap["postgres"] + lap["weed"] for lap in laps[what])

    return {
        "sending": usual("sent True", "cpu") / batch_tracks,
        "commit": usual("commit False", "cpu"),
        "commit_servers": servers("commit False"),
        "taking": usual("commit True", "cpu"),
        "taking_servers": servers("commit True"),
        "puts": usual("commit False", "PUT"),
        "gets": usual("commit False", "GET"),
        "taking_puts": usual("commit True", "PUT"),
    }


def simulate(address: str, tracks: int, packs: int, costs: Costs) -> Costs:
    """Write a store, print what it took beside what the plan says, and return the costs with what only it can tell.

    Parameters
    ----------
    address : str
        Of a new store.
    tracks, packs : int
        How many have numbers, and how many more have tensors too.
    costs : Costs
        As measured on another store.
    """
    import numpy as np
    import shared_costs as shared

    total, merges, done = Counter[str](), [], 0
    shapes: dict[str, dict[str, tuple[float, float]]] = {}
    with shared.Store(address, create=True) as store:
        for number, tensors in ((tracks, False), (packs, True)):
            for first in range(0, number, ingest_tracks):
                items = shared.tracks(first + done, min(ingest_tracks, number - first))
                for what, spent in shared.batches(store, items, tensors=tensors):
                    total.update(spent)
                    if what in ("merge", "end"):
                        merges.append((spent["bytes_put"] / 1e6, spent["cpu"]))
            done += number
            new = {name: shape for name, shape in shared.shapes(store).items() if name not in shapes.get("shapes", {})}
            key = "tensor_shapes" if tensors else "shapes"
            shapes[key] = {name: (count / number, each) for name, (count, each) in new.items()}
        files = sum(len(store.listed(table)) for table in store.tables())
        rows = shared.rows(store.home)
    slope, base = np.polyfit([bytes_ for bytes_, _ in merges], [spent for _, spent in merges], 1)
    costs = replace(costs, **cast(Any, shapes), merge=float(max(base, 0)), merge_megabyte=float(max(slope, 0)))
    said = [planned(Load(tracks, 30), costs, Prices()), planned(Load(packs, 30, True), costs, Prices())]
    commits = ceil(tracks / batch_tracks) * costs.commit + ceil(packs / batch_tracks) * costs.taking
    merging_ = sum(spent for _, spent in merges)
    print(f"{tracks:,} tracks, {packs:,} more with tensors: measured, planned")
    for text, found, expected in (
        ("CPU here [s]", total["cpu"], commits + merging_ + packs * costs.sending),
        ("… of it for merging", merging_, None),
        ("CPU of PostgreSQL [s]", total["postgres"], None),
        ("CPU of S3 [s]", total["weed"], None),
        ("PUT", total["PUT"], sum(plan.puts for plan in said)),
        ("COPY", total["COPY"], sum(plan.copies for plan in said)),
        ("GET and HEAD", total["GET"], sum(plan.gets for plan in said) - tracks - packs),
        (
            "MB of Parquet and packs put",
            total["bytes_put"] / 1e6,
            sum(plan.written for plan in said) * 1e3 + packs * 1.1e-3,
        ),
        ("live data files", files, max(plan.files for plan in said)),
        ("merged files until gc", rows["files_scheduled_for_deletion"], sum(plan.waiting_files for plan in said)),
        ("snapshots", rows["snapshot"], sum(plan.commits + plan.merges for plan in said)),
        ("catalogue [MB]", rows["bytes"] / 1e6, None),
    ):
        print(f"{text:<28} {found:>14,.1f} {'' if expected is None else f'{expected:>12,.1f}'}")
    print(f"{'rows of the catalogue':<28} {rows}", flush=True)
    return costs


def ask(address: str, names: Sequence[str]) -> None:
    """Print what planning, status, gc and one track cost on a store, each in a process of its own."""
    from growth import measured as of_store

    for what, found in of_store(address, names):
        peak = found.pop("peak")
        print(
            f"{what:<10} {', '.join(f'{key} {value:.3g}' for key, value in found.items())}  peak {peak:.0f} MB",
            flush=True,
        )


def of_catalogue(address: str, plan: Plan) -> None:
    """Print what a catalogue costs with the entries of so large a store: opened, asked, and committed to."""
    import psycopg
    import shared_costs as shared

    server, _, database = address.partition("?")[0].rpartition("/")
    with psycopg.connect(f"{server.replace('postgres:', 'postgresql:')}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE huge TEMPLATE {database}".encode())
    copy = f"{server}/huge"  # of the catalogue: its files are those of the store

    for merged in (0, plan.waiting_files):
        commits = plan.commits + plan.merges if not merged else 0
        home = shared.Shared(copy)
        shared.entries(
            home, commits=commits, files=plan.files // len(shared.features) if not merged else 0, merged=merged
        )
        meter = shared.Meter()
        with shared.Store(copy) as store:
            laps = {"open": meter.lap()}
            _ = store.newest
            laps["newest"] = meter.lap()
            _ = store.listed(next(table for table in store.tables() if table.startswith("feat.narrow")))
            laps["listed"] = meter.lap()
            _ = store.hidden
            laps["hidden"] = meter.lap()
            steps = shared.batches(store, shared.tracks(10**8, 4 * batch_tracks))
            found = islice((spent for what, spent in steps if what == "commit"), 3)  # to merge needs the files
            laps |= {f"commit {number}": spent for number, spent in enumerate(found, 1)}
        print(f"entries of {plan.commits:,} commits, {merged:,} merged files: {shared.rows(home)}")
        for what, spent in laps.items():
            print(
                f"{what:<10} CPU {spent['cpu']:.3f}, PostgreSQL {spent['postgres']:.2f}, wall {spent['wall']:.2f} s",
                flush=True,
            )


def main(tracks: int, packs: int, *, all_: bool) -> None:
    """Simulate; before that measure unit costs, and after it ask, if all is wanted, and print the plan."""
    sys.path[:0] = [str(Path(__file__).parents[1] / "tests")]
    from servers import servers

    with tempfile.TemporaryDirectory() as folder, servers(Path(folder) / "servers") as running:
        os.environ |= {**running.environment(), "MIRSTORE_CACHE": f"{folder}/copies"}
        address = running.new_store()
        if not all_:
            simulate(address, tracks, packs, measured)
            return
        units = of_audio() | of_commits(running.new_store(), 16 * batch_tracks)
        costs = simulate(address, tracks, packs, Costs(**units, merge=0, merge_megabyte=0))
        print(json.dumps(asdict(costs)))
        os.environ["MIRSTORE_CACHE"] = f"{folder}/others"
        ask(address, ["plan", "state", "collect", "point"])
        os.environ["MIRSTORE_CACHE"] = f"{folder}/copies"
        of_catalogue(address, planned(Load(10**8, 30, True), costs, Prices()))
        show(costs, Prices())


if __name__ == "__main__":
    if numbers := [int(word) for word in sys.argv[1:] if word.isdigit()]:
        main(numbers[0], numbers[1] if len(numbers) > 1 else min(numbers[0], 5000), all_="--simulate" not in sys.argv)
    else:
        show(measured, Prices())
