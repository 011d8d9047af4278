"""Making weights beside their place: one process at a time, whole or not at all.

Files are gathered in a folder, looked at, converted if need be, and moved to their place in one step.
"""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from mirstore.core.cached import cache
from mirstore.core.errors import WeightsError
from mirstore.core.events import Event, Progress
from mirstore.core.pretrained import File, WebFile, Weights, converted_name
from mirstore.core.weights.cache import digest, folder, state, write_card
from mirstore.core.weights.convert import convert


def part(weights: Weights, name: str) -> Path:
    """Return a folder beside the place of the weights, where they are made.

    Parameters
    ----------
    weights : Weights
    name : str
        Of the folder.
    """
    place = folder(weights)
    return place.with_name(f".{place.name}.part") / name


def gathered(weights: Weights, file: File) -> Path:
    """Return where a file is put when it comes: all in one folder, as some formats want it.

    Parameters
    ----------
    weights : Weights
    file : WebFile, WheelFile or UserFile
    """
    fetched = part(weights, "fetched")
    fetched.mkdir(parents=True, exist_ok=True)
    return fetched / file.name


def make(weights: Weights, gather: Callable[[Weights], Iterator[Event]], *, anew: bool = False) -> Iterator[Event]:
    """Gather the files of weights and keep what they come to, while no other process does the same.

    Parameters
    ----------
    weights : Weights
    gather : callable
        Puts the files where `gathered` says.
    anew : bool
        Also if they are present.

    Raises
    ------
    WeightsError
        If a file is not the declared one, or they cannot be converted or kept.
    """
    with _usable_cache(weights), _lock(weights) as lock:
        yield from _wait(lock)
        if anew or state(weights).word != "present":
            yield from gather(weights)
            yield from _keep(weights)


@contextmanager
def _usable_cache(weights: Weights) -> Iterator[None]:
    """Make the folder of all; say of a disk that is full, or a folder that cannot be written, what to do."""
    try:
        folder(weights).parent.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        shutil.rmtree(part(weights, ""), ignore_errors=True)  # a full disk must not stay full
        raise WeightsError(
            f"weights {weights.name!r} cannot be kept in {cache()}: {(error.strerror or str(error)).lower()}",
            hint="make room or give permission there, or set MIRSTORE_CACHE to another folder",
        ) from None


def _lock(weights: Weights) -> IO[str]:
    """Open what one process at a time may lock; closing it releases the lock."""
    place = folder(weights)
    return open(place.with_name(f".{place.name}.lock"), "a")


def _wait(lock: IO[str]) -> Iterator[Event]:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        yield Progress("wait", 0, 1)
        fcntl.flock(lock, fcntl.LOCK_EX)


def _keep(weights: Weights) -> Iterator[Event]:
    """Move what was gathered to its place, converted; before that nothing but the hash function reads it."""
    files = [gathered(weights, file) for file in weights.files]
    for file, path in zip(weights.files, files, strict=True):
        if problem := _problem(file, path):
            shutil.rmtree(part(weights, ""))
            theirs = "damaged on the way, altered, or replaced by its makers: try again, or ask the plugin's author"
            yours = "save its arrays with safetensors.torch.save_file, or as the plugin's page says"
            own = file.sha256 is None and not isinstance(file, WebFile)
            raise WeightsError(f"{file} is refused: {problem}", hint=yours if own else theirs)
    hashes = [file.sha256 or digest(path) for file, path in zip(weights.files, files, strict=True)]
    made = part(weights, "made")
    for left in (made, made.with_name("old")):  # by a fetch that was killed
        shutil.rmtree(left, ignore_errors=True)
    made.mkdir()
    if weights.convert is None:
        for path in files:
            path.rename(made / path.name)
    else:
        yield Progress("convert", 0, 1)
        for _ in convert(weights, files, made / converted_name):
            yield Progress("convert", 0, 1)
        _compare(weights, made / converted_name)
    write_card(weights, made, hashes)
    _put(made, folder(weights))
    shutil.rmtree(part(weights, ""), ignore_errors=True)
    yield Progress("convert", 1, 1)


def _problem(file: File, path: Path) -> str | None:
    """Return why a file is not the declared one, None if it is."""
    if isinstance(file, WebFile) and file.sha256 is None:  # more than its size is for convert to check
        size = path.stat().st_size
        return None if size == file.bytes else f"it has {size:,} bytes, not {file.bytes:,}"
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
