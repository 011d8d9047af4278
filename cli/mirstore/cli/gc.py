"""mirstore gc."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mirstore.cli.context import JsonOption, YesOption
from mirstore.cli.text import tell
from mirstore.core.text import counted, some

if TYPE_CHECKING:
    from mirstore.cli.context import Context
    from mirstore.store import Store
    from mirstore.store.lake.purge import Purged


def gc(
    context: typer.Context,
    grace: Annotated[float, typer.Option(min=0, help="Hours that an unused file is kept.")] = 24.0,
    purge: Annotated[bool, typer.Option("--purge", help="Erase what was removed, in all snapshots, for good.")] = False,
    dry_run: Annotated[bool, typer.Option("-n", "--dry-run", help="Say what would be removed.")] = False,
    yes: YesOption = False,
    json_output: JsonOption = False,
) -> None:
    """Remove files that no snapshot needs: leftovers of killed ingests and merged small files.

    With --purge, the files that hold withdrawn tracks, removed datasets, features and runs are written anew without
    them. Pinned snapshots lose them too. Metrics of runs that used a withdrawn track stay.

    Examples
    --------
    $ mirstore gc --dry-run
    $ mirstore gc --grace 0
    $ mirstore gc --purge
    """
    import json

    app: Context = context.obj
    with app.open_store() as store:
        done = _purge(app, store, yes=yes, dry_run=dry_run) if purge else None
        removed = [store.home.shown(path) for path in store.gc(grace * 3600, dry_run=dry_run)]
        links = store.links()
    if json_output:
        report = {"removed": removed, "dry_run": dry_run}
        typer.echo(json.dumps(report | ({"purged": done.as_dict()} if done is not None else {})))
    else:
        for path in removed:
            tell(path)
    app.say(f"{'would remove' if dry_run else 'removed'} {counted(len(removed), 'file')}")
    for link in links:
        app.say(f"{link} is a link: nothing behind it is removed")


def _purge(app: Context, store: Store, *, yes: bool, dry_run: bool) -> Purged:
    would = store.purge(dry_run=True)
    if dry_run or not would:
        app.say(f"would erase {would}" if would else "nothing to erase")
    if dry_run:
        return would
    if would:
        app.agree(f"{would} from all snapshots, for good", yes)
    done = store.purge()  # also without: a purge that was killed may have left files
    if would:
        app.say(f"erased {would}")
    if done.backups:
        names = some([str(path) for path in done.backups])
        app.say(f"copies of the catalogue from before may still name what was erased; delete them: {names}")
    return done
