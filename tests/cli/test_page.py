"""The HTML report: what it says, and how it looks to a real browser."""

from __future__ import annotations

import base64
import copy
import html
import json
import re
import shutil
from dataclasses import asdict
from io import BytesIO
from itertools import pairwise

import numpy as np
import pytest

pytest.importorskip("jinja2", reason="the HTML report needs mirstore[report]")
pytest.importorskip("matplotlib", reason="the HTML report needs mirstore[report]")

from mirstore.core.experiments.verdict import Evidence, judge
from mirstore.page import render
from mirstore.page.ranking import ranking
from mirstore.page.scores import limits
from mirstore.page.verdict import question
from mirstore.page.words import count, duration, general, listed, number, whole

genres = "blues classical country disco hiphop jazz metal pop reggae rock".split()
moods = """action adventure advertising background ballad calm children christmas commercial cool corporate dark deep
    documentary drama dramatic dream emotional energetic epic fast film fun funny game groovy happy heavy holiday
    hopeful inspiring love meditative melancholic melodic motivational movie nature party positive powerful relaxing
    retro romantic sad sexy slow soft soundscape space sport summer trailer travel upbeat uplifting""".split()
user_friendly = ["brightness", "danceability", "tension", "smoothness"]
domain_expert = ["spectral", "harmonic", "rhythmic", "sound_shaping"]
all_features = ["signal", "harmonic", "dnn"]
texts = {
    "spectral_centroid": ("Hz", "centre of mass of the spectrum, mean over frames", 0.0, 11025.0),
    "pulse_clarity": (None, "how clearly a regular pulse stands out, maximum of the autocorrelation", 0.0, 1.0),
    "dissonance": (None, "sensory roughness of the spectral peaks", 0.0, 1.0),
    "attack_time": ("s", "mean time from onset to peak", 0.0, None),
    "loudness": ("dB", "loudness after Stevens, mean over frames", None, 0.0),
    "bpm": ("BPM", "tempo", 30.0, 300.0),
    "chords_changes_rate": ("1/s", "changes of chord per second", 0.0, None),
    "mode": (None, "minor (0) to major (1)", 0.0, 1.0),
}
hostile = "<script>alert('x')</script> & \"Söhne\" $x_1$"


def metric(rng, mean: float, folds: int) -> dict:
    values = np.clip(rng.normal(mean, 0.012, folds), 0, 1).tolist()
    middle, sd = float(np.mean(values)), float(np.std(values, ddof=1)) if folds > 1 else None
    low, high = (middle - 1.6 * sd, middle + 1.6 * sd) if sd is not None else (None, None)
    return {"mean": middle, "sd": sd, "low": low, "high": high, "values": values}


def floor_metric(folds: int, exclusive: bool) -> dict:
    value = 0.1 if exclusive else 0.5
    return {"mean": value, "sd": 0.0, "low": value, "high": value, "values": [value] * folds}


def importances(
    rng, groups: list[str], labels: list[str], measures: list[str], folds: int, per_label: bool
) -> list[dict]:
    shares = rng.dirichlet(np.linspace(6, 2, len(groups)))
    rows = []
    for measure in measures:
        for group, share in zip(groups, shares, strict=True):
            values = (share * rng.uniform(0.9, 1.1, folds)).tolist()
            mean, sd = float(np.mean(values)), float(np.std(values))
            rows.append({"measure": measure, "label": None, "group": group, "mean": mean, "sd": sd, "values": values})
    for label in labels if per_label else []:
        for group, share in zip(groups, rng.dirichlet(20 * shares + 0.5), strict=True):
            row = {"measure": "share", "label": label, "group": group, "mean": float(share), "sd": 0.02}
            rows.append({**row, "values": [float(share)]})
    return rows


def decided(report: dict, explained: dict) -> None:
    """Fit a case to halves and to random groups, and judge the report."""
    rng = np.random.default_rng(3)
    rows = [row for row in explained["importances"] if row["measure"] == "share" and row["label"] is None]
    explained["whole"] = {row["group"]: row["mean"] for row in rows}
    explained["halves"] = {row["group"]: rng.normal(row["mean"], 0.03, 100).tolist() for row in rows}
    chance = rng.dirichlet([20] * len(rows), 200)
    explained["null"] = {row["group"]: chance[:, i].tolist() for i, row in enumerate(rows)}
    name, sizes = report["task"]["metric"], {group["group"]: len(group["columns"]) for group in explained["groups"]}
    evidence = [
        Evidence(
            run=case["run"],
            kind="control" if case["components"]["by_chance"] else case["components"]["role"],
            folds=case["folds"],
            values=case["metrics"][name]["values"],
            floors=[case["floor"][name]] * len(case["folds"]),
            test_share=0.25,
            shares=case["whole"],
            halves=case["halves"] or {},
            groupings=case["null"] or {},
            sizes=sizes,
        )
        for case in report["cases"]
        if case["state"] == "finished"
    ]
    report["verdict"] = asdict(judge(evidence, explained["run"], report["data"]["tracks"]))
    report["named"] = explained["case"]


def contents(rng, groups: list[str], labels: list[str], signed: bool) -> list[dict]:
    found = []
    for group in groups:
        columns = []
        for i, (name, (unit, text, low, high)) in enumerate(texts.items()):
            weights = rng.normal(0, 0.3 / (i + 1), len(labels))
            weights = weights if signed else abs(weights)
            about = {"column": f"essentia.{name}_{group}", "unit": unit, "text": text, "low": low, "high": high}
            columns.append({**about, "weights": dict(zip(labels, weights.tolist(), strict=True))})
        found.append({"group": group, "lacking": ["rhyme-density"] if group == groups[-1] else [], "columns": columns})
    return found


def tracks(rng, groups: list[str], labels: list[str]) -> list[dict]:
    found = []
    for role in ("best", "worst", "ambiguous"):
        for i in range(3):
            scores = dict(
                zip(rng.permutation(labels)[:10].tolist(), sorted(rng.uniform(size=10).tolist())[::-1], strict=True)
            )
            label = list(scores)[0 if role == "best" else 6]
            found.append(
                {
                    "role": role,
                    "track": f"{role}{i}" * 8,
                    "title": hostile if i == 0 else f"Étude no. {i}",
                    "artist": "Kevin MacLeod" if i else None,
                    "path": f"/music/{role}/{i}.mp3",
                    "label": label,
                    "truth": [label],
                    "scores": scores,
                    "contributions": dict(zip(groups, rng.normal(size=len(groups)).tolist(), strict=True)),
                }
            )
    return found


measures = {
    "em-banded": [
        "share",
        "degrees of freedom",
        "lambda",
        "mean of label shares",
        "prior share",
        "variance",
        "product",
    ],
    "xgboost": ["share", "total gain"],
    "random-forest": ["share"],
    "logistic-regression": ["share", "variance"],
    "majority": [],
}
said = {"share": "which part of the prediction's variance is the group's", "lambda": "variance of its weights"}


def finished(rng, report: dict, names: dict, groups: list[str], mean: float) -> dict:
    labels = [row["label"] for row in report["data"]["classes"]]
    exclusive, folds = report["task"]["exclusive"], len(report["data"]["folds"])
    model = names["model"]
    signed, floor = model in ("em-banded", "logistic-regression"), model == "majority"
    rows = importances(rng, groups, labels, measures[model], folds, per_label=model == "em-banded")
    extra = ("roc_auc", "pr_auc", "balanced_accuracy") if exclusive else ("pr_auc",)
    per_label = {label: float(np.clip(rng.normal(mean, 0.08), 0.02, 0.99)) for label in labels}
    counts = (np.eye(10) * 70 + rng.integers(0, 16, (10, 10)) / 2).tolist()  # a mean over two repetitions
    return {
        "run": f"{len(report['cases']):010x}",
        "case": names,
        "state": "finished",
        "error": None,
        "metrics": {report["task"]["metric"]: floor_metric(folds, exclusive) if floor else metric(rng, mean, folds)}
        | {n: metric(rng, mean - 0.1, folds) for n in extra},
        "labels": [
            {
                "label": x,
                "metric": {
                    "recall" if exclusive else "roc_auc": {"mean": v, "sd": 0.02},
                    "pr_auc": {"mean": v / 2, "sd": None},
                },
            }
            for x, v in per_label.items()
        ],
        "importances": rows,
        "measures": said if model == "em-banded" else {},
        "whole": {},
        "null": None,
        "halves": None,
        "permuted": [],
        "floor": dict.fromkeys([report["task"]["metric"], *extra], 0.1 if exclusive else 0.5),
        "groups": contents(rng, groups, labels, signed) if model not in ("majority", "random-forest") else [],
        "tracks": [] if floor else tracks(rng, groups, labels),
        "confusion": {"labels": labels, "counts": counts} if exclusive else None,
        "ambiguity": None,
        "components": {
            "model": model,
            "role": "floor" if floor else "signed" if signed else "opaque",
            "grouper": names["grouping"],
            "by_chance": names["grouping"] == "random",
        },
        "folds": [str(i) for i in range(folds)],
        "seconds": 12.3,
        "overhead_seconds": 0.4,
    }


def empty_report(name: str, labels: list[str], exclusive: bool, folds: int) -> dict:
    rng = np.random.default_rng(440)
    return {
        "experiment": name,
        "made": "2025-01-31T12:00:00+00:00",
        "version": "0.1.0",
        "command": f"mirstore run-experiment {name}",
        "task": {
            "name": f"{name}-cv5", "dataset": name, "labels": "genre" if exclusive else "moodtheme",
            "exclusive": exclusive,
            "metric": "accuracy" if exclusive else "roc_auc", "split": "stratified" if exclusive else "modulo",
            "folds": folds, "group_by": None if exclusive else "artist", "runs": 1,
        },
        "data": {
            "tracks": 1000 if exclusive else 18486,
            "hours": 8.333 if exclusive else None,
            "artists": None if exclusive else 3500,
            "classes": [{"label": x, "tracks": 100 if exclusive else int(rng.integers(50, 1500))} for x in labels],
            "folds": [{"run": 0, "fold": i, "train": 800, "test": 200 - i % 2} for i in range(folds)],
            "leakage": [
                {"kind": "artist", "known": 0 if exclusive else 18000, "shared": 0, "examples": None},
                {"kind": "album", "known": 1000, "shared": 12, "examples": "Greatest Hits, Live"},
                {"kind": "audio", "known": 1000 if exclusive else 18486, "shared": 0, "examples": None},
            ],
            "left_out": [{"why": "no features", "tracks": 7}],
        },
        "cases": [],
        "features": [
            {"feature": "essentia", "extractor": "essentia@1", "id": "ab" * 32, "params": {"sr": 44100}, "columns": 98,
             "seconds_per_track": 8.2, "licences": ["essentia: AGPL-3.0"]},
        ],
        "health": [
            {"column": f"essentia.{c}", "missing": i % 3, "constant": i == 4, "outliers": i, "low": -60.25 * i,
             "high": 1e5}
            for i, c in enumerate(texts)
        ] + [{"column": "essentia.zcr", "missing": 0, "constant": False, "outliers": 0, "low": None, "high": None}],
        "provenance": {
            "snapshot": 17, "seeds": [0, 1], "config_sha256": "cd" * 32,
            "distributions": {"mirstore": "0.1.0", "essentia": "2.1b6", "numpy": "2.2.0"},
            "licences": {"mirstore": "Apache-2.0", "essentia": "AGPL-3.0", "numpy": None},
            "python": "3.11.2", "machine": "Linux x86_64",
            "bibtex": ["@inproceedings{patakis,\n  title = {Semantic-aware auto-tagging},\n  year = {2025}\n}"],
        },
    }  # fmt: skip


@pytest.fixture(scope="module")
def clip() -> str:
    """A tenth of a second of a sine."""
    import soundfile

    buffer = BytesIO()
    soundfile.write(buffer, np.sin(np.arange(2205) * 0.1), 22050, format="OGG", subtype="VORBIS")
    return "data:audio/ogg;base64," + base64.b64encode(buffer.getvalue()).decode()


@pytest.fixture(scope="module")
def small(clip) -> dict:
    """Ten exclusive genres, everything there."""
    rng = np.random.default_rng(7)
    report = empty_report("gtzan", genres, exclusive=True, folds=5)
    quality = {"em-banded": 0.74, "xgboost": 0.75, "random-forest": 0.7, "logistic-regression": 0.72, "majority": 0.1}
    groupings = {"user-friendly": user_friendly, "domain-expert": domain_expert, "all-features": all_features}
    groupings["random"] = [f"random_{i}" for i in range(1, 6)]
    for grouping, groups in groupings.items():
        for model, mean in quality.items():
            for smoothing in ("none", "knn-lda") if grouping == "all-features" else ("none",):
                names = {"features": ["essentia"], "grouping": grouping, "smoothing": smoothing, "model": model}
                report["cases"].append(finished(rng, report, names, groups, mean + rng.normal(0, 0.01)))
    report["clips"] = {f"{role}0" * 8: clip for role in ("best", "worst", "ambiguous")}
    for case in report["cases"]:
        if case["case"]["smoothing"] != "none":
            case["ambiguity"] = {
                "edges": np.linspace(0, 1, 11).tolist(),
                "learned": [10, 20, 30, 40, 50, 60, 90, 150, 200, 150],
                "held_out": [20, 25, 25, 30, 20, 20, 20, 20, 10, 10],
                "own_class_mean": {"learned": 0.71, "held_out": 0.44},
            }
    first, other = report["cases"][:2]
    first["confusion"]["counts"][0][1] = 30.0
    first["learning_curves"] = [
        {"name": name, "repeat": 0, "fold": fold, "epochs": list(range(40)), "values": rng.uniform(size=40).tolist()}
        for name in ("loss", "validation_loss")
        for fold in range(5)
    ]
    report["t_tests"] = [
        {"run": other["run"], "than": first["run"], "difference": 0.02, "folds": 5, "p": 0.01, "corrected": None}
    ]
    classes = [
        {"label": x, "tracks": 90, "missing": 10, "quartiles": (100.0 + i, 120.0 + i, 140.0), "outside": 1,
         "counts": rng.integers(0, 9, 60).tolist()} for i, x in enumerate(genres)
    ]  # fmt: skip
    about = {"column": "essentia.bpm", "unit": "BPM", "text": "tempo", "averaged": True}
    report["by_class"] = [{**about, "edges": np.linspace(60, 200, 61).tolist(), "classes": classes}]
    decided(report, report["cases"][0])
    return report


@pytest.fixture(scope="module")
def large() -> dict:
    """56 tags and 36 cases, of which some failed or could not run, and optional parts missing."""
    rng = np.random.default_rng(8)
    report = empty_report("jamendo", moods, exclusive=False, folds=5)
    report["question"] = "What do 56 moods and themes sound like, on artists never heard before?"
    quality = {"em-banded": 0.74, "xgboost": 0.71, "logistic-regression": 0.735, "majority": 0.5}
    groupings = {"user-friendly": user_friendly, "domain-expert": domain_expert, "all-features": all_features}
    for features in (["essentia"], ["essentia", "midlevel"], ["essentia", "midlevel", "harmony"]):
        for grouping, groups in groupings.items():
            for model, mean in quality.items():
                names = {"features": features, "grouping": grouping, "smoothing": "none", "model": model}
                report["cases"].append(finished(rng, report, names, groups, mean + rng.normal(0, 0.01)))
    cases = report["cases"]
    kept = ("run", "case", "error", "seconds", "overhead_seconds")
    cases[5] = {key: cases[5][key] for key in kept} | {
        "state": "failed",
        "error": f"ValueError: {hostile}",
        "notes": [],
    }
    cases[9] = {"run": None, "case": cases[9]["case"], "state": "lacking", "error": "no feature set 'midlevel'"}
    cases[12] |= {"tracks": [], "groups": [], "labels": []}
    decided(report, cases[0])
    report["health"], report["features"] = [], []
    return report


def minimal() -> dict:
    """One fold, one failed case, nothing optional."""
    return {
        "experiment": "one", "made": "2025-01-31T12:00:00", "version": "0.1.0", "named": {}, "verdict": {},
        "command": "mirstore run-experiment one",
        "task": {"name": "t", "dataset": "d", "labels": "genre", "exclusive": True, "metric": "accuracy", "split": "x",
                 "folds": 1, "group_by": None, "runs": 1},
        "data": {"tracks": 3, "hours": None, "artists": None, "classes": [], "folds": [], "leakage": [],
                 "left_out": []},
        "cases": [{"run": "a", "case": {"features": ["f"], "grouping": "g", "smoothing": None, "model": "m"},
                   "state": "failed", "error": "it broke", "seconds": None, "overhead_seconds": None}],
        "features": [], "health": [],
        "provenance": {"snapshot": None, "seeds": [], "config_sha256": None, "distributions": {}, "licences": {},
                       "python": None, "machine": None, "bibtex": []},
    }  # fmt: skip


@pytest.fixture(scope="module")
def pages(small, large) -> dict[str, str]:
    return {"small": render(small), "large": render(large), "minimal": render(minimal())}


def headings(page: str) -> list[str]:
    return re.findall(r"<h2[^>]*>([^<]+)</h2>", page)


def test_a_page_has_all_parts_in_order(pages):
    assert headings(pages["small"]) == [
        "Data", "Results", "The t test as published", "Learning curves", "Labels", "Values by class",
        "Groups of features", "What the groups hold", "Listen", "Ambiguity", "Health of the features", "Provenance",
    ]  # fmt: skip
    assert "mirstore run-experiment gtzan" in pages["small"]
    assert "@inproceedings{patakis" in pages["small"]


def test_parts_without_contents_are_left_out(pages):
    assert headings(pages["minimal"]) == ["Data", "Provenance", "Cases without a result"]
    assert "Health of the features" not in headings(pages["large"])
    assert "There is no answer yet: no case has finished" in pages["minimal"]
    assert "it broke" in pages["minimal"]


def test_every_finished_case_is_in_the_table_and_guessing_once(pages, large, small):
    for name, report in (("small", small), ("large", large)):
        learned = [c for c in report["cases"] if c["state"] == "finished" and c["case"]["model"] != "majority"]
        results = pages[name].partition('id="results"')[2].partition("</section>")[0]
        rows = re.findall(r'<th scope="row" class="case">([\w-]+)', results)
        assert rows.count("guessing") == 1
        assert len(rows) == len(learned) + 1


def test_a_baseline_that_does_not_just_guess_stays_in_the_table(small):
    report = copy.deepcopy(small)
    for case in report["cases"]:
        if case["case"]["model"] == "majority":
            case["metrics"]["accuracy"]["mean"] = 0.12
    assert render(report).count('<th scope="row" class="case">majority <span class="mark">floor</span>') == 5


def test_cases_that_were_not_tested_on_the_same_tracks_have_both_floors(small):
    report = copy.deepcopy(small)
    report["cases"][0]["floor"] = {"accuracy": 0.15}
    assert '<td class="n">0.100–0.150</td>' in render(report)


def test_cases_without_a_result_are_listed_with_the_reason(pages):
    assert "Of 36 cases, 1 failed and 1 could not run" in pages["large"]
    assert "no feature set &#39;midlevel&#39;" in pages["large"]
    assert "ValueError: &lt;script&gt;" in pages["large"]


def test_the_best_case_comes_first(small):
    cases = ranking(small)
    assert [case.value["mean"] for case in cases] == sorted((c.value["mean"] for c in cases), reverse=True)
    roles = {(case.model, case.text("grouping") == "random"): case.role for case in cases}
    assert roles["em-banded", False] == ""
    assert roles["em-banded", True] == "control"
    assert roles["xgboost", True] == roles["random-forest", False] == "opaque"
    assert roles["majority", False] == "floor"


def test_leakage_is_said_plainly(pages):
    page = pages["small"]
    assert "artist: unknown" in page
    assert '<li class="warn"><b>Warning: 12 albums shared</b>' in page
    assert '<li class="good"><b>0 identical files shared</b>' in page


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ({"kind": "audio", "known": 0, "shared": 0}, "<li><b>identical files: unknown</b>No audio files"),
        ({"kind": "audio", "known": 0, "shared": 2}, '<li class="warn"><b>Warning: 2 identical files shared</b>'),
        ({"kind": "audio", "known": 1, "shared": 0}, "; 1 of 3 tracks have a file."),
    ],
)
def test_what_was_not_compared_is_not_said_to_share_nothing(row, text):
    report = minimal()
    report["data"]["leakage"] = [{**row, "examples": None}]
    page = render(report)
    assert text in page
    assert ("<b>0 identical" in page) == (row["known"] == 1)


def renamed(report: dict, name: str, other: str) -> dict:
    return json.loads(json.dumps(report).replace(f'"{name}"', json.dumps(other)))


def test_hostile_text_is_escaped_everywhere(small):
    page = render(renamed(small, "blues", "<script>x</script>") | {"question": hostile, "experiment": hostile})
    assert "<script" not in page
    assert "<title>&lt;script&gt;" in page
    page = render(renamed(small, "tension", "<script>y</script> $a_1$"))
    assert "<script" not in page
    assert "&lt;script&gt;y&lt;/script&gt;" in page


def test_labels_in_other_scripts_are_drawn(small):
    assert "ジャズ" in render(renamed(small, "jazz", "ジャズ"))


def test_very_long_labels_leave_room_for_the_figure(small):
    page = render(renamed(renamed(small, "jazz", "音楽" * 40), "tension", "long " * 30))
    assert "音楽" * 7 + "…" in page


def test_the_title_is_the_question(pages, small):
    title = re.search("<title>([^<]+)</title>", pages["small"])
    assert title
    assert html.unescape(title[1]) == question(small)
    assert f"<h1>{title[1]}</h1>" in pages["small"]


def test_what_smoothing_knew_already_is_told_from_what_it_found(pages):
    assert "knn-lda <span>– own class keeps 0.71 on average, 0.44 held out</span>" in pages["small"]
    assert "it finds classes even where there are none" in pages["small"]
    assert "with any mapping or none, cross-fitted or not" in pages["small"]  # what artists do


def test_limits_are_the_nearest_steps_outside():
    for low in np.arange(0.02, 0.9, 0.01):
        found, _ = limits([{"mean": 0.95, "low": float(low)}], (0.0, 1.0))
        assert found == pytest.approx(max(0, np.floor(round((low - 0.01) / 0.05, 6)) * 0.05))
    assert limits([{"mean": 0.7, "low": 0.66}], (0.0, 1.0)) == (0.65, 0.75)


def test_what_is_taken_for_what_is_told_in_shares_of_the_true_class(pages, small):
    counts = np.array(small["cases"][0]["confusion"]["counts"])  # means over two repetitions
    rows = re.findall(r'<td class="h(?: own)?" style="--v:[\d.]+">(\d+|&lt;1)</td>', pages["small"])
    shares = [share for row in counts / counts.sum(axis=1, keepdims=True) for share in row if share]
    assert rows[: len(shares)] == [f"{100 * share:.0f}" if share >= 0.005 else "&lt;1" for share in shares]
    totals = re.findall(r'<td class="total">([\d.]+)</td>', pages["small"])
    assert [float(total) for total in totals[:10]] == counts.sum(axis=1).tolist()
    assert any(total.endswith(".5") for total in totals)


def test_what_groups_add_is_on_one_scale(small):
    report = copy.deepcopy(small)
    case = report["cases"][0]
    case["tracks"] = case["tracks"][:2]
    case["tracks"][0]["contributions"] = {"tension": 2.0}
    case["tracks"][1]["contributions"] = {"tension": -0.5}
    widths = re.findall(r'<span class="bar signed"><i[^>]*width:([\d.]+)%', render(report))
    assert [float(width) for width in widths] == [50.0, 12.5]


def test_only_the_explained_case_has_intervals_degrees_of_freedom_and_random_groups(small, pages):
    section = re.search(r'<section id="groups".*?</section>', pages["small"], flags=re.DOTALL)
    assert section
    main = re.search(r"<table>.*?</table>", section[0], flags=re.DOTALL)
    assert main
    assert "em-banded with user-friendly groups and none smoothing" not in main[0]
    assert re.findall(r'scope="col"[^>]*>([^<]+)', main[0]) == [
        "group", "share", "95 % interval", "by chance", "degrees of freedom", "columns",
    ]  # fmt: skip
    shares = small["cases"][0]["whole"]
    rows = re.findall(r'<th scope="row">([^<]+)</th><td class="n">(\d+)', main[0])
    assert rows == [(group, f"{100 * share:.0f}") for group, share in sorted(shares.items(), key=lambda item: -item[1])]
    # All other measures stand behind a click.
    outside = re.sub(r"<details>.*?</details>", "", section[0], flags=re.DOTALL)
    assert "lambda" in section[0]
    assert "lambda" not in outside
    assert section[0].count("standard deviation over folds") == 1


def test_headings_do_not_jump_and_tables_have_names(pages):
    for page in pages.values():
        levels = [int(level) for level in re.findall(r"<h([1-6])", page)]
        assert levels[0] == 1
        assert all(b - a <= 1 for a, b in pairwise(levels))
        assert page.count("<table") == page.count("<caption") == page.count('role="region" aria-label="')
        assert not re.findall(r"<th(?![^>]*scope=)[ >]", page)


def test_a_page_is_the_same_every_time(small, pages):
    assert render(copy.deepcopy(small)) == pages["small"]


def test_ids_are_unique_and_references_lead_somewhere(pages):
    for page in pages.values():
        ids = re.findall(r'\sid="([^"]+)"', page)
        assert len(ids) == len(set(ids))
        assert set(re.findall(r'(?:href="#|url\(#|aria-labelledby=")([^")]+)', page)) <= set(ids)


def test_nothing_is_loaded_from_elsewhere(pages):
    for page in pages.values():
        assert not re.findall(r'\b(?:src|href|action|data|poster)\s*=\s*["\']?(?!["\']?(?:data:|#))[^\s>]+', page)
        assert not re.findall(r"url\((?!#)|@import|<script|<iframe|<object|<embed", page)


def test_colours_and_type_of_figures_are_the_pages_own(pages):
    figures = re.findall(r"<svg.*?</svg>", pages["small"], flags=re.DOTALL)
    assert len(figures) >= 9
    for figure in figures:
        assert not re.findall(r"#[0-9a-f]{6}|font-family|<image|<metadata", figure)
        assert re.search(r'role="img" aria-labelledby="([^"]+)"><title id="\1">[^<]{20,}', figure)


def test_a_page_stays_small(pages):
    assert all(len(page.encode()) < 2_000_000 for page in pages.values())


def test_a_clip_is_embedded_only_if_it_is_audio(small, pages):
    assert 'src="data:audio/ogg;base64,' in pages["small"]
    report = copy.deepcopy(small)
    report["clips"] = dict.fromkeys(report["clips"], "https://example.org/x.ogg")
    assert "<audio" not in render(report)


def test_numbers_are_written_for_readers():
    assert number(-0.12345) == "−0.123"
    assert number(-0.0001) == "0.000"
    assert number(None) == number(float("nan")) == number(float("inf")) == general(None) == "–"
    assert whole(18486) == "18\u202f486"
    assert general(11025.0) == "11\u202f025"
    assert general(-0.000123456) == "−0.0001235"
    assert [count(1, "class"), count(3, "class"), count(2, "fold")] == ["1 class", "3 classes", "2 folds"]
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert [duration(s) for s in (0.01, 5, 90, 7200, None)] == ["0.01 s", "5 s", "1 min 30 s", "2 h", "–"]


@pytest.fixture(scope="module")
def browser():
    api = pytest.importorskip("playwright.sync_api", reason="needs playwright (pip install playwright)")
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        pytest.skip("needs chromium, chromium-browser or google-chrome on the PATH")
    options = "headless no-sandbox disable-gpu disable-quic no-first-run disable-background-networking"
    options += " disable-component-update disable-sync"
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=[f"--{option}" for option in options.split()])
        yield browser
        browser.close()


@pytest.fixture
def opened(browser, pages, tmp_path):
    """Open a page and collect what the console says and what it loads."""
    contexts = []

    def open_page(name: str, width: int, scheme: str):
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, offline=False)
        contexts.append(context)
        tab, said = context.new_page(), []
        tab.on("console", lambda message: said.append(message.text))
        tab.on("pageerror", lambda error: said.append(str(error)))
        tab.on(
            "request", lambda request: None if request.url.startswith(("file:", "data:")) else said.append(request.url)
        )
        path = tmp_path / f"{name}.html"
        path.write_text(pages[name], encoding="utf-8")
        tab.goto(path.as_uri())
        return tab, said

    yield open_page
    for context in contexts:
        context.close()


contrast = """() => {
    const rgb = (colour) => colour.match(/[\\d.]+/g).slice(0, 3).map((x) => {
        x /= 255; return x <= 0.03928 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4; });
    const light = (colour) => { const [r, g, b] = rgb(colour); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
    const paper = light(getComputedStyle(document.body).backgroundColor);
    return Math.min(...[...document.querySelectorAll('p, dd, dt, td, th, svg text, figcaption, a')].map((element) => {
        const style = getComputedStyle(element), ink = light(element.closest('svg') ? style.fill : style.color);
        return (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05); }));
}"""


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("name", ["small", "large", "minimal"])
def test_a_browser_shows_the_page(opened, name, width, scheme):
    tab, said = opened(name, width, scheme)
    tab.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
    wide, inner = tab.evaluate("[document.scrollingElement.scrollWidth, innerWidth]")
    assert wide <= inner
    sizes = tab.evaluate(
        "[...document.querySelectorAll('svg')].map((s) => s.getBoundingClientRect()).map((r) => [r.width, r.height])"
    )
    assert all(w >= 300 and h >= 50 for w, h in sizes)
    assert bool(sizes) == (name != "minimal")
    # Type in figures is as large as elsewhere: 11.5 px at the natural width.
    smallest = tab.evaluate(
        "Math.min(99, ...[...document.querySelectorAll('svg text')].map((t) => t.getBoundingClientRect().height))"
    )
    assert smallest >= 11
    assert tab.evaluate(contrast) >= 4.5
    assert said == []


@pytest.mark.slow
def test_text_in_figures_stays_inside(opened):
    tab, _ = opened("large", 1280, "light")
    outside = """[...document.querySelectorAll('svg text')].filter((text) => {
        const box = text.getBoundingClientRect(), all = text.closest('svg').getBoundingClientRect();
        return box.left < all.left - 2 || box.right > all.right + 2 || box.bottom > all.bottom + 2;
    }).map((text) => text.textContent)"""
    assert tab.evaluate(outside) == []


@pytest.mark.slow
def test_clips_play(opened):
    tab, said = opened("small", 1280, "light")
    loaded = """async () => Promise.all([...document.querySelectorAll('audio')].map((audio) => new Promise((done) => {
        audio.onloadedmetadata = () => done(audio.duration); audio.onerror = () => done(-1); audio.load(); })))"""
    durations = tab.evaluate(loaded)
    assert len(durations) >= 3
    assert all(d == pytest.approx(0.1, abs=0.02) for d in durations)
    assert said == []


@pytest.mark.slow
def test_print_opens_what_is_folded(opened):
    tab, _ = opened("small", 1280, "dark")
    tab.emulate_media(media="print")
    assert tab.evaluate(
        "[...document.querySelectorAll('details table')].every((t) => t.getBoundingClientRect().height > 0)"
    )
    assert tab.evaluate("getComputedStyle(document.querySelector('h1')).color") == "rgb(29, 30, 33)"
    assert tab.pdf(format="A4").startswith(b"%PDF")
