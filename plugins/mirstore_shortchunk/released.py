"""The network that Hsu et al. released: a pickled torch module, whose arrays are read and whose code is not run.

Pickle runs whatever a file names. This reader knows the names of the layers that such a file has, of which it takes the
arrays, and refuses every other name before anything comes of it. It needs neither the authors' code nor torch to read::

    net = late(read_released("joint-model-all-2500.pkl"))
    probabilities = net(mel, autocorrelation, fourier).softmax(1)  # of `classes`, in their order
"""

from __future__ import annotations

import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from mirstore_shortchunk.fusion import OfBoth

classes = tuple(
    """hard-dance deep-house glitch-hop progressive-big-room electro-big-room trap-future-bass jumpup-drum-and-bass
    progressive-trance uplifting-trance garage-baseline-grime electro-house house psy-trance leftfield-bass
    hip-hop-r-and-b tech-trance minimal-deep-tech progressive-house future-house tech-house
    leftfield-house-and-techno electronica-downtempo liquid-drum-and-bass breaks dance dubstep dub-techno
    reggae-dancehall-dub hardcore-hard-techno jungle-drum-and-bass""".split()
)
"""What the released network tells apart, in the order of what comes out of it."""

_magic = 0x1950A86A20F9469CFC6C  # of torch before 1.6
_dtypes = {"FloatStorage": "<f4", "LongStorage": "<i8"}


class _Layer:
    """Stands for a layer: it has what the file says of it, and does nothing."""


@dataclass(frozen=True)
class _Storage:
    """Where numbers lie in a file, one after the other."""

    key: str
    dtype: str


class _Array:
    """Stands for a tensor: which numbers of a storage it has."""

    def __init__(self, storage: _Storage, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any) -> None:
        self.storage, self.offset, self.size, self.stride = storage, offset, size, stride


class _Parameter:
    """Stands for a tensor that is learned."""

    def __init__(self, array: _Array, *_: Any) -> None:
        self.array = array


class _Ignored:
    """Stands for what says nothing of the weights: a device, a backend, a set."""

    def __init__(self, *_: Any) -> None: ...


_known: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _Array,
    ("torch._utils", "_rebuild_parameter"): _Parameter,
    ("torch", "device"): _Ignored,
    ("torch.nn.backends.thnn", "_get_thnn_function_backend"): _Ignored,  # of torch before 1.5
    ("builtins", "set"): _Ignored,
    ("__builtin__", "set"): _Ignored,
    ("torch.nn.parallel.data_parallel", "DataParallel"): _Layer,
    ("model", "Joint_ShortChunkCNN_Res"): _Layer,
    ("modules", "Res_2d"): _Layer,
    **{("torch", name): dtype for name, dtype in _dtypes.items()},
    **{("torch.nn.modules.conv", name): _Layer for name in ("Conv1d", "Conv2d")},
    **{("torch.nn.modules.batchnorm", name): _Layer for name in ("BatchNorm1d", "BatchNorm2d")},
    **{("torch.nn.modules.pooling", name): _Layer for name in ("AvgPool1d", "MaxPool1d")},
    ("torch.nn.modules.linear", "Linear"): _Layer,
    ("torch.nn.modules.dropout", "Dropout"): _Layer,
    ("torch.nn.modules.activation", "ReLU"): _Layer,
}


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file)
        self.storages: dict[_Storage, None] = {}  # in their order

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _known:
            raise ValueError(f"it names {module}.{name}, which no released network has: it is not read")
        return _known[module, name]

    def persistent_load(self, pid: Any) -> Any:
        """Return the layer of a class that comes with its source, or the type and the key of a storage."""
        match pid:
            case ("module", kind, *_):
                return kind
            case ("storage", str() as dtype, str() as key, *_) if dtype in _dtypes.values():
                self.storages[found := _Storage(key, dtype)] = None
                return found
        raise ValueError("it is no torch file that this reader knows")


def read_released(path: str | Path) -> dict[str, np.ndarray]:
    """Return the arrays of the released network of late fusion, by the names that `OfBoth` gives them.

    Parameters
    ----------
    path : str or path
        ``joint-model-all-2500.pkl``, as torch wrote it before version 1.6 or since.

    Raises
    ------
    ValueError
        If it is no such file, names what the network does not have, or is another network.
    """
    try:
        theirs = dict(_arrays(Path(path)))
    except (pickle.UnpicklingError, zipfile.BadZipFile, EOFError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path}: is no pickled torch module that can be read: {error}") from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    try:
        found = {ours: theirs.pop(name) for ours, name in _names().items()}
    except KeyError as error:
        raise ValueError(f"{path}: has no array {error}: it is another network's") from None
    if unknown := sorted(name for name in theirs if not name.startswith(_without_effect)):
        raise ValueError(f"{path}: has arrays of another network: {', '.join(unknown)}")
    return found


def late(arrays: Mapping[str, np.ndarray]) -> OfBoth:
    """Return the released network, ready to say logits of `classes`.

    Its arguments are a mel-spectrogram, 128 by 200, an autocorrelation tempogram, 384 by 50, and a Fourier tempogram,
    193 by 50, each with an axis of chunks before. The authors give it power, not decibels, and the real part of the
    Fourier tempogram; from each tensor of a whole track its mean is taken, and it is divided by its deviation.

    Parameters
    ----------
    arrays : Mapping of str to np.ndarray
        As `read_released` returns them.
    """
    import torch

    from mirstore_shortchunk.fusion import OfBoth
    from mirstore_shortchunk.tempo import Released

    net = OfBoth(len(arrays["head.4.bias"]), Released((384, 193)), len(arrays["trunk.0.first.0.bias"]))
    net.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})
    return net.eval()


_without_effect = tuple(f"module.{name}." for name in ("conv1d_1", "conv1d_2", "conv1d_3", "conv1d_4", "bn_1"))
_norm = ("weight", "bias", "running_mean", "running_var")


def _names() -> dict[str, str]:
    """Return our name of each array to theirs."""
    layers = {"tempo.squeezed.0": "conv1d_w", "head.0": "dense1", "head.4": "dense2"}
    norms = {"tempo.squeezed.1": "bn_w", "head.1": "bn"}
    for block in range(7):
        for number, part in enumerate(("first", "second", "beside"), 1):
            layers[f"trunk.{block}.{part}.0"] = f"layer{block + 1}.conv_{number}"
            norms[f"trunk.{block}.{part}.1"] = f"layer{block + 1}.bn_{number}"
    found = {f"{ours}.{kind}": f"module.{name}.{kind}" for ours, name in layers.items() for kind in _norm[:2]}
    return found | {f"{ours}.{kind}": f"module.{name}.{kind}" for ours, name in norms.items() for kind in _norm}


def _arrays(path: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the arrays of a pickled module, by their names."""
    module, storages = _zipped(path) if zipfile.is_zipfile(path) else _in_a_row(path)
    for name, array in _named(module, ""):
        if array.size:  # counters of batches have no axis
            yield name, _laid_out(array, storages[array.storage])


def _named(layer: _Layer, prefix: str) -> Iterator[tuple[str, _Array]]:
    has = vars(layer)
    for name, found in {**has["_parameters"], **has["_buffers"]}.items():
        array = found.array if isinstance(found, _Parameter) else found
        if isinstance(array, _Array):
            yield f"{prefix}{name}", array
    for name, inner in has["_modules"].items():
        yield from _named(inner, f"{prefix}{name}.")


def _laid_out(array: _Array, storage: np.ndarray) -> np.ndarray:
    """Return an array of its own, if all its numbers are in its storage."""
    last = array.offset + sum((n - 1) * step for n, step in zip(array.size, array.stride, strict=True))
    if min(array.offset, *array.size, *array.stride) < 0 or last >= len(storage):
        raise ValueError("an array is larger than what is in the file")
    steps = [step * storage.itemsize for step in array.stride]
    return np.lib.stride_tricks.as_strided(storage[array.offset :], array.size, steps).copy()


def _zipped(path: Path) -> tuple[_Layer, dict[_Storage, np.ndarray]]:
    """Return the module of a file as torch writes it since 1.6: a zip file with a file of each storage."""
    with zipfile.ZipFile(path) as file:
        top = next((name for name in file.namelist() if name.endswith("data.pkl")), "data.pkl").removesuffix("data.pkl")
        reader = _Unpickler(file.open(f"{top}data.pkl"))
        module = reader.load()
        read = {storage: file.read(f"{top}data/{storage.key}") for storage in reader.storages}
    return module, {storage: np.frombuffer(content, storage.dtype) for storage, content in read.items()}


def _in_a_row(path: Path) -> tuple[_Layer, dict[_Storage, np.ndarray]]:
    """Return the module of a file as torch wrote it before 1.6: pickles, and then each storage behind its length."""
    with path.open("rb") as file:
        if _Unpickler(file).load() != _magic:
            raise ValueError("it is no torch file")
        for _ in ("version", "about the machine"):
            _Unpickler(file).load()
        reader = _Unpickler(file)
        module, order = reader.load(), _Unpickler(file).load()
        known = {storage.key: storage for storage in reader.storages}
        found = {}
        for storage in map(known.__getitem__, order):
            length = int.from_bytes(file.read(8), "little")
            found[storage] = np.frombuffer(file.read(length * np.dtype(storage.dtype).itemsize), storage.dtype)
    return module, found
