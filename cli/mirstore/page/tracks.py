"""Single tracks: what each group added to a label, how it sounds, and what smoothing did to the labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from mirstore.page import plots
from mirstore.page.articles import short_id
from mirstore.page.claims import Claims
from mirstore.page.ranking import Scored
from mirstore.page.svg import Figure
from mirstore.page.words import known, plain

roles = {
    "best": "The largest leads of the right label",
    "worst": "The smallest leads, or furthest behind",
    "ambiguous": "Of the other tracks, those nearest to level",
}
scores_shown = 5


def listening(claims: Claims, clips: Mapping[str, str], places: Mapping[str, str]) -> dict[str, Any] | None:
    """Return the tracks of the explained case; None without such a case.

    Parameters
    ----------
    claims : Claims
    clips : Mapping of str to str
        Track to the data URL of its sound.
    places : Mapping of str to str
        Track to where the page says more of it.
    """
    case = claims.explained
    if case is None or not case.raw.get("tracks"):
        return None
    return {"case": case, "roles": _by_role(case.raw["tracks"], clips, places)}


def _by_role(
    tracks: Sequence[Mapping[str, Any]], clips: Mapping[str, str], places: Mapping[str, str]
) -> list[tuple[str, list[dict[str, Any]]]]:
    # One scale for all tracks, so that a long bar is a large contribution on every card.
    largest = max((abs(value) for track in tracks for value in _parts(track).values()), default=0.0) or 1.0
    return [
        (title, [{**_track(track, clips, largest), "place": places.get(track["track"])} for track in of_role])
        for role, title in roles.items()
        if (of_role := [track for track in tracks if track.get("role") == role])
    ]


def _parts(track: Mapping[str, Any]) -> dict[str, float]:
    return {group: value for group, value in (track.get("contributions") or {}).items() if known(value)}


def _track(track: Mapping[str, Any], clips: Mapping[str, str], largest: float) -> dict[str, Any]:
    truth, clip = track.get("truth") or [], clips.get(track["track"])
    return {
        "title": track.get("title")
        or (PurePath(track["path"]).name if track.get("path") else short_id(str(track["track"]))),
        "artist": track.get("artist"),
        "label": track.get("label"),
        "truth": truth,
        "scores": _scores(track.get("scores") or {}, truth),
        "contributions": [(plain(g), v, round(50 * v / largest, 1)) for g, v in _largest_first(_parts(track))],
        "clip": clip if str(clip).startswith("data:audio/") else None,
    }


def _largest_first(parts: Mapping[str, float]) -> list[tuple[str, float]]:
    return sorted(parts.items(), key=lambda item: -abs(item[1]))


def _scores(scores: Mapping[str, Any], truth: Sequence[str]) -> list[tuple[str, float, bool]]:
    """Return the highest scores, and those of the right labels however low."""
    order = sorted((label for label in scores if known(scores[label])), key=lambda label: -scores[label])
    shown = [label for i, label in enumerate(order) if i < scores_shown or label in truth]
    return [(label, scores[label], label in truth) for label in shown]


def smoothing(cases: Sequence[Scored]) -> list[dict[str, Any]]:
    """Return a histogram per smoothing: the labels do not depend on the model that learns from them.

    Parameters
    ----------
    cases : sequence of Scored
    """
    found: dict[tuple[str, str], Mapping[str, Any]] = {}
    for case in cases:
        if case.raw.get("ambiguity"):
            found.setdefault((case.text("features"), case.text("smoothing")), case.raw["ambiguity"])
    several = len({features for features, _ in found}) > 1
    figures = []
    for i, ((features, name), ambiguity) in enumerate(sorted(found.items(), key=lambda item: item[0])):
        own = ambiguity.get("own_class_mean") or {}
        title = f"How much of its label a track keeps on its own class after {name}: learned from, and held out"
        caption = f"{name}, {features}" if several else name
        figures.append({"figure": Figure(plots.histogram(f"smooth{i}", ambiguity, title), caption), "own": own})
    return figures
