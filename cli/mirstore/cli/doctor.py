"""mirstore doctor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from mirstore.cli.text import lines

if TYPE_CHECKING:
    from mirstore.cli.context import Context
    from mirstore.core.plugins import Plugins


def doctor(
    context: typer.Context,
    deep: Annotated[bool, typer.Option("--deep", help="Read every byte, also of tensors and sounds.")] = False,
    repair: Annotated[
        bool, typer.Option("--repair", help="Forget what is damaged, so that the next ingest computes it again.")
    ] = False,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Make a new catalogue from the data where it is lost, damaged or old.")
    ] = False,
    json_output: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check the store's files, the plugins, their weights and the decoders; exit with 6 if the store is damaged.

    Examples
    --------
    $ mirstore doctor
    $ mirstore --store backup/store doctor --json
    $ mirstore doctor --deep
    $ mirstore doctor --rebuild
    $ mirstore doctor --repair
    """
    import json

    from mirstore.core.text import counted

    app = context.obj
    store = app.store
    there = _is_store(store)
    did: dict[str, Any] = {}
    if rebuild and there:
        did |= _rebuild(app, store)
    if repair and there:
        did |= _repair(app, store, deep)
    problems: list[dict[str, str]] = []
    if there:
        from mirstore.store.lake.doctor import examine

        problems = examine(store, deep=deep)
    installed = app.load_plugins()
    plugins = [{"name": row.name, "status": row.status} for row in installed.rows()]
    weights = _weights(installed)
    report = {
        "store": app.store,
        "problems": problems,
        "plugins": plugins,
        "weights": weights,
        "decoders": _decoders(),
        **did,
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
        found = counted(len(problems), "problem") if problems else "ok" if there else "no store here"
        typer.echo(f"store     {app.store}: {found}")
    for remedy in sorted({problem["remedy"] for problem in problems}):
        helps = " helps; or restore the files from a copy of the store"
        app.say(f"{remedy}{helps if remedy.startswith('mirstore') else ''}")
    if problems or not there:
        raise typer.Exit(6)


def _is_store(store: str) -> bool:
    """Tell whether a store is there, or what a lost catalogue has left."""
    from mirstore.core.errors import StoreError
    from mirstore.store.lake.shared import home_at

    home = home_at(store)
    try:
        return home.exists()
    except StoreError:
        return True


def _rebuild(app: Context, store: str) -> dict[str, Any]:
    from mirstore.core.text import counted
    from mirstore.store.lake.rebuilding import rebuild

    done = rebuild(store)
    if done is None:
        app.say("the catalogue is whole: nothing to make anew")
        return {}
    app.say(f"made a new catalogue: {counted(done.snapshots, 'snapshot')}, {counted(done.files, 'file')}")
    for path in done.aside:
        app.say(f"what was there is {path}")
    for text in done.unsure:
        app.say(f"not known: {text}")
    return {"rebuilt": {**vars(done), "aside": [str(path) for path in done.aside]}}


_same = "the same ingest, or import, brings back what of them still holds"
_then = {
    "core.artifacts": "mirstore gc deletes kept models that are not listed any more, and removed ones may be back",
    "core.pins": "the snapshots are there, and mirstore pin names them again",
    "core.removals": "what was removed and not purged may be there again, and what was brought back may be gone; "
    "the next ingest lets tracks in that were withdrawn, until mirstore rm removes them",
    "core.run_events": "mirstore run-experiment runs cases again that have no run left, and removed runs may be back",
    "core.runs": "mirstore run-experiment runs these cases again",
}  # fmt: skip


def _repair(app: Context, store: str, deep: bool) -> dict[str, Any]:
    from mirstore.core.text import counted
    from mirstore.store.lake.repairing import brought_again, repair
    from mirstore.store.lake.shared import home_at

    done = repair(store, deep=deep)
    home = home_at(store)
    files = [home.shown(path) for path in done.files]
    for file in files:
        app.say(f"forgot {file}")
    for table, rows in done.rows.items():
        then = _same if table in brought_again else _then.get(table)
        app.say(f"lost: {counted(rows, 'row')} of {table}{f': {then}' if then else ''}")
    for table, rows in done.again.items():
        app.say(f"made again, after the values that are there: {counted(rows, 'row')} of {table}")
    if done.runs:
        lacking = f"{counted(len(done.runs), 'run')} may lack results"
        app.say(f"{lacking}: they count as failed, and mirstore run-experiment runs their cases again")
    for feature, tracks in done.tracks.items():
        app.say(f"{counted(tracks, 'track')} of features {feature}: the same ingest, or import, makes them again")
    whole = [home.shown(path) for path in done.put_back]
    for file in whole:
        app.say(f"put back {file}")
    if not files and not whole:
        app.say("nothing to repair")
    return {"repaired": {**vars(done), "files": files, "put_back": whole}}


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
