"""One article per track: what was predicted of it, what is in it over time, and what was added to its scores."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import PurePath
from typing import Any

from mirstore.page.claims import Claims
from mirstore.page.local import explained
from mirstore.page.palette import Palette
from mirstore.page.ranking import case_name, differing
from mirstore.page.scores import learned
from mirstore.page.timeline import timeline
from mirstore.page.words import general, known, listed, number

id_shown = 10  # letters


def articles(report: Mapping[str, Any], claims: Claims) -> dict[str, Any] | None:
    """Return the tracks that were asked for, and those that the report explains; None without any.

    Parameters
    ----------
    report : Mapping
        See `mirstore.page.render`.
    claims : Claims

    Returns
    -------
    dict or None
        ``asked`` and ``others``: articles; ``case``: the one whose scores are explained, or None.
    """
    main = claims.explained
    tracks = [track for track in report.get("tracks") or [] if track["asked"] or main]
    if not tracks:
        return None
    palettes = _palettes(tracks)
    order = {case.raw["run"]: i for i, case in enumerate(claims.cases)}
    guessing = order.keys() - {case.raw["run"] for case in learned(claims.cases)}
    varying = differing([case["case"] for case in report["cases"]])
    made = [
        {
            "id": f"track-{i}",
            "asked": track["asked"],
            "track": track,
            "title": track.get("title") or (PurePath(track["path"]).name if track.get("path") else track["track"]),
            "about": _about(track, report["task"]),
            "short": short_id(track["track"]),
            "sound": track["sound"] if str(track.get("sound")).startswith("data:audio/") else None,
            "timeline": timeline(track, palettes),
            "tested": _tested(track, report["task"], varying, order, guessing),
            "explained": (said := explained(track, numeric=bool(report["task"].get("numeric"))) if main else []),
            "columns": any(group["columns"] for one in said for group in one["groups"]),
        }
        for i, track in enumerate(tracks, 1)
    ]
    return {
        "asked": [article for article in made if article["asked"]],
        "others": [article for article in made if not article["asked"]],
        "case": main,
    }


def places(found: Mapping[str, Any] | None) -> dict[str, str]:
    """Return where in the page each track's article is: track to the id of it.

    Parameters
    ----------
    found : Mapping or None
        As `articles` returns it.
    """
    every = [*found["asked"], *found["others"]] if found else []
    return {article["track"]["track"]: article["id"] for article in every}


def short_id(track: str) -> str:
    """Return what tells a track apart: the first letters of a checksum, a name as it is.

    Parameters
    ----------
    track : str
    """
    return track[:id_shown] if len(track) == 64 else track


def _palettes(tracks: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], Palette]:
    """Return one palette per strip, so that a colour means the same on every track."""
    texts: dict[tuple[str, str], set[str]] = {}
    for strip in (strip for track in tracks for strip in track.get("strips") or []):
        texts.setdefault((strip["feature"], strip["column"]), set()).update(row[2] for row in strip["rows"] if row[2])
    return {key: Palette.of(found) for key, found in texts.items()}


def _about(track: Mapping[str, Any], task: Mapping[str, Any]) -> str:
    """Return what a track is, in a line."""
    labels = track.get("labels") or {}
    said = [f"{name} {general(value)}" for name, value in labels.items()] if task.get("numeric") else list(labels)
    parts = [track.get("artist"), f"dataset {listed(track['datasets'])}" if track.get("datasets") else None]
    parts.append(f"{task['labels']}: {listed(said)}" if said else f"no label in “{task['labels']}”")
    return " · ".join(part for part in parts if part)


def _tested(
    track: Mapping[str, Any],
    task: Mapping[str, Any],
    varying: Sequence[str],
    order: Mapping[str, int],
    guessing: Collection[str],
) -> list[dict[str, Any]]:
    """Return a row per case, the best case first: what it said in the first repetition, and how often it was right.

    Cases that only guess say the same of every track.
    """
    runs: dict[str, list[Mapping[str, Any]]] = {}
    for one in track.get("tested") or []:
        if one["run"] not in guessing:
            runs.setdefault(one["run"], []).append(one)
    # A track of another dataset has its labels in that dataset's words, and scores in the task's.
    words = task.get("label_map") or {}
    right = list(dict.fromkeys(words.get(name, name) for name in track.get("labels") or {}))
    rows = []
    for run in sorted(runs, key=lambda run: order.get(run, len(order))):
        first = runs[run][0]
        rows.append(
            {
                "name": case_name(first["case"], varying),
                "fold": first["fold"] + 1,
                "said": _said(first["scores"], task),
                "right": [(name, number(first["scores"][name], 2)) for name in right if name in first["scores"]],
                "often": _often(runs[run], right) if task["exclusive"] and len(runs[run]) > 1 else "",
            }
        )
    return rows


def _said(scores: Mapping[str, Any], task: Mapping[str, Any]) -> str:
    if task.get("numeric"):
        return ", ".join(f"{name} {general(value)}" for name, value in scores.items())
    if task["exclusive"]:
        return f"{listed(_highest(scores), 'or')} ({number(max(scores.values(), default=None), 2)})"
    return ", ".join(f"{name} ({number(value, 2)})" for name, value in list(scores.items())[:3])


def _highest(scores: Mapping[str, Any]) -> list[str]:
    """Return the label with the highest score, or all that share it."""
    top = max((value for value in scores.values() if known(value)), default=None)
    return [name for name, value in scores.items() if value == top]


def _often(tests: Sequence[Mapping[str, Any]], right: Sequence[str]) -> str:
    count = sum(len(top := _highest(test["scores"])) == 1 and top[0] in right for test in tests)
    return f"{count} of {len(tests)}"
