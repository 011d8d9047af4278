"""The main loop of a decoder process: what `mirstore.core.decoding` starts and asks."""

from __future__ import annotations

import json
import os
import queue
import shutil
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np

from mirstore.core.audio import decode
from mirstore.core.recording import Audio
from mirstore.core.text import explained


def serve(folder: str) -> None:
    """Answer requests until the parent is gone.

    Parameters
    ----------
    folder : str
        Where the samples are put that answers name.
    """
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
    if "decode" in request:
        held = decode(Path(request["decode"]), max_duration=request["max_duration"])
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
