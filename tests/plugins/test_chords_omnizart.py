"""Omnizart's chords in an environment of their own: equal to the package where the same numbers are in the network."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from itertools import groupby
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from fetched import needs
from typer.testing import CliRunner

from mirstore.cli import app
from mirstore.core import MirstoreError, Track
from mirstore.core.environments import environments
from mirstore.core.errors import WeightsError
from mirstore.core.installing import install
from mirstore.core.isolated import kinds
from mirstore.core.weights.cache import require
from mirstore.core.weights.fetch import add
from mirstore.store import Store

project = Path(__file__).parents[2]
source = project / "isolated" / "mirstore-omnizart"
golden = json.loads((Path(__file__).parent / "omnizart" / "omnizart.json").read_text())
sharps = {"C#": "Db", "D#": "Eb", "F#": "Gb", "G#": "Ab", "A#": "Bb"}


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch):
    """The plugin as if it were installed here, without TensorFlow."""
    monkeypatch.syspath_prepend(str(source))
    import mirstore_omnizart.extractor as module

    yield module
    for name in [name for name in sys.modules if name.startswith("mirstore_omnizart")]:
        del sys.modules[name]


def spelled(label: str) -> str:
    root, _, quality = label.partition(":")
    return f"{sharps.get(root, root)}:{quality}"


def test_profiles_are_those_that_the_package_hears_by_another_host(here) -> None:
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        pytest.skip("NNLS-Chroma's library is for Linux on x86-64")
    needs(here.omnizart_chroma)
    x = Track("0" * 64, project / golden["clip"]).audio(44100)
    heard = here.chroma(here.omnizart_chroma.path(), x)
    assert heard.shape == (golden["frames"], 24)
    np.testing.assert_allclose(heard[golden["at"]], golden["chroma"], rtol=1e-4, atol=1e-4)
    for short in (x[:441], x[:2048], np.zeros(4410, np.float32)):
        assert len(here.chroma(here.omnizart_chroma.path(), short)) >= 1


def test_a_library_for_another_machine_is_a_tracks_failure(here, tmp_path) -> None:
    (tmp_path / "nnls-chroma.so").write_bytes(b"MZ")
    with pytest.raises(MirstoreError, match="is for Linux on x86-64, and cannot be loaded") as failed:
        here.chroma(tmp_path / "nnls-chroma.so", np.zeros(4410, np.float32))
    assert failed.value.reason == "no plugin"


def upstream(chords: np.ndarray, shortest: float) -> list[list[float]]:
    """Omnizart's inference, in its own words: changes, then times, then a row or an extension of the last."""
    padded = np.pad(chords, 1, constant_values=24)
    changes = np.where(padded[:-1] != padded[1:])[0]
    rows: list[list[float]] = []
    for number, at in enumerate(changes[1:], 1):
        if padded[at] >= 24:
            continue
        start, end = changes[number - 1] + 1, at
        if end - start >= shortest:
            rows.append([start, end, padded[at]])
        elif rows:
            rows[-1][1] = end
    return rows


@pytest.mark.parametrize("seed", range(30))
def test_segments_follow_the_packages_rules(here, seed) -> None:
    rng = np.random.default_rng(seed)
    chords = np.repeat(rng.choice([0, 7, 12, 24, 25], 20), rng.integers(1, 7, 20))
    shortest = 0.1 * 44100 / 2048
    assert [list(each) for each in here.segments(chords.tolist(), shortest)] == upstream(chords, shortest)


def test_sequences_hold_each_frame_with_ten_on_both_sides(here) -> None:
    from mirstore_omnizart.network import sequences

    for frames in (1, 99, 100, 101, 250):
        chroma = np.arange(frames * 24, dtype=np.float32).reshape(frames, 24) + 1
        made = sequences(chroma)
        assert made.shape == (-(-frames // 100), 100, 504)
        flat = made.reshape(-1, 21, 24)
        np.testing.assert_array_equal(flat[:frames, 10], chroma)
        np.testing.assert_array_equal(flat[0, :10], 0)
        assert not flat[frames:].any()
    np.testing.assert_array_equal(flat[40], chroma[30:51])


def test_a_folder_without_a_network_is_refused_and_one_with_needs_no_trained_weights(
    here, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr("mirstore.core.weights.cache.identity", lambda sets: "+".join(each.name for each in sets))
    with pytest.raises(MirstoreError, match=r"has no saved_model\.pb"):
        here.ChordsOmnizart(model=str(tmp_path))
    (tmp_path / "variables").mkdir()
    for place in here.places:
        (tmp_path / place).write_bytes(place.encode())
    own = here.ChordsOmnizart(model=str(tmp_path))
    assert own.uses() == (here.omnizart_chroma,)
    first = own.weights()
    (tmp_path / here.places[2]).write_bytes(b"other numbers")
    assert first != own.weights()
    assert here.ChordsOmnizart().weights() == "omnizart-chord+omnizart-chroma"  # what was fetched is in the identity


def test_without_weights_the_command_that_fetches_them_is_said(here, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("MIRSTORE_CACHE", str(tmp_path))
    with pytest.raises(WeightsError, match="'omnizart-chord' are missing") as refused:
        require([here.ChordsOmnizart()])
    assert refused.value.hint == "mirstore weights fetch omnizart-chord omnizart-chroma"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Omnizart's wheel; where it cannot be had, nothing else can."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), "omnizart==0.6.0"]
    if os.environ.get("MIRSTORE_OFFLINE") or subprocess.run(pip, capture_output=True).returncode:
        pytest.skip("no network: mirstore plugins install ./isolated/mirstore-omnizart --isolated")
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def omnizart(wheel, tmp_path_factory: pytest.TempPathFactory):
    """An environment with TensorFlow, by the documented command; 1.6 GB."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MIRSTORE_ENVIRONMENTS", str(tmp_path_factory.mktemp("environments")))
        install(str(source))
        kinds.cache_clear()
        (made,) = environments()
        yield made
        kinds.cache_clear()


@pytest.fixture(scope="module")
def model(omnizart, wheel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of Omnizart's own graph with random numbers in it."""
    from zipfile import ZipFile

    folder = tmp_path_factory.mktemp("model")
    graph = ZipFile(wheel).extract("omnizart/checkpoints/chord/chord_v1/saved_model.pb", folder)
    script = Path(__file__).parent / "omnizart" / "random_model.py"
    subprocess.run([omnizart.python, script, graph, folder / "random"], check=True, capture_output=True)
    return folder / "random"


@pytest.mark.slow
def test_a_random_network_gives_the_chords_that_the_package_gives_with_it(omnizart, model, tmp_path, monkeypatch):
    (kind,) = kinds(omnizart).values()
    for weights in kind.needs:
        if weights.name == "omnizart-chroma":
            needs(weights)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "registry.toml").write_text(
        f'schema = 1\n[features.chords]\nextractor = "chords-omnizart"\nparams = {{ model = "{model}" }}\n'
    )
    import soundfile

    (tmp_path / "music").mkdir()
    music, rate = soundfile.read(project / golden["clip"])
    lengths = {"whole": None, "short": 2.0, "tiny": 0.02, "odd": 4.6}
    for name, seconds in lengths.items():
        part = music if seconds is None else music[: round(seconds * rate)]
        soundfile.write(tmp_path / "music" / f"{name}.wav", part, rate, subtype="FLOAT")
    soundfile.write(tmp_path / "music" / "noise.wav", np.random.default_rng(0).uniform(-0.3, 0.3, 3 * rate), rate)
    made = CliRunner().invoke(app, ["ingest", "music", "--features", "chords,functional-harmony", "-j", "1"])
    assert made.exit_code == 3, made.output  # one file is too short for any extractor
    with Store(tmp_path / "store") as store:
        failures = store.sql("FROM failures").filter(pl.col("error") != "no chords")
        assert failures["path"].str.ends_with("tiny.wav").all()
        assert store.sql("SELECT DISTINCT track FROM chords").height >= 3
        rows = store.sql("SELECT c.* FROM chords c JOIN tracks t USING (track) WHERE t.path LIKE '%whole%'")
        assert store.sql('FROM "functional-harmony"').height >= 1
    rows = rows.sort("start")
    assert rows["confidence"].is_between(0, 1).all()
    times = np.arange(golden["frames"]) * 2048 / 44100 + 0.02
    ours = said(rows.select("start", "end", "label").rows(), times)
    theirs = said([(start, end, spelled(label)) for start, end, label in golden["chords"]], times)
    assert np.mean(ours == theirs) > 0.97  # sums of other processors differ, and random networks waver


def said(rows: list[tuple[float, float, str]], times: np.ndarray) -> np.ndarray:
    return np.array([next((label for start, end, label in rows if start <= t < end), "N") for t in times])


@pytest.mark.slow
def test_numbers_that_are_not_those_of_the_index_are_refused(omnizart, wheel, tmp_path, monkeypatch):
    (kind,) = kinds(omnizart).values()
    (weights,) = (each for each in kind.needs if each.name == "omnizart-chord")
    monkeypatch.setenv("MIRSTORE_CACHE", str(tmp_path / "cache"))
    random = np.random.default_rng(0).integers(0, 256, weights.files[2].bytes, np.uint8)
    random.tofile(tmp_path / "variables.data")
    with pytest.raises(WeightsError, match="could not be converted: ValueError: the numbers are not those of Omni"):
        list(add(weights, [wheel, tmp_path / "variables.data"]))
    (tmp_path / "variables.data").write_bytes(random.tobytes()[:-1])
    with pytest.raises(MirstoreError, match=r"is not .*variables.data-00000-of-00001 of 44,242,072 bytes"):
        list(add(weights, [wheel, tmp_path / "variables.data"]))


def test_runs_of_equal_chords_are_told_once_each_unless_something_lies_between(here) -> None:
    found = here.segments([0] * 9 + [24] * 3 + [0] * 9, 2.15)
    assert [len(list(group)) for _, group in groupby(chord for *_, chord in found)] == [2]
