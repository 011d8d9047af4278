"""mirstore ingest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mirstore.cli import complete
from mirstore.cli.context import ExecutorOption, LogOption
from mirstore.cli.text import tell

if TYPE_CHECKING:
    from mirstore.cli.context import Context
    from mirstore.store.ingest.preview import Preview
    from mirstore.store.ingest.summary import Summary
    from mirstore.store.tables.column_options import Options


def ingest(
    context: typer.Context,
    paths: Annotated[
        list[str],
        typer.Argument(help="Files, folders, globs, tables (CSV, Parquet …) with a column of paths, or mirdata:NAME."),
    ],
    dataset: Annotated[
        str | None,
        typer.Option(
            help="Dataset that the tracks belong to.  [default: their folder's name]", autocompletion=complete.datasets
        ),
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(help="Table with labels, credits and splits for these files.", dir_okay=False)
    ] = None,
    annotation: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=PATTERN",
            help="Annotations of these files by their names: chords='labs/*.lab' (or .txt .lrc .lyrics.txt .csv .tsv "
            ".jams); or texts in a table's column or in tags: words=column:lyrics, words=tag:lyrics.",
        ),
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN", help="A column of the tables that is a label set; repeat it for more."),
    ] = None,
    label_set: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=COLUMNS",
            help="Columns of 0 and 1, or of labels, as one set: mood=happy,sad or mood=calm..wild.",
        ),
    ] = None,
    targets: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=COLUMNS",
            help="Columns of numbers to predict, as one label set: emotion=arousal,valence; …/10 divides them by 10.",
        ),
    ] = None,
    label_from_folder: Annotated[
        bool, typer.Option("--label-from-folder", help="A file's folder is its label, in the set 'label'.")
    ] = False,
    path_column: Annotated[
        str | None, typer.Option(help="Column of paths in the tables.  [default: found by its name]")
    ] = None,
    features: Annotated[
        str | None,
        typer.Option(
            help="Names, separated by commas.  [default: those of the project's registry.toml]",
            autocompletion=complete.several_computable,
        ),
    ] = None,
    jobs: Annotated[int, typer.Option("-j", "--jobs", min=0, help="Worker processes; 0 means one per core.")] = 0,
    executor: ExecutorOption = None,
    dry_run: Annotated[
        bool, typer.Option("-n", "--dry-run", help="Say what would be computed, why, the cost.")
    ] = False,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds that one extractor may take for a track.")] = 600.0,
    memory: Annotated[
        float | None, typer.Option(min=0.1, help="GB that a worker may take.  [default: its share of 90 %]")
    ] = None,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Compute again what failed before.")] = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="Take out of the dataset what is gone from the folder or table.")
    ] = False,
    no_tags: Annotated[
        bool, typer.Option("--no-tags", help="Take no credits and genres from the files' tags.")
    ] = False,
    data_home: Annotated[Path | None, typer.Option(help="Folder of a mirdata dataset.")] = None,
    log: LogOption = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Bring files into the store and compute their features.

    What is there already is not computed again; an ingest that was interrupted goes on where it stopped.

    Examples
    --------
    $ mirstore ingest ~/Music --features essentia,mfcc-stats
    $ mirstore ingest tracks.csv --dataset clips --features essentia --dry-run
    $ mirstore ingest ~/Music --annotation chords-true='labs/*.lab' --annotation words='lyrics/*.lrc'
    """
    from mirstore.cli.text import listed
    from mirstore.core.text import counted
    from mirstore.core.workers import Limits
    from mirstore.store.ingest.asked import Asked

    app: Context = context.obj
    asked = Asked(
        dataset=dataset,
        features=None if features is None else listed(features, "--features"),
        labels=labels,
        annotations=annotation or [],
        columns=_options(label or [], label_set or [], targets or [], path_column),
        label_from_folder=label_from_folder,
        data_home=data_home,
        retry_failed=retry_failed,
        prune=prune,
        tags=not no_tags,
    )
    with app.project() as project:
        if dry_run:
            found = app.watch(project.plan(*paths, **asked), log)
            _show_plan(app, found, json_output)
            _remark(app, found.summary, would=True)
            return
        limits = Limits(timeout, int(memory * 1e9) if memory else None)
        summary = app.watch(project.ingest(*paths, jobs=jobs, limits=limits, executor=executor, **asked), log)
    _show_summary(app, summary.as_dict(), json_output)
    _remark(app, summary)
    if summary.unreached:
        app.say(f"{counted(summary.unreached, 'result')} did not get past the bucket: the same command computes them")
    if summary.failed:
        app.say("some tracks failed: mirstore sql 'SELECT path, feature, error, message FROM failures'; --retry-failed")
        raise typer.Exit(3)


def _options(labels: list[str], label_sets: list[str], targets: list[str], path_column: str | None) -> Options:
    from mirstore.store.tables.column_options import Options

    sets = dict(_named_columns(text, "--label-set mood=happy,sad") for text in label_sets)
    divisors: dict[str, float] = {}
    numbers = dict(_named_columns(_undivided(text, divisors), "--targets emotion=arousal,valence") for text in targets)
    return Options(path_column, labels, sets, numbers, divisors)


def _undivided(text: str, divisors: dict[str, float]) -> str:
    """Return ``NAME=COLUMNS`` of ``NAME=COLUMNS/10``, and note the 10."""
    import re

    found = re.fullmatch(r"(\s*(.*?)\s*=.*)/(\d+(?:\.\d+)?)\s*", text)
    if found is None or not float(found[3]):
        return text
    divisors[found[2]] = float(found[3])
    return found[1]


def _named_columns(text: str, example: str) -> tuple[str, list[str]]:
    from mirstore.core.errors import UsageError

    name, equals, columns = text.partition("=")
    if not (name.strip() and equals and columns.strip()):
        raise UsageError(f"{example.partition(' ')[0]} {text!r} names no columns", hint=example)
    return name.strip(), [column.strip() for column in columns.split(",") if column.strip()]


def _show_plan(app: Context, found: Preview, json_output: bool) -> None:
    """Print what would be computed, after what a real ingest would say of files, labels and tags."""
    from collections import Counter
    from dataclasses import asdict

    import polars as pl

    from mirstore.cli.output import show
    from mirstore.core.durations import duration
    from mirstore.core.text import counted

    plan, summary = found.plan, found.summary.as_dict()
    rows = [asdict(need) for need in plan.needs]
    to_read = Counter(id_ for _, id_ in plan.annotated.states)
    read = {name: to_read[plan.named[name].id] for name in summary["annotated"]}
    if json_output:
        import json

        later = ("ingest", "features", "snapshot")  # what only a real one has
        told = {key: value for key, value in summary.items() if key not in later}
        typer.echo(json.dumps({**told, "read": read, "needs": rows, "seconds": plan.seconds}))
        return
    width = max(map(len, ["tracks", *read]))
    _show_counts(summary, width)
    for name, count in read.items():
        tell(f"{name:<{width}}  {count} to be read, {plan.fresh[plan.named[name].id]} fresh")
    if rows:
        times = [None if need.seconds is None else duration(need.seconds) for need in plan.needs]
        frame = pl.DataFrame(rows, infer_schema_length=None).drop("seconds")
        show(frame.with_columns(pl.Series("cpu_time", times, pl.String)), "table")
        unknown = ", ".join(dict.fromkeys(need.feature for need in plan.needs if need.seconds is None))
        if plan.seconds is not None:
            tell(f"about {duration(plan.seconds)} of CPU time" + (f", and that of {unknown}" if unknown else ""))
    elif plan.total:
        tell(f"nothing to compute; {plan.total} file{'' if plan.total == 1 else 's'} to decode once")
    else:
        tell("nothing to compute" + ("" if plan.failed or any(read.values()) else ": everything is fresh"))
    _say_waiting(app, summary)
    for name, feature in plan.named.items():
        if plan.failed[feature.id]:
            tracks = counted(plan.failed[feature.id], "track")
            app.say(f"{name}: failed before for {tracks} (--retry-failed tries again)")
    for line in summary["duplicates"]["told"]:
        app.say(line)


def _remark(app: Context, summary: Summary, *, would: bool = False) -> None:
    """Say what is not as the one who asked may think, or would not be."""
    for new, old in summary.renamed.items():
        app.say(f"{new} goes on as dataset {old}: it is the same folder or table; --dataset gives another name")
    for name in summary.restored:
        if not summary.features[name]["fresh"]:
            continue  # a purge has erased what was there
        app.say(f"{name} had been removed, and {'would be' if would else 'is'} back with the values that were there")
    app.tell_withdrawn(summary.tracks["withdrawn"])
    taken = "would be taken out" if would else "taken out"
    for item in summary.vanished:
        app.say(f"{item}; {taken if summary.pruned else f'the same command with --prune takes {item.them} out'}")


def _show_summary(app: Context, summary: dict[str, Any], json_output: bool) -> None:
    if json_output:
        import json

        typer.echo(json.dumps(summary))
        return
    from mirstore.core.durations import duration

    width = max(map(len, ["tracks", *summary["features"]]))
    _show_counts(summary, width)
    for name, counts in summary["features"].items():
        done = "read" if name in summary["annotated"] else "computed"
        line = f"{counts['ok']} {done}, {counts['fresh']} fresh, {counts['failed']} failed"
        tell(f"{name:<{width}}  {line}  ({counts['id']})")
    _say_waiting(app, summary)
    for line in summary["duplicates"]["told"]:
        app.say(line)
    if summary["duplicates"]["near"].startswith("not"):
        app.say(f"near duplicates: {summary['duplicates']['near']} (--features chromaprint)")
    app.say(f"snapshot {summary['snapshot']}, {duration(summary['seconds'])}")


def _say_waiting(app: Context, summary: dict[str, Any]) -> None:
    from mirstore.core.text import counted

    for name, count in summary["waiting"].items():
        app.say(f"{name}: not computed for {counted(count, 'track')} without the annotation that it reads")


def _show_counts(summary: dict[str, Any], width: int) -> None:
    """Print what the files are, and what their table and their tags say that is new."""
    tracks = ", ".join(f"{count} {state}" for state, count in summary["tracks"].items())
    tell(f"{'tracks':<{width}}  {tracks}")
    if any(summary["labels"].values()):
        labels = ", ".join(f"{count} {state}" for state, count in summary["labels"].items())
        tell(f"{'labels':<{width}}  {labels}")
    if text := _about_tags(summary["tags"]):
        tell(f"{'tags':<{width}}  {text}")


def _about_tags(tags: dict[str, int]) -> str:
    """Say what the files' tags brought; nothing where they brought nothing."""
    parts = []
    if tags["artist"] or tags["genre"]:
        parts = [f"{tags['read']} read, {tags['artist']} with artist, {tags['genre']} with genre"]
        parts[0] += " → label set tag:genre" if tags["genre"] else ""
    parts += [f"{tags['retagged']} retagged"] if tags["retagged"] else []
    parts += [f"{tags['unreadable']} could not be read"] if tags["unreadable"] else []
    return "; ".join(parts)
