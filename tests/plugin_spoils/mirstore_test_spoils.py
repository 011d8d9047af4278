"""An extractor that spoils its process for others and does well itself."""

import builtins
import os
import signal
import subprocess
import sys
from dataclasses import dataclass

import polars as pl

from mirstore.core import Column, Extractor, Row, Track, hookimpl


@dataclass
class Spoils(Extractor):
    """Length of a track; spoils the process where the file's name has ``only`` in it."""

    name = "a-spoils"  # before the others
    only: str = "bad"
    how: str = "float"

    def columns(self) -> dict[str, Column]:
        return {"seconds": Column(pl.Float64, "s", "length of the track", range=(0, 1200))}

    def extract(self, track: Track) -> Row:
        if self.only in track.path.name:
            getattr(self, f"_{self.how}")(track)
        return {"seconds": track.duration}

    def _float(self, track: Track) -> None:
        builtins.float = int  # type: ignore[assignment,misc]

    def _fork(self, track: Track) -> None:
        os.fork()  # both come back

    def _child(self, track: Track) -> None:
        code = f"import time; time.sleep(600)  # {track.path}"
        subprocess.Popen([sys.executable, "-c", code])

    def _crash(self, track: Track) -> None:
        if not os.fork():
            signal.pause()  # holds the pipes of its parent
        os.abort()

    def _print(self, track: Track) -> None:
        for _ in range(1000):
            print("x" * 100_000)

    def _close(self, track: Track) -> None:
        os.closerange(0, 1024)

    def _chdir(self, track: Track) -> None:
        os.chdir("/")
        sys.setrecursionlimit(10**9)

    def _ignore(self, track: Track) -> None:
        for number in {signal.SIGTERM, signal.SIGHUP, signal.SIGINT}:
            signal.signal(number, signal.SIG_IGN)


@hookimpl
def register_extractors() -> list[type[Extractor]]:
    return [Spoils]
