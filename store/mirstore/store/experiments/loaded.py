"""Runs as a report reads them: their rows of the result tables, each table read once."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import polars as pl

from mirstore.store.experiments.details import Details
from mirstore.store.experiments.runs import tables as result_tables
from mirstore.store.lake.withdrawn import withdrawn_among
from mirstore.store.store import Store

large = ("predictions", "chunk_predictions", "label_distributions", "held_out_distributions")
"""Tables with a row per track and label: read run by run."""


def loaded(store: Store, runs: pl.DataFrame) -> list[LoadedRun]:
    """Return runs with their rows of the result tables.

    Parameters
    ----------
    store : Store
    runs : pl.DataFrame
        As `mirstore.store.experiments.runs.find` returns them.
    """
    small = [name for name in ("runs", *result_tables) if name not in large]
    tables = {name: _Table(store, name, runs["run"].to_list()) for name in small}
    return [LoadedRun(store, tables, row) for row in runs.iter_rows(named=True)]


class _Table:
    """A result table, read once for all runs."""

    def __init__(self, store: Store, name: str, runs: Sequence[str]) -> None:
        rows = store.scan(f"core.{name}").filter(pl.col("run").is_in(runs)).collect()
        self.empty = rows.clear()
        self.by_run = {str(run): part for (run,), part in rows.partition_by("run", as_dict=True).items()}


class LoadedRun:
    """One run with its rows of the result tables.

    Attributes
    ----------
    run : str
    shown : Mapping
        Its row of the view of runs.
    row : Mapping
        As it was recorded.
    config : Mapping
        What went in.
    details : Details
    """

    def __init__(self, store: Store, tables: Mapping[str, _Table], shown: Mapping[str, Any]) -> None:
        self.run, self.shown, self._store, self._tables = shown["run"], shown, store, tables
        (self.row,) = self.table("runs").to_dicts()
        self.config, self.details = json.loads(self.row["config"]), Details.read(self.row["details"])
        if withdrawn_among(store, [self.run]):
            self.details = self.details.without_examples()

    def table(self, name: str) -> pl.DataFrame:
        """Return this run's rows of a result table.

        Parameters
        ----------
        name : str
        """
        if name in large:
            return self._store.scan(f"core.{name}").filter(pl.col("run") == self.run).drop("run").collect()
        table = self._tables[name]
        return table.by_run.get(self.run, table.empty).drop("run")

    @cached_property
    def meanings(self) -> dict[str, dict[str, Any]]:
        """``unit``, ``text``, ``low`` and ``high`` of each column of its groups, None where not declared."""
        declared = {
            f"{name.partition('@')[0]}.{column['column']}": column
            for name, id_ in self.config["features"].items()
            for column in self._store.about(id_)["columns"]
        }
        members = [column for group in self.details.groups.values() for column in group]
        # A vector is declared once, and a column per value.
        return {name: _meaning(declared.get(name) or declared.get(name.rpartition("_")[0])) for name in members}


def _meaning(column: Mapping[str, Any] | None) -> dict[str, Any]:
    return {key: column[key] if column else None for key in ("unit", "text", "low", "high")}
