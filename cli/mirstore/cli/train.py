"""mirstore train."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mirstore.cli import complete
from mirstore.cli.context import JsonOption, LogOption
from mirstore.cli.text import tell

if TYPE_CHECKING:
    from mirstore.cli.context import Context


def train(
    context: typer.Context,
    experiment: Annotated[
        str, typer.Argument(help="An experiment of registry.toml.", autocompletion=complete.experiments)
    ],
    only: Annotated[
        list[str] | None,
        typer.Option(
            help="key=value: which case, where there are several, e.g. model=ridge; repeat it for more keys.",
            autocompletion=complete.parts,
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="What to call the model.  [default: as the experiment]", show_default=False)
    ] = None,
    licence: Annotated[str | None, typer.Option(help="Licence of the model, as its card will say.")] = None,
    timeout: Annotated[
        float | None, typer.Option(min=0.001, help="Seconds that the fit may take.  [default: any]", show_default=False)
    ] = None,
    log: LogOption = None,
    json_output: JsonOption = False,
) -> None:
    """Fit one case of an experiment to its whole training part, and keep the model.

    The card has the scores of the finished run of the same case, so run the experiment first.

    Examples
    --------
    $ mirstore train clips --only model=ridge --name clip-genres
    $ mirstore train clips --only model=em-banded --licence CC-BY-4.0 --json
    """
    import json

    app: Context = context.obj
    with app.project() as project:
        found = app.watch(project.train(experiment, only=only or [], name=name, licence=licence, timeout=timeout), log)
    for note in found.notes:
        app.say(note)
    if found.model.card.scores is None:
        app.say(f"no scores on its card: its case was not run (mirstore run-experiment {experiment} does)")
    if json_output:
        typer.echo(json.dumps(found.model.as_dict()))
    else:
        tell(f"kept: {found.model.name} {found.model.artifact}")
