"""What a report says of single tracks: those that were asked for, and those of the case that it explains."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import polars as pl

from mirstore.store.experiments import panels
from mirstore.store.experiments.explanations import Clip, clip
from mirstore.store.experiments.loaded import LoadedRun
from mirstore.store.experiments.standing import explanations
from mirstore.store.experiments.strips import strips, timed
from mirstore.store.experiments.track_report import Tested, TrackReport
from mirstore.store.lake.quoting import literal, literals
from mirstore.store.store import Store

scores_shown = 5
longest = 600.0  # [s] of audio of a track that was asked for


def track_reports(
    store: Store,
    cases: Sequence[LoadedRun],
    explained: LoadedRun | None,
    asked: Sequence[str],
    others: Sequence[str],
    show: Sequence[str],
    clips: Mapping[str, Clip],
) -> list[TrackReport]:
    """Return what there is to say of tracks, those that were asked for first.

    Parameters
    ----------
    store : Store
    cases : sequence of LoadedRun
        Of one task.
    explained : LoadedRun or None
        The case whose scores are explained.
    asked, others : sequence of str
        Tracks.
    show : sequence of str
        Feature sets to show over time beside those that the cases read: texts, or tensors.
    clips : Mapping of str to Clip
        Track to its sound.
    """
    tracks = list(dict.fromkeys([*asked, *others]))
    if not tracks:
        return []
    finished = [case for case in cases if case.shown["state"] == "finished"]
    read = dict.fromkeys(id_ for case in cases for id_ in case.config["features"].values())
    tensors = {name: found for name in show if (found := panels.timed(store, name))}
    over_time = strips(store, timed(store, read, [name for name in show if name not in tensors]), tracks)
    why = explanations(store, explained, tracks) if explained else {}
    credits, labels = _credits(store, tracks), _labels(store, cases[0], tracks)
    nothing: dict[str, Any] = {"title": None, "artist": None, "path": None, "duration": None, "datasets": []}
    durations = {track: credits.get(track, nothing)["duration"] for track in tracks}
    pictures = panels.panels(store, list(tensors.values()), durations)
    tested = _tested(store, finished, tracks)
    return [
        TrackReport(
            track=track,
            **credits.get(track, nothing),
            asked=track in asked,
            labels=labels.get(track, {}),
            tested=tested.get(track, []),
            explanations=why.get(track, []),
            strips=over_time[track],
            panels=pictures[track],
            sound=clips[track].sound if track in clips else None,
            heard=(clips[track].start, clips[track].end) if track in clips else None,
        )
        for track in tracks
    ]


def sounds(paths: Mapping[str, str | None], seconds: float) -> Iterator[tuple[str, Clip]]:
    """Yield tracks with the middle of their audio, where the file is there.

    Parameters
    ----------
    paths : Mapping of str to (str or None)
        Track to its file.
    seconds : float > 0 [s]
        So much of it.
    """
    for track, path in paths.items():
        if found := clip(path, seconds):
            yield track, found


def _credits(store: Store, tracks: Sequence[str]) -> dict[str, dict[str, Any]]:
    rows = store.sql(
        f"""SELECT track, t.title, t.artist, t.path, t.duration,
                   list(DISTINCT i.dataset ORDER BY i.dataset) FILTER (i.dataset IS NOT NULL) AS datasets
        FROM tracks t LEFT JOIN items i USING (track) WHERE track IN {literals(tracks)} GROUP BY ALL"""
    )
    return {row.pop("track"): {**row, "datasets": row["datasets"] or []} for row in rows.to_dicts()}


def _labels(store: Store, case: LoadedRun, tracks: Sequence[str]) -> dict[str, dict[str, float]]:
    """Return the labels of tracks in the task's label set, in the words of their own dataset."""
    task = case.details.task
    sets = {task.dataset: task.labels}
    if task.evaluate_on:
        sets[task.evaluate_on] = task.evaluate_labels or task.labels
    its_own = " OR ".join(f"(dataset, label_set) = ({literal(name)}, {literal(of)})" for name, of in sets.items())
    rows = store.sql(
        f"""SELECT track, label, value FROM labels WHERE track IN {literals(tracks)}
        AND ({its_own}) ORDER BY track, label"""
    )
    found: dict[str, dict[str, float]] = {}
    for track, label, value in rows.iter_rows():
        if task.numeric or value > 0:
            found.setdefault(track, {})[label] = value
    return found


def _tested(store: Store, cases: Sequence[LoadedRun], tracks: Sequence[str]) -> dict[str, list[Tested]]:
    names = {case.run: case for case in cases}
    here = pl.col("run").is_in(list(names)) & pl.col("track").is_in(list(tracks))
    rows = store.scan("core.predictions").filter(here).collect().sort("score", "label", descending=[True, False])
    found: dict[str, list[Tested]] = {}
    parts = rows.partition_by("run", "track", "repeat", "fold", as_dict=True)
    for (run, track, repeat, fold), part in sorted(parts.items(), key=lambda item: item[0][2:]):
        numeric = names[str(run)].details.task.numeric
        first = part if numeric else part.filter((pl.int_range(pl.len()) < scores_shown) | (pl.col("truth") > 0))
        scores = dict(first.select("label", "score").iter_rows())
        found.setdefault(str(track), []).append(Tested(str(run), names[str(run)].config["case"], repeat, fold, scores))
    order = {run: i for i, run in enumerate(names)}
    return {track: sorted(items, key=lambda item: order[item.run]) for track, items in found.items()}
