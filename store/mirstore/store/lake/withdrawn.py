"""Tracks that were withdrawn after runs had used them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any

import polars as pl

from mirstore.store.lake.hidden import removals
from mirstore.store.lake.lake import Lake
from mirstore.store.lake.latest import latest


def withdrawn_from(lake: Lake) -> Counter[str]:
    """Return how many of the tracks that a run used were withdrawn since, per run.

    Parameters
    ----------
    lake : Lake
    """
    return Counter(run for runs in _withdrawn(lake) for run in runs)


def withdrawn_among(lake: Lake, runs: Iterable[str]) -> int:
    """Return how many tracks were withdrawn that any of these runs used.

    Parameters
    ----------
    lake : Lake
    runs : iterable of str
    """
    some = set(runs)
    return sum(not some.isdisjoint(used) for used in _withdrawn(lake))


def _withdrawn(lake: Lake) -> list[list[str]]:
    """Return the runs that used it, for each track that is withdrawn."""
    events = latest(lake.scan(removals).filter(pl.col("kind") == "track"), "track")
    notes = events.filter(~pl.col("undone").fill_null(False)).select("note").drop_nulls().collect()["note"]
    return [json.loads(note) for note in notes]


def without_examples(details: dict[str, Any]) -> dict[str, Any]:
    """Return a run's details without the examples of what leaks: artists, albums and paths of tracks that it used.

    Parameters
    ----------
    details : dict
        As JSON.
    """
    return {**details, "leakage": [{**leak, "examples": None} for leak in details.get("leakage", [])]}
