"""Networks of short chunks: their sizes, what they read, the released code's way, and what they learn."""

from __future__ import annotations

import os
import pickle
import runpy
import sys
import types
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="the extra 'shortchunk' is not installed")

import torch

from mirstore.core import Arrays, Examples
from mirstore.core.checks import checks_for
from mirstore.core.errors import ConfigError
from mirstore.core.experiments.assembly import without_columns
from mirstore.core.resolve import build
from mirstore_shortchunk import ShortChunkEarly, ShortChunkLate, ShortChunkResNet, TempogramOnly
from mirstore_shortchunk.fusion import OfBoth, OfMel, OfTempo
from mirstore_shortchunk.released import _magic, classes, late, read_released
from mirstore_shortchunk.tempo import Released, Tempo, at_fifty
from mirstore_shortchunk.trunk import Trunk

rows = (384, 193)
small = {"channels": 2, "epochs": 1, "batch": 32}


@pytest.fixture(autouse=True)
def one_thread():
    """Have torch compute in one thread, as workers do."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def weights(net) -> int:
    return sum(array.numel() for array in net.parameters())


def chunks(n=2, frames=50, seed=0):
    """Return a mel-spectrogram and both tempograms of n chunks."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(n, count, at, generator=generator) for count, at in ((128, 200), (384, frames), (193, frames))]


# Sizes


@pytest.mark.parametrize(
    ("net", "expected"),
    [
        (lambda: Trunk(), 11_814_912),
        (lambda: OfMel(30), 12_093_982),
        (lambda: OfMel(30, channels=32), 762_526),
        (lambda: OfMel(3, channels=16), 191_107),
        (lambda: OfBoth(30, Tempo(rows)), 12_201_148),
        (lambda: OfBoth(30, Tempo(rows, early=True)), 12_201_148),
        (lambda: OfBoth(30, Tempo(rows, shared=False)), 12_241_748),
        # Of the published 12,330,896 and 12,331,055, layers without an effect are left out: four convolutions of 40,200
        # weights and a normalisation of 100 in both, and a recurrent layer of 159 in the other.
        (lambda: OfBoth(30, Released(rows)), 12_330_896 - 40_300),
        (lambda: OfBoth(30, Released(rows, early=True)), 12_331_055 - 40_300 - 159),
        (lambda: OfTempo(30, 384), 101_564),
        (lambda: OfTempo(30, 193), 79_548),
        (lambda: OfTempo(3, 193, 64), 43_745),
    ],
)
def test_networks_have_as_many_weights_as_published(net, expected):
    assert weights(net()) == expected


@pytest.mark.parametrize(("rows", "early", "length"), [((384, 193), False, 783), ((384, 193), True, 786)])
def test_the_lines_of_tempograms_are_as_long_as_published(rows, early, length):
    net = Tempo(rows, early=early)
    given = [tempogram for tempogram in chunks()[1:]]
    lines = []
    net.squeezed.register_forward_pre_hook(lambda _, arrays: lines.append(arrays[0].shape))
    assert net(*given).shape == (2, 130)
    assert lines == [(2, 1, length)]


def test_seven_blocks_leave_one_band_and_two_frames_of_200():
    net = Trunk(channels=2).eval()
    maps = torch.nn.Sequential(*net)(chunks()[0][:, None])
    assert maps.shape == (2, 8, 1, 2)
    assert torch.equal(net(chunks()[0]), maps.amax(3)[:, :, 0])


# The released code


def as_released(tempograms, net, early):
    """Return what the released code makes of tempograms, step by step as it does it."""
    lines = [each.reshape(each.shape[0], each.shape[2], each.shape[1]) for each in tempograms]
    if early:
        lines = [torch.cat(lines, dim=2)]
    four = [torch.cat((torch.relu(x), torch.relu(x), torch.relu(x), torch.relu(x)), dim=2) for x in lines]
    w = torch.cat(four, dim=2)
    assert w.shape[1:] == (50, 2308)
    w = torch.nn.functional.avg_pool1d(w.reshape(w.shape[0], w.shape[2], w.shape[1]), 50)
    w = w.reshape(w.shape[0], w.shape[2], w.shape[1])
    convolution, norm = net.squeezed[0], net.squeezed[1]
    w = torch.relu(norm(torch.nn.functional.conv1d(w, convolution.weight, convolution.bias, stride=2)))
    return torch.flatten(torch.nn.functional.max_pool1d(w, 3, stride=3), 1)


@pytest.mark.parametrize("early", [False, True])
def test_the_released_implementation_does_what_the_released_code_does(early):
    net, tempograms = Released(rows, early=early).eval(), chunks(3)[1:]
    found = net(*tempograms)
    assert found.shape == (3, 384)
    assert torch.allclose(found, as_released(tempograms, net, early), atol=1e-6)
    other = Released(rows, early=not early)
    other.load_state_dict(net.state_dict())
    assert not torch.allclose(net.train()(*tempograms), other(*tempograms), atol=1e-3)


# What reaches what comes out


def loss_of(net, given):
    torch.manual_seed(0)
    return torch.nn.functional.cross_entropy(net.train()(*given), torch.tensor([0, 1, 2, 0]))


@pytest.mark.parametrize(
    "tempo",
    [
        lambda: Tempo(rows),
        lambda: Tempo(rows, shared=False),
        lambda: Tempo(rows, early=True),
        lambda: Released(rows),
        lambda: Released(rows, early=True),
    ],
)
def test_every_input_and_every_weight_has_an_effect(tempo):
    torch.manual_seed(0)
    net, given = OfBoth(3, tempo(), channels=2), [each.requires_grad_() for each in chunks(4)]
    loss_of(net, given).backward()
    assert all(each.grad.abs().sum() > 0 for each in given)
    assert all(weights.grad is not None for weights in net.parameters())


def test_early_fusion_is_not_late_fusion():
    torch.manual_seed(0)
    late, early = Tempo(rows), Tempo(rows, early=True)
    early.load_state_dict(late.state_dict())
    given = chunks(3)[1:]
    assert late(*given).shape == early(*given).shape
    assert not torch.allclose(late(*given), early(*given), atol=1e-4)


def test_tempograms_of_200_frames_are_averaged_by_four():
    long = chunks(2, frames=200)[1]
    averaged = at_fifty(long)
    assert torch.allclose(averaged[:, :, 0], long[:, :, :4].mean(2))
    assert torch.allclose(averaged[:, :, 49], long[:, :, 196:].mean(2))
    assert torch.equal(at_fifty(averaged), averaged)


# Models

checks = [
    pytest.param(check, model, id=f"{model.name}-{check.__name__}")
    for model in (ShortChunkResNet(), ShortChunkLate(), ShortChunkEarly(implementation="released"), TempogramOnly())
    for check in checks_for(model)
]


@pytest.mark.parametrize(("check", "model"), checks)
def test_keeps_the_contract(check, model):
    check(replace(model, **small))


@pytest.mark.parametrize(("kind", "rows"), [("fourier", 193), ("autocorrelation", 384)])
def test_a_tempogram_alone_is_of_the_kind_that_is_asked_for(kind, rows):
    model = TempogramOnly(kind=kind, **small)
    given = examples(frames=50)
    there = {name: each for name, each in given.tensors.items() if each[0].shape == (rows, 50)}
    found = fitted(model, replace(given, tensors=there)).predict_proba(given)
    assert model.hears == {f"{'Fourier' if kind == 'fourier' else kind} tempogram": (rows, None)}
    assert found.shape == (12, 2)


def examples(n=12, frames=200, seed=0, **left_out):
    """Return chunks of two classes: tempograms of the second have a ridge, spectrograms are noise."""
    classes = np.arange(n) % 2
    rng = np.random.default_rng(seed)
    shapes = {"mel.mel": (128, 200), "a.tempogram": (384, frames), "f.tempogram": (193, frames)}
    arrays = {name: rng.normal(size=(n, *shape)).astype(np.float16) for name, shape in shapes.items()}
    for name in ("a.tempogram", "f.tempogram"):
        arrays[name][classes == 1, 20:60] += 3
    tensors = {name: Arrays(list(each), hop=0.0232) for name, each in arrays.items() if name not in left_out}
    return Examples(without_columns(n), ("slow", "fast"), np.eye(2)[classes], tensors, exclusive=True)


def fitted(model, given, seed=0):
    return model.fit(given, {"all": list(given.tensors)}, seed)


def test_late_fusion_hears_tempo_beside_noise():
    model = ShortChunkLate(channels=2, epochs=20, batch=8, rate=0.02)
    fresh = examples(frames=50, seed=1)
    found = fitted(model, examples(32, frames=50)).predict_proba(fresh)
    assert np.mean(found.argmax(axis=1) == fresh.labels.argmax(axis=1)) > 0.9


def test_the_same_seed_gives_the_same_network_and_another_seed_another():
    first, again, other = (fitted(ShortChunkEarly(**small), examples(frames=50), seed) for seed in (0, 0, 1))
    given = examples(4, frames=50, seed=1)
    assert np.array_equal(first.predict_proba(given), again.predict_proba(given))
    assert not np.array_equal(first.predict_proba(given), other.predict_proba(given))


def test_a_patience_sets_somebody_aside_and_none_does_not():
    given = examples(frames=50)
    given.units = np.arange(12).astype(str)
    everything = fitted(ShortChunkResNet(**small), replace(given, tensors={"mel.mel": given.tensors["mel.mel"]}))
    some = fitted(ShortChunkResNet(**small, patience=1), replace(given, tensors={"mel.mel": given.tensors["mel.mel"]}))
    assert not np.array_equal(everything.scales_[0].means, some.scales_[0].means)


@pytest.mark.slow
def test_tempo_is_heard_in_tempograms_where_nothing_else_tells_24_tracks_apart():
    librosa = pytest.importorskip("librosa")
    parts = {"train": 8, "test": 10}
    made, rng = {part: {"m": [], "a": [], "f": []} for part in parts}, np.random.default_rng(0)
    module = runpy.run_path(str(Path(__file__).parents[2] / "examples" / "tempo_tracks.py"))
    for part, count in parts.items():
        for bpm in module["tempi"] * count:
            power = librosa.feature.melspectrogram(y=module["track"](bpm + rng.uniform(-2, 2), rng), sr=22050)
            mel = librosa.power_to_db(power, ref=np.max)
            envelope = librosa.onset.onset_strength(S=librosa.power_to_db(power), sr=22050)
            fourier = np.abs(librosa.feature.fourier_tempogram(onset_envelope=envelope, sr=22050))
            of = {"m": mel, "a": librosa.feature.tempogram(onset_envelope=envelope, sr=22050), "f": fourier}
            for name, matrix in of.items():
                made[part][name] += [matrix[:, first : first + 200].astype(np.float16) for first in range(0, 800, 200)]
    classes = {part: np.repeat(np.tile(np.arange(3), count), 4) for part, count in parts.items()}

    def accuracy(model, names):
        given = {
            part: Examples(
                without_columns(12 * count),
                ("120", "140", "174"),
                np.eye(3)[classes[part]],
                {name: Arrays(made[part][name]) for name in names},
                exclusive=True,
            )
            for part, count in parts.items()
        }
        model = replace(model, channels=16, epochs=30, batch=32, rate=0.005)
        found = model.fit(given["train"], {"all": list(names)}, 0).predict_proba(given["test"])
        return np.mean(found.argmax(axis=1) == classes["test"])

    assert accuracy(ShortChunkLate(), "maf") - accuracy(ShortChunkResNet(), "m") > 0.2


# What cannot be


@pytest.mark.parametrize("frames", [44, 199, 1292])
@pytest.mark.parametrize("model", [ShortChunkLate(**small), ShortChunkEarly(**small)])
def test_chunks_of_another_length_are_refused(model, frames):
    with pytest.raises(ValueError, match=rf"50 frames.* is given 384 rows by {frames} frames: chunk = "):
        fitted(model, examples(frames=frames))


def test_a_tempogram_that_is_not_there_is_told():
    given = examples(**{"f.tempogram": None})
    with pytest.raises(
        ValueError, match=r"reads one tensor, Fourier tempogram \(193 rows by any frames\), and is given a"
    ):
        fitted(ShortChunkLate(**small), given)
    with pytest.raises(ValueError, match=r"reads one tensor, mel-spectrogram \(128 rows"):
        fitted(ShortChunkResNet(**small), replace(given, tensors={"a.tempogram": given.tensors["a.tempogram"]}))


@pytest.mark.parametrize(
    ("kind", "params", "told"),
    [
        (ShortChunkResNet, {"channels": 0}, "channels is 1 or more"),
        (ShortChunkResNet, {"dropout": 1.0}, "dropout"),
        (ShortChunkLate, {"implementation": "mine"}, "implementation"),
        (TempogramOnly, {"kind": "mel"}, "kind"),
    ],
)
def test_parameters_out_of_range_are_refused(kind, params, told):
    with pytest.raises(ConfigError, match=told):
        build(kind, params, "models.x.params")


# The released checkpoint


class Joint_ShortChunkCNN_Res(torch.nn.Module):  # noqa: N801 (called as the authors call it, like its layers)
    """Has the layers of the released network, by their names."""

    def __init__(self, n=4, outputs=30):
        super().__init__()
        self.name = "late"
        for number, (before, after) in enumerate(
            [(1, n), (n, n), (n, 2 * n), *[(2 * n, 2 * n)] * 3, (2 * n, 4 * n)], 1
        ):
            setattr(self, f"layer{number}", Res_2d(before, after))
        self.dense1 = torch.nn.Linear(4 * n + 384, 4 * n)
        self.bn = torch.nn.BatchNorm1d(4 * n)
        self.dense2 = torch.nn.Linear(4 * n, outputs)
        self.dropout, self.relu = torch.nn.Dropout(0.5), torch.nn.ReLU()
        for number, (width, step) in enumerate([(3, 2), (3, 3), (5, 3), (5, 5)], 1):
            setattr(self, f"conv1d_{number}", torch.nn.Conv1d(50, 50, width, step))
        self.conv1d_w = torch.nn.Conv1d(1, 1, 3, 2)
        self.bn_1, self.bn_w = torch.nn.BatchNorm1d(50), torch.nn.BatchNorm1d(1)
        self.avgpool, self.maxpool = torch.nn.AvgPool1d(50), torch.nn.MaxPool1d(3, stride=3)

    def forward(self, autocorrelation, fourier, mel):
        squeezed = types.SimpleNamespace(squeezed=[self.conv1d_w, self.bn_w])
        for number in range(1, 8):
            mel = getattr(self, f"layer{number}")(mel)
        both = torch.cat([mel.amax((2, 3)), as_released([autocorrelation, fourier], squeezed, early=False)], 1)
        return self.dense2(self.dropout(torch.relu(self.bn(self.dense1(both))))).softmax(1)


class Res_2d(torch.nn.Module):  # noqa: N801
    def __init__(self, before, after):
        super().__init__()
        self.conv_1, self.bn_1 = torch.nn.Conv2d(before, after, 3, 2, 1), torch.nn.BatchNorm2d(after)
        self.conv_2, self.bn_2 = torch.nn.Conv2d(after, after, 3, 1, 1), torch.nn.BatchNorm2d(after)
        self.diff = True
        self.conv_3, self.bn_3 = torch.nn.Conv2d(before, after, 3, 2, 1), torch.nn.BatchNorm2d(after)
        self.relu = torch.nn.ReLU()

    def forward(self, x):
        beside = self.bn_3(self.conv_3(x))
        return torch.relu(self.bn_2(self.conv_2(torch.relu(self.bn_1(self.conv_1(x))))) + beside)


class Backend:
    """What a layer had before torch 1.5."""

    def __reduce__(self):
        return sys.modules["torch.nn.backends.thnn"]._get_thnn_function_backend, ()


@pytest.fixture
def checkpoint(tmp_path, monkeypatch):
    """Return a function that pickles a module as the authors did, in modules that are called as theirs."""
    for kind, module in ((Joint_ShortChunkCNN_Res, "model"), (Res_2d, "modules")):
        there = types.ModuleType(module)
        setattr(there, kind.__name__, kind)
        monkeypatch.setitem(sys.modules, module, there)
        monkeypatch.setattr(kind, "__module__", module)

    def made():
        return None

    backend = types.ModuleType("torch.nn.backends.thnn")
    monkeypatch.setitem(sys.modules, backend.__name__, backend)
    made.__module__, made.__qualname__ = backend.__name__, "_get_thnn_function_backend"
    backend._get_thnn_function_backend = made

    def save(net, zipped):
        net._backend = None if zipped else Backend()
        torch.save(torch.nn.DataParallel(net), path := tmp_path / "net.pkl", _use_new_zipfile_serialization=zipped)
        return path

    return save


@pytest.mark.filterwarnings("ignore::UserWarning")  # torch keeps a class's source beside it, if it finds that
@pytest.mark.parametrize("zipped", [True, False])
def test_the_released_network_is_read_and_says_the_same(checkpoint, zipped):
    torch.manual_seed(0)
    net, (mel, autocorrelation, fourier) = Joint_ShortChunkCNN_Res(), chunks(4)
    net.train()(autocorrelation, fourier, mel[:, None])  # so that normalisations have means
    path = checkpoint(net, zipped)
    for module in ("model", "modules"):
        del sys.modules[module]
    read = read_released(path)
    assert sum(array.size for name, array in read.items() if "running" not in name) == weights(net) - 40_300
    expected = net.eval()(autocorrelation, fourier, mel[:, None])
    assert torch.allclose(late(read)(mel, autocorrelation, fourier).softmax(1), expected, atol=1e-6)
    assert expected.shape[1] == len(classes) == 30


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("spoilt", ["layer4", "conv1d_w"])
def test_another_network_is_noticed(checkpoint, zipped, spoilt):
    net = Joint_ShortChunkCNN_Res()
    delattr(net, spoilt)
    with pytest.raises(ValueError, match=rf"net.pkl: has no array 'module.{spoilt}.*another network's"):
        read_released(checkpoint(net, zipped))
    net = Joint_ShortChunkCNN_Res()
    net.layer8 = torch.nn.Linear(2, 2)
    with pytest.raises(ValueError, match=r"of another network: module.layer8.bias, module.layer8.weight"):
        read_released(checkpoint(net, zipped))


class Bad:
    """Makes a folder when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("zipped", [True, False, None])
def test_code_in_a_checkpoint_is_refused_and_not_run(checkpoint, zipped, tmp_path):
    net, proof = Joint_ShortChunkCNN_Res(), tmp_path / "proof"
    net.name = Bad(proof)
    if zipped is None:
        (path := tmp_path / "net.pkl").write_bytes(pickle.dumps(Bad(proof)))
    else:
        path = checkpoint(net, zipped)
    with pytest.raises(ValueError, match=r"net.pkl: it names \w+\.mkdir, .* it is not read"):
        read_released(path)
    assert not proof.exists()
    if zipped is not None:
        torch.load(path, weights_only=False)  # as the authors do
        assert proof.exists()


@pytest.mark.parametrize("content", [b"", b"no pickle", pickle.dumps({"a": 1}), pickle.dumps(_magic) + pickle.dumps(1)])
def test_what_is_no_checkpoint_is_told(content, tmp_path):
    (path := tmp_path / "net.pkl").write_bytes(content)
    with pytest.raises(ValueError, match=r"net.pkl: "):
        read_released(path)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_truncated_checkpoint_is_told(checkpoint):
    path = checkpoint(Joint_ShortChunkCNN_Res(), zipped=False)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(ValueError, match=r"net.pkl: "):
        read_released(path)
