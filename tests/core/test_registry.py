"""registry.toml: what is right is understood, what is wrong is named."""

from __future__ import annotations

import pytest

from mirstore.core.errors import ConfigError, PluginError, UnknownNameError
from mirstore.core.features import FeatureSet, in_order, normalise
from mirstore.core.plugins import Plugins
from mirstore.core.registry import Registry
from mirstore.core.resolve import resolve

whole = """
schema = 1

[plugins]
essentia = "mirstore[essentia]"
rhythm = "mirstore-rhythm-lab>=0.2,<0.3"

[features.essentia]
extractor = "essentia@1"

[features.mfcc-pooled]
extractor = "mfcc@1"
params = { sr = 44100, n_mfcc = 13, offset = 5.0 }

[features.stats]
extractor = "mfcc-stats@1"
inputs = { mfcc = "mfcc-pooled" }

[groupings.user-friendly]
groups = { rhythm = ["essentia.bpm"], level = ["essentia.loudness"] }

[groupings.domain-expert]
grouper = "domain-expert"

[smoothings.s-b-genre]
smoother = "lmnn-knn@1"
features = ["mfcc-pooled"]
params = { n_components = 64, k = 10 }

[models.em-banded]
model = "em-banded@1"

[tasks.jamendo-moodtheme]
dataset = "mtg-jamendo"
labels = "moodtheme"
split = "split-0"
metric = "roc_auc"

[workers.omnizart]
python = "/opt/omnizart/bin/python"

[experiments.samat-table-1]
runs = 5

[experiments.samat-table-1.matrix]
task = ["jamendo-moodtheme"]
features = [["essentia", "stats"], ["essentia"]]
grouping = ["user-friendly", "domain-expert"]
model = ["em-banded"]

[experiments.ldl]
features = ["mfcc-pooled"]
task = "jamendo-moodtheme"
model = "em-banded"
matrix.smoothing = ["none", "s-b-genre"]
"""


def load(tmp_path, text):
    path = tmp_path / "bad.toml"
    path.write_text(text)
    return Registry.load(path)


def test_the_whole_schema_is_read_and_lies_over_the_shipped_names(tmp_path):
    registry = load(tmp_path, whole)
    assert registry.experiments["samat-table-1"].runs == 5
    assert registry.project_features == ["essentia", "mfcc-pooled", "stats"]
    assert "mel-120" in registry.features


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("schema = 2", "schema: input should be 1"),
        ("schema = 1\nfeature = {}", "feature: unknown key, did you mean 'features'"),
        ("schema = 1\n[features.a]\nparams = {}", "bad.toml: features.a.extractor: field required"),
        ("schema = 1\n[tasks.t]\ndataset='d'\nlabels='l'\nmetric='auc'", "tasks.t.metric: input should be 'roc_auc'"),
        ("schema = 1\n[experiments.e]\ntask = 't'\nmodel = 'm'", "experiments.e: unknown task 't'"),
        (whole + "\n[experiments.x]\ntask='jamendo-moodtheme'\nmodel='em-baned'", "did you mean 'em-banded'"),
        (whole + "\n[experiments.x]\ntask='jamendo-moodtheme'\nmodel='em-banded'\nfeatures=['statz']", "'stats'"),
        (whole.replace("runs = 5", "runs = 5\ntask='jamendo-moodtheme'"), "give task once, here or in matrix"),
        (whole + "\n[experiments.x]\nmodel='em-banded'", "experiments.x: give task, here or in matrix"),
        ("schema = 1\n[features\n", "bad.toml: .*line 2"),
    ],
)
def test_mistakes_are_named(tmp_path, text, message):
    with pytest.raises(ConfigError, match=message) as error:
        load(tmp_path, text)
    assert error.value.exit_code == 4


def test_a_name_without_an_entry_is_an_extractor_with_its_defaults():
    (feature,) = resolve(["mfcc-stats"], Registry.load(), Plugins.installed()).values()
    assert [source.name for source in in_order({"x": feature})] == ["mfcc", "mfcc-stats"]


def test_inputs_can_be_other_feature_sets(tmp_path):
    found = resolve(["stats", "mfcc-stats"], load(tmp_path, whole), Plugins.installed())
    assert found["stats"].inputs["mfcc"].name == "mfcc-pooled"
    assert found["stats"].id == found["mfcc-stats"].id  # the pooled one spells out the defaults


@pytest.mark.parametrize(
    ("entry", "message", "hint"),
    [
        ("params = { sr = 'fast' }", "features.f.params.sr: input should be a valid integer", None),
        ("params = { rate = 1 }", "features.f.params: unknown parameter 'rate'", "known: sr"),
        ("inputs = { mel = 'mel' }", "reads no 'mel'", ""),
    ],
)
def test_wrong_parameters_are_named(tmp_path, entry, message, hint):
    registry = load(tmp_path, f"schema = 1\n[features.f]\nextractor = 'mfcc@1'\n{entry}")
    with pytest.raises(ConfigError, match=message) as error:
        resolve(["f"], registry, Plugins.installed())
    assert hint is None or hint in error.value.hint


def test_inputs_that_name_nothing_are_a_mistake_of_the_registry(tmp_path):
    registry = load(tmp_path, "schema = 1\n[features.f]\nextractor = 'mfcc-stats@1'\ninputs = { mfcc = 'nope' }")
    with pytest.raises(ConfigError, match=r"features\.f\.inputs\.mfcc: unknown features 'nope'"):
        resolve(["f"], registry, Plugins.installed())


def test_a_pinned_version_that_is_not_installed_says_which_is(tmp_path):
    registry = load(tmp_path, "schema = 1\n[features.f]\nextractor = 'mel@7'")
    with pytest.raises(ConfigError, match="pins mel@7, but the installed plugin provides mel@1") as error:
        resolve(["f"], registry, Plugins.installed())
    assert "pin mel@1" in error.value.hint


def test_feature_sets_that_read_each_other_are_refused(tmp_path):
    text = (
        "schema = 1\n[features.a]\nextractor = 'mfcc-stats'\ninputs = { mfcc = 'b' }\n"
        "[features.b]\nextractor = 'mfcc-stats'\ninputs = { mfcc = 'a' }"
    )
    with pytest.raises(ConfigError, match="reads itself: a → b → a"):
        resolve(["a"], load(tmp_path, text), Plugins.installed())


def test_equal_numbers_are_equal_parameters():
    from mirstore_librosa import MFCC

    assert FeatureSet("a", MFCC(offset=5)).id == FeatureSet("b", MFCC(offset=5.0)).id
    assert FeatureSet("a", MFCC(offset=5.5)).id != FeatureSet("b", MFCC(offset=5.0)).id
    assert normalise({"a": (1.0, 2.5)}) == {"a": [1, 2.5]}
    with pytest.raises(ValueError, match="not finite"):
        normalise(float("nan"))


def install(folder, name, code, requires=()):
    module = f"mirstore_{name.replace('-', '_')}"
    (folder / f"{module}.py").write_text(code)
    info = folder / f"{module}-1.0.dist-info"
    info.mkdir()
    lines = ["Metadata-Version: 2.1", f"Name: mirstore-{name}", "Version: 1.0"]
    (info / "METADATA").write_text("\n".join([*lines, *(f"Requires-Dist: {text}" for text in requires), ""]))
    (info / "entry_points.txt").write_text(f"[mirstore]\n{name} = {module}\n")


component = """
from dataclasses import dataclass
from mirstore.core import Extractor, hookimpl

@dataclass
class Level(Extractor):
    name = "level"
    def columns(self): return {}
    def extract(self, track): return {}

@hookimpl
def register_extractors(): return [Level]
"""


@pytest.mark.parametrize(
    ("name", "code", "status"),
    [
        ("absent", "import no_such_module", "broken: ModuleNotFoundError: No module named 'no_such_module'"),
        ("leaves", "raise SystemExit(3)", "broken: SystemExit: 3"),
        ("typo", component.replace("register_extractors", "register_extractor"), "broken: PluginValidationError"),
        ("argument", component.replace("extractors()", "extractors(store)"), "broken: PluginValidationError"),
        ("nameless", component.replace('name = "level"', "pass"), "broken: TypeError: Level has no name"),
        ("plain", component.replace("@dataclass", ""), "broken: TypeError: Level is not a dataclass"),
        ("shouts", component.replace('"level"', '"Level!"'), "broken: ValueError: name 'Level!'"),
        ("fails", component.replace("return [Level]", "return 1 / 0"), "broken: ZeroDivisionError"),
        ("lacks", component, "needs: pip install 'mirstore-lacks'"),
    ],
)
def test_a_broken_plugin_is_a_row(tmp_path, monkeypatch, name, code, status):
    install(tmp_path, name, code, ["surely-not-installed>=2"] if name == "lacks" else [])
    monkeypatch.syspath_prepend(tmp_path)
    plugins = Plugins.installed()
    rows = {row.name: row for row in plugins.rows()}
    assert rows[name].status.startswith(status)
    assert rows["librosa"].status == "ok"
    from mirstore.core import Extractor

    with pytest.raises((PluginError, UnknownNameError)):
        plugins.get(Extractor, "level")


def test_what_a_plugin_prints_stays_out_of_the_data(tmp_path, monkeypatch, capsys):
    install(tmp_path, "chatty", 'print("hello")\n' + component)
    monkeypatch.syspath_prepend(tmp_path)
    Plugins.installed()
    assert capsys.readouterr().out == ""


def test_a_name_that_two_plugins_claim_is_an_error_that_names_both(tmp_path, monkeypatch):
    from mirstore.core import Extractor

    install(tmp_path, "first", component)
    install(tmp_path, "second", component)
    monkeypatch.syspath_prepend(tmp_path)
    plugins = Plugins.installed()
    with pytest.raises(PluginError, match="claimed by mirstore-first and mirstore-second") as error:
        plugins.get(Extractor, "level")
    assert error.value.exit_code == 5
    assert plugins.get(Extractor, "mel").name == "mel"


def test_plugins_can_be_switched_off(monkeypatch):
    monkeypatch.setenv("MIRSTORE_LOAD_PLUGINS", "")
    assert Plugins.installed().rows() == []
    monkeypatch.setenv("MIRSTORE_LOAD_PLUGINS", "librosa")
    assert [row.name for row in Plugins.installed().rows()] == ["librosa"]


def test_a_components_own_name_is_no_mistake_even_if_it_is_like_a_registered_one(tmp_path):
    path = tmp_path / "registry.toml"
    text = "schema = 1\n[features.mel-240]\nextractor = 'mel'\n[experiments.e]\ntask = 'clips'\nmodel = 'ridge'\n"
    path.write_text(text + "features = ['mel']\n")
    assert Registry.load(path).experiments["e"].features == ["mel"]
