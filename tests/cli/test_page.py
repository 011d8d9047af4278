"""The HTML report: what it says, and how it looks to a real browser."""

from __future__ import annotations

import base64
import copy
import re
import shutil
from io import BytesIO

import numpy as np
import pytest

pytest.importorskip("jinja2", reason="the HTML report needs mirstore[report]")
pytest.importorskip("matplotlib", reason="the HTML report needs mirstore[report]")

from mirstore.page import render
from mirstore.page.ranking import ranking
from mirstore.page.verdict import question, verdict
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


def drawn(rng, rows: list[dict], spread: float) -> dict[str, list[float]]:
    shares = {row["group"]: row["mean"] for row in rows if row["measure"] == "share" and row["label"] is None}
    return {g: np.clip(rng.normal(share, spread, 100), 0, 1).tolist() for g, share in shares.items()}


def by_chance(rng, groups: list[str]) -> dict[str, list[float]]:
    return dict(zip(groups, np.clip(rng.normal(1 / len(groups), 0.05, (len(groups), 100)), 0, 1).tolist(), strict=True))


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
    "em-banded": ["share", "lambda", "mean of label shares", "prior share", "variance", "product"],
    "xgboost": ["share", "total gain"],
    "random-forest": ["share"],
    "logistic-regression": ["share", "variance"],
    "majority": [],
}


def finished(rng, report: dict, names: dict, groups: list[str], mean: float) -> dict:
    labels = [row["label"] for row in report["data"]["classes"]]
    exclusive, folds = report["task"]["exclusive"], len(report["data"]["folds"])
    model = names["model"]
    signed, floor = model in ("em-banded", "logistic-regression"), model == "majority"
    rows = importances(rng, groups, labels, measures[model], folds, per_label=model == "em-banded")
    extra = ("roc_auc", "pr_auc", "balanced_accuracy") if exclusive else ("pr_auc",)
    per_label = {label: float(np.clip(rng.normal(mean, 0.08), 0.02, 0.99)) for label in labels}
    counts = (np.eye(10) * 70 + rng.integers(0, 8, (10, 10))).astype(int).tolist()
    return {
        "run": "0123456789abcdef" * 4,
        "case": names,
        "state": "finished",
        "error": None,
        "metrics": {report["task"]["metric"]: metric(rng, mean, folds)}
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
        "null": None if floor else by_chance(rng, groups),
        "bootstrap": None if floor else drawn(rng, rows, 0.03),
        "groups": contents(rng, groups, labels, signed) if model not in ("majority", "random-forest") else [],
        "tracks": [] if floor else tracks(rng, groups, labels),
        "confusion": {"labels": labels, "counts": counts} if exclusive else None,
        "ambiguity": None,
        "components": {"model": model, "grouper": names["grouping"]},
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
                "before": [0] * 9 + [800],
                "after": [10, 20, 30, 40, 50, 60, 90, 150, 200, 150],
                "own_class_mean": {"before": 1.0, "after": 0.71},
            }
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
    cases[12] |= {"null": None, "bootstrap": None, "tracks": [], "groups": [], "labels": []}
    report["health"], report["features"] = [], []
    return report


def minimal() -> dict:
    """One fold, one failed case, nothing optional."""
    return {
        "experiment": "one", "made": "2025-01-31T12:00:00", "version": "0.1.0",
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
        "Data", "Results", "Labels", "Groups of features", "What the groups hold", "Listen", "Ambiguity",
        "Health of the features", "Provenance",
    ]  # fmt: skip
    assert "mirstore run-experiment gtzan" in pages["small"]
    assert "@inproceedings{patakis" in pages["small"]


def test_parts_without_contents_are_left_out(pages):
    assert headings(pages["minimal"]) == ["Data", "Provenance", "Cases without a result"]
    assert "Health of the features" not in headings(pages["large"])
    assert "No case has finished" in pages["minimal"]
    assert "it broke" in pages["minimal"]


def test_every_finished_case_is_in_the_table(pages, large, small):
    for name, report in (("small", small), ("large", large)):
        finished_cases = [case for case in report["cases"] if case["state"] == "finished"]
        assert pages[name].count('<th scope="row" class="case">') == len(finished_cases)


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


def two_cases(low: float, high: float) -> dict:
    """EM-banded at 0.7 and XGBoost at 0.6, with intervals of these widths below and above."""
    rng = np.random.default_rng(1)
    report = empty_report("two", genres, exclusive=True, folds=2)
    for model, mean in (("em-banded", 0.7), ("xgboost", 0.6), ("majority", 0.1)):
        names = {"features": ["f"], "grouping": "g", "smoothing": "none", "model": model}
        case = finished(rng, report, names, ["a_b", "c"], mean)
        values = [mean - 0.01, mean + 0.01]
        case["metrics"]["accuracy"] = {
            "mean": mean,
            "sd": 0.014,
            "low": mean - low,
            "high": mean + high,
            "values": values,
        }
        case["importances"] = [
            {"measure": "share", "label": None, "group": group, "mean": share, "sd": 0.0, "values": [share]}
            for group, share in (("a_b", 0.8), ("c", 0.2))
        ]
        report["cases"].append(case)
    return report


def sentences(report: dict) -> dict[str, str]:
    return dict(verdict(report, ranking(report)))


def test_the_verdict_says_how_far_the_best_case_is_from_the_baselines():
    said = sentences(two_cases(0.02, 0.02))
    assert said["Best case"] == (
        "The best of 3 cases, em-banded, reaches an accuracy of 0.700 (95\u202f% interval 0.680–0.720, 2 folds)."
    )
    assert said["Above guessing"] == (
        "0.600 above guessing by frequency (0.100); the intervals do not overlap; ahead on 2 of 2 folds."
    )
    assert "0.100 above the best opaque model, xgboost (0.600); the intervals do not overlap" in said["Against opaque"]


def test_the_verdict_admits_that_intervals_overlap():
    assert (
        "the intervals overlap, so this difference may be chance" in sentences(two_cases(0.06, 0.06))["Against opaque"]
    )


def test_the_verdict_compares_a_group_with_random_groups_and_with_resampling():
    report = two_cases(0.02, 0.02)
    case = report["cases"][0]
    case["null"] = {"a_b": [0.4, 0.5, 0.6], "c": [0.4, 0.5, 0.6]}
    case["bootstrap"] = {"a_b": [0.78, 0.82], "c": [0.18, 0.22]}
    said = sentences(report)["What matters"].replace("\u202f", " ")
    assert "Most of what em-banded uses is a b: 80 %" in said
    assert "more than its size explains" in said
    assert "clear of c, the next (20 %)" in said
    case["null"]["a_b"] = [0.7, 0.9]
    case["bootstrap"]["c"] = [0.1, 0.85]
    said = sentences(report)["What matters"]
    assert "its size alone explains this" in said
    assert "their order is not certain" in said
    case["null"] = case["bootstrap"] = None
    assert "there was no comparison with random groups" in sentences(report)["What matters"]


def test_the_case_explained_is_one_that_was_compared_with_random_groups():
    report = two_cases(0.02, 0.02)
    better = copy.deepcopy(report["cases"][0])
    better["case"] |= {"model": "logistic-regression"}
    better["metrics"]["accuracy"]["mean"] = 0.72
    report["cases"].append(better | {"null": None, "bootstrap": None})
    said = sentences(report)
    assert said["Best case"].startswith("The best of 4 cases, logistic-regression")
    assert said["Case explained"].startswith(
        "The best case that says which way its features work and was compared with random groups, em-banded, reaches"
    )
    assert "what em-banded uses" in said["What matters"]


def test_only_guessing_is_no_answer():
    report = two_cases(0.02, 0.02)
    report["cases"] = report["cases"][2:]
    assert sentences(report)["Result"].startswith("Only guessing by frequency has finished")
    assert "Groups of features" not in headings(render(report))


def test_one_fold_has_no_interval():
    report = two_cases(0.02, 0.02)
    for case in report["cases"]:
        case["metrics"]["accuracy"] |= {
            "low": None,
            "high": None,
            "sd": None,
            "values": [case["metrics"]["accuracy"]["mean"]],
        }
    assert "1 fold, too few for an interval" in sentences(report)["Best case"]
    assert "overlap" not in " ".join(sentences(report).values())
    render(report)


def test_the_question_is_the_experiments_own_or_made_of_its_names(small, large):
    assert question(large) == large["question"]
    assert question(small).startswith("How well do the features of essentia tell the labels “genre” of gtzan")


def test_leakage_is_said_plainly(pages):
    page = pages["small"]
    assert "artist: unknown" in page
    assert '<li class="warn"><b>Warning: 12 albums shared</b>' in page
    assert '<li class="good"><b>0 identical files shared</b>' in page


def test_hostile_text_is_escaped_everywhere():
    report = two_cases(0.02, 0.02)
    text = repr(report).replace("blues", "<script>x</script>").replace("'a_b'", "'<script>y</script> $a_1$'")
    page = render(eval(text, {"nan": float("nan")}) | {"question": hostile, "experiment": hostile})
    assert "<script" not in page
    assert "&lt;script&gt;y&lt;/script&gt;" in page


def test_labels_in_other_scripts_are_drawn():
    assert "ジャズ" in render(eval(repr(two_cases(0.02, 0.02)).replace("jazz", "ジャズ")))


def test_very_long_labels_leave_room_for_the_figure():
    page = render(eval(repr(two_cases(0.02, 0.02)).replace("jazz", "音楽" * 40).replace("'a_b'", f"'{'long ' * 30}'")))
    assert "音楽" * 7 + "…" in page


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
