"""Where weights are kept on this machine, what is there, and reading it: nothing is used whose hash does not fit.

``$MIRSTORE_CACHE/weights/NAME-KEY/`` holds the files and ``card.json``, which says where they came from. A folder
appears whole or not at all.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mirstore.core.cached import cache
from mirstore.core.errors import WeightsError
from mirstore.core.pretrained import UserFile, Weights, card_name, converted_name

if TYPE_CHECKING:
    import numpy as np

    from mirstore.core.components import Component

_block = 1 << 20  # [bytes] that are in memory at once


@dataclass(frozen=True)
class State:
    """Whether weights can be used.

    Attributes
    ----------
    word : str
        ``"present"``, ``"missing"`` or ``"damaged"``.
    message : str
        What is wrong and where; empty if nothing is.
    """

    word: Literal["present", "missing", "damaged"]
    message: str = ""


def folder(weights: Weights) -> Path:
    """Return where weights are kept; other files or another conversion have another folder.

    Parameters
    ----------
    weights : Weights
    """
    return cache() / "weights" / f"{weights.name}-{weights.key}"


def state(weights: Weights) -> State:
    """Look whether weights are there, and at every byte of them.

    Parameters
    ----------
    weights : Weights
    """
    place = folder(weights)
    kept = _kept(weights)
    if kept is None and (place / card_name).exists():
        return State("damaged", f"{place / card_name} cannot be read")
    if kept is None:
        return State("missing", str(place / (converted_name if weights.convert else weights.files[0].name)))
    for name, sha256 in kept.items():
        try:
            found = digest(place / name)
        except FileNotFoundError:
            return State("missing", str(place / name))
        except OSError as error:
            return State("damaged", f"{place / name} cannot be read: {(error.strerror or str(error)).lower()}")
        if found != sha256:
            return State("damaged", f"{place / name} was altered: its SHA-256 is {found[:10]}…, not {sha256[:10]}…")
    return State("present")


def identity(sets: Sequence[Weights]) -> str | None:
    """Return the SHA-256 that stands for weights in the id of what is computed with them, None if there are none.

    That of the only file kept; of several, that of a list of their names and hashes.

    Parameters
    ----------
    sets : sequence of Weights

    Raises
    ------
    WeightsError
        If it is known only from a file that is not there.
    """
    hashes: dict[str, str] = {}
    for weights in sets:
        kept = _kept(weights)
        if kept is None:
            raise _refusal(weights, state(weights))
        hashes |= {f"{weights.name}/{name}": sha256 for name, sha256 in kept.items()}
    if len(hashes) < 2:
        return next(iter(hashes.values()), None)
    lines = "".join(f"{sha256}  {name}\n" for name, sha256 in sorted(hashes.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def path(weights: Weights) -> Path:
    """Return the kept file, or the folder of several; see `Weights.path`.

    Parameters
    ----------
    weights : Weights

    Raises
    ------
    WeightsError
        If they are missing or damaged.
    """
    found = state(weights)
    if found.word != "present":
        raise _refusal(weights, found)
    kept = _kept(weights) or {}
    return folder(weights) / next(iter(kept)) if len(kept) == 1 else folder(weights)


def load(weights: Weights) -> dict[str, np.ndarray]:
    """Return the arrays; see `Weights.load`.

    Parameters
    ----------
    weights : Weights
        That are kept as one safetensors file.

    Raises
    ------
    WeightsError
        If they are missing or damaged.
    TypeError
        If they are kept as anything else.
    """
    import numpy as np

    from mirstore.core.weights.arrays import from_bytes

    kept = _kept(weights)
    if kept is None:
        raise _refusal(weights, state(weights))
    if any(not name.endswith(".safetensors") for name in kept) or len(kept) > 1:
        raise TypeError(f"weights {weights.name!r} are kept as {', '.join(kept)}: read them at path()")
    ((name, sha256),) = kept.items()
    try:
        data = np.fromfile(folder(weights) / name, np.uint8)
    except OSError:
        raise _refusal(weights, state(weights)) from None
    if hashlib.sha256(data.data).hexdigest() != sha256:
        raise _refusal(weights, state(weights))
    try:
        return from_bytes(data)
    except ValueError as error:
        where = f"{folder(weights) / name} is no safetensors file: it {error}"
        raise _refusal(weights, State("damaged", where)) from None


def require(components: Iterable[Component]) -> None:
    """Refuse to begin with components whose weights cannot be used.

    Parameters
    ----------
    components : iterable of Component

    Raises
    ------
    WeightsError
        Naming all that are missing or damaged, with the command that fetches them.
    """
    states = {weights: state(weights) for weights in dict.fromkeys(w for each in components for w in each.uses())}
    lacking = {weights: found for weights, found in states.items() if found.word != "present"}
    refusals = [_refusal(weights, found) for weights, found in lacking.items()]
    if len(refusals) == 1:
        raise refusals[0]
    if refusals:
        names = " ".join(weights.name for weights in lacking)
        raise WeightsError("\n".join(each.message for each in refusals), hint=f"mirstore weights fetch {names}")


def write_card(weights: Weights, place: Path, hashes: Sequence[str]) -> None:
    """Write what is known of the files in a folder beside them.

    Parameters
    ----------
    weights : Weights
    place : path
        The folder, with all of its files.
    hashes : sequence of str
        SHA-256 of the files that they were made of.
    """
    from datetime import UTC, datetime
    from importlib.metadata import version

    kept = {file.name: {"sha256": digest(file), "bytes": file.stat().st_size} for file in sorted(place.iterdir())}
    came = zip(weights.files, hashes, strict=True)
    card = {
        "schema": 1,
        "name": weights.name,
        "text": weights.text,
        "licence": weights.licence,
        "made_of": [{"file": str(file), "sha256": sha256, "bytes": file.bytes} for file, sha256 in came],
        "kept": kept,
        "fetched": datetime.now(UTC).isoformat(timespec="seconds"),
        "mirstore": version("mirstore"),
    }
    (place / card_name).write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def digest(file: Path) -> str:
    """Return the SHA-256 of a file as hex.

    Parameters
    ----------
    file : path
    """
    found = hashlib.sha256()
    with open(file, "rb") as data:
        while block := data.read(_block):  # not hashlib.file_digest, which Python 3.10 lacks
            found.update(block)
    return found.hexdigest()


def _kept(weights: Weights) -> Mapping[str, str] | None:
    """Return file name to SHA-256: as declared where that says it, or else from the card; None if there is no card."""
    if weights.convert is None:
        pinned = {file.name: file.sha256 for file in weights.files if file.sha256 is not None}
        return pinned or _on_card(weights, weights.files[0].name)
    return {converted_name: weights.sha256} if weights.sha256 else _on_card(weights, converted_name)


def _on_card(weights: Weights, name: str) -> dict[str, str] | None:
    try:
        card: Any = json.loads((folder(weights) / card_name).read_bytes())
        return {name: str(card["kept"][name]["sha256"])}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _refusal(weights: Weights, found: State) -> WeightsError:
    """Return the error that names the file and what brings it there."""
    by_hand = f"mirstore weights add {weights.name} FILE"
    users = [file for file in weights.files if isinstance(file, UserFile)]
    if users:
        hint = f"{by_hand}, the file being {', '.join(map(str, users))}"
    else:
        hint = f"mirstore weights fetch {weights.name}, or without a network {by_hand}"
    return WeightsError(f"weights {weights.name!r} are {found.word}: {found.message}", hint=hint)
