"""However an ingest is ended, what is done stays done and nothing of it goes on running."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from mirstore.store import Store
from mirstore.store.lake.doctor import doctor

rng = np.random.default_rng(440)
command = "from mirstore.cli import main; main()"


@pytest.fixture
def music(tmp_path, make_wav):
    for number in range(200):  # some seconds, or it is done before a loaded machine comes to send the signal
        make_wav(tmp_path / "music" / f"{number}.wav", 0.01 * (number + 1) * rng.uniform(-1, 1, 5000))
    return tmp_path / "music"


@pytest.fixture(autouse=True)
def not_ignored():
    """Whoever runs the tests with nohup ignores SIGHUP, and what they start would, too."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


def start(store, music):
    arguments = ["--store", str(store), "-q", "ingest", str(music), "--features", "slow", "-j", "2"]
    return subprocess.Popen([sys.executable, "-c", command, *arguments], stderr=subprocess.PIPE, stdout=subprocess.PIPE)


def workers() -> list[str]:
    """Return the workers of an ingest, also when it is dead and they are not."""
    listed = subprocess.run(["ps", "-ww", "-A", "-o", "args="], capture_output=True, text=True, check=True).stdout
    here = os.environ["PYTHONPATH"].split(os.pathsep)[0]  # of this test alone; a worker is given its path
    return [line for line in listed.splitlines() if "import serve" in line and here in line]


def wait_for_tracks(process) -> None:
    for _ in range(8):  # on two workers, so that some tracks are done whatever the machine's load
        assert b"slept" in process.stderr.readline()


@pytest.mark.parametrize(
    ("number", "code"),
    [
        pytest.param(signal.SIGINT, 130, id="INT"),
        pytest.param(signal.SIGTERM, 143, id="TERM", marks=pytest.mark.slow),
        pytest.param(signal.SIGHUP, 129, id="HUP", marks=pytest.mark.slow),
    ],
)
def test_a_signal_commits_what_is_done_and_says_how_to_go_on(tmp_path, music, test_plugins, number, code):
    process = start(tmp_path / "store", music)
    wait_for_tracks(process)
    process.send_signal(number)
    process.send_signal(number) if number != signal.SIGINT else None
    _, errors = process.communicate(timeout=60)
    assert process.returncode == code
    said = [line for line in errors.decode().splitlines() if line != "slept"]
    assert said == ["interrupted: what was committed stays; run the same command again to go on"]
    assert workers() == []
    with Store(tmp_path / "store") as store:
        assert 0 < store.features("slow").height < 200
        assert doctor(store) == []


def test_workers_die_with_an_ingest_that_is_killed(tmp_path, music, test_plugins):
    process = start(tmp_path / "store", music)
    wait_for_tracks(process)
    assert workers()
    process.kill()
    process.communicate(timeout=60)
    for _ in range(100):
        if not workers():
            return
        time.sleep(0.1)
    pytest.fail(f"still running: {workers()}")
