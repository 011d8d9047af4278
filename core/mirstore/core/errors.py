"""What can go wrong in a way that a user can act on.

MirstoreError           exit 1   message, and one thing to do as ``hint``
├── UsageError          exit 2   a wrong value on the command line
│   └── UnknownNameError         a name that nothing has, with did-you-mean
├── ConfigError         exit 4   registry.toml or a component's parameters
├── PluginError         exit 5   a plugin that is missing or broken
│   └── WeightsError             model weights that are missing, damaged or not what they should be
├── ClusterError        exit 1   a cluster that cannot be reached, is gone, or differs from this machine
├── StoreError          exit 6   a store that is locked, damaged or too new
│   └── UnreachableError         a store's bucket that a worker does not reach; another one may
└── QueryStoppedError   exit 7   a query that took too much time or memory
    └── QueryCrashedError        a query that crashed the database engine

TrackError                       one track's failure; a row in ``failures``, never the end of a run
└── AudioError                   the file is not usable audio
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class MirstoreError(Exception):
    """An error that its reader can act on; as text it is the message with the hint in brackets.

    Parameters
    ----------
    message : str
        What is wrong and where: lower case, no full stop, offending names quoted.
    hint : str or None
        The one thing to do about it.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message, self.hint = message, hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class UsageError(MirstoreError):
    """A value given on the command line, or to a function, that cannot be used."""

    exit_code = 2


class UnknownNameError(UsageError):
    """A name that nothing installed, registered or stored has."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        super().__init__(f"unknown {kind} {name!r}", hint=did_you_mean(name, known))


class ConfigError(MirstoreError):
    """A mistake in registry.toml or in a component's parameters."""

    exit_code = 4


class PluginError(MirstoreError):
    """A plugin that is needed but missing, broken or ambiguous."""

    exit_code = 5


class WeightsError(PluginError):
    """Model weights that are missing, damaged, or not what their plugin declares."""


class ClusterError(MirstoreError):
    """A cluster that cannot be reached, has gone away, or whose workers differ from this machine."""


class StoreError(MirstoreError):
    """A store that is locked, damaged, read-only or made by a newer version."""

    exit_code = 6


class UnreachableError(StoreError):
    """A store's bucket, or the folder for copies of it, that a worker cannot read or write; another worker may.

    Attributes
    ----------
    worker : str
        Its address, where it has one.
    """

    worker = ""


class QueryStoppedError(MirstoreError):
    """A query that was stopped, because it took more time or memory than it may."""

    exit_code = 7


class QueryCrashedError(QueryStoppedError):
    """A query that crashed the database engine: it runs in a process of its own, so nothing else was harmed."""


class TrackError(MirstoreError):
    """Why one track gave no features.

    Parameters
    ----------
    reason : str
        A short stable word (``"empty"``, ``"timeout"``, ``"crashed"`` …), the ``error`` column of the
        ``failures`` view.
    message : str
        What happened, for a person.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason

    def __reduce__(self) -> tuple[type[TrackError], tuple[str, str]]:
        return type(self), (self.reason, self.message)  # exceptions with other arguments do not pickle


class AudioError(TrackError):
    """The file cannot be used as audio."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a hint that names the closest known name, or all of them.

    Parameters
    ----------
    name : str
        What nothing is called.
    known : iterable of str
        What there is.

    Examples
    --------
    >>> did_you_mean("essentai", ["essentia", "mel"])
    "did you mean 'essentia'?"
    >>> did_you_mean("tempo", ["essentia", "mel"])
    'known: essentia, mel'
    """
    known = sorted(known)
    close = get_close_matches(name, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}" if known else "there are none yet"


def perhaps_not_installed(kind: str, name: str, known: Iterable[str]) -> UnknownNameError:
    """Return the error about a name that a plugin may have that is not installed, unless it is a slip of the pen.

    Parameters
    ----------
    kind : str
        What it is to be, such as ``"features"``.
    name : str
    known : iterable of str
        What there is.

    Examples
    --------
    >>> perhaps_not_installed("features", "tempo", ["essentia", "mel"]).hint
    'known: essentia, mel, or is it of a plugin that is not installed? mirstore plugins install'
    >>> perhaps_not_installed("features", "essentai", ["essentia", "mel"]).hint
    "did you mean 'essentia'?"
    """
    known = sorted(known)
    unknown = UnknownNameError(kind, name, known)
    if not get_close_matches(name, known, cutoff=0.85):
        hint = did_you_mean(name, known).removesuffix("?")
        unknown.hint = f"{hint}, or is it of a plugin that is not installed? mirstore plugins install"
    return unknown
