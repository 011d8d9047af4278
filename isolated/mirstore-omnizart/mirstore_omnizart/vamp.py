"""A host for one Vamp plugin: its library is called by its C interface (vamp.h, version 2), so nothing is compiled.

The plugin gets the spectrum of each frame, as it asks for, and gives what it has gathered when all frames were there.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Mapping
from ctypes import CFUNCTYPE, POINTER, c_char_p, c_float, c_int, c_uint, c_void_p
from pathlib import Path

import numpy as np

_spectra = 1  # the kind of input


class _Feature(ctypes.Structure):
    _fields_ = [
        ("has_timestamp", c_int),
        ("sec", c_int),
        ("nsec", c_int),
        ("count", c_uint),
        ("values", POINTER(c_float)),
        ("label", c_char_p),
    ]


class _FeatureList(ctypes.Structure):
    _fields_ = [("count", c_uint), ("features", POINTER(_Feature))]


class _Parameter(ctypes.Structure):
    _fields_ = [("identifier", c_char_p)]  # and more, which is not read


class _Output(ctypes.Structure):
    _fields_ = [("identifier", c_char_p)]  # and more, which is not read


class _Plugin(ctypes.Structure):
    _fields_ = [
        ("api_version", c_uint),
        ("identifier", c_char_p),
        ("name", c_char_p),
        ("description", c_char_p),
        ("maker", c_char_p),
        ("version", c_int),
        ("copyright", c_char_p),
        ("parameter_count", c_uint),
        ("parameters", POINTER(POINTER(_Parameter))),
        ("program_count", c_uint),
        ("programs", POINTER(c_char_p)),
        ("input_domain", c_int),
        ("instantiate", CFUNCTYPE(c_void_p, c_void_p, c_float)),
        ("cleanup", CFUNCTYPE(None, c_void_p)),
        ("initialise", CFUNCTYPE(c_int, c_void_p, c_uint, c_uint, c_uint)),
        ("reset", CFUNCTYPE(None, c_void_p)),
        ("get_parameter", CFUNCTYPE(c_float, c_void_p, c_int)),
        ("set_parameter", CFUNCTYPE(None, c_void_p, c_int, c_float)),
        ("get_program", CFUNCTYPE(c_uint, c_void_p)),
        ("select_program", CFUNCTYPE(None, c_void_p, c_uint)),
        ("get_step", CFUNCTYPE(c_uint, c_void_p)),
        ("get_block", CFUNCTYPE(c_uint, c_void_p)),
        ("get_min_channels", CFUNCTYPE(c_uint, c_void_p)),
        ("get_max_channels", CFUNCTYPE(c_uint, c_void_p)),
        ("get_output_count", CFUNCTYPE(c_uint, c_void_p)),
        ("get_output", CFUNCTYPE(POINTER(_Output), c_void_p, c_uint)),
        ("release_output", CFUNCTYPE(None, POINTER(_Output))),
        ("process", CFUNCTYPE(POINTER(_FeatureList), c_void_p, POINTER(POINTER(c_float)), c_int, c_int)),
        ("get_remaining", CFUNCTYPE(POINTER(_FeatureList), c_void_p)),
        ("release", CFUNCTYPE(None, POINTER(_FeatureList))),
    ]


def collect(
    library: Path, plugin: str, output: str, parameters: Mapping[str, float], x: np.ndarray, sr: int
) -> np.ndarray:
    """Return what a plugin says of a signal when it has heard all of it [shape=(frames, values), dtype=float32].

    Parameters
    ----------
    library : path
        That holds the plugin.
    plugin, output : str
        Their identifiers.
    parameters : Mapping of str to float
        Others have their defaults.
    x : np.ndarray [shape=(n,), dtype=float32]
    sr : int [Hz]

    Raises
    ------
    OSError
        If the library is for another kind of machine.
    """
    made = _find(ctypes.CDLL(str(library)), plugin)
    instance = made.instantiate(ctypes.addressof(made), sr)
    try:
        return _run(made, instance, output, parameters, x, sr)
    finally:
        made.cleanup(instance)


def _run(
    made: _Plugin, instance: int, output: str, parameters: Mapping[str, float], x: np.ndarray, sr: int
) -> np.ndarray:
    known = [made.parameters[at].contents.identifier.decode() for at in range(made.parameter_count)]
    for name, value in parameters.items():
        made.set_parameter(instance, known.index(name), value)
    step, block = made.get_step(instance), made.get_block(instance)
    if made.input_domain != _spectra or not made.initialise(instance, 1, step, block):
        raise ValueError(f"the plugin does not take spectra of {block} samples")
    at = list(_outputs(made, instance)).index(output)
    for number, spectrum in enumerate(_frames(x, step, block)):
        buffer = spectrum.ctypes.data_as(POINTER(c_float))
        middle = number * step + block // 2
        heard = made.process(instance, ctypes.byref(buffer), middle // sr, middle % sr * 10**9 // sr)
        made.release(heard)
    remaining = made.get_remaining(instance)
    features = remaining[at].features
    values = [np.ctypeslib.as_array(features[i].values, (features[i].count,)) for i in range(remaining[at].count)]
    found = np.array(values, dtype=np.float32)
    made.release(remaining)
    return found


def _find(library: ctypes.CDLL, plugin: str) -> _Plugin:
    get = library.vampGetPluginDescriptor
    get.argtypes, get.restype = (c_uint, c_uint), POINTER(_Plugin)
    at = 0
    while descriptor := get(2, at):
        if descriptor.contents.identifier.decode() == plugin:
            return descriptor.contents
        at += 1
    raise ValueError(f"the library has no plugin {plugin!r}")


def _outputs(made: _Plugin, instance: int) -> Iterator[str]:
    for at in range(made.get_output_count(instance)):
        output = made.get_output(instance, at)
        yield output.contents.identifier.decode()
        made.release_output(output)


def _frames(x: np.ndarray, step: int, block: int) -> Iterator[np.ndarray]:
    """Yield the spectrum of each frame, real and imaginary parts in turn [shape=(block + 2,), dtype=float32]."""
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(block) / block)
    for start in range(0, len(x), step):
        frame = np.zeros(block)
        part = x[start : start + block]
        frame[: len(part)] = part
        spectrum = np.fft.rfft(np.fft.fftshift(frame * window))  # time 0 is the frame's middle
        yield spectrum.astype(np.complex64).view(np.float32)
