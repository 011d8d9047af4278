"""The snapshots of a store, and which one a date means."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta

import polars as pl

from mirstore.core.errors import UsageError
from mirstore.store.lake.connect import catalogue
from mirstore.store.lake.lake import Lake

_compaction = "merge_adjacent"


def last_change(lake: Lake) -> int:
    """Return the last snapshot that changed a value, as ``mirstore log`` has it: what merged files comes after it.

    Parameters
    ----------
    lake : Lake
    """
    ((found,),) = lake.ask(
        f"SELECT max(snapshot_id) FROM {catalogue}.ducklake_snapshot_changes "
        f"WHERE snapshot_id <= {lake.snapshot_id} AND changes_made NOT LIKE '%{_compaction}%'"
    )
    return int(found)


def snapshots(lake: Lake) -> pl.DataFrame:
    """Return the snapshots up to the store's: ``snapshot``, ``added`` (UTC), ``message``, ``command``, ``session``.

    What one command committed in several steps has the same session. Maintenance, which changes no value, is left out.

    Parameters
    ----------
    lake : Lake
    """
    rows = lake.ask(
        f"""SELECT s.snapshot_id, s.snapshot_time::VARCHAR, commit_message, commit_extra_info
        FROM {catalogue}.ducklake_snapshot s JOIN {catalogue}.ducklake_snapshot_changes c USING (snapshot_id)
        WHERE s.snapshot_id BETWEEN 1 AND {lake.snapshot_id} AND changes_made NOT LIKE '%{_compaction}%'
        ORDER BY ALL"""
    )
    about = [json.loads(extra) if extra else {} for *_, extra in rows]
    return pl.DataFrame(
        {
            "snapshot": [number for number, *_ in rows],
            "added": [_utc(time) for _, time, *_ in rows],
            "message": [message or "made the store" for _, _, message, _ in rows],
            "command": [known.get("command") or None for known in about],
            "session": [known.get("session") for known in about],
        },
        schema={
            "snapshot": pl.Int64,
            "added": pl.Datetime("us"),
            "message": pl.String,
            "command": pl.String,
            "session": pl.String,
        },
    )


def _utc(text: str) -> datetime:
    """Return DuckLake's time as all times of the store are: UTC, without saying so."""
    return datetime.fromisoformat(text).astimezone(UTC).replace(tzinfo=None)


def at(lake: Lake, text: str) -> int:
    """Return the last snapshot of a day, or until a time.

    Parameters
    ----------
    lake : Lake
    text : str
        ISO 8601, in local time unless it says another: ``2026-11-20`` (its end), ``2026-11-20T14:30``.

    Raises
    ------
    UsageError
        If it is neither, or the store is younger.
    """
    try:
        until = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{text!r} is no date", hint="for example 2026-11-20, or 2026-11-20T14:30") from None
    try:
        date.fromisoformat(text)
        until += timedelta(days=1)
        before = pl.col("added") < until.astimezone(UTC).replace(tzinfo=None)
    except ValueError:
        before = pl.col("added") <= until.astimezone(UTC).replace(tzinfo=None)
    known = snapshots(lake)
    found = max(known.filter(before)["snapshot"].to_list(), default=None)
    if found is None:
        first = known["added"].to_list()[0].replace(tzinfo=UTC).astimezone()
        raise UsageError(f"the store had no snapshot at {text}", hint=f"its first is of {first:%Y-%m-%d %H:%M}")
    return int(found)
