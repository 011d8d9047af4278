"""What should not stand on both sides of a fold under two names: copies of a recording, and spellings of an artist."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl


def recordings(tracks: Sequence[str], pairs: Iterable[tuple[str, str]]) -> list[str | None]:
    """Return for each track the first of those that are one recording with it, None if there is no other.

    Parameters
    ----------
    tracks : sequence of str
        Ids; copies among others do not count.
    pairs : iterable of (str, str)
        Ids of two copies; a copy of a copy is a copy.
    """
    leader = {track: track for track in tracks}
    place = {track: number for number, track in enumerate(tracks)}

    def first(track: str) -> str:
        while leader[track] != track:
            leader[track] = leader[leader[track]]
            track = leader[track]
        return track

    for a, b in pairs:
        if a in leader and b in leader and (one := first(a)) != (other := first(b)):
            low, high = sorted((one, other), key=place.__getitem__)
            leader[high] = low
    found = [first(track) for track in tracks]
    several = {name for name, count in _counts(found).items() if count > 1}
    return [name if name in several else None for name in found]


def _counts(values: Iterable[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for value in values:
        counts[value] = counts.get(value, 0) + 1
    return counts


def identities(tracks: pl.DataFrame, copies: Iterable[tuple[str, str, str]]) -> dict[str, list[str | None]]:
    """Return what each track has of what should not stand on both sides of a fold.

    Parameters
    ----------
    tracks : pl.DataFrame
        ``track``, ``path``, ``artist``, ``album``; each track once.
    copies : iterable of (str, str, str)
        Kind, ``same samples`` or ``near``, and ids of two tracks that are one recording.

    Returns
    -------
    dict of str to list of (str or None)
        ``artist`` and ``album``; ``audio``, the first path of identical files and equal samples; ``near``, that of
        copies by their fingerprints, None if there are none.
    """
    ids, pairs = tracks["track"].to_list(), list(copies)
    path = {track: path or track for track, path in tracks.select("track", "path").iter_rows()}
    equal = recordings(ids, [(a, b) for kind, a, b in pairs if kind == "same samples"])
    near = recordings(ids, [(a, b) for kind, a, b in pairs if kind == "near"])
    return {
        "artist": tracks["artist"].to_list(),
        "album": tracks["album"].to_list(),
        "audio": [path[owner or track] for owner, track in zip(equal, ids, strict=True)],
        "near": [owner and path[owner] for owner in near],
    }


def known_of(tracks: pl.DataFrame, found: Mapping[str, Sequence[str | None]], fingerprinted: int) -> dict[str, int]:
    """Return of how many tracks it is known what `identities` returns: of numbers without audio no file is.

    Parameters
    ----------
    tracks : pl.DataFrame
        ``path``; each track once.
    found : Mapping of str to sequence of (str or None)
        What `identities` returned for them.
    fingerprinted : int
        How many have a fingerprint, by which near copies are found.
    """
    files = tracks.height - tracks["path"].null_count()
    said = {kind: len(values) - values.count(None) for kind, values in found.items()}
    return said | {"audio": files, "near": fingerprinted}


def similar_names(names: Iterable[str | None]) -> list[list[str]]:
    """Return names that are one but for case, spaces, accents, punctuation, an article or a guest ("feat.").

    Parameters
    ----------
    names : iterable of (str or None)
        None is left out.

    Returns
    -------
    list of list of str
        Groups of at least two spellings, each sorted.

    Examples
    --------
    >>> similar_names(["The Beatles", "Beatles", "Queen", None])
    [['Beatles', 'The Beatles']]
    """
    groups: dict[str, set[str]] = {}
    for name in names:
        if name and (plain := _plain(name)):
            groups.setdefault(plain, set()).add(name)
    return sorted(sorted(group) for group in groups.values() if len(group) > 1)


def _plain(name: str) -> str:
    text = unicodedata.normalize("NFKD", name).casefold()
    text = "".join(letter for letter in text if not unicodedata.combining(letter))
    text = re.sub(r"[\s(\[]+(feat|ft|featuring)\b.*", "", text)
    text = re.sub(r"^(the|a|die|der|das|les?|la|los)\s+|,\s*(the|a|die|der|das|les?|la|los)$", "", text.strip())
    return re.sub(r"[\W_]+", "", text.replace("&", "and"))
