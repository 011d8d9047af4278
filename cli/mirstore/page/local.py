"""Local explanations in words: what groups added to a score, and where the track's values stand among others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mirstore.page.words import general, number, plain

few = 20  # other tracks: fewer are counted, as a share of them says more than is known
least = 0.1  # of the largest group: of a smaller one no columns are told


def explained(track: Mapping[str, Any], *, numeric: bool = False) -> list[dict[str, Any]]:
    """Return what was added to the score of each label that is explained.

    Parameters
    ----------
    track : Mapping
        `mirstore.store.experiments.track_report.TrackReport` as JSON.
    numeric : bool
        Whether numbers are predicted, of any size.

    Returns
    -------
    list of dict
        ``label``, ``fold`` (from 1), ``others`` (how many tracks values are compared with), ``averaged`` (whether they
        are means over rows), ``groups``: ``name``, ``said``, ``missing`` and ``columns`` of each, the latter with
        ``name``, ``text`` and ``said``.
    """
    return [
        {
            "label": one["label"],
            "fold": one["fold"] + 1,
            "others": max(one["tracks"] - 1, 0),
            "averaged": one["averaged"],
            "groups": [
                {
                    "name": plain(group["group"]),
                    "said": added(group["value"], _largest(one) if numeric else None),
                    "missing": group["missing"],
                    "columns": [
                        {"name": column["column"], "text": _about(column), "said": sentence(column)}
                        for column in group["columns"]
                        if abs(group["value"]) >= least * _largest(one)
                    ],
                }
                for group in one["groups"]
            ],
        }
        for one in track.get("explanations") or []
    ]


def _largest(explanation: Mapping[str, Any]) -> float:
    return max((abs(group["value"]) for group in explanation["groups"]), default=0.0)


def added(value: float, largest: float | None = None) -> str:
    """Return what a group adds: to a score to two decimals, to a number in proportion to what the largest group adds.

    Parameters
    ----------
    value : float
    largest : float >= 0 or None
        What the largest group adds to the same number; None for a score.

    Examples
    --------
    >>> added(0.402), added(-0.001), added(-0.00045, largest=0.00045), added(0.9, largest=171.4)
    ('adds 0.40', 'adds next to nothing', 'takes away 0.00045', 'adds next to nothing')
    """
    amount = number(abs(value), 2) if largest is None else general(abs(value), 3)
    if abs(value) < 0.01 * (largest or 0.0) or not value or amount == number(0.0, 2):
        return "adds next to nothing"
    return f"{'adds' if value > 0 else 'takes away'} {amount}"


def _about(column: Mapping[str, Any]) -> str:
    return (column.get("text") or "").strip().removesuffix(".")


def sentence(column: Mapping[str, Any]) -> str:
    """Return where a value stands, and what the model makes of that.

    Parameters
    ----------
    column : Mapping
        `mirstore.store.experiments.track_report.ColumnStanding` as JSON.

    Examples
    --------
    >>> about = {"unit": "Hz", "value": 2310.0, "mean": 1800.0, "unknown": 0, "weight": 0.2, "push": 0.3}
    >>> sentence({**about, "lower": 8, "equal": 0, "higher": 2})
    'is 2310 Hz, above the mean of 1800 and higher than 8 of the 10 other tracks; higher values raise the score'
    """
    value, mean = apart(column["value"], column["mean"])
    unit = f" {column['unit']}" if column.get("unit") else ""
    above = column["value"] > column["mean"]
    where, high = standing(column["lower"], column["equal"], column["higher"], column["unknown"])
    # The mean decides what the model makes of a value; a few extreme ones may draw it past most tracks.
    joined = "and" if high is None or high == above else "but"
    direction = "raise" if column["weight"] > 0 else "lower"
    side = "above" if above else "below"
    return f"is {value}{unit}, {side} the mean of {mean} {joined} {where}; higher values {direction} the score"


def standing(lower: int, equal: int, higher: int, unknown: int = 0) -> tuple[str, bool | None]:
    """Return where a value stands among those of other tracks, and whether that is the upper half; None if neither.

    Ties count half on either side to decide on the half, and are told.

    Parameters
    ----------
    lower, equal, higher : int >= 0
        Other tracks with a lower, the same, or a higher value.
    unknown : int >= 0
        Other tracks without a value.

    Examples
    --------
    >>> standing(9, 0, 2)
    ('higher than 9 of the 11 other tracks', True)
    >>> standing(0, 7, 3)
    ('the same as 7 of the 10 other tracks and lower than the rest', False)
    """
    others = lower + equal + higher
    noun = "other track" if others == 1 else "other tracks"
    among = f"the {others} {noun}" + (" that have a value" if unknown else "")
    if not others:
        return "no other track has a value", None
    if equal == others:
        return f"the same as all of {among}", None
    if not equal and others in (lower, higher):
        return f"{'higher' if lower else 'lower'} than all of {among}", bool(lower)
    high = lower > higher if lower != higher else None
    if not equal:
        side = lower >= higher
        return f"{'higher' if side else 'lower'} than {_part(lower if side else higher, others)} of {among}", high
    if not lower or not higher:
        side_word = "higher" if lower else "lower"
        return f"the same as {_part(equal, others)} of {among} and {side_word} than the rest", high
    same = f"the same as {_part(equal, others)}"
    if lower >= higher:
        return f"higher than {_part(lower, others)} of {among} and {same}", high
    return f"lower than {_part(higher, others)} of {among} and {same}", high


def _part(count: int, others: int) -> str:
    """Return a share that is not rounded up: what is said of 82 % holds for 82 % at least."""
    return f"{100 * count // others}\u202f%" if others >= few and 100 * count >= others else str(count)


def apart(value: float, mean: float) -> tuple[str, str]:
    """Return two different numbers in as many digits as show that they are.

    Parameters
    ----------
    value, mean : float

    Examples
    --------
    >>> apart(0.25, 0.5), apart(1000.02, 1000.01)
    (('0.25', '0.5'), ('1000.02', '1000.01'))
    """
    for digits in range(4, 17):
        texts = general(value, digits), general(mean, digits)
        if texts[0] != texts[1]:
            break
    return texts
