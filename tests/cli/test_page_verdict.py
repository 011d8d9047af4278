"""What the report's page says of results: each sentence, and an input with which it would be false."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest

pytest.importorskip("jinja2", reason="the HTML report needs mirstore[report]")
pytest.importorskip("matplotlib", reason="the HTML report needs mirstore[report]")

from mirstore.core.experiments.inference import p_of_difference
from mirstore.core.experiments.verdict import Evidence, judge
from mirstore.page import render
from mirstore.page.sections import sections
from mirstore.page.verdict import kept_whole, question
from mirstore.page.words import probability

groups = ("timbre", "rhythm", "mode")
sizes = {"timbre": 8, "rhythm": 8, "mode": 8}
above, level = [0.62, 0.58, 0.64, 0.6, 0.61], [0.31, 0.36, 0.3, 0.35, 0.35]
"""Accuracy on five folds where guessing gets 0.33."""
gaps = [0.09, 0.11, 0.1, 0.09, 0.11]
"""How far another case is from it."""


def evidence(run: str, values: Sequence[float], kind: str = "signed", **more: Any) -> Evidence:
    given: dict[str, Any] = {"floors": [0.33] * len(values), "folds": [f"fold {i}" for i in range(len(values))], **more}
    return Evidence(run=run, kind=kind, values=values, test_share=0.25, sizes=sizes, **given)


def uses(*shares: float, spread: float = 0.02, by_chance: float = 0.04) -> dict[str, Any]:
    """Return these shares, with fits to halves and to random groups that vary so much."""
    rng = np.random.default_rng(5)
    chance = np.clip(rng.normal(1 / 3, by_chance, (200, 3)), 0, 1)
    return {
        "shares": dict(zip(groups, shares, strict=True)),
        "halves": {g: rng.normal(share, spread, 100).tolist() for g, share in zip(groups, shares, strict=True)},
        "groupings": {g: chance[:, i].tolist() for i, g in enumerate(groups)},
    }


def reported(*cases: Evidence, explained: str | None = "ridge", sign: int = 1, **task: Any) -> dict[str, Any]:
    """Return a report whose verdict is the real one on these cases; each is called as its run."""
    about = {"name": "t", "dataset": "d", "labels": "genre", "exclusive": True, "metric": "accuracy", "split": "x"}
    about |= {"folds": 5, "group_by": "artist", "runs": 1, **task}
    names = {case.run: {"features": ["f"], "grouping": "g", "smoothing": "none", "model": case.run} for case in cases}
    return {
        "experiment": "e", "made": "2026-03-01T12:00:00", "version": "0.1.0", "command": "mirstore run-experiment e",
        "question": "What tells them apart?", "task": about, "features": [], "health": [], "provenance": None,
        "data": {"tracks": 100, "artists": 50, "classes": [{"label": "a", "tracks": 50}, {"label": "b", "tracks": 50}],
                 "folds": [], "leakage": [], "left_out": []},
        "named": names.get(explained or "", {}),
        "verdict": asdict(judge(cases, explained, tracks=100, sign=sign)),
        "cases": [as_case(case, names[case.run], about["metric"]) for case in cases],
    }  # fmt: skip


def as_case(case: Evidence, name: Mapping[str, Any], metric: str) -> dict[str, Any]:
    values = list(case.values)
    mean, sd = float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else None
    weights = {"a": 0.5, "b": -0.5}
    return {
        "run": case.run, "case": name, "state": "finished", "error": None, "seconds": 1.0, "overhead_seconds": 0.1,
        "components": {"model": case.run, "role": case.kind, "by_chance": False}, "folds": list(case.folds),
        "metrics": {metric: {"mean": mean, "sd": sd, "low": None, "high": None, "values": values}},
        "floor": {metric: float(np.mean(case.floors))}, "permuted": list(case.permuted), "whole": dict(case.shares),
        "halves": dict(case.halves), "null": dict(case.groupings), "measures": {},
        "importances": [
            {"measure": "share", "label": None, "group": group, "mean": share, "sd": 0.01}
            for group, share in zip(groups, (0.5, 0.3, 0.2), strict=True)
        ],
        "labels": [{"label": x, "metric": {"recall": {"mean": mean, "sd": 0.1}}} for x in "ab"],
        "groups": [
            {"group": group, "lacking": [], "columns": [
                {"column": f"f.{group}{i}", "unit": None, "text": f"{group} number {i}", "low": None, "high": None,
                 "weights": weights} for i in range(8)]}
            for group in groups
        ],
        "tracks": [{"role": "best", "track": "x", "label": "a", "truth": ["a"], "scores": {"a": 0.9, "b": 0.1},
                    "contributions": {"timbre": 0.5}, "title": "A Song", "artist": None, "path": None}],
        "confusion": {"labels": ["a", "b"], "counts": [[30.0, 20.0], [20.0, 30.0]]},
    }  # fmt: skip


def said(report: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
    """Return the answer, and the sentences by their headings; narrow spaces are spaces."""
    found: dict[str, str] = {}
    made = sections(report)
    for heading, text in made["evidence"]:
        found[heading] = " ".join(filter(None, [found.get(heading), text])).replace("\u202f", " ")
    return made["answer"].replace("\u202f", " "), found


def headings(page: str) -> list[str]:
    return re.findall(r"<h2[^>]*>([^<]+)</h2>", page)


# Nothing was found


@pytest.mark.parametrize("seed", range(10))
def test_of_random_values_the_page_says_that_it_cannot_tell_and_nothing_else(seed):
    rng = np.random.default_rng(seed)
    cases = [evidence(run, rng.normal(0.33, 0.05, 5).tolist(), **uses(0.6, 0.3, 0.1)) for run in ("ridge", "lasso")]
    report = reported(*cases)
    assert not report["verdict"]["found"]  # one seed in twenty would be: these are none of them
    answer, sentences = said(report)
    assert answer.startswith("This data cannot tell: 100 tracks; an accuracy of 0.")
    assert sentences.keys() == {"Against guessing", "Best of 2 cases"}
    assert "cannot be told from guessing" in sentences["Against guessing"]
    assert "is not shown to be better than guessing" in sentences["Best of 2 cases"]
    page = render(report)
    assert headings(page) == ["Data", "Results", "Labels", "What the groups hold", "Provenance"]
    # The share of a group, which way a feature works, what a track sounds like: nothing of it.
    for word in ("uses", "share</th>", "60\u202f%", "▲ more", "A Song", "explained", "Most often"):
        assert word not in re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)


def test_the_t_test_that_papers_publish_changes_no_sentence_whatever_it_finds():
    found = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        cases = [evidence(run, rng.normal(0.33, 0.03, 5).tolist()) for run in ("ridge", "lasso")]
        report = reported(*cases)
        gap = np.subtract(cases[0].values, cases[1].values).tolist()
        plain, ours = (p_of_difference(gap, test_share=share) for share in (0, 0.25))
        test = {"run": "ridge", "than": "lasso", "difference": float(np.mean(gap)), "folds": 5}
        if plain >= 0.05 or report["verdict"]["found"]:
            continue
        found.append(ours)
        asked = {**report, "t_tests": [{**test, "p": plain, "corrected": ours}]}
        assert said(asked) == said(report)
        with_it, without = (
            re.sub(r"<style>.*?</style>", "", render(each), flags=re.DOTALL) for each in (asked, report)
        )
        assert f'<td class="n">{probability(plain)}</td>' in with_it
        assert with_it.partition("<nav")[0] == without.partition("<nav")[0]
        assert not re.search(r"significan|outperform|(?<!not shown to be )better than|is better by", with_it)
    # One pair in twenty looks like something if folds are taken for independent, and here more: ours says less.
    assert 1 <= len(found) <= 8
    assert sum(p < 0.05 for p in found) < len(found)


def test_a_t_test_that_has_nothing_to_compare_says_so_and_one_that_was_not_asked_for_is_not_there():
    report = reported(evidence("ridge", above))
    assert "The t test as published" not in headings(render(report))
    page = render({**report, "t_tests": []})
    assert "The t test as published" in headings(page)
    assert "No two finished cases differ in one part" in page
    other = reported(evidence("ridge", above), evidence("lasso", above))
    row = {"run": "ridge", "than": "lasso", "difference": 0.0, "folds": 5, "p": None, "corrected": None}
    assert "A dash: all differences are equal" in render({**other, "t_tests": [row]})


def test_what_would_have_been_found_and_what_would_be_needed_are_the_verdicts():
    report = reported(evidence("ridge", level))
    verdict = report["verdict"]
    answer, _ = said(report)
    assert f"an accuracy of {verdict['detectable']:.3f} or more would have been found" in answer
    assert f"roughly {verdict['needs_tracks']} tracks (within a factor of 3) would be needed if the effect is" in answer
    verdict["detectable"] = 1.2
    assert "no accuracy, however good, would have been found" in said(report)[0]
    verdict["needs_tracks"] = None
    assert "roughly" not in said(report)[0]


def test_of_an_error_less_would_have_been_found():
    report = reported(
        evidence("ridge", [1.02, 0.97, 1.05, 0.99, 1.0], floors=[1.0] * 5), sign=-1, metric="mae", numeric=True
    )
    assert re.search(r"a mean absolute error of 0\.\d+ or less would have been found", said(report)[0])
    assert "smaller is better" in said(report)[1]["Against guessing"]


def test_one_fold_without_permutations_tests_nothing():
    answer, sentences = said(reported(evidence("ridge", [0.9])))
    assert answer == "This data cannot tell: 100 tracks; one fold without permuted labels tests nothing."
    assert sentences == {}


# Above guessing


def test_above_guessing_is_said_with_its_numbers_and_its_test():
    answer, sentences = said(reported(evidence("ridge", above)))
    assert answer == "These features tell the classes better than guessing."
    assert re.fullmatch(
        r"Ridge tells the classes better than guessing: accuracy 0\.610, guessing 0\.330, difference 0\.280 "
        r"\[0\.2\d\d, 0\.3\d\d\], 100 tracks; corrected paired t test over 5 folds, p < 0\.001\.",
        sentences["Against guessing"],
    )
    assert "cannot be told from guessing" in said(reported(evidence("ridge", level)))[1]["Against guessing"]


@pytest.mark.parametrize(
    ("task", "words"),
    [
        ({"exclusive": True}, "tell the classes"),
        ({"exclusive": False, "metric": "roc_auc"}, "tell the tags"),
        ({"exclusive": False, "numeric": True, "metric": "pearson_r"}, "predict the numbers"),
    ],
)
def test_classes_and_tags_are_told_and_numbers_predicted(task, words):
    answer, sentences = said(reported(evidence("ridge", above), **task))
    assert answer == f"These features {words} better than guessing."
    verb, rest = words.split(" ", 1)
    assert sentences["Against guessing"].startswith(f"Ridge {verb}s {rest} better than guessing")


def test_permutations_that_did_as_well_are_counted():
    draws = [0.0] * 197 + [0.3, 0.29]
    _, sentences = said(reported(evidence("ridge", above, permuted=draws)))
    assert (
        "; 2 of 199 permutations of the labels, with everything fitted anew, did as well (p = 0.015)."
        in (sentences["Against guessing"])
    )
    _, sentences = said(reported(evidence("ridge", above, permuted=[0.0] * 199)))
    assert "none of 199 permutations" in sentences["Against guessing"]


def test_what_artists_with_any_labels_reach_as_well_may_be_the_artists():
    """Folds by track, labels permuted by artist: a model that knows the artists again is as good with any labels."""
    report = reported(evidence("ridge", above, permuted=[0.3] * 10), units="artist")
    answer, sentences = said(report)
    assert answer.startswith("This data cannot tell: 100 tracks; an accuracy of ")
    assert "would be needed" not in answer  # other artists, not more tracks
    assert "may know artists of the training part again, and nothing else" in sentences["Against guessing"]
    assert "10 of 10 permutations of the labels among artists, with everything" in sentences["Against guessing"]


@pytest.mark.parametrize(("known", "heard"), [(100, True), (10, False), (0, False)])
def test_artists_are_said_to_be_unheard_only_if_all_are_known(known, heard):
    report = reported(evidence("ridge", above))
    report["question"] = ""
    report["data"]["leakage"] = [{"kind": "artist", "known": known, "shared": 0, "examples": None}]
    assert ("on no artist heard in training" in question(report)) == heard
    assert kept_whole(report) == (("artist", known) if known else (None, 0))


def test_a_difference_whose_size_is_open_is_said_to_be_so():
    wide = evidence("ridge", [0.9, 0.2, 0.8, 0.3, 0.9], permuted=[0.0] * 199)
    assert "How large the difference is, these folds do not tell." in said(reported(wide))[1]["Against guessing"]
    assert "How large" not in said(reported(evidence("ridge", above, permuted=[0.0] * 199)))[1]["Against guessing"]


def test_the_best_is_said_to_be_above_guessing_only_with_how_many_it_is_the_best_of():
    report = reported(evidence("ridge", above), evidence("forest", [v + 0.1 for v in above], "opaque"))
    _, sentences = said(report)
    assert sentences["Best of 2 cases"].startswith(
        "Forest is better than guessing, counting that it is the best of 2: accuracy 0.710, guessing 0.330"
    )
    assert "by Holm’s correction." in sentences["Best of 2 cases"]
    assert not [heading for heading in said(reported(evidence("ridge", above)))[1] if heading.startswith("Best")]


def test_where_only_the_best_is_above_guessing_nothing_is_explained():
    report = reported(evidence("ridge", level, **uses(0.6, 0.3, 0.1)), evidence("forest", above, "opaque"))
    answer, sentences = said(report)
    assert answer == (
        "The best of 2 cases, forest, tells the classes better than guessing; the case to explain, ridge, is not "
        "shown to, so that nothing is said of groups of features."
    )
    assert "Groups" not in sentences
    assert "Groups of features" not in headings(render(report))


def test_what_is_asked_of_the_best_is_said_where_that_is_why_it_fails():
    report = reported(evidence("ridge", level), evidence("forest", [0.38, 0.42, 0.36, 0.41, 0.39], "opaque"))
    (claim,) = [claim for claim in report["verdict"]["open"] if claim["kind"] == "best above guessing"]
    assert 0.01 < claim["p"] < 0.05
    assert "and 1 % is asked where the case named before is not above guessing" in said(report)[1]["Best of 2 cases"]


def test_cases_are_better_by_so_much_or_cannot_be_told_apart():
    higher = [v + gap for v, gap in zip(above, gaps, strict=True)]
    report = reported(evidence("ridge", above), evidence("forest", higher, "opaque"))
    assert "Forest is better than ridge by 0.100 [" in said(report)[1]["Between cases"]
    report = reported(evidence("ridge", above), evidence("forest", [v + 0.1 for v in above], "opaque"))
    assert "Forest is better than ridge by 0.100; corrected" in said(report)[1]["Between cases"]  # no spread to tell by
    report = reported(evidence("ridge", above), evidence("forest", [0.7, 0.5, 0.7, 0.55, 0.66], "opaque"))
    assert re.match(r"Forest and ridge cannot be told apart: difference \[−0\.\d+, 0\.\d+\]; corrected paired t test",
                    said(report)[1]["Between cases"])  # fmt: skip


def test_of_an_error_the_smaller_is_better():
    small = [0.5, 0.52, 0.49, 0.51, 0.5]
    report = reported(
        evidence("ridge", [v + gap for v, gap in zip(small, gaps, strict=True)], floors=[1.0] * 5),
        evidence("forest", small, "opaque", floors=[1.0] * 5),
        sign=-1, metric="mae", numeric=True, exclusive=False,
    )  # fmt: skip
    assert "Forest is better than ridge by 0.100 [" in said(report)[1]["Between cases"]


# Groups


def test_a_group_that_is_used_more_than_each_other_comes_first_in_the_answer():
    report = reported(evidence("ridge", above, **uses(0.7, 0.2, 0.1)))
    answer, sentences = said(report)
    assert answer == (
        "These features tell the classes better than guessing, and ridge uses timbre more than any other group of "
        "them: more than half of what it uses."
    )
    assert "Ridge uses timbre more than rhythm (70 % [" in sentences["Groups"]
    half = "about half of the tracks of each class (two at least, if it has them)"
    assert f"Tested by 100 fits, each to {half}: a difference" in sentences["Groups"]
    assert sentences["Most"].startswith("More than half of what it uses is timbre: 70 % [")


def test_halves_are_of_whole_artists_where_labels_are_permuted_among_them():
    report = reported(evidence("ridge", above, **uses(0.7, 0.2, 0.1)), units="artist", exclusive=False)
    assert "Tested by 100 fits, each to about half of the artists: " in said(report)[1]["Groups"]
    page = render(report)
    assert "The interval comes from fits to about half of the artists." in page
    assert "fitted to all tracks that a fold learns from" in page  # a published split may leave some to the test


def test_what_was_not_drawn_has_no_note():
    page = render(reported(evidence("ridge", above, shares=uses(0.7, 0.2, 0.1)["shares"])))
    assert "What ridge uses of each group" in page
    assert "The interval comes" not in page
    assert "By chance: 95" not in page


def test_less_than_half_is_never_most():
    answer, sentences = said(reported(evidence("ridge", above, **uses(0.49, 0.3, 0.21))))
    assert "more than any other group of them." in answer
    assert "Most" not in sentences
    assert "Most" not in said(reported(evidence("ridge", above, **uses(0.54, 0.26, 0.2, spread=0.03))))[1]


def test_groups_that_were_not_told_apart_are_not_put_in_order():
    answer, sentences = said(reported(evidence("ridge", above, **uses(0.4, 0.33, 0.27, spread=0.2))))
    assert answer == (
        "These features tell the classes better than guessing; which group of them ridge uses more, 100 tracks do "
        "not tell."
    )
    assert sentences["Groups"].startswith("100 tracks do not tell which group it uses more (shares: timbre 40 % [")


def test_groups_stand_by_share_only_where_their_order_is_a_finding():
    def order(spread: float) -> list[str]:
        page = render(reported(evidence("ridge", above, **uses(0.2, 0.3, 0.5, spread=spread))))
        return re.findall(r'<th scope="row">(timbre|rhythm|mode)</th>', page)[:3]

    assert order(0.02) == ["mode", "rhythm", "timbre"]
    assert order(0.3) == ["timbre", "rhythm", "mode"]


def test_a_pair_that_was_told_apart_is_said_and_the_rest_is_open():
    answer, sentences = said(reported(evidence("ridge", above, **uses(0.48, 0.45, 0.07, spread=0.05))))
    assert "ridge uses timbre more than mode, and rhythm more than mode; which group it uses most, 100 tracks" in answer
    assert "100 tracks do not tell which it uses more: timbre or rhythm." in sentences["Groups"]


def test_an_equal_share_is_said_to_be_equal():
    _, sentences = said(reported(evidence("ridge", above, **uses(1 / 3, 1 / 3, 1 / 3))))
    assert sentences["Groups"].startswith("All groups have the same share, 33 %.")
    _, sentences = said(reported(evidence("ridge", above, **uses(0.8, 0.1, 0.1))))
    assert "Rhythm and mode have the same share, 10 %." in sentences["Groups"]
    _, sentences = said(reported(evidence("ridge", above, **uses(0.8, 0.11, 0.09))))
    assert "the same share" not in sentences["Groups"]


def test_what_size_explains_is_said_only_where_it_was_tested():
    _, sentences = said(reported(evidence("ridge", above, **uses(0.7, 0.2, 0.1))))
    assert re.match(
        r"Timbre is used more than its number of features explains: 70 %, where groups drawn by chance get 2\d % to "
        r"4\d % \(p = 0\.005\)\. No other group is shown to be",
        sentences["Size"],
    )
    _, sentences = said(reported(evidence("ridge", above, **uses(0.36, 0.34, 0.3))))
    assert sentences["Size"].startswith("No group is shown to be used more than its number of features explains (p = ")
    _, sentences = said(reported(evidence("ridge", above, **uses(0.7, 0.2, 0.1, by_chance=0.0001))))
    assert sentences["Size"] == (
        "Whether a group is used more than its number of features explains is not known: groups drawn by chance get "
        "the same share every time."
    )


def test_one_group_has_no_order():
    one = {"shares": {"timbre": 1.0}, "halves": {"timbre": [1.0] * 20}}
    answer, sentences = said(reported(evidence("ridge", above, **one)))
    assert answer == "These features tell the classes better than guessing."
    assert sentences["Groups"] == (
        "Which group of features it uses more was not tested: there is one group of features only."
    )


def test_no_sentence_says_that_a_group_matters():
    for shares in ((0.7, 0.2, 0.1), (0.34, 0.33, 0.33)):
        page = render(reported(evidence("ridge", above, **uses(*shares))))
        assert not re.search(r"\bmatters?\b|\bbootstrap|overlap|ahead on", page)


def test_weights_have_a_direction_only_in_models_that_give_one():
    assert "▲ more" in render(reported(evidence("ridge", above, **uses(0.7, 0.2, 0.1))))
    assert "▲ more" not in render(reported(evidence("ridge", above, "opaque", **uses(0.7, 0.2, 0.1))))


# The case named before


def failed(name: str) -> dict[str, Any]:
    names = {"features": ["f"], "grouping": "g", "smoothing": "none", "model": name}
    return {"run": "bad", "case": names, "state": "failed", "error": "ValueError: it broke", "components": {}}


def test_the_case_named_is_explained_also_where_another_did_better():
    page = render(
        reported(evidence("ridge", above, **uses(0.7, 0.2, 0.1)), evidence("lasso", [v + 0.1 for v in above]))
    )
    assert re.search(r'class="case">ridge <span class="mark own">explained', page)
    assert "What ridge uses of each group" in page


def test_a_named_case_that_failed_is_said_with_its_reason():
    report = reported(evidence("forest", level, "opaque"), explained=None)
    report["cases"].append(failed("ridge"))
    report["named"] = failed("ridge")["case"]
    assert said(report)[0] == (
        "There is no answer yet: the case to explain, ridge, did not finish (ValueError: it broke)."
    )
    assert "Groups of features" not in headings(render(report))


def test_a_named_case_that_has_not_run_is_said_to_have_not():
    report = reported(evidence("forest", above, "opaque"), evidence("lasso", above), explained=None)
    report["named"] = {"features": ["f"], "grouping": "other", "smoothing": "none", "model": "ridge"}
    answer, sentences = said(report)
    assert answer.endswith("the case to explain, ridge with other groups, has not finished, so that nothing is said of "
                           "groups of features.")  # fmt: skip
    assert sentences["Not explained"] == "The case to explain, ridge with other groups, has not run."


def test_runs_of_an_older_mirstore_claim_nothing():
    report = reported(evidence("ridge", above, **uses(0.7, 0.2, 0.1)))
    del report["verdict"], report["named"]
    answer, sentences = said(report)
    assert answer == (
        "There is no answer yet: these runs do not say which case was to be explained; run the experiment again."
    )
    assert sentences == {}


def test_only_guessing_is_no_answer():
    report = reported(evidence("majority", [0.33] * 5, "floor"))
    assert said(report)[0] == "There is no answer yet: only majority, which learns nothing, has finished."


def test_what_stands_in_training_and_test_is_said_at_the_top():
    report = reported(evidence("ridge", above))
    report["data"]["leakage"] = [{"kind": "artist", "known": 100, "shared": 1, "examples": None},
                                 {"kind": "near", "known": 100, "shared": 3, "examples": None}]  # fmt: skip
    assert sections(report)["notes"] == [
        "1 artist and 3 near-identical recordings stand in training and test of one fold: the results may be better "
        "than on others."
    ]
    report["data"]["leakage"][1]["shared"] = 0
    assert sections(report)["notes"] == [
        "1 artist stands in training and test of one fold: the results may be better than on others."
    ]
    report["data"]["leakage"][0]["shared"] = 0
    assert sections(report)["notes"] == []


def test_one_fold_keeps_artists_whole_and_five_keep_them():
    report = reported(evidence("ridge", above))
    report["data"]["folds"] = [{"run": 0, "fold": i, "train": 80, "test": 20, "sha256": str(i)} for i in range(5)]
    report["data"]["leakage"] = [{"kind": "artist", "known": 100, "shared": 0, "examples": None}]
    assert "5 folds that keep each artist whole; accuracy" in sections(report)["facts"]
    report["data"]["folds"] = report["data"]["folds"][:1]
    assert "1 fold that keeps each artist whole; accuracy" in sections(report)["facts"]
    report["data"]["leakage"][0]["known"] = 10
    assert "1 fold that keeps each known artist whole; accuracy" in sections(report)["facts"]


def test_of_repeated_folds_it_is_said_how_many_are_different():
    report = reported(evidence("ridge", above), runs=2, group_by=None)
    report["data"]["folds"] = [
        {"run": run, "fold": fold, "train": 80, "test": 20, "sha256": f"{fold} {run * (fold > 0)}"}
        for run in range(2) for fold in range(5)
    ]  # fmt: skip
    assert "5 folds, repeated 2 times (9 different folds); accuracy" in sections(report)["facts"]
    assert "into 5 folds, repeated 2 times (9 different folds). Cases" in render(report)
    report["data"]["folds"] = report["data"]["folds"][::5]
    assert "1 fold, repeated 2 times (1 different fold); accuracy" in sections(report)["facts"]


@pytest.mark.parametrize(
    ("size", "same", "said"),
    [
        (1.0, True, "Repetitions differ by the seed of models."),
        (1.0, False, "Repetitions differ by the folds and by the seed of models."),
        (0.8, True, "Repetitions differ by which 80\u202f% of the artists of a training part was learned from and by"),
        (
            0.8,
            False,
            "by the folds, by which 80\u202f% of the artists of a training part was learned from and by the seed",
        ),
    ],
)
def test_it_is_said_by_what_repetitions_differ(size, same, said):
    report = reported(evidence("ridge", above), runs=2, train_size=size, units="artist")
    report["data"]["folds"] = [
        {"run": run, "fold": fold, "train": 80, "test": 20, "sha256": f"{fold} {run * (not same)}"}
        for run in range(2) for fold in range(5)
    ]  # fmt: skip
    report["cases"][0]["metrics"]["accuracy"]["repetitions"] = [0.5, 0.6]
    assert said in render(report)


def test_what_was_learned_from_and_what_was_tested_are_said_where_they_are_two_datasets():
    report = reported(evidence("ridge", above), evaluate_on="elsewhere")
    report["task"] |= {"dataset": "here", "split": "grouped"}
    page = render(report)
    assert "all of it learned from, and tested on all of elsewhere" in page
    assert "split “grouped”" not in page
    assert "of here, learned from, and of elsewhere, tested" in sections(report)["facts"]
    assert re.search("learned on here, tell the labels “.*” of elsewhere, and", question({**report, "question": None}))
    report["task"]["evaluate_labels"] = "style"
    assert "and tested on all of elsewhere, labels “style”" in render(report)
    del report["task"]["evaluate_on"]
    assert "split “grouped”" in render(report)


def test_an_error_in_a_small_unit_is_not_written_as_none():
    report = reported(evidence("ridge", above), numeric=True, exclusive=False)
    errors = {"mae": {"mean": 0.000041, "sd": 0.0000052}, "r2": {"mean": 0.98, "sd": 0.01}}
    report["cases"][0]["labels"] = [{"label": "valence", "metric": errors}]
    page = render(report)
    assert ">4.1e−05<" in page
    assert ">5.2e−06<" in page


def test_a_validation_part_that_was_learned_from_is_said():
    report = reported(evidence("ridge", above))
    assert "validation part" not in render(report)
    report["task"]["learn_validation"] = True
    assert "its validation part is learned from as well" in render(report)


def test_tracks_of_a_validation_part_are_counted_beside_those_of_the_others():
    report = reported(evidence("ridge", above))
    report["data"]["folds"] = [{"run": 0, "fold": 0, "train": 96, "validation": 12, "test": 13}]
    assert "<dt>validation per fold</dt><dd>12</dd>" in render(report)
    report["data"]["folds"] = [{"run": 0, "fold": 0, "train": 96, "validation": 0, "test": 13}]
    assert "validation per fold" not in render(report)


def test_wrong_labels_are_said_with_their_share_and_whose_they_are():
    report = reported(evidence("ridge", above))
    assert "are learned under a class drawn from the others" not in render(report)
    report["task"]["wrong_labels"] = 0.125
    said = "12.5\u202f% of the training tracks of each fold are learned under a class drawn from the others"
    assert said in html.unescape(render(report))


def test_a_constant_column_is_not_said_to_be_far_out():
    report = reported(evidence("ridge", above))
    report["health"] = [{"column": "f.c", "missing": 0, "constant": True, "outliers": 0, "low": 1.0, "high": 1.0}]
    assert "Columns with missing values, only one value, or outliers" in render(report)


# From the labels to the page


def measured(folder, labels: Sequence[str], features: np.ndarray) -> tuple[dict[str, Any], str]:
    """Return the report on an experiment with these labels and features, and its page."""
    from mirstore.store import Project, Store
    from mirstore.store.ingest.published_tables import import_table

    names = [f"{group[0]}{i}" for group in groups for i in range(4)]
    rows = [
        ",".join([f"t{i}", *(f"{value:.6f}" for value in row), label])
        for i, (row, label) in enumerate(zip(features, labels, strict=True))
    ]
    (folder / "table.csv").write_text("\n".join([",".join(["id", *names, "genre"]), *rows]) + "\n")
    (folder / "registry.toml").write_text("""
        [groupings.mine]
        groups = { timbre = ["*.t?"], rhythm = ["*.r?"], mode = ["*.m?"] }
        [tasks.mine]
        dataset = "mine"
        labels = "genre"
        split = "stratified"
        metric = "accuracy"
        [experiments.mine]
        task = "mine"
        features = ["mine"]
        grouping = "mine"
        permutations = 40
        halves = 40
        random_groupings = 40
        model = "ridge"
        """)
    with Store(folder / "store", create=True) as store:
        import_table(store, folder / "table.csv", dataset="mine", labels=["genre"])
    with Project(folder / "store", folder / "registry.toml") as project:
        project.run("mine", jobs=1).result()
        (report,) = project.report("mine")
    return report.as_dict(), render(report)


@pytest.mark.slow
def test_labels_that_have_nothing_to_do_with_the_features_give_a_page_that_cannot_tell(tmp_path):
    rng = np.random.default_rng(1)
    report, page = measured(tmp_path, rng.choice(["a", "b", "c"], 60).tolist(), rng.normal(size=(60, 12)))
    assert not report["verdict"]["found"]
    assert re.search(r'<p class="answer">This data cannot tell: 60 tracks; ', page)
    assert headings(page) == [
        "Data", "Results", "Labels", "What the groups hold", "Health of the features", "Provenance",
    ]  # fmt: skip
    assert not re.search(r"\buses\b|▲ more|better than guessing", page)


@pytest.mark.slow
def test_labels_that_follow_a_group_give_a_page_that_names_it(tmp_path):
    rng = np.random.default_rng(1)
    features = rng.normal(size=(90, 12))
    labels = np.array(["a", "b", "c"])[np.argsort(np.argsort(features[:, 0] + features[:, 1])) // 30]
    report, page = measured(tmp_path, labels.tolist(), features)
    assert report["verdict"]["found"]
    told = (
        "These features tell the classes better than guessing, and ridge uses timbre more than any other group of them"
    )
    assert f'<p class="answer">{told}' in page
    assert "of 40 permutations of the labels" in page
    # What the page prints is what the store has.
    (ridge,) = report["cases"]
    assert f"accuracy {ridge['metrics']['accuracy']['mean']:.3f}, guessing {ridge['floor']['accuracy']:.3f}" in page
