"""Decoding for interpreters that cannot: a process of mirstore's own interpreter decodes, mixes and resamples for them.

It is asked in lines of JSON and answers with ``.npy`` files, which are mapped. Every sample is the same, bit for bit,
as where mirstore decodes by itself; `decoder` is None there.
"""

from __future__ import annotations

import json
import os
import queue
import shutil
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

import numpy as np

from mirstore.core.errors import AudioError
from mirstore.core.text import explained

if TYPE_CHECKING:
    from mirstore.core.recording import Audio

variable = "MIRSTORE_DECODER"
"""The environment variable that holds the decoder's command, as JSON, where there is one."""


def command() -> list[str]:
    """Return the command of a decoder that is this interpreter."""
    code = f"import sys; sys.path[:] = {sys.path!r}; from mirstore.core.decoding import serve; serve(sys.argv[1])"
    return [sys.executable, "-u", "-c", code]


@cache
def decoder() -> Decoder | None:
    """Return the decoder process of this interpreter, None if it needs none."""
    text = os.environ.get(variable)
    return Decoder(json.loads(text)) if text else None


def decode(path: Path, *, max_duration: float) -> Audio:
    """Decode a file, here or by the decoder; see `mirstore.core.audio.decode`."""
    if there := decoder():
        return there.decode(path, max_duration)
    from mirstore.core.audio import decode as decode_here

    return decode_here(path, max_duration=max_duration)


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
        self._holds: Callable[[], Audio | None] = lambda: None
        self._lock = threading.RLock()  # an extractor may ask from threads of its own

    def decode(self, path: Path, max_duration: float) -> Audio:
        """Return a file's audio; see `mirstore.core.audio.decode`."""
        from mirstore.core.recording import Audio

        with self._lock:
            told = self._ask({"decode": os.fspath(path), "max_duration": max_duration})
            samples, layout, warnings = _mapped(told["file"]), tuple(told["layout"]), tuple(told["warnings"])
            audio = Audio(samples, told["sr"], told["codec"], told["decoder"], layout, warnings)
            self._holds = weakref.ref(audio)
        return audio

    def resampled(self, audio: Audio, sr: int, *, mono: bool) -> np.ndarray:
        """Return what `Audio.resampled` gives."""
        with self._lock:
            if self._process is None or self._holds() is not audio:
                self._hand_over(audio)
            return _mapped(self._ask({"sr": sr, "mono": mono})["file"])

    def _hand_over(self, audio: Audio) -> None:
        """Have it hold a sound that it did not decode."""
        self._process = self._process or self._start()
        file = self._folder / "sound.npy"
        np.save(file, audio.samples)
        self._ask({"hold": str(file), "rate": audio.sr, "layout": audio.layout})
        self._holds = weakref.ref(audio)

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
                    pipe.close()
            self._process = None
            shutil.rmtree(self._folder, ignore_errors=True)


def _mapped(file: str) -> np.ndarray:
    """Return the array of a file, which goes when the array does."""
    mapped = np.load(file, mmap_mode="r")
    os.unlink(file)
    return mapped.view(np.ndarray)


def serve(folder: str) -> None:
    """Answer requests until the parent is gone: the main loop of the decoder process."""
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # what a library prints must not get between the answers
    requests: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(requests, folder), daemon=True).start()
    held: Audio | None = None
    for number, line in enumerate(iter(requests.get, b"")):
        try:
            held, answer = _answer(json.loads(line), held, Path(folder, f"{number}.npy"))
        except Exception as error:
            name, message = explained(error)
            answer = {"reason": getattr(error, "reason", name), "message": message}
        answers.write(json.dumps(answer).encode() + b"\n")


def _listen(requests: queue.SimpleQueue[bytes], folder: str) -> None:
    """Pass requests on, and end this process with its parent, whatever it is at."""
    for line in sys.stdin.buffer:
        requests.put(line)
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)


def _answer(request: dict[str, Any], held: Audio | None, file: Path) -> tuple[Audio | None, dict[str, Any]]:
    """Return the audio that is held from now on, and the answer."""
    from mirstore.core.audio import decode as decode_here
    from mirstore.core.recording import Audio

    if "decode" in request:
        held = decode_here(Path(request["decode"]), max_duration=request["max_duration"])
        np.save(file, held.samples)
        names = ("sr", "codec", "decoder", "layout", "warnings")
        return held, {"file": str(file), **{name: getattr(held, name) for name in names}}
    if "hold" in request:
        samples = np.load(request["hold"])
        os.unlink(request["hold"])
        return Audio(samples, request["rate"], "", "", tuple(request["layout"])), {}
    assert held is not None  # the parent knows what is held
    np.save(file, held.resampled(request["sr"], mono=request["mono"]))
    return held, {"file": str(file)}
