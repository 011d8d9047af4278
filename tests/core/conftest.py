"""FFmpeg's command line, which makes files of formats and damages that no library of ours writes."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable

import pytest


@pytest.fixture(scope="session")
def ffmpeg() -> Callable[..., subprocess.CompletedProcess[bytes]]:
    """Run ``ffmpeg`` with these words; what it reads and writes are bytes."""
    program = shutil.which("ffmpeg")
    if program is None:
        pytest.skip("needs FFmpeg's command line: apt-get install ffmpeg")

    def run(*words: object, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        command = [program, "-v", "error", "-y", *map(str, words)]
        return subprocess.run(command, input=given, capture_output=True)

    return run
