"""A directed graph as arcs beside a list of names: what is joined stands close together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mirstore.page import svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

longest = 26  # characters of a name
pitch = 19  # [px] of a name


def arcs(name: str, edges: Sequence[tuple[str, str, float]], title: str) -> str:
    """Draw a graph: arcs that lead down in the first colour, arcs that lead up in the second, with arrows.

    Parameters
    ----------
    name : str
        Of the figure, unique in the page.
    edges : sequence of (str, str, float)
        From, to, and a weight in (0, 1] that says how thick the arc is.
    title : str
        All of it in words, for those who do not see it.

    Returns
    -------
    str
        SVG.
    """
    names = order(edges)
    at = {each: len(names) - 1 - i for i, each in enumerate(names)}
    labels = [svg.shorten(each, longest) for each in names]

    def plot(axes: Axes) -> None:
        axes.set_yticks([at[each] for each in names], labels)
        axes.set_ylim(-0.6, len(names) - 0.4)
        axes.set_xlim(0, 1)
        axes.set_xticks([])
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0)
        axes.plot([0.012] * len(names), list(at.values()), "o", color=svg.ink, markersize=3.2, markeredgewidth=0)
        longest_arc = max(abs(at[start] - at[end]) for start, end, _ in edges)
        for start, end, weight in sorted(edges, key=lambda edge: edge[2]):
            _arc(axes, at[start], at[end], weight, longest_arc)

    return svg.draw(name, title, pitch * len(names) + 14, (svg.label_width(labels), 4, 4, 4), plot)


def _arc(axes: Axes, start: float, end: float, weight: float, longest_arc: float) -> None:
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path

    # Arcs that lead up go around those that lead down, so that there and back stay apart.
    up = end > start
    aside = -0.14 if up else 0.14
    first, last = (start + aside, end - aside) if up else (start - aside, end + aside)
    out = (0.1 + 0.85 * abs(end - start) / longest_arc) * (1.33 if up else 1.24)
    axes.add_patch(
        FancyArrowPatch(
            path=Path([(0.03, first), (out, first), (out, last), (0.03, last)], [1, 4, 4, 4]),
            arrowstyle="-|>",
            mutation_scale=7,
            linewidth=0.7 + 5 * weight,
            color=svg.second if up else svg.first,
            alpha=0.8,
        )
    )


def order(edges: Sequence[tuple[str, str, float]]) -> list[str]:
    """Return the names so that arcs are short: each is moved to where it is best, until none has a better place.

    Parameters
    ----------
    edges : sequence of (str, str, float)
        From, to, weight.

    Examples
    --------
    >>> order([("a", "z", 0.5), ("z", "m", 0.5), ("m", "q", 0.2)])
    ['a', 'z', 'm', 'q']
    """
    names = sorted({each for edge in edges for each in edge[:2]})
    best, better = _length(names, edges), True
    while better:
        better = False
        for each in sorted(names):
            rest = [other for other in names if other != each]
            for tried in ([*rest[:i], each, *rest[i:]] for i in range(len(names))):
                if (found := _length(tried, edges)) < best - 1e-9:
                    names, best, better = tried, found, True
    return names if names[0] < names[-1] else names[::-1]


def _length(names: Sequence[str], edges: Sequence[tuple[str, str, float]]) -> float:
    at = {each: i for i, each in enumerate(names)}
    return sum(weight * (at[start] - at[end]) ** 2 for start, end, weight in edges)
