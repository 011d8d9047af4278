"""Finding plugins: entry points of the group ``mirstore``, each loaded in isolation.

A plugin that cannot load is a row in `Plugins.rows`, never a traceback; it is an error for the command that needs it,
and for that one only.
"""

from __future__ import annotations

import inspect
import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field, is_dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pluggy
from packaging.requirements import Requirement

from mirstore.core import hookspecs
from mirstore.core.components import Component, Extractor, Grouper, Smoother
from mirstore.core.errors import PluginError, UnknownNameError, perhaps_not_installed
from mirstore.core.extras import declared, missing
from mirstore.core.models import Model
from mirstore.core.pretrained import Weights
from mirstore.core.text import explained, is_name

if TYPE_CHECKING:
    from typing import Self

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
        ``"ok"``, ``"needs: pip install …"``, ``"broken: …"``, ``"registers nothing: …"`` or ``"conflict: …"``.
    components : list of str
        ``name@version`` of what it provides.
    place : str or None
        The environment of its own in which it runs; None if that is this one.
    remedy : str
        The one thing to do if it is broken.
    """

    name: str
    distribution: str
    version: str
    status: str = "ok"
    components: list[str] = field(default_factory=list)
    place: str | None = None

    remedy: str = "mirstore plugins list"

    @property
    def is_broken(self) -> bool:
        """Whether it brings nothing, but should."""
        return self.status.startswith(("broken: ", "registers nothing"))


@dataclass
class Needed:
    """Weights that installed components declare.

    Attributes
    ----------
    weights : Weights
    by : list of str
        Names of the components.
    """

    weights: Weights
    by: list[str] = field(default_factory=list)


Lodged = Iterable[tuple[PluginInfo, Sequence[type[Extractor]]]]
"""Plugins in environments of their own, with what stands for their extractors."""


class Plugins:
    """The installed plugins and their components."""

    def __init__(self, entries: Iterable[EntryPoint], lodged: Lodged = ()) -> None:
        self._infos: list[PluginInfo] = []
        self._found: dict[tuple[str, str], list[tuple[type[Component], PluginInfo]]] = {}
        self._modules: dict[str, str] = {}
        for entry in sorted(entries, key=lambda entry: entry.name):
            self._add(entry)
        for info, extractors in lodged:
            self._infos.append(info)
            for kind in extractors:
                self._found.setdefault((Extractor.__name__, kind.name), []).append((kind, info))
        self._mark_conflicts()

    @classmethod
    def installed(cls, lodged: Lodged = ()) -> Self:
        """Return the plugins that are installed here, and those of other environments that are given.

        ``MIRSTORE_LOAD_PLUGINS`` limits the ones here: a list separated by commas; empty means none.

        Parameters
        ----------
        lodged : sequence
            What `mirstore.core.isolated` found in other environments.
        """
        entries: Iterable[EntryPoint] = entry_points(group="mirstore")
        wanted = os.environ.get("MIRSTORE_LOAD_PLUGINS")
        if wanted is not None:
            names = {name.strip() for name in wanted.split(",")}
            entries = [entry for entry in entries if entry.name in names]
        return cls(entries, lodged)

    def rows(self) -> list[PluginInfo]:
        """Return one row per plugin, broken ones too."""
        return self._infos

    def get(self, kind: type[C], name: str) -> type[C]:
        """Return the component class called ``name``.

        Parameters
        ----------
        kind : type
            `Extractor`, `Grouper`, `Smoother` or `Model`.
        name : str

        Raises
        ------
        UnknownNameError
            If no plugin provides it.
        PluginError
            If its plugin cannot be used, or two plugins claim the name.
        """
        found = self._found.get((kind.__name__, name), [])
        if not found:
            self.refuse_broken(name)
            raise UnknownNameError(kind.__name__.lower(), name, self.names(kind))
        if len(found) > 1:
            owners = " and ".join(sorted(_owner(info) for _, info in found))
            raise PluginError(f"{kind.__name__.lower()} {name!r} is claimed by {owners}", hint="uninstall one of them")
        component, info = found[0]
        if info.is_broken:
            raise PluginError(f"{name!r} cannot be used: plugin {info.name!r} {_is(info)}", hint=info.remedy)
        if info.status.startswith("needs: "):
            raise PluginError(f"{name!r} needs libraries that are not installed", hint=info.status[7:])
        return component  # type: ignore[return-value]

    def names(self, kind: type[Component]) -> list[str]:
        """Return the names of all components of a kind.

        Parameters
        ----------
        kind : type
            `Extractor`, `Grouper`, `Smoother` or `Model`.
        """
        return [name for found, name in self._found if found == kind.__name__]

    def needed(self) -> list[Needed]:
        """Return all weights that components declare, by name; those that several share once."""
        found: dict[Weights, Needed] = {}
        for (_, name), owners in self._found.items():
            for component, _ in owners:
                for weights in component.needs:
                    found.setdefault(weights, Needed(weights)).by.append(name)
        return sorted(found.values(), key=lambda needed: needed.weights.name)

    def weights(self, name: str) -> Weights:
        """Return the weights called ``name``.

        Parameters
        ----------
        name : str

        Raises
        ------
        UnknownNameError
            If no component declares them.
        PluginError
            If two declare different ones of that name.
        """
        found = [needed for needed in self.needed() if needed.weights.name == name]
        if not found:
            self.refuse_broken(name)
            raise perhaps_not_installed("weights", name, {needed.weights.name for needed in self.needed()})
        if len(found) > 1:
            owners = " and ".join(", ".join(needed.by) for needed in found)
            raise PluginError(f"weights {name!r} are declared differently by {owners}", hint="uninstall one of them")
        return found[0].weights

    def component(self, name: str) -> Component:
        """Return the component called ``name``, whatever its kind, with its defaults.

        Parameters
        ----------
        name : str

        Raises
        ------
        UnknownNameError
            If nothing installed is called so.
        PluginError
            If its plugin cannot be used, or two plugins claim the name.
        """
        for kind in kinds.values():
            if (kind.__name__, name) in self._found:
                return self.get(kind, name)()
        self.refuse_broken(name)
        raise UnknownNameError("component", name, {name for _, name in self._found})

    def components(self, name: str) -> list[Component]:
        """Return what a plugin or a distribution brings, by its name; or else the one component of that name.

        Parameters
        ----------
        name : str
            Of the entry point, the distribution or a component.

        Raises
        ------
        PluginError
            If the plugin cannot be used.
        UnknownNameError
            If nothing installed is called so.
        """
        infos = [info for info in self._infos if name in (info.name, info.distribution)]
        for info in infos:
            if info.is_broken:
                raise PluginError(f"plugin {info.name!r} {_is(info)}", hint=info.remedy)
        found = [
            self.get(kind, component)()
            for kind in kinds.values()
            for (kind_name, component), owners in self._found.items()
            if kind_name == kind.__name__ and any(info in infos for _, info in owners)
        ]
        if found or infos:
            return found
        try:
            return [self.component(name)]
        except UnknownNameError:
            known = {name for _, name in self._found} | {n for i in self._infos for n in (i.name, i.distribution)}
            raise UnknownNameError("plugin or component", name, known) from None

    def refuse_broken(self, name: str) -> None:
        """Say which broken plugin would bring a component.

        Parameters
        ----------
        name : str

        Raises
        ------
        PluginError
            If one is called so, or has the name in its source.
        """
        for info in self._infos:
            if info.is_broken and (info.name == name or _mentions(self._modules.get(info.name, ""), name)):
                raise PluginError(
                    f"{name!r} is not there: plugin {info.name!r}, whose source names it, {_is(info)}",
                    hint=info.remedy,
                )

    def _add(self, entry: EntryPoint) -> None:
        distribution = entry.dist
        name, version, *_ = declared(distribution) if distribution else ("?", "?")
        info = PluginInfo(entry.name, name, version)
        self._infos.append(info)
        self._modules[info.name] = entry.module
        try:
            with redirect_stdout(sys.stderr):  # what a plugin prints must not get into a command's data
                found = list(_components(entry))
            for kind, component in found:
                info.components.append(f"{component.name}@{component.version}")
                self._found.setdefault((kind.__name__, component.name), []).append((component, info))
        except (Exception, SystemExit) as error:
            if os.environ.get("MIRSTORE_RAISE_PLUGIN_ERRORS") == "1":
                raise
            info.status = f"broken: {': '.join(explained(error))}"
            return
        if not info.components:
            info.status = "registers nothing: no function is marked @hookimpl, or all return an empty list"
        elif distribution is not None:
            wanted = missing(distribution, entry.name)
            info.status = f"needs: {wanted}" if wanted else "ok"

    def _mark_conflicts(self) -> None:
        for (_, name), found in self._found.items():
            if len(found) > 1:
                owners = " and ".join(sorted(_owner(info) for _, info in found))
                for _, info in found:
                    info.status = f"conflict: {name!r} is claimed by {owners}"


def _components(entry: EntryPoint) -> Iterator[tuple[type[Component], type[Component]]]:
    manager = pluggy.PluginManager("mirstore")
    manager.add_hookspecs(hookspecs)
    manager.register(entry.load(), entry.name)  # refuses wrong signatures
    manager.check_pending()  # refuses unknown hooks
    for hook, kind in kinds.items():
        caller = getattr(manager.hook, hook)
        returned = caller()
        if len(returned) < len(caller.get_hookimpls()):  # pluggy leaves None out
            raise TypeError(f"{hook} returns None: it must return a list of {kind.__name__} classes")
        for components in returned:
            for component in components:
                _check(component, kind, hook)
                yield kind, component


def _owner(info: PluginInfo) -> str:
    return info.distribution if info.place is None else f"{info.distribution} in environment {info.place!r}"


def _is(info: PluginInfo) -> str:
    return info.status if info.status.startswith("registers") else f"is {info.status}"


def _mentions(module: str, name: str) -> bool:
    """Whether a module's source has a component's name in quotation marks; nothing of it runs."""
    try:
        spec = find_spec(module.partition(".")[0])
    except (ImportError, ValueError):
        return False
    if spec is None:
        return False
    folders = [Path(folder) for folder in spec.submodule_search_locations or ()]
    sources = [path for folder in folders for path in folder.rglob("*.py")] or [Path(spec.origin or "")]
    quoted = re.compile(rf"""["']{re.escape(name)}["']""")
    return any(path.is_file() and quoted.search(path.read_text(encoding="utf-8", errors="replace")) for path in sources)


def _check(component: object, kind: type[Component], hook: str) -> None:
    if not (inspect.isclass(component) and issubclass(component, kind)):
        raise TypeError(f"{hook} returned {component!r}, which is no {kind.__name__} class")
    if not isinstance(getattr(component, "name", None), str):
        raise TypeError(f"{component.__name__} has no name")
    if not is_name(component.name):
        raise ValueError(f"name {component.name!r} is not lower case with digits and hyphens")
    if not is_dataclass(component) or "__dataclass_params__" not in vars(component):
        raise TypeError(f"{component.__name__} is not a dataclass")
    if not isinstance(component.needs, tuple) or not all(isinstance(weights, Weights) for weights in component.needs):
        raise TypeError(f"{component.__name__}.needs is not a tuple of Weights")


@cache
def distributions(component: type[Component]) -> dict[str, str]:
    """Return the versions of the installed distributions behind a component: recorded, but no part of what it is.

    Parameters
    ----------
    component : type of Component

    Returns
    -------
    dict of str to str
        Distribution to version; ``mirstore`` and numpy are always among them, but for components of other environments.
    """
    if elsewhere := getattr(component, "distributions", None):
        return {**elsewhere, "mirstore": version("mirstore")}
    package = component.__module__.partition(".")[0]
    names = {"mirstore", "numpy"}
    for entry in entry_points(group="mirstore"):
        if entry.module.partition(".")[0] == package and entry.dist is not None:
            names.add(entry.dist.name)
            for requirement in map(Requirement, entry.dist.requires or ()):
                if requirement.marker is not None and requirement.marker.evaluate({"extra": entry.name}):
                    names.add(requirement.name)
    return {name: version(name) for name in sorted(names)}
