"""mirstore models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from mirstore.cli import complete
from mirstore.cli.commands import App
from mirstore.cli.context import JsonOption, YesOption
from mirstore.cli.text import tell

app = App(help="List, show, export, add and remove models that were kept.")
Name = Annotated[
    str, typer.Argument(help="Its name, or the first letters of its hash.", autocompletion=complete.models)
]


@app.command("list")
def list_models(context: typer.Context, json_output: JsonOption = False) -> None:
    """List the kept models, the latest first: what they learned from, and how well the same case scored.

    Examples
    --------
    $ mirstore models list
    $ mirstore models list --json
    """
    from mirstore.cli.output import records, show

    with context.obj.open_store(read_only=True) as store:
        frame = store.sql("SELECT * FROM models")
    if json_output:
        typer.echo(json.dumps(records(frame)))
    elif frame.is_empty():
        tell("no models yet: mirstore train EXPERIMENT")
    else:
        shown = frame.select("name", "artifact", "model", "experiment", "tracks", "metric", "score", "licence", "bytes")
        show(shown.with_columns(shown["artifact"].str.slice(0, 10), shown["score"].round(4)), "table")


@app.command("show")
def show_model(context: typer.Context, name: Name, json_output: JsonOption = False) -> None:
    """Show a model's card, and the lines of registry.toml that make features of its scores.

    Examples
    --------
    $ mirstore models show clip-genres
    $ mirstore models show clip-genres --json
    """
    from mirstore.core.artifacts.readme import definitions, entry, scores
    from mirstore.store.models import find

    with context.obj.open_store(read_only=True) as store:
        found = find(store, name)
    if json_output:
        typer.echo(json.dumps(found.as_dict()))
        return
    card = found.card
    about = {
        "name": found.name,
        "artifact": found.artifact,
        "model": f"{card.learned.component} {json.dumps(card.learned.params)}",
        "experiment": card.experiment,
        "data": f"{card.data.labels} of {card.data.tracks} tracks of {card.data.dataset}",
        "licences": f"{card.licence or 'not stated'}; of the data: {card.data.licence or 'not stated'}",
        "reads": ", ".join(f"{name} {id_}" for name, id_ in card.learned.features.items()),
        "targets" if card.learned.numeric else "classes": ", ".join(card.learned.classes),
        "distributions": ", ".join(f"{name} {number}" for name, number in card.distributions.items()),
        "folder": f"{found.folder} ({found.bytes:,} bytes)",
    }
    for key, text in about.items():
        tell(f"{key:<14} {text}")
    for text in (scores(card), entry(card, found.name), definitions(card)):
        tell(f"\n{text}")


@app.command()
def export(
    context: typer.Context,
    name: Name,
    target: Annotated[Path, typer.Argument(help="A new folder, or a new file if it ends with .zip.")],
    json_output: JsonOption = False,
) -> None:
    """Write a model to a folder or a zip file, with its card and a page that says how to use it.

    Examples
    --------
    $ mirstore models export clip-genres clip-genres.zip
    $ mirstore models export clip-genres ../shared/clip-genres
    """
    from mirstore.store.models import export as write

    with context.obj.open_store(read_only=True) as store:
        found = write(store, name, target)
    if json_output:
        typer.echo(json.dumps({**found.as_dict(), "target": str(target)}))
    else:
        tell(f"exported: {found.name} to {target}")


@app.command()
def add(
    context: typer.Context,
    source: Annotated[Path, typer.Argument(help="A folder or zip file that was exported.")],
    name: Annotated[
        str | None, typer.Option(help="What to call it.  [default: as its experiment]", show_default=False)
    ] = None,
    json_output: JsonOption = False,
) -> None:
    """Keep a model that another store exported, if every byte is as its card says; nothing of it is run.

    Examples
    --------
    $ mirstore models add clip-genres.zip
    $ mirstore models add ../shared/clip-genres --name genres
    """
    from mirstore.store.models import add as keep

    with context.obj.open_store() as store:
        found = keep(store, source, name)
    if json_output:
        typer.echo(json.dumps(found.as_dict()))
    else:
        tell(f"kept: {found.name} {found.artifact}")


@app.command()
def rm(
    context: typer.Context,
    names: Annotated[
        list[str], typer.Argument(help="Names, or the first letters of hashes.", autocompletion=complete.models)
    ],
    yes: YesOption = False,
    json_output: JsonOption = False,
) -> None:
    """Remove models; what they computed stays. Training or adding one again brings it back.

    Examples
    --------
    $ mirstore models rm clip-genres
    $ mirstore models rm 5d41402abc --yes
    """
    from mirstore.store.models import removal, remove

    with context.obj.open_store() as store:
        going = removal(store, names)
        context.obj.agree(going.what, yes)
        remove(store, going)
    context.obj.tell_removed(going, json_output)
    context.obj.say("mirstore gc --purge erases it for good")
