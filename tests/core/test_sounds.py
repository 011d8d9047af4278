"""Sounds: what an extractor makes as audio is kept in 16 bits, and can be heard instead of the file."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from mirstore.core import Column, Sound, TrackError
from mirstore.core.checks import checks_for
from mirstore.core.columns import Row, check_rows
from mirstore.core.entries import FeatureEntry
from mirstore.core.errors import ConfigError
from mirstore.core.features import FeatureSet, in_order
from mirstore.core.jobs import Done, Job
from mirstore.core.packed import read
from mirstore.core.packs import Reference
from mirstore.core.plugins import Plugins
from mirstore.core.recording import Audio
from mirstore.core.registry import Registry
from mirstore.core.resolve import resolve
from mirstore.core.sounds import PCM
from mirstore.core.workers import Limits, Work, run_jobs

sr = 8000


@pytest.fixture
def stems(test_plugins):
    import mirstore_test_stems

    return mirstore_test_stems


@pytest.fixture
def tone(make_wav, tmp_path) -> Path:
    """Two seconds of a sine at half of full scale."""
    return make_wav(tmp_path / "tone.wav", 0.5 * np.sin(2 * np.pi * 440 * np.arange(2 * sr) / sr), sr)


def meaning(entries: dict[str, dict], *names: str) -> dict[str, FeatureSet]:
    """Resolve names after registry entries, among the installed plugins."""
    registry = Registry(schema=1, features={name: FeatureEntry(**entry) for name, entry in entries.items()})
    return resolve(names, registry, Plugins.installed())


def computed(named: dict[str, FeatureSet], path: Path, **job) -> tuple[Done, dict[str, list[Row]]]:
    """Run all of them as one job; return it, and the rows by name."""
    plan = {feature.id: feature for feature in in_order(named)}
    job = {"features": tuple(plan), **job}
    (done,) = run_jobs(Work(plan, Limits()), [Job("0" * 64, path, **job)])
    return done, {plan[outcome.feature].name: outcome.rows for outcome in done.outcomes}


@pytest.mark.parametrize("peak", [1e-6, 0.5, 1.0, 40.0])
def test_a_sound_is_kept_to_96_decibels_below_its_own_peak(peak):
    samples = np.random.default_rng(0).uniform(-1, 1, (2, 50_000)).astype(np.float32)
    samples *= peak / np.abs(samples).max()
    error = np.asarray(PCM.quantised(samples, sr)) - samples
    assert np.abs(error).max() <= 0.51 * peak / 32767
    assert 20 * np.log10(np.sqrt(np.mean(np.square(error))) / peak) < -96


@pytest.mark.parametrize("peak", [1e-44, 9e-34, 2e38, 1e200])
def test_a_sound_that_cannot_be_held_is_refused(peak):
    column = {"x": Column(Sound(sr, 1), "", "a sound")}
    with pytest.raises(TrackError, match=r"has a peak of .*, which no sound can hold; full scale is ±1"):
        check_rows({"x": np.array([0.0, peak, -peak / 2])}, column)


@pytest.mark.parametrize("peak", [1e-33, 1e38])
def test_the_faintest_and_the_loudest_sound_are_kept_like_any_other(peak):
    column = {"x": Column(Sound(sr, 1), "", "a sound")}
    (row,) = check_rows({"x": np.array([0.0, peak, -peak / 2])}, column)
    np.testing.assert_allclose(np.asarray(row["x"], np.float64) / peak, [0, 1, -0.5], atol=1e-4)


def test_silence_stays_silence():
    assert not np.asarray(PCM.quantised(np.zeros((1, 10)), sr)).any()


def test_what_was_kept_is_kept_again_without_loss():
    once = PCM.quantised(np.random.default_rng(0).normal(size=(1, 1000)), sr)
    twice = PCM.quantised(np.asarray(once)[None], sr)
    np.testing.assert_array_equal(once.samples, twice.samples)


def test_one_channel_is_a_vector_and_two_are_a_matrix():
    assert np.asarray(PCM.quantised(np.ones((1, 10)), sr)).shape == (10,)
    assert np.asarray(PCM.quantised(np.ones((2, 10)), sr)).shape == (2, 10)


def test_a_sound_plays_in_a_page_as_a_wav_at_its_level():
    samples = np.array([[0.5, -0.25, 0.125, 1.5], [0.0, 0.1, -0.1, -2.0]], np.float32)
    data, rate = soundfile.read(io.BytesIO(PCM.quantised(samples, sr).audio.wav()))
    assert rate == sr
    np.testing.assert_allclose(data.T, np.clip(samples, -1, 1), atol=2e-4)


def test_an_audio_is_a_sound_if_its_rate_and_channels_are_as_declared():
    audio = Audio(np.ones((2, sr), np.float32), sr, "", "", ("FL", "FR"))
    column = Column(Sound(sr, 2), "", "a sound")
    (row,) = check_rows({"x": audio}, {"x": column})
    np.testing.assert_allclose(np.asarray(row["x"]), audio.samples)
    for other in (replace(audio, sr=16000), replace(audio, samples=audio.samples[:1])):
        with pytest.raises(TrackError, match=r"declared is sound\[2 × n at 8000 Hz\]"):
            check_rows({"x": other}, {"x": column})


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("short", "lasts 1.00 s, but what it was made of 2.00 s"),
        ("rate", "lasts 4.00 s, but what it was made of 2.00 s"),
        ("stereo", "shape \\(2, 16000\\) does not fit sound\\[1 × n at 8000 Hz\\]"),
        ("nan", "has NaN or inf"),
        ("integers", "has type int16; samples are floats"),
    ],
)
def test_a_sound_unlike_its_declaration_costs_its_track_and_is_named(stems, tone, how, message):
    done, _ = computed({"liar": FeatureSet("liar", stems.Liar(how))}, tone)
    (outcome,) = done.outcomes
    assert (outcome.status, outcome.error) == ("failed", "wrong value")
    with pytest.raises(TrackError, match=f"column 'sound': {message}"):
        raise TrackError("", outcome.message)


def test_the_kit_finds_a_sound_of_another_rate(stems):
    with pytest.raises(TrackError, match="what it was made of"):
        check_named("keeps_its_columns_on_music", stems.Liar("rate"))


def check_named(name: str, subject) -> None:
    next(check for check in checks_for(subject) if check.__name__ == name)(subject)


def test_an_extractor_of_sounds_keeps_the_contract(stems):
    for check in checks_for(stems.Halves()):
        check(stems.Halves())


@pytest.mark.slow
def test_an_extractor_that_hears_a_sound_keeps_the_contract(stems):
    subject = FeatureSet(
        "quiet-level", stems.Level(), {"audio": FeatureSet("halves", stems.Halves(22050))}, audio="quiet"
    )
    for check in checks_for(subject):
        check(subject)


def test_an_extractor_hears_a_sound_as_it_hears_a_file(stems, tone):
    entries = {
        "quiet": {"extractor": "level", "inputs": {"audio": "halves.quiet"}},
        "loud": {"extractor": "level", "inputs": {"audio": "halves.loud"}},
    }
    _, rows = computed(meaning(entries, "level", "quiet", "loud"), tone)
    (level,), (quiet,), (loud,) = rows["level"], rows["quiet"], rows["loud"]
    assert level["rms"] == pytest.approx(0.5 / 2**0.5, rel=1e-4)
    assert quiet["rms"] == pytest.approx(0.5 * level["rms"], rel=1e-4)
    assert loud["rms"] == pytest.approx(4.0 * level["rms"], rel=1e-4)  # beyond full scale, and not cut
    assert quiet["length"] == loud["length"] == level["length"] == 2.0


def test_a_sound_is_resampled_and_mixed_as_a_file_is(stems, tone):
    features = meaning({"quiet": {"extractor": "level", "inputs": {"audio": "halves.quiet"}}}, "quiet")
    _, rows = computed(features, tone)
    audio = rows["halves"][0]["quiet"].audio
    assert audio.resampled(16000, mono=True).shape == (32000,)
    assert audio.resampled(4000, mono=False).shape == (1, 8000)


def test_a_silent_sound_is_refused_as_a_silent_file_is(stems, tone):
    features = meaning({"quiet": {"extractor": "level", "inputs": {"audio": "halves.quiet"}}}, "quiet")
    (feature, source) = features["quiet"], features["quiet"].inputs["audio"]
    for value, error in ((PCM.quantised(np.zeros((1, 9)), sr), "silent"), (None, "no sound")):
        given = {source.id: [{"quiet": value}] if value else []}
        (done,) = run_jobs(Work({f.id: f for f in (source, feature)}, Limits()), [Job("0", tone, (feature.id,), given)])
        assert [(o.status, o.error) for o in done.outcomes] == [("failed", error)]


def test_the_identity_follows_the_sound_that_is_heard(stems):
    ways = ["halves.quiet", "halves.loud", "louder.loud"]
    entries = {way.replace(".", "-"): {"extractor": "level", "inputs": {"audio": way}} for way in ways}
    entries["louder"] = {"extractor": "halves", "params": {"sr": 16000}}
    made = meaning(entries, "level", *(way.replace(".", "-") for way in ways))
    assert len({feature.id for feature in made.values()}) == 4
    quiet = made["halves-quiet"]
    assert quiet.definition["inputs"] == {"audio": f"{quiet.inputs['audio'].id}.quiet"}
    assert "audio" not in made["level"].definition["inputs"]


def test_neither_keep_nor_place_is_part_of_the_identity(stems):
    ids = {
        meaning({"x": {"extractor": "halves", **more}}, "x")["x"].id for more in ({}, {"keep": False, "place": "gpu"})
    }
    assert len(ids) == 1


def test_what_reads_features_and_hears_nothing_is_given_no_sound(stems):
    entries = {"x": {"extractor": "big-mean", "inputs": {"audio": "halves.loud"}}}
    with pytest.raises(ConfigError, match=r"features\.x\.inputs\.audio: big-mean hears no audio, it reads big"):
        meaning(entries, "x")


@pytest.mark.parametrize(
    ("audio", "message", "hint"),
    [
        ("halves", r"features 'halves' have 2 sounds", "choose one: halves.quiet, halves.loud"),
        ("halves.quiett", r"'halves' has no column 'quiett'", "did you mean 'quiet'?"),
        ("level", r"features 'level' are no sound", "name features that an extractor makes as audio"),
        ("level.rms", r"features 'level' are no sound", "name features that an extractor makes as audio"),
        ("halvs.quiet", r"unknown features 'halvs'", "did you mean 'halves'?"),
        ("x", "reads itself: x → x", None),
    ],
)
def test_what_cannot_be_heard_is_named(stems, audio, message, hint):
    with pytest.raises(ConfigError, match=message) as caught:
        meaning({"x": {"extractor": "level", "inputs": {"audio": audio}}}, "x")
    assert caught.value.hint == hint


def test_values_leave_the_worker_as_references_and_are_mapped_by_the_next(stems, tone, tmp_path):
    features = meaning({}, "stem-levels")
    folder = tmp_path / "job"
    _, rows = computed(features, tone, folder=folder)
    (halves,), (levels,) = rows["halves"], rows["stem-levels"]
    assert isinstance(halves["quiet"], Reference)
    assert [path.parent for path in folder.iterdir()] == [halves["quiet"].path.parent]
    source = features["stem-levels"].inputs["halves"]
    again, _ = computed(features, tone, features=(features["stem-levels"].id,), given={source.id: rows["halves"]})
    assert again.outcomes[0].rows == [levels]
    assert read(halves["quiet"]).samples.base is not None  # a view of the file


def test_what_is_not_kept_is_computed_for_those_that_read_it_and_written_nowhere(stems, tone, tmp_path):
    entries = {"halves": {"extractor": "halves", "keep": False}}
    features = meaning(entries, "stem-levels")
    done, rows = computed(features, tone, folder=tmp_path / "job")
    assert [outcome.status for outcome in done.outcomes] == ["ok", "ok"]
    assert rows["halves"] == []
    assert not (tmp_path / "job").exists()
    _, only = computed(features, tone, features=(features["stem-levels"].id,))
    assert only == {"stem-levels": rows["stem-levels"]}  # as it is tried again in a worker of its own
    _, given = computed(
        features, tone, folder=tmp_path / "job", hand_on=frozenset([features["stem-levels"].inputs["halves"].id])
    )
    assert isinstance(given["halves"][0]["loud"], Reference)


def test_a_pack_that_was_altered_costs_the_track_that_reads_it(stems, tone, tmp_path):
    features = meaning({}, "stem-levels")
    source, feature = features["stem-levels"].inputs["halves"], features["stem-levels"]
    _, rows = computed(features, tone, folder=tmp_path / "job")
    pack = rows["halves"][0]["quiet"].path
    pack.write_bytes(pack.read_bytes()[:-100])
    done, _ = computed(features, tone, features=(feature.id,), given={source.id: rows["halves"]})
    assert [(o.status, o.error) for o in done.outcomes] == [("failed", "damaged")]
    assert str(pack) in (done.outcomes[0].message or "")


def test_a_folder_that_takes_nothing_is_named(stems, tone, tmp_path):
    (tmp_path / "job").touch()  # no folder
    done, _ = computed({"halves": FeatureSet("halves", stems.Halves())}, tone, folder=tmp_path / "job")
    assert [(o.status, o.error) for o in done.outcomes] == [("failed", "not written")]
    assert done.outcomes[0].message == f"{tmp_path / 'job'}: file exists"


def test_columns_may_depend_on_what_is_read(stems, tone):
    entries = {"twice": {"extractor": "doubled", "inputs": {"rows": "level"}}}
    features = meaning(entries, "twice")
    assert list(features["twice"].columns) == ["rms", "length"]
    _, rows = computed(features, tone)
    assert rows["twice"] == [{name: 2 * value for name, value in rows["level"][0].items()}]
    for name in ("documents_its_columns", "gives_rows_for_music", "gives_the_same_in_a_batch_and_alone"):
        check_named(name, features["twice"])


def test_rows_come_in_order_and_notes_of_a_chord_by_their_other_columns(stems, tone):
    features = meaning({}, "pitches")
    _, rows = computed(features, tone)
    assert [(n["start"], n["pitch"], n["voice"]) for n in rows["notes"]] == [
        (0.0, 60, None), (0.0, 60, "a"), (0.0, 64, None), (0.0, 67, "b"), (1.0, 60, "a"),
    ]  # fmt: skip
    assert rows["pitches"] == [{"pitches": "60 60 64 67 60"}]


def test_a_sound_needs_a_rate_and_channels():
    for wrong in ((0, 1), (8000, 0)):
        with pytest.raises(ValueError, match="must be integers from 1"):
            Sound(*wrong)


def test_a_feature_set_that_hears_says_which_column(stems):
    with pytest.raises(ValueError, match="must name a column of the input 'audio'"):
        FeatureSet("x", stems.Level(), {"audio": FeatureSet("halves", stems.Halves())})
