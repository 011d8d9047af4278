"""Learning curves as a report keeps them."""

from __future__ import annotations

import polars as pl

from mirstore.store.experiments.curves import curves, most_points


def reported(rows: list[tuple]) -> pl.DataFrame:
    schema = {"repeat": pl.Int32, "fold": pl.Int32, "epoch": pl.Int32, "name": pl.String, "value": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def test_there_is_a_curve_per_fold_and_name_and_none_of_the_fit_to_all_tracks():
    rows = [(0, fold, epoch, name, 1 / (epoch + 1)) for epoch in (2, 0, 1) for fold in (1, 0) for name in ("loss", "b")]
    found = curves(reported([*rows, (None, None, 0, "loss", 9.0)]))
    assert [(curve["name"], curve["repeat"], curve["fold"]) for curve in found] == [
        ("b", 0, 0), ("b", 0, 1), ("loss", 0, 0), ("loss", 0, 1),
    ]  # fmt: skip
    assert all(curve["epochs"] == [0, 1, 2] for curve in found)
    assert found[0]["values"] == [1.0, 0.5, 0.33333]


def test_a_long_curve_keeps_both_ends_and_is_thinned_evenly():
    (found,) = curves(reported([(0, 0, epoch, "loss", float(epoch)) for epoch in range(600)]))
    assert len(found["epochs"]) == most_points
    assert (found["epochs"][0], found["epochs"][-1]) == (0, 599)
    assert found["values"] == found["epochs"]
    steps = {b - a for a, b in zip(found["epochs"], found["epochs"][1:], strict=False)}
    assert steps == {3, 4} or steps == {3}


def test_what_is_not_finite_is_unknown_and_without_reports_there_is_no_curve():
    (found,) = curves(
        reported([(0, 0, 0, "loss", float("inf")), (0, 0, 1, "loss", float("nan")), (0, 0, 2, "loss", 1)])
    )
    assert found["values"] == [None, None, 1.0]
    assert curves(reported([])) == []
