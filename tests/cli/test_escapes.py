"""Tags, names and messages come from strangers: whatever they hold, none of it steers the terminal or a spreadsheet."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import re
import shutil
import sqlite3
import sys
from datetime import datetime

import polars as pl
import pytest

from mirstore.cli import app, complete
from mirstore.cli.context import Context
from mirstore.cli.output import check_format, disarmed, save, show
from mirstore.cli.progress import Bars, figures
from mirstore.cli.text import as_json
from mirstore.core.columns import Column
from mirstore.core.components import Extractor
from mirstore.core.errors import StoreError, UsageError
from mirstore.core.events import Event, Failed, Started, Warned
from mirstore.core.features import FeatureSet
from mirstore.page import render
from mirstore.store import Store

evil = "\x1b]0;pwned\x07\x1b[31mred\x9b2J\x85\u202etxt.exe\u2069\r\nend"
nul = f"{evil}\x00"
steering = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
stamp = {"ingest": "i1", "added": datetime(2026, 1, 1)}
track = "a" * 64


class Odd(Extractor):
    """What a stranger's plugin may declare."""

    name = "odd"

    def columns(self):
        return {f"level{evil}": Column(pl.Float32, f"dB{evil}", f"what it means{evil}")}

    def extract(self, track):
        raise NotImplementedError


class Terminal(io.StringIO):
    """Takes what a terminal would."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A store in which every text is hostile."""
    path = tmp_path_factory.mktemp("hostile") / "store"
    feature = FeatureSet("odd", Odd())
    with Store(path, create=True, command=f"mirstore ingest {evil}") as store, store.write(f"ingest {evil}") as tx:
        tx.add_feature_set(feature.name, feature, **stamp)
        tx.append("core.names", [{"name": f"odd{evil}", "feature_set": feature.id, "added": stamp["added"]}])
        where = {"dataset": f"music{evil}", "track": track}
        tx.append("core.datasets", [{"dataset": where["dataset"], "source": evil, "licence": evil, **stamp}])
        tx.append("core.locations", [{"track": track, "path": f"/m/{evil}.wav", **stamp}])
        tx.append("core.tracks", [{"track": track, "duration": 1.0, "codec": evil, **stamp}])
        tx.append("core.items", [{**where, "title": nul, "artist": evil, "album": evil, **stamp}])
        tx.append("core.labels", [{**where, "label_set": f"genre{evil}", "label": evil, "value": 1.0, **stamp}])
        tx.append("core.splits", [{**where, "split": f"folds{evil}", "fold": 0, "part": evil, **stamp}])
        tx.append_features(feature, [{"track": track, f"level{evil}": 1.0}], **stamp)
        about = {"track": track, "feature_set": feature.id, "path": evil, **stamp}
        tx.append("core.extractions", [{**about, "status": "failed", "error": evil, "message": nul}])
        tx.append("core.pins", [{"name": f"paper{evil}", "snapshot": 1, "note": evil, "added": stamp["added"]}])
    return path


@pytest.fixture
def store(made, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("NO_COLOR", "1")
    return shutil.copytree(made, tmp_path / "store")


def told(*arguments: str, terminal: bool = True) -> str:
    """Return all that a command writes, in this process."""
    out, err = (Terminal(), Terminal()) if terminal else (io.StringIO(), io.StringIO())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", out)
        patch.setattr(sys, "stderr", err)
        with contextlib.suppress(SystemExit):
            app(list(arguments))
    return out.getvalue() + err.getvalue()


_commands = [
    *(["sql", "SELECT * FROM tracks", "--format", kind] for kind in ("table", "csv", "tsv", "md", "json", "jsonl")),
    ["sql", "SELECT * FROM failures"],
    ["sql", f'SELECT 1 AS "{evil.replace(chr(0), "")}"'],
    ["sql", "EXPLAIN SELECT * FROM tracks WHERE title = '\x1b[31m'"],
    ["sql", 'SELECT * FROM "no\x1b[31m"'],
    ["sql", "--schema"],
    ["status"],
    ["log"],
    ["log", "--json"],
    ["features", "list"],
    ["features", "show", f"odd{evil}"],
    ["features", "stats", f"odd{evil}"],
    ["features", "show", "odd\x1b[31m"],
    ["dataset", "list"],
    ["dataset", "splits", f"music{evil}"],
    ["dataset", "leakage", f"music{evil}"],
    ["dataset", "rm", f"music{evil}"],
    ["export", "--features", f"odd{evil}"],
    ["export", "--features", f"odd{evil}", "--format", "json"],
    ["rm", f"/m/{evil}.wav"],
    ["rm", f"/m/{evil}.wav", "--yes"],
    ["runs", "list"],
    ["models", "list"],
    ["pin", f"more{evil}"],
    ["dataset", "import", "none.csv", "--name", evil],
    ["unpin", f"paper{evil}"],
    ["gc", "-n"],
]


@pytest.mark.parametrize(
    "arguments", _commands, ids=lambda words: " ".join(words)[:40].encode("unicode_escape").decode()
)
def test_no_command_lets_a_text_steer_the_terminal(store, arguments):
    text = told(*arguments)
    assert text.strip()
    assert not (found := steering.search(text)), text[max(0, found.start() - 40) : found.end() + 40]


@pytest.mark.parametrize("kind", ["csv", "tsv"])
def test_a_file_has_the_text_as_it_is(tmp_path, capsys, kind):
    frame = pl.DataFrame({f"title{evil}": [evil, "plain"]})
    show(frame, kind)
    piped = capsys.readouterr().out
    assert piped == frame.write_csv(separator="\t" if kind == "tsv" else ",")
    save(frame, tmp_path / "file", kind)
    assert (tmp_path / "file").read_bytes().decode() == piped


def test_json_escapes_as_json_does_and_means_the_same():
    text = as_json({evil: [evil, "été 日"]})
    assert not steering.search(text)
    assert "été 日" in text
    assert json.loads(text) == {evil: [evil, "été 日"]}


class Fetching(Event):
    """Has a note beside the bar."""

    def note(self) -> str:
        return f"fetching {evil}"


def test_remarks_and_notes_do_not_steer_the_terminal(monkeypatch):
    err = Terminal()
    monkeypatch.setattr(sys, "stderr", err)
    context = Context("store", None, 1, False)
    context.say(f"a remark {evil}")
    context._remark(Warned(f"a warning {evil}", where=evil))
    context._remark(Failed(evil, evil, evil, evil))
    bars = Bars(draw=True)
    bars.show(Started("scan", 2))
    bars.show(Fetching())
    assert bars._lines is not None
    (task,) = bars._lines.tasks
    bars.close()
    assert "fetching" in figures(task, narrow=False)
    assert not steering.search(figures(task, narrow=False))
    told = re.sub("\x1b\\[[0-9;?]*[A-Za-z]", "", err.getvalue()).replace("\r", "")  # what draws the bars themselves
    assert "a remark" in told
    assert not steering.search(told)
    assert "pwned\x07" not in err.getvalue()


def test_a_store_that_is_refused_does_not_steer_the_terminal(store):
    with contextlib.closing(sqlite3.connect(store / "catalog.sqlite")) as connection, connection:
        connection.execute("UPDATE ducklake_table SET table_name = ? WHERE table_name = 'pins'", [evil])
    text = told("sql", "SELECT 1")
    assert "ask who made it" in text
    assert not steering.search(text)
    with pytest.raises(StoreError):
        Store(store)


def test_completion_offers_no_name_that_steers_the_terminal(store):
    context = type("Line", (), {"params": {"store": str(store)}, "parent": None})()
    assert complete.datasets(context, "") == []
    with Store("store") as opened, opened.write("more") as tx:
        tx.append("core.datasets", [{"dataset": "plain", **stamp}])
    assert complete.datasets(context, "") == ["plain"]


def test_a_page_has_no_control_characters(monkeypatch):
    import mirstore.page as page

    class Template:
        def render(self, parts):
            return f"<p>{evil}</p>\n\t<p>plain</p>"

    class Templates:
        def __init__(self):
            self.filters, self.globals = {}, {}

        def get_template(self, name):
            return Template()

    monkeypatch.setattr(page, "_environment", Templates)
    monkeypatch.setattr("mirstore.page.sections.sections", lambda plain: plain)
    text = render({})
    assert not steering.search(text)
    assert "\n\t<p>plain</p>" in text


# Spreadsheets

formulas = ['=HYPERLINK("http://evil")', "+1+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "-", "+x"]
numbers = ["-5", "+5", "-1.5e-3", "-.5", "1", "", "text = 1", "a@b", "'=1"]


def test_what_a_spreadsheet_would_run_is_disarmed():
    frame = disarmed(
        pl.DataFrame({"=cmd": [*formulas, *numbers, None], "n": [-1] * (len(formulas) + len(numbers) + 1)})
    )
    assert frame.columns == ["'=cmd", "n"]
    assert frame["'=cmd"].to_list() == [*(f"'{text}" for text in formulas), *numbers, None]
    assert frame["n"].unique().to_list() == [-1]


def test_safe_csv_is_an_option_of_sql_and_export(store, tmp_path):
    query = "SELECT '=1+1' AS a, -1 AS b"
    plain = told("sql", query, "-f", "csv", terminal=False)
    assert list(csv.reader(io.StringIO(plain))) == [["a", "b"], ["=1+1", "-1"]]
    safe = told("sql", query, "-f", "tsv", "--safe-csv", terminal=False)
    assert list(csv.reader(io.StringIO(safe), delimiter="\t")) == [["a", "b"], ["'=1+1", "-1"]]
    assert "--safe-csv changes csv and tsv, not table" in told("sql", query, "--safe-csv")
    with Store("store") as opened, opened.write("more") as tx:
        tx.append("core.items", [{"dataset": f"music{evil}", "track": track, "title": "=cmd|' /C calc'!A0", **stamp}])
    told("export", "--features", f"odd{evil}", "-o", "wide.csv", "--safe-csv")
    assert ",'=cmd|' /C calc'!A0," in (tmp_path / "wide.csv").read_text()
    refused = told("export", "--features", f"odd{evil}", "-o", "wide.parquet", "--safe-csv")
    assert "--safe-csv changes csv and tsv, not parquet" in refused


def test_nothing_is_disarmed_unless_asked(capsys):
    show(pl.DataFrame({"a": ["=1+1"]}), "csv")
    assert capsys.readouterr().out == "a\n=1+1\n"
    with pytest.raises(UsageError, match="--safe-csv"):
        check_format("json", safe_csv=True)
