"""A report as one HTML page: nothing to load, no script, light or dark as the reader likes it, and good on paper."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mirstore.core.text import visible

if TYPE_CHECKING:
    from mirstore.store.experiments.report import Report

__all__ = ["render"]


def render(report: Report | Mapping[str, Any]) -> str:
    """Return the page.

    Parameters
    ----------
    report : Report or Mapping
        Of one task; or what was kept of one as JSON. Parts that are None, empty or absent are left out.
    """
    from mirstore.page import words
    from mirstore.page.sections import sections

    plain = report if isinstance(report, Mapping) else report.as_dict()
    environment = _environment()
    environment.filters |= {name: getattr(words, name) for name in filters.split()}
    environment.globals |= {"about_half": words.about_half, "count": words.count, "known": words.known}
    return visible(environment.get_template("page.html.j2").render(sections(plain)), "\n\t")


filters = "amount capital cell duration general interval listed metric moment number percent plain spread whole"


def _environment() -> Any:
    from jinja2 import Environment, FileSystemLoader

    folder = Path(__file__).parent / "templates"
    return Environment(loader=FileSystemLoader(folder), autoescape=True, trim_blocks=True, lstrip_blocks=True)
