"""A statement runs in a process of its own: whatever it does, the asker goes on, in time and within its memory."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import subprocess
import sys
import textwrap
import time
from contextlib import suppress
from pathlib import Path

import pytest

from mirstore.core.errors import MirstoreError, QueryCrashedError, QueryStoppedError, StoreError, UsageError
from mirstore.store import Store
from mirstore.store.sql import engine as engine_module
from mirstore.store.sql import engines
from mirstore.store.sql.engine import Engine

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
endless = "SELECT levenshtein(repeat('ab', 5000000), repeat('ba', 5000000))"  # years, in little memory


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    with Store(tmp_path_factory.mktemp("asked") / "store", create=True) as store:
        yield store


def pid():
    """Return the number of the process that answers next."""
    return engines._idle[-1]._process.pid


def size(process="self", what="VmRSS"):
    """Return what a process takes [MB]."""
    (line,) = [line for line in Path(f"/proc/{process}/status").read_text().splitlines() if line.startswith(what)]
    return int(line.split()[1]) / 1024


def gone(number):
    """Wait until a process has ended, and tell whether it has."""
    for _ in range(1000):
        try:
            if Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True  # whoever started it is dead, and nobody waits for it
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.02)
    return False


def ctes(depth):
    parts = ["a0 AS (SELECT 1 AS x)"]
    parts += [f"a{i} AS (SELECT * FROM a{i - 1} x, a{i - 1} y)" for i in range(1, depth)]
    return f"WITH {', '.join(parts)} SELECT count(*) FROM a{depth - 1}"


quick = {
    "a crash": "SELECT json_structure(repeat('[', 100000) || repeat(']', 100000))",
    "a list of 24 GB": "SELECT list_sort(range(3000000000))",
    "text of text": "SELECT length(repeat(repeat(repeat('x', 60000), 60000), 60000))",
    "letters": "a" * 100_000,
    "closed comments": "/**/" * 100_000,
}
slow = {
    "format": "SELECT length(format('{:>2000000000}', 'x'))",
    "lpad": "SELECT length(lpad('x', 2147483647, 'y'))",
    "levenshtein": "SELECT levenshtein(repeat('ab', 500000), repeat('ba', 500000))",
    "regexp_replace": "SELECT length(regexp_replace(repeat('a', 50000000), 'a', 'bb', 'g'))",
    "list_transform": """SELECT list_transform(range(1000000), lambda x:
                         list_sum(list_transform(range(1000000), lambda y: x * y)))""",
    "list_reduce": "SELECT list_reduce(range(100000000), lambda x, y: x + y)",
    "generate_series": """SELECT len(generate_series(TIMESTAMP '1970-01-01', TIMESTAMP '2970-01-01',
                          INTERVAL 1 MICROSECOND))""",
    "like_escape": "SELECT like_escape(repeat('a', 100000), repeat('%a', 50000) || 'b', '!')",
    "string_split": "SELECT len(string_split(repeat('a,', 100000000), ','))",
    "AND": "SELECT 1 WHERE " + " AND ".join(["1=1"] * 50_000),
    "IN": f"SELECT 1 IN ({', '.join(['1'] * 500_000)})",
    "CTEs": ctes(29),
    "open comments": "/*" * 100_000,
    "quotes": f"SELECT '{chr(39) * 2_000_000}'",
    "rows": "SELECT count(*) FROM range(1000000000) a, range(1000000000) b",
    "an answer": "SELECT * FROM range(100000000000)",
}


@linux
@pytest.mark.parametrize(
    "statement",
    [*(pytest.param(text, id=name) for name, text in quick.items())]
    + [pytest.param(text, id=name, marks=pytest.mark.slow) for name, text in slow.items()],
)
def test_a_statement_that_hurts_ends_alone(store, statement):
    store.sql("SELECT 1")
    Path("/proc/self/clear_refs").write_text("5")  # what was the most until now does not count
    before = size(what="VmHWM")
    begun = time.monotonic()
    with pytest.raises(MirstoreError) as error:
        store.sql(statement, timeout=1.5, memory="500MB")
    assert isinstance(error.value, QueryStoppedError | UsageError)
    assert time.monotonic() - begun < 60  # without a limit some take hours
    assert size(what="VmHWM") - before < (600 if statement == slow["an answer"] else 50)
    assert store.sql("SELECT 2 AS x").item() == 2


def test_a_crash_is_one_line_and_costs_a_process(store):
    with pytest.raises(QueryCrashedError, match=r"^the query crashed the database engine \(signal 11\)") as error:
        store.sql(quick["a crash"])
    assert error.value.exit_code == 7
    assert "\n" not in str(error.value)
    assert store.sql("SELECT 2 AS x").item() == 2


@linux
def test_no_function_takes_more_memory_than_the_limit_and_some_room(tmp_path):
    script = f"""
        import resource
        from mirstore.core.errors import QueryStoppedError
        from mirstore.store import Store
        with Store({str(tmp_path / "store")!r}, create=True) as store:
            for query in {[slow["format"], slow["string_split"], quick["a list of 24 GB"]]!r}:
                try:
                    store.sql(query, memory="300MB", timeout=60)
                except QueryStoppedError as error:
                    print(error.message)
            store.sql("SELECT 1")
        from mirstore.store.sql.engines import _end_all
        _end_all()
        print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)
    """
    *said, most = ran(script).splitlines()
    assert said == ["needs more than 300MB of memory"] * 3
    assert int(most) < 300 + 256 + 32 * (os.cpu_count() or 1) + 150


def ran(script, **options):
    command = [sys.executable, "-c", textwrap.dedent(script)]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120, **options).stdout


def test_a_process_answers_one_statement_after_another_and_is_replaced_when_it_had_to_be_stopped(store):
    store.sql("SELECT 1")
    first = pid()
    store.sql("SELECT 2")
    with pytest.raises(UsageError):
        store.sql("SELECT nix FROM tracks")
    with pytest.raises(UsageError):
        store.sql("DROP VIEW tracks")
    assert pid() == first
    with pytest.raises(QueryStoppedError):
        store.sql(endless, timeout=0.2)
    store.sql("SELECT 3")
    assert pid() != first
    with pytest.raises(ChildProcessError):  # no zombie
        os.waitpid(first, 0)


def test_nothing_of_a_session_is_left_for_the_next(store):
    """Settings are locked and nothing can be made: to seed random numbers is all that a statement can do to it."""
    store.sql("SELECT setseed(0.5), random()")
    first = store.sql("SELECT setseed(0.5), random() AS x")["x"][0]
    assert store.sql("SELECT random() AS x")["x"][0] != first


@linux
def test_a_process_that_has_grown_is_replaced(store, monkeypatch):
    store.sql("SELECT 1")
    first = pid()
    with pytest.raises(QueryStoppedError, match="memory"):
        store.sql("SELECT list(range) FROM range(500000000)", memory="100MB")
    store.sql("SELECT 1")
    assert pid() != first
    assert size(pid()) < 200


@linux
def test_a_process_that_somebody_has_ended_is_replaced(store):
    store.sql("SELECT 1")
    os.kill(pid(), signal.SIGKILL)
    engines._idle[-1]._process.wait()
    assert store.sql("SELECT 2 AS x").item() == 2


@linux
def test_a_process_that_is_frozen_is_not_waited_for(store, monkeypatch):
    store.sql("SELECT 1")
    monkeypatch.setattr(engine_module, "_grace", 0.2)
    os.kill(frozen := pid(), signal.SIGSTOP)
    with pytest.raises(QueryStoppedError, match=r"stopped after 0\.1 s"):
        store.sql("SELECT 1", timeout=0.1)
    assert not Path(f"/proc/{frozen}").exists()


def test_who_asks_meanwhile_is_answered_by_another_process(store):
    """Also from an event loop, as in a notebook."""

    async def both():
        long = asyncio.create_task(asyncio.to_thread(store.sql, endless, timeout=5))
        while not engines._everybody - set(engines._idle):
            await asyncio.sleep(0.01)
        short = await asyncio.to_thread(store.sql, "SELECT 7 AS x")
        assert not long.done()
        with pytest.raises(QueryStoppedError):
            await long
        return short.item()

    assert asyncio.run(both()) == 7


def test_many_threads_leave_few_processes(store):
    async def many():
        asked = (asyncio.to_thread(store.sql, f"SELECT {number} AS x") for number in range(8))
        return [answer.item() for answer in await asyncio.gather(*asked)]

    assert asyncio.run(many()) == list(range(8))
    assert engines._everybody == set(engines._idle)
    assert len(engines._idle) <= 2


def test_a_store_that_is_closed_meanwhile_still_answers(tmp_path, monkeypatch):
    answer = Engine.answer
    with Store(tmp_path / "store", create=True) as store:
        monkeypatch.setattr(Engine, "answer", lambda *arguments: store.close() or answer(*arguments))
        assert store.sql("SELECT count(*) AS n FROM tracks").item() == 0
        monkeypatch.undo()
        with pytest.raises(StoreError, match="was closed"):
            store.sql("SELECT 1")


def test_values_of_all_types_arrive_as_they_are(store):
    query = """
        SELECT 1::TINYINT AS a, 18446744073709551615::UBIGINT AS b, 1.25::DECIMAL(6, 2) AS c, 'ä' || chr(0) AS d,
               '\\x00\\xFF'::BLOB AS e, DATE '2020-02-29' AS f, TIMESTAMP '2020-01-01 01:02:03.456789' AS g,
               [1, NULL] AS h, {'x': [{'y': 'z'}]} AS i, MAP {'k': 2} AS j, 'b'::ENUM('a', 'b') AS k, NULL AS l,
               TIME '01:02:03' AS m, uuid() IS NOT NULL AS n, 'nan'::FLOAT AS o
    """
    row = store.sql(query).row(0, named=True)
    assert (row["a"], row["b"], str(row["c"]), row["d"], row["e"]) == (1, 2**64 - 1, "1.25", "ä\0", b"\x00\xff")
    assert (str(row["f"]), str(row["g"]), str(row["m"])) == ("2020-02-29", "2020-01-01 01:02:03.456789", "01:02:03")
    assert (row["h"], row["i"], row["j"], row["k"]) == ([1, None], {"x": [{"y": "z"}]}, {"k": 2}, "b")
    assert row["l"] is None
    assert row["n"] is True
    assert row["o"] != row["o"]


def test_a_long_answer_arrives_whole_and_one_without_rows_has_its_columns(store):
    rows = store.sql("SELECT range AS a, (range % 7)::VARCHAR AS b FROM range(350000)")
    assert rows["a"].to_list() == list(range(350_000))
    assert rows["b"].to_list() == [str(number % 7) for number in range(350_000)]
    none = store.sql("SELECT 1 AS a, 'x' AS b WHERE false")
    assert none.shape == (0, 2)


@pytest.mark.parametrize(
    ("program", "message"),
    [("/no/such/python", "No such file"), ("", "Permission denied|No such file"), (None, "NoneType")],
)
def test_where_no_process_can_be_started_this_is_said(store, monkeypatch, program, message):
    engines._end_all()
    engines._idle.clear()
    monkeypatch.setattr(sys, "executable", program)
    with pytest.raises(StoreError, match=f"the process that answers SQL cannot be started: .*({message})"):
        store.sql("SELECT 1")


def test_a_process_that_does_not_come_up_says_why(store, monkeypatch):
    engines._end_all()
    engines._idle.clear()
    monkeypatch.setattr(sys, "path", [folder for folder in sys.path if "site-packages" not in folder])
    with pytest.raises(StoreError, match="ended with 1: ModuleNotFoundError"):
        store.sql("SELECT 1")


asking = """
    import os, signal, sys
    from mirstore.store import Store
    from mirstore.store.sql import engines
    with Store({folder!r}, create=True) as store:
        store.sql("SELECT 1")
        print(engines._idle[-1]._process.pid, flush=True)
"""


@pytest.fixture
def start(tmp_path):
    """Start a Python process that asks, and return it with the number of the one that answers."""
    started = []

    def start(then):
        code = textwrap.dedent(asking).format(folder=str(tmp_path / "store"))
        code += textwrap.indent(textwrap.dedent(then), "    ")
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        process = subprocess.Popen([sys.executable, "-c", code], text=True, **pipes)
        started.append(process)
        return process, int(process.stdout.readline())

    yield start
    for process in started:
        with suppress(ProcessLookupError):
            process.kill()
        process.communicate()


def is_busy(number):
    """Wait until a process has computed for a while."""
    ticks = os.sysconf("SC_CLK_TCK")
    for _ in range(3000):
        _, _, rest = Path(f"/proc/{number}/stat").read_text().rpartition(")")
        if sum(map(int, rest.split()[11:13])) > ticks:
            return
        time.sleep(0.02)
    raise AssertionError(f"process {number} does nothing")


@linux
def test_it_ends_with_who_asked(start):
    process, answering = start("pass")
    assert process.wait(60) == 0
    assert not Path(f"/proc/{answering}").exists()
    assert process.stderr.read() == ""


@linux
@pytest.mark.parametrize("query", ["SELECT 1", endless], ids=["idle", "busy"])
def test_it_ends_when_who_asked_is_killed(start, query):
    process, answering = start(f"store.sql({query!r}, timeout=600); sys.stdin.read()")
    if query == endless:
        is_busy(answering)
    process.kill()
    process.wait()
    assert gone(answering)


@linux
def test_ctrl_c_ends_a_statement_and_its_process(start):
    process, answering = start(f"store.sql({endless!r}, timeout=600)")
    is_busy(answering)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == -signal.SIGINT
    assert not Path(f"/proc/{answering}").exists()
    assert "KeyboardInterrupt" in process.stderr.read()


@linux
def test_a_forked_process_asks_its_own_and_keeps_none_alive(start):
    """As a data loader's workers, which live on for a while when their parent was killed."""
    process, answering = start("""
        if not os.fork():
            assert not engines._idle
            with engines.engine() as own:
                assert own.read("SELECT 1", timeout=60, memory="1GB").text == "SELECT 1"
                print(own._process.pid, os.getpid(), flush=True)
            signal.pause()  # to read would take from its parent what that is to read
        sys.stdin.readline()
        print(store.sql("SELECT 5 AS x").item(), flush=True)
        sys.stdin.readline()
    """)
    other, child = map(int, process.stdout.readline().split())
    try:
        assert other != answering
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "5\n"
        process.kill()
        process.wait()
        assert gone(answering)
    finally:
        os.kill(child, signal.SIGKILL)


def test_the_process_loads_little_more_than_duckdb_and_arrow():
    script = """
        import sys
        sys.modules["numpy"] = None
        import mirstore.store.sql.child
        heavy = {"polars", "numpy", "pandas", "typer", "rich", "pydantic", "pluggy"}
        print(*heavy & {name for name, module in sys.modules.items() if module})
    """
    assert ran(script).strip() == ""


def test_time_for_parsing_counts(store):
    with engines.engine() as one:
        one.read("SELECT 1 WHERE " + " AND ".join(["1=1"] * 3000), timeout=60, memory="1GB")
        assert 0 < one._left < 59.99


def test_a_query_that_fills_a_message_is_refused(store):
    text = "SELECT length('" + "\u00e4" * 9_999_000 + "')"
    assert store.sql(text).item() == 9_999_000
    with pytest.raises(UsageError, match="query has 10,000,001 letters"):
        store.sql("a" * 10_000_001)


def test_too_little_memory_for_the_tables_is_said(store):
    with pytest.raises(QueryStoppedError, match="needs more than 1KB of memory"):
        store.sql("SELECT count(*) FROM tracks", memory="1KB")


@linux
def test_an_answer_that_breaks_off_leaves_nothing_behind(store):
    query = "SELECT CASE WHEN range = 900000 THEN error('too far') ELSE range END AS x FROM range(1000000)"
    for _ in range(3):
        with pytest.raises(UsageError, match="too far"):
            store.sql(query)
    assert not [link for link in Path(f"/proc/{pid()}/fd").iterdir() if "mirstore" in os.readlink(link)]


def test_limits_of_this_process_stay_as_they_are(store):
    before = resource.getrlimit(resource.RLIMIT_DATA), resource.getrlimit(resource.RLIMIT_CORE)
    store.sql("SELECT 1", memory="100MB")
    assert (resource.getrlimit(resource.RLIMIT_DATA), resource.getrlimit(resource.RLIMIT_CORE)) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([quick["a crash"]], "error: the query crashed the database engine (signal 11)\n"),
        (["SELECT list(range) FROM range(500000000)", "--memory", "100MB"], "error: needs more than 100MB of memory\n"),
        ([endless, "--timeout", "0.2"], "error: stopped after 0.2 s\n"),
    ],
    ids=["crash", "memory", "time"],
)
def test_the_command_line_says_it_in_two_lines_and_ends_with_7(store, arguments, message):
    command = [sys.executable, "-m", "mirstore.cli", "--store", str(store.path), "sql", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 7
    first, second = done.stderr.splitlines(keepends=True)
    assert first == message
    assert second.startswith("hint: ")
