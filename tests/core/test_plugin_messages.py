"""What a plugin's author is told: a plugin that brings nothing, one that is broken, one whose weights are away."""

from __future__ import annotations

import json
import pickle

import pytest
from typer.testing import CliRunner

import mirstore.core
import mirstore.store
from mirstore.cli import app
from mirstore.core import Extractor, MirstoreError, TrackError
from mirstore.core.errors import ConfigError, PluginError, UnknownNameError
from mirstore.core.plugins import Plugins
from mirstore.core.registry import Registry
from mirstore.core.resolve import resolve

component = '''
from dataclasses import dataclass
import hashlib, pathlib
import polars as pl
from mirstore.core import Column, Extractor, Model, hookimpl

@dataclass
class Level(Extractor):
    """Loudness of a track."""

    name = "level"
    file: str = ""

    def columns(self):
        return {"level": Column(pl.Float32, "", "mean of the squares", range=(0, None))}

    def extract(self, track):
        return {"level": float((track.audio() ** 2).mean())}

    def weights(self):
        return hashlib.sha256(pathlib.Path(self.file).read_bytes()).hexdigest() if self.file else None


@dataclass
class Peak(Level):
    """Largest sample of a track."""

    name = "peak"

    def extract(self, track):
        return {"level": float(abs(track.audio()).max())}


@hookimpl
def register_extractors():
    return [Level, Peak]
'''


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """Return a function that makes a plugin called reel-lab as good as installed."""

    def install(code: str) -> Plugins:
        info = tmp_path / "reel_lab-1.0.dist-info"
        info.mkdir()
        (tmp_path / "mirstore_reel_lab.py").write_text(code)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mirstore-reel-lab\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[mirstore]\nreel-lab = mirstore_reel_lab\n")
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(__import__("sys").modules, "mirstore_reel_lab", raising=False)
        return Plugins.installed()

    return install


def status(plugins: Plugins) -> str:
    (row,) = [row for row in plugins.rows() if row.name == "reel-lab"]
    return row.status


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("x = 1", "registers nothing: no function is marked @hookimpl"),
        (component.replace("@hookimpl", ""), "registers nothing: no function is marked @hookimpl"),
        (component.replace("return [Level, Peak]", "return []"), "registers nothing: "),
        (
            component.replace("return [Level, Peak]", "[Level, Peak]"),
            "broken: TypeError: register_extractors returns None",
        ),
        (
            component + "\n@hookimpl\ndef register_models(): [Model]\n",
            "broken: TypeError: register_models returns None: it must return a list of Model classes",
        ),
    ],
)
def test_a_plugin_that_registers_nothing_says_so(plugin, code, expected):
    plugins = plugin(code)
    assert status(plugins).startswith(expected)
    with pytest.raises(PluginError, match=r"plugin 'reel-lab' (is broken|registers nothing)"):
        plugins.components("reel-lab")


def test_a_feature_of_a_broken_plugin_names_the_plugin(plugin):
    plugins = plugin("import no_such_library\n" + component)
    message = r"'level' is not there: plugin 'reel-lab', whose source names it, is broken: ModuleNotFoundError"
    with pytest.raises(PluginError, match=message):
        resolve(["level"], Registry.load(), plugins)
    with pytest.raises(UnknownNameError, match="unknown features 'levels'"):
        resolve(["levels"], Registry.load(), plugins)


def test_a_plugin_and_its_distribution_name_all_their_components(plugin):
    plugins = plugin(component)
    for name in ("reel-lab", "mirstore-reel-lab"):
        assert [found.name for found in plugins.components(name)] == ["level", "peak"]
    assert [found.name for found in plugins.components("peak")] == ["peak"]
    with pytest.raises(
        UnknownNameError, match=r"unknown plugin or component 'reel-labs' \(did you mean 'reel-lab'\?\)"
    ):
        plugins.components("reel-labs")


@pytest.mark.slow
def test_the_kit_checks_every_component_of_a_plugin(plugin, monkeypatch, tmp_path):
    plugin(component)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    ran = CliRunner().invoke(app, ["plugins", "check", "reel-lab", "--json"])
    assert ran.exit_code == 0, ran.output
    rows = json.loads(ran.stdout)
    assert {row["component"] for row in rows} == {"level@1", "peak@1"}
    assert all(row["ok"] for row in rows)


def test_weights_that_are_not_there_name_the_component_and_the_path(plugin, tmp_path):
    plugins = plugin(component)
    feature = resolve(["level"], Registry.load(), plugins)["level"]
    feature.extractor.file = str(tmp_path / "w.npy")
    message = f"features.level: weights of extractor 'level' cannot be read: {tmp_path}/w.npy: no such file"
    with pytest.raises(ConfigError, match=message) as error:
        _ = feature.id
    assert str(tmp_path / "w.npy") in error.value.hint


def test_an_error_as_text_has_its_hint_and_the_command_line_says_it_once():
    error = UnknownNameError("features", "essential", ["essentia"])
    assert str(error) == "unknown features 'essential' (did you mean 'essentia'?)"
    assert error.message == "unknown features 'essential'"
    ran = CliRunner().invoke(app, ["plugins", "show", "essential"])
    assert ran.stderr.count("did you mean") == 1
    assert str(MirstoreError("all is lost")) == "all is lost"
    again = pickle.loads(pickle.dumps(TrackError("short", "has no beats")))
    assert (again.reason, str(again)) == ("short", "has no beats")


@pytest.mark.parametrize("module", [mirstore.core, mirstore.store])
def test_a_notebook_can_complete_the_names_of_the_api(module):
    assert sorted(dir(module)) == sorted(module.__all__)
    for name in dir(module):
        getattr(module, name)
    assert issubclass(mirstore.core.Extractor, Extractor)
