"""Make the bundled clips from a folder of labelled music with ``tracks.csv``: ``python make_clips.py FOLDER``.

Takes the four classes whose labels are sure, as evenly over artists as the material allows, 15 s from the middle,
mono. Only licences that allow keeping the clips beside the project.
"""

from __future__ import annotations

import csv
import re
import sys
import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

import numpy as np
import soundfile

classes = ("orchestral", "metal", "electronic", "folk_world")
per_class = 10
seconds = 15
free = re.compile(r"CC-BY(-SA)?-[\d.]+|MIT|GPL")
here = Path(__file__).parent / "clips"


def choose(rows: list[dict[str, str]]) -> Iterator[dict[str, str]]:
    """Yield the rows of a class, one of each artist in turn."""
    for genre in classes:
        artists = defaultdict(list)
        for row in rows:
            if row["genre"] == genre and free.match(row["licence"]):
                artists[row["artist"]].append(row)
        turns = [row for turn in zip_longest(*artists.values()) for row in turn if row]
        yield from turns[:per_class]


def clip(source: Path, target: Path) -> None:
    """Write 15 s from the middle of ``source``, mono."""
    samples, sr = soundfile.read(source, dtype="float32", always_2d=True)
    first = max(0, (len(samples) - seconds * sr) // 2)
    mono = samples[first : first + seconds * sr].mean(axis=1)
    fade = min(len(mono) // 2, sr // 50)  # 20 ms, so that the cut does not click
    mono[:fade] *= np.linspace(0, 1, fade, dtype=np.float32)
    mono[-fade:] *= np.linspace(1, 0, fade, dtype=np.float32)
    with soundfile.SoundFile(target, "w", sr, 1, format="OGG", subtype="VORBIS", compression_level=0.6) as file:
        for at in range(0, len(mono), sr):  # the encoder cannot take long blocks at once
            file.write(mono[at : at + sr])


def main(folder: Path) -> None:
    """Write the clips, their table and their attribution."""
    with open(folder / "tracks.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    here.mkdir(exist_ok=True)
    table = []
    for row in choose(rows):
        title = unicodedata.normalize("NFKD", row["title"]).encode("ascii", "ignore").decode()
        name = re.sub(r"[^a-z0-9]+", "_", f"{row['genre']} {title}".lower()).strip("_") + ".ogg"
        clip(folder / row["file"], here / name)
        source = f"{row['source_package']}: {row['source_path']}"
        table.append([name, row["title"], row["artist"], row["genre"], row["licence"], source])
    header = ["path", "title", "artist", "genre", "licence", "source"]
    with open(here / "tracks.csv", "w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *table])
    lines = [f"| {' | '.join(cells)} |" for cells in (header, ["---"] * len(header), *table)]
    text = """# Clips

Forty clips of 15 s, so that the first command works on real music with nothing to download. Each keeps its own
licence, named below; they are no part of the installed package. The genres are the sources' own. `folk_world` has one
collective behind it and `metal` mostly one band: too few artists for folds that keep artists apart.

"""
    (here / "README.md").write_text(text + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
