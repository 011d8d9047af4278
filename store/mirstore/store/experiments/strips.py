"""What feature sets say of a track over time: chords, functions, words, sections."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import polars as pl

from mirstore.core.errors import UsageError
from mirstore.store.experiments.track_report import Strip
from mirstore.store.names import with_column
from mirstore.store.store import Store

most_rows = 3000  # of a track that a page shows; a song has some hundred chords or words


@dataclass(frozen=True)
class Timed:
    """A feature set with rows of ``start`` [s] and a text.

    Attributes
    ----------
    id, feature : str
        Its id and what it is called.
    column, text : str
        The column of text, and what that is, as declared.
    ends : bool
        Whether it says where rows end; lyrics by the line do not.
    """

    id: str
    feature: str
    column: str
    text: str
    ends: bool


def timed(store: Store, read: Iterable[str], named: Sequence[str]) -> list[Timed]:
    """Return the feature sets to show: what some read, what is made of these alone, and what is named.

    Parameters
    ----------
    store : Store
    read : iterable of str
        Ids of feature sets: what they read counts too, and what that reads.
    named : sequence of str
        Further ones by name, also as ``NAME.COLUMN``; else the first column of text is shown.

    Raises
    ------
    UnknownNameError
        If nothing stored is called so.
    UsageError
        If it has no rows with a start and a text.
    """
    inputs = _inputs(store)
    names = {id_: name for name, id_ in store.names().items()}
    found = {id_: one for id_ in _with_all_they_read(read, inputs) if (one := _of(store, id_, names.get(id_)))}
    for id_ in names:  # what a name means by now, if all that it reads is shown
        if id_ not in found and inputs.get(id_) and set(inputs[id_]) <= found.keys():
            found |= {id_: one} if (one := _of(store, id_, names[id_])) else {}
    chosen = list(found.values())
    return list(dict.fromkeys([*(_named(store, text) for text in named), *chosen]))


def _inputs(store: Store) -> dict[str, list[str]]:
    rows = store.scan("core.inputs").select("feature_set", "input").unique().collect()
    return {
        str(id_): part["input"].to_list() for (id_,), part in rows.partition_by("feature_set", as_dict=True).items()
    }


def _with_all_they_read(ids: Iterable[str], inputs: Mapping[str, Sequence[str]]) -> list[str]:
    found, open_ = dict[str, None](), list(ids)
    while open_:
        id_ = open_.pop(0)
        if id_ not in found:
            found[id_] = None
            open_ += inputs.get(id_, ())
    return sorted(found)


def _named(store: Store, text: str) -> Timed:
    name, id_, column = with_column(store, text)
    found = _of(store, id_, name, column)
    if found is None:
        what = f"a text in column {column!r}" if column else "a text"
        raise UsageError(
            f"features {name!r} cannot be shown over time: no rows with start and {what}, and no tensor with a hop"
        )
    return found


def _of(store: Store, id_: str, name: str | None, column: str = "") -> Timed | None:
    about = store.about(id_)
    columns = {row["column"]: row for row in about["columns"]}
    texts = [each for each, row in columns.items() if row["dtype"] == "String" and column in ("", each)]
    if "start" not in columns or not texts:
        return None
    called = name or about["extractor"].partition("@")[0]
    return Timed(id_, called, texts[0], columns[texts[0]]["text"], "end" in columns)


def strips(store: Store, sets: Sequence[Timed], tracks: Sequence[str]) -> dict[str, list[Strip]]:
    """Return what the feature sets say of each of some tracks; nothing of what is not kept.

    Parameters
    ----------
    store : Store
    sets : sequence of Timed
    tracks : sequence of str
    """
    found: dict[str, list[Strip]] = {track: [] for track in tracks}
    for one in sets:
        with suppress(UsageError):  # not kept, or removed
            rows = store.features(one.id, tracks).filter(pl.col("start").is_finite())
            for (track,), part in rows.partition_by("track", as_dict=True, maintain_order=True).items():
                end = pl.col("end") if one.ends else pl.lit(None, dtype=pl.Float64).alias("end")
                shown = part.select("start", end, one.column).head(most_rows).rows()
                found[str(track)].append(Strip(one.feature, one.column, one.text, shown, part.height))
    return found
