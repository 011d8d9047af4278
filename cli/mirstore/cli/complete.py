"""What the shell offers after TAB: the names that the registry, the plugins and the store know.

Completion never fails and prints nothing: where the store is not there, or locked, there is nothing to offer.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import typer

from mirstore.cli.context import Context
from mirstore.cli.text import printable

Offer = Callable[[typer.Context, str], list[str]]


def _offer(names: Callable[[Context], Iterable[str]]) -> Offer:
    """Make a completion of a function that lists names."""

    def complete(ctx: typer.Context, incomplete: str) -> list[str]:
        try:
            return sorted(
                {name for name in names(_context(ctx)) if name.startswith(incomplete) and name == printable(name)}
            )
        except Exception:  # a traceback between two words of a command line helps nobody
            return []

    complete.__doc__ = names.__doc__
    return complete


def _listed(one: Offer) -> Offer:
    """Make a completion of names separated by commas from that of one name."""

    def complete(ctx: typer.Context, incomplete: str) -> list[str]:
        given, comma, last = incomplete.rpartition(",")
        return [f"{given}{comma}{name}" for name in one(ctx, last) if name not in given.split(",")]

    return complete


def _context(ctx: Any) -> Context:
    """Return where the store and the registry are, after what stands on the command line so far."""
    given: dict[str, str] = {}
    while ctx is not None:
        given = {name: ctx.params[name] for name in ("store", "registry") if ctx.params.get(name)} | given
        ctx = ctx.parent
    store = given.get("store") or os.environ.get("MIRSTORE_STORE") or "store"
    return Context(store, given.get("registry"), 0, True)


def _asked(app: Context, query: str) -> list[str]:
    """Return the first column of an answer of the store; nothing if there is no store."""
    from mirstore.store import Store

    if "://" not in app.store and not os.path.isdir(app.store):
        return []
    with Store(app.store, read_only=True) as store:
        return [str(value) for value in store.sql(query, timeout=5.0).to_series().to_list()]


def _known_features(app: Context) -> list[str]:
    return _asked(app, "SELECT DISTINCT feature FROM features")


def _components(app: Context) -> list[str]:
    return [text.partition("@")[0] for row in app.load_plugins().rows() for text in row.components]


def _extractors(app: Context) -> list[str]:
    from mirstore.core.components import Extractor

    return app.load_plugins().names(Extractor)


@_offer
def features(app: Context) -> list[str]:
    """Offer feature sets that the store has."""
    return _known_features(app)


@_offer
def computable(app: Context) -> list[str]:
    """Offer features that can be computed."""
    return [*app.load_registry().features, *_extractors(app)]


@_offer
def datasets(app: Context) -> list[str]:
    """Offer datasets."""
    return _asked(app, "SELECT DISTINCT dataset FROM datasets")


@_offer
def experiments(app: Context) -> list[str]:
    """Offer the registry's experiments."""
    return list(app.load_registry().experiments)


@_offer
def runs(app: Context) -> list[str]:
    """Offer runs, and the experiments that have any."""
    return _asked(app, "SELECT run FROM runs UNION SELECT experiment FROM runs")


@_offer
def models(app: Context) -> list[str]:
    """Offer kept models."""
    return _asked(app, "SELECT DISTINCT name FROM models")


@_offer
def components(app: Context) -> list[str]:
    """Offer the plugins' components."""
    return _components(app)


@_offer
def extractors(app: Context) -> list[str]:
    """Offer the plugins' extractors."""
    return _extractors(app)


@_offer
def weights(app: Context) -> list[str]:
    """Offer the weights that plugins declare."""
    return [needed.weights.name for needed in app.load_plugins().needed()]


@_offer
def formats(app: Context) -> Sequence[str]:
    """Offer formats of answers."""
    from mirstore.cli.output import formats

    return formats


@_offer
def parts(app: Context) -> list[str]:
    """Offer ``key=value`` for the parts of a case: tasks, features, groupings, smoothings, models."""
    from mirstore.core.components import Grouper, Smoother
    from mirstore.core.models import Model

    registry, plugins = app.load_registry(), app.load_plugins()
    values = {
        "task": [*registry.tasks],
        "features": [*registry.features, *_extractors(app)],
        "grouping": [*registry.groupings, *plugins.names(Grouper)],
        "smoothing": ["none", *registry.smoothings, *plugins.names(Smoother)],
        "model": [*registry.models, *plugins.names(Model)],
    }
    return [f"{key}={name}" for key, names in values.items() for name in names]


several_features = _listed(features)
several_computable = _listed(computable)


@_offer
def environments(app: Context) -> list[str]:
    """Offer environments of plugins."""
    from mirstore.core.environments import environments as made

    return [found.name for found in made()]
