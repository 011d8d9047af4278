"""Tracks on the report's page: times in boxes and text, and each sentence with an input that would make it false."""

from __future__ import annotations

import copy
import html
import re
import shutil
from dataclasses import asdict
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

pytest.importorskip("jinja2", reason="the HTML report needs mirstore[report]")
pytest.importorskip("matplotlib", reason="the HTML report needs mirstore[report]")

from mirstore.core.experiments.verdict import Evidence, judge
from mirstore.page import render
from mirstore.page.local import sentence, standing
from mirstore.page.palette import Palette, short_chord
from mirstore.page.timeline import timeline
from mirstore.page.words import general

hostile = "<script>alert('x')</script>"


def strip(rows: list, feature: str = "chords", column: str = "label") -> dict[str, Any]:
    return {"feature": feature, "column": column, "text": "what it is", "rows": rows, "total": len(rows)}


def track(*strips: dict, **more: Any) -> dict[str, Any]:
    return {
        "track": "ab" * 32, "title": "A song", "artist": "Somebody", "path": "/m/song.ogg", "datasets": ["d"],
        "duration": 40.0, "asked": True, "labels": {"jazz": 1.0}, "tested": [], "explanations": [],
        "strips": list(strips), "sound": None, "heard": None, **more,
    }  # fmt: skip


def laid(*strips: dict, **more: Any) -> dict[str, Any]:
    given = track(*strips, **more)
    palettes = {(s["feature"], s["column"]): Palette.of(row[2] for row in s["rows"]) for s in strips}
    found = timeline(given, palettes)
    assert found
    return found


def panel(start: float, end: float, **more: Any) -> dict[str, Any]:
    return {"feature": "mel", "column": "mel", "text": "bands", "unit": "dB", "rows": 128, "hop": 0.0232,
            "start": start, "end": end, "low": -80.0, "high": -5.0,
            "picture": "data:image/png;base64,AAAA", **more}  # fmt: skip


def boxes(found: dict[str, Any], which: int = 0) -> list[list[tuple[str, float, float]]]:
    """Return text, start and end of the boxes of each line, in per cent."""
    lines = [line["strips"][which]["segments"] for line in found["lines"]]
    return [[(s["text"], s["left"], s["left"] + s["width"]) for s in line] for line in lines]


# Times


def test_a_track_is_cut_into_lines_of_the_same_scale():
    found = laid(strip([[0.0, 20.0, "C:maj"], [20.0, 40.0, "F:maj"]]))
    assert [(line["start"], line["end"], line["width"]) for line in found["lines"]] == [
        ("0:00", "0:15", 100.0), ("0:15", "0:30", 100.0), ("0:30", "0:40", 66.667),
    ]  # fmt: skip
    assert boxes(found) == [
        [("C:maj", 0.0, 100.0)],
        [("C:maj", 0.0, pytest.approx(33.333)), ("F:maj", pytest.approx(33.333), pytest.approx(100))],
        [("F:maj", 0.0, 100.0)],
    ]
    assert found["lines"][1]["ticks"] == [(0.0, "0:15"), (33.333, "0:20"), (66.667, "0:25")]


@pytest.mark.parametrize("seconds", [0.1, 3.0, 17.9, 30.0, 300.0, 1200.0, 7200.0])
def test_any_track_has_few_lines_that_cover_it(seconds):
    found = laid(strip([[0.0, seconds, "verse"]]), duration=seconds)
    scale = [line["width"] for line in found["lines"]]
    assert 1 <= len(scale) <= 24
    assert all(width == 100 for width in scale[:-1])
    assert all(line == [("verse", 0.0, 100.0)] for line in boxes(found))
    assert all(len(line["ticks"]) <= 8 for line in found["lines"])


def test_boxes_never_overlap_whatever_the_rows_do():
    rng = np.random.default_rng(440)
    starts = np.sort(rng.uniform(-2, 310, 700))
    starts[50:60] = starts[50]  # at once
    rows = [[float(a), float(a + rng.exponential(2)), f"{'CDEFGAB'[i % 7]}:min"] for i, a in enumerate(starts)]
    for line in boxes(laid(strip(rows), duration=300.0)):
        assert all(0 <= left < right <= 100.01 for _, left, right in line)
        assert all(before[2] <= after[1] + 0.01 for before, after in pairwise(line))


def test_rows_without_an_end_last_until_the_next_and_the_last_until_the_track_ends():
    found = laid(strip([[0.0, None, "verse"], [3.0, None, "chorus"]], "form", "value"), duration=10.0)
    assert boxes(found) == [[("verse", 0.0, 30.0), ("chorus", 30.0, 100.0)]]


def test_what_is_unknown_is_a_gap_and_no_chord_is_no_label():
    found = laid(strip([[0.0, 2.0, "C:maj"], [2.0, 4.0, None], [4.0, 6.0, "N"], [8.0, 10.0, "C:maj"]]), duration=10.0)
    segments = found["lines"][0]["strips"][0]["segments"]
    assert [(s["text"], s["shown"], s["left"]) for s in segments] == [
        ("C:maj", "C", 0),
        ("N", "", 40),
        ("C:maj", "C", 80),
    ]


def test_every_word_is_written_once_even_if_its_time_is_odd():
    words = [f"w{i}" for i in range(200)]
    starts = sorted([-1.0, 0.0, 15.0, 15.0, 299.9, 300.0, 305.0, *np.random.default_rng(1).uniform(0, 300, 193)])
    rows = [[start, start, word] for start, word in zip(starts, words, strict=True)]
    lines = laid(strip(rows, "words", "word"), duration=300.0)["lines"]
    assert " ".join(line["strips"][0]["sung"] for line in lines if line["strips"][0]["sung"]).split() == words


def test_lines_of_lyrics_stay_apart():
    found = laid(strip([[1.0, None, "one line"], [5.0, None, "another"]], "lyrics", "text"), duration=10.0)
    assert found["lines"][0]["strips"][0]["sung"] == "one line / another"


def test_words_stand_below_what_is_in_boxes():
    words, chords = strip([[1.0, 2.0, "la"]], "words", "word"), strip([[0.0, 9.0, "C:maj"]])
    assert [s.feature for s in laid(words, chords)["strips"]] == ["chords", "words"]


def test_a_track_of_unknown_length_ends_with_its_last_row():
    assert laid(strip([[0.0, 8.0, "C:maj"]]), duration=None)["lines"][0]["end"] == "0:08"


def test_a_part_that_can_be_heard_is_marked_and_all_of_it_is_not():
    chords = strip([[0.0, 40.0, "C:maj"]])
    found = laid(chords, heard=[10.0, 20.0])
    assert [line["heard"] for line in found["lines"]] == [(66.667, 33.333), (0.0, 33.333), None]
    assert found["heard"]
    assert laid(chords, heard=[0.0, 39.9])["heard"] is None


# Looks


def test_chords_are_coloured_by_the_circle_of_fifths_and_their_third():
    labels = ["F:maj", "C:maj", "G:7", "B#:maj", "A:min7/b3", "B:hdim7"]
    found = laid(strip([[float(i), i + 1.0, label] for i, label in enumerate(labels)]), duration=10.0)
    looks = [(s["shown"], s["hue"], s["look"]) for s in found["lines"][0]["strips"][0]["segments"]]
    assert looks == [
        ("F", 330, ""), ("C", 0, ""), ("G7", 30, ""), ("B#", 0, ""), ("Am7/b3", 90, "minor"), ("Bhdim7", 150, "minor"),
    ]  # fmt: skip


def test_texts_that_are_no_chords_get_colours_while_there_are_few():
    assert Palette.of(["verse", "A:maj"]).chords is False  # one is no chord, so none is
    assert Palette.of(["dominant", "tonic", None]).initials == {"dominant": "D", "tonic": "T"}
    assert Palette.of(["verse", "voice"]).initials == {}
    assert Palette.of([f"part {i}" for i in range(9)]).hues == {}
    assert Palette.of(["N", None]).chords is False


def test_labels_of_another_syntax_are_left_as_they_are():
    assert short_chord("Am") == "Am"


# Where a value stands


@pytest.mark.parametrize(
    ("counts", "said", "high"),
    [
        ((0, 0, 0), "no other track has a value", None),
        ((0, 5, 0), "the same as all of the 5 other tracks", None),
        ((1, 0, 0), "higher than all of the 1 other track", True),
        ((0, 0, 143), "lower than all of the 143 other tracks", False),
        ((142, 1, 0), "the same as 1 of the 143 other tracks and higher than the rest", True),
        ((0, 99, 1), "the same as 99\u202f% of the 100 other tracks and lower than the rest", False),
        ((9, 0, 10), "lower than 10 of the 19 other tracks", False),  # too few for a share
        ((10, 0, 10), "higher than 50\u202f% of the 20 other tracks", None),
        ((998, 0, 2), "higher than 99\u202f% of the 1000 other tracks", True),  # and not than 100 %
        ((60, 30, 10), "higher than 60\u202f% of the 100 other tracks and the same as 30\u202f%", True),
        ((300, 1, 100), "higher than 74\u202f% of the 401 other tracks and the same as 1", True),
        ((20, 50, 30), "lower than 30\u202f% of the 100 other tracks and the same as 50\u202f%", False),
    ],
)
def test_a_share_is_what_is_strictly_lower_or_higher_and_ties_are_told(counts, said, high):
    assert standing(*counts) == (said, high)


def test_tracks_without_a_value_are_not_counted_among_the_others():
    assert standing(30, 0, 10, unknown=60)[0] == "higher than 75\u202f% of the 40 other tracks that have a value"


def column(**more: Any) -> dict[str, Any]:
    about = {"column": "e.x", "unit": "Hz", "text": "A frequency.", "value": 2310.0, "mean": 1800.0, "lower": 82}
    return {**about, "equal": 0, "higher": 18, "unknown": 0, "weight": 0.5, "push": 0.3, **more}


def test_a_value_is_told_with_its_unit_the_mean_and_the_direction_of_its_weight():
    assert sentence(column()) == (
        "is 2310 Hz, above the mean of 1800 and higher than 82\u202f% of the 100 other tracks; "
        "higher values raise the score"
    )
    assert sentence(column(weight=-0.5, push=-0.3)).endswith("higher values lower the score")
    assert sentence(column(unit="")).startswith("is 2310, above")
    assert sentence(column(unit=None, value=-5.0, mean=-2.0, lower=10, higher=90)).startswith(
        "is −5, below the mean of −2"
    )


def test_a_value_below_the_mean_and_above_most_tracks_says_but():
    """A few extreme tracks draw the mean away; the model reckons from the mean."""
    said = sentence(column(value=10.0, mean=50.0, lower=60, higher=40, push=-0.1))
    assert "below the mean of 50 but higher than 60" in said


def test_two_numbers_that_differ_look_different():
    assert "is 1000.02 Hz, above the mean of 1000.01 " in sentence(column(value=1000.02, mean=1000.01))


# The page


def report(*tracks: dict, explained: bool = True, **task: Any) -> dict[str, Any]:
    """Return a report of one case, above guessing or not."""
    values = [0.8, 0.82, 0.79, 0.81, 0.8]
    spread = {"mean": 0.8, "sd": 0.01, "low": 0.78, "high": 0.82, "values": values}
    case = {"task": "t", "features": ["e"], "chunk": "none", "grouping": "g", "smoothing": "none", "model": "ridge"}
    shown = {
        "run": "r", "case": case, "state": "finished", "error": None, "notes": [], "seconds": 1.0,
        "overhead_seconds": 0.1,
        "components": {"model": "ridge", "role": "signed", "grouper": None, "by_chance": False},
        "folds": list("abcde"), "metrics": {"accuracy": spread}, "labels": [], "importances": [], "measures": {},
        "whole": {}, "null": None, "halves": None, "permuted": [], "floor": {"accuracy": 0.3}, "groups": [],
        "tracks": [], "confusion": None, "ambiguity": None,
    }  # fmt: skip
    level = values if explained else [0.31, 0.29, 0.3, 0.32, 0.28]
    evidence = Evidence("r", "signed", list("abcde"), level, [0.3] * 5, 0.25)
    return {
        "experiment": "e", "made": "2026-03-01T12:00:00", "version": "0.1.0", "command": "mirstore run-experiment e",
        "question": "What?", "task": {"name": "t", "dataset": "d", "labels": "genre", "exclusive": True,
        "metric": "accuracy", "split": "x", "folds": 5, "group_by": None, "runs": 1, **task},
        "data": {"tracks": 100, "classes": [], "folds": [], "leakage": [], "left_out": []},
        "named": case, "verdict": asdict(judge([evidence], "r", tracks=100)), "cases": [shown],
        "features": [], "health": [], "provenance": None, "tracks": list(tracks),
    }  # fmt: skip


def scored(scores: dict[str, float], repeat: int = 0, fold: int = 2) -> dict[str, Any]:
    case = {"task": "t", "features": ["e"], "chunk": "none", "grouping": "g", "smoothing": "none", "model": "ridge"}
    return {"run": "r", "case": case, "repeat": repeat, "fold": fold, "scores": scores}


def explanation(value: float = 0.4, **more: Any) -> dict[str, Any]:
    groups = [
        {"group": "sound_shaping", "value": value, "columns": [column(column=f"e.{hostile}")], "missing": 0},
        {"group": "rhythm", "value": -0.3, "columns": [column(column="e.bpm")], "missing": 2},
        {"group": "mode", "value": 0.001, "columns": [column(column="e.mode")], "missing": 0},
    ]
    return {"label": "jazz", "fold": 2, "tracks": 101, "averaged": False, "groups": groups, **more}


def text(page: str) -> str:
    """Return what a reader sees of the section on tracks."""
    (section,) = re.findall(r'<section id="tracks".*?</section>', page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", section))).replace(" .", ".").replace(" ,", ",")


def test_a_track_that_was_asked_for_is_shown_with_what_was_predicted():
    said = text(render(report(track(strip([[0.0, 40.0, "C:maj"]]), tested=[scored({"rock": 0.6, "jazz": 0.3})]))))
    assert "A song" in said
    assert "Somebody · dataset d · genre: jazz" in said
    assert "ridge rock (0.60) jazz (0.30) 3" in said


def test_equal_scores_are_told_as_such_and_repetitions_are_counted():
    scores = [{"rock": 0.5, "jazz": 0.5}, {"jazz": 0.9, "rock": 0.1}, {"rock": 0.9, "jazz": 0.1}]
    tests = [scored(each, repeat) for repeat, each in enumerate(scores)]
    said = text(render(report(track(tested=tests))))
    assert "rock or jazz (0.50)" in said
    assert "1 of 3" in said  # a tie is no right answer


@pytest.mark.parametrize("scale", [1e-5, 1.0, 1e3])
def test_what_is_added_to_a_number_is_told_whatever_its_unit(scale):
    one = explanation(0.4 * scale)
    groups = [{**group, "value": value * scale} for group, value in zip(one["groups"], [0.4, -0.3, 0.001], strict=True)]
    given = track(labels={"valence": 0.4 * scale}, explanations=[{**one, "groups": groups}])
    said = text(render(report(given, exclusive=False, numeric=True)))
    assert f"sound shaping adds {general(0.4 * scale, 3)}:" in said
    assert f"rhythm takes away {general(0.3 * scale, 3)}:" in said
    assert "mode adds next to nothing" in said
    assert "in units of what is predicted" in said


def test_of_several_repetitions_it_is_said_whose_scores_are_shown():
    tests = [scored({"jazz": 0.9, "rock": 0.1}, repeat) for repeat in range(2)]
    assert "of the first repetition" in text(render(report(track(tested=tests), runs=2)))
    assert "of the first repetition" not in text(render(report(track(tested=tests[:1]))))


def test_where_no_column_is_told_the_page_does_not_say_that_columns_stand_there():
    one = explanation()
    bare = {**one, "groups": [{**group, "columns": []} for group in one["groups"]]}
    assert "Under it stand the columns" in text(render(report(track(explanations=[one]))))
    said = text(render(report(track(explanations=[bare]))))
    assert "No column is told" in said
    assert "Under it stand the columns" not in said


def test_a_label_in_the_words_of_another_dataset_is_the_label_that_was_predicted():
    tests = [scored({"jazz": 0.9, "rock": 0.1}, repeat) for repeat in range(3)]
    given = track(labels={"Jazz & Swing": 1.0}, tested=tests)
    said = text(render(report(given, label_map={"Jazz & Swing": "jazz"}, runs=3)))
    assert "genre: Jazz & Swing" in said
    assert "ridge jazz (0.90) jazz (0.90) 3 of 3" in said


def test_a_label_that_the_task_does_not_have_has_no_score():
    given = track(labels={"jazz": 1.0, "live": 1.0}, tested=[scored({"jazz": 0.9, "rock": 0.1})])
    assert "jazz (0.90), rock (0.10) jazz (0.90) 3" in text(render(report(given, exclusive=False)))


def test_a_track_that_no_case_was_tested_on_says_so():
    assert "It was in no test part" in text(render(report(track())))


def test_of_tags_the_highest_scores_are_shown_and_of_numbers_all():
    tags = text(render(report(track(tested=[scored({"a": 0.9, "b": 0.5, "c": 0.4, "jazz": 0.1})]), exclusive=False)))
    assert "a (0.90), b (0.50), c (0.40) jazz (0.10)" in tags
    numbers = report(track(labels={"arousal": 0.25}, tested=[scored({"arousal": 0.5})]), exclusive=False, numeric=True)
    assert "arousal 0.25" in text(render(numbers))
    assert "arousal 0.5 3" in text(render(numbers))


def test_what_groups_added_is_said_with_columns_of_those_that_matter():
    said = text(render(report(track(explanations=[explanation()]))))
    assert "What ridge added up for jazz" in said
    assert "sound shaping adds 0.40:" in said
    assert "rhythm takes away 0.30: e.bpm (A frequency) is 2310 Hz" in said
    assert "2 columns have no value here" in said
    assert "mode adds next to nothing" in said
    assert "e.mode" not in said
    assert "the 100 other tracks that the case was tested on" in said
    assert "learned without this track (test part of fold 3)" in said
    assert "no cause in the music" in said


def test_without_values_nothing_is_compared():
    groups = [{"group": "rhythm", "value": 0.3, "columns": [], "missing": 0}]
    said = text(render(report(track(explanations=[explanation(tracks=0, groups=groups)]))))
    assert "rhythm adds 0.30 " in said
    assert "are not in the store, so columns are not told" in said
    assert "other tracks" not in said


def test_means_over_rows_are_called_that():
    assert "values, means over the rows of a track, are" in text(
        render(report(track(explanations=[explanation(averaged=True)])))
    )


def test_nothing_is_explained_of_a_case_that_is_not_above_guessing():
    page = render(report(track(explanations=[explanation()]), track(asked=False), explained=False))
    said = text(page)
    assert "No case is shown to be above guessing" in said
    assert "added up" not in said
    assert "under “Listen”" not in said


def test_names_from_outside_are_text():
    chords = strip([[0.0, 3.0, hostile]], hostile, "value")
    page = render(report(track(chords, title=hostile, artist=hostile, explanations=[explanation()])))
    assert "<script" not in page


def test_a_sound_is_embedded_only_if_it_is_one():
    assert 'src="data:audio/ogg;base64,AA"' in render(report(track(sound="data:audio/ogg;base64,AA")))
    assert "<audio" not in render(report(track(sound="https://example.org/x.ogg")))


def test_an_older_report_has_no_tracks():
    old = report()
    del old["tracks"]
    assert 'id="tracks"' not in render(old)


def long_song() -> dict[str, Any]:
    """Five minutes with 600 chords, their functions, words, and sections."""
    rng = np.random.default_rng(440)
    edges = [0.0, *np.sort(rng.uniform(0, 300, 599)).tolist(), 300.0]
    roots, qualities = "C Db D Eb E F F# G Ab A Bb B".split(), ["maj", "min", "7", "min7/b3", "hdim7"]
    chords = [[a, b, f"{rng.choice(roots)}:{rng.choice(qualities)}"] for a, b in pairwise(edges)]
    functions = [[a, b, str(rng.choice(["dominant", "subdominant", "tonic"]))] for a, b in pairwise(edges)]
    words = [[float(at), None, str(rng.choice(["love", "愛してる", "extraordinarily"]))] for at in range(300)]
    form = [[0.0, 90.0, "verse"], [80.0, 150.0, "chorus"], [150.0, None, "愛してる" * 3]]
    return track(
        strip(chords), strip(functions, "chord-functions", "function"), strip(words, "words", "word"),
        strip(form, "form", "value"), duration=300.0, heard=[140.0, 150.0],
        tested=[scored({"rock": 0.6, "jazz": 0.3})], explanations=[explanation()],
    )  # fmt: skip


def published(**more: Any) -> dict[str, Any]:
    case = {"task": "t", "features": ["e"], "chunk": "none", "grouping": "g", "smoothing": "none", "model": "ridge"}
    ours = {"mean": 0.8, "sd": 0.01, "low": 0.78, "high": 0.82, "values": [0.8]}
    about = {"experiment": "e", "name": "", "case": case, "metric": "accuracy", "value": 0.81, "source": "Table 1"}
    return {**about, "deviation": "", "run": "r", "ours": ours, "why": None, **more}


def figures(*rows: dict) -> str:
    page = render(report() | {"published": list(rows)})
    (section,) = re.findall(r'<section id="published".*?</section>', page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", section)))


def test_published_figures_stand_beside_ours():
    said = figures(
        published(deviation="other chords"),
        published(value=0.75, deviation="other folds"),
        published(ours=None, run=None, why="not run here: dataset 'm4a' is absent", deviation="other chords"),
        published(name="a net", case={"task": "t"}, ours=None, run=None),
    )
    assert "0.810 1 0.800 −0.010 [0.780, 0.820] holds it Table 1" in said
    assert "0.750 2 0.800 +0.050 [0.780, 0.820] Table 1" in said  # and not that the interval holds it
    assert "not run here: dataset 'm4a' is absent" in said
    assert "a net 0.810 none of the cases here" in said
    assert said.count("other chords") == 1


def test_without_an_interval_nothing_is_said_to_hold_a_figure():
    ours = {"mean": 0.81, "sd": None, "low": None, "high": None, "values": [0.81]}
    said = figures(published(ours=ours))
    assert "0.810 0.810 0.000 – Table 1" in said
    assert "holds it Table" not in said


# In a browser


@pytest.fixture(scope="module")
def browser():
    api = pytest.importorskip("playwright.sync_api", reason="needs playwright (pip install playwright)")
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        pytest.skip("needs chromium, chromium-browser or google-chrome on the PATH")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def shown(browser, tmp_path):
    """Show the long song."""
    contexts = []

    def show(width: int, scheme: str = "light"):
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        contexts.append(context)
        tab = context.new_page()
        path = tmp_path / "page.html"
        path.write_text(render(report(long_song(), {**copy.deepcopy(long_song()), "asked": False})), encoding="utf-8")
        tab.goto(path.as_uri())
        tab.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
        return tab

    yield show
    for context in contexts:
        context.close()


cut_off = """[...document.querySelectorAll('.strip:not(.sung) .seg > *')].filter((label) => {
    const inside = label.getBoundingClientRect(), box = label.parentElement.getBoundingClientRect();
    return inside.width > 0 && (inside.left < box.left - .5 || inside.right > box.right + .5);
}).map((label) => label.textContent)"""
labelled = "[...document.querySelectorAll('.seg b')].filter((label) => label.getBoundingClientRect().width > 0).length"
twice = """[...document.querySelectorAll('.seg')].filter((box) =>
    [...box.children].filter((label) => label.getBoundingClientRect().width > 0).length > 1).length"""
contrast = """() => {
    const pen = Object.assign(document.createElement('canvas'), {width: 1, height: 1}).getContext('2d');
    const light = (colour) => {
        pen.fillStyle = colour; pen.fillRect(0, 0, 1, 1);
        const [r, g, b] = [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3).map((x) => {
            x /= 255; return x <= 0.03928 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4; });
        return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
    return Math.min(...[...document.querySelectorAll('.strip:not(.sung) .seg:not(.none)')].map((box) => {
        const style = getComputedStyle(box), ink = light(style.color), ground = light(style.backgroundColor);
        return (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05); }));
}"""


@pytest.mark.slow
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_600_chords_in_five_minutes_can_be_read(shown, width, scheme):
    tab = shown(width, scheme)
    wide, inner = tab.evaluate("[document.scrollingElement.scrollWidth, innerWidth]")
    assert wide <= inner
    assert tab.evaluate(cut_off) == []
    assert tab.evaluate(twice) == 0
    assert tab.evaluate(labelled) > 100
    assert tab.evaluate(contrast) >= 4.5


@pytest.mark.slow
def test_on_paper_the_strips_stay_and_the_players_go(shown):
    tab = shown(690)
    tab.emulate_media(media="print")
    assert tab.evaluate(cut_off) == []
    assert tab.evaluate("[...document.querySelectorAll('.strip')].every((s) => s.getBoundingClientRect().height > 0)")
    assert tab.evaluate("[...document.querySelectorAll('.track audio, .rows')].every((s) => !s.offsetHeight)")
    wide, inner = tab.evaluate("[document.scrollingElement.scrollWidth, innerWidth]")
    assert wide <= inner


# Pictures of tensors


def test_each_line_shows_its_own_part_of_a_picture():
    found = laid(panels=[panel(10.0, 40.0)])
    parts = [line["panels"][0] for line in found["lines"]]
    assert [(line["start"], line["end"]) for line in found["lines"]] == [
        ("0:00", "0:15"),
        ("0:15", "0:30"),
        ("0:30", "0:40"),
    ]
    # Left and width are of the line; the whole picture is so many times as wide as what is seen of it.
    assert [(part["left"], part["width"]) for part in parts] == [(66.667, 33.333), (0.0, 100.0), (0.0, 100.0)]
    assert [part["size"] for part in parts] == [600.0, 200.0, 300.0]
    assert [part["moved"] for part in parts] == [0.0, 33.333, 100.0]
    for part, (first, last) in zip(parts, [(10, 15), (15, 30), (30, 40)], strict=True):
        hidden = part["size"] / 100 - 1  # of what is seen
        seen = 10 + part["moved"] / 100 * hidden * (last - first)
        assert seen == pytest.approx(first, abs=0.01)


def test_a_line_of_another_time_is_empty_and_a_picture_beyond_the_end_is_cut():
    found = laid(panels=[panel(0.0, 12.0), panel(20.0, 60.0)])
    assert [[bool(part) for part in line["panels"]] for line in found["lines"]] == [
        [True, False], [False, True], [False, True],
    ]  # fmt: skip
    assert found["lines"][2]["panels"][1]["moved"] == 33.333


def test_a_track_of_unknown_length_ends_with_its_picture():
    assert laid(panels=[panel(0.0, 12.0)], duration=None)["lines"][-1]["end"] == "0:12"


def test_the_page_says_what_a_picture_shows_and_takes_nothing_that_is_none():
    page = render(report(track(panels=[panel(10.0, 40.0)])))
    assert "--p1:url(data:image/png;base64,AAAA);" in page
    for said in ("128 rows, the first at the bottom", "a step every 23.2 ms", "from 10 to 40 s of the track",
                 "−80 dB and less has the colour of the page", "−5 and more that of the text"):  # fmt: skip
        assert said in page
    for other in ("https://example.org/x.png", "data:image/png;base64,AA);background:url(//example.org/x.png)"):
        page = render(report(track(panels=[panel(0.0, 9.0, picture=other)])))
        assert "--p1" not in page
        assert "example.org" not in page
