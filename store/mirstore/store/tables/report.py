"""What a person is told of a table: what each column became, and remarks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Meaning:
    """What became of a column: ``labels``, ``credits``, ``path``, ``id``, ``split``, ``features``, ``attrs``."""

    column: str
    became: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.column or repr('')} → {self.became}" + (f" ({self.detail})" if self.detail else "")


@dataclass
class Report:
    """What a person should know of a table that was read.

    Attributes
    ----------
    table : str
        Its file.
    columns : list of Meaning
    remarks : list of str
    match : dict
        How rows found files: ``rows``, ``rows_without_file``, ``files``, ``files_without_row``; empty if not asked.
    """

    table: str
    columns: list[Meaning] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    match: dict[str, Any] = field(default_factory=dict)

    def lines(self) -> Iterator[str]:
        """Yield what to print: one line per column, runs of the same kind as one."""
        if self.columns or self.remarks:
            yield f"{self.table}:"
        run: list[Meaning] = []
        for meaning in [*self.columns, None]:
            if run and (meaning is None or meaning.became != run[0].became):
                yield from (f"  {text}" for text in _run(run))
                run = []
            run += [meaning] if meaning else []
        yield from (f"  {remark}" for remark in self.remarks)

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        columns = [vars(meaning) for meaning in self.columns]
        found = {"table": self.table, "columns": columns, "remarks": self.remarks}
        return found | ({"match": self.match} if self.match else {})


def _run(run: Sequence[Meaning]) -> Iterator[str]:
    if len(run) < 7 or run[0].became not in ("features", "attrs", "labels"):
        yield from map(str, run)
        return
    details = [meaning.detail for meaning in run if meaning.detail]
    shown = f"{details[0]} … {details[-1]}" if len(set(details)) > 1 else "".join(details[:1])
    count = f"{len(run)} columns" + (f": {shown}" if shown else "")
    yield f"{run[0].column} … {run[-1].column} → {run[0].became} ({count})"
