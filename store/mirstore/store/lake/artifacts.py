"""Kept models in immutable, content-addressed folders beside the tables."""

from __future__ import annotations

import shutil
from pathlib import Path

from mirstore.core.artifacts.files import Artifact
from mirstore.store.lake.connect import fsync, keep


def artifact_folder(store: Path, sha256: str) -> Path:
    """Return where a kept model lies in a store's folder.

    Parameters
    ----------
    store : path
        The store's folder.
    sha256 : str
        Of the model.
    """
    return store / "artifacts" / sha256


def put(store: Path, artifact: Artifact) -> None:
    """Copy a kept model into a store, on disk for good before this returns; the caller holds the lock.

    It appears whole or not at all.

    Parameters
    ----------
    store : path
        The store's folder.
    artifact : Artifact

    Raises
    ------
    StoreError
        If it changes while it is copied.
    """
    target = artifact_folder(store, artifact.sha256)
    if target.exists():
        return
    part = target.with_name(f".{artifact.sha256}.part")
    if part.exists():
        shutil.rmtree(part)  # of a process that was killed
    for name in artifact.names:
        part.joinpath(name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(artifact.folder / name, part / name, follow_symlinks=False)
    Artifact.read(part, artifact.sha256)
    keep([part / name for name in artifact.names], part)
    part.rename(target)
    for folder in (target.parent, store):
        fsync(folder)
