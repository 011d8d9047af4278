"""From a matplotlib figure to SVG inside a page: its colours and its type are the page's own."""

from __future__ import annotations

import re
import unicodedata
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Colours to draw with; the page gives them their values, in light and dark.
ink, first, second, soft, rule, null = (f"#01010{i}" for i in range(1, 7))
_colours = {
    ink: "currentColor",
    first: "var(--first)",
    second: "var(--second)",
    soft: "var(--soft)",
    rule: "var(--rule)",
    null: "var(--null)",
}
width = 360  # [px] so that a figure fits a telephone without becoming smaller
em = 11.5  # [px]
_points = 0.75  # per px

_settings: Any = {
    "svg.fonttype": "none",
    "font.family": ["DejaVu Sans"],  # what matplotlib measures with; wider than what pages show
    "font.size": em * _points,
    "axes.titlesize": em * _points,
    "axes.labelsize": em * _points,
    "xtick.labelsize": em * _points,
    "ytick.labelsize": em * _points,
    "text.color": ink,
    "axes.labelcolor": soft,
    "axes.edgecolor": rule,
    "xtick.color": rule,
    "ytick.color": rule,
    "xtick.labelcolor": soft,
    "ytick.labelcolor": ink,
    "grid.color": rule,
    "axes.unicode_minus": True,
    "path.simplify": False,
    "text.parse_math": False,  # a label may hold a $
}


@dataclass(frozen=True)
class Figure:
    """An SVG and what stands below it."""

    svg: str
    caption: str


def draw(
    name: str, title: str, height: float, margins: tuple[float, float, float, float], plot: Callable[[Axes], None]
) -> str:
    """Return the SVG of one plot.

    Parameters
    ----------
    name : str
        Unique in the page; starts all its ids.
    title : str
        What it shows, for those who do not see it.
    height : float [px]
    margins : tuple of float [px]
        Left, right, top, bottom of the axes.
    plot : callable
        Draws into the axes.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure as Drawing

    left, right, top, bottom = margins
    with rc_context(_settings | {"svg.hashsalt": name}), warnings.catch_warnings():
        # The page's own fonts draw the text, so it does not matter what the font for measuring lacks.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        drawing = Drawing(figsize=(width / 96, height / 96))
        FigureCanvasSVG(drawing)
        axes = drawing.add_axes(
            (left / width, bottom / height, (width - left - right) / width, (height - top - bottom) / height)
        )
        axes.patch.set_visible(False)
        axes.set_axisbelow(True)
        plot(axes)
        buffer = StringIO()
        # Without metadata the same numbers give the same bytes.
        drawing.savefig(buffer, format="svg", transparent=True, metadata=dict.fromkeys(("Date", "Creator")))
    return _inline(buffer.getvalue(), name, title, height)


def _inline(text: str, name: str, title: str, height: float) -> str:
    from markupsafe import escape

    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text[text.index("<svg") :], flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->\s*", "", text, flags=re.DOTALL)
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', text))
    text = re.sub(r' id="([^"]+)"', lambda m: f' id="{name}-{m[1]}"' if m[1] in used else "", text)
    text = re.sub(r'(href="#|url\(#)', rf"\g<1>{name}-", text)
    text = re.sub(r"font: (?:(\w+) )?([\d.]+)px [^;\"]+", r"font-size: \2px", text)  # matplotlib before 3.11
    text = re.sub(r" font-family: [^;\"]+;?", "", text)
    for sentinel, colour in _colours.items():
        text = text.replace(sentinel, colour)
    head = (
        f'<svg viewBox="0 0 {width * _points:g} {height * _points:g}" width="{width}" height="{height:g}" role="img" '
        f'aria-labelledby="{name}-title"><title id="{name}-title">{escape(title)}</title>'
    )
    return re.sub(r"\n\s*", "\n", head + text[text.index(">") + 1 :]).strip()


def shorten(text: str, length: int) -> str:
    """Return a text of which no line is wider than so many letters, with an ellipsis if one was.

    Parameters
    ----------
    text : str
    length : int > 0
        Letters of a line, of average width.
    """
    return "\n".join(_shorten(line, length) for line in text.split("\n"))


def _shorten(line: str, length: int) -> str:
    if letters(line) <= length:
        return line
    while letters(line) > length - 1:
        line = line[:-1]
    return line.rstrip() + "…"


def letters(line: str) -> int:
    """Return the width in Latin letters: Chinese and Japanese ones count twice.

    Parameters
    ----------
    line : str
    """
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in line)


def label_width(labels: list[str]) -> float:
    """Return the room [px] that the longest of these lines needs to the left of axes.

    Parameters
    ----------
    labels : list of str
    """
    return 14 + 0.57 * em * max((letters(line) for label in labels for line in label.split("\n")), default=0)
