"""The chord networks: ``python benchmarks/chordnet.py [CLIP …]``.

Prints the CPU time of `chords-large` per second of audio, and as a ratio to a bare loop of the same networks over
spectrograms of the same decoded audio, without decoding of chords and without rows; once with one network and once with
five. Needs the weights: ``mirstore weights fetch chords-large``.
"""

from __future__ import annotations

import os

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")

import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from mirstore.core import Track
from mirstore_chordnet import ChordsLarge
from mirstore_chordnet.net import heard, sr

clips = sorted((Path(__file__).parents[1] / "examples" / "clips").glob("*.ogg"))[::4]
rounds = 3


def seconds(call: Callable[[Track], object], tracks: list[Track]) -> float:
    """Return the least CPU time of a few rounds."""
    spent = []
    for _ in range(rounds):
        begun = time.process_time()
        for track in tracks:
            call(track)
        spent.append(time.process_time() - begun)
    return min(spent)


def bare(extractor: ChordsLarge, track: Track) -> None:
    spectrogram = heard(track.audio(sr))
    for net in extractor.loaded:
        net(spectrogram)


if __name__ == "__main__":
    tracks = [Track(path.name, path) for path in map(Path, sys.argv[1:] or clips)]
    audio = sum(track.duration for track in tracks)
    for nets, extractor in ((1, ChordsLarge(nets=1)), (5, ChordsLarge(nets=5))):
        extractor.extract(tracks[0])  # loads the networks, compiles, and resamples
        for track in tracks:
            track.audio(sr)
        ours, loop = seconds(extractor.extract, tracks), seconds(partial(bare, extractor), tracks)
        print(f"{nets} network(s): {ours / audio:.4f} CPU-s per second, bare {loop / audio:.4f}: {ours / loop:.3f}")
