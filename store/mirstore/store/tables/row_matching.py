"""Which row of a table means which file: by the longest common ending of their paths, else by stem or number."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mirstore.core.errors import UsageError
from mirstore.core.text import some

_suffix = re.compile(r"\.(?=[^.]*[a-z])[a-z0-9]{2,5}$")
_number = re.compile(r"([a-z]*)[_\- ]*0*(\d+?)(?:\.0)?")  # 3346.0 is what pandas writes where an id was missing


@dataclass
class Match:
    """Which keys found which paths.

    Attributes
    ----------
    found : dict of int to int
        Path to key, by position.
    idle : list of int
        Keys without a path.
    loose : list of (int, int)
        Path and key whose names agree and whose folders do not.
    unclear : list of (tuple of int, tuple of int)
        Keys and paths that fit each other equally well, one key several paths or several keys one path.
    """

    found: dict[int, int] = field(default_factory=dict)
    idle: list[int] = field(default_factory=list)
    loose: list[tuple[int, int]] = field(default_factory=list)
    unclear: list[tuple[tuple[int, ...], tuple[int, ...]]] = field(default_factory=list)


def match(keys: Sequence[str], paths: Sequence[str], where: str, exact: Sequence[str] = ()) -> Match:
    """Match keys, each once, with paths; see `matches`.

    Parameters
    ----------
    keys, paths : sequence of str
        As for `matches`.
    where : str
        The table, for errors.
    exact : sequence of str
        As for `matches`.

    Raises
    ------
    UsageError
        If a key fits several paths, or several keys fit a path, equally well.
    """
    found = matches(keys, paths, exact)
    for many_keys, many_paths in found.unclear:
        if len(many_paths) > 1:
            shown = some([paths[path] for path in many_paths])
            raise UsageError(
                f"{where}: {keys[many_keys[0]]!r} fits {len(many_paths)} files: {shown}",
                hint="write more of the path into the table",
            )
        shown = some([repr(keys[key]) for key in many_keys])
        raise UsageError(f"{where}: {shown} all fit {paths[many_paths[0]]}", hint="keep one row per file")
    return found


def matches(keys: Sequence[str], paths: Sequence[str], exact: Sequence[str] = ()) -> Match:
    """Match keys, each once, with paths, and tell what is unclear.

    A number that fits several paths equally well (``3`` fits ``a3`` and ``b3``) fits none.

    Parameters
    ----------
    keys : sequence of str
        Paths, names, stems or ids, as a table has them.
    paths : sequence of str
        What they may mean.
    exact : sequence of str
        The keys as absolute paths: one that is there goes before all others.
    """
    index, there = _index(paths, keys), {path: number for number, path in enumerate(paths)}
    claims: dict[int, dict[_Score, list[int]]] = defaultdict(lambda: defaultdict(list))
    unsure: list[tuple[int, _Score, list[int]]] = []
    result = Match()
    for key, text in enumerate(keys):
        if exact and exact[key] in there:
            claims[there[exact[key]]][_exact].append(key)
            continue
        score, candidates = _best(text, index)
        if len(candidates) == 1:
            claims[candidates[0]][score].append(key)
        elif candidates and score[0] == len(_parts(text)) and score[1] > -2:  # else its folders contradict all of them
            unsure.append((key, score, candidates))
    for key, score, candidates in unsure:
        left = [path for path in candidates if path not in claims or max(claims[path]) <= score]
        if len(left) > 1:
            result.unclear.append(((key,), tuple(left)))
        elif left:
            claims[left[0]][score].append(key)
    _decide(result, keys, paths, claims)
    return result


_Score = tuple[int, int]  # common parts of the path, and how alike their spelling is (0 to -3)
_Index = Mapping[tuple[int, str], list[int]]
_exact = (1 << 20, 0)


def _decide(
    result: Match, keys: Sequence[str], paths: Sequence[str], claims: Mapping[int, Mapping[_Score, list[int]]]
) -> None:
    for path, scores in claims.items():
        score = max(scores)
        key, *others = scores[score]
        if others:
            result.unclear.append((tuple(scores[score]), (path,)))
            continue
        result.found[path] = key
        if score[0] < min(len(_parts(keys[key])), len(_parts(paths[path]))):
            result.loose.append((path, key))
    used = {*result.found.values(), *(key for many, _ in result.unclear for key in many)}
    result.idle = [key for key in range(len(keys)) if key not in used]


def _parts(path: str) -> list[str]:
    path = unicodedata.normalize("NFC", path)  # macOS takes accents apart
    path = path if "/" in path else path.replace("\\", "/")
    return [part for part in path.split("/") if part not in ("", ".", "..")]


def _stem(parts: Sequence[str]) -> tuple[str, str, re.Match[str] | None]:
    """Return the folders as they begin a spelling, the name without suffix, and the number in it."""
    *folders, name = parts
    stem = _suffix.sub("", name.casefold())
    return "".join(f"{folder.casefold()}/" for folder in folders), stem, _number.fullmatch(stem)


def _index(paths: Sequence[str], keys: Sequence[str]) -> _Index:
    depth = max((len(_parts(key)) for key in keys), default=1)
    index: dict[tuple[int, str], list[int]] = defaultdict(list)
    for number, path in enumerate(paths):
        parts = _parts(path)
        for length in range(1, min(depth, len(parts)) + 1):
            folders, stem, digits = _stem(parts[-length:])
            index[0, "/".join(parts[-length:])].append(number)
            index[-1, folders + stem].append(number)
            if digits:
                index[-2, f"{folders}{digits[1]}:{digits[2]}"].append(number)
                index[-3, f"{folders}*:{digits[2]}"].append(number)
    return index


def _best(key: str, index: _Index) -> tuple[_Score, list[int]]:
    """Return how well a key fits, and the paths that it fits as well as that."""
    parts = _parts(key)
    for length in range(len(parts), 0, -1):
        folders, stem, digits = _stem(parts[-length:])
        spellings = [(0, "/".join(parts[-length:])), (-1, folders + stem)]
        if digits:  # track_0003346 is 3346, and no album_3346
            spellings.append((-2, f"{folders}{digits[1]}:{digits[2]}"))
            spellings.append((-2, f"{folders}:{digits[2]}") if digits[1] else (-3, f"{folders}*:{digits[2]}"))
        for level, spelling in spellings:
            if found := index.get((level, spelling)):
                return (length, level), found
    return (0, 0), []
