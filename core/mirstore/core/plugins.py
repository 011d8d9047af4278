"""Finding plugins: entry points of the group ``mirstore``, each loaded in isolation.

A plugin that cannot load is a row in `Plugins.rows`, never a traceback; it is an error for the command that needs it,
and for that one only.
"""

from __future__ import annotations

import inspect
import os
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass, field, is_dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points, version
from typing import Self, TypeVar

import pluggy
from packaging.requirements import Requirement

from mirstore.core import hookspecs
from mirstore.core.components import Component, Extractor, Grouper, Model, Smoother
from mirstore.core.errors import PluginError, UnknownNameError
from mirstore.core.extras import missing

C = TypeVar("C", bound=Component)
kinds: dict[str, type[Component]] = {
    "register_extractors": Extractor,
    "register_groupers": Grouper,
    "register_smoothers": Smoother,
    "register_models": Model,
}


@dataclass
class PluginInfo:
    """One installed plugin.

    Attributes
    ----------
    name : str
        Of the entry point.
    distribution, version : str
        What pip installed.
    status : str
        ``"ok"``, ``"needs: pip install …"``, ``"broken: …"`` or ``"conflict: …"``.
    components : list of str
        ``name@version`` of what it provides.
    """

    name: str
    distribution: str
    version: str
    status: str = "ok"
    components: list[str] = field(default_factory=list)


class Plugins:
    """The installed plugins and their components."""

    def __init__(self, entries: Iterable[EntryPoint]) -> None:
        self._infos: list[PluginInfo] = []
        self._found: dict[tuple[str, str], list[tuple[type[Component], PluginInfo]]] = {}
        for entry in sorted(entries, key=lambda entry: entry.name):
            self._add(entry)
        self._mark_conflicts()

    @classmethod
    def installed(cls) -> Self:
        """Return the plugins of this environment.

        ``MIRSTORE_LOAD_PLUGINS`` limits them: a list separated by commas; empty means none.
        """
        entries: Iterable[EntryPoint] = entry_points(group="mirstore")
        wanted = os.environ.get("MIRSTORE_LOAD_PLUGINS")
        if wanted is not None:
            names = {name.strip() for name in wanted.split(",")}
            entries = [entry for entry in entries if entry.name in names]
        return cls(entries)

    def rows(self) -> list[PluginInfo]:
        """Return one row per plugin, broken ones too."""
        return self._infos

    def get(self, kind: type[C], name: str) -> type[C]:
        """Return the component class called ``name``.

        Raises
        ------
        UnknownNameError
            If no plugin provides it.
        PluginError
            If its plugin cannot be used, or two plugins claim the name.
        """
        found = self._found.get((kind.__name__, name), [])
        if not found:
            broken = [info for info in self._infos if info.status.startswith("broken") and info.name == name]
            if broken:
                raise PluginError(f"plugin {name!r} is {broken[0].status}", hint="mirstore plugins list")
            raise UnknownNameError(kind.__name__.lower(), name, self.names(kind))
        if len(found) > 1:
            owners = " and ".join(sorted(info.distribution for _, info in found))
            raise PluginError(f"{kind.__name__.lower()} {name!r} is claimed by {owners}", hint="uninstall one of them")
        component, info = found[0]
        if info.status.startswith("needs: "):
            raise PluginError(f"{name!r} needs libraries that are not installed", hint=info.status[7:])
        return component  # type: ignore[return-value]

    def names(self, kind: type[Component]) -> list[str]:
        """Return the names of all components of a kind."""
        return [name for found, name in self._found if found == kind.__name__]

    def component(self, name: str) -> Component:
        """Return the component called ``name``, whatever its kind, with its defaults."""
        for kind in kinds.values():
            if (kind.__name__, name) in self._found:
                return self.get(kind, name)()
        for info in self._infos:
            if info.name == name and info.status.startswith("broken"):
                raise PluginError(f"plugin {name!r} is {info.status}", hint="mirstore plugins list")
        raise UnknownNameError("component", name, {name for _, name in self._found})

    def _add(self, entry: EntryPoint) -> None:
        distribution = entry.dist
        info = PluginInfo(
            entry.name, distribution.name if distribution else "?", distribution.version if distribution else "?"
        )
        self._infos.append(info)
        try:
            with redirect_stdout(sys.stderr):  # what a plugin prints must not get into a command's data
                found = list(_components(entry))
            for kind, component in found:
                info.components.append(f"{component.name}@{component.version}")
                self._found.setdefault((kind.__name__, component.name), []).append((component, info))
        except (Exception, SystemExit) as error:
            if os.environ.get("MIRSTORE_RAISE_PLUGIN_ERRORS") == "1":
                raise
            info.status = f"broken: {type(error).__name__}: {' '.join(str(error).split())}"
            return
        if distribution is not None:
            wanted = missing(distribution, entry.name)
            info.status = f"needs: {wanted}" if wanted else "ok"

    def _mark_conflicts(self) -> None:
        for (_, name), found in self._found.items():
            if len(found) > 1:
                owners = " and ".join(sorted(info.distribution for _, info in found))
                for _, info in found:
                    info.status = f"conflict: {name!r} is claimed by {owners}"


def _components(entry: EntryPoint) -> Iterator[tuple[type[Component], type[Component]]]:
    manager = pluggy.PluginManager("mirstore")
    manager.add_hookspecs(hookspecs)
    manager.register(entry.load(), entry.name)  # refuses wrong signatures
    manager.check_pending()  # refuses unknown hooks
    for hook, kind in kinds.items():
        for components in getattr(manager.hook, hook)():
            for component in components:
                _check(component, kind, hook)
                yield kind, component


def _check(component: object, kind: type[Component], hook: str) -> None:
    if not (inspect.isclass(component) and issubclass(component, kind)):
        raise TypeError(f"{hook} returned {component!r}, which is no {kind.__name__} class")
    if not isinstance(getattr(component, "name", None), str):
        raise TypeError(f"{component.__name__} has no name")
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", component.name):
        raise ValueError(f"name {component.name!r} is not lower case with digits and hyphens")
    if not is_dataclass(component) or "__dataclass_params__" not in vars(component):
        raise TypeError(f"{component.__name__} is not a dataclass")


@cache
def distributions(component: type[Component]) -> dict[str, str]:
    """Return the versions of the installed distributions behind a component: recorded, but no part of what it is."""
    package = component.__module__.partition(".")[0]
    names = {"mirstore", "numpy"}
    for entry in entry_points(group="mirstore"):
        if entry.module.partition(".")[0] == package and entry.dist is not None:
            names.add(entry.dist.name)
            for requirement in map(Requirement, entry.dist.requires or ()):
                if requirement.marker is not None and requirement.marker.evaluate({"extra": entry.name}):
                    names.add(requirement.name)
    return {name: version(name) for name in sorted(names)}
