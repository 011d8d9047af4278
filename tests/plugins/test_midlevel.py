"""The mid-level network: its sizes, what it learns, stops by and keeps; the published layouts; rendered targets."""

from __future__ import annotations

import csv
import importlib.util
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import mido
import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from mirstore.cli import app
from mirstore.core import Arrays, Examples, Training
from mirstore.core.artifacts.files import Artifact
from mirstore.core.checks import checks_for
from mirstore.core.errors import ConfigError, PluginError, StoreError, UnknownNameError
from mirstore.core.experiments.assembly import take, without_columns
from mirstore.core.experiments.fitted import Fitted
from mirstore.core.experiments.regression import pearson_r
from mirstore.core.experiments.scaling import Scaling
from mirstore.core.nets.batches import Matrices, Scale
from mirstore.core.nets.parts import set_aside
from mirstore.core.plugins import Plugins
from mirstore.core.recording import Audio
from mirstore.core.registry import Registry
from mirstore.core.resolve import build, resolve
from mirstore.core.tracks import Track
from mirstore.store import Store
from mirstore.store.models import find
from mirstore_groupings.names import midlevel, plain
from mirstore_midlevel import MidlevelNet
from mirstore_midlevel.net import vgg

root_of_project = Path(__file__).parents[2]
groups = {"all": ["mfcc.mfcc"]}
targets = ("melody", "articulation")
small = {"width": 0.0625, "epochs": 3, "batch": 8, "rate": 0.01}
osf = "melody articulation rhythm_complexity rhythm_stability dissonance tonal_stability minorness".split()
published = "Melody,Articulation,Rhythm Complexity,Rhythm Stability,Dissonance,Atonality,Mode".split(",")


def examples(n=48, seed=0, frames=24, artists=None):
    """Return tracks whose first target is the level of coefficient 2, the second that of 5, in units of their own."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=(n, 2))
    matrices = rng.normal(size=(n, 8, frames)).astype(np.float32) * 20 - 100
    matrices[:, 2] += 30 * truth[:, :1]
    matrices[:, 5] += 30 * truth[:, 1:]
    units = None if artists is None else np.array([f"artist {i % artists}" for i in range(n)], dtype=object)
    tensors = {"mfcc.mfcc": Arrays(list(matrices), hop=0.02)}
    labels = truth * [0.1, 5.0] + [0.5, 100.0]
    return Examples(without_columns(n), targets, labels, tensors, units=units, numeric=True)


@pytest.fixture(autouse=True)
def one_thread():
    """Have torch compute in one thread, as workers do: for small networks more of them only wait for each other."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def fitted(given, context=None, seed=0, **params):
    model = MidlevelNet(**(small | params))
    return model.fit(given, groups, seed, context)


@pytest.mark.parametrize("check", [pytest.param(c, id=c.__name__) for c in checks_for(MidlevelNet())])
def test_keeps_the_contract(check):
    check(MidlevelNet(width=0.03, epochs=2, batch=32))


@pytest.mark.parametrize(
    ("width", "last_kernel", "weights"),
    [(1.0, 1, 3_937_607), (1.0, 3, 4_986_183), (0.5, 1, 986_791), (0.25, 1, 247_895)],
)
def test_the_network_has_as_many_weights_as_published(width, last_kernel, weights):
    assert sum(array.numel() for array in vgg(7, width, last_kernel).parameters()) == weights


def test_forty_coefficients_of_15_s_become_a_map_of_5_by_80():
    import torch

    net = vgg(7, 0.03)
    before_the_mean = net[:-3](torch.zeros(2, 40, 646))
    assert before_the_mean.shape == (2, 8, 5, 80)
    assert net(torch.zeros(2, 40, 646)).shape == (2, 7)


@pytest.mark.parametrize(
    ("params", "told"),
    [
        ({"width": 0.0}, "width is above 0"),
        ({"rate": 0.0}, "rate is above 0"),
        ({"last_kernel": 2}, "last_kernel is 1 or 3"),
        ({"epochs": 0}, "epochs is 1 or more, batch 2"),
        ({"patience": -1}, "patience"),
        ({"set_aside": 1.0}, "set_aside"),
    ],
)
def test_parameters_out_of_range_are_refused(params, told):
    with pytest.raises(ConfigError, match=told):
        build(MidlevelNet, params, "models.x.params")


# Learning


def test_it_predicts_tracks_that_it_has_not_heard_in_the_units_of_the_targets():
    model, fresh = fitted(examples(96), epochs=12), examples(40, seed=1)
    found = model.predict(replace(fresh, labels=None))
    assert pearson_r(fresh.labels, found).min() > 0.8
    assert np.abs(found.mean(axis=0) - [0.5, 100.0]).max() < 2
    assert 60 < found[:, 1].min() < 97
    assert found[:, 0].max() < 1.2


def test_the_scale_and_level_of_a_coefficient_do_not_matter():
    given = examples().tensors["mfcc.mfcc"]
    factors = np.logspace(-2, 2, 8)[:, None]
    moved = Arrays([array * factors + 1000 * factors for array in given], hop=0.02)
    rows = np.arange(len(given))
    scaled = (Matrices([arrays], [(8, 24)], [Scale.of_rows(arrays, rows)]) for arrays in (given, moved))
    one, other = (matrices.read(rows)[0].numpy() for matrices in scaled)
    assert one.shape == (48, 8, 24)
    assert np.allclose(one, other, atol=1e-3)
    assert np.allclose(one.mean(axis=(0, 2)), 0, atol=1e-4)
    assert np.allclose(one.std(axis=(0, 2)), 1, atol=1e-4)


def test_a_coefficient_or_a_target_that_never_varies_does_no_harm():
    given = examples()
    silent = [np.vstack([array[:-1], np.full((1, 24), 3.0)]) for array in given.tensors["mfcc.mfcc"]]
    labels = given.labels.copy()
    labels[:, 1] = 7.0
    found = fitted(replace(given, labels=labels, tensors={"mfcc.mfcc": Arrays(silent)})).predict(
        replace(given, tensors={"mfcc.mfcc": Arrays(silent)})
    )
    assert np.isfinite(found).all()


def test_seeds_differ_and_nothing_else_draws():
    import torch

    given = examples()
    torch.manual_seed(1)
    first = fitted(given).predict(given)
    expected = torch.rand(1)
    torch.manual_seed(1)
    assert torch.rand(1) == expected  # what others draw is as if nothing had been fitted
    torch.manual_seed(2)
    assert np.array_equal(fitted(given).predict(given), first)
    assert not np.array_equal(fitted(given, seed=1).predict(given), first)


def test_a_prediction_does_not_depend_on_the_others_to_the_last_bit():
    given = examples()
    model = fitted(given)
    assert np.array_equal(model.predict(given)[:5], model.predict(take(given, np.arange(5))))


def test_a_track_is_predicted_as_in_an_experiment_or_not_at_all():
    given = examples(artists=10)
    model = fitted(given)
    fitted_one = Fitted(model, Scaling.fit(given.table), (), {"mfcc.mfcc": 0.02}, targets, False, True)
    rows = [pl.DataFrame({"mfcc": pl.Series([array], dtype=pl.Object)}) for array in given.tensors["mfcc.mfcc"]]
    found = [fitted_one.scores_of_track({"mfcc": frame}) for frame in rows]
    assert np.array_equal(found, model.predict(given))
    lacking = pl.DataFrame({"mfcc": pl.Series([None], dtype=pl.Object)})
    assert fitted_one.scores_of_track({"mfcc": lacking}) is None
    assert fitted_one.scores_of_track({"mfcc": rows[0][:0]}) is None
    several = pl.concat([rows[0].with_columns(start=pl.lit(0.0)), rows[1].with_columns(start=pl.lit(1.0))])
    assert fitted_one.scores_of_track({"mfcc": several}) == pytest.approx(np.mean(found[:2], axis=0))


# Stopping


def test_it_stops_when_patience_is_out_and_keeps_the_best_epoch(tmp_path):
    given, judge = examples(), examples(16, seed=9)
    rng = np.random.default_rng(0)
    unlearnable = replace(judge, labels=rng.permutation(given.labels)[:16])
    context = Training(tmp_path, unlearnable)
    model = fitted(given, context, epochs=40, patience=2)
    told = [values["validation_loss"] for values in context.curve().values()]
    best = int(np.argmin(told))
    assert len(told) == best + 4 < 40
    scaled = (model.predict(judge) - unlearnable.labels) / model.targets_.deviations
    assert (scaled**2).mean() == pytest.approx(told[best], rel=1e-4)


def test_it_stops_by_whole_artists():
    given = examples(artists=10)
    learned, held = set_aside(given, 0.15, seed=0)
    assert sorted([*learned, *held]) == list(range(48))
    assert len(set(given.units[held])) == 2
    assert not set(given.units[learned]) & set(given.units[held])
    assert list(set_aside(given, 0.15, seed=1)[1]) != list(held)


def test_one_artist_alone_is_not_torn_apart():
    given = examples(artists=1)
    assert [len(part) for part in set_aside(given, 0.15, seed=0)] == [48, 0]
    assert np.isfinite(fitted(given).predict(given)).all()


def test_a_published_validation_part_is_stopped_by_and_all_else_learned_from(tmp_path):
    given = examples(artists=10)
    model = fitted(given, Training(tmp_path, examples(8, seed=5)))
    level = np.concatenate([array[2] for array in given.tensors["mfcc.mfcc"]])
    assert model.scales_[0].means[2] == pytest.approx(level.mean(), rel=1e-6)


class _Killed(Training):
    def report(self, epoch, **values):
        super().report(epoch, **values)
        if epoch == 3:
            raise KeyboardInterrupt


def test_a_fit_that_was_interrupted_ends_as_one_that_was_not(tmp_path):
    given = examples(artists=10)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    whole.mkdir(), parts.mkdir()
    expected = fitted(given, Training(whole), epochs=7).predict(given)
    with pytest.raises(KeyboardInterrupt):
        fitted(given, _Killed(parts), epochs=7)
    assert np.array_equal(fitted(given, Training(parts), epochs=7).predict(given), expected)
    assert Training(parts).curve() == Training(whole).curve()


@pytest.mark.slow
def test_a_fit_that_was_killed_goes_on(tmp_path):
    script = f"""
        import os, sys
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        import test_midlevel as test
        class Killed(test.Training):
            def report(self, epoch, **values):
                super().report(epoch, **values)
                if epoch == 3:
                    os.kill(os.getpid(), 9)
        test.fitted(test.examples(), Killed(test.Path({str(tmp_path)!r})), epochs=6)
    """
    environment = os.environ | {"PYTHONPATH": str(root_of_project / "tests"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], env=environment)
    assert done.returncode == -signal.SIGKILL
    assert len(Training(tmp_path).curve()) == 4
    given = examples()
    fitted(given, Training(tmp_path), epochs=6)
    assert list(Training(tmp_path).curve()) == list(range(6))


# Wrong input


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_targets_that_are_no_numbers_are_refused(value):
    given = examples()
    given.labels[3, 1] = value
    with pytest.raises(ValueError, match="some targets are no finite numbers"):
        fitted(given)


def test_matrices_that_do_not_fit_are_refused():
    given = examples()
    with pytest.raises(
        ValueError, match=r"reads one tensor, MFCC by frames \(any rows by any frames\), and is given none"
    ):
        MidlevelNet(**small).fit(given, {"x": ["a.b"]}, 0)
    with pytest.raises(ValueError, match=r"8 coefficients and frames or more, and is given \(8, 5\)"):
        fitted(examples(frames=5))
    model = fitted(given)
    with pytest.raises(ValueError, match=r"shape \(8, 30\), and the network is for \(8, 24\)"):
        model.predict(examples(4, frames=30))
    broken = [array.copy() for array in given.tensors["mfcc.mfcc"]]
    broken[40][0, 0] = np.nan
    with pytest.raises(ValueError, match="no finite number"):
        fitted(replace(given, tensors={"mfcc.mfcc": Arrays(broken)}))


def test_a_rate_that_makes_it_diverge_is_told():
    with pytest.raises(ValueError, match=r"the loss is nan in epoch .*try a smaller rate"):
        fitted(examples(), rate=1e30)


def test_weights_of_another_network_are_refused(tmp_path):
    fitted(examples()).save(tmp_path)
    with pytest.raises(ValueError, match="not those of a network midlevel-net with these parameters"):
        MidlevelNet(width=0.125).load(tmp_path)


# What goes in


@pytest.fixture(scope="module")
def mfcc40():
    return resolve(["mfcc40-15s"], Registry.load(), Plugins.installed())["mfcc40-15s"].extractor


def heard(extractor, path):
    return extractor.extract(Track("0" * 64, path))["mfcc"]


def test_40_mfcc_of_the_first_15_s_are_as_librosa_makes_them(mfcc40, make_wav, tmp_path):
    import librosa

    samples = 0.1 * np.random.default_rng(0).normal(size=20 * 22050)
    samples[15 * 22050 :] = 0.5  # not heard
    path = make_wav(tmp_path / "noise.wav", samples)
    found = heard(mfcc40, path)
    assert found.shape == (40, 646)
    expected = librosa.feature.mfcc(y=Track("0" * 64, path).audio(22050)[: 15 * 22050], sr=22050, n_mfcc=40)
    assert np.allclose(found, expected, atol=1e-3)


def test_a_short_clip_is_repeated(mfcc40, make_wav, tmp_path):
    clip = 0.1 * np.random.default_rng(0).normal(size=2205)
    short, long = (make_wav(tmp_path / f"{n}.wav", np.tile(clip, n)) for n in (1, 150))
    assert np.allclose(heard(mfcc40, short), heard(mfcc40, long), atol=1e-3)


def test_of_20_minutes_only_the_first_15_s_count(mfcc40):
    minute = 0.1 * np.random.default_rng(0).normal(size=(1, 60 * 8000)).astype(np.float32)
    long, start = (Audio(samples, 8000, "pcm", "none", ("M",)) for samples in (np.tile(minute, 20), minute))
    found, expected = (mfcc40.extract(Track("0" * 64, Path("x.wav"), recording=one))["mfcc"] for one in (long, start))
    assert np.allclose(found, expected, atol=1e-3)


# From ratings to features


@pytest.fixture
def command(tmp_path, monkeypatch):
    """Run mirstore in an empty folder, with a network that is quickly trained."""
    monkeypatch.chdir(tmp_path)
    values = ", ".join(f"{name} = {value}" for name, value in small.items())
    text = f'schema = 1\n[models.midlevel-net]\nmodel = "midlevel-net@1"\nparams = {{ {values} }}\n'
    (tmp_path / "registry.toml").write_text(text)

    def run(*arguments, code=0):
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        assert result.exit_code == code, result.output + result.stderr + repr(result.exception)
        return result

    return run


def make_clips(folder, make_wav, names):
    """Write clips of 1 s, and return their ratings from 1 to 10."""
    rng = np.random.default_rng(440)
    t = np.arange(8000) / 8000
    for number, name in enumerate(names):
        make_wav(
            folder / f"{name}.wav",
            0.2 * np.sin(2 * np.pi * (200 + 90 * number) * t) + 0.01 * rng.normal(size=8000),
            8000,
        )
    return rng.uniform(1, 10, (len(names), 7)).round(2)


def write_osf(folder, ratings, names):
    """Write the layout of osf.io/5aupt: stray spaces in one header, semicolons in the other table."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [", ".join(["song_id", *osf])]
    lines += [",".join([name, *map(str, row)]) for name, row in zip([*names, "999"], [*ratings, [5] * 7], strict=True)]
    (folder / "annotations.csv").write_text("\n".join(lines) + "\n")
    lines = ["song id;Artist;Song title;Source"]
    lines += [f'{name};Artist {i % 5};"Song; {i}";jamendo' for i, name in enumerate(names)]
    (folder / "metadata.csv").write_text("\n".join(lines) + "\n")


@pytest.mark.slow
def test_the_published_layout_is_learned_from_and_heard_in_other_music(command, make_wav, tmp_path):
    names = [str(number) for number in (1, 2, 7, 10, 12, 21, 27, 100, 101, 102)]
    ratings = make_clips(tmp_path / "audio", make_wav, names)
    write_osf(tmp_path / "metadata_annotations", ratings, names)
    missing = command("ingest", "audio", "--features", "midlevel", code=4).stderr
    assert "unknown kept model 'midlevel'" in missing
    assert "mirstore train midlevel, or mirstore models add FILE --name midlevel" in missing

    told = command(
        *"ingest audio --dataset midlevel --features mfcc40-15s --no-tags".split(),
        *"--labels metadata_annotations/annotations.csv --targets midlevel=melody..minorness/10".split(),
    ).stderr
    assert "1 of 11 rows named none of the 10 files: 999" in told
    told = command(*"ingest audio --dataset midlevel --labels metadata_annotations/metadata.csv --no-tags".split())
    assert "separated by semicolons" in told.stderr
    command("train", "midlevel")
    with Store(tmp_path / "store") as store:
        labels = store.sql("FROM labels WHERE label = 'melody'")["value"].sort().to_list()
        assert labels == pytest.approx(sorted(ratings[:, 0] / 10))
        assert store.sql("SELECT count(DISTINCT artist) FROM tracks").item() == 5
        card = find(store, "midlevel").card
        assert (card.data.tracks, card.learned.component, card.learned.numeric) == (10, "midlevel-net@1", True)
        folder = find(store, "midlevel").folder

    make_clips(tmp_path / "other", make_wav, ["x", "y"])
    (tmp_path / "other" / "silence.wav").write_bytes(make_wav(tmp_path / "zero.wav", np.zeros(8000), 8000).read_bytes())
    result = command("ingest", "other", "--features", "midlevel", "--json", code=3)
    assert json.loads(result.stdout)["features"]["midlevel"]["ok"] == 2
    with Store(tmp_path / "store") as store:
        (why,) = store.sql("SELECT error FROM failures WHERE feature = 'midlevel'")["error"].to_list()
        assert why in ("silent", "input")
        found = store.features("midlevel")
        assert {plain(f"midlevel.{column}") for column in osf} == midlevel
        assert set(osf) <= set(found.columns)
        assert found.select(osf).to_numpy().min() > 0
        assert found.select(osf).to_numpy().max() < 1.2
    refuse_what_was_altered(folder, tmp_path)


def refuse_what_was_altered(folder, elsewhere):
    """Of a kept model: one byte less, a pickle in the place of arrays, a pickle beside them."""

    def truncated(copy):
        file = next(copy.rglob("state.safetensors"))
        file.write_bytes(file.read_bytes()[:-1])

    def pickled(copy):
        next(copy.rglob("state.safetensors")).write_bytes(pickle.dumps(os.system))

    def added(copy):
        (copy / "weights.pt").write_bytes(pickle.dumps(os.system))

    for change in (truncated, pickled, added):
        copy = elsewhere / change.__name__
        shutil.copytree(folder, copy)
        change(copy)
        with pytest.raises((PluginError, StoreError)):
            Artifact.read(copy)


@pytest.mark.slow
def test_a_published_table_of_predictions_teaches_in_two_commands(command, make_wav, tmp_path):
    names = [f"8000{number:02}" for number in range(10)]
    values = make_clips(tmp_path / "audio", make_wav, names) / 10
    with (tmp_path / "teacher.csv").open("w", newline="") as text:
        writer = csv.writer(text)
        writer.writerow(["Track", "Danceability", *published, "blues"])
        writer.writerows([name, 1.5, *row, 1] for name, row in zip(names, values.tolist(), strict=True))
    columns = "midlevel=Melody..Mode"
    command(*"ingest audio --dataset midlevel --features mfcc40-15s --labels teacher.csv --targets".split(), columns)
    command("train", "midlevel")
    command("ingest", "audio", "--features", "midlevel")
    with Store(tmp_path / "store") as store:
        (row, *_) = store.features("midlevel").select(pl.exclude("track")).iter_rows(named=True)
    assert {plain(f"midlevel.{column}") for column in row} == midlevel


def test_a_divisor_that_is_none_is_taken_for_a_column(command, make_wav, tmp_path):
    make_clips(tmp_path / "audio", make_wav, ["1", "2"])
    (tmp_path / "ratings.csv").write_text("id,melody,mode\n1,5,2.5\n2,10,7.5\n")
    asked = "ingest audio --no-tags --labels ratings.csv --targets".split()
    assert "unknown column 'mode/0'" in command(*asked, "midlevel=melody,mode/0", code=2).stderr
    assert "unknown column 'mode/ten'" in command(*asked, "midlevel=melody,mode/ten", code=2).stderr
    command(*asked, "midlevel=melody,mode/2.5", "--targets", "raw=mode")
    with Store(tmp_path / "store") as store:
        rows = store.sql("SELECT label_set, label, value FROM labels ORDER BY ALL").rows()
    divided = [("midlevel", "melody", 2), ("midlevel", "melody", 4), ("midlevel", "mode", 1), ("midlevel", "mode", 3)]
    assert rows == [*divided, ("raw", "mode", 2.5), ("raw", "mode", 7.5)]


@pytest.mark.parametrize("names", [osf, published])
def test_every_midlevel_name_of_samat_is_one_of_a_table(names):
    from mirstore_models.names import column_names

    columns = column_names(names).values()
    assert [plain(f"midlevel.{column}") for column in columns] == [
        *("melody", "articulation", "rhythm-complexity", "rhythm-stability", "dissonance", "atonality", "mode")
    ]
    assert set(map(plain, (f"midlevel.{column}" for column in columns))) == midlevel


def test_a_model_that_nobody_trains_is_asked_for_by_its_name():
    registry = Registry.model_validate(
        {"schema": 1, "features": {"x": {"extractor": "model@1", "params": {"artifact": "mine"}}}}
    )

    def kept(name):
        raise UnknownNameError("kept model", name, ["mind"])

    with pytest.raises(ConfigError, match=r"features\.x\.params\.artifact: unknown kept model 'mine'.*'mind'"):
        resolve(["x"], registry, Plugins.installed(), kept=kept)


# Targets from notes and chords


@pytest.fixture(scope="module")
def rendered():
    spec = importlib.util.spec_from_file_location("rendered", root_of_project / "examples" / "midlevel_targets.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["rendered"] = module  # its dataclasses ask for it
    spec.loader.exec_module(module)
    yield module
    del sys.modules["rendered"]


def note(module, start, length=0.5, pitch=60, part=1, drum=False):
    return module.Note(start, length, pitch, part, drum)


def line(module, *pitches, length=0.5):
    return [note(module, float(i), length, pitch) for i, pitch in enumerate(pitches)]


def chord(module, quality, root=0, length=1.0):
    return module.Chord(length, root, quality)


def test_melody_is_the_share_of_small_moves_of_the_highest_voice(rendered):
    assert rendered.melody(line(rendered, 60, 62, 64, 65)) == 1
    assert rendered.melody(line(rendered, 60, 72, 60, 72)) == 0
    assert rendered.melody(line(rendered, 60, 64, 76)) == 0.5
    below = [note(rendered, float(i), 0.5, 40 + 9 * (i % 2)) for i in range(4)]
    assert rendered.melody([*line(rendered, 60, 62, 64, 65), *below]) == 1
    assert rendered.melody([note(rendered, 0.0, drum=True)]) == 0


def test_articulation_is_the_share_of_silence_between_notes(rendered):
    assert rendered.articulation(line(rendered, 60, 62, 64, length=1.0)) == 0
    assert rendered.articulation(line(rendered, 60, 62, 64, length=0.25)) == 0.75
    assert rendered.articulation(line(rendered, 60, 62, 64, length=3.0)) == 0


def test_complexity_grows_away_from_the_beat(rendered):
    on, half, quarter = ([note(rendered, i + shift) for i in range(4)] for shift in (0.01, 0.5, 0.25))
    assert rendered.rhythm_complexity(on) == 0
    assert rendered.rhythm_complexity(half) == 0.5
    assert rendered.rhythm_complexity([*on, *quarter]) == 0.5


def test_stability_is_the_likeness_of_a_bar_to_the_one_before(rendered):
    same = [note(rendered, float(beat)) for beat in range(16)]
    assert rendered.rhythm_stability(same, 4) == 1
    other = [note(rendered, 4 * bar + (0.0 if bar % 2 else 0.5)) for bar in range(4)]
    assert rendered.rhythm_stability(other, 4) == 0
    half = [
        note(rendered, 4 * bar + beat) for bar in range(4) for beat in ((0.0, 1.0, 2.0) if bar % 2 else (0.0, 1.0, 3.0))
    ]
    assert rendered.rhythm_stability(half, 4) == 0.5


def test_dissonance_is_that_of_chords_over_time(rendered):
    values = [
        rendered.dissonance([chord(rendered, quality)]) for quality in ("maj", "min", "min7", "7", "maj7", "hdim7")
    ]
    assert values == pytest.approx([0, 0, 1 / 3, 1, 1, 1])
    assert rendered.dissonance([chord(rendered, "maj", length=3.0), chord(rendered, "7")]) == pytest.approx(0.25)


def test_stability_of_key_and_minorness_come_from_chords_and_mode(rendered):
    g = 7
    cadence = [chord(rendered, "maj"), chord(rendered, "7", g), chord(rendered, "min", 9), chord(rendered, "maj", 5)]
    assert rendered.tonal_stability(cadence, 0, "major") == 1
    assert rendered.tonal_stability([*cadence, *[chord(rendered, "maj", 6)] * 4], 0, "major") == 0.5
    assert rendered.tonal_stability([chord(rendered, "min"), chord(rendered, "7", g)], 0, "minor") == 1
    assert rendered.minorness(cadence, "major") == 0.125
    assert rendered.minorness([chord(rendered, "min")], "minor") == 1
    assert rendered.minorness([], "major") == 0


def write_rendered(folder, make_wav, n=10):
    """Write a folder in the layout of rendered MIDI: two tracks per groove, half of them in minor."""
    rng, t = np.random.default_rng(440), np.arange(8000) / 8000
    (folder / "midi").mkdir(parents=True)
    tracks, chords = [], []
    for i in range(n):
        name, mode = f"m{i:04}", "minor" if i % 2 else "major"
        make_wav(folder / "audio" / f"{name}_x.wav", 0.2 * np.sin(2 * np.pi * (200 + 50 * i) * t), 8000)
        midi = mido.MidiFile(ticks_per_beat=192)
        part = mido.MidiTrack()
        midi.tracks.append(part)
        for pitch in rng.integers(50, 70, 40):
            length = int(rng.integers(20, 190))
            part.append(mido.Message("note_on", note=int(pitch), velocity=80, time=0))
            part.append(mido.Message("note_off", note=int(pitch), time=length))
            part.append(mido.Message("note_on", note=int(pitch), velocity=0, time=192 - length))
        midi.save(folder / "midi" / f"{name}.mid")
        tracks.append([name, f"audio/{name}_x.wav", "style", f"Groove{i // 2}", "C", mode, 120, 4])
        third, seventh = ("min", "min7") if i % 2 else ("maj", "7")
        chords += [
            [name, 0, 5 + i / 3, f"C:{third}"],
            [name, 5 + i / 3, 12, f"G:{seventh}"],
            [name, 12, 20, f"F#:{third}"],
        ]
    head = "track_id file style groove tonic mode bpm beats_per_bar".split()
    for file, rows in (
        ("tracks.csv", [head, *tracks]),
        ("chords.csv", [["track_id", "start_s", "end_s", "chord"], *chords]),
    ):
        with (folder / file).open("w", newline="") as text:
            csv.writer(text).writerows(rows)
    return folder


def test_notes_are_read_with_their_lengths_in_beats(rendered, make_wav, tmp_path):
    folder = write_rendered(tmp_path / "music", make_wav, n=1)
    notes = rendered.read_notes(folder / "midi" / "m0000.mid", beats=30)
    assert [one.start for one in notes] == list(range(30))
    assert all(20 / 192 <= one.length < 190 / 192 and not one.drum for one in notes)


def test_numbers_from_notes_lie_between_0_and_1(rendered, make_wav, tmp_path):
    rows = list(rendered.targets(write_rendered(tmp_path / "music", make_wav)))
    assert [row["artist"] for row in rows] == [f"Groove{i // 2}" for i in range(10)]
    values = np.array([[row[name] for name in osf] for row in rows])
    assert values.min() >= 0
    assert values.max() <= 1
    assert [row["minorness"] for row in rows] == [i % 2 for i in range(10)]
    assert rows[0]["tonal_stability"] == pytest.approx(12 / 15)


def test_the_rendered_corpus_varies_in_all_seven(rendered, shared):
    rows = list(rendered.targets(shared / "data" / "rendered"))
    values = pl.DataFrame(rows).select(osf)
    assert values.height == 240
    assert values.min().to_numpy().min() >= 0
    assert values.max().to_numpy().max() <= 1
    assert min(values.std().row(0)) > 0.1
    strongest = values.corr().to_numpy() - np.eye(7)
    assert np.abs(strongest).max() < 0.7  # none is another one by another name


@pytest.mark.slow
def test_one_command_makes_the_rendered_model(command, make_wav, tmp_path):
    write_rendered(tmp_path / "music", make_wav)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    script = ["sh", root_of_project / "examples" / "midlevel-rendered.sh", tmp_path / "music"]
    done = subprocess.run(script, env=os.environ | {"PATH": path}, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    with Store(tmp_path / "midlevel-rendered" / "store") as store:
        model = find(store, "midlevel-rendered")
        assert model.bytes < 2_000_000
        assert "pearson_r" in model.card.scores
        assert model.card.experiment == "midlevel-rendered"
        tested = store.sql("SELECT model, count(*) AS n FROM runs GROUP BY ALL ORDER BY model").rows()
    assert tested == [("mean-value", 1), ("midlevel-net", 1), ("ridge", 1)]
    command("--store", "midlevel-rendered/store", "ingest", "music/audio", "--features", "midlevel-rendered")
