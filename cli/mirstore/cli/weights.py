"""mirstore weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mirstore.cli import complete
from mirstore.cli.commands import App
from mirstore.cli.context import JsonOption
from mirstore.cli.text import tell
from mirstore.core.errors import UsageError

if TYPE_CHECKING:
    from mirstore.cli.context import Context
    from mirstore.core.events import Event, Events
    from mirstore.core.plugins import Needed
    from mirstore.core.pretrained import Weights

app = App(help="List, fetch and add model weights that plugins need.")
Name = Annotated[str, typer.Argument(help="As mirstore weights list has it.", autocompletion=complete.weights)]


@app.command("list")
def list_weights(context: typer.Context, json_output: JsonOption = False) -> None:
    """List the weights that installed plugins declare: what for, licence, size, and whether they are there.

    Examples
    --------
    $ mirstore weights list
    $ mirstore weights list --json
    """
    import json

    rows = [_about(needed) for needed in context.obj.load_plugins().needed()]
    if json_output:
        typer.echo(json.dumps(rows))
        return
    if not rows:
        context.obj.say("no installed plugin needs weights")
        return
    _draw(rows)
    for row in rows:
        if row["state"] == "damaged":
            context.obj.say(f"{row['message']}; mirstore weights fetch {row['name']} mends it")


@app.command()
def fetch(
    context: typer.Context,
    names: Annotated[
        list[str] | None,
        typer.Argument(help="As mirstore weights list has them.", autocompletion=complete.weights),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that can be fetched.")] = False,
    json_output: JsonOption = False,
) -> None:
    """Fetch weights from where their plugin says, convert them and keep them; what is there is not fetched again.

    Every file must have the SHA-256 that the plugin declares. What was interrupted goes on where it stopped.

    Examples
    --------
    $ mirstore weights fetch musicnn-msd
    $ mirstore weights fetch --all
    """
    from mirstore.core.weights.fetch import fetch, is_fetchable

    app: Context = context.obj
    plugins = app.load_plugins()
    if bool(names) == everything:
        raise UsageError("give names, or --all", hint="mirstore weights list")
    chosen = [plugins.weights(name) for name in names or ()]
    if everything:
        chosen = [needed.weights for needed in plugins.needed() if is_fetchable(needed.weights)]
    _tell({weights: _run(app, weights, fetch(weights)) for weights in chosen}, json_output)


@app.command()
def add(
    context: typer.Context,
    name: Name,
    files: Annotated[list[Path], typer.Argument(help="The declared files, under any name, or the wheel.")],
    json_output: JsonOption = False,
) -> None:
    """Take weights from files that you have: downloaded elsewhere, or such as only you can get.

    Examples
    --------
    $ mirstore weights add musicnn-msd musicnn-0.1.0-py3-none-any.whl
    $ mirstore weights add htdemucs ~/Downloads/955717e8-8726e21a.th
    """
    from mirstore.core.weights.fetch import add

    app: Context = context.obj
    weights = app.load_plugins().weights(name)
    _tell({weights: _run(app, weights, add(weights, files))}, json_output)


@app.command()
def path(context: typer.Context, name: Name) -> None:
    """Print where weights are kept: the file, or the folder of several; they are there and undamaged.

    Examples
    --------
    $ mirstore weights path musicnn-msd
    $ mirstore weights path musicnn-msd | xargs ls -l
    """
    tell(str(context.obj.load_plugins().weights(name).path()))


def _about(needed: Needed) -> dict[str, Any]:
    """Return what there is to say of weights, as plain JSON."""
    from mirstore.core.weights.cache import folder, state

    weights, found = needed.weights, state(needed.weights)
    return {
        "name": weights.name,
        "state": found.word,
        "bytes": weights.bytes,
        "licence": weights.licence,
        "text": weights.text,
        "for": needed.by,
        "files": [str(file) for file in weights.files],
        "folder": str(folder(weights)),
        "message": found.message,
    }


def _draw(rows: list[dict[str, Any]]) -> None:
    import polars as pl

    from mirstore.cli.output import show

    shown = [
        {
            "name": row["name"],
            "state": row["state"],
            "MB": None if row["bytes"] is None else f"{row['bytes'] / 1e6:.1f}",
            "licence": row["licence"],
            "for": ", ".join(row["for"]),
            "text": row["text"],
        }
        for row in rows
    ]
    show(pl.DataFrame(shown, schema=dict.fromkeys(shown[0], pl.String)), "table")


def _run(app: Context, weights: Weights, job: Events[Path]) -> Path:
    """Do the work, with a bar for what is fetched [MB]."""
    from mirstore.core.events import Progress

    def shown(event: Event) -> Event:
        if not isinstance(event, Progress):
            return event
        if event.stage != "fetch":
            return Progress(f"{weights.name}: {event.stage}", event.done, event.total)
        return Progress(f"{weights.name} [MB]", round(event.done / 1e6), max(1, round(event.total / 1e6)))

    return app.watch(job, shown=shown)


def _tell(places: dict[Weights, Path], json_output: bool) -> None:
    import json

    if json_output:
        typer.echo(json.dumps({weights.name: str(place) for weights, place in places.items()}))
        return
    for weights, place in places.items():
        tell(f"{weights.name}: {place} (licence: {weights.licence})")
