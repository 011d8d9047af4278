"""Runs of which damage has cost results: they have failed from then on, so that no report rests on what is left."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mirstore.store.lake import schema
from mirstore.store.lake.files import DataFile, new_data_file
from mirstore.store.lake.home import Home
from mirstore.store.lake.latest import latest
from mirstore.store.lake.replacing import Change
from mirstore.store.lake.schema import order

_with_runs = {f"core.{name}" for name in schema.tables if "run" in schema.columns_of(name)}
_results = _with_runs - {"core.runs", "core.run_events"}


def spoilt(gone: Sequence[DataFile], runs: Sequence[DataFile]) -> dict[str, str]:
    """Return the runs that may lack results, and in which tables: a run's results come with it, in one commit.

    Parameters
    ----------
    gone : sequence of DataFile
        Those that are lost.
    runs : sequence of DataFile
        The whole ones of ``core.runs``.
    """
    found: dict[str, set[str]] = {}
    for file in runs:
        rows = pl.read_parquet(file.path, columns=["run", order], glob=False)
        for lost in (each for each in gone if each.table in _results):
            for run in rows.filter(pl.col(order).is_between(lost.begin, lost.until or lost.begin))["run"]:
                found.setdefault(run, set()).add(lost.table.removeprefix("core."))
    return {run: ", ".join(sorted(tables)) for run, tables in found.items()}


def finished(events: Sequence[DataFile]) -> set[str]:
    """Return the runs that have finished, and were not removed since.

    Parameters
    ----------
    events : sequence of DataFile
        The whole ones of ``core.run_events``.
    """
    frames = [pl.read_parquet(file.path, columns=["run", "state", order], glob=False) for file in events]
    states = latest(pl.concat(frames), "run") if frames else pl.DataFrame(schema={"run": pl.String, "state": pl.String})
    return set(states.filter(pl.col("state") == "finished")["run"])


def failed(home: Home, events: Sequence[DataFile], runs: Mapping[str, str]) -> Iterator[Change]:
    """Yield how files change, so that these runs have failed.

    Parameters
    ----------
    home : Home
    events : sequence of DataFile
        The whole ones of ``core.run_events``.
    runs : Mapping of str to str
        As `spoilt` returns them.
    """
    for file in events:
        rows = pq.read_table(file.path)
        if changed := _changed(rows, runs):
            yield file, new_data_file(home, file, changed)


def _changed(rows: pa.Table, runs: Mapping[str, str]) -> pa.Table | None:
    spoilt = pc.and_(pc.is_in(rows["run"], pa.array(list(runs), pa.string())), pc.equal(rows["state"], "finished"))
    if not pc.any(spoilt).as_py():
        return None
    why = [f"damage has cost rows of {runs.get(run)}" for run in rows["run"].to_pylist()]
    said = {"state": pa.scalar("failed"), "detail": pa.array(why, pa.string())}
    for name, value in said.items():
        at = rows.schema.get_field_index(name)
        rows = rows.set_column(at, rows.schema.field(at), pc.if_else(spoilt, value, rows[name]))
    return rows
