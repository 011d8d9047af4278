"""mirstore export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mirstore.cli import complete
from mirstore.cli.context import AtOption, SnapshotOption


def export(
    context: typer.Context,
    features: Annotated[
        str, typer.Option(help="Names, separated by commas.", autocompletion=complete.several_features)
    ],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="File; its suffix says the format.  [default: stdout]"),
    ] = None,
    dataset: Annotated[
        str | None, typer.Option(help="Only its tracks, with its labels.", autocompletion=complete.datasets)
    ] = None,
    output_format: Annotated[
        str | None,
        typer.Option(
            "--format",
            "-f",
            help="csv, tsv, json, jsonl, parquet, md or table.",
            autocompletion=complete.formats,
        ),
    ] = None,
    snapshot: SnapshotOption = None,
    at: AtOption = None,
) -> None:
    """Write a wide table: one row per track, all columns of the chosen features, then the labels.

    Examples
    --------
    $ mirstore export --features essentia,mfcc-stats -o wide.parquet
    $ mirstore export --features essentia --dataset clips > clips.csv
    """
    from mirstore.cli.output import save, show
    from mirstore.cli.text import listed
    from mirstore.store.export import wide_table

    with context.obj.open_store(read_only=True, snapshot=snapshot, at=at) as store:
        frame = wide_table(store, listed(features, "--features"), dataset=dataset)
    if output is None:
        show(frame, output_format or "csv")
    else:
        save(frame, output, output_format or output.suffix.removeprefix(".").lower())
        context.obj.say(f"wrote {frame.height} rows × {frame.width} columns to {output}")
