"""What else names an erased track: commands, messages, paths, and examples in what describes a run."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from typing import Any

import polars as pl
import pyarrow as pa

from mirstore.store.lake.lake import Lake
from mirstore.store.lake.withdrawn import withdrawn_from, without_examples

instead = "(withdrawn)"
_texts = {"core.ingests": ["command"], "core.run_events": ["detail"], "core.runs": ["details"]}


@dataclass(frozen=True)
class Scrubber:
    """Takes the traces of erased tracks out of texts.

    Attributes
    ----------
    tracks : frozenset of str
        Erased ones.
    paths : frozenset of str
        Paths that never held anything else.
    reused : frozenset of str
        Paths that held other tracks, too.
    runs : frozenset of str
        Runs that used one.
    """

    tracks: frozenset[str]
    paths: frozenset[str]
    reused: frozenset[str]
    runs: frozenset[str]

    @classmethod
    def of(cls, lake: Lake, tracks: pl.Series) -> Scrubber:
        """Return what is known of some tracks.

        Parameters
        ----------
        lake : Lake
        tracks : pl.Series
            Their ids.
        """
        located = lake.recorded("core.locations").select("path", "track").drop_nulls().unique().collect()
        erased = pl.col("track").is_in(tracks.to_list())
        theirs = set(located.filter(erased)["path"])
        others = set(located.filter(~erased)["path"])
        runs = frozenset(withdrawn_from(lake))
        return cls(frozenset(tracks), frozenset(theirs - others), frozenset(theirs & others), runs)

    def locations(self, rows: pa.Table) -> pa.Table:
        """Return locations in which paths that other tracks had before hold nothing, as opposed to those again.

        Parameters
        ----------
        rows : pa.Table
            Of ``core.locations``.
        """
        frame = pl.from_arrow(rows.select(["path", "track"]))
        assert isinstance(frame, pl.DataFrame)
        free = pl.col("path").is_in(list(self.reused)) & pl.col("track").is_in(list(self.tracks))
        new = frame.select(pl.when(free).then(None).otherwise("track").alias("track"))["track"]
        at = rows.schema.get_field_index("track")
        field = rows.schema.field(at)
        return rows.set_column(at, field, pa.chunked_array([new.to_arrow().cast(field.type)]))

    @property
    def about(self) -> pl.Expr:
        """Rows without a track that are about one of the paths."""
        return pl.col("track").is_null() & pl.col("path").is_in(list(self.paths))

    def texts(self, table: str, rows: pa.Table) -> pa.Table:
        """Return rows whose texts do not name the tracks.

        Parameters
        ----------
        table : str
        rows : pa.Table
            Of that table.
        """
        for name in _texts.get(table, []):
            at = rows.schema.get_field_index(name)
            field = rows.schema.field(at)
            runs = rows["run"].to_pylist() if "run" in rows.column_names else [None] * rows.num_rows
            new = [
                self._details(text, run) if name == "details" else self.command(text)
                for text, run in zip(rows[name].to_pylist(), runs, strict=True)
            ]
            rows = rows.set_column(at, field, pa.chunked_array([pa.array(new, field.type)]))
        return rows

    def command(self, text: str | None) -> str | None:
        """Return a command or message with ``(withdrawn)`` where it names a track by id, path or file name.

        Parameters
        ----------
        text : str or None
        """
        if text is None or not self._pattern:
            return text
        return self._pattern.sub(instead, text)

    @property
    def _pattern(self) -> re.Pattern[str] | None:
        names = {name for path in self.paths for name in (path, os.path.basename(path))} | self.tracks
        names |= {json.dumps(name)[1:-1] for name in names}  # as it stands in JSON
        longest = sorted(filter(None, names), key=len, reverse=True)
        return re.compile("|".join(map(re.escape, longest))) if longest else None

    def _details(self, text: str | None, run: Any) -> str | None:
        if text is None or run not in self.runs:
            return text
        return json.dumps(without_examples(json.loads(text)), ensure_ascii=False)
