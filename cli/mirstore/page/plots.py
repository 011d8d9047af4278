"""The plots of a report: every one is a list of rows on a common scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mirstore.page import svg
from mirstore.page.words import has_interval, known, number, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from mirstore.page.ranking import Scored

longest = 30  # characters of a row's label


@dataclass(frozen=True)
class Scale:
    """What the panels of one kind share, so that they can be compared.

    Attributes
    ----------
    low, high : float
        Ends of the axis.
    title : str
        What it measures.
    labels : sequence of str
        Labels of the rows of all panels.
    """

    low: float
    high: float
    title: str
    labels: Sequence[str]

    @property
    def margins(self) -> tuple[float, float, float, float]:
        """Room [px] to the left, right, top and bottom of the axes."""
        return svg.label_width([svg.shorten(label, longest) for label in self.labels]), 14, 4, 40


def folds(name: str, rows: Sequence[tuple[str, Scored]], scale: Scale, floor: Any) -> str:
    """Draw the folds of some cases as dots, their mean as a bar, and the interval as a line.

    Parameters
    ----------
    name : str
        Of the figure, unique in the page.
    rows : sequence of (str, Scored)
        Label and case, from the top.
    scale : Scale
    floor : float or None
        Where a line marks what guessing reaches; none if it is not known.

    Returns
    -------
    str
        SVG.
    """
    labels = [label for label, _ in rows]
    tall = 31 if any("\n" in label for label in labels) else 25

    def plot(axes: Axes) -> None:
        _rows(axes, labels)
        if known(floor):
            axes.axvline(floor, color=svg.soft, linewidth=0.8, linestyle=(0, (3, 2.5)))
        for y, (_, case) in zip(_heights(rows), rows, strict=True):
            value, colour = case.value, svg.second if case.role == "opaque" else svg.first
            colour = svg.soft if case.role in ("floor", "control") else colour
            if has_interval(value):
                axes.plot([value["low"], value["high"]], [y, y], color=svg.ink, linewidth=0.9, solid_capstyle="butt")
            dots = [v for v in value.get("values") or [] if known(v)]
            axes.plot(dots, [y] * len(dots), "o", color=colour, markersize=4.2, markeredgewidth=0, alpha=0.55)
            axes.plot([value["mean"]], [y], "|", color=svg.ink, markersize=10, markeredgewidth=1.5)
        _finish(axes, scale)

    said = "; ".join(f"{label}: {number(case.value['mean'])}".replace("\n", " ") for label, case in rows)
    return svg.draw(name, f"{scale.title} of each fold. {said}", tall * len(rows) + 44, scale.margins, plot)


def per_label(name: str, labels: Sequence[str], series: Sequence[Mapping[str, Any]], scale: Scale) -> str:
    """Draw one value per label and case: the first as a full dot, the second as a ring.

    Parameters
    ----------
    name : str
        Of the figure, unique in the page.
    labels : sequence of str
        From the top.
    series : sequence of Mapping of str to float
        Label to value, of two cases at most.
    scale : Scale

    Returns
    -------
    str
        SVG.
    """

    def plot(axes: Axes) -> None:
        _rows(axes, labels)
        for i, values in reversed(list(enumerate(series[:2]))):
            found = [(values[label], y) for label, y in zip(labels, _heights(labels), strict=True) if label in values]
            style: dict[str, Any] = (
                {"color": svg.first, "markersize": 5.6, "markeredgewidth": 0}
                if i == 0
                else {
                    "markerfacecolor": "none",
                    "markeredgecolor": svg.second,
                    "markersize": 5.4,
                    "markeredgewidth": 1.2,
                }
            )
            axes.plot([x for x, _ in found], [y for _, y in found], "o", linestyle="none", **style)
        _finish(axes, scale)

    said = "; ".join(f"{label} {number(series[0].get(label))}" for label in labels)
    return svg.draw(name, f"{scale.title} per label. {said}", 17 * len(labels) + 44, scale.margins, plot)


def importances(
    name: str,
    groups: Sequence[str],
    pair: Sequence[Scored],
    title: str,
    scale: Scale,
    intervals: Mapping[str, tuple[float, float]],
) -> str:
    """Draw a bar per group and case, over the band of random groups, with the interval of the first case's share.

    Parameters
    ----------
    name : str
        Of the figure, unique in the page.
    groups : sequence of str
        From the top.
    pair : sequence of Scored
        One case or two.
    title : str
        All of it in words, for those who do not see it.
    scale : Scale
    intervals : Mapping of str to (float, float)
        Group to both ends; empty if the first case has none.

    Returns
    -------
    str
        SVG.
    """
    lanes = [0.2, -0.2] if len(pair) > 1 else [0.0]

    def plot(axes: Axes) -> None:
        _rows(axes, [plain(group) for group in groups])
        for lane, case, ends_of in zip(lanes, pair, (intervals, {}), strict=False):
            colour = svg.second if case.role == "opaque" else svg.first
            for y, group in zip(_heights(groups), groups, strict=True):
                if group in case.shares:
                    _bar(axes, y + lane, case, group, colour)
                if group in case.shares and group in ends_of:
                    _interval(axes, y + lane, ends_of[group])
        _finish(axes, scale)
        axes.xaxis.set_major_formatter(lambda x, _: f"{100 * x:.0f} %")

    return svg.draw(name, title, 46 * len(groups) + 44, scale.margins, plot)


def _bar(axes: Axes, y: float, case: Scored, group: str, colour: str) -> None:
    by_chance = band((case.raw.get("null") or {}).get(group))
    if by_chance:
        low, high = by_chance
        axes.barh(y, high - low, 0.38, left=low, color=svg.null, linewidth=0)
    axes.barh(y, case.shares[group], 0.22, color=colour, linewidth=0)


def _interval(axes: Axes, y: float, ends: tuple[float, float]) -> None:
    axes.plot(ends, [y, y], color=svg.ink, linewidth=1, solid_capstyle="butt")
    axes.plot(ends, [y, y], "|", color=svg.ink, markersize=4, markeredgewidth=1)


def band(values: Any) -> tuple[float, float] | None:
    """Return both ends of the middle 95 % of some values, None without values.

    Parameters
    ----------
    values : sequence of (float or None), or None

    Returns
    -------
    (float, float) or None

    Examples
    --------
    >>> band([0.0, 0.5, 1.0])
    (0.025, 0.975)
    """
    found = [value for value in values or [] if known(value)]
    if not found:
        return None
    low, high = np.quantile(found, [0.025, 0.975]).tolist()
    return low, high


def histogram(name: str, ambiguity: Mapping[str, Any], title: str) -> str:
    """Draw how much of their label tracks keep: those that were learned from, and those that were not seen.

    Parameters
    ----------
    name : str
        Of the figure, unique in the page.
    ambiguity : Mapping of str to sequence of float
        ``edges`` (n + 1 of them), ``learned`` and ``held_out`` (n numbers of tracks, the latter perhaps None).
    title : str
        All of it in words, for those who do not see it.

    Returns
    -------
    str
        SVG.
    """
    edges = np.asarray(ambiguity["edges"], dtype=float)
    learned, held_out = ambiguity["learned"], ambiguity["held_out"]

    def plot(axes: Axes) -> None:
        middle, wide = (edges[1:] + edges[:-1]) / 2, np.diff(edges)
        axes.bar(middle, _percent(learned), wide * 0.82, color=svg.first, linewidth=0)
        if held_out is not None:
            axes.stairs(_percent(held_out), edges, color=svg.second, linewidth=1.6, baseline=0)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(length=0)
        axes.grid(axis="y", linewidth=0.6)
        axes.set_ylabel("% of tracks")
        axes.set_xlabel("label left on the track's own class")

    return svg.draw(name, title, 230, (58, 12, 10, 42), plot)


def curves(
    name: str,
    own: Sequence[Sequence[tuple[int, float]]],
    other: Sequence[Sequence[tuple[int, float]]],
    axis: str,
    title: str,
) -> str:
    """Draw a line per fit: those of training in the first colour, those of validation in the second, above them.

    Parameters
    ----------
    name : str
        Of the figure, unique in the page.
    own, other : sequence of sequence of (int, float)
        Epoch and value.
    axis : str
        What the values are.
    title : str
        All of it in words, for those who do not see it.

    Returns
    -------
    str
        SVG.
    """

    def plot(axes: Axes) -> None:
        for lines, colour in ((own, svg.first), (other, svg.second)):
            for line in lines:
                dot = "o" if len(line) == 1 else ""
                axes.plot(*zip(*line, strict=True), dot + "-", color=colour, linewidth=1, markersize=3, alpha=0.7)
        axes.locator_params(axis="x", nbins=5, integer=True)
        axes.locator_params(axis="y", nbins=5)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(length=0)
        axes.grid(axis="y", linewidth=0.6)
        axes.set_ylabel(plain(axis))
        axes.set_xlabel("epoch")

    return svg.draw(name, title, 210, (58, 12, 8, 42), plot)


def histograms(name: str, rows: Sequence[Mapping[str, Any]], edges: Sequence[float], axis: str, title: str) -> str:
    """Draw a histogram per row on a common axis, with a line over the middle half and a tick at the median below it.

    Parameters
    ----------
    name : str
        Of the figure, unique in the page.
    rows : sequence of Mapping
        From the top: ``label``, ``tracks``, ``counts`` per bin, ``quartiles``.
    edges : sequence of float
        Of the bins.
    axis : str
        What is measured.
    title : str
        All of it in words, for those who do not see it.

    Returns
    -------
    str
        SVG.
    """
    labels = [f"{svg.shorten(row['label'], longest - 8)} ({row['tracks']})" for row in rows]

    def plot(axes: Axes) -> None:
        _rows(axes, labels)
        for y, row in zip(_heights(rows), rows, strict=True):
            low, middle, high = (min(max(each, edges[0]), edges[-1]) for each in row["quartiles"])
            heights = 0.8 * np.asarray(row["counts"]) / max(1, *row["counts"])
            axes.stairs(y - 0.25 + heights, edges, baseline=y - 0.25, fill=True, color=svg.first, linewidth=0)
            axes.plot([low, high], [y - 0.34] * 2, color=svg.ink, linewidth=1, solid_capstyle="butt")
            axes.plot([middle], [y - 0.34], "|", color=svg.ink, markersize=5, markeredgewidth=1.4)
        _finish(axes, Scale(edges[0], edges[-1], axis, labels))

    return svg.draw(name, title, 25 * len(rows) + 44, (svg.label_width(labels), 14, 4, 40), plot)


def _percent(counts: Sequence[float]) -> np.ndarray:
    return 100 * np.asarray(counts, dtype=float) / sum(counts)


def _heights(rows: Sequence[Any]) -> list[float]:
    return list(map(float, range(len(rows) - 1, -1, -1)))


def _rows(axes: Axes, labels: Sequence[str]) -> None:
    axes.set_yticks(_heights(labels), [svg.shorten(label, longest) for label in labels])
    axes.set_ylim(-0.6, len(labels) - 0.4)


def _finish(axes: Axes, scale: Scale) -> None:
    axes.set_xlim(scale.low, scale.high)
    axes.locator_params(axis="x", nbins=5)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(length=0)
    axes.grid(axis="x", linewidth=0.6)
    axes.set_xlabel(scale.title)
