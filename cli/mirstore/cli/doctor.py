"""mirstore doctor."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from mirstore.cli.text import lines


def doctor(
    context: typer.Context,
    json_output: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check the store's files, the plugins and the decoders; exit with 6 if the store is damaged.

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
    plugins = [{"name": row.name, "status": row.status} for row in app.load_plugins().rows()]
    report = {"store": app.store, "problems": problems, "plugins": plugins, "decoders": _decoders()}
    if json_output:
        typer.echo(json.dumps(report))
    else:
        for plugin in plugins:
            typer.echo(f"plugin    {plugin['name']:<12} {plugin['status']}")
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


def _decoders() -> dict[str, str]:
    import av
    import soundfile

    libraries = {name: ".".join(map(str, numbers)) for name, numbers in av.library_versions.items()}
    return {
        "av": f"{av.__version__} (FFmpeg's libavcodec {libraries['libavcodec']})",
        "soundfile": f"{soundfile.__version__} ({soundfile.__libsndfile_version__})",
    }
