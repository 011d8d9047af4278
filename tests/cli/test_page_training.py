"""The learning curves of a report's page."""

from __future__ import annotations

import re
from typing import Any

import pytest

pytest.importorskip("jinja2", reason="the HTML report needs mirstore[report]")
pytest.importorskip("matplotlib", reason="the HTML report needs mirstore[report]")

from mirstore.page.ranking import Scored
from mirstore.page.training import most_panels, training


def curve(name: str, fold: int, values: list[float | None], repeat: int = 0) -> dict[str, Any]:
    return {"name": name, "repeat": repeat, "fold": fold, "epochs": list(range(len(values))), "values": values}


def case(*curves: dict[str, Any], name: str = "net") -> Scored:
    return Scored({"case": {"model": name}, "learning_curves": list(curves)}, ["model"], "", "accuracy", {})


def lines(svg: str) -> int:
    return len(re.findall(r'style="fill: none; stroke: var\(--(?:first|second)\)', svg))


def test_loss_comes_first_and_what_is_of_the_validation_part_is_drawn_with_it():
    curves = [curve(name, fold, [1.0, 0.5]) for name in ("accuracy", "loss", "validation_loss") for fold in range(3)]
    found = training([case(*curves)])
    assert [(each["name"], each["own"], each["validation"]) for each in found] == [
        ("loss", True, True), ("accuracy", True, False),
    ]  # fmt: skip
    loss, accuracy = (each["figures"][0] for each in found)
    assert loss.caption == accuracy.caption == "net: 3 fits"
    assert (lines(loss.svg), lines(accuracy.svg)) == (6, 3)
    assert "var(--second)" in loss.svg
    assert "var(--second)" not in accuracy.svg


def test_of_many_fits_the_first_ten_are_drawn_and_said_to_be():
    curves = [curve("loss", fold, [1.0, 0.5], repeat) for repeat in range(5) for fold in range(5)]
    (found,) = training([case(*curves)])
    assert found["figures"][0].caption == "net: 25 fits, of which the first 10 are drawn"
    assert lines(found["figures"][0].svg) == 10


def test_of_many_cases_the_first_have_a_figure_and_the_others_are_counted():
    (found,) = training([case(curve("loss", 0, [1.0, 0.5]), name=f"net{i}") for i in range(15)])
    assert (len(found["figures"]), found["more"]) == (most_panels, 3)


def test_a_fit_without_a_finite_value_has_no_line_and_one_of_one_epoch_a_dot():
    (found,) = training([case(curve("loss", 0, [None, None]), curve("loss", 1, [0.7]), curve("loss", 2, [None, 0.5]))])
    assert found["figures"][0].caption == "net: 3 fits"
    assert found["figures"][0].svg.count("<use") == 2  # dots
    assert training([case(curve("loss", 0, [None]))]) == []
    assert training([case()]) == []
