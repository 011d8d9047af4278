"""From CTranslate2's file of Whisper's weights to the names and shapes of OpenAI's own network."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

_types = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}
Arrays = dict[str, np.ndarray]


def read(paths: Sequence[Path]) -> Arrays:
    """Return the tensors by OpenAI's names, with ``dims`` of `ModelDimensions` and ``alignment_heads``.

    Parameters
    ----------
    paths : sequence of path
        ``config.json`` and ``model.bin``.

    Raises
    ------
    ValueError
        If they hold another network than Whisper's.
    """
    config = json.loads(Path(paths[0]).read_text())
    return openai(dict(_variables(Path(paths[1]).read_bytes()))) | {
        "alignment_heads": np.array(config["alignment_heads"], np.int32)
    }


def _variables(data: bytes) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the variables of a file of version 6."""
    at = 0

    def take(form: str) -> int:
        nonlocal at
        (value,) = struct.unpack_from(form, data, at)
        at += struct.calcsize(form)
        return int(value)

    def text() -> str:
        nonlocal at
        size = take("<H")
        at += size
        return data[at - size : at - 1].decode()

    version, spec, _, count = take("<I"), text(), take("<I"), take("<I")
    if version != 6 or spec != "WhisperSpec":
        raise ValueError(f"holds {spec} in version {version}, not WhisperSpec in version 6")
    for _ in range(count):
        name, rank = text(), take("<B")
        shape = [take("<I") for _ in range(rank)]
        kind, size = _types[take("<B")], take("<I")
        yield name, np.frombuffer(data, kind, size // np.dtype(kind).itemsize, at).reshape(shape)
        at += size


def openai(variables: Arrays) -> Arrays:
    """Return the tensors of a network under the names that OpenAI's has.

    Parameters
    ----------
    variables : dict of str to np.ndarray
        As CTranslate2 names them: one matrix for query, key and value.

    Raises
    ------
    ValueError
        If keys have a bias, for which OpenAI's network has no place.
    """
    found: Arrays = {}
    for name, value in variables.items():
        if name.startswith(("encoder/", "decoder/")) and value.ndim:
            found.update(_renamed(name, value))
    count = {side: 1 + max(int(k.split(".")[2]) for k in found if k.startswith(f"{side}.blocks")) for side in _sides}
    state, mels = found["encoder.conv1.weight"].shape[:2]
    heads = [int(variables[f"{side}/num_heads"]) for side in _sides]
    audio, written = found["encoder.positional_embedding"], found["decoder.positional_embedding"]
    vocabulary = found["decoder.token_embedding.weight"].shape[0]
    sizes = mels, len(audio), state, heads[0], count["encoder"], vocabulary, len(written), state, heads[1]
    return found | {"dims": np.array([*sizes, count["decoder"]], np.int32)}


_sides = ("encoder", "decoder")
_plain = {
    "position_encodings/encodings": "positional_embedding",
    "embeddings/weight": "token_embedding.weight",
}


def _renamed(name: str, value: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    side, _, rest = name.partition("/")
    rest = rest.replace("gamma", "weight").replace("beta", "bias")
    if rest.startswith("layer_norm/"):
        yield f"{side}.{'ln_post' if side == 'encoder' else 'ln'}.{rest.split('/')[1]}", value
    elif rest.startswith("conv"):
        yield f"{side}.{rest.replace('/', '.')}", value
    elif rest.startswith("layer_"):
        layer, part, *inner = rest.split("/")
        block = f"{side}.blocks.{layer.removeprefix('layer_')}"
        yield from _in_block(block, part, inner, value)
    elif rest in _plain:
        yield f"{side}.{_plain[rest]}", value


def _in_block(block: str, part: str, inner: list[str], value: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Yield what a variable of a layer is: of a feed-forward part, of attention to itself or to what was heard."""
    if part == "ffn":
        place = {"layer_norm": "mlp_ln", "linear_0": "mlp.0", "linear_1": "mlp.2"}[inner[0]]
        yield f"{block}.{place}.{inner[1]}", value
        return
    kind = "attn" if part == "self_attention" else "cross_attn"
    if inner[0] == "layer_norm":
        yield f"{block}.{kind}_ln.{inner[1]}", value
        return
    stacked = {
        ("attn", "linear_0"): ("query", "key", "value"),
        ("attn", "linear_1"): ("out",),
        ("cross_attn", "linear_0"): ("query",),
        ("cross_attn", "linear_1"): ("key", "value"),
        ("cross_attn", "linear_2"): ("out",),
    }[kind, inner[0]]
    for what, each in zip(stacked, np.split(value, len(stacked)), strict=True):
        if what == "key" and inner[1] == "bias":
            if each.any():
                raise ValueError(f"{block}: keys have a bias, for which OpenAI's network has no place")
            continue
        yield f"{block}.{kind}.{what}.{inner[1]}", each
