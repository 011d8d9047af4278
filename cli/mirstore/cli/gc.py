"""mirstore gc."""

from __future__ import annotations

from typing import Annotated

import typer

from mirstore.cli.text import lines


def gc(
    context: typer.Context,
    grace: Annotated[float, typer.Option(min=0, help="Hours that an unused file is kept.")] = 24.0,
    dry_run: Annotated[bool, typer.Option("-n", "--dry-run", help="Say what would be removed.")] = False,
    json_output: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Remove files that no snapshot needs: leftovers of killed ingests and merged small files.

    Examples
    --------
    $ mirstore gc --dry-run
    $ mirstore gc --grace 0
    """
    import json

    with context.obj.open_store() as store:
        removed = [str(path) for path in store.gc(grace * 3600, dry_run=dry_run)]
    if json_output:
        typer.echo(json.dumps({"removed": removed, "dry_run": dry_run}))
        return
    for path in removed:
        typer.echo(lines(path))
    context.obj.say(f"{'would remove' if dry_run else 'removed'} {len(removed)} files")
