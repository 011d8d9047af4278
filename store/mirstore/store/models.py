"""Kept models of a store: found by name or hash, added from a folder, exported, removed."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl

from mirstore.core.artifacts.card import Card
from mirstore.core.artifacts.files import Artifact, readme_name
from mirstore.core.artifacts.readme import readme
from mirstore.core.errors import StoreError, UnknownNameError, UsageError
from mirstore.core.text import counted, is_name, some
from mirstore.store.lake.artifacts import artifact_folder, put
from mirstore.store.lake.latest import latest
from mirstore.store.removal import Removal
from mirstore.store.store import Store

table = "core.artifacts"


@dataclass(frozen=True)
class KeptModel:
    """A kept model as the store knows it.

    Attributes
    ----------
    name : str
    artifact : str
        SHA-256 of its card.
    run : str or None
        The run whose scores are on the card, if it is of this store.
    bytes : int
    folder : path
    card : Card
    """

    name: str
    artifact: str
    run: str | None
    bytes: int
    folder: Path
    card: Card

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        about = {"name": self.name, "artifact": self.artifact, "run": self.run, "bytes": self.bytes}
        return {**about, "folder": str(self.folder), "card": json.loads(self.card.text())}


def find(store: Store, name: str) -> KeptModel:
    """Return the model that was kept last under a name, or whose hash begins so.

    Parameters
    ----------
    store : Store
    name : str
        Or at least four letters of its hash.

    Raises
    ------
    UnknownNameError
        If there is none.
    UsageError
        If the first letters are those of several.
    """
    rows = latest(store.scan(table), "artifact").filter(pl.col("state") == "kept").collect()
    matches = rows.filter(pl.col("name") == name).tail(1)
    if matches.is_empty() and len(name) >= 4:
        matches = rows.filter(pl.col("artifact").str.starts_with(name))
    if matches.is_empty():
        raise UnknownNameError("kept model", name, rows["name"].unique())
    if matches.height > 1:
        several = some(matches["artifact"].to_list())
        raise UsageError(f"{name!r} could be any of {several}", hint="give more of its letters")
    row = matches.to_dicts()[0]
    folder, card = artifact_folder(store.path, row["artifact"]), Card.model_validate_json(row["card"])
    store.home.fetch_folder(folder)
    return KeptModel(row["name"], row["artifact"], row["scored_run"], row["bytes"], folder, card)


def keep(store: Store, artifact: Artifact, name: str, run: str | None = None) -> KeptModel:
    """Copy a model into the store and give it a name; one that is there already gets this name.

    Parameters
    ----------
    store : Store
        Open for writing.
    artifact : Artifact
    name : str
    run : str, optional
        The run that has its scores.

    Raises
    ------
    UsageError
        If it cannot be called so.
    """
    check_name(name)
    row = {
        "artifact": artifact.sha256,
        "name": name,
        "state": "kept",
        "scored_run": run,
        "weights": artifact.card.learned.sha256,
        "card": artifact.card.text(),
        "bytes": artifact.bytes,
        "snapshot": store.snapshot_id,
        "added": datetime.now(UTC).replace(tzinfo=None),
    }
    with store.write(f"keep model {name}") as tx:
        put(store.path, artifact)
        folder = artifact_folder(store.path, artifact.sha256)
        store.home.publish([folder / file for file in artifact.names])
        tx.append(table, [row])
    return find(store, artifact.sha256)


def check_name(name: str) -> None:
    """Refuse a name that could not be typed in a registry.

    Parameters
    ----------
    name : str

    Raises
    ------
    UsageError
    """
    if not is_name(name):
        raise UsageError(f"a model cannot be called {name!r}", hint="lower case letters, digits and single hyphens")


def add(store: Store, source: Path, name: str | None = None) -> KeptModel:
    """Keep a model that another store exported.

    Parameters
    ----------
    store : Store
    source : path
        A folder, or a zip file of one that is stored without compression, as `export` writes it.
    name : str, optional
        By default that of the experiment which taught it.

    Raises
    ------
    StoreError
        If it is damaged or altered, or holds anything but safetensors and JSON.
    """
    with _unpacked(source) as folder:
        artifact = Artifact.read(folder)
        return keep(store, artifact, name or artifact.card.experiment)


@contextmanager
def _unpacked(source: Path) -> Iterator[Path]:
    if source.is_dir():
        yield source
        return
    try:
        with zipfile.ZipFile(source) as file, TemporaryDirectory(prefix="mirstore-") as name:
            if any(member.compress_type != zipfile.ZIP_STORED for member in file.infolist()):
                raise StoreError(f"{source}: is compressed, as no export is", hint="unpack it and give the folder")
            file.extractall(name)  # which leaves no member outside
            try:
                yield Path(name)
            except StoreError as error:  # names what the user gave, and not where it was unpacked
                raise StoreError(error.message.replace(name, str(source)), hint=error.hint) from None
    except FileNotFoundError:
        raise UsageError(f"{source}: no such folder or file", hint="give what mirstore models export wrote") from None
    except zipfile.BadZipFile:
        raise StoreError(
            f"{source}: is neither a folder nor a zip file", hint="mirstore models export writes both"
        ) from None


def export(store: Store, name: str, target: Path) -> KeptModel:
    """Write a model with its card and a page for people to a new folder, or to a file if it ends with ``.zip``.

    Parameters
    ----------
    store : Store
    name : str
        Or at least four letters of its hash.
    target : path
        Nothing may be there.

    Raises
    ------
    UsageError
        If it is there already.
    StoreError
        If the model is damaged.
    """
    found = find(store, name)
    artifact = Artifact.read(found.folder)
    if target.exists() or target.is_symlink():
        raise UsageError(f"{target}: is there already", hint="give another name")
    with TemporaryDirectory(prefix=".export-", dir=_parent(target)) as at:
        whole = Path(at) / "model"
        for each in artifact.names:
            whole.joinpath(each).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(artifact.folder / each, whole / each)
        whole.joinpath(readme_name).write_text(readme(artifact, found.name), encoding="utf-8")
        if target.suffix == ".zip":
            with zipfile.ZipFile(Path(at) / "model.zip", "w", zipfile.ZIP_STORED) as file:
                for each in (readme_name, *artifact.names):
                    file.write(whole / each, each)
            whole = Path(at) / "model.zip"
        whole.rename(target)
    return found


def _parent(target: Path) -> Path:
    if not target.absolute().parent.is_dir():
        raise UsageError(f"{target.parent}: no such folder", hint="make it first")
    return target.absolute().parent


def removal(store: Store, names: Sequence[str]) -> Removal:
    """Return what `remove` would take, for the one who has to agree.

    Parameters
    ----------
    store : Store
    names : sequence of str
        Or at least four letters of their hashes.

    Raises
    ------
    UnknownNameError
        If there is no such model.
    """
    found = {model.artifact: model for model in (find(store, name) for name in names)}
    said = some([f"{model.name} {model.artifact[:10]}" for model in found.values()])
    what = f"{counted(len(found), 'kept model')} ({said})"
    weights = [model.card.learned.sha256 for model in found.values()]
    sets = store.scan("core.feature_sets").filter(pl.col("weights").is_in(weights)).collect()["feature_set"]
    readers = sorted(feature for feature, id_ in store.names().items() if id_ in set(sets))
    if readers:
        what += f"; features {some(readers)} were computed by {'it' if len(found) == 1 else 'them'}, and stay"
    rows = [{"artifact": artifact, "name": model.name} for artifact, model in found.items()]
    return Removal(what, rows, {"models": len(found)})


def remove(store: Store, going: Removal) -> None:
    """Make models disappear; `gc` with ``purge`` erases them.

    Parameters
    ----------
    store : Store
        Open for writing.
    going : Removal
        As `removal` returns it.
    """
    stamp = {"state": "removed", "added": datetime.now(UTC).replace(tzinfo=None)}
    with store.write(f"remove models {', '.join(row['name'] for row in going.rows)}") as tx:
        tx.append(table, [{**row, **stamp} for row in going.rows])
