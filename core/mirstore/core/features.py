"""Feature sets and their identity: a Merkle chain over extractor, parameters, weights and inputs."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from inspect import signature
from pathlib import Path
from typing import Any

from mirstore.core.annotations import Annotation
from mirstore.core.columns import Column
from mirstore.core.components import Extractor, weights_of
from mirstore.core.errors import ConfigError, WeightsError

heard = "audio"  # the input that stands for the file


@dataclass(frozen=True)
class FeatureSet:
    """One extractor version with parameters and inputs, under the name that a user gave it.

    Parameters
    ----------
    name : str
        Name in the registry, or the extractor's own.
    extractor : Extractor
        The component with its parameters.
    inputs : Mapping of str to FeatureSet
        What the extractor reads, by the names that it declared. ``"audio"`` is what it hears instead of the file.
    audio : str, optional
        The `Sound` column that it hears, of the input ``"audio"``.
    keep : bool
        Whether its values are stored; else they are computed again for whatever reads them. No part of the identity.
    place : str
        Where it is computed; the extractor's own place by default. No part of the identity.

    Raises
    ------
    ValueError
        If one of ``audio`` and the input ``"audio"`` is given without the other.
    ConfigError
        If an input is another feature set than the extractor must read.

    Examples
    --------
    >>> @dataclass
    ... class Level(Extractor):
    ...     name = "level"
    ...     sr: float = 22050
    ...
    ...     def columns(self):
    ...         return {}
    ...
    ...     def extract(self, track):
    ...         return {}
    >>> feature = FeatureSet("level", Level())
    >>> feature.definition
    {'extractor': 'level@1', 'params': {'sr': 22050}, 'inputs': {}, 'weights': None}
    >>> feature.id == FeatureSet("another-name", Level(22050.0), keep=False).id
    True
    >>> feature.id == FeatureSet("level", Level(44100)).id
    False
    """

    name: str
    extractor: Extractor
    inputs: Mapping[str, FeatureSet] = field(default_factory=dict)
    audio: str | None = None
    keep: bool = True
    place: str = ""

    def __post_init__(self) -> None:
        if (self.audio is None) != (heard not in self.inputs):
            raise ValueError(f"audio={self.audio!r} must name a column of the input {heard!r}")
        object.__setattr__(self, "place", self.place or self.extractor.place)
        for name, id_ in self.extractor.reads().items():
            if id_ and name in self.inputs and self.inputs[name].id != id_:
                raise ConfigError(
                    f"features.{self.name}.inputs.{name}: must be {name} {id_}, and {self.inputs[name].name} means "
                    f"{self.inputs[name].id} here",
                    hint=f"name an entry that means it: inputs = {{ {name} = … }}; mirstore models show has its lines",
                )

    @cached_property
    def definition(self) -> dict[str, Any]:
        """What decides the values, as plain JSON."""
        return {
            "extractor": f"{self.extractor.name}@{self.extractor.version}",
            "params": normalise(self.extractor.params()),
            "inputs": {name: source.id for name, source in sorted(self.inputs.items())} | self._heard(),
            "weights": self._weights(),
        }

    def _heard(self) -> dict[str, str]:
        return {heard: f"{self.inputs[heard].id}.{self.audio}"} if self.audio is not None else {}

    @property
    def reads(self) -> dict[str, str]:
        """The ids of what it reads, by the extractor's names for it; ``audio.<column>`` of a sound that it hears."""
        return {f"{name}.{self.audio}" if name == heard else name: source.id for name, source in self.inputs.items()}

    @cached_property
    def columns(self) -> Mapping[str, Column]:
        """What its extractor writes, given what it reads; a ConfigError if it can make nothing of that."""
        if not asks_for_columns(type(self.extractor)):
            return self.extractor.columns()
        try:
            return self.extractor.columns({name: source.columns for name, source in self.tables.items()})
        except ConfigError as error:
            raise ConfigError(f"features.{self.name}: {error.message}", hint=error.hint) from None

    @property
    def tables(self) -> dict[str, FeatureSet]:
        """What the extractor reads as tables."""
        return {name: source for name, source in self.inputs.items() if name != heard}

    def needed(self, there: Container[str]) -> list[FeatureSet]:
        """Return what it reads of a track: a fallback only where the track lacks what that stands in for.

        Parameters
        ----------
        there : container of str
            Ids of feature sets of which the track has an answer.
        """
        instead = self.extractor.fallbacks
        spared = {name for name, other in instead.items() if other in self.inputs and self.inputs[other].id in there}
        return [source for name, source in self.inputs.items() if name not in spared]

    @property
    def reads_file(self) -> bool:
        """Whether it needs the file decoded: nothing else is there to be read."""
        return not self.inputs

    @property
    def is_annotation(self) -> bool:
        """Whether it comes from files and cannot be computed."""
        return isinstance(self.extractor, Annotation)

    @cached_property
    def is_revisable(self) -> bool:
        """Whether a track's value may change while the identity stays: it is an annotation, or rests on one.

        So may what does without an input that comes later.
        """
        rests = any(source.is_revisable for source in self.inputs.values())
        return self.is_annotation or rests or bool(self.extractor.optional)

    @cached_property
    def id(self) -> str:
        """First 10 hex digits of the SHA-256 of the canonical JSON of `definition`."""
        return hashlib.sha256(canonical_json(self.definition).encode()).hexdigest()[:10]

    def _weights(self) -> str | None:
        try:
            return weights_of(self.extractor)
        except OSError as error:
            where, what = Path(error.filename or "?"), (error.strerror or str(error)).lower()
            raise ConfigError(
                f"features.{self.name}: weights of extractor {self.extractor.name!r} cannot be read: {where}: {what}",
                hint=f"put the file at {where.absolute()}, or name another in its params",
            ) from None
        except WeightsError as error:
            raise WeightsError(
                f"features {self.name!r}: {error.message}; which of its stored values are fresh cannot be told without",
                hint=error.hint,
            ) from None

    @property
    def table(self) -> str:
        """Name of its table in the store."""
        return f"{self.extractor.name}_{self.id}"


def asks_for_columns(kind: type[Extractor]) -> bool:
    """Whether an extractor's columns depend on those of what it reads: ``columns(self, inputs)``.

    Parameters
    ----------
    kind : type of Extractor
    """
    return len(signature(kind.columns).parameters) > 1


def normalise(value: Any) -> Any:
    """Return ``value`` so that equal parameters have equal JSON: 44100.0 is 44100, a tuple is a list.

    Parameters
    ----------
    value : None, bool, int, float, str, list, tuple or Mapping
        Nested or not.

    Raises
    ------
    ValueError
        If a number is not finite or a value has no JSON form.

    Examples
    --------
    >>> normalise({"sr": 44100.0, "bands": (20, 0.5)})
    {'sr': 44100, 'bands': [20, 0.5]}
    """
    if isinstance(value, bool) or value is None or isinstance(value, str | int):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"parameter {value} is not finite")
        return int(value) if value.is_integer() else value
    if isinstance(value, list | tuple):
        return [normalise(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): normalise(item) for key, item in value.items()}
    raise ValueError(f"parameter {value!r} is not plain JSON")


def canonical_json(value: Any) -> str:
    """Return JSON with sorted keys and no spaces.

    Parameters
    ----------
    value : plain JSON
        As `normalise` returns it.

    Examples
    --------
    >>> canonical_json({"sr": 22050, "bands": [1, 2]})
    '{"bands":[1,2],"sr":22050}'
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def in_order(features: Mapping[str, FeatureSet]) -> list[FeatureSet]:
    """Return the feature sets and all that they read, each after its inputs, without repeats by id.

    Of two that differ only in whether they are kept, the kept one is returned.

    Parameters
    ----------
    features : Mapping of str to FeatureSet
        By name; what they read need not be among them.
    """
    ordered: dict[str, FeatureSet] = {}

    def visit(feature: FeatureSet) -> None:
        for source in feature.inputs.values():
            visit(source)
        if feature.keep or feature.id not in ordered:
            ordered[feature.id] = feature

    for feature in features.values():
        visit(feature)
    return list(ordered.values())
