"""Columns by class on a report's page."""

from __future__ import annotations

import re
from typing import Any

import pytest

pytest.importorskip("jinja2", reason="the HTML report needs mirstore[report]")
pytest.importorskip("matplotlib", reason="the HTML report needs mirstore[report]")

from mirstore.page.by_class import distributions, rows_per_figure


def values(label: str, median: float | None, tracks: int = 8, missing: int = 0, outside: int = 0) -> dict[str, Any]:
    quartiles = None if median is None else (median - 1, median, median + 1)
    counts = [0, tracks - outside, 0]
    return {"label": label, "tracks": tracks, "missing": missing, "quartiles": quartiles, "counts": counts,
            "outside": outside}  # fmt: skip


def column(*classes: dict[str, Any], **more: Any) -> dict[str, Any]:
    about = {"column": "essentia.bpm", "unit": "BPM", "text": "tempo", "averaged": False, "edges": [0, 100, 140, 300]}
    return {**about, "classes": list(classes), **more}


def test_classes_stand_in_the_order_of_their_medians_with_their_numbers_of_tracks():
    (found,) = distributions({"by_class": [column(values("techno", 130), values("dub", 70), values("house", 125))]})
    assert [row["label"] for row in found["rows"]] == ["dub", "house", "techno"]
    (svg,) = found["figures"]
    assert svg.index("dub (8)") < svg.index("house (8)") < svg.index("techno (8)")
    assert "essentia.bpm [BPM] by class. Medians: dub 70; house 125; techno 130" in svg
    assert found["left"] == ""


def test_what_is_not_drawn_is_said():
    classes = [values("dub", 70, missing=2, outside=1), values("talk", None, tracks=0, missing=1)]
    (found,) = distributions({"by_class": [column(*classes)]})
    assert found["left"] == "3 tracks without a value and 1 track below 0 or above 300 are not drawn."
    assert [row["label"] for row in found["rows"]] == ["dub", "talk"]
    assert "talk" not in found["figures"][0]
    (found,) = distributions({"by_class": [column(values("dub", 70, outside=1))]})
    assert found["left"] == "1 track below 0 or above 300 is not drawn."


def test_a_column_without_any_value_has_a_table_and_no_figure():
    (found,) = distributions({"by_class": [column(values("talk", None, tracks=0, missing=4))]})
    assert found["figures"] == []
    assert found["left"] == "4 tracks without a value are not drawn."


def test_many_classes_are_cut_into_figures_of_about_the_same_height():
    classes = [values(f"tag {i:02}", float(i)) for i in range(2 * rows_per_figure + 1)]
    (found,) = distributions({"by_class": [column(*classes)]})
    assert [len(set(re.findall(r">(tag \d\d) \(8\)<", svg))) for svg in found["figures"]] == [21, 21, 19]
    assert distributions({}) == []
