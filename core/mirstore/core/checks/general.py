"""What holds for every component: its name, its parameters, its import."""

# ruff: noqa: D401 (a check's docstring states the property)

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from dataclasses import fields, is_dataclass

from mirstore.core.checks.subject import Subject, component_of, require
from mirstore.core.features import normalise
from mirstore.core.text import is_name

heavy = frozenset(
    "av demucs essentia librosa madmom matplotlib metric_learn numba omnizart onnxruntime owlready2 pandas sklearn "
    "tensorflow torch torchaudio transformers whisper xgboost".split()
)
import_seconds = 0.5  # [s] of CPU, beyond numpy and polars: 20 plugins must not make the command line wait


def has_a_proper_name(subject: Subject) -> None:
    """Names are typed on command lines and become table names."""
    component = component_of(subject)
    name, version = getattr(component, "name", None), component.version
    require(
        isinstance(name, str) and is_name(name),
        f"name {name!r} must be lower case letters, digits and single hyphens, e.g. 'mfcc-stats'",
    )
    require(type(version) is int and version >= 1, f"version {version!r} must be an integer from 1")


def says_what_it_does(subject: Subject) -> None:
    """The first line of the docstring is what listings and the documentation show."""
    kind = type(component_of(subject))
    doc = (kind.__dict__.get("__doc__") or "").strip()
    require(
        doc and not doc.startswith(f"{kind.__name__}("),  # dataclass writes the signature where nothing is written
        f"class {kind.__name__} needs a docstring: one sentence on what it computes",
    )


def has_plain_parameters(subject: Subject) -> None:
    """Parameters come from a TOML file, go to other processes and decide the identity."""
    component = component_of(subject)
    kind = type(component)
    require(
        is_dataclass(kind) and "__dataclass_fields__" in kind.__dict__,
        f"class {kind.__name__} must be a @dataclass; its fields are its parameters",
    )
    for parameter in fields(component):
        require(
            parameter.metadata.get("was", parameter.default) == parameter.default,
            f"parameter {parameter.name!r} is {parameter.default!r} by default, and so must be what it was",
        )
    params = normalise(component.params())  # names the parameter that is not plain
    again = kind(**json.loads(json.dumps(params)))
    require(
        normalise(again.params()) == params,
        f"parameters {params} given explicitly become {normalise(again.params())}",
    )
    copy = pickle.loads(pickle.dumps(component))
    require(copy.params() == component.params(), f"pickling changes the parameters: {copy.params()}")


def is_cheap_to_import(subject: Subject) -> None:
    """Heavy libraries are imported inside the functions that use them."""
    module = type(component_of(subject)).__module__
    require(module != "__main__", "the component must live in a module, not in a script")
    seconds, loaded = _import_cost(module)
    require(not loaded, f"importing {module} loads {', '.join(loaded)}: import them inside the functions that use them")
    if seconds > import_seconds:  # once more: the first import also compiles
        seconds, _ = _import_cost(module)
    require(seconds <= import_seconds, f"importing {module} takes {seconds:.2f} s of CPU, more than {import_seconds} s")


_measure = """
import json, sys, time
import numpy, polars, pluggy, mirstore.core.components, mirstore.core.tracks, mirstore.core.hookspecs
before, begun = set(sys.modules), time.process_time()
__import__(sys.argv[1])
print(json.dumps([time.process_time() - begun, sorted(set(sys.modules) - before)]))
"""


def _import_cost(module: str) -> tuple[float, list[str]]:
    """Return CPU seconds and the heavy libraries that a fresh interpreter loads with a module."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    ran = subprocess.run(
        [sys.executable, "-c", _measure, module], capture_output=True, text=True, env=environment, timeout=120
    )
    require(ran.returncode == 0, f"importing {module} fails: {(ran.stderr.strip().splitlines() or ['no message'])[-1]}")
    seconds, modules = json.loads(ran.stdout.splitlines()[-1])
    return seconds, sorted(heavy & set(modules))


checks = (has_a_proper_name, says_what_it_does, has_plain_parameters, is_cheap_to_import)
