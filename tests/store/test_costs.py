"""A dry run says what it will cost: by the store's own times, else by what extractors declare."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import polars as pl
import pytest
from done import ingest, prepare

from mirstore.core import Column, Extractor, Row, Track
from mirstore.core.features import FeatureSet
from mirstore.store.ingest.costs import Costs
from mirstore.store.ingest.sources import find

rng = np.random.default_rng(440)


@dataclass
class Declared(Extractor):
    name = "declared"
    cost: ClassVar[float | None] = 0.5

    def columns(self) -> dict[str, Column]:
        return {"x": Column(pl.Float64, "", "nothing")}

    def extract(self, track: Track) -> Row:
        return {"x": 0.0}


@dataclass
class Reader(Declared):
    name = "reader"
    inputs = ("declared",)
    cost: ClassVar[float | None] = 0.25


@dataclass
class Silent(Declared):
    name = "silent"
    cost: ClassVar[float | None] = None


declared = FeatureSet("declared", Declared())


@pytest.fixture
def music(tmp_path, make_wav):
    for name, seconds in (("one", 2), ("two", 4)):
        make_wav(tmp_path / "music" / f"{name}.wav", 0.3 * rng.uniform(-1, 1, 22050 * seconds))
    return tmp_path / "music"


def test_a_first_dry_run_takes_declared_costs_and_the_lengths_in_headers(store, music):
    plan = prepare(store, find([music]), {"declared": declared})
    assert [need.seconds for need in plan.needs] == [pytest.approx(0.5 * (2 + 4))]
    assert plan.seconds == pytest.approx(3)


def test_what_a_feature_reads_is_counted_once_and_unknown_costs_are_not_guessed(store, music):
    asked = {
        "reader": FeatureSet("reader", Reader(), {"declared": declared}),
        "silent": FeatureSet("silent", Silent()),
    }
    plan = prepare(store, find([music]), asked)
    assert {need.feature: need.seconds for need in plan.needs} == {
        "declared": pytest.approx(3),
        "reader": pytest.approx(1.5),
        "silent": None,
    }
    assert plan.seconds == pytest.approx(4.5)
    assert prepare(store, find([music]), {"silent": asked["silent"]}).seconds is None


def test_a_header_that_says_nothing_counts_as_the_others_do(store, music):
    (music / "odd.mp3").write_bytes(b"no audio" * 100)
    plan = prepare(store, find([music]), {"declared": declared})
    assert plan.seconds == pytest.approx(0.5 * 3 * 3)
    (need,) = prepare(store, find([music / "odd.mp3"]), {"declared": declared}).needs
    assert need.seconds == pytest.approx(0.5 * 240)


@pytest.mark.parametrize("name", [b"caf\xe9.wav", b"one.raw"])
def test_names_that_are_no_text_or_mean_another_format_are_read_all_the_same(store, music, name):
    os.rename(music / "two.wav", os.fsencode(music) + b"/" + name)
    (need,) = prepare(store, find([os.fsdecode(os.fsencode(music) + b"/" + name)]), {"declared": declared}).needs
    assert need.seconds == pytest.approx(0.5 * 4)


def test_the_stores_own_times_replace_what_is_declared(store, music, test_plugins):
    from mirstore.core.plugins import Plugins
    from mirstore.core.registry import Registry
    from mirstore.core.resolve import resolve

    features = resolve(["rms-segments"], Registry.load(), Plugins.installed())
    ingest(store, find([music / "one.wav"]), features)
    with store.write("slower") as tx:
        rows = store.scan("core.extractions").filter(pl.col("status") == "ok").collect()
        tx.append("core.extractions", [row | {"seconds": 7.0, "track": "other"} for row in rows.to_dicts()])
    took = store.scan("core.extractions").filter(pl.col("status") == "ok").collect()["seconds"].mean()
    (need,) = prepare(store, find([music]), features).needs
    assert need.seconds == pytest.approx(took)


def test_lengths_come_from_tracks_that_were_decoded(store, music, make_wav, test_plugins):
    ingest(store, find([music]), {})
    scanned = prepare(store, find([music]), {}).scanned
    assert Costs(store, scanned).estimate(declared, 10) == pytest.approx(0.5 * 3 * 10)


def test_all_shipped_extractors_declare_their_cost():
    from mirstore.core.plugins import Plugins

    plugins = Plugins.installed()
    for info in plugins.rows():
        if info.distribution != "mirstore":
            continue
        for name in (text.partition("@")[0] for text in info.components):
            component = type(plugins.component(name))
            if issubclass(component, Extractor):
                assert component.cost is not None, name
                assert 0 < component.cost < 10, name
