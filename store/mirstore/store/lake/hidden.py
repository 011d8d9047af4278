"""What a store does not show: what was removed, and tracks whose files are gone. Rows stay until they are purged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from mirstore.store.lake.latest import latest
from mirstore.store.lake.schema import feature_of, order

removals = "core.removals"
"""Table of what was removed. It is always read as it is now, so that old snapshots do not show it either."""

decisive = (removals, "core.locations", "core.items")
"""Tables that decide what is hidden."""

_values = frozenset({"core.annotations", "core.extractions", "core.names", "core.packs"})
# Tables of a feature set's values; what defines it stays.


@dataclass(frozen=True)
class Rule:
    """Rows that are hidden: those with one of these keys, in every table that has these columns.

    Attributes
    ----------
    name : str
    rows : pl.DataFrame
        The keys; with a column ``until``, only what was committed until then is hidden: it can begin anew.
    tables : frozenset of str, optional
        The only ones that it is about.
    """

    name: str
    rows: pl.DataFrame
    tables: frozenset[str] | None = None

    @property
    def keys(self) -> list[str]:
        """Columns that say what is hidden."""
        return [name for name in self.rows.columns if name != "until"]

    @property
    def for_good(self) -> bool:
        """Whether the rows that it hides never come back: what they are about begins anew with later ones."""
        return "until" in self.rows.columns

    def applies(self, table: str, columns: Iterable[str]) -> bool:
        """Tell whether a table has such rows.

        Parameters
        ----------
        table : str
            ``core.items``, ``feat.essentia_0123456789``.
        columns : iterable of str
            Of the table.
        """
        there = set(self.keys) <= set(columns) and table != removals
        return there and (self.tables is None or table in self.tables)

    def drop(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        """Return the frame without these rows, in its order.

        Parameters
        ----------
        frame : pl.LazyFrame
            With the rule's key columns, and with that of commits where the rule has ``until``.
        """
        if not self.for_good:
            return frame.join(self.rows.lazy(), on=self.keys, how="anti", maintain_order="left")
        joined = frame.join(self.rows.lazy(), on=self.keys, how="left", maintain_order="left")
        return joined.filter((pl.col(order) > pl.col("until")).fill_null(True)).drop("until")

    def condition(self, of: str, table: str) -> str:
        """Return a condition in SQL that rows of ``of`` are not among these, which stand in ``table``.

        Parameters
        ----------
        of : str
            Name that the query has for the table whose rows are asked about.
        table : str
            Of the hidden rows.
        """
        same = " AND ".join(f'h."{key}" = {of}."{key}"' for key in self.keys)
        until = f' AND {of}."{order}" <= h."until"' if self.for_good else ""
        return f"NOT EXISTS (SELECT 1 FROM {table} h WHERE {same}{until})"


@dataclass(frozen=True)
class Hidden:
    """Everything that a store does not show.

    Attributes
    ----------
    rules : tuple of Rule
        Those that hide anything.
    withdrawn : frozenset of str
        Tracks that were withdrawn and must not come in again.
    features : frozenset of str
        Feature sets that were removed.
    """

    rules: tuple[Rule, ...]
    withdrawn: frozenset[str]
    features: frozenset[str]

    def apply(self, table: str, frame: pl.LazyFrame) -> pl.LazyFrame:
        """Return a table's rows without those that are hidden.

        Parameters
        ----------
        table : str
            ``core.items``, ``feat.essentia_0123456789``.
        frame : pl.LazyFrame
            All rows of it.
        """
        if self.whole(table):
            return frame.clear()
        if not self.rules:
            return frame
        columns = frame.collect_schema().names()
        for rule in self.rules:
            if rule.applies(table, columns):
                frame = rule.drop(frame)
        return frame

    def whole(self, table: str) -> bool:
        """Tell whether nothing of a table is shown: it holds the values of removed features.

        Parameters
        ----------
        table : str
        """
        return table.startswith("feat.") and feature_of(table) in self.features

    def conditions(self, table: str, columns: Sequence[str], of: str) -> Iterator[str]:
        """Yield conditions in SQL for the rows that are not hidden.

        Parameters
        ----------
        table : str
        columns : sequence of str
            Of the table.
        of : str
            Name that the query has for it.
        """
        if self.whole(table):
            yield "false"
        for rule in self.rules:
            if rule.applies(table, columns):
                yield rule.condition(of, f"core.hidden_{rule.name}")

    @property
    def tables(self) -> dict[str, pl.DataFrame]:
        """The tables that the conditions name."""
        return {f"core.hidden_{rule.name}": rule.rows for rule in self.rules}


def read(recorded: Callable[[str], pl.LazyFrame], snapshot: int | None, gone: pl.DataFrame) -> Hidden:
    """Return what is hidden at a snapshot, None for the latest, from all rows of tables.

    What a person removed is hidden in all snapshots; that a track left a dataset because its file is gone, and that
    another file took its place, is seen from then on.

    Parameters
    ----------
    recorded : callable
        Returns all rows of a table by its name.
    snapshot : int or None
    gone : pl.DataFrame
        The tracks whose files are gone at the snapshot: see `mirstore.store.lake.gone`.
    """
    now = _now(recorded(removals).collect())
    if snapshot is not None:
        now = now.filter((pl.col("kind") != "member") | (pl.col(order) <= snapshot))
    rules = dead(now)
    withdrawn = now.filter(pl.col("kind") == "track").select("track")
    features = now.filter(pl.col("kind") == "features").select("feature_set")
    tracks = [withdrawn, gone]
    if any(not rule.rows.is_empty() for rule in rules):
        tracks.append(homeless(recorded("core.items"), rules))
    rules = (Rule("tracks", pl.concat(tracks).unique()), Rule("features", features, _values), *rules)
    return Hidden(
        tuple(rule for rule in rules if not rule.rows.is_empty()),
        frozenset(withdrawn["track"]),
        frozenset(features["feature_set"]),
    )


def _now(events: pl.DataFrame) -> pl.DataFrame:
    """Return what is removed now: the latest event about a thing decides."""
    about = ["kind", "dataset", "track", "label_set", "feature_set"]
    return latest(events, *about).filter(~pl.col("undone").fill_null(False))


def dead(now: pl.DataFrame) -> tuple[Rule, ...]:
    """Return the rules for datasets, label sets and memberships that were removed.

    Parameters
    ----------
    now : pl.DataFrame
        Removals that hold.
    """
    return tuple(
        Rule(name, now.filter(pl.col("kind") == kind).select(*keys, pl.col(order).alias("until")))
        for name, kind, keys in (
            ("datasets", "dataset", ["dataset"]),
            ("labels", "labels", ["dataset", "label_set"]),
            ("members", "member", ["dataset", "track"]),
        )
    )


def homeless(items: pl.LazyFrame, rules: Iterable[Rule]) -> pl.DataFrame:
    """Return the tracks that were in a dataset and, with these rows hidden, are in none.

    Parameters
    ----------
    items : pl.LazyFrame
        All rows of ``core.items``.
    rules : iterable of Rule
        What hides some of them.
    """
    items = items.select("dataset", "track", order)
    left = items
    for rule in rules:
        if rule.applies("core.items", ["dataset", "track"]):
            left = rule.drop(left)
    return items.select("track").unique().join(left, on="track", how="anti").collect()
