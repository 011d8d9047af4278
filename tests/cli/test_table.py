"""A table is whole for a program, and fits a terminal with a word about what it leaves out."""

from __future__ import annotations

import subprocess
import sys

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from mirstore.cli.output import show
from mirstore.cli.table import most_rows, on_terminal, whole
from mirstore.cli.text import printable

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


def words(line: str) -> list[str]:
    return line.split()


def test_a_piped_table_has_every_row_column_and_digit(capsys):
    path = "/music/" + "a very long folder/" * 20 + "track.wav"
    frame = pl.DataFrame({"track": ["f" * 64] * 500, "path": [path] * 500, "x": [1 / 3] * 500}).with_columns(
        pl.Series("y", [0.1] * 500, pl.Float32), pl.Series("n", range(500))
    )
    show(frame, "table")
    lines = capsys.readouterr().out.splitlines()[3:-1]
    assert len(lines) == 500
    assert lines[499].split("  ") == [part for part in ["f" * 64, path, "0.3333333333333333", "0.1", "499"]]


@pytest.mark.parametrize("rows", [most_rows, most_rows + 1, 1_000_000])
def test_a_terminal_gets_the_first_and_the_last_rows_and_a_count(rows):
    lines = list(on_terminal(pl.select(pl.int_range(rows).alias("n")), 80))
    shown = [line.strip() for line in lines[3:]]
    if rows <= most_rows:
        assert shown == [*map(str, range(rows)), ""]
        return
    half = most_rows // 2
    assert shown[:half] == [*map(str, range(half))]
    assert shown[half] == "…"
    assert shown[half + 1 : -2] == [*map(str, range(rows - half, rows))]
    assert shown[-1] == f"{rows:,} rows, the first and the last {half} are shown; all of them: … | less -S"


@given(
    st.lists(st.tuples(texts, texts, st.floats(), st.integers(-(2**63), 2**63 - 1)), max_size=60),
    st.integers(1, 200),
)
def test_no_line_is_wider_than_the_terminal(rows, width):
    frame = pl.DataFrame(rows, schema={"a": pl.String, "日本": pl.String, "x": pl.Float64, "n": pl.Int64}, orient="row")
    lines = [line for line in on_terminal(frame, width) if not line.endswith("less -S")]
    assert all(cell_len(line) <= width for line in lines)
    assert len(lines) == 4 + min(len(rows), most_rows) + (len(rows) > most_rows)


def test_columns_that_there_is_no_room_for_are_named():
    frame = pl.DataFrame({"path": ["a" * 30], "loudness": [0.123456], "rhythm": [1.5]})
    *_, last = on_terminal(frame, 28)
    assert last == "no room for rhythm; all of them: … | less -S"


def test_texts_give_way_and_numbers_never():
    frame = pl.DataFrame({"path": ["a" * 70], "message": ["b" * 90], "n": [1234567890123]})
    row = list(on_terminal(frame, 80))[3]
    assert row.endswith("1234567890123")
    assert row.count("…") == 2
    assert len(row) == 80


@given(st.text())
def test_nothing_steers_the_terminal(text):
    assert not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in printable(text))
    line = "".join(whole(pl.DataFrame({"title": [text.encode("utf-8", "replace").decode()]})))
    assert "\x1b" not in line
    assert "\n" not in line


@pytest.mark.parametrize("text", ["\x1b]0;owned\x07", "a\x9b31m", "\rback", "two\nlines", "\u202etfel"])
def test_control_characters_are_shown(capsys, text):
    show(pl.DataFrame({"title": [text]}), "table")
    assert printable(text) in capsys.readouterr().out
    show(pl.DataFrame({"title": [text]}), "csv")
    assert text.replace("\r", "") in capsys.readouterr().out.replace("\r", "")  # data stays as it is


def test_a_terminal_that_knows_fewer_letters_gets_the_others_escaped(tmp_path):
    script = (
        "import sys, polars as pl\n"
        "from mirstore.cli import plain_output\n"
        "from mirstore.cli.output import show\n"
        "plain_output(); show(pl.DataFrame({'title': ['été 日']}), 'table')"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=True, env={"PYTHONIOENCODING": "latin-1"}
    )
    assert "été \\u65e5" in done.stdout.decode("latin-1")
