"""What extractors promise: values that keep to their declaration on any sound, and never vary."""

# ruff: noqa: D401 (a check's docstring states the property)

from __future__ import annotations

import warnings
from math import inf

import numpy as np

from mirstore.core.checks import declarations, signals
from mirstore.core.checks.rows import difference, outside, rows_in_a_new_process, rows_of, track_of
from mirstore.core.checks.signals import recording
from mirstore.core.checks.subject import Subject, feature_of, require
from mirstore.core.columns import check_rows
from mirstore.core.errors import TrackError


def gives_rows_for_music(subject: Subject) -> None:
    """Twenty seconds of plain music are enough for a value."""
    with recording(signals.music()) as path:
        require(rows_of(feature_of(subject), path), "gives no rows for 20 s of music")


def keeps_its_columns_on_music(subject: Subject) -> None:
    """Names, types, shapes and nulls are as declared."""
    with recording(signals.music()) as path:
        rows_of(feature_of(subject), path)


def gives_segments_within_the_track(subject: Subject) -> None:
    """Starts lie within the track; no segment ends before it starts. Starts may be equal: notes of a chord."""
    feature = feature_of(subject)
    if "start" not in feature.columns:
        return
    with recording(signals.music()) as path:
        rows = rows_of(feature, path)
    starts = [row["start"] for row in rows]
    require(all(0 <= start < 20 for start in starts), f"starts must lie within the track's 20 s, got {starts[:10]}")
    ends = [(inf if row.get("end") is None else row["end"]) for row in rows]
    require(all(end >= start for start, end in zip(starts, ends, strict=True)), "a segment ends before it starts")


def keeps_its_columns_on_noise(subject: Subject) -> None:
    """White noise has no pitch and no rhythm."""
    _try(subject, signals.noise())


def keeps_its_columns_on_a_click(subject: Subject) -> None:
    """One click in digital silence: most frames have no energy at all."""
    _try(subject, signals.click())


def keeps_its_columns_on_near_silence(subject: Subject) -> None:
    """Full silence never comes: the decoder refuses it."""
    _try(subject, signals.near_silence())


def keeps_its_columns_on_clipped_sound(subject: Subject) -> None:
    """A square wave at full scale."""
    _try(subject, signals.clipped())


def keeps_its_columns_on_a_tenth_of_a_second(subject: Subject) -> None:
    """The shortest track that the decoder lets through."""
    _try(subject, signals.music(0.1))


def keeps_its_columns_in_stereo(subject: Subject) -> None:
    """Two channels that differ."""
    left = signals.music(3.0, 44100)
    _try(subject, np.stack([left, 0.5 * np.roll(left, 441)], axis=1), 44100)


def keeps_its_columns_at_other_sampling_rates(subject: Subject) -> None:
    """From telephone to studio."""
    for sr in (8000, 44100, 48000):
        _try(subject, signals.music(3.0, sr), sr)


def _try(subject: Subject, samples: np.ndarray, sr: int = 22050) -> None:
    """Extract; a `TrackError` is a good answer for odd sounds, any other exception is not."""
    with recording(samples, sr) as path:
        try:
            rows_of(feature_of(subject), path)
        except TrackError as error:
            if error.reason in ("wrong columns", "wrong value"):
                raise


def stays_within_its_ranges(subject: Subject) -> None:
    """A declared range holds for every sound."""
    feature = feature_of(subject)
    for make in (signals.music, signals.noise, signals.click, signals.near_silence, signals.clipped):
        with recording(make()) as path:
            try:
                rows = rows_of(feature, path)
            except TrackError:
                continue  # another check's matter
        for row in rows:
            for name, column in feature.columns.items():
                problem = outside(row[name], column)
                require(not problem, f"column {name!r}: {problem} on {make.__name__}")


def gives_the_same_bits_in_two_processes(subject: Subject) -> None:
    """Values belong to the track, the version and the parameters: never to a seed, a clock or a hash order."""
    feature = feature_of(subject)
    with recording(signals.music()) as path:
        first, second = (rows_in_a_new_process(feature, path) for _ in range(2))
    differ = difference(first, second)
    require(not differ, f"two processes disagree on {differ}")


def remembers_nothing_between_tracks(subject: Subject) -> None:
    """A track's values do not depend on the tracks before it."""
    feature = feature_of(subject)
    with recording(signals.music()) as path, recording(signals.music(12.0, 44100)[::-1], 44100) as other:
        first = rows_of(feature, path)
        rows_of(feature, other)
        second = rows_of(feature, path)
    differ = difference(first, second, rtol=1e-6)
    require(not differ, f"another track in between changes {differ}")


def gives_the_same_in_a_batch_and_alone(subject: Subject) -> None:
    """`extract_batch` returns one result per track, in order, equal to `extract` but for rounding."""
    feature = feature_of(subject)
    with recording(signals.music()) as path, recording(signals.music(12.0, 44100)[::-1], 44100) as other:
        paths = [path, other, path]
        alone = [rows_of(feature, each) for each in paths]
        with warnings.catch_warnings(action="ignore"):
            tracks = [track_of(feature, each) for each in paths]
            results = feature.extractor.extract_batch(tracks)
        require(len(results) == len(paths), f"{len(results)} results for a batch of {len(paths)} tracks")
        for expected, result, track in zip(alone, results, tracks, strict=True):
            differ = difference(expected, check_rows(result, feature.columns, track), rtol=1e-3)
            require(not differ, f"a batch changes {differ}")


checks = (
    *declarations.checks,
    keeps_its_columns_on_music,
    gives_rows_for_music,
    gives_segments_within_the_track,
    gives_the_same_bits_in_two_processes,  # not last: its processes are cleared away while others run
    keeps_its_columns_on_noise,
    keeps_its_columns_on_a_click,
    keeps_its_columns_on_near_silence,
    keeps_its_columns_on_clipped_sound,
    keeps_its_columns_on_a_tenth_of_a_second,
    keeps_its_columns_in_stereo,
    keeps_its_columns_at_other_sampling_rates,
    stays_within_its_ranges,
    remembers_nothing_between_tracks,
    gives_the_same_in_a_batch_and_alone,
)
