"""Weights that plugins in environments of their own declare: listed here, converted there, found by both."""

from __future__ import annotations

import importlib.util
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save
from typer.testing import CliRunner

from mirstore.cli import app
from mirstore.core.components import Extractor
from mirstore.core.environments import environments, record
from mirstore.core.errors import PluginError, WeightsError
from mirstore.core.features import FeatureSet
from mirstore.core.isolated import everywhere, kinds
from mirstore.core.weights.cache import folder, require, state
from mirstore.core.weights.elsewhere import Elsewhere
from mirstore.core.weights.fetch import add, fetch
from mirstore.store import Store

runner = CliRunner()


def run(*arguments: object, code: int = 0):
    result = runner.invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output + result.stderr + repr(result.exception)
    return result


@pytest.fixture
def here(monkeypatch):
    """The plugin as if it were installed here."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "elsewhere"))
    spec = importlib.util.find_spec("mirstore_test_elsewhere")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


def test_a_declaration_is_the_same_here_and_there_but_for_where_it_is_converted(elsewhere, here):
    there = kinds(elsewhere)["elsewhere-gain"].needs
    assert [weights.key for weights in there] == [weights.key for weights in here.Gain.needs]
    assert [replace(w, convert=None) for w in there] == [replace(w, convert=None) for w in here.Gain.needs]
    read, fails = (Elsewhere(elsewhere, f"mirstore_test_elsewhere:{name}") for name in ("read", "fails"))
    assert [weights.convert for weights in there] == [read, None, fails]
    assert len({*there, *kinds(elsewhere)["elsewhere-gain"].needs}) == 3


def test_they_are_fetched_converted_there_and_make_the_same_feature_set_as_here(elsewhere, here, publish):
    publish({"gain_data/gain.txt": here.numbers})
    gain, plain, _ = kinds(elsewhere)["elsewhere-gain"].needs
    standing, own = kinds(elsewhere)["elsewhere-gain"](), here.Gain()
    assert standing.uses() == (gain,)
    assert type(standing)(kind="plain").uses() == (plain,)
    with pytest.raises(WeightsError, match=r"weights 'elsewhere-gain' are missing: ") as refused:
        require([standing])
    assert refused.value.hint.startswith("mirstore weights fetch elsewhere-gain, or")
    list(fetch(gain))
    np.testing.assert_array_equal(gain.load()["gain"], np.float32([1, 2, 4]), strict=True)
    assert gain.load()["prefix"].tobytes().decode() == str(elsewhere.python.parents[1])
    require([standing, own])
    assert FeatureSet("s", standing).id == FeatureSet("s", own).id


def test_a_conversion_that_fails_there_is_said_as_one_that_fails_here(elsewhere, here, tmp_path):
    (tmp_path / "gain.txt").write_bytes(here.numbers)
    *_, broken = kinds(elsewhere)["elsewhere-gain"].needs
    for name, why in {
        "fails": "LayerError: no such layer",
        "dies": "its process died",
        "gives_a_list": r"TypeError: convert must return arrays by name, got \[<class .*LayerError'>\]",
    }.items():
        weights = replace(broken, convert=Elsewhere(elsewhere, f"mirstore_test_elsewhere:{name}"))
        with pytest.raises(WeightsError, match=rf"^weights 'elsewhere-broken' could not be converted: {why}"):
            list(add(weights, [tmp_path / "gain.txt"]))
        assert state(weights).word == "missing"


def test_an_interpreter_that_is_gone_is_named_with_what_makes_it_again(elsewhere, here, tmp_path):
    (tmp_path / "gain.txt").write_bytes(here.numbers)
    gain, *_ = kinds(elsewhere)["elsewhere-gain"].needs
    elsewhere.python.parents[1].unlink()
    with pytest.raises(WeightsError, match=r"'elsewhere-gain' cannot be converted: environment .* is gone") as error:
        list(add(gain, [tmp_path / "gain.txt"]))
    assert error.value.hint == elsewhere.remedy


def test_what_an_older_core_told_of_an_interpreter_that_is_gone_has_no_weights(elsewhere):
    told = elsewhere.card["described"]
    older = [
        {key: one[key] for key in one.keys() - {"needs", "own_weights", "optional", "fallbacks"}}
        for one in told["extractors"]
    ]
    record("elsewhere", {**elsewhere.card, "core": "older", "described": {**told, "extractors": older}})
    elsewhere.python.parents[1].unlink()
    kinds.cache_clear()
    (stale,) = environments()
    assert kinds(stale)["elsewhere-gain"]().uses() == ()
    plugins = everywhere()
    assert not [needed for needed in plugins.needed() if needed.weights.name.startswith("elsewhere")]
    with pytest.raises(PluginError, match="is gone"):
        plugins.get(Extractor, "elsewhere-gain")
    kinds.cache_clear()


@pytest.mark.slow
def test_commands_and_an_ingest_know_them_like_any_other(elsewhere, here, publish, tmp_path, monkeypatch, make_wav):
    monkeypatch.chdir(tmp_path)
    make_wav(tmp_path / "music" / "one.wav", 0.3 * np.random.default_rng(440).uniform(-1, 1, 22050))
    (tmp_path / "registry.toml").write_text(
        "schema = 1\n[features.scaled]\nextractor = 'elsewhere-gain'\n"
        "[features.mine]\nextractor = 'elsewhere-gain'\nparams = { kind = 'plain' }\n"
    )
    refused = run("ingest", "music", "--features", "scaled", code=5).stderr
    assert "weights 'elsewhere-gain' are missing: " in refused
    assert "hint: mirstore weights fetch elsewhere-gain, or" in refused
    publish({"gain_data/gain.txt": here.numbers})
    (tmp_path / "mine").write_bytes(save({"gain": np.float32([3, 5])}))
    run("weights", "add", "elsewhere-plain", "mine")
    run("weights", "fetch", "elsewhere-gain")
    told = json.loads(run("ingest", "music", "--features", "scaled,mine", "--json").stdout)
    assert {name: counts["ok"] for name, counts in told["features"].items()} == {"scaled": 1, "mine": 1}
    with Store("store", read_only=True) as store:
        assert [store.features(name)["sum"].item() for name in ("scaled", "mine")] == [7.0, 8.0]
    rows = {row["name"]: row for row in json.loads(run("weights", "list", "--json").stdout)}
    assert rows["elsewhere-gain"]["for"] == ["elsewhere-gain"]
    states = {name: row["state"] for name, row in rows.items() if name.startswith("elsewhere-")}
    assert states == {"elsewhere-gain": "present", "elsewhere-plain": "present", "elsewhere-broken": "missing"}
    listed = {item["name"]: item["state"] for item in json.loads(run("doctor", "--json").stdout)["weights"]}
    assert states.items() <= listed.items()
    gain, *_ = kinds(elsewhere)["elsewhere-gain"].needs
    assert run("weights", "path", "elsewhere-gain").stdout.strip() == str(folder(gain) / "weights.safetensors")
    (tmp_path / "gain.txt").write_bytes(here.numbers)
    failed = run("weights", "add", "elsewhere-broken", "gain.txt", code=5).stderr
    assert "error: weights 'elsewhere-broken' could not be converted: LayerError: no such layer" in failed
    offered = runner.invoke(
        app,
        [],
        prog_name="mirstore",
        env={
            "_MIRSTORE_COMPLETE": "complete_bash",
            "COMP_WORDS": "mirstore weights fetch elsewhere-",
            "COMP_CWORD": "3",
        },
    )
    assert offered.stdout.split() == ["elsewhere-broken", "elsewhere-gain", "elsewhere-plain"]
