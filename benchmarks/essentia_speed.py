"""CPU time of the 85 features against MusicExtractor on the same 30 s clips, as one ratio.

Usage: python benchmarks/essentia_speed.py FILE…
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from mirstore.core import Track
from mirstore_essentia import signal_features
from mirstore_essentia.full import music_extractor


def cpu_seconds(function: Callable[[Any], object], samples: Any) -> float:
    start = time.process_time()
    function(samples)
    return time.process_time() - start


def main() -> None:
    clips = [Track("0" * 64, Path(name)).audio(44100) for name in sys.argv[1:]]
    if not clips:
        sys.exit(f"usage: {sys.argv[0]} FILE…")
    signal_features(clips[0]), music_extractor(clips[0])  # imports and windows, once per process
    pairs = [(cpu_seconds(signal_features, clip), cpu_seconds(music_extractor, clip)) for clip in clips]
    ours, theirs = (sum(times) for times in zip(*pairs, strict=True))
    seconds = sum(len(clip) for clip in clips) / 44100
    print(f"essentia        {ours:.2f} CPU-s, {seconds / ours:.0f} × real time")
    print(f"MusicExtractor  {theirs:.2f} CPU-s, {seconds / theirs:.0f} × real time")
    print(f"ratio           {theirs / ours:.2f} (median of clips {median(t / o for o, t in pairs):.2f})")


if __name__ == "__main__":
    main()
