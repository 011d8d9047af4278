"""What networks share: what they read, whom they stop by, how long they learn, and what they make small."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
import polars as pl
import pytest

from mirstore.core import Arrays, Examples, MirstoreError, Training, load_state

pytest.importorskip("torch", reason="torch is not installed")

import torch

from mirstore.core.experiments.assembly import without_columns
from mirstore.core.nets.batches import Part, Scale, Table
from mirstore.core.nets.classifier import Classifier
from mirstore.core.nets.descent import Plan, descend, seeded
from mirstore.core.nets.losses import absolute_error, cross_entropy, of_tags
from mirstore.core.nets.parts import chosen, set_aside

groups = {"all": ["a.mel", "b.tempo"]}
hears = {"mel-spectrogram": (4, None), "tempogram": (3, 5)}


def tensors(*shapes: tuple[int, ...]) -> dict[str, Arrays]:
    return {name: Arrays([np.zeros(shape)] * 2) for name, shape in zip(("a.mel", "b.tempo"), shapes, strict=False)}


def examples(given, table=None) -> Examples:
    return Examples(without_columns(2) if table is None else table, ("x", "y"), np.eye(2), given)


# What is read


def test_tensors_are_told_by_their_shape_and_come_in_the_order_in_which_they_are_heard():
    assert chosen(hears, examples(tensors((4, 9), (3, 5))), groups) == ["a.mel", "b.tempo"]
    assert chosen(hears, examples(tensors((3, 5), (4, 9))), groups) == ["b.tempo", "a.mel"]


@pytest.mark.parametrize(
    ("shapes", "told"),
    [
        (((4, 9),), r"tempogram \(3 rows by 5 frames\), and is given a.mel \(4, 9\)"),
        (((4, 9), (3, 6)), r"tempogram \(3 rows by 5 frames\)"),
        (((4, 9), (4, 5)), r"mel-spectrogram \(4 rows by any frames\), and is given a.mel \(4, 9\), b.tempo \(4, 5\)"),
        (((4,), (3, 5)), "mel-spectrogram"),
    ],
)
def test_a_tensor_that_is_not_there_or_there_twice_is_told(shapes, told):
    with pytest.raises(ValueError, match=told):
        chosen(hears, examples(tensors(*shapes)), groups)


def test_what_it_does_not_read_is_told():
    with pytest.raises(ValueError, match=r"does nothing with b.tempo"):
        chosen({"mel-spectrogram": (4, None)}, examples(tensors((4, 9), (3, 5))), groups)
    numbers = examples(tensors((4, 9)), pl.DataFrame({"c.bpm": [1.0, 2.0]}))
    with pytest.raises(ValueError, match=r"does nothing with c.bpm"):
        chosen({"mel-spectrogram": (4, None)}, numbers, {"all": ["a.mel", "c.bpm"]})


# Whom it stops by


def labelled(classes, units=None) -> Examples:
    labels = np.eye(max(classes) + 1)[classes]
    names = tuple("abcdefgh"[: labels.shape[1]])
    return Examples(without_columns(len(classes)), names, labels, units=units, exclusive=True)


def test_a_class_of_one_artist_is_learned():
    units = np.array(["one"] * 3 + [f"other {i}" for i in range(9)])
    given = labelled([0] * 3 + [1] * 9, units)
    for seed in range(20):
        learned, held = set_aside(given, 0.5, seed)
        assert set(given.labels[learned].argmax(axis=1)) == {0, 1}
        assert sorted([*learned, *held]) == list(range(12))
        assert not set(units[learned]) & set(units[held])
        assert len(held) == 5


def test_where_every_class_has_one_artist_nobody_is_set_aside():
    learned, held = set_aside(labelled([0, 0, 1, 1], np.array(["p", "p", "q", "q"])), 0.5, 0)
    assert (list(learned), list(held)) == ([0, 1, 2, 3], [])


def test_smoothed_labels_are_set_aside_like_those_that_they_are_of():
    plain = labelled([0, 1, 1, 1, 0, 1, 1, 1])
    smooth = replace(plain, labels=0.7 * plain.labels + 0.15)
    assert [list(part) for part in set_aside(plain, 0.4, 3)] == [list(part) for part in set_aside(smooth, 0.4, 3)]


# How it learns


def line(n=40, seed=0) -> Part:
    x = np.random.default_rng(seed).normal(size=(n, 2))
    return Part(Table(x), x @ [[1.0], [-2.0]], np.arange(n))


def learned(plan: Plan, validation=None, context=None):
    with seeded(1):
        net = torch.nn.Linear(2, 1)
    descend(net, torch.nn.functional.mse_loss, line(), validation, plan, 0, context)
    return net.weight.detach().numpy()[0]


def test_without_patience_it_learns_for_all_epochs_and_stays_as_it_is_then(tmp_path):
    far = Part(Table(np.ones((4, 2))), np.full((4, 1), 100.0), np.arange(4))  # which gets worse and worse
    context = Training(tmp_path)
    weights = learned(Plan(30, None, 8, 0.05), far, context)
    assert list(context.curve()) == list(range(30))
    assert all({"loss", "validation_loss"} == set(values) for values in context.curve().values())
    assert np.allclose(weights, [1, -2], atol=0.2)
    patient = learned(Plan(30, 2, 8, 0.05), far)
    assert not np.allclose(patient, weights, atol=0.01)


def test_weight_decay_makes_weights_smaller():
    plain, decayed = (learned(Plan(30, None, 8, 0.05, weight_decay=decay)) for decay in (0.0, 1.0))
    assert np.abs(decayed).sum() < np.abs(plain).sum()


def test_weights_that_do_not_learn_stay():
    net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Linear(3, 1))
    net[0].requires_grad_(False)
    before, other = net[0].weight.detach().clone(), net[1].weight.detach().clone()
    descend(net, torch.nn.functional.mse_loss, line(), None, Plan(2, None, 8, 0.05), 0)
    assert torch.equal(net[0].weight, before)
    assert not torch.equal(net[1].weight, other)


def test_no_step_is_of_one_example():
    net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3), torch.nn.Linear(3, 1))
    for n in (2, 3, 5):
        descend(net, torch.nn.functional.mse_loss, line(n), None, Plan(1, None, 2, 0.05), 0)


def test_it_stops_after_one_epoch_more_than_its_patience(tmp_path):
    far = Part(Table(np.ones((4, 2))), np.full((4, 1), 100.0), np.arange(4))  # which gets worse at once
    learned(Plan(30, 2, 8, 0.05), far, context := Training(tmp_path))
    losses = [values["validation_loss"] for values in context.curve().values()]
    assert len(losses) == 4
    assert min(losses) == losses[0]


def test_one_example_is_too_few():
    with pytest.raises(ValueError, match="two examples or more"):
        descend(torch.nn.Linear(2, 1), torch.nn.functional.mse_loss, line(1), None, Plan(1, None, 8, 0.1), 0)


# Where it learns


class Failing(torch.nn.Linear):
    """Raises what it is given, when it computes or already on its way to a GPU."""

    def __init__(self, error, on_the_way=False) -> None:
        super().__init__(2, 1)
        self.error, self.on_the_way = error, on_the_way

    def forward(self, given):
        raise self.error

    def to(self, *args, **kwargs):
        if self.on_the_way:
            raise self.error
        return super().to(*args, **kwargs)


# As an H200 said it, whose memory other processes had taken.
lacking = [
    (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 MiB."), "the GPU"),
    (RuntimeError("CUDA error: out of memory\nSearch for `cudaErrorMemoryAllocation' in https://…"), "the GPU"),
    (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), "the GPU"),
    (RuntimeError("[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate"), "the machine"),
    (MemoryError(), "the machine"),
]


@pytest.mark.parametrize("on_the_way", [False, True])
@pytest.mark.parametrize(("error", "where"), lacking)
def test_lack_of_memory_is_told_with_whose_it_is_and_what_needs_less(error, where, on_the_way):
    net = Failing(error, on_the_way)
    with pytest.raises(MirstoreError, match=f"^{where} has too little memory for batches of 8") as told:
        descend(net, torch.nn.functional.mse_loss, line(), None, Plan(1, None, 8, 0.1), 0)
    assert told.value.__cause__ is error
    assert told.value.hint.startswith("batch = 4 needs about half of it")
    assert ("-j 1" in told.value.hint) == (where == "the GPU")


def test_what_is_not_for_lack_of_memory_stays_as_it_is():
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        descend(torch.nn.Linear(3, 1), torch.nn.functional.mse_loss, line(), None, Plan(1, None, 8, 0.1), 0)
    error = RuntimeError("CUDA error: device-side assert triggered")
    with pytest.raises(RuntimeError, match="device-side assert"):
        descend(Failing(error), torch.nn.functional.mse_loss, line(), None, Plan(1, None, 8, 0.1), 0)


def test_convolutions_repeat_themselves_while_it_learns_and_are_as_they_were_afterwards():
    cudnn = torch.backends.cudnn
    before, seen = (cudnn.enabled, cudnn.deterministic, cudnn.benchmark, cudnn.allow_tf32), []

    def loss(given, wanted):
        seen.append((cudnn.enabled, cudnn.deterministic, cudnn.benchmark))
        return torch.nn.functional.mse_loss(given, wanted)

    descend(torch.nn.Linear(2, 1), loss, line(), None, Plan(1, None, 8, 0.1), 0)
    assert set(seen) == {(True, True, False)}
    assert (cudnn.enabled, cudnn.deterministic, cudnn.benchmark, cudnn.allow_tf32) == before


def images(n=64) -> Part:
    x = np.random.default_rng(0).normal(size=(n, 256))
    return Part(Table(x), x[:, :1], np.arange(n))


def of_images(context=None):
    with seeded(1):
        image, maps = torch.nn.Unflatten(1, (1, 16, 16)), torch.nn.Conv2d(1, 8, 3)
        rest = torch.nn.BatchNorm2d(8), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Dropout(0.2)
        net = torch.nn.Sequential(image, maps, *rest, torch.nn.Linear(8 * 14 * 14, 1))
    descend(net, torch.nn.functional.mse_loss, images(), None, Plan(6, None, 16, 0.01), 0, context)
    return net


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_on_a_gpu_it_repeats_itself_and_goes_on_from_a_checkpoint_there_and_elsewhere(tmp_path, monkeypatch):
    class Killed(Training):
        def report(self, epoch, **values):
            if epoch == 3:
                raise KeyboardInterrupt
            super().report(epoch, **values)

    whole, again = of_images(), of_images()
    assert {value.device.type for value in whole.state_dict().values()} == {"cpu"}
    for folder in (tmp_path / "there", tmp_path / "elsewhere"):
        folder.mkdir()
        with pytest.raises(KeyboardInterrupt):
            of_images(Killed(folder))
    there = of_images(Training(tmp_path / "there"))
    monkeypatch.setattr("mirstore.core.nets.descent.processor", lambda: torch.device("cpu"))
    elsewhere = of_images(Training(tmp_path / "elsewhere"))
    for name, value in whole.state_dict().items():
        assert torch.equal(value, again.state_dict()[name])
        assert torch.equal(value, there.state_dict()[name])
        assert torch.isfinite(elsewhere.state_dict()[name]).all()


# How it is kept


class Scaled(torch.nn.Module):
    """Has a weight without an axis, and counts batches."""

    def __init__(self) -> None:
        super().__init__()
        self.factor = torch.nn.Parameter(torch.tensor(1.0))
        self.norm, self.line = torch.nn.BatchNorm1d(3), torch.nn.Linear(3, 2)

    def forward(self, matrix: torch.Tensor) -> torch.Tensor:
        return self.line(self.norm(self.factor * matrix.mean(2)))


@dataclass
class Kept(Classifier):
    name = "kept"
    hears = MappingProxyType({"rows": (3, None)})

    def untrained(self, shapes, outputs):
        return Scaled()


def test_a_network_is_kept_whole_and_one_with_other_layers_is_refused(tmp_path):
    rng = np.random.default_rng(0)
    given = {"a.rows": Arrays(list(rng.normal(size=(12, 3, 4))))}
    data = Examples(without_columns(12), ("x", "y"), np.eye(2)[np.arange(12) % 2], given, exclusive=True)
    model = Kept(epochs=3, patience=None, rate=0.1).fit(data, {"all": ["a.rows"]}, 0)
    assert float(model.net_.factor.detach()) != 1
    model.save(tmp_path)
    assert "net.norm.num_batches_tracked" not in load_state(tmp_path)
    assert np.array_equal(Kept().load(tmp_path).predict_proba(data), model.predict_proba(data))
    with pytest.raises(ValueError, match="not those of a network kept"):
        Kept().restore({**load_state(tmp_path), "net.other.weight": np.ones(1)})


# What it makes small


def test_losses_are_those_of_their_definitions():
    rng = np.random.default_rng(0)
    logits, wanted = rng.normal(size=(5, 3)), rng.dirichlet(np.ones(3), 5)
    powers = np.exp(logits)
    softmax = powers / powers.sum(axis=1, keepdims=True)
    given = torch.from_numpy(logits), torch.from_numpy(wanted)
    assert float(cross_entropy(*given)) == pytest.approx(-(wanted * np.log(softmax)).sum(axis=1).mean())
    assert float(absolute_error(*given)) == pytest.approx(np.abs(softmax - wanted).mean())
    tags, sigmoid = (wanted > 0.4).astype(float), 1 / (1 + np.exp(-logits))
    each = -(tags * np.log(sigmoid) + (1 - tags) * np.log(1 - sigmoid))
    assert float(of_tags(given[0], torch.from_numpy(tags))) == pytest.approx(each.mean())


def test_a_row_that_never_varies_has_deviation_1():
    scale = Scale.of_rows(Arrays([np.array([[1.0, 1.0], [0.0, 2.0]])]), np.array([0]))
    assert (scale.means.tolist(), scale.deviations.tolist()) == ([1, 1], [1, 1])
