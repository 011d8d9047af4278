"""Merging the small files of many commits, so that their number grows with the logarithm of the rows."""

from __future__ import annotations

from collections.abc import Iterable

from mirstore.store.lake.connect import catalogue
from mirstore.store.lake.lake import Lake

whole = 512_000_000
"""Size [bytes] at which DuckLake stops to merge: two such files would have others written again each time."""


def compact(lake: Lake) -> None:
    """Merge the files of each table up to where the next is much larger than they are together.

    Parameters
    ----------
    lake : Lake

    Raises
    ------
    StoreError
        As for `Lake.write`.
    """
    lake.refuse_read_only()
    rows = lake.ask(
        f"SELECT schema_name || '.' || table_name, list(file_size_bytes) FROM {catalogue}.ducklake_data_file f "
        f"JOIN {catalogue}.ducklake_table t USING (table_id) JOIN {catalogue}.ducklake_schema USING (schema_id) "
        "WHERE f.end_snapshot IS NULL AND t.end_snapshot IS NULL "
        f"AND f.file_size_bytes < {whole} GROUP BY ALL HAVING count(*) > 1 ORDER BY ALL"
    )
    due = {table: largest for table, sizes in rows if (largest := merged_up_to(sizes))}
    if due:
        with lake.write("compact") as tx:
            for table, largest in due.items():
                tx.merge(table, largest)


def merged_up_to(sizes: Iterable[int]) -> int:
    """Return the size of the largest file that the smaller ones together come near to, 0 if there is none.

    Parameters
    ----------
    sizes : iterable of int [bytes]
        Of a table's files that are not `whole`.
    """
    found = total = 0
    for size in sorted(sizes):
        found = size if size <= 2 * total else found
        total += size
    return found
