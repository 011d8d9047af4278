"""mirstore export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mirstore.cli import complete
from mirstore.cli.context import AtOption, SafeCsvOption, SnapshotOption
from mirstore.core.errors import UsageError


def export(
    context: typer.Context,
    features: Annotated[
        str | None, typer.Option(help="Names, separated by commas.", autocompletion=complete.several_features)
    ] = None,
    rdf: Annotated[
        str | None,
        typer.Option(help="Name of a feature set: what it reads, as a graph.", autocompletion=complete.features),
    ] = None,
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
    safe_csv: SafeCsvOption = False,
    snapshot: SnapshotOption = None,
    at: AtOption = None,
) -> None:
    """Write a wide table: one row per track, all columns of the chosen features, then the labels; or a graph in RDF.

    Examples
    --------
    $ mirstore export --features essentia,mfcc-stats -o wide.parquet
    $ mirstore export --features essentia --dataset clips > clips.csv
    $ mirstore export --rdf harmony --dataset clips -o chords.ttl
    """
    if (features is None) == (rdf is None):
        raise UsageError("give one of --features and --rdf", hint="mirstore export --features essentia")
    from mirstore.cli.output import check_format, disarmed, save, show
    from mirstore.cli.text import listed
    from mirstore.store import Project
    from mirstore.store.export import wide_table

    wanted = output_format or (output.suffix.removeprefix(".").lower() if output else "csv")
    if rdf is None:
        check_format(wanted, safe_csv=safe_csv)
    with context.obj.open_store(read_only=True, snapshot=snapshot, at=at) as store:
        if rdf is not None:
            _write(context, Project(store, context.obj.registry).rdf(rdf, dataset=dataset), output)
            return
        frame = wide_table(store, listed(features or "", "--features"), dataset=dataset)
    if safe_csv:
        frame = disarmed(frame)
    if output is None:
        show(frame, wanted)
    else:
        save(frame, output, wanted)
        context.obj.say(f"wrote {frame.height} rows × {frame.width} columns to {output}")


def _write(context: typer.Context, graph: str, output: Path | None) -> None:
    from mirstore.cli.output import write

    if output is None:
        write(graph)
        return
    output.write_text(graph, encoding="utf-8")
    context.obj.say(f"wrote {output}")
