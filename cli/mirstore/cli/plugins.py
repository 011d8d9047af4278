"""mirstore plugins."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mirstore.cli import complete
from mirstore.cli.commands import App
from mirstore.cli.context import YesOption
from mirstore.cli.text import tell

if TYPE_CHECKING:
    from mirstore.cli.context import Context
    from mirstore.core.features import FeatureSet
    from mirstore.core.plugins import Plugins
    from mirstore.core.registry import Registry

app = App(help="List, check, start, install and remove plugins.")
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
def list_plugins(context: typer.Context, json_output: JsonOption = False) -> None:
    """List the installed plugins, what each provides, where it runs if not here, and whether it works.

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
        place = f"in {row['place']}: " if row["place"] else ""
        tell(f"{row['name']:<12} {row['distribution']} {row['version']:<8} {components:<44} {place}{row['status']}")


@app.command()
def show(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="A component's name.", autocompletion=complete.components)],
    json_output: JsonOption = False,
) -> None:
    """Show an extractor, a grouper, a smoother or a model: its text and parameters, what it reads and its columns.

    Examples
    --------
    $ mirstore plugins show essentia
    $ mirstore plugins show knn-smoothing
    $ mirstore plugins show mfcc --json
    """
    import inspect
    import json

    from mirstore.core.components import Extractor
    from mirstore.core.features import asks_for_columns

    component = context.obj.load_plugins().component(name)
    extractor = component if isinstance(component, Extractor) else None
    dependent = extractor is not None and asks_for_columns(type(extractor))
    columns = {
        column: {"type": str(spec.dtype), "unit": spec.unit, "range": spec.range, "text": spec.text}
        for column, spec in ({} if extractor is None or dependent else extractor.columns()).items()
    }
    inputs = extractor.inputs if extractor else ()
    if json_output:
        about = {"name": name, "version": component.version, "params": component.params(), "columns": columns}
        needs = [weights.name for weights in component.needs]
        typer.echo(json.dumps({**about, "inputs": inputs, "needs": needs}))
        return
    tell(f"{name}@{component.version}\n\n{inspect.getdoc(type(component))}\n")
    if extractor:
        tell(f"reads    {', '.join(inputs) or ('what its parameters name' if dependent else 'audio')}")
    for weights in component.needs:
        tell(f"needs    weights {weights.name} ({weights.licence}): {weights.text}")
    for key, value in component.params().items():
        tell(f"param    {key} = {value!r}")
    for column, spec in columns.items():
        tell(f"column   {column} [{spec['unit'] or '-'}] {spec['text']}")
    if dependent:
        tell("columns  depend on those of what it reads: mirstore features show NAME, once they are computed")


@app.command()
def check(
    context: typer.Context,
    name: Annotated[
        str,
        typer.Argument(
            help="Name of a plugin, a distribution or a component, or of an entry of [features].",
            autocompletion=complete.components,
        ),
    ],
    json_output: JsonOption = False,
) -> None:
    """Run the conformance kit on all components of a plugin, or on one: what every plugin must keep to.

    An extractor whose inputs have no meaning of their own, as those of mean, is checked as an entry of registry.toml.
    What lacks its weights is left out, and told at the end.

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
    from mirstore.core.errors import WeightsError
    from mirstore.core.weights.cache import require

    app: Context = context.obj
    plugins, registry = app.load_plugins(), app.load_registry()
    rows, well, lacking = [], True, None
    for component in [None] if _is_entry(name, registry, plugins) else plugins.components(name):
        subject: Subject
        try:
            if component is None or isinstance(component, Extractor):  # with what it reads
                subject = _with_inputs(app, name if component is None else component.name, registry, plugins)
                component = subject.extractor
            else:
                subject = component
            require([component])  # weights that are not there are one mistake, not one of each check
        except WeightsError as error:
            lacking = lacking or error
            continue
        called = f"{component.name}@{component.version}"
        if not json_output:
            tell(called)
        for result in run_checks(subject):
            well = well and result.ok
            rows.append({"component": called, **asdict(result)})
            if not json_output:
                tell(f"{'ok  ' if result.ok else 'FAIL'}  {result.name}{f': {result.message}' * (not result.ok)}")
    if json_output:
        typer.echo(json.dumps(rows))
    if lacking is not None:
        raise lacking
    if not well:
        raise typer.Exit(1)


def _is_entry(name: str, registry: Registry, plugins: Plugins) -> bool:
    entry = registry.features.get(name)
    if entry is None or any(name in (row.name, row.distribution) for row in plugins.rows()):
        return False
    return entry.extractor.partition("@")[0] != name


def _with_inputs(app: Context, name: str, registry: Registry, plugins: Plugins) -> FeatureSet:
    from mirstore.core.components import Extractor
    from mirstore.core.errors import UsageError
    from mirstore.core.resolve import resolve
    from mirstore.store.models import find

    known = {*registry.features, *plugins.names(Extractor)}
    extractor = None if name in registry.features else plugins.get(Extractor, name)()
    reads = extractor.reads() if extractor else {}
    spared = extractor.optional if extractor and known & reads.keys() else frozenset()
    if unknown := [read for read in reads if read not in known | spared]:
        raise UsageError(
            f"extractor {name!r} reads {', '.join(unknown)}, and only an entry of registry.toml says what that is",
            hint=f'mirstore plugins check ENTRY, for a [features.ENTRY] with extractor = "{name}"',
        )

    def kept(model: str) -> Path:
        with app.open_store(read_only=True) as store:
            return find(store, model).folder

    feature = resolve([name], registry, plugins, kept=kept)[name]
    _ = feature.id
    return feature


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


@app.command()
def install(
    context: typer.Context,
    distribution: Annotated[str, typer.Argument(help="What pip installs: a name, a requirement, a wheel or a folder.")],
    isolated: Annotated[
        bool, typer.Option("--isolated", help="Into an environment of its own, where it runs.")
    ] = False,
    python: Annotated[
        str | None, typer.Option(help="Its interpreter, a path or a command: 3.10 or newer.  [default: this one]")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Of the environment.  [default: the distribution's]")] = None,
) -> None:
    """Install a plugin whose libraries cannot live beside others: into an environment of its own, with what it needs.

    Its extractors are then used by their names, like any other.

    Examples
    --------
    $ mirstore plugins install mirstore-omnizart --isolated
    $ mirstore plugins install ./my-plugin --isolated --python python3.10
    """
    from mirstore.core.errors import UsageError
    from mirstore.core.installing import install as make

    if not isolated:
        raise UsageError(
            "mirstore does not change the environment in which it is installed",
            hint=f"pip install '{distribution}', or --isolated for an environment of its own",
        )
    made = make(distribution, python=python, name=name, say=context.obj.say)
    extractors = ", ".join(f"{told['name']}@{told['version']}" for told in made.card["described"]["extractors"])
    context.obj.say(f"{made.name}: {extractors} (Python {made.card['described']['python']})")


@app.command()
def remove(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The environment's name.", autocompletion=complete.environments)],
    yes: YesOption = False,
) -> None:
    """Remove an environment with its plugin; what it computed stays.

    Examples
    --------
    $ mirstore plugins remove mirstore-omnizart
    $ mirstore plugins remove mirstore-omnizart --yes
    """
    from mirstore.core.environments import environment
    from mirstore.core.environments import remove as take_away

    environment(name)
    context.obj.agree(f"environment {name!r} with its plugin", yes)
    take_away(name)
    context.obj.say(f"removed: environment {name!r}")
