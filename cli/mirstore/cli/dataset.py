"""mirstore dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mirstore.cli import complete
from mirstore.cli.commands import App
from mirstore.cli.context import JsonOption, YesOption
from mirstore.cli.text import tell

app = App(help="List, import and remove datasets, look at their splits and leakage.")
Name = Annotated[str, typer.Argument(help="Name of the dataset.", autocompletion=complete.datasets)]


@app.command("list")
def list_datasets(context: typer.Context, json_output: JsonOption = False) -> None:
    """List the datasets with their numbers of tracks, artists and labels.

    Examples
    --------
    $ mirstore dataset list
    $ mirstore dataset list --json
    """
    from mirstore.cli.output import show
    from mirstore.store.datasets import listing

    with context.obj.open_store() as store:
        show(listing(store), "json" if json_output else "table")


@app.command("import")
def import_dataset(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="CSV, TSV, ARFF (also gzipped), Parquet or Excel.", dir_okay=False)],
    name: Annotated[str, typer.Option(help="Name of the dataset.")],
    feature: Annotated[str | None, typer.Option(help="Name of the feature set.  [default: the dataset's]")] = None,
    id_column: Annotated[str | None, typer.Option("--id", help="Column of ids.  [default: found by name]")] = None,
    labels: Annotated[str, typer.Option(help="Label columns, separated by commas; first..last is a range.")] = "",
    label_set: Annotated[str | None, typer.Option(help="Name of the label set.")] = None,
    targets: Annotated[str, typer.Option(help="Columns of numbers to predict, separated by commas.")] = "",
    drop: Annotated[str, typer.Option(help="Columns to leave out, separated by commas.")] = "",
    text: Annotated[str, typer.Option(help="Columns of text that are features, as lyrics, separated by commas.")] = "",
    about: Annotated[Path | None, typer.Option(help="Table with artist, album, title per id.", dir_okay=False)] = None,
    licence: Annotated[str | None, typer.Option(help="Licence of the table.")] = None,
    json_output: JsonOption = False,
) -> None:
    """Import a published table of features and labels: a dataset without audio.

    A table with several rows per track, as words or notes, has a column start [s], and perhaps end.

    Examples
    --------
    $ mirstore dataset import gtzan.csv --name gtzan --labels blues..rock --label-set genre
    $ mirstore dataset import lyrics.csv --name songs --text lyrics
    $ mirstore dataset import features.parquet --name mine --id file --drop year,length
    """
    import json

    from mirstore.core.text import counted
    from mirstore.store.ingest.published_tables import import_table

    with context.obj.open_store(create=True) as store:
        done = import_table(
            store,
            file,
            dataset=name,
            feature=feature,
            id_column=id_column,
            labels=[text for text in labels.split(",") if text],
            label_set=label_set,
            targets=[text for text in targets.split(",") if text],
            drop=[text for text in drop.split(",") if text],
            texts=[name for name in text.split(",") if name],
            about=about,
            licence=licence,
        )
    for line in (line for report in done.reports for line in report.lines()):
        context.obj.say(line)
    context.obj.tell_withdrawn(done.withdrawn)
    if json_output:
        typer.echo(json.dumps(done.as_dict()))
    else:
        made = f" × {counted(done.columns, 'feature')} ({done.feature_set})" if done.feature_set else ", no features"
        tell(f"{done.dataset}: {counted(done.tracks, 'track')}{made}")
        for label_set_name, count in done.labels.items():
            noun = "target" if label_set_name in done.numeric else "class"
            tell(f"labels: {label_set_name}, {counted(count, noun)}")
        if done.changed:
            tell(f"{counted(done.changed, 'label')} changed")
        if done.fresh:
            tell("was imported before: nothing added")


@app.command()
def splits(context: typer.Context, name: Name, json_output: JsonOption = False) -> None:
    """Show a dataset's splits: tracks and artists per fold and part.

    Examples
    --------
    $ mirstore dataset splits clips
    $ mirstore dataset splits clips --json
    """
    from mirstore.cli.output import show
    from mirstore.store.datasets import spelling_remarks
    from mirstore.store.datasets import splits as read_splits

    with context.obj.open_store() as store:
        for remark in spelling_remarks(store, name):
            context.obj.say(remark)
        show(read_splits(store, name), "json" if json_output else "table")


@app.command()
def leakage(context: typer.Context, name: Name, json_output: JsonOption = False) -> None:
    """Show which artists, albums and copies of a recording stand on both sides of a split.

    Without a published split: which of them folds drawn by track would put on both sides.

    Examples
    --------
    $ mirstore dataset leakage clips
    $ mirstore dataset leakage clips --json
    """
    from mirstore.cli.output import show
    from mirstore.store.datasets import leakage as read_leakage
    from mirstore.store.datasets import spelling_remarks, together

    with context.obj.open_store() as store:
        found = read_leakage(store, name)
        if found.is_empty():
            context.obj.say("no published split: these groups stand on both sides where folds are drawn by track")
            found = together(store, name)
        elif unknown := found.filter(found["shared"].is_null())["kind"].unique(maintain_order=True).to_list():
            context.obj.say(f"not known of any track, so not looked for: {', '.join(unknown)}")
        for remark in spelling_remarks(store, name):
            context.obj.say(remark)
        show(found, "json" if json_output else "table")


@app.command()
def rm(
    context: typer.Context,
    name: Name,
    labels: Annotated[str | None, typer.Option(help="Remove only this label set.")] = None,
    yes: YesOption = False,
    json_output: JsonOption = False,
) -> None:
    """Remove a dataset, with the tracks that are in no other, or one of its label sets; in old snapshots too.

    Ingested again it starts anew; values that were not erased by mirstore gc --purge are not computed again.

    Examples
    --------
    $ mirstore dataset rm clips
    $ mirstore dataset rm clips --labels genre --yes
    """
    from mirstore.store.removal import dataset, remove

    with context.obj.open_store() as store:
        removal = dataset(store, name, labels)
        context.obj.agree(removal.what, yes)
        remove(store, removal, f"dataset rm {name}" + (f" --labels {labels}" if labels else ""))
    context.obj.tell_removed(removal, json_output)
    context.obj.say("mirstore gc --purge erases it for good")
