"""From names to feature sets: a registry entry, or an installed extractor's own name with its defaults."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from pydantic import TypeAdapter, ValidationError

from mirstore.core.components import Component, Extractor
from mirstore.core.entries import FeatureEntry
from mirstore.core.errors import ConfigError, UnknownNameError, UsageError, did_you_mean, perhaps_not_installed
from mirstore.core.features import FeatureSet, heard, normalise
from mirstore.core.isolated import Isolated, kinds
from mirstore.core.plugins import Plugins
from mirstore.core.registry import Registry

C = TypeVar("C", bound=Component)
Kept = Callable[[str], Path]
"""Returns the folder of a kept model, by its name or hash."""


def resolve(
    names: Iterable[str],
    registry: Registry,
    plugins: Plugins,
    annotations: Mapping[str, FeatureSet] | None = None,
    kept: Kept | None = None,
    imported: Collection[str] = (),
) -> dict[str, FeatureSet]:
    """Return the feature sets that names stand for, with all that they read.

    Parameters
    ----------
    names : iterable of str
        In the registry, or of extractors, or of annotations.
    registry : Registry
    plugins : Plugins
    annotations : Mapping of str to FeatureSet, optional
        Those that a store has, or is about to have.
    kept : callable, optional
        Name or hash of a kept model to its folder; without a store, the registry's parameter is the folder.
    imported : collection of str
        Names of features that a store has from tables.

    Raises
    ------
    UnknownNameError
        If a name is neither registered nor an extractor's nor an annotation's.
    UsageError
        If a name is that of an imported table.
    ConfigError
        If an entry's parameters, version or inputs are wrong, or it has the name of an annotation.
    PluginError
        If the plugin cannot be used.
    """
    made = dict(annotations or {})
    if both := sorted(made.keys() & registry.features.keys()):
        raise ConfigError(f"features.{both[0]}: there are annotations of this name", hint="call one of them otherwise")
    for name in names:
        _resolve(name, registry, plugins, kept or Path, imported, made, ())
    return {name: made[name] for name in names}


def _resolve(
    name: str,
    registry: Registry,
    plugins: Plugins,
    kept: Kept,
    imported: Collection[str],
    made: dict[str, FeatureSet],
    path: tuple[str, ...],
) -> FeatureSet:
    if name in path:
        raise ConfigError(f"features.{name}: reads itself: {' → '.join([*path, name])}")
    if name not in made:
        entry = registry.features.get(name) or FeatureEntry(extractor=name)
        if name in imported and name not in {*registry.features, *plugins.names(Extractor)}:
            raise UsageError(
                f"features {name!r} were imported from a table: nothing computes them, and no extractor reads them",
                hint="experiments, export and SQL do; for rows about audio files: --annotation NAME='*.csv'",
            )
        kind = _extractor(name, entry, registry, plugins)
        where = f"features.{name}.params"
        extractor = build(kind, _located(kind, entry.params, kept, registry, where), where)
        inputs, audio, reads = {}, None, extractor.reads()
        unknown = entry.inputs.keys() - {*reads, heard}
        if unknown:
            raise ConfigError(
                f"features.{name}.inputs: {entry.extractor} reads no {sorted(unknown)[0]!r}",
                hint=did_you_mean(sorted(unknown)[0], reads),
            )
        named = {declared: entry.inputs.get(declared, declared) for declared in reads}
        if heard in entry.inputs and reads:
            raise ConfigError(
                f"features.{name}.inputs.{heard}: {entry.extractor} hears no audio, it reads {', '.join(reads)}",
                hint=f"leave {heard} out, or make {entry.inputs[heard]!r} the input of what is read",
            )
        if heard in entry.inputs:
            named[heard], _, audio = entry.inputs[heard].partition(".")
        for declared, source in named.items():
            where = f"features.{name}.inputs.{declared}"
            try:
                inputs[declared] = _resolve(source, registry, plugins, kept, imported, made, (*path, name))
            except UnknownNameError as error:
                if declared in kind.optional and declared not in entry.inputs:
                    continue  # an annotation that nobody has given, for one
                raise ConfigError(f"{where}: {error.message}", hint=error.hint) from None
        if reads and not inputs:
            raise ConfigError(
                f"features.{name}: {entry.extractor} reads {' or '.join(reads)}, and nothing is called so",
                hint=f"name what it reads: inputs = {{ {next(iter(reads))} = … }}",
            )
        if audio is not None:
            audio = _sound(inputs[heard], audio, f"features.{name}.inputs.{heard}")
        made[name] = FeatureSet(name, extractor, inputs, audio, entry.keep, entry.place or "")
    return made[name]


def _located(
    kind: type[Extractor], params: dict[str, Any], kept: Kept, registry: Registry, where: str
) -> dict[str, Any]:
    """Return the parameters with folders where they name kept models."""
    names = {field.name for field in fields(kind) if "kept_model" in field.metadata} & params.keys()
    found = dict(params)
    for name in names:
        if model := str(params[name]):
            try:
                found[name] = str(kept(model).absolute())
            except UnknownNameError as error:
                trained = f"mirstore train {model}, or mirstore models add FILE --name {model}"
                hint = trained if model in registry.experiments else error.hint
                raise ConfigError(f"{where}.{name}: {error.message}", hint=hint) from None
    return found


def _sound(source: FeatureSet, column: str, where: str) -> str:
    """Return the column of a feature set that is to be heard."""
    sounds = [name for name, spec in source.columns.items() if spec.is_sound]
    if column in sounds or (not column and len(sounds) == 1):
        return column or sounds[0]
    if not sounds:
        raise ConfigError(
            f"{where}: features {source.name!r} are no sound", hint="name features that an extractor makes as audio"
        )
    if not column:
        ways = ", ".join(f"{source.name}.{name}" for name in sounds)
        raise ConfigError(f"{where}: features {source.name!r} have {len(sounds)} sounds", hint=f"choose one: {ways}")
    if column in source.columns:
        raise ConfigError(f"{where}: {source.name}.{column} is no sound", hint=f"sounds: {', '.join(sounds)}")
    raise ConfigError(f"{where}: {source.name!r} has no column {column!r}", hint=did_you_mean(column, sounds))


def _extractor(name: str, entry: FeatureEntry, registry: Registry, plugins: Plugins) -> type[Extractor]:
    extractor, _, pinned = entry.extractor.partition("@")
    try:
        kind = _elsewhere(name, entry, registry, extractor) or plugins.get(Extractor, extractor)
    except UnknownNameError as error:
        if name in registry.features:
            raise ConfigError(f"features.{name}: {error.message}", hint=error.hint) from None
        raise perhaps_not_installed("features", name, {*registry.features, *plugins.names(Extractor)}) from None
    _check_pin(kind, pinned, f"features.{name}")
    _check_place(kind, entry, f"features.{name}.place")
    return kind


def _elsewhere(name: str, entry: FeatureEntry, registry: Registry, extractor: str) -> type[Extractor] | None:
    """Return the extractor of the interpreter that ``[workers.N]`` describes, if the entry's place is one."""
    if entry.place not in registry.workers:
        return None
    there = kinds(registry.workers[entry.place].environment(entry.place))
    if extractor not in there:
        hint = did_you_mean(extractor, there)
        raise ConfigError(f"features.{name}.place: workers.{entry.place} has no extractor {extractor!r}", hint=hint)
    return there[extractor]


def _check_place(kind: type[Extractor], entry: FeatureEntry, where: str) -> None:
    """Refuse a place where the extractor is not."""
    own = kind.place if issubclass(kind, Isolated) else None
    places = [own] if own else ["cpu", "gpu"]
    if entry.place is not None and entry.place not in places:
        lives = f"lives in environment {own!r}" if own else "is installed here"
        hint = f"leave place out, or add [workers.{entry.place}]" if own else did_you_mean(entry.place, places)
        raise ConfigError(f"{where}: {kind.name!r} {lives}, and cannot run in {entry.place!r}", hint=hint)


def _check_pin(kind: type[Component], pinned: str, where: str) -> None:
    if pinned and pinned != str(kind.version):
        wanted, provided = f"{kind.name}@{pinned}", f"{kind.name}@{kind.version}"
        raise ConfigError(
            f"{where}: pins {wanted}, but the installed plugin provides {provided}",
            hint=f"install the version of the plugin that provides {wanted}, or pin {provided}",
        )


def build(kind: type[C], params: dict[str, Any], where: str) -> C:
    """Return a component with these parameters, converted to the types that its fields declare.

    Parameters
    ----------
    kind : type of Component
    params : dict
        As a registry has them.
    where : str
        The place in the registry, for messages.

    Raises
    ------
    ConfigError
        If a parameter is unknown or has the wrong type.
    """
    hints = get_type_hints(kind)
    known = [field.name for field in fields(kind)]
    values = {}
    for name, value in params.items():
        if name not in known:
            raise ConfigError(f"{where}: unknown parameter {name!r}", hint=f"known: {', '.join(known) or 'none'}")
        try:
            values[name] = TypeAdapter(hints[name]).validate_python(value)
        except ValidationError as error:
            message = error.errors()[0]["msg"]
            raise ConfigError(f"{where}.{name}: {message[0].lower()}{message[1:]}, got {value!r}") from None
    try:
        made = kind(**values)
        normalise(made.params())
        return made
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{where}: {error}") from None


def component(
    kind: type[C], table: str, name: str, registered: str | None, params: dict[str, Any], plugins: Plugins
) -> C:
    """Return the component that a registry entry, or its own name, stands for.

    Parameters
    ----------
    kind : type
        `Grouper`, `Smoother` or `Model`.
    table, name : str
        Where the registry has it, for messages: ``models``, ``em-banded``.
    registered : str or None
        ``component@version`` in the registry's entry; None if there is no entry.
    params : dict
        Of the entry.
    plugins : Plugins

    Raises
    ------
    UnknownNameError
        If nothing installed is called so.
    ConfigError
        If the entry pins another version, or its parameters are wrong.
    PluginError
        If the plugin cannot be used.
    """
    wanted, _, pinned = (registered or name).partition("@")
    found = plugins.get(kind, wanted)
    _check_pin(found, pinned, f"{table}.{name}")
    return build(found, params, f"{table}.{name}.params")
