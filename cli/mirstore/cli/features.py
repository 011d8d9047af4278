"""mirstore features."""

from __future__ import annotations

from typing import Annotated

import typer

from mirstore.cli import complete
from mirstore.cli.commands import App
from mirstore.cli.context import AtOption, JsonOption, SnapshotOption, YesOption
from mirstore.cli.text import tell

app = App(help="List, show, compare and remove feature sets.")


@app.command("list")
def list_features(
    context: typer.Context, snapshot: SnapshotOption = None, at: AtOption = None, json_output: JsonOption = False
) -> None:
    """List the feature sets: what each name means now, and its earlier versions.

    Examples
    --------
    $ mirstore features list
    $ mirstore features list --json
    """
    import json

    import polars as pl

    from mirstore.cli.output import records, show
    from mirstore.core.durations import duration
    from mirstore.store.features import listing

    short = ("feature", "id", "extractor", "current", "ok", "failed", "seconds_per_track", "params")
    with context.obj.open_store(read_only=True, snapshot=snapshot, at=at) as store:
        frame = listing(store)
    if json_output:
        parsed = ("params", "distributions")  # JSON already
        typer.echo(
            json.dumps([row | {key: json.loads(row[key] or "null") for key in parsed} for row in records(frame)])
        )
    else:
        times = [None if seconds is None else duration(seconds) for seconds in frame["seconds_per_track"]]
        frame, index = frame.select(short), short.index("seconds_per_track")
        show(
            frame.drop("seconds_per_track").insert_column(index, pl.Series("time_per_track", times, pl.String)), "table"
        )


@app.command("show")
def show_feature(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Name, name@version or id.", autocompletion=complete.features)],
    snapshot: SnapshotOption = None,
    at: AtOption = None,
    json_output: JsonOption = False,
) -> None:
    """Show a feature set: extractor, parameters, what it read, and its columns with units.

    Examples
    --------
    $ mirstore features show essentia
    $ mirstore features show essentia@1 --json
    """
    import json

    with context.obj.open_store(read_only=True, snapshot=snapshot, at=at) as store:
        about = store.about(name)
    if json_output:
        typer.echo(json.dumps(about))
        return
    for key in ("name", "feature_set", "extractor", "params", "weights", "source", "inputs", "distributions"):
        tell(f"{key:<14} {about[key]}")
    for column in about["columns"]:
        tell(f"column         {column['column']} [{column['unit'] or '-'}] {column['text']}")


@app.command()
def stats(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Name, name@version or id.", autocompletion=complete.features)],
    snapshot: SnapshotOption = None,
    at: AtOption = None,
    json_output: JsonOption = False,
) -> None:
    """Show per column how many values are missing, its range, outliers, whether it is constant; texts that are few.

    Examples
    --------
    $ mirstore features stats essentia
    $ mirstore features stats mfcc-stats --json
    """
    from mirstore.cli.output import show
    from mirstore.store.features import stats as read_stats

    with context.obj.open_store(read_only=True, snapshot=snapshot, at=at) as store:
        found = read_stats(store, name)
    if found.is_empty():
        context.obj.say(f"{name} has no columns of numbers, or of a few texts")
    if json_output or not found.is_empty():
        show(found, "json" if json_output else "table")


@app.command()
def diff(
    context: typer.Context,
    first: Annotated[str, typer.Argument(help="Name, name@version or id.", autocompletion=complete.features)],
    second: Annotated[str, typer.Argument(help="Name, name@version or id.", autocompletion=complete.features)],
    worst: Annotated[int, typer.Option(min=0, help="How many tracks to name per column.")] = 3,
    snapshot: SnapshotOption = None,
    at: AtOption = None,
    json_output: JsonOption = False,
) -> None:
    """Show which columns moved between two versions, by how much, and on which tracks most.

    Examples
    --------
    $ mirstore features diff essentia@1 essentia@2
    $ mirstore features diff essentia@1 essentia --worst 10
    """
    from mirstore.cli.output import show
    from mirstore.store.features import diff as read_diff

    with context.obj.open_store(read_only=True, snapshot=snapshot, at=at) as store:
        show(read_diff(store, first, second, worst), "json" if json_output else "table")


@app.command()
def rm(
    context: typer.Context,
    names: Annotated[
        list[str],
        typer.Argument(
            help="Names (with all earlier versions), name@version or ids.", autocompletion=complete.features
        ),
    ],
    yes: YesOption = False,
    json_output: JsonOption = False,
) -> None:
    """Remove feature sets with their values; ingesting with them brings them back until mirstore gc --purge.

    Examples
    --------
    $ mirstore features rm essentia@1
    $ mirstore features rm mel mfcc --yes
    """
    from mirstore.store.removal import features, remove

    with context.obj.open_store() as store:
        removal = features(store, names)
        context.obj.agree(removal.what, yes)
        before = store.names()
        remove(store, removal, f"features rm {' '.join(names)}")
        left = {name: id_ for name, id_ in store.names().items() if id_ != before.get(name)}
    context.obj.tell_removed(removal, json_output)
    for name, id_ in left.items():
        context.obj.say(f"{name} means {id_} again")
