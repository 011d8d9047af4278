"""How models learned: what they reported, epoch by epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mirstore.page import plots
from mirstore.page.ranking import Scored
from mirstore.page.svg import Figure
from mirstore.page.words import count, known

validation = "validation_"
"""Begins the name of what is measured on the validation part, as ``validation_loss``."""
most_lines = 10
most_panels = 12


def training(cases: Sequence[Scored]) -> list[dict[str, Any]]:
    """Return the curves of each quantity, a figure per case.

    Parameters
    ----------
    cases : sequence of Scored
        The best first.

    Returns
    -------
    list of dict
        Per quantity ``name``, ``own`` and ``validation`` (whether training and validation part have it), ``figures``
        and ``more`` (how many cases have none).
    """
    found = {(name.removeprefix(validation), i): case for i, case in enumerate(cases) for name in _names(case)}
    quantities = []
    for number, name in enumerate(sorted({name for name, _ in found}, key=lambda name: (name != "loss", name))):
        having = [case for (other, _), case in found.items() if other == name]
        figures = [_figure(f"curve{number}-{i}", name, case) for i, case in enumerate(having[:most_panels])]
        kinds = {kind for case in having for kind in _names(case)}
        both = {"own": name in kinds, "validation": validation + name in kinds}
        quantities.append({"name": name, **both, "figures": figures, "more": max(0, len(having) - most_panels)})
    return quantities


def _names(case: Scored) -> list[str]:
    curves = case.raw.get("learning_curves") or []
    return list(dict.fromkeys(curve["name"] for curve in curves if any(map(known, curve["values"]))))


def _figure(key: str, name: str, case: Scored) -> Figure:
    curves: Sequence[Mapping[str, Any]] = case.raw["learning_curves"]
    fits = list(dict.fromkeys((curve["repeat"], curve["fold"]) for curve in curves))
    shown = [curve for curve in curves if (curve["repeat"], curve["fold"]) in fits[:most_lines]]
    own, other = (
        [points for curve in shown if curve["name"] == which and (points := _points(curve))]
        for which in (name, validation + name)
    )
    said = f"{case.name}: {count(len(fits), 'fit')}"
    said += f", of which the first {most_lines} are drawn" if len(fits) > most_lines else ""
    return Figure(plots.curves(key, own, other, name, f"{name} by epoch, {said}"), said)


def _points(curve: Mapping[str, Any]) -> list[tuple[int, float]]:
    pairs = zip(curve["epochs"], curve["values"], strict=True)
    return [(epoch, value) for epoch, value in pairs if known(value)]
