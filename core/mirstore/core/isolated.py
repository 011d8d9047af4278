"""Extractors of environments of their own, as this process sees them: what stands for one that lives elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, fields, make_dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any, ClassVar

from mirstore.core import inside
from mirstore.core.columns import Column, Row
from mirstore.core.components import Extractor
from mirstore.core.descriptions import Plain, columns_from_json, type_from_text
from mirstore.core.environments import Environment, environments
from mirstore.core.errors import PluginError
from mirstore.core.features import FeatureSet
from mirstore.core.interpreters import asked, described, place
from mirstore.core.messages import dumps
from mirstore.core.needs import weights_from_json
from mirstore.core.places import Place
from mirstore.core.plugins import PluginInfo, Plugins
from mirstore.core.pretrained import Weights
from mirstore.core.tracks import Track
from mirstore.core.weights.elsewhere import Elsewhere

_longest = 600.0  # [s] for tracks that are extracted by hand
_answers: dict[tuple[Any, ...], Any] = {}


@dataclass
class Isolated(Extractor):
    """Stands for an extractor that lives in another interpreter.

    What its parameters do not decide is known from its description; what they do is asked there, once.
    """

    environment: ClassVar[Environment]
    told: ClassVar[Plain]
    defaults: ClassVar[Mapping[str, Any]]

    def __post_init__(self) -> None:
        if problem := self._about.get("problem"):
            raise ValueError(problem)

    def params(self) -> dict[str, Any]:
        """Return what the extractor itself says."""
        return dict(self._about["params"])

    def columns(self) -> Mapping[str, Column]:
        """Return what the extractor itself declares."""
        return columns_from_json(self._about["columns"])

    def uses(self) -> tuple[Weights, ...]:
        """Return those of `needs` that the extractor itself uses."""
        return tuple(weights for weights in self.needs if weights.name in self._about["uses"])

    def weights(self) -> str | None:
        """Return what the extractor itself says."""
        return self._ask(inside.weights) if self.told["own_weights"] else super().weights()

    def extract(self, track: Track) -> Row | Sequence[Row]:
        """Have one track's rows computed there."""
        (result,) = self.extract_batch([track])
        return result

    def extract_batch(self, tracks: Sequence[Track]) -> Sequence[Row | Sequence[Row]]:
        """Have tracks computed there."""
        sent = [_sent(track) for track in tracks]
        return asked(self.environment, inside.extract, *self._key, sent, patience=_longest)

    @property
    def there(self) -> inside.Lodger:
        """What is sent to its environment."""
        return inside.Lodger(*self._key)

    @property
    def _key(self) -> tuple[str, int, dict[str, Any]]:
        return self.name, self.version, {f.name: getattr(self, f.name) for f in fields(self)}

    @property
    def _about(self) -> Plain:
        if self.told["usual"] and self._key[2] == self.defaults:
            return dict(self.told["usual"])
        return dict(self._ask(inside.ask))

    def _ask(self, question: Any, *arguments: Any) -> Any:
        key = self.environment, question, dumps((self._key, arguments))
        if key not in _answers:
            _answers[key] = asked(self.environment, question, *self._key, *arguments)
        return _answers[key]

    def __reduce__(self) -> Any:
        there = self.environment
        return _stand_in, (there.name, str(there.python), self.name, self._key[2])


@dataclass
class ReadsDeclarations(Isolated):
    """One whose columns depend on what it reads."""

    def columns(self, inputs: Mapping[str, Mapping[str, Column]]) -> Mapping[str, Column]:  # type: ignore[override]
        """Return what the extractor itself declares."""
        return columns_from_json(self._ask(inside.columns, inputs))


@cache
def kinds(environment: Environment) -> dict[str, type[Isolated]]:
    """Return the extractors of an environment by their names.

    Parameters
    ----------
    environment : Environment

    Raises
    ------
    PluginError
        If the environment cannot say what it has.
    """
    return {told["name"]: _kind(environment, told) for told in described(environment)["extractors"]}


def _stand_in(name: str, python: str, extractor: str, params: Mapping[str, Any]) -> Isolated:
    """Return what stands for an extractor, in another process of ours: it knows the name and the interpreter only."""
    made = [found for found in environments() if str(found.python) == python]
    there = replace(made[0], name=name) if made else Environment(name, Path(python))
    return kinds(there)[extractor](**params)


def places_of(features: Iterable[FeatureSet], workers: int) -> dict[str, Place]:
    """Return the environments in which feature sets are computed, as places.

    Parameters
    ----------
    features : iterable of FeatureSet
    workers : int > 0
        Processes in each of them.
    """
    there = [feature.extractor.environment for feature in features if isinstance(feature.extractor, Isolated)]
    return {found.name: place(found, workers) for found in there}


def _kind(environment: Environment, told: Plain) -> type[Isolated]:
    """Return the class that a description describes."""
    from pydantic import TypeAdapter  # a list in JSON may be a tuple

    types = {param["name"]: type_from_text(param["type"]) for param in told["params"]}
    defaults = {
        param["name"]: TypeAdapter(types[param["name"]]).validate_python(param["default"])
        for param in told["params"]
        if "default" in param
    }
    known = {name: told[name] for name in ("name", "version", "batch", "memory", "cost")}
    # An older core, whose environment cannot be asked anew, told nothing of what is asked for with get.
    needs = told.get("needs", ())
    space = {
        **known,
        "__doc__": told["text"],
        "cite": tuple(told["cite"]),
        "inputs": tuple(told["inputs"]),
        "optional": frozenset(told.get("optional", ())),
        "fallbacks": told.get("fallbacks", {}),
        "needs": tuple(weights_from_json(one, partial(Elsewhere, environment)) for one in needs),
        "place": environment.name,
        "distributions": told["distributions"],
        "environment": environment,
        "told": told,
        "defaults": defaults,
    }
    params = [(param["name"], types[param["name"]], _field(param, defaults)) for param in told["params"]]
    base = ReadsDeclarations if told["reads_declarations"] else Isolated
    made: type[Isolated] = make_dataclass(told["class"], params, bases=(base,), namespace=space, kw_only=True)
    made.__module__ = __name__
    return made


def _field(param: Plain, defaults: Mapping[str, Any]) -> Any:
    if "default" not in param:
        return field(compare=param["counts"])
    return field(compare=param["counts"], default_factory=lambda: deepcopy(defaults[param["name"]]))


def _sent(track: Track) -> inside.Sent:
    tables = {name: {s.name: (s.dtype, s.to_list()) for s in frame} for name, frame in track.inputs.items()}
    return inside.Sent(track.id, track.path, tables, track.max_duration, track.recording)


def everywhere() -> Plugins:
    """Return the plugins that are installed here, and those in environments of their own."""
    return Plugins.installed(lodged for found in environments() for lodged in _lodged(found))


def _lodged(environment: Environment) -> Iterator[tuple[PluginInfo, list[type[Extractor]]]]:
    """Yield an environment's plugins with their extractors."""
    problem = environment.problem
    try:
        told, found = described(environment)["plugins"], list(kinds(environment).values())
    except PluginError as error:
        told, found, problem = [], [], error.message
    for plugin in told or [{"name": environment.name, "distribution": "?", "version": "?"}]:
        info = PluginInfo(**{**plugin, "place": environment.name, "remedy": environment.remedy})
        info.status = f"broken: {problem}" if problem else info.status
        yield info, [kind for kind in found if kind.told["plugin"] == info.name]
