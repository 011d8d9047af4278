"""Functional harmony: chords per second by the table, beside the rules themselves: ``python benchmarks/harmony.py``.

The table is what the ontology implies; the alternatives are to ask the rules, or HermiT (if Java is there), about each
pair of chords. Also what deriving the table costs, beside reading it.
"""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Callable
from itertools import pairwise

import owlready2
import polars as pl

from mirstore_harmony import FunctionalHarmony, ontology, table
from mirstore_harmony.derivation import derive
from mirstore_harmony.ngrams import ratios
from mirstore_harmony.reasoning import Rules

rng = random.Random(440)
names = "C C# D Eb E F F# G Ab A Bb B".split()
kinds = ["maj", "min", "7", "min7", "maj7"]


def song(length: int) -> pl.DataFrame:
    """Return chords of a second each, by chance."""
    labels = [f"{rng.choice(names)}:{rng.choice(kinds)}" for _ in range(length)]
    return pl.DataFrame({"start": range(length), "end": range(1, length + 1), "label": labels}).cast(
        {"start": pl.Float64, "end": pl.Float64}
    )


def seconds(call: Callable[[], object], repeats: int = 3) -> float:
    """Return the least CPU time [s] of this process."""
    spent = []
    for _ in range(repeats):
        begun = time.process_time()
        call()
        spent.append(time.process_time() - begun)
    return min(spent)


def by_table(songs: list[pl.DataFrame]) -> None:
    """All 319 numbers of each song."""
    harmony = FunctionalHarmony(vocabulary="sevenths")
    for rows in songs:
        ratios([[sounding.chord for sounding in part] for part in harmony.parts(rows)], harmony.table())


def by_rules(rules: Rules, world: owlready2.World, rows: pl.DataFrame) -> None:
    """The classes of each chord of a song, and no numbers yet."""
    (part,) = FunctionalHarmony(vocabulary="sevenths").parts(rows)
    for (root, quality), (after, following) in pairwise(sounding.chord for sounding in part):
        known = [ontology.distance_class((root - after) % 12), ontology.quality_classes[quality]]
        first = [world[f"{ontology.iri}{name}"] for name in known]
        rules.classes(first, [world[f"{ontology.iri}{ontology.quality_classes[following]}"]])


def by_hermit(rows: pl.DataFrame) -> float:
    """Return the wall time [s] of one run over one song."""
    loaded = ontology.load()
    (part,) = FunctionalHarmony(vocabulary="sevenths").parts(rows)
    with loaded:
        after = None
        for number, sounding in reversed(list(enumerate(part))):
            chord = loaded[ontology.quality_classes[sounding.chord[1]]](f"chord{number}")
            if after is not None:
                distance = (sounding.chord[0] - part[number + 1].chord[0]) % 12
                chord.is_a.append(loaded[ontology.distance_class(distance)])
                chord.hasNext = after
            after = chord
    begun = time.perf_counter()
    owlready2.sync_reasoner_hermit(loaded.world, debug=0)
    return time.perf_counter() - begun


if __name__ == "__main__":
    loaded = ontology.load()
    rules = Rules(loaded.world)
    one = song(200)
    for length in (15, 60, 200):
        songs = [song(length) for _ in range(6000 // length)]
        print(
            f"table, songs of {length:>3} chords: {6000 / seconds(lambda songs=songs: by_table(songs)):>9,.0f} chords/s"
        )
    base = 6000 / seconds(lambda: by_table([one] * 30))
    slow = 200 / seconds(lambda: by_rules(rules, loaded.world, one))
    print(f"rules for each pair:          {slow:>9,.0f} chords/s, table {base / slow:.0f} times as fast")
    if shutil.which("java"):
        slowest = 50 / by_hermit(song(50))
        print(f"HermiT, one song of 50:       {slowest:>9,.0f} chords/s, table {base / slowest:,.0f} times as fast")
    reading = seconds(lambda: table.shipped.__wrapped__())
    print(f"reading the table {reading * 1e3:.1f} ms, the ontology {seconds(ontology.load) * 1e3:.0f} ms; ", end="")
    print(f"deriving the table {seconds(lambda: derive(loaded)) * 1e3:.0f} ms")
