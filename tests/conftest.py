"""Fixtures that several test folders share."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with test material that is too large for the repository."""
    folder = Path(os.environ.get("MIRSTORE_SHARED", Path(__file__).parents[2] / "shared"))
    if not (folder / "data").is_dir():
        pytest.skip(f"no test material at {folder}: set MIRSTORE_SHARED to the folder that holds data/")
    return folder


@pytest.fixture
def make_wav() -> Callable[..., Path]:
    """Write samples [shape=(n,) or (n, channels)] as a 16-bit wav."""
    import soundfile

    def write(path: Path, samples: np.ndarray, sr: int = 22050) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, samples, sr, subtype="PCM_16")
        return path

    return write
