"""An answer can be read back by the program that it was written for."""

from __future__ import annotations

import csv
import io
import json
from datetime import datetime

import polars as pl
import pytest

from mirstore.cli.output import save, show
from mirstore.core.errors import UnknownNameError, UsageError

nan, inf = float("nan"), float("inf")
frame = pl.DataFrame(
    {
        "value": [1.5, nan, inf],
        "time": [datetime(2026, 1, 2, 3, 4, 5)] * 3,
        "list": [[1.0, nan], None, []],
        "struct": [{"x": inf}] * 3,
        "bytes": [b"\x00\xff"] * 3,
        "text": ["a|b\nc", None, "[red]é"],
    }
)


def strict(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def test_json_is_one_array_of_objects_without_nan(capsys):
    show(frame, "json")
    first, second, third = json.loads(capsys.readouterr().out, parse_constant=strict)
    assert first == {
        "value": 1.5,
        "time": "2026-01-02T03:04:05",
        "list": [1.0, None],
        "struct": {"x": None},
        "bytes": "00ff",
        "text": "a|b\nc",
    }
    assert (second["value"], second["list"], second["text"]) == (None, None, None)
    assert (third["value"], third["text"]) == (None, "[red]é")


def test_an_empty_answer_is_an_empty_array(capsys):
    show(frame.clear(), "json")
    assert json.loads(capsys.readouterr().out) == []


def test_csv_has_nested_values_as_json(capsys):
    show(frame, "csv")
    first, second, _ = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert json.loads(first["list"]) == [1.0, None]
    assert (first["bytes"], first["text"], second["list"]) == ("00ff", "a|b\nc", "")


def test_markdown_keeps_a_row_on_a_line(capsys):
    show(frame, "md")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + frame.height
    assert "a\\|b c" in lines[2]


def test_a_table_shows_text_as_it_is(capsys):
    show(frame.select("text"), "table")
    assert "[red]é" in capsys.readouterr().out


def test_parquet_does_not_go_to_a_terminal(monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    with pytest.raises(UsageError, match="to a file"):
        show(frame, "parquet")


def test_parquet_goes_to_stdout_as_bytes(capsysbinary):
    show(frame, "parquet")
    assert pl.read_parquet(io.BytesIO(capsysbinary.readouterr().out)).equals(frame, null_equal=True)


@pytest.mark.parametrize("output_format", ["csv", "json", "parquet", "md"])
def test_a_file_holds_what_stdout_shows(tmp_path, capsysbinary, output_format):
    show(frame, output_format)
    save(frame, tmp_path / "answer", output_format)
    assert (tmp_path / "answer").read_bytes() == capsysbinary.readouterr().out


def test_an_unknown_format_gets_a_suggestion(capsys):
    with pytest.raises(UnknownNameError, match="'jsn'") as error:
        show(frame, "jsn")
    assert error.value.hint == "did you mean 'json'?"


def test_a_bar_says_what_goes_on_in_its_stage():
    from rich.progress import Progress as Lines

    from mirstore.cli.progress import figures

    lines = Lines()
    stage = lines.add_task("cases", total=3)
    lines.update(stage, note="my-net run 0 fold 1 epoch 7: loss 0.25")
    assert figures(lines.tasks[0], narrow=False) == "0/3  my-net run 0 fold 1 epoch 7: loss 0.25"
    assert figures(lines.tasks[0], narrow=True) == "0/3"
