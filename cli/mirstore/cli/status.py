"""mirstore status."""

from __future__ import annotations

from typing import Annotated

import typer

from mirstore.cli.text import tell


def status(
    context: typer.Context,
    json_output: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show per feature set how many tracks are ok, failed and missing, and what differs from the registry.

    Examples
    --------
    $ mirstore status
    $ mirstore status --json
    """
    import json

    import polars as pl

    from mirstore.cli.output import show
    from mirstore.store.ingest.status import status as read_status
    from mirstore.store.ingest.vanished import find

    app = context.obj
    with app.open_store() as store:
        rows = read_status(store, app.load_registry(), app.load_plugins())
        vanished = find(store)
    if json_output:
        typer.echo(json.dumps({"features": rows, "vanished": [item.as_dict() for item in vanished]}))
    elif rows:
        show(pl.DataFrame(rows, infer_schema_length=None), "table")
    else:
        tell("no features yet: mirstore ingest FOLDER --features essentia")
    for item in vanished:
        app.say(f"{item}; mirstore ingest … --prune takes {item.them} out")
