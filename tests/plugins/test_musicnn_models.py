"""MusiCNN and VGG as models: what they hear, learn and keep, from scratch and by transfer, whole and in part."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from fetched import needs

from mirstore.core import Arrays, Examples, MirstoreError, Model, Training
from mirstore.core.checks import checks_for
from mirstore.core.errors import ConfigError, WeightsError
from mirstore.core.experiment_entries import ChunkEntry
from mirstore.core.experiments.assembly import without_columns
from mirstore.core.experiments.fitted import Fitted
from mirstore.core.experiments.scaling import Scaling
from mirstore.core.plugins import Plugins
from mirstore.core.registry import Registry
from mirstore.core.resolve import build

pytest.importorskip("torch", reason="the extra 'musicnn' is not installed")

import torch

from mirstore_musicnn import MusicnnModel, VggModel
from mirstore_musicnn.weights import musicnn_msd, musicnn_mtt, vgg_msd

groups = {"all": ["mel-musicnn.mel"]}
narrow = {MusicnnModel: {"width": 0.005}, VggModel: {"width": 0.03}}
root = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def one_thread():
    """As in a worker."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def examples(n=8, frames=187, classes=2, seed=0) -> Examples:
    """Return patches of noise; each class is loud in bands of its own."""
    rng = np.random.default_rng(seed)
    of = np.arange(n) % classes
    mel = rng.random((n, 96, frames))
    for number, patch in enumerate(mel):
        patch[of[number] * (96 // classes) :][: 96 // classes] += 2
    tensors = {"mel-musicnn.mel": Arrays(list(mel.astype(np.float16)), hop=0.016)}
    names = tuple(f"class {i}" for i in range(classes))
    return Examples(without_columns(n), names, np.eye(classes)[of], tensors, exclusive=True)


def fitted(kind, given, context=None, seed=0, **params):
    params = {"epochs": 2, "batch": 4} | ({} if "weights" in params else narrow[kind]) | params
    return kind(**params).fit(given, groups, seed, context)


def layers(net) -> dict[str, np.ndarray]:
    return {name: value.numpy().copy() for name, value in net.state_dict().items() if value.ndim}


@pytest.mark.parametrize("check", [pytest.param(c, id=c.__name__) for c in checks_for(MusicnnModel())])
@pytest.mark.parametrize("kind", [MusicnnModel, VggModel])
def test_keeps_the_contract(kind, check):
    check(kind(epochs=1, batch=32, **narrow[kind]))


@pytest.mark.parametrize(
    ("model", "weights"),
    [
        (MusicnnModel(), [(50, 787_159), (10, 779_119), (2, 777_511)]),
        (VggModel(), [(50, 605_748), (10, 595_468), (2, 593_412)]),
        (MusicnnModel(width=0.25), [(10, 80_658)]),
        (VggModel(width=0.25), [(10, 38_284)]),
    ],
    ids=["musicnn", "vgg", "narrow musicnn", "narrow vgg"],
)
def test_a_network_has_as_many_weights_as_its_width_and_classes_say(model, weights):
    for classes, number in weights:
        assert sum(array.numel() for array in model.untrained([(96, 187)], classes).parameters()) == number


# Parameters


@pytest.mark.parametrize(
    ("kind", "params", "told"),
    [
        (MusicnnModel, {"width": 0.0}, "width is above 0"),
        (MusicnnModel, {"weights": "msd", "width": 0.5}, "weights are those of width 1"),
        (MusicnnModel, {"freeze": "trunk"}, "a trunk that does not learn needs weights"),
        (MusicnnModel, {"weights": "mtg"}, "weights: input should be 'msd' or 'mtt'"),
        (VggModel, {"freeze": "head"}, "freeze: input should be 'none' or 'trunk'"),
        (VggModel, {"weights": "msd", "pools": "mtt"}, "weights 'msd' were learned with other pools than 'mtt'"),
        (VggModel, {"pools": "avg"}, "pools: input should be 'msd' or 'mtt'"),
    ],
)
def test_parameters_that_contradict_each_other_are_refused(kind, params, told):
    with pytest.raises(ConfigError, match=told):
        build(kind, params, "models.x.params")


def test_pools_are_those_of_the_weights_and_from_scratch_those_of_the_paper():
    nets = [VggModel(**params).untrained([], 2) for params in ({"weights": "msd"}, {"pools": "msd"}, {})]
    assert torch.equal(nets[0].pools, nets[1].pools)
    assert not torch.equal(nets[0].pools, nets[2].pools)
    assert torch.equal(nets[2].pools, VggModel(weights="mtt").untrained([], 2).pools)


def test_the_names_of_the_registry_are_the_profiles_of_the_paper():
    entries, kinds = Registry.load().models, Plugins.installed()
    for net in ("musicnn", "vgg"):
        made = {
            name.removeprefix(net): build(kinds.get(Model, net), entry.params, name)
            for name, entry in entries.items()
            if entry.model == f"{net}@1"
        }
        assert made[""].patience == 15
        assert all(model.patience is None for suffix, model in made.items() if suffix)
        assert {
            suffix: model.epochs for suffix, model in made.items() if "mae" in suffix and "narrow" not in suffix
        } == {
            **{"-ldl-mae": 600, "-msd-mae": 150, "-frozen-mae": 150},
        }
        assert all((model.error == "absolute") == suffix.endswith("-mae") for suffix, model in made.items())
        assert {model.freeze for suffix, model in made.items() if "frozen" in suffix} == {"trunk"}


# What they hear


def test_what_is_not_cut_is_refused_and_it_says_how_to_cut():
    with pytest.raises(ValueError, match=r"chunk = { seconds = 2.992 } \(96 rows by 187 frames\), and is given mel"):
        fitted(VggModel, examples(frames=300))


def test_that_cut_is_a_whole_patch():
    from mirstore.core.experiments.chunks import cut

    tensors = {"mel-musicnn.mel": Arrays([np.zeros((96, 1876)), np.zeros((96, 186))], hop=0.016)}
    chunks = cut(tensors, ChunkEntry(seconds=2.992))
    assert chunks.rows.tolist() == [0] * 10
    assert {chunk.shape for chunk in chunks.tensors["mel-musicnn.mel"]} == {(96, 187)}


def test_a_clip_that_is_shorter_than_a_patch_is_not_predicted():
    given = examples()
    hops, chunk = {"mel-musicnn.mel": 0.016}, ChunkEntry(seconds=2.992)
    model = Fitted(fitted(VggModel, given), Scaling.fit(given.table), (), hops, given.classes, True, False, chunk)
    for frames, predicted in ((186, False), (187, True), (500, True)):
        row = {"mel-musicnn": pl.DataFrame({"mel": pl.Series([np.ones((96, frames), np.float16)], dtype=pl.Object)})}
        assert (model.scores_of_track(row) is not None) == predicted


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("freeze", ["none", "trunk"])
def test_what_is_no_number_is_refused(value, freeze):
    given = examples(4)
    if freeze == "trunk":
        needs(vgg_msd)
    given.tensors["mel-musicnn.mel"].arrays[2][5, 100] = value
    with pytest.raises(ValueError, match="no finite number"):
        fitted(VggModel, given, **({"weights": "msd", "freeze": "trunk"} if freeze == "trunk" else {}))


# How they learn


def test_from_scratch_it_tells_classes_that_differ():
    model = fitted(VggModel, examples(48), epochs=8, batch=8, rate=0.01, width=0.06)
    fresh = examples(20, seed=1)
    assert np.mean(model.predict_proba(fresh).argmax(axis=1) == fresh.labels.argmax(axis=1)) > 0.9


def test_of_one_class_all_is_that_class():
    given = examples(4, classes=1)
    assert np.array_equal(fitted(VggModel, given).predict_proba(given), np.ones((4, 1)))


@pytest.mark.parametrize(("kind", "weights"), [(MusicnnModel, musicnn_msd), (VggModel, vgg_msd)])
def test_a_trunk_that_does_not_learn_is_the_published_one_and_heard_once(kind, weights, monkeypatch):
    needs(weights)
    given, calls = examples(6), []
    net = type(kind(weights="msd").untrained([(96, 187)], 2))
    original = net.embedding
    monkeypatch.setattr(net, "embedding", lambda self, x: calls.append(self.training) or original(self, x))
    model = fitted(kind, given, weights="msd", freeze="trunk", epochs=20, rate=0.01)
    assert calls == [False] * 6
    published, ours = weights.load(), layers(model.net_)
    changed = {name for name in published if name not in ours or not np.array_equal(published[name], ours[name])}
    assert changed == {"head.weight", "head.bias"}
    assert np.mean(model.predict_proba(given).argmax(axis=1) == given.labels.argmax(axis=1)) == 1


def test_by_transfer_all_layers_learn_from_the_published_ones_on():
    needs(vgg_msd)
    model = fitted(VggModel, examples(4), weights="msd", epochs=1, rate=1e-5)
    published, ours = vgg_msd.load(), layers(model.net_)
    for name in ours.keys() - {"pools", "head.weight", "head.bias"}:
        assert not np.array_equal(ours[name], published[name]), name
        if ".running_" not in name and not name.startswith("input"):
            assert np.abs(ours[name] - published[name]).max() < 1e-4, name


def test_a_trunk_with_a_patience_is_judged_by_what_is_set_aside(tmp_path):
    needs(vgg_msd)
    given = replace(examples(10), units=np.array([f"artist {i}" for i in range(10)], dtype=object))
    context = Training(tmp_path)
    fitted(VggModel, given, context, weights="msd", freeze="trunk", patience=2, set_aside=0.3, epochs=30, rate=0.5)
    curve = context.curve()
    assert all({"loss", "validation_loss"} == set(values) for values in curve.values())
    assert len(curve) < 30


def kill(folder: Path, kind, params: dict) -> None:
    """Fit in a process that is killed in its third epoch."""
    script = f"""
        import os
        import test_musicnn_models as test
        class Killed(test.Training):
            def report(self, epoch, **values):
                super().report(epoch, **values)
                if epoch == 2:
                    os.kill(os.getpid(), 9)
        test.torch.set_num_threads(1)
        test.fitted(test.{kind.__name__}, test.examples(), Killed(test.Path({str(folder)!r})), **{params!r})
    """
    path = os.pathsep.join([str(root / "tests"), str(Path(__file__).parent)])
    environment = os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], env=environment)
    assert done.returncode == -signal.SIGKILL


@pytest.mark.slow
@pytest.mark.parametrize("params", [{}, {"weights": "msd", "freeze": "trunk"}], ids=["whole", "frozen"])
def test_a_fit_that_was_killed_ends_as_one_that_was_not(tmp_path, params):
    if params:
        needs(musicnn_msd)
    params |= {"epochs": 4}
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    whole.mkdir(), parts.mkdir()
    kill(parts, MusicnnModel, params)
    assert len(Training(parts).curve()) == 3
    given = examples()
    resumed = fitted(MusicnnModel, given, Training(parts), **params).predict_proba(given)
    assert np.array_equal(resumed, fitted(MusicnnModel, given, Training(whole), **params).predict_proba(given))
    assert Training(parts).curve() == Training(whole).curve()


@pytest.mark.slow
def test_too_little_memory_is_told_with_what_needs_less():
    script = """
        import resource
        import test_musicnn_models as test
        test.torch.set_num_threads(1)
        with open("/proc/self/statm") as file:
            now = int(file.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (now + (300 << 20),) * 2)
        test.fitted(test.VggModel, test.examples(64), width=1.0, batch=64)
    """
    path = os.pathsep.join([str(root / "tests"), str(Path(__file__).parent)])
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert "MirstoreError: the machine has too little memory for batches of 64 (batch = 32" in done.stderr


# Weights and what is kept


def test_weights_that_are_not_there_name_the_command_that_fetches_them(tmp_path, monkeypatch):
    monkeypatch.setenv("MIRSTORE_CACHE", str(tmp_path))
    with pytest.raises(WeightsError, match="mirstore weights fetch musicnn-mtt"):
        fitted(MusicnnModel, examples(2), weights="mtt")
    assert MusicnnModel(weights="mtt").uses() == (musicnn_mtt,)
    assert MusicnnModel().uses() == ()


def test_what_was_learned_by_transfer_is_kept_whole_and_needs_no_weights_any_more(tmp_path, monkeypatch):
    needs(vgg_msd)
    given, params = examples(4), {"weights": "msd", "freeze": "trunk"}
    model = fitted(VggModel, given, **params)
    model.save(tmp_path)
    monkeypatch.setenv("MIRSTORE_CACHE", str(tmp_path / "empty"))
    again = VggModel(**params).load(tmp_path)
    assert np.array_equal(again.predict_proba(given), model.predict_proba(given))


def test_what_another_network_learned_is_refused(tmp_path):
    fitted(VggModel, examples(), pools="mtt").save(tmp_path)
    with pytest.raises(ValueError, match="other pools: they fit and say wrong"):
        VggModel(pools="msd", **narrow[VggModel]).load(tmp_path)
    with pytest.raises(ValueError, match="not those of a network vgg with these parameters"):
        VggModel(width=0.06).load(tmp_path)
    with pytest.raises(ValueError, match="not those of a network musicnn with these parameters"):
        MusicnnModel(**narrow[MusicnnModel]).load(tmp_path)


def test_weights_of_the_other_network_are_not_begun_with(monkeypatch):
    needs(vgg_msd)
    monkeypatch.setattr(MusicnnModel, "sets", {"msd": vgg_msd})
    with pytest.raises(MirstoreError, match="weights 'vgg-msd' are not those of this MusiCNN"):
        fitted(MusicnnModel, examples(2), weights="msd")
