"""Tensors of a track as pictures: what they show, of which time, and how large they are."""

from __future__ import annotations

import base64
import struct
import zlib
from dataclasses import dataclass
from datetime import datetime
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from mirstore.core import Column, Extractor, Tensor
from mirstore.core.errors import UnknownNameError
from mirstore.core.features import FeatureSet
from mirstore.store import Store
from mirstore.store.experiments import panels
from mirstore.store.experiments.panels import most_rows, most_steps, shades
from mirstore.store.ingest.published_tables import import_table


@dataclass
class Spectrum(Extractor):
    """A spectrum from second 15 on, an envelope of the same time, and a matrix whose steps have no length."""

    name = "spectrum"
    offset: float = 15.0

    def columns(self):
        return {
            "matrix": Column(Tensor("float32", (4, 4)), "", "No time in it."),
            "bands": Column(Tensor("float32", (8, None), hop=0.1), "dB", "bands by steps"),
            "envelope": Column(Tensor("float32", (None,), hop=0.05), "", "how loud it is"),
        }

    def extract(self, track):
        raise NotImplementedError


ramp = np.arange(8, dtype=np.float32)[:, None] + np.linspace(0, 0.5, 300, dtype=np.float32)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("panels")
    rows = [{"track": "s:a", "matrix": np.ones((4, 4), np.float32), "bands": ramp,
             "envelope": np.zeros(600, np.float32)},
            {"track": "s:b", "matrix": np.ones((4, 4), np.float32), "bands": None, "envelope": None}]  # fmt: skip
    pl.DataFrame({"id": ["a", "b"], "f": [1.0, 2.0], "genre": ["x", "y"]}).write_csv(folder / "s.csv")
    with Store(folder / "store", create=True) as made:
        import_table(made, folder / "s.csv", dataset="s", labels=["genre"])
        feature, stamp = FeatureSet("spectrum", Spectrum()), {"ingest": "i", "added": datetime(2026, 1, 1)}
        with made.write("spectrum") as tx:
            tx.add_feature_set("spectrum", feature, **stamp)
            tx.append_features(feature, rows, **stamp)
        yield made


def pixels(picture: str) -> np.ndarray:
    """Return the opacity of a picture as its bytes say it, the upper row first."""
    data = base64.b64decode(picture.removeprefix("data:image/png;base64,"))
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    width, height, depth, kind = struct.unpack(">IIBB", data[16:26])
    assert (depth, kind) == (8, 4)
    size = struct.unpack(">I", data[33:37])[0]
    assert zlib.crc32(data[37 : 41 + size]) == struct.unpack(">I", data[41 + size : 45 + size])[0]
    lines = np.frombuffer(zlib.decompress(data[41 : 41 + size]), np.uint8).reshape(height, 1 + 2 * width)
    assert not lines[:, 0].any()
    return lines[:, 2::2].astype(int)


def shown(store, text: str, **durations: float | None):
    found = panels.panels(store, [panels.timed(store, text)], {f"s:{k}": v for k, v in durations.items()})
    return found["s:a"]


def test_the_first_tensor_that_has_a_time_is_meant_or_the_one_that_is_named(store):
    assert panels.timed(store, "spectrum").column == "bands"
    assert panels.timed(store, "spectrum.envelope").column == "envelope"
    assert panels.timed(store, "spectrum.matrix") is None  # its steps have no length
    assert panels.timed(store, "s") is None
    with pytest.raises(UnknownNameError, match="spectrums"):
        panels.timed(store, "spectrums")


def test_a_picture_has_the_first_row_at_the_bottom_and_time_to_the_right(store):
    (panel,) = shown(store, "spectrum", a=60.0)
    assert (panel.rows, panel.hop, panel.unit, panel.text) == (8, 0.1, "dB", "bands by steps")
    found = pixels(panel.picture)
    assert found.shape == (8, 300)
    assert (np.diff(found, axis=0) <= 0).all()  # the highest row has the largest values
    assert (np.diff(found, axis=1) >= 0).all()
    assert found[-1, 0] == 0
    assert found[0, -1] == 255
    # What a shade stands for: to one of them.
    expected = np.clip((ramp - panel.low) / (panel.high - panel.low), 0, 1)[::-1]
    assert np.abs(found / 255 - expected).max() <= 1 / shades


@pytest.mark.parametrize(
    ("duration", "start"),
    [(60.0, 15.0), (45.0, 15.0), (40.0, 10.0), (20.0, 0.0), (None, 15.0)],
)
def test_a_picture_begins_where_its_excerpt_does_and_earlier_in_a_short_track(store, duration, start):
    (panel,) = shown(store, "spectrum", a=duration)
    assert panel.start == pytest.approx(start, abs=1e-3)
    assert panel.end == pytest.approx(start + 30, abs=1e-3)


def test_a_track_without_the_tensor_has_no_picture_and_one_row_is_a_picture(store):
    found = panels.panels(store, [panels.timed(store, "spectrum")], {"s:a": 60.0, "s:b": 60.0, "s:c": None})
    assert [len(found[f"s:{k}"]) for k in "abc"] == [1, 0, 0]
    (flat,) = shown(store, "spectrum.envelope", a=60.0)
    assert (flat.rows, flat.low, flat.high) == (1, 0.0, 0.0)
    assert not pixels(flat.picture).any()


def test_a_long_track_has_a_small_picture_of_means():
    one = panels.Timed("i", "f", "x", {"text": "", "unit": None}, 0.01, 0.0)
    value = np.random.default_rng(0).normal(size=(384, 100_000)).astype(np.float32)
    value[:, 50_000:] += 3
    panel = panels._panel(one, value, None)
    found = pixels(panel.picture)
    assert found.shape == (most_rows, most_steps)
    assert len(panel.picture) < 120_000
    assert found[:, : most_steps // 2].mean() + 100 < found[:, most_steps // 2 :].mean()
    assert (panel.rows, panel.end) == (384, 1000.0)


def test_values_that_are_not_finite_do_not_spoil_the_others():
    one = panels.Timed("i", "f", "x", {"text": "", "unit": None}, 0.1, 0.0)
    value = np.tile(np.linspace(0, 1, 50, dtype=np.float32), (3, 1))
    value[0, 0], value[1, 10], value[2, 20] = np.nan, np.inf, -np.inf
    panel = panels._panel(one, value, None)
    assert 0 <= panel.low < panel.high <= 1
    assert pixels(panel.picture)[::-1][[0, 1, 2], [0, 10, 20]].tolist() == [0, 255, 0]
    assert not pixels(panels._panel(one, np.full((2, 9), np.nan, np.float32), None).picture).any()


def test_what_is_made_of_an_excerpt_begins_where_that_does():
    about = {
        "tempogram": {"params": {"window": 384}, "inputs": {"envelope": "envelope"}},
        "envelope": {"params": {"offset": 15.0}, "inputs": {"audio": "voice"}},
        "voice": {"params": {"offset": 3.0}, "inputs": {}},
        "whole": {"params": {}, "inputs": {}},
    }
    known = SimpleNamespace(about=about.__getitem__)
    assert [panels._offset(known, name) for name in about] == [15.0, 15.0, 3.0, 0.0]
