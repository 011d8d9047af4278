"""The essentia plugin on signals whose answer is known, and against MusicExtractor."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from mirstore.core import Extractor, MirstoreError, Track, TrackError
from mirstore.core.checks import checks_for
from mirstore.core.columns import check_rows
from mirstore.core.recording import Audio

pytest.importorskip("essentia", reason="the extra 'essentia' is not installed")

from mirstore_essentia import Essentia, EssentiaFull, EssentiaKey, EssentiaMore, more_features, signal_features
from mirstore_essentia.attack import attacks, onsets
from mirstore_essentia.bands import bands, bins, flatness, flux
from mirstore_essentia.envelopes import envelopes
from mirstore_essentia.full import music_extractor
from mirstore_essentia.heard import heard
from mirstore_essentia.rhythm import beats, beats_loudness, bpm, complex_change, meter, onset_rate, phasors
from mirstore_essentia.spectra import essentia, frames, levelled, power
from mirstore_essentia.tonal import key, profiles

sr = 44100

# Our name: MusicExtractor's.
same = {
    "beats_loud": "rhythm.beats_loudness.mean",
    "bpm": "rhythm.bpm",
    "chords_changes_rate": "tonal.chords_changes_rate",
    "chords_number_rate": "tonal.chords_number_rate",
    "chords_strength": "tonal.chords_strength.mean",
    "danceability": "rhythm.danceability",
    "dynamic_complexity": "lowlevel.dynamic_complexity",
    "key_strength": "tonal.key_edma.strength",
    "loudness": "lowlevel.average_loudness",
    "onset_rate": "rhythm.onset_rate",
    "pitch_salience": "lowlevel.pitch_salience.mean",
    "zerocr": "lowlevel.zerocrossingrate.mean",
} | {
    f"spectral_{name}": f"lowlevel.spectral_{name}.mean"
    for name in (
        "centroid complexity decrease entropy flux kurtosis rms rolloff skewness spread energy energyband_low "
        "energyband_middle_low energyband_middle_high energyband_high"
    ).split()
}


def track(samples: np.ndarray) -> Track:
    """A track that is in memory already."""
    audio = Audio(samples.astype(np.float32)[np.newaxis], sr, "pcm", "none", ("FC",))
    return Track("0" * 64, Path("in memory"), recording=audio)


def all_features(x: np.ndarray) -> dict[str, float | None]:
    return more_features(x) | signal_features(x)


def noise(seconds: float, seed: int = 0) -> np.ndarray:
    return 0.1 * np.random.default_rng(seed).standard_normal(round(seconds * sr)).astype(np.float32)


def sine(frequency: float, seconds: float) -> np.ndarray:
    return np.sin(2 * np.pi * frequency * np.arange(round(seconds * sr)) / sr).astype(np.float32)


def clicks(beats_per_minute: float, seconds: float) -> np.ndarray:
    """Bursts of noise with an exponential decay of 20 ms."""
    x = np.zeros(round(seconds * sr), np.float32)
    burst = noise(0.1, seed=1) * np.exp(-np.arange(round(0.1 * sr)) / (0.02 * sr)).astype(np.float32)
    for beat in np.arange(0.25, seconds - 0.2, 60 / beats_per_minute):
        x[round(beat * sr) :][: len(burst)] += burst
    return x


def ramps(seconds: float, count: int = 3) -> np.ndarray:
    """Notes of 1 kHz that rise in a straight line, hold, and stop."""
    n = round(seconds * sr)
    shape = np.concatenate([np.zeros(sr // 4), np.linspace(0, 1, n), np.ones(sr // 4), np.zeros(sr // 4)])
    shape = np.tile(shape, count)
    return (shape * sine(1000, len(shape) / sr)).astype(np.float32)


def triads(roots: list[int], *, minor: bool = False) -> np.ndarray:
    """One second of three harmonic notes per root (0 is C)."""

    def note(semitones: int) -> np.ndarray:
        pitch = 261.63 * 2 ** (semitones / 12)
        return sum(sine(pitch * k, 1.0) / k for k in range(1, 5))  # type: ignore[return-value]

    third = 3 if minor else 4
    return np.concatenate([sum(note(root + i) for i in (0, third, 7)) / 20 for root in roots]).astype(np.float32)


@pytest.fixture(scope="module")
def music() -> np.ndarray:
    """Chords, clicks and noise, 12 s."""
    return triads([0, 5, 7, 0, 9, 5, 7, 0, 0, 5, 7, 0]) + clicks(120, 12) + 0.02 * noise(12)


samat_singles = {
    "danceability", "loudness", "chords_changes_rate", "dynamic_complexity", "zerocr", "chords_number_rate",
    "pitch_salience", "spectral_centroid", "spectral_complexity", "spectral_decrease", "spectral_entropy",
    "spectral_kurtosis", "spectral_rolloff", "spectral_spread", "onset_rate", "spectral_rms", "spectral_skewness",
    "bpm", "key_strength", "chords_strength", "meter",
}  # fmt: skip


@pytest.mark.parametrize(("extractor", "count"), [(Essentia(), 85), (EssentiaMore(), 20)], ids=["85", "more"])
def test_every_column_gets_a_number_in_its_range(music: np.ndarray, extractor: Extractor, count: int) -> None:
    columns = extractor.columns()
    assert len(columns) == count
    (row,) = check_rows(extractor.extract(track(music)), columns)
    for name, column in columns.items():
        assert row[name] is not None, name
        low, high = column.range or (-np.inf, np.inf)
        assert low <= row[name] <= high, name


def test_the_columns_are_those_that_samats_supplement_lists() -> None:
    families = ("spectral_flux", "spectral_energyband", "spectral_flatness", "attack_time", "pulse_clarity",
                "entropy_clarity")  # fmt: skip
    names = samat_singles | {f"{family}_{band}" for family in families for band in bands} | set(families)
    names |= {f"attack_slope_{band}" for band in ("high", "middle_high", "middle")}
    names |= {f"chroma_{name}" for name in "c db d eb e f gb g ab a bb b".split()} | {f"mfcc_{i}" for i in range(1, 14)}
    assert set(Essentia().columns()) == names
    assert not names & set(EssentiaMore().columns())


@pytest.mark.parametrize("pause", [0.0, 0.5])
def test_values_equal_music_extractors(music: np.ndarray, pause: float) -> None:
    music = music.copy()
    music[5 * sr : round((5 + pause) * sr)] = 0
    ours, theirs = all_features(music), music_extractor(heard(music))
    for name, other in same.items():
        if pause and name in {"bpm", "beats_loud"}:
            continue  # its beat tracker adds random noise to digital silence
        assert ours[name] == pytest.approx(theirs[other], rel=1e-3, abs=1e-12), name
    mfcc = [ours[f"mfcc_{i}"] for i in range(1, 14)]
    np.testing.assert_allclose(mfcc, theirs["lowlevel.mfcc.mean"], atol=0.01)


def test_chroma_folds_music_extractors_pitch_class_profile(music: np.ndarray) -> None:
    ours, theirs = signal_features(music), music_extractor(heard(music))["tonal.hpcp.mean"]
    a = theirs[[35, 0, 1]].sum() / theirs.sum()
    assert ours["chroma_a"] == pytest.approx(a, rel=1e-3)
    assert sum(ours[f"chroma_{n}"] for n in "c db d eb e f gb g ab a bb b".split()) == pytest.approx(1)


@pytest.mark.slow
def test_values_equal_music_extractors_on_real_music(shared: Path) -> None:
    for path in sorted((shared / "data/real_audio/audio").glob("*.ogg"))[::30]:
        x = Track("0" * 64, path).audio(sr)
        ours, theirs = all_features(x), music_extractor(heard(x))
        for name, other in same.items():
            assert ours[name] == pytest.approx(theirs[other], rel=1e-3), (path.name, name)


extractors = [Essentia(), EssentiaMore(), EssentiaKey(), EssentiaFull()]


@pytest.mark.parametrize("extractor", extractors, ids=lambda e: e.name)
def test_the_same_audio_gives_the_same_row(music: np.ndarray, extractor: Extractor) -> None:
    x = np.concatenate([music[: 4 * sr], np.zeros(4 * sr, np.float32), music[4 * sr :]])  # silence tempts to add noise
    rows = [extractor.extract(track(samples)) for samples in (x, x, noise(3), x)]
    assert rows[0] == rows[1] == rows[3] != rows[2]


def test_level_does_not_matter(music: np.ndarray) -> None:
    loud, soft = signal_features(music), signal_features(music / 8)
    assert loud["spectral_rms"] == pytest.approx(soft["spectral_rms"], rel=1e-4)


def test_silence_has_a_length_and_nothing_else() -> None:
    (row,) = check_rows(EssentiaMore().extract(track(np.zeros(sr))), EssentiaMore().columns())
    assert row.pop("length") == 1
    assert set(row.values()) == {None}
    assert set(Essentia().extract(track(np.zeros(sr))).values()) == {None}
    assert set(EssentiaKey().extract(track(np.zeros(sr))).values()) == {None}
    assert set(EssentiaFull().extract(track(np.zeros(sr))).values()) == {None}


@pytest.mark.parametrize(
    "samples",
    [noise(0.1), noise(2), 1e-5 * noise(1), np.eye(1, sr)[0], np.ones(sr), clicks(100, 0.5), sine(440, 0.1)],
    ids=["0.1 s", "noise", "very soft", "impulse", "constant", "half a second", "short sine"],
)
def test_odd_signals_give_a_valid_row(samples: np.ndarray) -> None:
    for extractor in extractors:
        check_rows(extractor.extract(track(samples)), extractor.columns())


def test_less_than_50_ms_is_refused() -> None:
    with pytest.raises(TrackError, match=r"0\.010 s of audio, at least 0\.05 s"):
        Essentia().extract(track(noise(0.01)))


def test_frames_are_essentias(music: np.ndarray) -> None:
    for x in (music, music[:4410], music[:2048], music[:500]):
        theirs = np.array(list(essentia().FrameGenerator(x, frameSize=2048, hopSize=1024)))
        np.testing.assert_array_equal(frames(x, 2048, 1024), theirs)


def test_spectra_are_essentias(music: np.ndarray) -> None:
    cut = frames(music, 2048, 1024)
    window, spectrum = essentia().Windowing(type="blackmanharris62"), essentia().Spectrum()
    theirs = np.array([spectrum(window(np.array(frame))) for frame in cut])
    np.testing.assert_allclose(np.sqrt(power(cut)), theirs, atol=1e-6)


def test_a_sines_centroid_and_rolloff_are_its_frequency() -> None:
    row = signal_features(sine(3000, 3))
    assert row["spectral_centroid"] == pytest.approx(3000, rel=0.02)
    assert row["spectral_rolloff"] == pytest.approx(3000, rel=0.02)
    assert row["zerocr"] == pytest.approx(2 * 3000 / sr, rel=0.02)  # half of the first frame is zeros


def test_white_noise_is_flat_and_a_sine_is_not() -> None:
    flat, tone = signal_features(noise(3)), signal_features(sine(1000, 3))
    assert flat["spectral_flatness"] == pytest.approx(np.exp(-np.euler_gamma), abs=0.03)
    assert tone["spectral_flatness"] < 0.01


def test_a_sine_has_its_energy_and_flux_in_its_own_band() -> None:
    x = np.concatenate([sine(2500, 1), np.zeros(sr, np.float32), sine(2500, 1)])
    row = signal_features(x)
    others = ("low", "middle_low", "middle", "high")
    for family, factor in {"spectral_energyband": 20, "spectral_flux": 3}.items():  # the jumps are heard everywhere
        assert all(row[f"{family}_middle_high"] > factor * row[f"{family}_{band}"] for band in others), family


def test_flux_is_zero_for_a_constant_spectrum_and_bins_skip_dc() -> None:
    assert flux(np.ones((100, 1025)))["spectral_flux"] == pytest.approx(np.sqrt(1025) / 100)  # the first frame only
    assert bins((0, 150), 1025).start == 1
    assert flatness(np.ones((5, 1025)))["spectral_flatness"] == pytest.approx(1)


@pytest.mark.parametrize("seconds", [0.1, 0.2, 0.4])
def test_a_linear_ramps_attack_time_is_the_ramps(seconds: float) -> None:
    row = attacks(envelopes(ramps(seconds)))
    assert row["attack_time"] == pytest.approx(seconds, rel=0.05)
    assert row["attack_slope"] == pytest.approx(1 / seconds, rel=0.05)
    assert row["attack_slope_middle_high"] == pytest.approx(1 / seconds, rel=0.05)
    assert row["attack_time_middle_high"] == pytest.approx(seconds, rel=0.05)


def test_every_note_is_one_onset_and_a_steady_tone_has_none() -> None:
    assert len(onsets(envelopes(ramps(0.1, count=5))[""])[0]) == 5
    assert attacks(envelopes(sine(1000, 2)))["attack_time"] is None


def test_a_click_tracks_pulse_is_clearer_than_noises() -> None:
    even, random = signal_features(clicks(120, 10)), signal_features(noise(10))
    assert even["bpm"] == pytest.approx(120, rel=0.02)
    for suffix in ("", "_middle_high", "_high"):
        assert even[f"pulse_clarity{suffix}"] > 0.8 > 0.3 > random[f"pulse_clarity{suffix}"]
        assert even[f"entropy_clarity{suffix}"] > random[f"entropy_clarity{suffix}"] + 0.2


def test_jitter_makes_a_pulse_less_clear() -> None:
    shift = np.random.default_rng(0).integers(0, sr // 4, 20)
    jittered = np.concatenate([np.roll(clicks(120, 0.5), n) for n in shift])
    assert signal_features(jittered)["pulse_clarity"] < 0.5 * signal_features(clicks(120, 10))["pulse_clarity"]


def swell(frequency: float, seconds: float) -> np.ndarray:
    """A note that rises for 0.2 s and falls for as long."""
    x = sine(frequency, seconds)
    edge = np.linspace(0, 1, sr // 5, dtype=np.float32)
    x[: len(edge)] *= edge
    x[-len(edge) :] *= edge[::-1]
    return np.pad(x, sr // 4)


def test_a_band_without_energy_has_no_attack_and_no_pulse() -> None:
    """What the window spreads of a low note into high bands is none of its attacks."""
    row = signal_features(np.tile(swell(440, 0.8), 5))
    assert row["attack_time_middle_low"] == pytest.approx(0.2, rel=0.1)
    for name in ("attack_time", "attack_slope", "pulse_clarity", "entropy_clarity"):
        assert row[f"{name}_high"] is None, name


def test_silence_around_the_music_and_an_offset_change_next_to_nothing(music: np.ndarray) -> None:
    before, offset = all_features(music), np.float32(0.05)
    for changed in (np.pad(music, (2 * sr, 777)), music + offset, np.pad(music + offset, sr)):
        for name, value in all_features(changed).items():
            assert value == pytest.approx(before[name], rel=0.02, abs=0.2 if name.startswith("mfcc") else 0.01), name


def test_what_is_heard_begins_with_the_first_sound_and_ends_with_the_last() -> None:
    x = np.pad(np.pad(noise(1), 50, constant_values=1e-5), (1000, 2000))
    assert len(heard(x)) == pytest.approx(sr, abs=2)
    assert abs(heard(x + np.float32(0.3)).mean()) < 1e-6
    assert len(heard(np.zeros(100, np.float32))) == 0


def test_flatness_does_not_see_what_is_far_below_the_music(music: np.ndarray) -> None:
    from scipy.signal import butter, sosfiltfilt

    dull = sosfiltfilt(butter(12, 11000, fs=sr, output="sos"), music).astype(np.float32)
    expected = signal_features(dull)
    for changed in (np.round(dull * 2**13) / 2**13, dull + 1e-4 * noise(12)):
        after = signal_features(changed)
        for name in ("spectral_flatness", "spectral_flatness_high"):
            assert after[name] == pytest.approx(expected[name], rel=0.03), name


def test_flatness_of_a_band_without_signal_is_null() -> None:
    row = signal_features(swell(440, 3))
    assert row["spectral_flatness_high"] is None
    assert row["spectral_flatness_middle"] < 0.1


def test_the_unbiased_clarity_of_a_pulse_does_not_depend_on_length_but_the_papers_does() -> None:
    rows = [all_features(clicks(60, seconds)) for seconds in (6, 12, 40)]
    unbiased, biased = ([row[name] for row in rows] for name in ("pulse_clarity_unbiased", "pulse_clarity"))
    assert max(unbiased) - min(unbiased) < 0.01
    assert min(unbiased) > 0.9
    assert max(biased) - min(biased) > 0.1


def test_the_sharpness_of_a_pulse_does_not_depend_on_tempo_but_its_entropy_does() -> None:
    rows = [all_features(clicks(tempo, 20)) for tempo in (40, 60, 90, 120, 180)]
    sharp, entropy = ([row[name] for row in rows] for name in ("beat_sharpness", "entropy_clarity"))
    assert max(sharp) - min(sharp) < 0.08
    assert max(entropy) - min(entropy) > 0.2
    assert min(sharp) > more_features(noise(20))["beat_sharpness"] + 0.2


def test_a_pulse_needs_three_seconds() -> None:
    row = signal_features(clicks(120, 2.5))
    assert row["pulse_clarity"] is None
    assert row["entropy_clarity_low"] is None


@pytest.mark.parametrize("bar", [3, 4])
def test_an_accent_on_every_bar_tells_the_meter(bar: int) -> None:
    x = clicks(120, 24)
    for beat in range(0, 46, bar):
        start = round((0.25 + beat / 2) * sr)
        x[start : start + sr // 10] += 0.2 * sine(80, 0.1)
    audio = levelled(x)
    assert audio is not None
    assert meter(*beats_loudness(audio.signal, beats(audio.signal))) == bar


def test_a_meter_needs_two_bars() -> None:
    assert meter(np.ones(7), np.ones((7, 6)) / 6) is None
    assert meter(np.empty(0), np.empty((0, 6))) is None


def test_a_tempo_is_sure_where_onsets_repeat_after_a_beat() -> None:
    assert more_features(clicks(120, 12))["bpm_confidence"] > 0.8
    assert abs(more_features(noise(12))["bpm_confidence"]) < 0.15


def test_the_diversity_of_chords_does_not_depend_on_length() -> None:
    four = triads([0, 5, 7, 9] * 3)
    short, long = all_features(four), all_features(np.tile(four, 3))
    assert short["chords_diversity"] == pytest.approx(long["chords_diversity"], rel=0.1)
    assert short["chords_number_rate"] > 2 * long["chords_number_rate"]
    assert more_features(triads([0] * 8))["chords_diversity"] == pytest.approx(1, abs=0.01)


def test_beats_and_bpm_are_rhythm_extractors() -> None:
    x = clicks(97, 12) + 0.01 * noise(12)
    theirs, ticks, *_ = essentia().RhythmExtractor2013(method="degara")(x)
    np.testing.assert_allclose(beats(x), ticks, atol=1e-6)
    assert bpm(ticks) == pytest.approx(theirs, rel=1e-5)
    assert bpm(ticks[:1]) is None


def test_onset_detection_functions_are_essentias(music: np.ndarray) -> None:
    spectra = phasors(frames(music, 1024, 512))
    detect = essentia().OnsetDetection(method="complex")
    theirs = [detect(np.abs(frame), np.angle(frame)) for frame in spectra]
    np.testing.assert_allclose(complex_change(spectra), theirs, rtol=1e-3, atol=1e-4)
    assert onset_rate(clicks(120, 10)) == pytest.approx(2, rel=0.06)


def test_a_signal_too_loud_for_its_level_is_clipped_as_by_music_extractor() -> None:
    x = clicks(60, 8) + 0.0005 * noise(8)
    audio = levelled(x)
    assert audio is not None
    assert np.abs(audio.signal).max() == 1
    ours, theirs = signal_features(x), music_extractor(heard(x))
    for name in ("spectral_rms", "spectral_centroid", "loudness"):
        assert ours[name] == pytest.approx(theirs[same[name]], rel=1e-3), name


@pytest.mark.parametrize(("tonic", "name"), [(0, "C"), (6, "Gb"), (10, "Bb")])
def test_a_cadence_tells_its_key(tonic: int, name: str) -> None:
    x = triads([tonic, tonic + 5, tonic + 7, tonic] * 2)
    row = EssentiaKey().extract(track(x))
    assert (row["key"], row["scale"]) == (name, "major")
    assert signal_features(x)[f"chroma_{name.lower()}"] > 1 / 12


def test_keys_equal_music_extractors(music: np.ndarray) -> None:
    theirs = music_extractor(music)
    audio = levelled(music)
    assert audio is not None
    for kind in ("edma", "krumhansl", "temperley"):
        found = key(profiles(audio.signal).plain, kind)
        expected = tuple(theirs[f"tonal.key_{kind}.{part}"] for part in ("key", "scale"))
        assert found is not None
        assert found[:2] == expected
        assert found[2] == pytest.approx(theirs[f"tonal.key_{kind}.strength"], abs=1e-3)


def test_an_unknown_key_profile_is_named() -> None:
    with pytest.raises(MirstoreError, match="unknown key profile 'edna'"):
        EssentiaKey(profile="edna")


def test_full_has_one_schema_and_the_same_values_twice(music: np.ndarray) -> None:
    first, again = (EssentiaFull().extract(track(music)) for _ in range(2))
    assert first == again
    assert first.keys() == EssentiaFull().columns().keys()
    assert None not in first.values()
    assert (first["tonal_key_edma_key"], first["tonal_key_edma_scale"]) == ("C", "major")


@pytest.mark.slow
def test_tempo_and_key_of_rendered_songs_are_mostly_right(shared: Path) -> None:
    folder = shared / "data/rendered"
    with (folder / "tracks.csv").open() as file:
        songs = list(csv.DictReader(file))[::12]
    tempo = right_key = 0
    for song in songs:
        x = Track("0" * 64, folder / song["file"]).audio(sr)
        audio = levelled(x)
        assert audio is not None
        found = bpm(beats(audio.signal)) or 0.0
        tempo += any(abs(found / (float(song["bpm"]) * m) - 1) <= 0.04 for m in (0.5, 1, 2))
        best = key(profiles(audio.signal).plain, "edma")
        right_key += best is not None and best[:2] == (song["tonic"], song["mode"])
    assert tempo >= 0.9 * len(songs)
    assert right_key >= 0.65 * len(songs)


@pytest.mark.slow
def test_waltzes_are_in_three_and_other_rendered_songs_in_four(shared: Path) -> None:
    folder = shared / "data/rendered"
    with (folder / "tracks.csv").open() as file:
        songs = list(csv.DictReader(file))
    in_three = [song for song in songs if song["beats_per_bar"] == "3"]
    in_four = [song for song in songs if song["beats_per_bar"] == "4"][::9]
    for bar, chosen in ((3.0, in_three), (4.0, in_four)):
        found = [Essentia().extract(Track("0" * 64, folder / song["file"]))["meter"] for song in chosen]
        assert len(found) == 24
        assert found.count(bar) >= 20


@pytest.mark.slow
@pytest.mark.parametrize(
    ("extractor", "check"),
    [pytest.param(e, check, id=f"{e.name}-{check.__name__}") for e in extractors for check in checks_for(e)],
)
def test_keeps_the_contract(extractor, check):
    check(extractor)
