"""What a person sees on a terminal: every command that draws, in a pseudo-terminal, rendered as a terminal does it.

`see` runs a command as a shell would, and feeds what it writes to an emulator (pyte): what is compared is the screen,
not the bytes.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pexpect
import polars as pl
import pyte
import pytest

pytestmark = pytest.mark.slow  # processes by the dozen

root = Path(__file__).parents[2]
rng = np.random.default_rng(440)
bar = r"[━╸╺]+"
registry = """
schema = 1
[features.slowly]
extractor = "slow@1"
params = { delay = 0.4, quiet = true }
[features.forever]
extractor = "slow@1"
params = { delay = 300.0, only = "c", quiet = true }
[models.raising]
model = "centroid"
params = { behaviour = "raises" }
[models.slow]
model = "centroid"
params = { behaviour = "slow" }
[tasks.genre]
dataset = "small"
labels = "genre"
metric = "accuracy"
folds = 2
[experiments.first]
task = "genre"
features = ["small"]
grouping = "halves"
random_groupings = 0
permutations = 0
halves = 0
matrix.model = ["centroid", "raising", "slow"]
"""


class Seen:
    """What a command showed.

    Attributes
    ----------
    screen : list of str
        The lines at the end, without trailing blanks and empty lines.
    raw : bytes
        All that was written.
    code : int
        Exit code.
    """

    def __init__(self, screen: pyte.Screen, raw: bytes, code: int) -> None:
        self.screen = [line.rstrip() for line in screen.display if line.strip()]
        self.raw, self.code, self.cursor_hidden = raw, code, screen.cursor.hidden
        assert "Traceback" not in "\n".join(self.screen), "\n".join(self.screen)


def see(
    command: Sequence[object],
    columns: int = 80,
    during: Callable[[pexpect.spawn, pyte.Screen], object] | None = None,
    **environment: str,
) -> Seen:
    """Run a command in a terminal of so many columns and 200 rows.

    ``during`` is called each time that something was written, with the process and the screen so far.
    """
    screen = pyte.Screen(columns, 200)
    stream = pyte.ByteStream(screen)
    plain = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS")}
    variables = {**plain, "TERM": "xterm-256color", **environment}
    child = pexpect.spawn(
        str(command[0]), [str(word) for word in command[1:]], dimensions=(200, columns), env=variables, timeout=240
    )
    raw = b""
    while True:
        try:
            written = child.read_nonblocking(65536, timeout=240)
        except pexpect.EOF:
            break
        raw += written
        stream.feed(written)
        if during is not None:
            during(child, screen)
    child.close()
    assert child.exitstatus is not None, f"ended by signal {child.signalstatus}"
    return Seen(screen, raw, child.exitstatus)


def mirstore(*arguments: object) -> list[object]:
    return [sys.executable, "-m", "mirstore.cli", *arguments]


def matches(lines: Sequence[str], patterns: Sequence[str]) -> bool:
    return len(lines) == len(patterns) and all(map(re.fullmatch, patterns, lines))


@pytest.fixture
def project(tmp_path, monkeypatch, make_wav, test_plugins):
    monkeypatch.chdir(tmp_path)
    for name in "abc":
        make_wav(tmp_path / "music" / f"{name}.wav", 0.3 * rng.uniform(-1, 1, 22050))
    (tmp_path / "registry.toml").write_text(registry)
    return tmp_path


@pytest.fixture
def table(project):
    number = np.arange(24) % 2
    frame = pl.DataFrame(rng.normal(size=(24, 4)) + 3 * np.eye(2, 4)[number], schema=list("abcd"))
    frame = frame.with_columns(
        pl.Series("id", [f"t{i}" for i in range(24)]), pl.Series("genre", np.array(["jazz", "rock"])[number])
    )
    frame.write_csv("small.csv")
    assert see(mirstore("dataset", "import", "small.csv", "--name", "small", "--labels", "genre")).code == 0
    return project


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_an_ingest_shows_a_bar_per_stage_and_then_what_it_did(project, columns):
    seen = see(mirstore("ingest", "music", "--features", "slowly"), columns)
    assert seen.code == 0
    wrapped = "".join(seen.screen[2:])  # a sentence is broken at the edge, a bar never
    assert matches(seen.screen[:2], [rf"scan    {bar} 3/3  in \S+ s", rf"extract {bar} 3/3  in \S+ s"]), seen.screen
    assert re.fullmatch(
        r"tracks  3 new, 0 changed, 0 known, 0 failed\s*slowly  3 computed, 0 fresh, 0 failed  \(\w{10}\)"
        r"near duplicates: .*chromaprint\)snapshot \d+, \S+ s",
        wrapped,
    ), seen.screen
    assert not seen.cursor_hidden


def test_the_bar_is_there_before_the_first_track_is_done(project):
    screens: list[str] = []
    see(mirstore("ingest", "music", "--features", "slowly"), during=lambda _, screen: screens.append(screen.display[1]))
    assert any(re.match(rf"extract {bar} 0/3", line) for line in screens), screens
    assert any(re.match(rf"extract {bar} 2/3  .+ left", line) for line in screens), screens


def test_a_dumb_terminal_gets_the_last_state_and_no_escapes(project):
    seen = see(mirstore("ingest", "music", "--features", "slowly"), TERM="dumb")
    assert seen.code == 0
    assert b"\x1b" not in seen.raw
    assert matches(seen.screen[:2], [rf"scan    {bar} 3/3  in \S+ s", rf"extract {bar} 3/3  in \S+ s"]), seen.screen


def test_no_color_is_no_color(project):
    colour = re.compile(rb"\x1b\[[\d;]*3[0-9][\d;]*m")
    for command, code in ((["ingest", "music", "--features", "slowly"], 0), (["ingest", "none"], 2)):
        assert colour.search(see(mirstore("--store", "coloured", *command)).raw)
        seen = see(mirstore(*command), NO_COLOR="1")
        assert seen.code == code
        assert not colour.search(seen.raw)


def test_a_terminal_may_change_its_width_while_the_bar_moves(project):
    widths = iter([40, 120])

    def resize(child: pexpect.spawn, screen: pyte.Screen) -> None:
        if re.search(r"[12]/3", screen.display[1]) and (width := next(widths, None)):
            child.setwinsize(200, width)
            screen.resize(200, width)

    seen = see(mirstore("ingest", "music", "--features", "slowly"), 80, resize)
    assert seen.code == 0
    assert next(widths, None) is None, "never resized"
    assert len([line for line in seen.screen if line.startswith("extract")]) == 1, seen.screen
    assert re.search(r"3/3  in \S+ s", "\n".join(seen.screen))


def test_ctrl_c_during_the_bar_keeps_what_is_done_and_says_how_to_go_on(project):
    pressed: list[float] = []

    def press(child: pexpect.spawn, screen: pyte.Screen) -> None:
        if re.search(r"2/3", screen.display[1]) and not pressed:
            child.sendintr()
            pressed.append(time.monotonic())

    seen = see(mirstore("ingest", "music", "--features", "forever", "-j", 2), during=press)
    assert seen.code == 130
    assert "interrupted: what was committed stays; run the same command again to go on" in " ".join(seen.screen)
    assert not seen.cursor_hidden
    again = see(mirstore("ingest", "music", "--features", "forever", "-n"))
    assert re.search(r"forever +\w+ +1 ", "\n".join(again.screen)), again.screen  # two were kept


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_an_experiment_shows_a_bar_and_remarks_do_not_break_it(table, columns):
    seen = see(mirstore("run-experiment", "first", "-j", 2), columns)
    text = "\n".join(seen.screen)
    assert seen.code == 3
    assert len(re.findall(r"^cases", text, re.MULTILINE)) == 1, text
    assert re.search(rf"^cases   {bar} 3/3  in .+ s$", text, re.MULTILINE), text
    flat = text.replace("\n", "")
    assert re.search(r"failed: \S+.*ZeroDivisionError: no luck today", flat), text
    assert flat.index("failed:") < flat.index("cases   "), text


def test_quiet_draws_nothing_wherever_it_stands(project):
    before = see(mirstore("-q", "ingest", "music", "--features", "slowly"))
    after = see(mirstore("--store", "other", "ingest", "music", "--features", "slowly", "-q"))
    for seen in (before, after):
        assert seen.code == 0
        assert [line[:6].strip() for line in seen.screen] == ["tracks", "slowly"]


printing = [
    ["features", "list"],
    ["status"],
    ["dataset", "list"],
    ["plugins", "list"],
    ["sql", "SELECT * FROM tracks"],
    ["sql", "EXPLAIN SELECT 1"],
    ["doctor"],
    ["ingest", "music", "--features", "forever", "-n"],
    ["gc", "-n"],
    ["runs", "list"],
    ["--help"],
    ["sql", "--help"],
]


@pytest.mark.parametrize(("columns", "term"), [(40, "xterm"), (120, "dumb")])
def test_every_command_that_prints_ends_well(project, columns, term):
    see(mirstore("-q", "ingest", "music", "--features", "slowly"))
    for arguments in printing:
        seen = see(mirstore(*arguments), columns, TERM=term)
        assert seen.code == 0, (arguments, seen.screen)
        assert seen.screen, arguments
        assert term != "dumb" or b"\x1b" not in seen.raw, arguments


def test_a_long_answer_shows_its_ends_and_its_size_at_once(project):
    see(mirstore("-q", "ingest", "music", "--features", "slowly"))
    query = "SELECT range AS n, range / 7 AS x FROM range(2000000)"
    seen = see(mirstore("sql", query, "--timeout", 20))
    assert seen.code == 0
    assert re.search(r"^ +0  +0$", "\n".join(seen.screen), re.MULTILINE)
    assert "1999999" in "\n".join(seen.screen)
    assert seen.screen[-1] == "2,000,000 rows, the first and the last 20 are shown; all of them: … | less -S"
    assert len(seen.screen) == 2 + 20 + 1 + 20 + 1


@pytest.mark.slow
@pytest.mark.parametrize("columns", [80])
def test_the_demo_runs_whole_and_ends_with_what_to_do_next(tmp_path, columns):
    """What `make demo` runs after its set-up."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    folder = tmp_path / "demo"
    seen = see(["sh", root / "examples" / "demo.sh"], columns, PATH=path, DEMO=str(folder))
    text = "\n".join(seen.screen)
    assert seen.code == 0, text
    assert len(re.findall(rf"^scan    {bar} 40/40  in .+ s$", text, re.MULTILINE)) == 2, text
    assert len(re.findall(rf"^extract {bar} 40/40  in .+ s$", text, re.MULTILINE)) == 1, text
    assert re.search(rf"^cases   {bar} 12/12  in .+$", text, re.MULTILINE), text
    assert (folder / "report.html").stat().st_size > 100_000
    assert f"The report is {folder}/report.html" in text.replace("\n", "")
    assert re.search(r"read it: +(xdg-)?open ", text)
    assert re.search(r"then your music: +\S*mirstore ", text)
