"""Extras: what a plugin or a command needs beside mirstore itself, and the line that installs it."""

from __future__ import annotations

from functools import cache, lru_cache
from importlib.metadata import Distribution, PackageNotFoundError, distribution, version
from typing import NamedTuple

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from mirstore.core.environments import environments
from mirstore.core.errors import PluginError


def require(extra: str) -> None:
    """Refuse to go on without what an extra of mirstore installs.

    Parameters
    ----------
    extra : str
        Its name in mirstore's metadata, as ``report``.

    Raises
    ------
    PluginError
        If any of it is missing, with the line that installs it.
    """
    if wanted := missing(distribution("mirstore"), extra):
        raise PluginError(f"{extra!r} needs libraries that are not installed", hint=wanted)


def missing(distribution: Distribution, name: str) -> str | None:
    """Return the line that installs what the extra ``name`` lacks, after the distribution's metadata.

    A distribution without such an extra may lack something too. Nothing is imported.

    Parameters
    ----------
    distribution : importlib.metadata.Distribution
    name : str
        Of the extra.

    Returns
    -------
    str or None
        None if all is there.
    """
    about = declared(distribution)
    extra = name if name in about.extras else ""
    for text in about.requires:
        requirement = _parsed(text)
        marker = requirement.marker
        if extra and (marker is None or marker.evaluate({"extra": ""})):
            continue  # the distribution's own requirements are there, or nothing would run
        if (marker is None or marker.evaluate({"extra": extra})) and not _is_installed(requirement):
            return install(extra, about.name)
    return None


class Declared(NamedTuple):
    """What a distribution says of itself.

    Attributes
    ----------
    name, version : str
    extras, requires : tuple of str
    """

    name: str
    version: str
    extras: tuple[str, ...]
    requires: tuple[str, ...]


@lru_cache(maxsize=64)
def declared(distribution: Distribution) -> Declared:
    """Return what a distribution says of itself: asked for one thing, importlib reads its whole metadata again.

    Parameters
    ----------
    distribution : importlib.metadata.Distribution
    """
    found = distribution.metadata
    extras, requires = found.get_all("Provides-Extra") or (), distribution.requires or ()
    return Declared(found["Name"], found["Version"], tuple(extras), tuple(requires))


def installed(requirement: Requirement) -> bool:
    """Whether a distribution is installed with its extras, here or in an environment of its own.

    Parameters
    ----------
    requirement : packaging.requirements.Requirement
        One whose marker does not hold here is taken for installed.
    """
    if requirement.marker is not None and not requirement.marker.evaluate():
        return True
    if _is_installed(requirement):
        there = distribution(requirement.name)
        return all(missing(there, extra) is None for extra in requirement.extras)
    return any(
        canonicalize_name(plugin["distribution"]) == canonicalize_name(requirement.name)
        and requirement.specifier.contains(plugin["version"], prereleases=True)
        for found in environments()
        for plugin in found.card.get("described", {}).get("plugins", ())
    )


def install(extra: str, distribution: str = "mirstore") -> str:
    """Return the line that installs a distribution with an extra.

    Parameters
    ----------
    extra : str
        May be empty.
    distribution : str

    Examples
    --------
    >>> install("essentia")
    "pip install 'mirstore[essentia]'"
    """
    return f"pip install '{distribution}[{extra}]'" if extra else f"pip install '{distribution}'"


_parsed = cache(Requirement)  # each plugin of a distribution asks for all that it requires


def _is_installed(requirement: Requirement) -> bool:
    try:
        return requirement.specifier.contains(version(requirement.name), prereleases=True)
    except PackageNotFoundError:
        return False
