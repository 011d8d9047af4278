"""mirstore ingest."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from mirstore.cli.context import Context
    from mirstore.core.features import FeatureSet
    from mirstore.store import Store


def ingest(
    context: typer.Context,
    paths: Annotated[
        list[str],
        typer.Argument(help="Files, folders, globs, CSV/TSV/Parquet tables with a column of paths, or mirdata:NAME."),
    ],
    dataset: Annotated[
        str | None, typer.Option(help="Dataset that the tracks belong to.  [default: their folder's name]")
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(help="Table with labels, credits and splits for these files.", dir_okay=False)
    ] = None,
    features: Annotated[
        str | None,
        typer.Option(help="Names, separated by commas.  [default: those of the project's registry.toml]"),
    ] = None,
    jobs: Annotated[int, typer.Option("-j", "--jobs", min=0, help="Worker processes; 0 means one per core.")] = 0,
    dry_run: Annotated[
        bool, typer.Option("-n", "--dry-run", help="Say what would be computed, why, the cost.")
    ] = False,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds that one extractor may take for a track.")] = 600.0,
    memory: Annotated[
        float | None, typer.Option(min=0.1, help="GB that a worker may take.  [default: its share of 90 %]")
    ] = None,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Compute again what failed before.")] = False,
    no_tags: Annotated[
        bool, typer.Option("--no-tags", help="Take no credits and genres from the files' tags.")
    ] = False,
    data_home: Annotated[Path | None, typer.Option(help="Folder of a mirdata dataset.")] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Bring files into the store and compute their features.

    What is there already is not computed again; an ingest that was interrupted goes on where it stopped.
    """
    from mirstore.core.extraction import default_workers
    from mirstore.core.workers import Limits
    from mirstore.store.ingest import ingest as run
    from mirstore.store.ingest import prepare

    app: Context = context.obj
    sources = _sources(paths, labels, data_home)
    if not sources:
        app.say(f"no audio files in {', '.join(paths)}")
    chosen = _features(app, features)
    if not chosen:
        app.say("no features asked for: files and labels only (--features essentia,mel)")
    if dry_run:
        with _store_or_nothing(app) as store:
            _show_plan(app, store, sources, chosen, retry_failed, prepare, json_output)
        return
    with app.open_store(create=True) as store, app.progress() as progress:
        summary = run(
            store,
            sources,
            chosen,
            dataset=dataset,
            workers=jobs or default_workers(),
            limits=Limits(timeout, int(memory * 1e9) if memory else None),
            retry_failed=retry_failed,
            tags=not no_tags,
            command=" ".join(sys.argv[1:]),
            progress=progress,
        )
    _show_summary(app, summary.as_dict(), json_output)
    if summary.failed:
        app.say("some tracks failed: mirstore sql 'SELECT path, feature, error, message FROM failures'; --retry-failed")
        raise typer.Exit(3)


def _sources(paths: list[str], labels: Path | None, data_home: Path | None) -> list[Any]:
    from mirstore.store.mirdata import read_mirdata
    from mirstore.store.sources import find

    loaders = [path.partition(":")[2] for path in paths if path.startswith("mirdata:")]
    found = [source for name in loaders for source in read_mirdata(name, data_home)]
    return found + find([path for path in paths if not path.startswith("mirdata:")], labels)


def _features(app: Context, names: str | None) -> dict[str, FeatureSet]:
    from mirstore.core.resolve import resolve

    registry = app.load_registry()
    wanted = [name.strip() for name in names.split(",") if name.strip()] if names else registry.project_features
    return resolve(wanted, registry, app.load_plugins()) if wanted else {}


@contextmanager
def _store_or_nothing(app: Context) -> Iterator[Store]:
    """Give the store, or an empty one that is gone afterwards: a dry run leaves nothing behind."""
    from mirstore.store import Store

    if Path(app.store).exists():
        with app.open_store() as store:
            yield store
    else:
        with TemporaryDirectory() as folder, Store(folder, create=True) as store:
            yield store


def _show_plan(
    app: Context, store: Store, sources: Any, chosen: Any, retry_failed: bool, prepare: Any, json_output: bool
) -> None:
    from dataclasses import asdict

    import polars as pl

    from mirstore.cli.output import show

    plan = prepare(store, sources, chosen, retry_failed=retry_failed)
    rows = [asdict(need) for need in plan.needs]
    if json_output:
        import json

        states = [item.state for item in plan.scanned]
        typer.echo(json.dumps({"tracks": {state: states.count(state) for state in sorted(set(states))}, "needs": rows}))
    elif rows:
        show(pl.DataFrame(rows, infer_schema_length=None), "table")
    else:
        typer.echo("nothing to compute" + ("" if plan.failed else ": everything is fresh"))
    for name, feature in plan.named.items():
        if plan.failed[feature.id]:
            app.say(f"{name}: failed before for {plan.failed[feature.id]} tracks (--retry-failed tries them again)")


def _show_summary(app: Context, summary: dict[str, Any], json_output: bool) -> None:
    if json_output:
        import json

        typer.echo(json.dumps(summary))
        return
    width = max(map(len, ["tracks", *summary["features"]]))
    tracks = ", ".join(f"{count} {state}" for state, count in summary["tracks"].items())
    typer.echo(f"{'tracks':<{width}}  {tracks}")
    if text := _about_tags(summary["tags"]):
        typer.echo(f"{'tags':<{width}}  {text}")
    for name, counts in summary["features"].items():
        line = f"{counts['ok']} computed, {counts['fresh']} fresh, {counts['failed']} failed"
        typer.echo(f"{name:<{width}}  {line}  ({counts['id']})")
    for line in summary["duplicates"]["told"]:
        app.say(line)
    if summary["duplicates"]["near"].startswith("not"):
        app.say(f"near duplicates: {summary['duplicates']['near']}")
    app.say(f"snapshot {summary['snapshot']}, {summary['seconds']:.1f} s")


def _about_tags(tags: dict[str, int]) -> str:
    parts = [f"{tags['read']} read, {tags['artist']} with artist, {tags['genre']} with genre"] if tags["read"] else []
    if tags["genre"]:
        parts[0] += " → label set tag:genre"
    parts += [f"{tags['retagged']} retagged"] if tags["retagged"] else []
    parts += [f"{tags['unreadable']} could not be read"] if tags["unreadable"] else []
    return "; ".join(parts)
