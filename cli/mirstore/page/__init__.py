"""A report as one HTML page: nothing to load, no script, light or dark as the reader likes it, and good on paper."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["render"]


def render(report: Mapping[str, Any]) -> str:
    """Return the page.

    Parameters
    ----------
    report : Mapping
        What `mirstore report --json` prints, one task. Parts that are None, empty or absent are left out.
    """
    from mirstore.page import words
    from mirstore.page.sections import sections

    environment = _environment()
    environment.filters |= {
        name: getattr(words, name)
        for name in "number general percent whole interval metric plain listed duration capital moment spread".split()
    }
    environment.globals |= {"count": words.count, "known": words.known}
    page: str = environment.get_template("page.html.j2").render(sections(report))
    return page


def _environment() -> Any:
    from jinja2 import Environment, FileSystemLoader

    folder = Path(__file__).parent / "templates"
    return Environment(loader=FileSystemLoader(folder), autoescape=True, trim_blocks=True, lstrip_blocks=True)
