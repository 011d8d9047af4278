"""A store's past: what each snapshot changed, and names for snapshots."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import polars as pl

from mirstore.core.errors import UnknownNameError, UsageError
from mirstore.core.text import check_given_name
from mirstore.store.lake.hidden import removals
from mirstore.store.lake.schema import order
from mirstore.store.lake.snapshots import last_change, snapshots
from mirstore.store.store import Store


def log(store: Store, most: int | None = None) -> list[dict[str, Any]]:
    """Return what was done to a store, the latest first.

    Parameters
    ----------
    store : Store
    most : int > 0, optional
        How many commands; all by default.

    Returns
    -------
    list of dict
        ``snapshot`` (the last of that command), ``first``, ``added``, ``message``, ``command``, ``changes`` (texts such
        as ``"12 tracks"``, ``"3 labels changed"``) and ``pins`` (names of these snapshots).
    """
    rows = snapshots(store)
    session = pl.coalesce("session", pl.col("snapshot").cast(pl.String))
    begins = (session != session.shift(1)) | (pl.col("message") != pl.col("message").shift(1))
    grouped = rows.with_columns(begins.fill_null(True).cum_sum().alias("step")).group_by("step", maintain_order=True)
    steps = grouped.agg(
        pl.col("snapshot").last(),
        pl.col("snapshot").first().alias("first"),
        pl.col("added", "message", "command").last(),
    )
    until = pl.col("first").shift(-1, fill_value=store.snapshot_id + 1)  # merges that follow belong to what they merge
    latest_first = steps.with_columns(until.alias("until")).reverse()
    shown = latest_first.head(most) if most is not None else latest_first
    changes = _changes(store, shown)
    pins: dict[int, list[str]] = {}
    for name, number in store.sql(
        "SELECT name, snapshot FROM pins WHERE name NOT LIKE 'run %' ORDER BY name"
    ).iter_rows():
        pins.setdefault(number, []).append(name)
    return [
        {
            **row,
            "changes": changes.get(step, []),
            "pins": [name for number in range(row["first"], until) for name in pins.get(number, [])],
        }
        for row in shown.to_dicts()
        for step, until in ((row.pop("step"), row.pop("until")),)
    ]


def pin(store: Store, name: str, snapshot: int | None = None, note: str = "") -> int:
    """Give a snapshot a name; a later pin of that name moves it. Return its number.

    Parameters
    ----------
    store : Store
    name : str
    snapshot : int > 0, optional
        The store's own by default, which is the latest.
    note : str

    Raises
    ------
    UsageError
        If there is no such snapshot, or the name is one of a run's.
    """
    number = last_change(store) if snapshot is None else snapshot
    check_given_name("a pin", name)
    if name.startswith("run "):
        raise UsageError(f"a pin cannot be called {name!r}", hint="give it another name")
    if not 0 < number <= store.snapshot_id:
        raise UsageError(f"there is no snapshot {number}", hint="mirstore log lists them")
    with store.write(f"pin {name}") as tx:
        tx.append("core.pins", [{"name": name, "snapshot": number, "note": note, "added": _now()}])
    return number


def unpin(store: Store, name: str) -> None:
    """Take a name away from its snapshot.

    Parameters
    ----------
    store : Store
    name : str

    Raises
    ------
    UnknownNameError
        If there is no such pin.
    """
    known = [pin for pin in store.sql("SELECT name FROM pins")["name"] if not pin.startswith("run ")]
    if name not in known:
        raise UnknownNameError("pin", name, known)
    with store.write(f"unpin {name}") as tx:
        tx.append("core.pins", [{"name": name, "added": _now()}])


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


# Table, what tells its groups of rows apart, and words for groups that are new and groups that were there.
_told: tuple[tuple[str, tuple[str, ...], str, str], ...] = (
    ("core.items", ("dataset", "track"), "{n} track{s}", "credits of {n} track{s} changed"),
    ("core.labels", ("dataset", "track", "label_set"), "{n} label{s}", "{n} label{s} changed"),
    ("core.splits", ("dataset", "split", "track"), "{n} place{s} in splits", "{n} place{s} in splits changed"),
    ("core.tags", ("track", "path"), "", "tags of {n} file{s} changed"),
    ("core.names", ("name",), "", "{n} feature{s} in another version"),
)


def _changes(store: Store, steps: pl.DataFrame) -> dict[int, list[str]]:
    """Return per step what its rows say, in words."""
    found: dict[int, list[str]] = {step: [] for step in steps["step"]}
    if not found:
        return found
    step_of = steps.select("step", pl.int_ranges("first", pl.col("snapshot") + 1).alias(order)).explode(order)

    def tell(groups: pl.LazyFrame, words: str) -> None:
        """Add a text to each step that brought some groups, which are rows with the number of their snapshot."""
        counts = groups.collect().join(step_of, on=order).drop(order).unique().group_by("step").len()
        for step, n in counts.iter_rows():
            found[step].append(words.format(n=n, s="" if n == 1 else "s"))

    for table, keys, new, changed in _told:
        rows = store.scan(table)
        if table == "core.tags":
            rows = rows.drop_nulls("tags")  # a path that a moved file has left
        groups = rows.select(order, *keys).drop_nulls("track" if "track" in keys else None).unique()
        begun = pl.col(order).min().over(keys)
        if new:
            tell(groups.filter(pl.col(order) == begun), new)
        tell(groups.filter(pl.col(order) > begun), changed)
    places = store.scan("core.locations").drop_nulls("track")
    places = places.group_by("track", "path").agg(pl.col(order).min())  # a file that is tagged anew stays where it is
    tell(places.filter(pl.col(order) > pl.col(order).min().over("track")), "{n} file{s} at another path")
    ledger = store.scan("core.extractions")
    failed = pl.col("status") == "failed"
    tell(ledger.filter(~failed).select(order, "feature_set"), "{n} feature{s}")
    tell(ledger.filter(failed).select(order, "track", "path", "feature_set"), "{n} failure{s}")
    for state in ("finished", "failed", "removed"):
        tell(
            store.scan("core.run_events").filter(pl.col("state") == state).select(order, "run"),
            f"{{n}} run{{s}} {state}",
        )
    events, back = store.scan(removals), pl.col("undone").fill_null(False)
    for kind, gone, returned in (
        ("track", "{n} track{s} withdrawn", "{n} track{s} brought back"),
        ("dataset", "{n} dataset{s} removed", ""),
        ("labels", "{n} label set{s} removed", ""),
        ("member", "{n} track{s} taken out", ""),
        ("features", "{n} feature{s} removed", "{n} feature{s} brought back"),
    ):
        rows = events.filter(pl.col("kind") == kind).drop("note", "ingest", "added")
        tell(rows.filter(~back), gone)
        tell(rows.filter(back), returned)
    return found
