"""What extractors cost per second of audio: ``python benchmarks/costs.py [EXTRACTOR …]``.

Prints ``cost`` as the shipped extractors declare it, beside what they declare now: CPU time of `extract` over the
bundled clips, without decoding and without what it reads, rounded to two digits. Change a declaration where the two
are a factor of 1.5 apart; the machine matters too.
"""

from __future__ import annotations

import os

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS", "POLARS_MAX_THREADS"), "1")

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from mirstore.core.columns import Row, check_rows
from mirstore.core.components import Extractor
from mirstore.core.features import FeatureSet, in_order
from mirstore.core.inputs import Inputs, hearing
from mirstore.core.plugins import Plugins
from mirstore.core.registry import Registry
from mirstore.core.resolve import resolve
from mirstore.core.tracks import Track

clips = sorted((Path(__file__).parents[1] / "examples" / "clips").glob("*.ogg"))[::4]


def costs(name: str, registry: Registry, plugins: Plugins) -> dict[str, float]:
    """Return CPU seconds per second of audio of an extractor and of all that it reads."""
    features = in_order(resolve([name], registry, plugins))
    spent = dict.fromkeys((feature.name for feature in features), 0.0)
    seconds = 0.0
    for number, path in enumerate([clips[0], *clips]):
        track, rows = Track(path.name, path), dict[str, Sequence[Row]]()
        for feature in features:
            _ = track.decoded  # the engine decodes before any extractor runs
            begun = time.process_time()
            rows[feature.id] = run(feature, track, rows)
            if number:  # the first clip pays for imports and compilation
                spent[feature.name] += time.process_time() - begun
        seconds += track.duration if number else 0.0
    return {feature: spent[feature] / seconds for feature in spent}


def run(feature: FeatureSet, file: Track, rows: dict[str, Sequence[Row]]) -> Sequence[Row]:
    """Return one track's rows."""
    track = hearing(feature, file, rows)
    track.inputs = Inputs(feature, rows)
    return check_rows(feature.extractor.extract(track), feature.columns, track)


if __name__ == "__main__":
    registry, plugins = Registry.load(), Plugins.installed()
    for name in sys.argv[1:] or plugins.names(Extractor):
        declared = plugins.get(Extractor, name).cost
        print(f"{name:<16} cost = {costs(name, registry, plugins)[name]:.2g}   (declares {declared})")
