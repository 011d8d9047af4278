"""registry.toml: what is right is understood, what is wrong is named."""

from __future__ import annotations

import re

import numpy as np
import pytest

from mirstore.core.components import Grouper, Smoother
from mirstore.core.errors import ConfigError, PluginError, UnknownNameError
from mirstore.core.experiments.cases import expand
from mirstore.core.experiments.published import published
from mirstore.core.extraction import extract
from mirstore.core.features import FeatureSet, in_order, normalise
from mirstore.core.isolated import everywhere
from mirstore.core.jobs import Job
from mirstore.core.models import Model
from mirstore.core.plugins import Plugins
from mirstore.core.registry import Registry
from mirstore.core.resolve import component as made
from mirstore.core.resolve import resolve

whole = """
schema = 1

[plugins]
essentia = "mirstore[essentia]"
librosa = "mirstore>=0.1"

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
model = "em-banded@2"

[tasks.jamendo-moodtheme]
dataset = "mtg-jamendo"
labels = "moodtheme"
split = "split-0"
metric = "roc_auc"

[workers.omnizart]
python = "/opt/omnizart/bin/python"
jobs = 1
memory = 4.0

[features.chords]
extractor = "omnizart-chords@1"
place = "omnizart"

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
    assert registry.project_features == ["essentia", "mfcc-pooled", "stats", "chords"]
    assert "mel-120" in registry.features


def test_a_published_figure_of_tracks_that_nobody_else_has_says_so():
    """Whatever stands in a store under that dataset's name is something else."""
    shipped = Registry.load()
    secret = {name for name, task in shipped.tasks.items() if re.search("not public|keeps to itself", task.source)}
    secret |= {f"{name}-ext" for name in secret} & shipped.tasks.keys()
    found = [
        figure
        for name, entry in shipped.experiments.items()
        for figure, case in published(shipped, name)
        if case and case.task in secret
    ]
    assert len(found) == 8 * 2 * 3 + 6  # Buisson et al., Table 2, and Hsu et al., Table I
    assert all("not public" in figure.deviation for figure in found)


def test_every_shipped_entry_is_of_something_that_is_installed():
    registry, plugins = Registry.load(), Plugins.installed()
    for name, entry in registry.models.items():
        assert made(Model, "models", name, entry.model, entry.params, plugins).name == entry.model.split("@")[0]
    for name, entry in registry.smoothings.items():
        made(Smoother, "smoothings", name, entry.smoother, entry.params, plugins)
    for name, entry in registry.groupings.items():
        if entry.groups is None:
            made(Grouper, "groupings", name, entry.grouper, entry.params, plugins)


def test_each_dataset_of_label_distribution_learning_is_tested_at_home_and_elsewhere():
    tasks = {name: task for name, task in Registry.load().tasks.items() if name.startswith("ldl-")}
    home = {name: task for name, task in tasks.items() if not name.endswith("-ext")}
    assert len(home) == 10
    assert len(tasks) == 20
    for name, task in home.items():
        assert (task.split, task.folds, task.metric) == ("stratified", 5, "balanced_accuracy")
        abroad = tasks[f"{name}-ext"]
        assert (abroad.dataset, abroad.labels, abroad.metric) == (task.dataset, task.labels, task.metric)
        assert abroad.evaluate_on == "mtg-jamendo"
        assert abroad.evaluate_labels in (f"genre_{name[4:]}", f"mood_{name[4:]}")
        assert task.source
        assert abroad.source.startswith(f"as for {name}")


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
        (
            whole + "\n[experiments.x]\ntask='jamendo-moodtheme'\nmodel='em-banded'\nmatrix.features=['stats']\n"
            "chunk={steps={stat=2}}",
            "x: chunk: steps of 'stat', which is none of its features, did you mean 'stats'",
        ),
        (whole.replace("runs = 5", "runs = 5\ntask='jamendo-moodtheme'"), "give task once, here or in matrix"),
        (whole + "\n[experiments.x]\nmodel='em-banded'", "experiments.x: give task, here or in matrix"),
        (
            whole + "\n[experiments.x]\nmodel='em-banded'\n[[experiments.x.matrix]]\ntask=['jamendo-moodtheme']\n"
            "[[experiments.x.matrix]]\nfeatures=['stats']",
            "experiments.x: give task, here or in matrix",
        ),
        (
            whole + "\n[experiments.x]\n[[experiments.x.matrix]]\n[[experiments.x.matrix]]\nmodle=['m']",
            "experiments.x.matrix.1.modle: unknown key, did you mean 'model'",
        ),
        ("schema = 1\n[features\n", "bad.toml: .*line 2"),
    ],
)
def test_mistakes_are_named(tmp_path, text, message):
    with pytest.raises(ConfigError, match=message) as error:
        load(tmp_path, text)
    assert error.value.exit_code == 4


def test_several_matrices_are_the_cases_of_one_and_then_of_the_next(tmp_path):
    text = """
[experiments.x]
task = "jamendo-moodtheme"

[[experiments.x.matrix]]
features = ["stats", "mfcc-pooled"]
model = ["ridge"]

[[experiments.x.matrix]]
features = [["stats", "mfcc-pooled"]]
model = ["em-banded", "ridge"]

[[experiments.x.matrix]] # one that was there already is not there twice
features = ["stats"]
model = ["ridge"]
"""
    found = expand("x", load(tmp_path, whole + text).experiments["x"])
    assert [(case.text("features"), case.model) for case in found] == [
        ("stats", "ridge"),
        ("mfcc-pooled", "ridge"),
        ("stats+mfcc-pooled", "em-banded"),
        ("stats+mfcc-pooled", "ridge"),
    ]


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


def test_however_many_names_are_suspicious_the_plugins_are_loaded_once(tmp_path, monkeypatch):
    loaded = []
    monkeypatch.setattr("mirstore.core.isolated.everywhere", lambda: loaded.append(everywhere()) or loaded[-1])
    text = whole + "".join(
        f"\n[experiments.{name}]\ntask='jamendo-moodtheme'\nmodel='em-banded'\nfeatures=['{name}']\n"
        for name in ("mfcc-poled", "mel-239", "essentja")
    )
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    assert str(caught.value).count("unknown features") == 3
    assert len(loaded) == 1


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('[plugins]\nx = "not a requirement"', "plugins.x: 'not a requirement' is no requirement"),
        ('[workers.w]\npython = "p"', "workers.w: no features have place = 'w'"),
        ('[workers.w]\n[features.f]\nextractor = "mel"\nplace = "w"', "workers.w: give either isolated or python"),
        ('[workers.w]\npython = "p"\nisolated = "d"', "workers.w: give either isolated or python"),
        ('[workers.cpu]\npython = "p"', "workers.cpu: the name stands for this machine's own processors"),
        ('[workers.w]\npython = "p"\njobs = 0', "workers.w.jobs: input should be greater than or equal to 1"),
        ("[workers.w]\njob = 1", "workers.w.job: unknown key, did you mean 'jobs'?"),
        ("[groupings.g]\nparams = { a = 1 }\ngroups = { a = [] }", "groupings.g: groups have no params"),
    ],
)
def test_tables_of_plugins_and_workers_that_cannot_be_used_are_mistakes(tmp_path, text, problem):
    with pytest.raises(ConfigError, match=re.escape(problem)):
        load(tmp_path, f"schema = 1\n{text}\n")


@pytest.mark.parametrize("text", ["mirstore>=9", "nonsense-that-nobody-has", "mirstore[essentia]>=9"])
def test_a_plugin_that_the_registry_asks_for_and_is_not_installed_is_told_with_the_line_that_installs_it(
    tmp_path, text
):
    with pytest.raises(PluginError, match="not installed") as error:
        load(tmp_path, f"schema = 1\n[plugins]\nx = '{text}'\nfine = 'mirstore; python_version < \"3\"'\n")
    assert error.value.hint == f"pip install '{text}'"
    assert error.value.exit_code == 5


def test_a_plugin_in_an_environment_of_its_own_is_installed(tmp_path, elsewhere):
    load(tmp_path, "schema = 1\n[plugins]\nx = 'mirstore-test-elsewhere>=0.3'\n")
    with pytest.raises(PluginError, match="not installed") as error:
        load(tmp_path, "schema = 1\n[plugins]\nx = 'mirstore-test-elsewhere>=0.4'\n")
    assert error.value.hint == "mirstore plugins install 'mirstore-test-elsewhere>=0.4' --isolated"


def test_a_plugin_that_is_to_live_in_an_environment_is_not_to_be_installed_beside_mirstore(tmp_path):
    worker = "[workers.w]\nisolated = 'nonsense_that-nobody.has'\n[features.f]\nextractor = 'f'\nplace = 'w'\n"
    with pytest.raises(PluginError, match="not installed") as error:
        load(tmp_path, f"schema = 1\n[plugins]\nx = 'nonsense-that-nobody-has'\n{worker}")
    assert error.value.hint == "mirstore plugins install 'nonsense-that-nobody-has' --isolated"


there = """
schema = 1
[workers.w]
{worker}
jobs = 3
memory = 2.5
[features.f]
extractor = "elsewhere-samples@2"
place = "w"
params = {{ sr = 8000 }}
"""


@pytest.mark.parametrize("worker", ['isolated = "mirstore-test-elsewhere"', 'isolated = "elsewhere"', 'python = "{}"'])
def test_features_are_computed_by_the_worker_that_is_their_place(tmp_path, elsewhere, make_wav, worker):
    registry = load(tmp_path, there.format(worker=worker.format(elsewhere.python)))
    feature = resolve(["f"], registry, Plugins.installed())["f"]
    assert feature.place == "w"
    found = feature.extractor.environment
    assert (found.python, found.jobs, found.memory) == (elsewhere.python, 3, 2_500_000_000)
    path = make_wav(tmp_path / "a.wav", np.random.default_rng(440).uniform(-0.5, 0.5, 8000), 8000)
    (done,) = extract([Job("a", path, (feature.id,))], [feature])
    assert done.outcomes[0].status == "ok"
    own = resolve(["elsewhere-samples"], Registry.load(), everywhere())["elsewhere-samples"]
    assert own.place == "elsewhere"


@pytest.mark.parametrize(
    ("text", "problem", "hint"),
    [
        (there.format(worker='isolated = "nobody"'), "no environment has 'nobody'", "install nobody --isolated"),
        (
            there.format(worker='python = "/no/such/python"'),
            "'w' cannot be used: its interpreter /no/such/python",
            "mend",
        ),
        (
            there.format(worker='isolated = "elsewhere"').replace("samples@2", "sample"),
            "features.f.place: workers.w has no extractor 'elsewhere-sample'",
            "elsewhere-samples",
        ),
        (
            'schema = 1\n[features.f]\nextractor = "elsewhere-stem"\nplace = "gpu"',
            "features.f.place: 'elsewhere-stem' lives in environment 'elsewhere', and cannot run in 'gpu'",
            "leave place out",
        ),
        (
            'schema = 1\n[features.f]\nextractor = "mel"\nplace = "gpus"',
            "features.f.place: 'mel' is installed here",
            "gpu",
        ),
    ],
)
def test_places_where_an_extractor_is_not_are_refused(tmp_path, elsewhere, text, problem, hint):
    with pytest.raises((ConfigError, PluginError), match=re.escape(problem)) as error:
        resolve(["f"], load(tmp_path, text), everywhere())
    assert hint in error.value.hint
