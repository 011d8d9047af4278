"""mirstore plugins."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mirstore.cli import complete
from mirstore.cli.commands import App

app = App(help="List, check and start plugins.")
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
def list_plugins(context: typer.Context, json_output: JsonOption = False) -> None:
    """List the installed plugins, what each provides, and whether it works.

    Examples
    --------
    $ mirstore plugins list
    $ mirstore plugins list --json
    """
    import json
    from dataclasses import asdict

    rows = [asdict(row) for row in context.obj.load_plugins().rows()]
    if json_output:
        typer.echo(json.dumps(rows))
        return
    for row in rows:
        components = " ".join(row["components"]) or "-"
        typer.echo(f"{row['name']:<12} {row['distribution']} {row['version']:<8} {components:<44} {row['status']}")


@app.command()
def show(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="An extractor's name.", autocompletion=complete.extractors)],
    json_output: JsonOption = False,
) -> None:
    """Show an extractor: its text, parameters, inputs and columns.

    Examples
    --------
    $ mirstore plugins show essentia
    $ mirstore plugins show mfcc --json
    """
    import inspect
    import json

    from mirstore.core.components import Extractor

    component = context.obj.load_plugins().get(Extractor, name)()
    columns = {
        column: {"type": str(spec.dtype), "unit": spec.unit, "range": spec.range, "text": spec.text}
        for column, spec in component.columns().items()
    }
    if json_output:
        about = {"name": name, "version": component.version, "params": component.params(), "columns": columns}
        typer.echo(json.dumps({**about, "inputs": component.inputs}))
        return
    typer.echo(f"{name}@{component.version}\n\n{inspect.getdoc(type(component))}\n")
    typer.echo(f"reads    {', '.join(component.inputs) or 'audio'}")
    for key, value in component.params().items():
        typer.echo(f"param    {key} = {value!r}")
    for column, spec in columns.items():
        typer.echo(f"column   {column} [{spec['unit'] or '-'}] {spec['text']}")


@app.command()
def check(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="A component's name.", autocompletion=complete.components)],
    json_output: JsonOption = False,
) -> None:
    """Run the conformance kit on a component: what every plugin must keep to.

    Examples
    --------
    $ mirstore plugins check mfcc
    $ mirstore plugins check em-banded --json
    """
    import json
    from dataclasses import asdict

    from mirstore.core.checks import run_checks
    from mirstore.core.components import Extractor
    from mirstore.core.resolve import resolve

    plugins = context.obj.load_plugins()
    component = plugins.component(name)
    if isinstance(component, Extractor):  # with what it reads
        results = run_checks(resolve([name], context.obj.load_registry(), plugins)[name])
    else:
        results = run_checks(component)
    if json_output:
        typer.echo(json.dumps([asdict(result) for result in results]))
    else:
        for result in results:
            typer.echo(f"{'ok  ' if result.ok else 'FAIL'}  {result.name}{'' if result.ok else ': ' + result.message}")
    if not all(result.ok for result in results):
        raise typer.Exit(1)


@app.command()
def new(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Lower case with hyphens, e.g. tempo-lab.")],
    folder: Annotated[Path, typer.Option(help="Where the plugin's folder is made.")] = Path(),
) -> None:
    """Write a complete plugin: one extractor, its tests, ready to install.

    Examples
    --------
    $ mirstore plugins new tempo-lab
    $ mirstore plugins new tempo-lab --folder ~/plugins
    """
    from mirstore.core.template import write_plugin

    made = write_plugin(name, folder)
    context.obj.say(f"wrote {made}\nnext: pip install -e {made} && mirstore plugins check {name}")
