"""What it costs to tell recordings from their tags: ``python benchmarks/identity.py [FOLDER]``.

Hashing without tags beside plain SHA-256 (`hashlib.file_digest`), and reading the tags, for the bundled clips or the
audio files of a folder, and for one file of 50 MB per container. Figures depend on the machine, ratios less so.
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import soundfile

from mirstore.core.identity import track_id
from mirstore.core.tags import read_tags


def plain(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def timed(call: Callable[[Path], object], paths: Sequence[Path]) -> float:
    """Return the least CPU time [s] of nine rounds over the files."""
    rounds = []
    for _ in range(9):
        begun = time.process_time()
        for path in paths:
            call(path)
        rounds.append(time.process_time() - begun)
    return min(rounds)


def compare(name: str, paths: Sequence[Path]) -> None:
    """Print one line: MB/s of both hashes, their ratio, and milliseconds per file for the tags."""
    megabytes = sum(path.stat().st_size for path in paths) / 1e6
    both = [timed(call, paths) for call in (plain, track_id)]
    tags = 1000 * timed(read_tags, paths) / len(paths)
    print(
        f"{name:<12} {len(paths):>5} files {megabytes:>7.1f} MB   SHA-256 {megabytes / both[0]:>5.0f} MB/s   "
        f"without tags {megabytes / both[1]:>5.0f} MB/s   ratio {both[0] / both[1]:.2f}   tags {tags:.2f} ms a file"
    )


def main() -> None:
    """Measure."""
    clips = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1] / "examples" / "clips"
    by_suffix: dict[str, list[Path]] = {}
    for path in sorted(clips.rglob("*")):
        if path.suffix.lower() in (".ogg", ".opus", ".mp3", ".flac", ".wav", ".m4a", ".wma", ".aiff"):
            by_suffix.setdefault(path.suffix.lower(), []).append(path)
    for suffix, paths in by_suffix.items():
        compare(f"clips {suffix}", paths)
    noise = np.random.default_rng(440).uniform(-0.5, 0.5, (1 << 20, 2)).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        for suffix in (".wav", ".flac", ".ogg", ".mp3"):
            large = Path(folder) / f"large{suffix}"
            with soundfile.SoundFile(large, "w", 44100, 2) as file:
                while large.stat().st_size < 50_000_000:
                    file.write(noise)
            compare(f"large {suffix}", [large])


if __name__ == "__main__":
    main()
