"""A kept model's folder: written once, and read only if every byte is what its card says.

``card.json`` names all other files with their SHA-256, and its own is the artifact's name. There are safetensors and
JSON files only, so that nothing in a folder from anywhere can be run. A ``README.md`` may stand beside them for people.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from pydantic import ValidationError

from mirstore.core.artifacts.card import Card, Learned
from mirstore.core.errors import PluginError, StoreError
from mirstore.core.experiments.fitted import Fitted
from mirstore.core.experiments.scaling import Scaling
from mirstore.core.features import normalise
from mirstore.core.models import Model
from mirstore.core.plugins import Plugins
from mirstore.core.resolve import build
from mirstore.core.weights.arrays import from_bytes, to_bytes
from mirstore.core.weights.cache import digest

card_name = "card.json"
readme_name = "README.md"
model_folder = "model"
scaling_name = "scaling.safetensors"


def write(fitted: Fitted, features: Mapping[str, str], folder: Path) -> Learned:
    """Write a fitted model to an empty folder, without its card, and return what decides its predictions.

    Parameters
    ----------
    fitted : Fitted
    features : Mapping of str to str
        Name, as it stands in the columns, to the id of the feature set.
    folder : path

    Raises
    ------
    PluginError
        If the model saves nothing, or anything but safetensors and JSON.
    """
    model, own = fitted.model, folder / model_folder
    own.mkdir()
    model.save(own)
    if not _files(own):
        raise PluginError(f"model {model.name!r} saves nothing", hint=f"mirstore plugins check {model.name}")
    arrays = {"mean": fitted.scaling.mean, "deviation": fitted.scaling.deviation}
    folder.joinpath(scaling_name).write_bytes(to_bytes(arrays))
    files = {}
    for name, path in _files(folder).items():
        try:
            check_is_data(path)
        except ValueError as error:
            raise PluginError(f"model {model.name!r} saves {name}, which {error}", hint="save_state does") from None
        files[name] = digest(path)
    return Learned(
        component=f"{model.name}@{model.version}",
        params=normalise(model.params()),
        features=dict(features),
        columns=fitted.columns,
        tensors=dict(fitted.tensors),
        chunk=fitted.chunk,
        classes=fitted.classes,
        exclusive=fitted.exclusive,
        numeric=fitted.numeric,
        files=files,
    )


def seal(folder: Path, card: Card) -> str:
    """Write the card beside the files that it names, and return the artifact's SHA-256.

    Parameters
    ----------
    folder : path
        Of the files.
    card : Card

    Returns
    -------
    str
        64 hex digits: of the card, which has the hashes of all other files.
    """
    path = folder / card_name
    path.write_text(card.text(), encoding="utf-8")
    return digest(path)


@dataclass(frozen=True)
class Artifact:
    """A kept model whose files are as its card says.

    Attributes
    ----------
    folder : path
    sha256 : str
        Of the card.
    card : Card
    """

    folder: Path
    sha256: str
    card: Card

    @classmethod
    def read(cls, folder: Path, sha256: str | None = None) -> Self:
        """Read a card, and check everything that it names.

        Parameters
        ----------
        folder : path
        sha256 : str, optional
            What the artifact must be; by default what the folder is called, if that is a hash.

        Raises
        ------
        StoreError
            If it is missing, damaged, altered, or holds what could be run.
        """
        try:
            text = folder.joinpath(card_name).read_bytes()
            card = Card.model_validate_json(text)
            found = _files(folder)
        except FileNotFoundError:
            raise _refusal(folder, f"has no {card_name}, so that it is no kept model") from None
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise _refusal(folder, f"{card_name} cannot be read: {where or 'it'}: {first['msg'].lower()}") from None
        except ValueError as error:
            raise _refusal(folder, str(error)) from None
        if sha256 is None and re.fullmatch(r"[0-9a-f]{64}", folder.name):
            sha256 = folder.name
        actual = hashlib.sha256(text).hexdigest()
        if sha256 is not None and actual != sha256:
            raise _refusal(folder, f"{card_name} was altered: its SHA-256 is {actual[:10]}…, not {sha256[:10]}…")
        expected = card.learned.files
        for name in sorted(found.keys() - expected.keys() - {card_name, readme_name}):
            raise _refusal(folder, f"holds {name}, which its card does not name")
        for name, digits in sorted(expected.items()):
            if name not in found:
                raise _refusal(folder, f"{name} is missing")
            if digest(found[name]) != digits:
                raise _refusal(folder, f"{name} was altered: its SHA-256 is not {digits[:10]}…")
            try:
                check_is_data(found[name])
            except ValueError as error:
                raise _refusal(folder, f"{name} {error}") from None
        return cls(folder, actual, card)

    @property
    def names(self) -> list[str]:
        """All files, by their names in the folder."""
        return [card_name, *self.card.learned.files]

    @property
    def bytes(self) -> int:
        """Size of all files."""
        return sum(self.folder.joinpath(name).stat().st_size for name in self.names)

    def model(self, plugins: Plugins) -> Model:
        """Return the model's component with its parameters, and nothing learned yet.

        Parameters
        ----------
        plugins : Plugins

        Raises
        ------
        UnknownNameError, PluginError
            If no plugin that is installed brings it, or only in another version.
        """
        learned = self.card.learned
        kind = plugins.get(Model, learned.name)
        provided = f"{kind.name}@{kind.version}"
        if provided != learned.component:
            raise PluginError(
                f"{self.folder}: was learned by {learned.component}, and the installed plugin provides {provided}",
                hint=f"install the version of the plugin that provides {learned.component}, or train the model again",
            )
        return build(kind, learned.params, f"{self.folder}: params")

    def fitted(self, plugins: Plugins) -> Fitted:
        """Return the model, ready to predict.

        Parameters
        ----------
        plugins : Plugins

        Raises
        ------
        UnknownNameError, PluginError
            As for `model`.
        """
        learned, model = self.card.learned, self.model(plugins).load(self.folder / model_folder)
        scaling = from_bytes(np.fromfile(self.folder / scaling_name, np.uint8))
        return Fitted(
            model,
            Scaling(scaling["mean"], scaling["deviation"]),
            learned.columns,
            learned.tensors,
            learned.classes,
            learned.exclusive,
            learned.numeric,
            learned.chunk,
        )


def check_is_data(path: Path) -> None:
    """Refuse a file that is neither safetensors nor JSON, by its name and by its content.

    Parameters
    ----------
    path : path

    Raises
    ------
    ValueError
        That says of the file what it is not.
    """
    if path.suffix == ".safetensors":
        try:
            from_bytes(np.memmap(path, np.uint8, "r"))
        except ValueError as error:
            raise ValueError(f"is no safetensors file: it {error}") from None
    elif path.suffix == ".json":
        try:
            json.loads(path.read_bytes())
        except (ValueError, RecursionError):
            raise ValueError("is no JSON") from None
    else:
        raise ValueError("is neither safetensors nor JSON: nothing else is kept")


def _files(folder: Path) -> dict[str, Path]:
    """Return the files below a folder, by their names in it.

    Raises
    ------
    ValueError
        If there is anything but files and folders.
    """
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise ValueError(f"holds {name}, which is no file of its own")
        if path.is_file():
            found[name] = path
    return found


def _refusal(folder: Path, problem: str) -> StoreError:
    return StoreError(
        f"kept model {folder}: {problem}", hint="do not use it: train it again, or get it anew from where it came"
    )
