"""What names of features mean: each leads to a feature set's id, and that to a table."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from mirstore.core.errors import StoreError, UnknownNameError, UsageError
from mirstore.core.features import FeatureSet
from mirstore.store.lake.lake import Lake
from mirstore.store.lake.latest import latest
from mirstore.store.lake.schema import feature_of, order


def current(lake: Lake) -> dict[str, str]:
    """Return what each name means now: its feature set's id.

    Parameters
    ----------
    lake : Lake
    """
    rows = latest(lake.scan("core.names"), "name").collect()
    return dict(zip(rows["name"], rows["feature_set"], strict=True))


def resolve(lake: Lake, name: str) -> str:
    """Return the id that a name, ``name@version`` or id stands for.

    Parameters
    ----------
    lake : Lake
    name : str

    Raises
    ------
    UnknownNameError
        If nothing stored is called so.
    UsageError
        If it was removed.
    """
    known = current(lake)
    if name in known:
        return known[name]
    matches = meant(lake, name)
    if not matches:
        raise UnknownNameError("features", name, known)
    there = [id_ for id_ in matches if id_ not in lake.hidden.features]
    if not there:
        again = f"mirstore ingest … --features {name.partition('@')[0]} brings them back"
        raise UsageError(f"features {name!r} were removed", hint=again)
    return there[-1]


def with_column(lake: Lake, text: str) -> tuple[str, str, str]:
    """Return the name, the id and the column that ``NAME.COLUMN`` stands for; no column if the whole is a name.

    Parameters
    ----------
    lake : Lake
    text : str

    Raises
    ------
    UnknownNameError, UsageError
        As `resolve`.
    """
    try:
        return text, resolve(lake, text), ""
    except UnknownNameError:
        name, dot, column = text.rpartition(".")
        if not dot:
            raise
        return name, resolve(lake, name), column


def meant(lake: Lake, name: str) -> list[str]:
    """Return all ids that a name, ``name@version`` or id has meant, the latest last, removed ones too.

    Parameters
    ----------
    lake : Lake
    name : str
    """
    named = lake.recorded("core.names").select("name", "feature_set", order).collect().sort(order, descending=True)
    sets = lake.recorded("core.feature_sets").select("feature_set", "version", order).collect()
    versions = dict(sets.select("feature_set", "version").iter_rows())
    # what defines one may be lost; then it came with its name
    begun = dict(named.select("feature_set", order).iter_rows()) | dict(sets.select("feature_set", order).iter_rows())
    if name in begun:
        return [name]
    base, at, number = name.partition("@")
    history = set(named.filter(pl.col("name") == base)["feature_set"])
    ids = sorted(history, key=lambda id_: (begun[id_], id_))
    return [id_ for id_ in ids if not at or number in (str(versions.get(id_)), id_)]


def unrecorded(lake: Lake, features: Mapping[str, FeatureSet]) -> set[str]:
    """Return the names of feature sets of which the name, the definition or a part of it is in no table.

    Parameters
    ----------
    lake : Lake
    features : Mapping of str to FeatureSet
        By name.
    """
    known = set(lake.recorded("core.names").select("name").collect()["name"])
    there = {
        table: set(lake.scan(f"core.{table}").select("feature_set").unique().collect()["feature_set"])
        for table in ("feature_sets", "columns", "inputs", "grids")
    }
    return {
        name
        for name, feature in features.items()
        if name not in known or any(feature.id not in there[table] for table in _parts(feature))
    }


def _parts(feature: FeatureSet) -> set[str]:
    """Return the tables that say what a feature set is; its rows in each came together, and are lost together."""
    grid = feature.columns["start"].grid if "start" in feature.columns else None
    return {"feature_sets", "columns", *(["inputs"] if feature.reads else []), *(["grids"] if grid else [])}


def table(lake: Lake, feature_set: str) -> str:
    """Return the table of a feature set's id.

    Parameters
    ----------
    lake : Lake
    feature_set : str
        Id of one that is stored.

    Raises
    ------
    StoreError
        If it has none: it was lost with the catalogue.
    """
    for name in lake.tables():
        if name.startswith("feat.") and feature_of(name) == feature_set:
            return name
    raise StoreError(f"features {feature_set}: their table is lost", hint="mirstore ingest computes them again")
