"""Chords, functions, words and sections on one timeline: lines of seconds, as lines of music, each with its strips."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mirstore.page.palette import Palette, short_chord
from mirstore.page.svg import letters
from mirstore.page.words import known

lengths = (15.0, 30.0, 60.0, 150.0)  # [s] of a line; a wide page has two side by side
most_lines = 24
spoken = ("word", "text")  # columns of what is sung: it is set as text, and not into boxes
picture = re.compile(r"data:image/png;base64,[A-Za-z0-9+/]+=*")  # it goes into a style, where other text could do harm
longest_label = 16  # letters; what is longer is never written into a strip


def timeline(track: Mapping[str, Any], palettes: Mapping[tuple[str, str], Palette]) -> dict[str, Any] | None:
    """Return the lines of a track; None if there is nothing to draw.

    Parameters
    ----------
    track : Mapping
        `mirstore.store.experiments.track_report.TrackReport` as JSON.
    palettes : Mapping
        Feature and column to the palette of that strip.

    Returns
    -------
    dict or None
        ``lines``, each with ``start``, ``end``, ``width`` [%], ``ticks``, ``heard``, ``panels`` and ``strips``;
        ``panels`` and ``strips``: what each is, for the legend and the tables; ``heard``: what of the track the player
        has [s], None if all.
    """
    end = duration(track)
    given = track.get("strips") or []
    strips = [_laid(strip, palettes[strip["feature"], strip["column"]], end) for strip in given]
    strips.sort(key=lambda strip: strip.sung)  # text takes as many lines as it needs: below it nothing is in line
    panels = [panel for panel in track.get("panels") or [] if picture.fullmatch(panel["picture"])]
    if not end or not (strips or panels):
        return None
    length = next((each for each in lengths if end <= each * most_lines), end / most_lines)
    length = end if end <= 1.2 * length else length
    starts = [i * length for i in range(max(1, math.ceil(end / length - 1e-9)))]
    heard = track.get("heard")
    return {
        "lines": [
            {
                **_line(start, min(start + length, end), length, strips, heard, last=start == starts[-1]),
                "panels": [_part(panel, start, min(start + length, end)) for panel in panels],
            }
            for start in starts
        ],
        "panels": panels,
        "strips": strips,
        "heard": heard if heard and heard[1] - heard[0] < 0.95 * end else None,
    }


def duration(track: Mapping[str, Any]) -> float:
    """Return how long a track is [s]; where that is not known, where its last row or picture ends.

    Parameters
    ----------
    track : Mapping
        As for `timeline`.
    """
    if known(track.get("duration")):
        return float(track["duration"])
    rows = [row for strip in track.get("strips") or [] for row in strip["rows"]]
    ends = [row[1] if known(row[1]) else row[0] for row in rows]
    return max([*ends, *(panel["end"] for panel in track.get("panels") or [])], default=0.0)


@dataclass(frozen=True)
class _Laid:
    """A strip as it is drawn.

    Attributes
    ----------
    feature, column, text : str
        What it is.
    rows : sequence
        Start, end and text, all that the page has.
    total : int
        How many there are in the store.
    palette : Palette
    segments : sequence of (float, float, str)
        Start, end [s] and text within the track, none of which reaches into the next.
    """

    feature: str
    column: str
    text: str
    rows: Sequence[Sequence[Any]]
    total: int
    palette: Palette
    segments: Sequence[tuple[float, float, str]]

    @property
    def name(self) -> str:
        """What it is called in the page."""
        return f"{self.feature}: {self.column}"

    @property
    def sung(self) -> bool:
        """Whether it is set as text."""
        return self.column in spoken


def _laid(strip: Mapping[str, Any], palette: Palette, end: float) -> _Laid:
    return _Laid(**strip, palette=palette, segments=list(_apart(strip["rows"], end)))


def _apart(rows: Sequence[Sequence[Any]], end: float) -> Iterator[tuple[float, float, str]]:
    """Yield start, end and text of rows within a track; where rows overlap, each ends where the next begins."""
    following = [*(row[0] for row in rows[1:]), end]
    for (start, stop, text), then in zip(rows, following, strict=True):
        first, last = max(start, 0.0), min(stop if known(stop) else then, then, end)
        if text is not None and last > first:
            yield first, last, str(text)


def _line(
    start: float, end: float, length: float, strips: Sequence[_Laid], heard: Any, *, last: bool
) -> dict[str, Any]:
    """Return one line: positions are in per cent of the line itself."""

    def at(seconds: float) -> float:
        return round(100 * (min(max(seconds, start), end) - start) / (end - start), 3)

    step = next((step for step in (1, 5, 10, 20, 60, 300) if length / step <= 6.5), length)
    # The last one would have no room for its number.
    first, last_tick = -(-start // step) * step, start + min(0.93 * length, end - start)
    ticks = [(at(first + i * step), clock(first + i * step)) for i in range(8) if first + i * step < last_tick]
    within = heard and heard[0] < end and heard[1] > start
    return {
        "start": clock(start),
        "end": clock(end),
        "width": round(100 * (end - start) / length, 3),
        "ticks": ticks,
        "heard": (at(heard[0]), round(at(heard[1]) - at(heard[0]), 3)) if within else None,
        "strips": [
            {
                "strip": strip,
                "segments": [
                    _segment(text, at(a), at(b), strip.palette)
                    for a, b, text in strip.segments
                    if a < end and b > start
                ],
                "sung": _sung(strip, start, float("inf") if last else end) if strip.sung else "",
            }
            for strip in strips
        ],
    }


def _part(panel: Mapping[str, Any], start: float, end: float) -> dict[str, Any] | None:
    """Return what a line shows of a picture: where it stands, how wide the whole is, and how far it is moved [%].

    None if the picture is of another time.
    """
    first, last = max(start, panel["start"]), min(end, panel["end"])
    if last - first <= 1e-9:
        return None
    whole, part = panel["end"] - panel["start"], last - first
    return {
        "left": round(100 * (first - start) / (end - start), 3),
        "width": round(100 * part / (end - start), 3),
        "size": round(100 * whole / part, 3),
        # As style sheets have it: of what does not fit, so much is to the left.
        "moved": round(100 * (first - panel["start"]) / (whole - part), 3) if whole - part > 1e-9 else 0.0,
    }


def _sung(strip: _Laid, start: float, end: float) -> str:
    """Return the words that begin in a line."""
    first = -float("inf") if start == 0 else start
    said = [str(text) for begun, _, text in strip.rows if text is not None and first <= begun < end]
    return (" " if strip.column == "word" else " / ").join(said)


def _segment(text: str, left: float, right: float, palette: Palette) -> dict[str, Any]:
    shown, look = short_chord(text) if palette.chords else text, palette.look(text)
    return {
        "text": text,
        "shown": "" if look == "none" or letters(shown) > longest_label else shown,
        "room": letters(shown),
        "initial": palette.initials.get(text, ""),
        "left": left,
        "width": round(right - left, 3),
        "look": look,
        "hue": palette.hue(text),
    }


def clock(seconds: float) -> str:
    """Return a time as players show it.

    Parameters
    ----------
    seconds : float >= 0 [s]

    Examples
    --------
    >>> clock(0), clock(75.4), clock(3600)
    ('0:00', '1:15', '60:00')
    """
    return f"{int(seconds + 1e-6) // 60}:{int(seconds + 1e-6) % 60:02}"
