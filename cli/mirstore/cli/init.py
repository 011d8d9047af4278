"""mirstore init."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_registry = """\
# What names mean in this project. The names that mirstore ships can be used without an entry here;
# an entry of the same name replaces the shipped one. `mirstore plugins list` shows what is installed.
schema = 1

# `mirstore ingest` computes these unless --features says otherwise.
[features.essentia]                # 85 signal features per track
extractor = "essentia@2"           # pinned: a new version of the extractor is your decision

[features.mfcc-windows]            # 15 windows x 13 MFCC; reads "mfcc", which is computed first
extractor = "mfcc-windows@1"

# [features.mel-60]                # the same extractor with other parameters is another feature set
# extractor = "mel@1"
# params = { duration = 60.0 }

# [tasks.genre]                    # what to learn: a dataset's label set, how to split, how to measure
# dataset = "my-music"
# labels = "genre"
# split = "grouped"
# folds = 5
# group_by = "artist"
# metric = "balanced_accuracy"
"""

_gitignore = """\
# the store: large, and made again from the audio and registry.toml
/store/
"""


def init(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Made if it is not there.")] = Path(),
) -> None:
    """Start a project: a folder with a commented registry.toml and a .gitignore.

    Files that are there already stay as they are.

    Examples
    --------
    $ mirstore init my-music
    $ mirstore init
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in (("registry.toml", _registry), (".gitignore", _gitignore)):
        path = folder / name
        if path.exists():
            context.obj.say(f"kept   {path}")
        else:
            path.write_text(text)
            context.obj.say(f"wrote  {path}")
    context.obj.say("next:  mirstore ingest FOLDER-WITH-MUSIC")
