"""mirstore doctor."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mirstore.cli.text import lines

if TYPE_CHECKING:
    from mirstore.core.plugins import Plugins


def doctor(
    context: typer.Context,
    json_output: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check the store's files, the plugins, their weights and the decoders; exit with 6 if the store is damaged.

    Examples
    --------
    $ mirstore doctor
    $ mirstore --store backup/store doctor --json
    """
    import json

    app = context.obj
    problems: list[dict[str, Any]] = []
    there = Path(app.store).exists()
    if there:
        from mirstore.store.lake.doctor import doctor as check_store

        with app.open_store() as store:
            problems = check_store(store)
    installed = app.load_plugins()
    plugins = [{"name": row.name, "status": row.status} for row in installed.rows()]
    weights = _weights(installed)
    report = {
        "store": app.store,
        "problems": problems,
        "plugins": plugins,
        "weights": weights,
        "decoders": _decoders(),
    }
    if json_output:
        typer.echo(json.dumps(report))
    else:
        for plugin in plugins:
            typer.echo(f"plugin    {plugin['name']:<12} {plugin['status']}")
        for item in weights:
            state = ": ".join(filter(None, (item["state"], item["message"])))
            typer.echo(lines(f"weights   {item['name']:<12} {state}"))
        for name, version in report["decoders"].items():
            typer.echo(f"decoder   {name:<12} {version}")
        for problem in problems:
            typer.echo(lines("damage    " + ", ".join(f"{k}: {v}" for k, v in problem.items())))
        found = f"{len(problems)} problems" if problems else "ok" if there else "no store here"
        typer.echo(f"store     {app.store}: {found}")
    if problems:
        app.say("restore these files from a copy of the store, or ingest into a new one")
    if problems or not there:
        raise typer.Exit(6)


def _weights(plugins: Plugins) -> list[dict[str, str]]:
    from mirstore.core.weights.cache import state

    states = {needed.weights.name: state(needed.weights) for needed in plugins.needed()}
    return [{"name": name, "state": found.word, "message": found.message} for name, found in states.items()]


def _decoders() -> dict[str, str]:
    import av
    import soundfile

    libraries = {name: ".".join(map(str, numbers)) for name, numbers in av.library_versions.items()}
    return {
        "av": f"{av.__version__} (FFmpeg's libavcodec {libraries['libavcodec']})",
        "soundfile": f"{soundfile.__version__} ({soundfile.__libsndfile_version__})",
    }
