"""mirstore log, pin and unpin: a store's past."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from mirstore.cli.context import JsonOption
from mirstore.cli.text import tell


def log(
    context: typer.Context,
    most: Annotated[int, typer.Option("-n", "--number", min=1, help="How many, the latest first.")] = 20,
    json_output: JsonOption = False,
) -> None:
    """List the snapshots: number, when, what changed, and by which command.

    --snapshot N of other commands shows the store as it was then. What one command committed in several steps is one
    line with its last snapshot. What was removed or taken out since is not counted in the steps that brought it.

    Examples
    --------
    $ mirstore log
    $ mirstore log -n 100 --json
    """
    import json

    from mirstore.store.history import log as read_log

    with context.obj.open_store() as store:
        steps = read_log(store, most + 1)
    older, steps = len(steps) > most, steps[:most]
    if json_output:
        typer.echo(json.dumps([{**step, "added": step["added"].isoformat() + "Z"} for step in steps]))
        return
    width = max(len(str(step["snapshot"])) for step in steps)
    for step in steps:
        tell(_line(step, width))
    if older:
        context.obj.say(f"there are older ones: mirstore log -n {10 * most}")


def _line(step: dict[str, Any], width: int) -> str:
    from datetime import UTC

    when = step["added"].replace(tzinfo=UTC).astimezone()
    changes = ": " + ", ".join(step["changes"]) if step["changes"] else ""
    pins = f"  [{', '.join(step['pins'])}]" if step["pins"] else ""
    text = f"{step['snapshot']:>{width}}  {when:%Y-%m-%d %H:%M:%S}  {step['message']}{changes}{pins}"
    return f"{text}\n{'':>{width}}  $ {step['command']}" if step["command"] else text


def pin(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(help="What to call it; without one, list the pins.")] = None,
    snapshot: Annotated[int | None, typer.Option(help="Which.  [default: the latest]", show_default=False)] = None,
    note: Annotated[str, typer.Option(help="Why.")] = "",
    json_output: JsonOption = False,
) -> None:
    """Give a snapshot a name, or list the names.

    Examples
    --------
    $ mirstore pin submitted --note "as in the paper"
    $ mirstore pin
    """
    from mirstore.cli.output import show
    from mirstore.store.history import pin as write_pin

    with context.obj.open_store() as store:
        if name is not None:
            number = write_pin(store, name, snapshot, note)
            context.obj.say(f"{name} is snapshot {number}: mirstore sql --snapshot {number} …")
        else:
            pins = store.sql("SELECT name, snapshot, note, added FROM pins ORDER BY added DESC, name")
            show(pins, "json" if json_output else "table")


def unpin(context: typer.Context, name: Annotated[str, typer.Argument(help="A pin's name.")]) -> None:
    """Take a name away from its snapshot; the snapshot stays.

    Examples
    --------
    $ mirstore unpin submitted
    $ mirstore unpin "run 1a2b3c4d5e"
    """
    from mirstore.store.history import unpin as remove_pin

    with context.obj.open_store() as store:
        remove_pin(store, name)
    context.obj.say(f"unpinned {name}")
