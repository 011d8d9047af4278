"""Omnizart's chord network and the plugin that hears for it: out of its wheel, and from its releases.

The wheel has the network's graph and an index of its numbers, but not the numbers. Nobody has published a hash of the
file that has them. The index, which is pinned, knows its size and the CRC-32C of each of its 106 tensors: that is how
it is checked when it comes. From then on the SHA-256 of what was kept counts, as for all weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from mirstore.core import WebFile, Weights, WheelFile
from mirstore_omnizart.network import lay_out, places, tensorflow

_release = "https://github.com/Music-and-Culture-Technology-Lab/omnizart/releases/download/checkpoints-20211001/"
_checkpoint = "omnizart/checkpoints/chord/chord_v1"


def checked(paths: Sequence[Path]) -> dict[str, np.ndarray]:
    """Return the bytes of the files by their places, after every tensor was compared with its checksum in the index.

    Parameters
    ----------
    paths : sequence of three path
        In the order of `places`.

    Raises
    ------
    ValueError
        If one differs.
    """
    files = {place: np.fromfile(path, np.uint8) for place, path in zip(places, paths, strict=True)}
    with TemporaryDirectory() as folder:
        lay_out(files, Path(folder))
        reader = tensorflow().compat.v1.train.NewCheckpointReader(f"{folder}/variables/variables")
        for name in reader.get_variable_to_shape_map():
            try:
                reader.get_tensor(name)  # compares checksums
            except tensorflow().errors.OpError as error:
                raise ValueError(f"the numbers are not those of Omnizart's index: {name} is damaged") from error
    return files


omnizart_chord = Weights(
    "omnizart-chord",
    "the chord network of Omnizart: major and minor chords",
    "MIT, (c) 2020 MCTLab: the licence of the package; of the numbers it says nothing apart",
    (
        WheelFile(
            "omnizart==0.6.0",
            f"{_checkpoint}/saved_model.pb",
            sha256="489a3db29d528d67d1b7743a0301a4ab81f0803bfcbb0e819615eb64ec67203b",
            bytes=23_098_326,
        ),
        WheelFile(
            "omnizart==0.6.0",
            f"{_checkpoint}/variables/variables.index",
            sha256="53f92abf20d490772adba0d21582f90de41321f49ce58c90d4e5b80f23c9c892",
            bytes=7_129,
        ),
        WebFile(f"{_release}chord_v1@variables.data-00000-of-00001", sha256=None, bytes=44_242_072),
    ),
    convert=checked,
)

omnizart_chroma = Weights(
    "omnizart-chroma",
    "NNLS-Chroma, the Vamp plugin that Omnizart's chord network hears by; for Linux on x86-64",
    "GPL-2 or later, by Matthias Mauch",
    (
        WheelFile(
            "omnizart==0.6.0",
            "omnizart/resource/vamp/nnls-chroma.so",
            sha256="022f18b7a0b922161bba5f292b916482fd04d9bad4c875292d25c141f98c7d99",
            bytes=1_215_403,
        ),
    ),
)
