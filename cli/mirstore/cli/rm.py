"""mirstore rm."""

from __future__ import annotations

from typing import Annotated

import typer

from mirstore.cli.context import JsonOption, YesOption


def rm(
    context: typer.Context,
    names: Annotated[
        list[str], typer.Argument(help="Paths of files or folders, quoted globs, ids or the first letters of one.")
    ],
    undo: Annotated[bool, typer.Option("--undo", help="Bring withdrawn tracks back.")] = False,
    yes: YesOption = False,
    json_output: JsonOption = False,
) -> None:
    """Withdraw tracks: gone at once from every view, export and experiment, in old snapshots too.

    The files themselves stay where they are; an ingest leaves them out. mirstore gc --purge erases what is stored of
    them; until then --undo brings them back.

    Examples
    --------
    $ mirstore rm ~/Music/withdrawn.flac
    $ mirstore rm 1a2b3c --undo
    """
    from mirstore.store.removal import remove, tracks

    with context.obj.open_store() as store:
        removal = tracks(store, names, undo=undo)
        if not undo:
            context.obj.agree(removal.what, yes)
        remove(store, removal, "rm --undo" if undo else "rm")
    context.obj.tell_removed(removal, json_output, "let in again" if undo else "withdrawn")
    if not undo:
        context.obj.say("mirstore rm --undo brings them back; mirstore gc --purge erases them for good")
