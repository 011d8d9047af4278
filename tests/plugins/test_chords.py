"""Chords of sounds whose chords are known, and the rules by which segments become chords."""

from __future__ import annotations

import csv
import importlib.util
import subprocess
import sys
from itertools import groupby, pairwise, product
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirstore.core import Extractor, MirstoreError, Track
from mirstore.core.checks import checks_for
from mirstore.core.columns import Row, check_rows
from mirstore.core.recording import Audio

pytest.importorskip("essentia", reason="the extra 'chords' is not installed")

from mirstore_chords import Chords, ChordsTemplate
from mirstore_chords.segments import cleaned, roots
from mirstore_chords.template import chords, templates, viterbi

sr = 44100
root_of_project = Path(__file__).parents[2]
extractors = [Chords(), Chords(beats=True), ChordsTemplate()]
named = ["chords", "chords-beats", "chords-template"]
both = pytest.mark.parametrize("extractor", [Chords(), ChordsTemplate()], ids=lambda e: e.name)
all_three = pytest.mark.parametrize("extractor", extractors, ids=named)
exactness = {"chords": 0.25, "chords-template": 0.12}  # [s]: a window of 1 s shifts changes between kindred chords
intervals = {"maj": (0, 4, 7), "min": (0, 3, 7), "7": (0, 4, 7, 10), "maj7": (0, 4, 7, 11), "min7": (0, 3, 7, 10)}


def chord(label: str, seconds: float) -> np.ndarray:
    """The notes of a chord with four harmonics each, and its root an octave below."""
    root, quality = label.split(":")
    above_c = np.array([*intervals[quality], -12]) + roots.index(root)
    t = np.arange(round(seconds * sr)) / sr
    pitches = 261.63 * 2 ** (above_c / 12)
    notes = [np.sin(2 * np.pi * k * pitch * t) / k**2 for pitch in pitches for k in range(1, 5)]
    return (sum(notes) / 10).astype(np.float32)


def song(labels: str, seconds: float = 2.0) -> np.ndarray:
    return np.concatenate([chord(label, seconds) for label in labels.split()])


def silence(seconds: float) -> np.ndarray:
    return np.zeros(round(seconds * sr), np.float32)


def noise(seconds: float) -> np.ndarray:
    return 0.3 * np.random.default_rng(440).standard_normal(round(seconds * sr)).astype(np.float32)


def transposed(label: str, semitones: int) -> str:
    root, quality = label.split(":")
    return f"{roots[(roots.index(root) + semitones) % 12]}:{quality}"


def found(extractor: Extractor, samples: np.ndarray) -> list[Row]:
    """The rows, after a look at their columns."""
    audio = Audio(samples[np.newaxis], sr, "pcm", "none", ("FC",))
    track = Track("0" * 64, Path("in memory"), recording=audio)
    return list(check_rows(extractor.extract(track), extractor.columns()))


def labels(rows: list[Row]) -> list[str]:
    return [row["label"] for row in rows]


@both
@pytest.mark.parametrize("label", [f"{root}:{quality}" for root in roots for quality in ("maj", "min")])
def test_a_triad_is_one_row_from_beginning_to_end(extractor: Extractor, label: str) -> None:
    (row,) = found(extractor, chord(label, 3))
    assert (row["start"], row["end"], row["label"]) == (0, 3, label)
    assert f"{row['root']}:{row['quality']}" == label
    assert row["confidence"] > 0.7


@both
def test_a_cadence_is_told_with_its_times(extractor: Extractor) -> None:
    rows = found(extractor, song("C:maj F:maj G:maj A:min D:min G:maj C:maj"))
    assert labels(rows) == "C:maj F:maj G:maj A:min D:min G:maj C:maj".split()
    np.testing.assert_allclose([row["start"] for row in rows], np.arange(7) * 2, atol=exactness[extractor.name])
    assert all(row["end"] == after["start"] for row, after in pairwise(rows))
    assert rows[-1]["end"] == 14


def test_templates_know_sevenths() -> None:
    expected = "D:min7 G:7 C:maj7 A:min F:maj"
    assert labels(found(ChordsTemplate(), song(expected))) == expected.split()


@both
@pytest.mark.parametrize("semitones", range(1, 12))
def test_transposed_music_has_transposed_chords(extractor: Extractor, semitones: int) -> None:
    here = "C:maj A:min F:maj G:maj"
    there = " ".join(transposed(label, semitones) for label in here.split())
    rows = found(extractor, song(there, 1.5))
    assert labels(rows) == there.split()
    np.testing.assert_allclose([row["start"] for row in rows], np.arange(4) * 1.5, atol=exactness[extractor.name])


def test_beats_make_chords_change_on_beats() -> None:
    samples = song("C:maj F:maj G:maj C:maj E:min A:min", 2.0)
    click = noise(0.02)
    for at in range(0, len(samples) - len(click), sr // 2):
        samples[at : at + len(click)] += click
    rows = found(Chords(beats=True), samples)
    assert labels(rows) == "C:maj F:maj G:maj C:maj E:min A:min".split()
    np.testing.assert_allclose([row["start"] for row in rows], np.arange(6) * 2, atol=0.05)


@all_three
def test_level_does_not_matter(extractor: Extractor) -> None:
    samples = song("C:maj F:maj G:maj")
    assert labels(found(extractor, samples)) == labels(found(extractor, samples / 1000))


@all_three
@pytest.mark.parametrize(
    "samples",
    [silence(3), np.eye(1, 3 * sr, sr, dtype=np.float32)[0], chord("C:maj", 0.1), silence(0.1), np.ones(1, np.float32)],
    ids=["silence", "a click", "0.1 s", "0.1 s of silence", "a sample"],
)
def test_where_nothing_lasts_as_a_chord_there_are_no_rows(extractor: Extractor, samples: np.ndarray) -> None:
    assert found(extractor, samples) == []


@all_three
def test_where_nothing_has_a_pitch_there_are_no_rows(extractor: Extractor) -> None:
    assert found(extractor, np.full(3 * sr, 0.49, np.float32)) == []


@all_three
def test_a_whistle_above_what_is_heard_parts_chords_as_a_rest_does(extractor: Extractor) -> None:
    whistle = (0.3 * np.sin(2 * np.pi * 6000 * np.arange(3 * sr) / sr)).astype(np.float32)
    rows = found(extractor, np.concatenate([chord("C:maj", 3), whistle, chord("C:maj", 3)]))
    assert [(round(row["start"]), round(row["end"]), row["label"]) for row in rows] == [
        (0, 3, "C:maj"),
        (6, 9, "C:maj"),
    ]


@all_three
def test_opposite_phases_leave_no_chord(extractor: Extractor) -> None:
    samples = song("C:maj A:min")
    audio = Audio(np.stack([samples, -samples]), sr, "pcm", "none", ("FL", "FR"))
    assert extractor.extract(Track("0" * 64, Path("in memory"), recording=audio)) == []


@both
def test_a_short_rest_is_bridged_and_a_longer_one_parts_equal_chords(extractor: Extractor) -> None:
    counts = {
        rest: len(found(extractor, np.concatenate([chord("C:maj", 2), silence(rest), chord("C:maj", 2)])))
        for rest in (0.5, 0.6, 0.65, 0.7)
    }
    assert counts == {0.5: 1, 0.6: 1, 0.65: 2, 0.7: 2}


@all_three
def test_silence_has_no_chord_and_parts_what_is_around_it(extractor: Extractor) -> None:
    rows = found(extractor, np.concatenate([silence(2), chord("C:maj", 3), silence(3), chord("C:maj", 3), silence(2)]))
    assert labels(rows) == ["C:maj", "C:maj"]
    times = [row[side] for row in rows for side in ("start", "end")]
    np.testing.assert_allclose(times, [2, 5, 8, 11], atol=0.6 if extractor == Chords(beats=True) else 0.15)


@all_three
def test_noise_is_less_sure_than_music(extractor: Extractor) -> None:
    sure = [np.mean([row["confidence"] for row in found(extractor, x)]) for x in (noise(6), song("C:maj F:maj G:maj"))]
    assert sure[0] < sure[1] - 0.1


@all_three
def test_the_same_track_has_the_same_rows(extractor: Extractor) -> None:
    samples = np.concatenate([song("C:maj F:maj G:maj"), noise(2), silence(2)])
    assert found(extractor, samples) == found(extractor, samples)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Chords(window=0), "window=0 must be more than 0 s"),
        (lambda: Chords(min_duration=-1), "min_duration=-1 must be 0 s or more"),
        (lambda: ChordsTemplate(min_duration=float("nan")), "min_duration=nan must be 0 s or more"),
        (lambda: ChordsTemplate(stay=0), "stay=0 must be more than 0"),
        (lambda: ChordsTemplate(sharpness=float("inf")), "sharpness=inf must be more than 0"),
    ],
)
def test_parameters_without_sense_are_refused(make, message) -> None:
    with pytest.raises(MirstoreError, match=message):
        make()


tenths = st.lists(st.tuples(st.integers(1, 20), st.sampled_from(["C:maj", "A:min", "G:7", "N"])), min_size=1)


def laid(pieces: list[tuple[int, str]]) -> list[tuple[float, float, str, float]]:
    """Segments that follow on one another, lengths in tenths of a second."""
    edges = np.cumsum([0, *(length for length, _ in pieces)]) / 10
    confidences = np.linspace(0, 1, len(pieces))
    return [
        (float(a), float(b), label, float(c))
        for (a, b), (_, label), c in zip(pairwise(edges), pieces, confidences, strict=True)
    ]


@given(tenths)
def test_no_chord_is_shorter_than_asked_for(pieces) -> None:
    assert all(end - start >= 0.5 - 1e-9 for start, end, *_ in cleaned(laid(pieces), 0.5))


@given(tenths)
def test_what_was_cleaned_stays_as_it_is(pieces) -> None:
    once = cleaned(laid([(length, label) for length, label in pieces if label != "N"] or [(1, "C:maj")]), 0.5)
    assert [each[:3] for each in cleaned(once, 0.5)] == [each[:3] for each in once]


@given(tenths)
def test_equal_chords_never_touch_and_chords_never_overlap(pieces) -> None:
    for a, b in pairwise(cleaned(laid(pieces), 0.5)):
        assert a[1] <= b[0]
        assert a[1] < b[0] or a[2] != b[2]


@given(tenths)
def test_every_chord_was_there_and_gaps_are_where_silence_was(pieces) -> None:
    before, after = laid(pieces), cleaned(laid(pieces), 0.5)
    long = [(k, sum(b - a for a, b, *_ in group)) for k, group in runs(before)]
    assert {label for *_, label, _ in after} <= {label for label, length in long if length >= 0.5 - 1e-9}
    if "N" not in {label for _, label in pieces} and after:
        assert (after[0][0], after[-1][1]) == (before[0][0], before[-1][1])
        assert all(a[1] == b[0] for a, b in pairwise(after))


def runs(found):
    return [(label, list(group)) for label, group in groupby(found, key=lambda each: each[2])]


@given(tenths)
def test_without_a_shortest_duration_only_equal_neighbours_are_joined(pieces) -> None:
    expected = [(group[0][0], group[-1][1], label) for label, group in runs(laid(pieces)) if label != "N"]
    assert [each[:3] for each in cleaned(laid(pieces), 0)] == expected


@given(tenths)
def test_confidence_stays_between_those_of_its_parts(pieces) -> None:
    assert all(-1e-9 <= confidence <= 1 + 1e-9 for *_, confidence in cleaned(laid(pieces), 0.5))


def test_a_template_is_nearest_to_itself() -> None:
    made = templates()
    assert (made @ made.T).argmax(axis=1).tolist() == list(range(len(chords)))


@pytest.mark.parametrize("seed", range(20))
def test_viterbi_finds_the_path_that_trying_all_finds(seed: int) -> None:
    scores, stay = np.random.default_rng(seed).normal(size=(6, 3)), 0.7

    def likelihood(path: tuple[int, ...]) -> float:
        steps = [np.log(stay if a == b else (1 - stay) / 2) for a, b in pairwise(path)]
        return sum(scores[i, state] for i, state in enumerate(path)) + sum(steps)

    assert tuple(viterbi(scores, stay)) == max(product(range(3), repeat=6), key=likelihood)


@pytest.fixture(scope="module")
def chord_scores():
    """The example that compares chords with true ones."""
    pytest.importorskip("mir_eval", reason="mir_eval, of the dependency group dev, is not installed")
    spec = importlib.util.spec_from_file_location("chord_scores", root_of_project / "examples" / "chord_scores.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def frame(*rows: tuple[float, float, str]) -> pl.DataFrame:
    schema = {"start": pl.Float64, "end": pl.Float64, "label": pl.String}
    return pl.DataFrame(rows, schema=schema, orient="row")


def test_scores_are_shares_of_time(chord_scores) -> None:
    truth = frame((0, 2, "C:maj"), (2, 4, "A:min"))
    right = {"root": 1, "majmin": 1, "sevenths": None, "segments": 1}
    assert chord_scores.compare(truth, truth) == right
    half = chord_scores.compare(truth, frame((0, 2, "C:maj"), (2, 4, "A:maj")))
    assert half == right | {"majmin": 0.5}
    gap = chord_scores.compare(truth, frame((0, 1, "C:maj"), (2, 4, "A:min")))
    assert gap["majmin"] == 0.75  # where there is no row there is no chord
    assert chord_scores.compare(truth, frame())["majmin"] == 0
    sevenths = chord_scores.compare(frame((0, 2, "C:7"), (2, 4, "A:min")), truth)
    assert (sevenths["majmin"], sevenths["sevenths"]) == (1, 0.5)


@pytest.mark.slow
def test_a_stores_chords_are_compared_with_those_of_an_annotation(chord_scores, tmp_path: Path, make_wav) -> None:
    names = {"one": "C:maj F:maj G:maj", "two": "A:min D:min E:maj", "three": "C:maj F:maj"}
    for name, said in names.items():
        make_wav(tmp_path / "music" / f"{name}.wav", song(said), sr)
    for name, said in list(names.items())[:2]:
        lines = [f"{2 * i}\t{2 * i + 2}\t{label}\n" for i, label in enumerate(said.split())]
        (tmp_path / f"{name}.lab").write_text("".join(lines))
    (tmp_path / "music.csv").write_text("path,style\nmusic/one.wav,major\nmusic/two.wav,minor\nmusic/three.wav,major\n")
    ingest = [
        "ingest",
        "music.csv",
        "--annotation",
        "chords-true=*.lab",
        "--features",
        "chords,chords-template",
        "-j",
        "1",
    ]
    subprocess.run([sys.executable, "-m", "mirstore.cli", *ingest], cwd=tmp_path, check=True, capture_output=True)
    script = [sys.executable, root_of_project / "examples" / "chord_scores.py", "--by", "style", "chords"]
    said = subprocess.run(script, cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    table = {line.split(" | ")[0].strip("| "): line.strip(" |").split(" | ")[1:] for line in said.splitlines() if line}
    assert [table[label][0] for label in ("all", "major", "minor")] == ["2", "1", "1"]
    assert all(float(score) > 0.95 for label in ("all", "major", "minor") for score in table[label][1:3])


@pytest.mark.slow
def test_most_chords_of_rendered_songs_are_right(chord_scores, shared: Path) -> None:
    folder = shared / "data/rendered"
    songs = list(csv.DictReader((folder / "tracks.csv").read_text().splitlines()))[::12]
    truth = pl.read_csv(folder / "chords.csv").rename({"start_s": "start", "end_s": "end", "chord": "label"})
    for extractor, majmin, sevenths in ((Chords(), 0.78, 0.35), (ChordsTemplate(), 0.87, 0.8)):
        scores = [
            chord_scores.compare(
                truth.filter(pl.col("track_id") == song["track_id"]),
                pl.DataFrame(extractor.extract(Track("0" * 64, folder / song["file"]))),
            )
            for song in songs
        ]
        assert np.mean([score["majmin"] for score in scores]) >= majmin
        assert np.mean([score["sevenths"] for score in scores if score["sevenths"] is not None]) >= sevenths


@pytest.mark.slow
@pytest.mark.parametrize(
    ("extractor", "check"),
    [
        pytest.param(extractor, check, id=f"{name}-{check.__name__}")
        for extractor, name in zip(extractors, named, strict=True)
        for check in checks_for(extractor)
    ],
)
def test_keeps_the_contract(extractor, check):
    check(extractor)
