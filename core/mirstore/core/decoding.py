"""Decoding for interpreters that cannot: a process of mirstore's own interpreter decodes, mixes and resamples for them.

It is asked in lines of JSON and answers with ``.npy`` files, which are mapped. Every sample is the same, bit for bit,
as where mirstore decodes by itself; `decoder` is None there.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np

from mirstore.core.errors import AudioError

variable = "MIRSTORE_DECODER"
"""The environment variable that holds the decoder's command, as JSON, where there is one."""


def command() -> list[str]:
    """Return the command of a decoder that is this interpreter."""
    code = (
        f"import sys; sys.path[:] = {sys.path!r}; from mirstore.core.decoding_process import serve; serve(sys.argv[1])"
    )
    return [sys.executable, "-u", "-c", code]


@cache
def decoder() -> Decoder | None:
    """Return the decoder process of this interpreter, None if it needs none."""
    text = os.environ.get(variable)
    return Decoder(json.loads(text)) if text else None


class Decoder:
    """The decoder process, as its parent sees it: started when it is needed, and again after it died.

    Parameters
    ----------
    command : sequence of str
        Starts it; its folder is added as the last argument.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._command = list(command)
        self._process: subprocess.Popen[bytes] | None = None
        self._folder = Path()
        self._holds: Callable[[], np.ndarray | None] = lambda: None
        self._lock = threading.RLock()  # an extractor may ask from threads of its own

    def decode(self, path: Path, max_duration: float) -> dict[str, Any]:
        """Return the fields of a file's `Audio`; see `mirstore.core.audio.decode`.

        Parameters
        ----------
        path : path
        max_duration : float > 0 [s]
            Longer audio is refused.
        """
        with self._lock:
            told = self._ask({"decode": os.fspath(path), "max_duration": max_duration})
            samples = _mapped(told.pop("file"))
            self._holds = weakref.ref(samples)
        return {"samples": samples, **told, "layout": tuple(told["layout"]), "warnings": tuple(told["warnings"])}

    def resampled(self, samples: np.ndarray, sr: int, layout: Sequence[str], to: int, *, mono: bool) -> np.ndarray:
        """Return samples [shape=(channels, n)] of rate ``sr`` [Hz] as `Audio.resampled` gives them.

        Parameters
        ----------
        samples : np.ndarray [shape=(channels, n), dtype=float32]
        sr : int > 0 [Hz]
        layout : sequence of str
            Names of the channels.
        to : int > 0 [Hz]
            The rate that is wanted.
        mono : bool
            Mix all channels down.
        """
        with self._lock:
            if self._process is None or self._holds() is not samples:
                self._hand_over(samples, sr, layout)
            return _mapped(self._ask({"sr": to, "mono": mono})["file"])

    def _hand_over(self, samples: np.ndarray, sr: int, layout: Sequence[str]) -> None:
        """Have it hold a sound that it did not decode."""
        self._process = self._process or self._start()
        file = self._folder / "sound.npy"
        np.save(file, samples)
        self._ask({"hold": str(file), "rate": sr, "layout": list(layout)})
        self._holds = weakref.ref(samples)

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        self._process = process = self._process or self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps(request).encode() + b"\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except OSError:  # it is dead already
            line = b""
        except BaseException:  # time is up: its answer must not be taken for the next one's
            self.end()
            raise
        if not line:
            self.end()
            raise AudioError("crashed", "the process that decodes died: a crash in native code, or out of memory")
        answer: dict[str, Any] = json.loads(line)
        if "reason" in answer:
            raise AudioError(answer["reason"], answer["message"])
        return answer

    def _start(self) -> subprocess.Popen[bytes]:
        self._folder, self._holds = Path(mkdtemp(prefix="mirstore-decoder-")), lambda: None
        return subprocess.Popen(
            [*self._command, str(self._folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={name: value for name, value in os.environ.items() if name != variable},  # it needs no decoder itself
            start_new_session=True,  # so that it outlives a worker that is killed, and takes its folder with it
        )

    def end(self) -> None:
        """End the process and remove its folder."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    with suppress(OSError):  # a request that it did not live to read
                        pipe.close()
            self._process = None
            shutil.rmtree(self._folder, ignore_errors=True)


def _mapped(file: str) -> np.ndarray:
    """Return the array of a file, which goes when the array does."""
    mapped = np.load(file, mmap_mode="r")
    os.unlink(file)
    return mapped.view(np.ndarray)
