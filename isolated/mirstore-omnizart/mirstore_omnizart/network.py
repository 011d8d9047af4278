"""Omnizart's network, a SavedModel that TensorFlow runs, and what goes into it.

Its attention layers draw the encodings of relative positions anew at each call, at random, since they were never made
variables: the same track would have other chords each time. Here they are what they are on average, 0.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

import numpy as np

context, steps = 21, 100  # frames around each frame; frames of a sequence
_batch = 32  # sequences

places = ("saved_model.pb", "variables/variables.index", "variables/variables.data-00000-of-00001")
"""Where the files of a network lie in its folder."""


@cache
def tensorflow() -> ModuleType:
    """Return TensorFlow, quiet and on one thread: as many workers run as there are cores."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow as library

    library.config.threading.set_intra_op_parallelism_threads(1)
    library.config.threading.set_inter_op_parallelism_threads(1)
    return library


class Network:
    """A chord network of Omnizart's.

    Parameters
    ----------
    files : Mapping of str to np.ndarray [dtype=uint8]
        Its bytes by `places`.
    """

    def __init__(self, files: Mapping[str, np.ndarray]) -> None:
        graph = np.frombuffer(settled(files[places[0]].tobytes()), np.uint8)
        with TemporaryDirectory() as folder:
            lay_out({**files, places[0]: graph}, Path(folder))
            self.model = tensorflow().saved_model.load(folder)
        self.answer: Any = self.model.signatures["serving_default"]

    def __call__(self, chroma: np.ndarray) -> np.ndarray:
        """Return how probable each chord is in each frame [shape=(frames, 26)]: 12 major, 12 minor, none, unknown.

        Parameters
        ----------
        chroma : np.ndarray [shape=(frames, 24), dtype=float32]
            Bass and treble.
        """
        x = sequences(chroma)
        logits = [self._logits(x[at : at + _batch]) for at in range(0, len(x), _batch)]
        each = np.concatenate(logits).reshape(len(x) * steps, -1)[: len(chroma)]
        likely = np.exp(each - each.max(axis=1, keepdims=True))
        return likely / likely.sum(axis=1, keepdims=True)

    def _logits(self, batch: np.ndarray) -> np.ndarray:
        # The graph takes the batch's axis for a superfluous one if it has one sequence only, and fails.
        two = np.concatenate([batch, np.zeros_like(batch)]) if len(batch) == 1 else batch
        return np.asarray(self.answer(input_1=tensorflow().constant(two))["output_3"])[: len(batch)]


def settled(graph: bytes) -> bytes:
    """Return a graph whose random encodings of positions are 0.

    Parameters
    ----------
    graph : bytes
        ``saved_model.pb``.
    """
    zero = tensorflow().make_tensor_proto(0.0)
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    model = SavedModel.FromString(graph)
    for function in model.meta_graphs[0].graph_def.library.function:
        for node in function.node_def:
            if node.op == "Const" and re.search(r"/random_uniform(_\d+)?/(min|max)$", node.name):
                node.attr["value"].tensor.CopyFrom(zero)
    return bytes(model.SerializeToString())


def lay_out(files: Mapping[str, np.ndarray], folder: Path) -> None:
    """Write the files of a network where TensorFlow looks for them.

    Parameters
    ----------
    files : Mapping of str to np.ndarray [dtype=uint8]
        By their places.
    folder : path
    """
    for place, content in files.items():
        (folder / place).parent.mkdir(exist_ok=True)
        content.tofile(folder / place)


def sequences(chroma: np.ndarray) -> np.ndarray:
    """Return frames with their context, in sequences that are filled up with zeros [shape=(n, 100, 504)].

    Parameters
    ----------
    chroma : np.ndarray [shape=(frames, 24), dtype=float32]
    """
    around = np.pad(chroma, ((context // 2, context // 2), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(around, context, axis=0)  # (frames, 24, 21)
    each = windows.transpose(0, 2, 1).reshape(len(chroma), -1)
    return np.pad(each, ((0, -len(each) % steps), (0, 0))).reshape(-1, steps, each.shape[1])
