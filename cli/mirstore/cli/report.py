"""mirstore report."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mirstore.cli import complete
from mirstore.cli.text import as_json, tell

if TYPE_CHECKING:
    from mirstore.cli.context import Context
    from mirstore.store.experiments.report import Report


def report(
    context: typer.Context,
    names: Annotated[
        list[str], typer.Argument(help="Runs (the first letters do), or experiments.", autocompletion=complete.runs)
    ],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="HTML file.  [default: EXPERIMENT.html]", dir_okay=False),
    ] = None,
    embed_audio: Annotated[
        int,
        typer.Option(
            min=0,
            help="Put audio of so many of the tracks that it shows into the page: all of those given by --track, "
            "ten seconds of the others.",
        ),
    ] = 0,
    track: Annotated[
        list[str] | None,
        typer.Option(help="Show this track too: its path, how its title ends, or how its id begins; may repeat."),
    ] = None,
    show: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="On tracks, also show these features over time: rows with start and a text, or tensors with a hop; "
            "may repeat.",
        ),
    ] = None,
    by_class: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME.COLUMN",
            help="Show the values of this column of numbers class by class; may repeat.",
        ),
    ] = None,
    listeners: Annotated[
        Path | None,
        typer.Option(
            help="Table of people's rankings of the groups, to set beside ours: columns rater, group, rank.",
            dir_okay=False,
        ),
    ] = None,
    open_page: Annotated[bool, typer.Option("--open", help="Show it in the browser.")] = False,
    json_output: Annotated[bool, typer.Option("--json", help="Print the report as JSON instead.")] = False,
) -> None:
    """Write what runs found as one HTML page that needs no network, and the same as JSON beside it.

    Runs of several tasks give one page per task.

    Examples
    --------
    $ mirstore report clips --open
    $ mirstore report clips -o report.html --embed-audio 9
    $ mirstore report clips --track "Sleepless.ogg" --show chords --embed-audio 1
    $ mirstore report clips --by-class essentia.bpm
    """
    from mirstore.core.errors import UsageError
    from mirstore.core.extras import require

    app: Context = context.obj
    if output and output.suffix == ".json":
        raise UsageError(f"{output}: the page is HTML, and its JSON is written beside it", hint="-o report.html")
    if not json_output:
        require("report")
    with app.project() as project:
        reports = project.report(
            *names,
            clips=embed_audio,
            tracks=track or (),
            show=show or (),
            by_class=by_class or (),
            listeners=listeners,
        )
    if json_output:
        typer.echo(as_json([content.as_dict() for content in reports]))
        return
    for content in reports:
        path = _path(output, content, several=len(reports) > 1)
        _write(content, path)
        tell(str(path))
        if open_page:
            typer.launch(path.absolute().as_uri())


def _path(output: Path | None, content: Report, *, several: bool) -> Path:
    path = output or Path(re.sub(r"[^\w.-]+", "-", content.experiment) + ".html")
    return path.with_stem(re.sub(r"[^\w.-]+", "-", f"{path.stem}-{content.task.name}")) if several else path


def _write(content: Report, path: Path) -> None:
    from mirstore.core.errors import MirstoreError
    from mirstore.page import render

    try:
        path.write_text(render(content), encoding="utf-8")
        path.with_suffix(".json").write_text(as_json(content.as_dict()), encoding="utf-8")
    except OSError as error:
        raise MirstoreError(f"{path}: {(error.strerror or 'cannot be written').lower()}") from None
