"""mirstore plugins."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mirstore.cli import complete
from mirstore.cli.commands import App

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mirstore.core.columns import Column

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
    from mirstore.core.errors import ConfigError

    component = context.obj.load_plugins().get(Extractor, name)()
    declared: Mapping[str, Column] = {}
    with suppress(ConfigError):  # what it writes depends on its parameters
        declared = component.columns()
    columns = {
        column: {"type": str(spec.dtype), "unit": spec.unit, "range": spec.range, "text": spec.text}
        for column, spec in declared.items()
    }
    if json_output:
        about = {"name": name, "version": component.version, "params": component.params(), "columns": columns}
        typer.echo(json.dumps({**about, "inputs": component.inputs}))
        return
    typer.echo(f"{name}@{component.version}\n\n{inspect.getdoc(type(component))}\n")
    typer.echo(f"reads    {', '.join(component.inputs) or ('audio' if columns else 'what its parameters name')}")
    for key, value in component.params().items():
        typer.echo(f"param    {key} = {value!r}")
    for column, spec in columns.items():
        typer.echo(f"column   {column} [{spec['unit'] or '-'}] {spec['text']}")


@app.command()
def check(
    context: typer.Context,
    name: Annotated[
        str,
        typer.Argument(help="A plugin's, a distribution's or a component's name.", autocompletion=complete.components),
    ],
    json_output: JsonOption = False,
) -> None:
    """Run the conformance kit on all components of a plugin, or on one: what every plugin must keep to.

    Examples
    --------
    $ mirstore plugins check mfcc
    $ mirstore plugins check my-plugin
    $ mirstore plugins check em-banded --json
    """
    import json
    from dataclasses import asdict

    from mirstore.core.checks import run_checks
    from mirstore.core.checks.subject import Subject
    from mirstore.core.components import Extractor
    from mirstore.core.resolve import resolve
    from mirstore.core.weights.cache import require

    plugins, registry = context.obj.load_plugins(), context.obj.load_registry()
    rows, well = [], True
    for component in plugins.components(name):
        called = f"{component.name}@{component.version}"
        subject: Subject = component
        if isinstance(component, Extractor):  # with what it reads
            subject = resolve([component.name], registry, plugins)[component.name]
            _ = subject.id
        require([component])  # weights that are not there are one mistake, not one of each check
        if not json_output:
            typer.echo(called)
        for result in run_checks(subject):
            well = well and result.ok
            rows.append({"component": called, **asdict(result)})
            if not json_output:
                typer.echo(f"{'ok  ' if result.ok else 'FAIL'}  {result.name}{f': {result.message}' * (not result.ok)}")
    if json_output:
        typer.echo(json.dumps(rows))
    if not well:
        raise typer.Exit(1)


@app.command()
def new(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Lower case with hyphens, e.g. tempo-lab.")],
    folder: Annotated[Path, typer.Option(help="Where the plugin's folder is made.")] = Path(),
    kind: Annotated[str, typer.Option(help="extractor, grouper, smoother or model.")] = "extractor",
) -> None:
    """Write a complete plugin: one component, its tests, ready to install.

    Examples
    --------
    $ mirstore plugins new tempo-lab
    $ mirstore plugins new tempo-lab --kind model
    """
    from mirstore.core.template import write_plugin

    made = write_plugin(name, folder, kind)
    context.obj.say(f"wrote {made}\nnext: pip install -e {made} && mirstore plugins check {name}")
