"""Tensors as examples: crops and views, and chunks aligned in time."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirstore.core import Arrays, Examples, Tensor
from mirstore.core.errors import UsageError
from mirstore.core.experiment_entries import ChunkEntry
from mirstore.core.experiments.assembly import take, without_columns
from mirstore.core.experiments.chunks import cut
from mirstore.core.experiments.scaling import Scaling


class Watched(Arrays):
    """Remembers which steps were read."""

    read: tuple[tuple[int, int, int], ...] = ()

    def crop(self, index, first, last):
        self.read = (*self.read, (index, first, last))
        return super().crop(index, first, last)


def ramp(steps: int, bands: int = 2) -> np.ndarray:
    """Every step holds its own number."""
    return np.tile(np.arange(steps, dtype=np.float32), (bands, 1))


def test_indices_slices_and_the_end_are_those_of_a_list():
    arrays = [ramp(3), ramp(5), ramp(4)]
    tensors = Arrays(arrays, hop=0.5)
    assert [a.shape[-1] for a in tensors] == [3, 5, 4]
    assert tensors[-1].shape == (2, 4)
    assert [a.shape[-1] for a in tensors[::-2]] == [4, 3]
    with pytest.raises(IndexError):
        tensors[3]
    assert len(tensors[5:]) == 0


def test_a_crop_of_a_view_reads_that_part_only():
    watched = Watched([ramp(100), ramp(50)], hop=0.1)
    view = watched.take(np.array([1, 0, 0])).take(np.array([2, 0]))
    assert view.crop(0, 10, 14)[0].tolist() == [10, 11, 12, 13]
    assert view.crop(1, 48, 99)[0].tolist() == [48, 49]
    assert watched.read == ((0, 10, 14), (1, 48, 50))
    assert view.hop == 0.1
    assert [a.shape[-1] for a in pickle.loads(pickle.dumps(view))] == [100, 50]


def test_examples_count_themselves_with_and_without_labels_and_table():
    tensors = {"mel.mel": Arrays([ramp(4)] * 6)}
    nothing = without_columns(6)
    assert len(Examples(nothing, ("a",), np.ones((6, 1)), tensors)) == 6
    assert len(Examples(nothing, ("a",), None, tensors)) == 6
    assert len(Examples(nothing, ("a",), None)) == 6


def test_a_table_without_columns_keeps_its_height():
    examples = Examples(without_columns(6), ("a",), None, {"mel.mel": Arrays([ramp(i + 1) for i in range(6)])})
    few = take(examples, np.array([5, 1]))
    assert few.table.height == len(few) == 2
    assert [a.shape[-1] for a in few.tensors["mel.mel"]] == [6, 2]
    assert Scaling.fit(few.table).apply(few.table).height == 2


@pytest.mark.parametrize("hop", [0, -1, float("inf"), float("nan")])
def test_a_hop_is_a_time(hop):
    with pytest.raises(ValueError, match="must be more than 0 s"):
        Tensor("float16", (128, None), hop)


@pytest.mark.parametrize(
    "tensor", [Tensor("float16", (128, None), 512 / 22050), Tensor("int16", (None,)), Tensor("uint8", ())]
)
def test_a_tensors_text_says_what_it_is(tensor):
    found = Tensor.parse(str(tensor))
    assert (found.dtype, found.shape) == (tensor.dtype, tensor.shape)
    assert found.hop == (tensor.hop and pytest.approx(tensor.hop, rel=1e-8))
    assert Tensor.parse("Float32") is None
    assert Tensor.parse("Array(Float32, shape=(2,))") is None


# Chunks


def test_chunks_of_seconds_are_of_the_same_time_in_every_feature():
    fine = Arrays([ramp(1000), ramp(333)], hop=0.01)  # 10 s and 3.33 s
    coarse = Arrays([ramp(20), ramp(7)], hop=0.5)
    found = cut({"fine": fine, "coarse": coarse}, ChunkEntry(seconds=2))
    assert found.rows.tolist() == [0, 0, 0, 0, 0, 1]
    assert [a[0, 0] for a in found.tensors["fine"]] == [0, 200, 400, 600, 800, 0]
    assert [a[0, 0] for a in found.tensors["coarse"]] == [0, 4, 8, 12, 16, 0]
    assert {a.shape for a in found.tensors["fine"]} == {(2, 200)}
    assert {a.shape for a in found.tensors["coarse"]} == {(2, 4)}


@given(st.floats(0.05, 3), st.floats(0.001, 0.04), st.floats(0.001, 0.04), st.lists(st.integers(1, 3000), min_size=1))
def test_chunks_stay_aligned_inside_and_whole(seconds, hop_a, hop_b, lengths):
    a = Arrays([np.empty((1, n)) for n in lengths], hop=hop_a)
    b = Arrays([np.empty((1, max(1, round(n * hop_a / hop_b)))) for n in lengths], hop=hop_b)
    found = cut({"a": a, "b": b}, ChunkEntry(seconds=seconds))
    views = {name: found.tensors[name] for name in "ab"}
    for name, items in (("a", a), ("b", b)):
        ends = views[name].first + views[name].lengths
        assert all(end <= items.length(row) for row, end in zip(found.rows, ends, strict=True))
        number = np.arange(len(found.rows)) - np.searchsorted(found.rows, found.rows)
        assert np.abs(views[name].first * items.hop - number * seconds).max(initial=0) <= items.hop / 2 + 1e-9
    for row, n in enumerate(lengths):  # what is left out is less than a chunk, and the rounding of both features
        left = n * hop_a - (found.rows == row).sum() * seconds
        assert left < seconds + 2 * (hop_a + hop_b)


def test_chunks_by_count_are_paired_by_their_number():
    found = cut({"a": Arrays([ramp(10), ramp(3)]), "b": Arrays([ramp(41), ramp(9)])}, ChunkEntry(count=4))
    assert found.rows.tolist() == [0, 0, 0, 0]  # 3 steps do not make 4 chunks
    assert [a[0, 0] for a in found.tensors["a"]] == [0, 2, 4, 6]
    assert [b[0].tolist() for b in found.tensors["b"]][3] == list(range(30, 40))


def test_chunks_of_steps_are_as_wide_as_declared_and_paired_by_their_number():
    """Hsu et al.: 25 chunks of 200 frames of 5,168, beside 25 of 50 frames of 1,292."""
    mel, tempogram = Arrays([ramp(5168), ramp(450), ramp(199)]), Arrays([ramp(1292), ramp(1292), ramp(1292)])
    chunk = ChunkEntry(steps={"mel-120": 200, "tempogram": 50, "of-another-case": 7})
    found = cut({"mel-120.mel": mel, "tempogram.tempogram": tempogram}, chunk)
    assert found.rows.tolist() == [0] * 25 + [1] * 2  # the third has no chunk of 200
    assert [a[0, 0] for a in found.tensors["mel-120.mel"]] == [*range(0, 5000, 200), 0, 200]
    assert [a[0, 0] for a in found.tensors["tempogram.tempogram"]] == [*range(0, 1250, 50), 0, 50]
    assert {a.shape[1] for a in found.tensors["mel-120.mel"]} == {200}
    assert {a.shape[1] for a in found.tensors["tempogram.tempogram"]} == {50}
    alone = cut({"mel-120.mel": mel}, chunk)
    assert alone.rows.tolist() == [0] * 25 + [1] * 2
    assert len(cut({"tempogram.tempogram": tempogram}, chunk).rows) == 75


def test_how_tensors_are_cut_is_called_the_same_whoever_declares_it():
    """Kept models and cases have names that rest on it; ``steps`` came later."""
    assert ChunkEntry(count=25).model_dump() == {"seconds": None, "count": 25}
    assert ChunkEntry(seconds=2.5).model_dump_json() == '{"seconds":2.5,"count":null}'
    a, b = ChunkEntry(steps={"mel": 200, "chroma": 50}), ChunkEntry(steps={"chroma": 50, "mel": 200})
    assert a == b == ChunkEntry.model_validate_json(a.model_dump_json())
    assert hash(a) == hash(b)
    assert str(a) == str(b) == "chroma:50+mel:200"


def test_chunks_are_views():
    watched = Watched([ramp(1000)], hop=0.01)
    found = cut({"a": watched}, ChunkEntry(seconds=1)).tensors["a"]
    assert watched.read == ()
    chunk = found[3]
    assert np.shares_memory(chunk, watched.arrays[0])
    assert found.crop(3, 10, 1000).shape == (2, 90)  # never into the next chunk


@pytest.mark.parametrize(
    ("tensors", "chunk", "message"),
    [
        ({}, {"count": 2}, "the chosen features have none"),
        ({"a": Arrays([ramp(5)])}, {"seconds": 2}, "a does not say how long a step is"),
        ({"a": Arrays([ramp(5)], hop=3.0)}, {"seconds": 1}, "longer than chunks of 1 s"),
        ({"a.x": Arrays([ramp(5)])}, {"steps": {"b": 2}}, "chunk says of b how many steps .* but not of a"),
    ],
)
def test_what_cannot_be_cut_says_why(tensors, chunk, message):
    with pytest.raises(UsageError, match=message):
        cut(tensors, ChunkEntry(**chunk))
