"""Data files that others take the place of, in all snapshots at once: the catalogue and the journal name those then."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mirstore.store.lake import journal
from mirstore.store.lake.files import DataFile, Written
from mirstore.store.lake.home import Catalogue, Home

Change = tuple[DataFile, Written | None]
"""A file of the catalogue and what takes its place, on disk already; None: nothing does."""


def replace(
    home: Home,
    catalogue: Catalogue,
    changes: Sequence[Change],
    scrubbed: Callable[[str | None], str | None] = lambda text: text,
) -> None:
    """Let the catalogue and the journal name the new files instead of the old ones, which stay on disk.

    Parameters
    ----------
    home : Home
    catalogue : Catalogue
        Of the one who holds the lock.
    changes : sequence of Change
    scrubbed : callable
        Returns what stays of a commit's message, and of what is kept with it.
    """
    home.replaced({old.path: new.path if new else None for old, new in changes})
    catalogue.execute("BEGIN")
    try:
        for old, new in changes:
            _name(catalogue, old, new)
        _scrub(catalogue, scrubbed)
        catalogue.execute("COMMIT")
    except BaseException:
        catalogue.execute("ROLLBACK")
        raise
    home.retell(journal.Tables(catalogue.execute))


def _name(catalogue: Catalogue, old: DataFile, new: Written | None) -> None:
    catalogue.execute("DELETE FROM ducklake_file_column_stats WHERE data_file_id = ?", [old.id])
    rows, size = (new.rows, new.bytes) if new else (0, 0)
    if new is None:
        catalogue.execute("DELETE FROM ducklake_data_file WHERE data_file_id = ?", [old.id])
    else:
        catalogue.execute(
            "UPDATE ducklake_data_file SET path = ?, path_is_relative = true, record_count = ?, "
            "file_size_bytes = ?, footer_size = ? WHERE data_file_id = ?",
            [new.path.name, rows, size, new.footer, old.id],
        )
        _number(catalogue, old, rows)
    catalogue.execute(
        "UPDATE ducklake_table_stats SET record_count = record_count - ?, "
        "file_size_bytes = file_size_bytes - ? WHERE table_id = ?",
        [old.rows - rows, old.bytes - size, old.table_id],
    )
    # Ranges of values are values. Without them DuckLake reads the file instead of skipping it; null, it would take them
    # for those of a column without values, and the next commit's for those of all.
    catalogue.execute("DELETE FROM ducklake_table_column_stats WHERE table_id = ?", [old.table_id])


def _number(catalogue: Catalogue, old: DataFile, rows: int) -> None:
    """Give rows numbers of their own, where the old file had a column of them: DuckLake cannot merge rows without."""
    ((next_row,),) = catalogue.execute(
        "SELECT next_row_id FROM ducklake_table_stats WHERE table_id = ?", [old.table_id]
    ).fetchall()
    unnumbered = "FROM ducklake_data_file WHERE data_file_id = ? AND row_id_start IS NULL"
    if catalogue.execute(f"SELECT 1 {unnumbered}", [old.id]).fetchall():
        catalogue.execute("UPDATE ducklake_data_file SET row_id_start = ? WHERE data_file_id = ?", [next_row, old.id])
        catalogue.execute(
            "UPDATE ducklake_table_stats SET next_row_id = next_row_id + ? WHERE table_id = ?", [rows, old.table_id]
        )


def _scrub(catalogue: Catalogue, scrubbed: Callable[[str | None], str | None]) -> None:
    for number, message, extra in catalogue.execute(
        "SELECT snapshot_id, commit_message, commit_extra_info FROM ducklake_snapshot_changes"
    ).fetchall():
        said = scrubbed(message), scrubbed(extra)
        if said != (message, extra):
            catalogue.execute(
                "UPDATE ducklake_snapshot_changes SET commit_message = ?, commit_extra_info = ? WHERE snapshot_id = ?",
                [*said, number],
            )
