"""Single tracks: what each group added to a label, how it sounds, and what smoothing did to the labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from mirstore.page import plots
from mirstore.page.ranking import Scored, explained
from mirstore.page.svg import Figure
from mirstore.page.words import known, plain

roles = {
    "best": "Clearest: the right label is far ahead of the others",
    "worst": "Furthest off: another label is far ahead of the right one",
    "ambiguous": "Undecided: the right label and another are about level",
}
scores_shown = 5


def listening(cases: Sequence[Scored], clips: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the explained tracks per case: of the case that the report explains, and of the best per grouping.

    Parameters
    ----------
    cases : sequence of Scored
        The best first.
    clips : Mapping of str to str
        Track to the data URL of its sound.
    """
    first = explained(cases)
    wanted: dict[str, Scored] = {first.text("grouping"): first} if first and first.raw.get("tracks") else {}
    for case in cases:
        if case.raw.get("tracks") and not case.role:
            wanted.setdefault(case.text("grouping"), case)
    return [{"case": case, "roles": _by_role(case.raw["tracks"], clips)} for case in wanted.values()]


def _by_role(tracks: Sequence[Mapping[str, Any]], clips: Mapping[str, str]) -> list[tuple[str, list[dict[str, Any]]]]:
    found = [
        (title, [_track(track, clips) for track in tracks if track.get("role") == role])
        for role, title in roles.items()
    ]
    return [(title, items) for title, items in found if items]


def _track(track: Mapping[str, Any], clips: Mapping[str, str]) -> dict[str, Any]:
    parts = {group: value for group, value in (track.get("contributions") or {}).items() if known(value)}
    largest = max(map(abs, parts.values()), default=0.0) or 1.0
    truth, clip = track.get("truth") or [], clips.get(track["track"])
    return {
        "title": track.get("title")
        or (PurePath(track["path"]).name if track.get("path") else _id(str(track["track"]))),
        "artist": track.get("artist"),
        "label": track.get("label"),
        "truth": truth,
        "scores": _scores(track.get("scores") or {}, truth),
        "contributions": [(plain(g), v, round(50 * v / largest, 1)) for g, v in _largest_first(parts)],
        "clip": clip if str(clip).startswith("data:audio/") else None,
    }


def _id(track: str) -> str:
    """Return what tells a track apart: the first letters of a checksum, a name as it is."""
    return track[:10] if len(track) == 64 else track


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
        title = f"How much of its label a track keeps on its own class, before and after {name}"
        caption = f"{name}, {features}" if several else name
        figures.append({"figure": Figure(plots.histogram(f"smooth{i}", ambiguity, title), caption), "own": own})
    return figures
