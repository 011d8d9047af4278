"""What the report's page shows of single labels: confusions, and all cases beside each other."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

pytest.importorskip("jinja2", reason="the HTML report needs mirstore[report]")
pytest.importorskip("matplotlib", reason="the HTML report needs mirstore[report]")

from mirstore.page import render
from mirstore.page.claims import Claims
from mirstore.page.confusion import confusions
from mirstore.page.graph import order
from mirstore.page.ranking import ranking
from mirstore.page.scores import label_heat, table


def case(number: int, counts: np.ndarray, labels: list[str], **more: Any) -> dict[str, Any]:
    """Return a finished case that is right as often as these counts say; the first has the highest accuracy."""
    recall = dict(zip(labels, np.diag(counts) / counts.sum(axis=1), strict=True))
    mean = float(np.mean(list(recall.values())))
    value = {"mean": mean - number / 1000, "sd": 0.01, "low": mean - 0.1, "high": mean + 0.1, "values": [mean] * 5}
    return {
        "run": f"run{number}", "state": "finished", "error": None, "seconds": 1.0, "overhead_seconds": 0.1,
        "case": {"features": ["f"], "grouping": "none", "smoothing": "none", "model": f"net{number}"},
        "components": {"model": "net", "role": "opaque", "by_chance": False}, "folds": list("abcde"),
        "metrics": {"accuracy": value, "roc_auc": {**value, "mean": 0.91}, "balanced_accuracy": {**value, "mean": 0.52},
                    "chunk_accuracy": {**value, "mean": 0.43}, "chunk_roc_auc": {**value, "mean": 0.88}},
        "floor": dict.fromkeys(("accuracy", "roc_auc", "balanced_accuracy", "chunk_accuracy", "chunk_roc_auc"), 0.1),
        "labels": [{"label": label, "metric": {"recall": {"mean": share, "sd": 0.1}}}
                   for label, share in recall.items()],
        "confusion": {"labels": labels, "counts": counts.tolist()}, **more,
    }  # fmt: skip


def report(*cases: dict[str, Any], above: bool = True, named: bool = True) -> dict[str, Any]:
    claim = {"kind": "above guessing", "run": "run0", "value": 0.4, "low": 0.3, "high": 0.5, "test": "corrected t",
             "p": 0.001, "of": 1, "holds": above, "than": None, "group": None}  # fmt: skip
    return {
        "experiment": "e", "made": "2026-03-01T12:00:00", "version": "0.1.0", "command": "mirstore run-experiment e",
        "question": "What?", "features": [], "health": [], "provenance": None,
        "task": {"name": "t", "dataset": "d", "labels": "genre", "exclusive": True, "metric": "accuracy",
                 "split": "x", "folds": 5, "runs": 1},
        "data": {"tracks": 100, "classes": [], "folds": [], "leakage": [], "left_out": []},
        "named": cases[0]["case"] if named else {},
        "verdict": {"explained": "run0" if named else None, "tracks": 100, "found": above, "shares": {}, "untested": {},
                    "claims": [claim] if above else [], "open": [] if above else [claim]},
        "cases": list(cases),
    }  # fmt: skip


def claims(found: dict[str, Any]) -> Claims:
    return Claims(found["verdict"], ranking(found))


def names(k: int) -> list[str]:
    return [f"style {i:02}" for i in range(k)]


three = np.array([[6.0, 3.0, 1.0], [0.0, 10.0, 0.0], [2.5, 0.0, 7.5]])


def test_confusions_are_ordered_by_their_share_of_the_true_class():
    uneven = three * [[1], [1], [100]]
    found = confusions(claims(report(case(0, uneven, names(3)))))
    assert [(each.label[-1], each.guess[-1], each.share) for each in found["frequent"]] == [
        ("0", "1", 0.3), ("2", "0", 0.25), ("0", "2", 0.1),
    ]  # fmt: skip
    assert found["frequent"][1].tracks == 250


def test_a_confusion_below_a_tenth_is_listed_and_not_drawn():
    few = np.array([[91.0, 9.0], [10.0, 90.0]])
    found = confusions(claims(report(case(0, few, names(2)))))
    assert len(found["frequent"]) == 2
    assert found["graph"].count("for style") == 1
    assert "style 01 for style 00 10" in found["graph"]
    assert confusions(claims(report(case(0, np.eye(2) * 50 + 1, names(2)))))["graph"] is None


def test_of_very_many_confusions_the_forty_most_frequent_are_drawn_and_said_to_be():
    counts = np.random.default_rng(0).uniform(10, 30, (9, 9))  # about 72 of 11 %
    found = report(case(0, counts, names(9)))
    assert confusions(claims(found))["graph"].count(" for style ") == 40
    assert "The arcs are the 40 most frequent: each leads" in render(found)
    assert "The arcs are all of 10\u202f% or more: each leads" in render(report(case(0, three, names(3))))


def test_what_a_case_confuses_the_most_is_not_told_where_it_may_be_guessing():
    counts = np.full((4, 4), 10.0)
    counts[0, 1] = 40
    page = render(report(case(0, counts, names(4)), above=False))
    assert "most frequent" not in page
    assert "confusions" not in page
    assert "these numbers describe the folds of this data only" in page
    assert "most frequent" in render(report(case(0, counts, names(4))))


def test_every_case_has_its_table_up_to_six_and_the_page_says_how_many_have_none():
    cases = [case(i, three, names(3)) for i in range(8)]
    page = render(report(*cases))
    assert len(re.findall('class="heat square"', page)) == 6
    assert [f"The same of net{i}</summary>" in page for i in range(8)] == [False, *[True] * 5, False, False]
    assert "Those of 2 other cases are in the .json file" in page


def test_a_table_of_many_classes_is_compact_and_stands_alone():
    page = render(report(case(0, np.eye(30) * 20 + 1, names(30))))
    assert 'class="heat square compact"' in page
    assert 'class="side"><figure' not in page
    assert "compact" not in re.sub("<style>.*?</style>", "", render(report(case(0, three, names(3)))), flags=re.DOTALL)


def test_shares_below_half_a_per_cent_are_not_written_as_none():
    page = render(report(case(0, np.array([[999.0, 1.0], [0.0, 50.0]]), names(2))))
    assert ">&lt;1</td>" in page
    assert ">100</td>" in page


def test_arcs_join_what_stands_close_together():
    edges = [("a", "y", 0.4), ("y", "a", 0.3), ("b", "x", 0.5), ("c", "x", 0.2), ("c", "b", 0.1)]
    found = order(edges)
    assert sorted(found) == ["a", "b", "c", "x", "y"]
    assert abs(found.index("a") - found.index("y")) == 1 == abs(found.index("b") - found.index("x"))


def test_all_cases_stand_beside_each_other_per_label():
    cases = [case(i, three - [[i / 10, 0, 0], [0, 0, 0], [0, 0, 0]], names(3)) for i in range(3)]
    found = label_heat(report(*cases), claims(report(*cases)))
    assert [each.name for each in found["cases"]] == ["net0", "net1", "net2"]
    label, cells = found["rows"][0]
    assert label == "style 00"
    assert [value for value, _ in cells] == sorted((value for value, _ in cells), reverse=True)
    assert {shade for _, cells in found["rows"] for _, shade in cells} >= {0.0, 1.0}
    assert "Differences between cases in single labels are not tested" in render(report(*cases))
    assert label_heat(report(*cases[:2]), claims(report(*cases[:2]))) is None  # the figure shows two


def test_a_label_that_a_case_was_never_tested_on_has_a_dash():
    cases = [case(i, three, names(3)) for i in range(3)]
    cases[1]["labels"] = cases[1]["labels"][1:]
    found = label_heat(report(*cases), claims(report(*cases)))
    assert found["rows"][0][1][1] == (None, 0)
    assert '<td class="h" style="--v:0">–</td>' in render(report(*cases))


def test_cases_are_beside_each_other_also_where_the_one_to_explain_has_not_run():
    page = render(report(*(case(i, three, names(3)) for i in range(3)), above=False, named=False))
    assert "case by case" in page
    assert "These numbers describe the folds of this data only" in page


def test_of_exclusive_classes_accuracy_balanced_accuracy_and_those_of_chunks_stand_in_the_first_table():
    found = report(case(0, three, names(3)))
    assert table(found, claims(found))["beside"] == ["balanced_accuracy", "chunk_accuracy"]
    assert table(found, claims(found))["others"] == ["roc_auc", "chunk_roc_auc"]
    found["task"]["metric"] = "roc_auc"
    assert table(found, claims(found))["beside"] == [
        "accuracy", "balanced_accuracy", "chunk_accuracy", "chunk_roc_auc",
    ]  # fmt: skip
    head = re.search(r"<thead>.*?</thead>", render(report(case(0, three, names(3)))))
    assert "balanced accuracy</th>" in head[0]
    assert "accuracy of chunks</th>" in head[0]
