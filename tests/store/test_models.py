"""Kept models: trained, found, exported, added, removed, altered; and as extractors, whose scores are the model's."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import textwrap
import zipfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import polars as pl
import pytest
from done import ingest, run, summaries
from test_store import lose, overwrite

from mirstore.core.artifacts.files import Artifact, card_name
from mirstore.core.checks import checks_for
from mirstore.core.errors import ConfigError, PluginError, StoreError, UnknownNameError, UsageError
from mirstore.core.experiments.cases import cases
from mirstore.core.experiments.metrics import vote
from mirstore.core.plugins import Plugins
from mirstore.core.registry import Registry
from mirstore.core.resolve import resolve
from mirstore.store import Store
from mirstore.store.experiments.examples import TaskExamples
from mirstore.store.experiments.planning import plan
from mirstore.store.experiments.tasks import load_task
from mirstore.store.experiments.training import train
from mirstore.store.ingest.sources import find as sources
from mirstore.store.ingest.status import status
from mirstore.store.lake.artifacts import artifact_folder
from mirstore.store.lake.doctor import doctor, examine
from mirstore.store.models import add, export, find, keep, removal, remove
from mirstore_models.names import column_names

n = 12
words = ("hip hop", "R&B")
entries = {
    "schema": 1,
    "features": {
        "tones": {"extractor": "test-tones@1"},
        "seconds": {"extractor": "test-seconds@1"},
        "frames": {"extractor": "test-frames@1"},
        "scores": {"extractor": "model@1", "params": {"artifact": "genres"}},
    },
    "models": {
        way: {"model": "test-odd@1", "params": {"way": way}}
        for way in ("nothing", "pickle", "disguised", "aborts", "raises")
    },
    "tasks": {"genre": {"dataset": "music", "labels": "label", "metric": "accuracy", "folds": 3}},
    "experiments": {
        "genres": {"task": "genre", "features": ["tones"], "matrix": {"model": ["ridge", "majority"]}},
        "ridge": {"task": "genre", "features": ["tones"], "model": "ridge"},
        "further": {"task": "genre", "features": ["scores"], "model": "ridge"},
    },
}


def in_threads(workers, limits):
    """Make an executor in this process: starting another takes longer than the case."""
    return ThreadPoolExecutor(1)


@pytest.fixture(scope="module")
def music(tmp_path_factory):
    """Twelve tracks of 3 s, low tones and high ones, each somewhat different."""
    import soundfile

    folder, rng = tmp_path_factory.mktemp("music"), np.random.default_rng(440)
    t = np.arange(3 * 8000) / 8000
    for number in range(n):
        word = words[number % 2]
        tone = np.sin(2 * np.pi * (300 + 1700 * (number % 2) + 40 * number) * t)
        path = folder / word / f"{number:02}.wav"
        path.parent.mkdir(exist_ok=True)
        soundfile.write(path, 0.1 * tone + 0.05 * rng.normal(size=len(t)), 8000, subtype="PCM_16")
    return folder


@pytest.fixture
def plugins(test_plugins):
    return Plugins.installed()


@pytest.fixture
def store(tmp_path, music, plugins, made_once):
    def make_store(folder):
        with Store(folder / "store", create=True) as made:
            compute(made, music, plugins, ["tones", "seconds", "frames"])

    with Store(made_once(tmp_path, make_store)) as found:
        yield found


def registry(**experiment):
    data = json.loads(json.dumps(entries))
    data["experiments"]["ridge"] |= experiment
    return Registry.model_validate(data)


def located(store):
    return lambda name: find(store, name).folder


def compute(store, music, plugins, names, registered=None, where=None):
    features = resolve(names, registered or registry(), plugins, kept=located(where or store))
    found = sources([music], label_from_folder=True)
    return ingest(store, found, features, dataset="music", pool=in_threads).as_dict()["features"]


def trained(store, plugins, name="genres", pool=in_threads, **experiment):
    registered = registry(**experiment)
    return fitted(store, cases(registered, ["ridge"]), registered, plugins, name=name, pool=pool).model


def fitted(store, chosen, registered, plugins, **options):
    return train(store, plan(store, chosen, registered, plugins), registered, **options).result()


def altered(folder, name, content):
    """Change a kept file, which is read-only."""
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_bytes(content)


def predicted(store, plugins, model, features):
    """Return track to scores, as the kept model itself gives them for the stored values, a track at a time."""
    fitted = Artifact.read(model.folder).fitted(plugins)
    data = load_task(store, registry().tasks["genre"], features)
    assert isinstance(data, TaskExamples)
    if fitted.chunk:
        data = data.chunked(fitted.chunk)
    found = {}
    for number, track in enumerate(data.tracks["track"]):
        rows = np.flatnonzero(data.owners == number)
        tensors = {name: items.take(rows) for name, items in data.tensors.items()}
        scores = fitted.scores(data.table[rows], tensors)
        found[track] = vote(scores, np.zeros(len(rows), dtype=int), fitted.exclusive)[0].tolist()
    return found


# Training and keeping


def test_a_trained_model_is_found_by_its_name_and_by_its_hash(store, plugins):
    kept = trained(store, plugins)
    assert find(store, "genres") == find(store, kept.artifact[:8]) == kept
    row = store.sql("SELECT * FROM models").to_dicts()[0]
    assert (row["name"], row["model"], row["dataset"], row["tracks"]) == ("genres", "ridge@1", "music", n)
    assert doctor(store) == []


def test_its_card_says_what_it_learned_from(store, plugins):
    card = trained(store, plugins).card
    assert card.learned.features == {"tones": store.resolve("tones")}
    assert card.learned.columns == ("tones.loud", "tones.bands_000", "tones.bands_001", "tones.bands_002")
    assert card.learned.classes == tuple(sorted(words))
    assert card.definitions[store.resolve("tones")].extractor == "test-tones@1"
    assert (card.data.dataset, card.data.labels, card.data.tracks) == ("music", "label", n)
    assert card.split["folds"] == 3
    assert card.distributions.keys() >= {"mirstore", "numpy"}


@pytest.mark.slow
def test_scores_are_those_of_the_finished_run_and_none_are_made_up(store, plugins):
    assert trained(store, plugins).card.scores is None
    registered = registry()
    planned = plan(store, cases(registered, ["ridge"]), registered, plugins)
    (outcome,) = run(store, planned, pool=in_threads)
    kept = trained(store, plugins)
    metrics = summaries(store, [outcome.run])[0]["metrics"]
    assert kept.run == outcome.run
    assert {name: score.mean for name, score in kept.card.scores.items()} == {
        name: value["mean"] for name, value in metrics.items()
    }
    assert store.sql("SELECT score FROM models")["score"][0] == metrics["accuracy"]["mean"]


@pytest.mark.slow
def test_a_kept_model_is_there_for_all_who_open_the_store(store, plugins, tmp_path, monkeypatch):
    kept = trained(store, plugins)
    expected = predicted(store, plugins, kept, ["tones"])
    monkeypatch.setenv("MIRSTORE_CACHE", str(tmp_path / "another machine"))
    with Store(store.address) as other:
        assert find(other, "genres").card == kept.card
        assert predicted(other, plugins, find(other, "genres"), ["tones"]) == expected


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["missing", "altered"])
def test_a_model_that_is_damaged_where_all_read_it_is_found(store, plugins, damage):
    path = trained(store, plugins).folder / "model" / "state.json"
    if damage == "missing":
        lose(store, path)
    else:
        overwrite(store, path, path.read_bytes()[::-1])
    (problem,) = examine(store.address, deep=True)
    assert (problem["table"], problem["file"]) == ("core.artifacts", store.home.shown(path.parents[1]))
    assert "state.json" in problem["problem"]


def test_training_twice_keeps_one_model(store, plugins):
    first, second = trained(store, plugins), trained(store, plugins, name="again")
    assert first.artifact == second.artifact
    assert store.sql("SELECT name FROM models")["name"].to_list() == ["again"]


def test_the_licence_is_the_models_and_not_what_decides_the_scores(store, plugins):
    registered = registry()
    chosen = cases(registered, ["ridge"])
    plain, licensed = (
        fitted(store, chosen, registered, plugins, licence=licence, pool=in_threads).model for licence in (None, "MIT")
    )
    assert plain.artifact != licensed.artifact
    assert plain.card.learned == licensed.card.learned
    assert store.sql("SELECT licence FROM models").to_series().to_list() == ["MIT", None]


def test_several_cases_are_refused_with_what_tells_them_apart(store, plugins):
    registered = registry()
    with pytest.raises(UsageError) as caught:
        fitted(store, cases(registered, ["genres"]), registered, plugins)
    assert str(caught.value) == "2 cases, and a model is fitted to one (choose one: --only model=ridge|majority)"


def test_a_case_that_lacks_something_says_what(store, plugins):
    with pytest.raises(UsageError, match="unknown features 'absent'"):
        trained(store, plugins, features=["absent"])


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("test-constant", "model 'test-constant' cannot be kept: it implements no save (choose another model)"),
        ("nothing", "model 'test-odd' saves nothing"),
        ("pickle", "model 'test-odd' saves model/state.pkl, which is neither safetensors nor JSON"),
        ("disguised", "model 'test-odd' saves model/state.safetensors, which is no safetensors file"),
        ("raises", "ZeroDivisionError: no luck today"),
    ],
)
def test_a_model_that_cannot_be_kept_is_told_in_one_line(store, plugins, model, message):
    with pytest.raises((UsageError, PluginError)) as caught:
        trained(store, plugins, model=model)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (store.path / "artifacts").exists()
    assert store.sql("SELECT * FROM models").is_empty()


@pytest.mark.slow
def test_a_model_that_crashes_while_it_saves_itself_costs_its_process_only(store, plugins):
    from mirstore.core.pool import local_pool

    with pytest.raises(PluginError, match="crashed: its process died"):
        trained(store, plugins, model="aborts", pool=local_pool)
    assert store.sql("SELECT * FROM models").is_empty()


def test_what_a_killed_process_left_is_no_model_and_gc_removes_it(store, plugins, monkeypatch):
    monkeypatch.setattr("mirstore.store.lake.artifacts.keep", partial(_raise, KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        trained(store, plugins)
    (part,) = (store.path / "artifacts").iterdir()
    assert part.name.endswith(".part")
    assert store.sql("SELECT * FROM models").is_empty()
    assert doctor(store) == []
    monkeypatch.undo()
    gone = {path.name for path in store.gc(0) if part in path.parents}
    assert gone == {card_name, "scaling.safetensors", "state.json", "state.safetensors"}
    assert list((store.path / "artifacts").iterdir()) == []
    assert trained(store, plugins).folder.exists()


@pytest.mark.slow
def test_a_process_that_is_killed_while_it_writes_leaves_a_whole_store(store, plugins, tmp_path):
    script = tmp_path / "killed.py"
    script.write_text(
        textwrap.dedent(f"""
            import json, os, sys
            from concurrent.futures import ThreadPoolExecutor
            from pathlib import Path
            from mirstore.core.experiments.cases import cases
            from mirstore.core.plugins import Plugins
            from mirstore.core.registry import Registry
            from mirstore.store import Store
            from mirstore.store.experiments.planning import plan
            from mirstore.store.experiments.training import train
            from mirstore.store.lake import artifacts

            artifacts.keep = lambda *_: os.kill(os.getpid(), 9)
            registry = Registry.model_validate(json.loads({json.dumps(json.dumps(entries))}))
            with Store({str(store.path)!r}) as store:
                one = plan(store, cases(registry, ["ridge"]), registry, Plugins.installed())
                train(store, one, registry, pool=lambda workers, limits: ThreadPoolExecutor(1)).result()
            """)
    )
    assert subprocess.run([sys.executable, script], timeout=300).returncode == -9
    (part,) = (store.path / "artifacts").iterdir()
    assert part.name.endswith(".part")
    with Store(store.path) as again:
        assert again.sql("SELECT * FROM models").is_empty()
        assert doctor(again) == []
        assert trained(again, plugins, name="ridge").folder.exists()
        assert len(list((again.path / "artifacts").iterdir())) == 1


def _raise(error, *_):
    raise error


# As an extractor


def test_extracted_scores_are_the_models_bit_for_bit(store, plugins, music):
    kept = trained(store, plugins)
    assert compute(store, music, plugins, ["scores"])["scores"]["ok"] == n
    frame = store.features("scores")
    assert frame.columns == ["track", "r_b", "hip_hop"]
    expected = predicted(store, plugins, kept, ["tones"])
    assert {track: scores for track, *scores in frame.iter_rows()} == expected
    whole = Artifact.read(kept.folder).fitted(plugins)
    data = load_task(store, registry().tasks["genre"], ["tones"])
    np.testing.assert_allclose(whole.scores(data.table, {}), [expected[t] for t in data.tracks["track"]], rtol=1e-12)


@pytest.mark.parametrize("model", ["em-banded", "xgboost", "random-forest", "logistic-regression", "majority"])
def test_every_shipped_model_scores_as_itself(store, plugins, music, model):
    kept = trained(store, plugins, model=model)
    compute(store, music, plugins, ["scores"])
    rows = {track: scores for track, *scores in store.features("scores").iter_rows()}
    assert rows == predicted(store, plugins, kept, ["tones"])


def test_rows_of_several_times_are_voted_as_in_the_experiment(store, plugins, music):
    kept = trained(store, plugins, features=["tones", "seconds"])
    assert len(kept.card.learned.features) == 2
    compute(store, music, plugins, ["scores"])
    rows = {track: scores for track, *scores in store.features("scores").iter_rows()}
    assert rows == predicted(store, plugins, kept, ["tones", "seconds"])


@pytest.mark.parametrize("chunk", [None, {"seconds": 0.7}, {"count": 5}])
def test_a_model_of_tensors_scores_whole_tracks_and_chunks(store, plugins, music, chunk):
    kept = trained(store, plugins, features=["frames"], model="test-nearest", chunk=chunk)
    assert kept.card.learned.tensors == {"frames.bands": 0.1}
    compute(store, music, plugins, ["scores"])
    rows = {track: scores for track, *scores in store.features("scores").iter_rows()}
    assert rows == predicted(store, plugins, kept, ["frames"])


def test_a_track_too_short_for_a_chunk_has_no_scores_and_is_no_failure(store, plugins, music):
    trained(store, plugins, features=["frames"], model="test-nearest", chunk={"seconds": 2.9})
    registered = registry()
    feature = resolve(["scores"], registered, plugins, kept=located(store))["scores"]
    short = pl.DataFrame({"bands": pl.Series([np.ones((4, 5), np.float32)], dtype=pl.Object)})

    class Short:
        def features(self, name):
            return short

    assert feature.extractor.extract(Short()) == []


@pytest.mark.slow
def test_scores_are_features_of_a_further_experiment(store, plugins, music):
    trained(store, plugins)
    compute(store, music, plugins, ["scores"])
    registered = registry()
    (outcome,) = run(store, plan(store, cases(registered, ["further"]), registered, plugins), pool=in_threads)
    assert outcome.error is None
    assert summaries(store, [outcome.run])[0]["metrics"]["accuracy"]["mean"] == 1.0


def test_what_stands_in_the_identity_is_what_was_learned(store, plugins):
    kept = trained(store, plugins)
    by_name, by_hash = (
        resolve(["scores"], changed("scores", artifact), plugins, kept=located(store))["scores"]
        for artifact in ("genres", kept.artifact)
    )
    assert by_name.id == by_hash.id
    assert by_name.definition["weights"] == kept.card.learned.sha256
    assert by_name.definition["params"] == {}
    other = trained(store, plugins, model="majority")
    assert resolve(["scores"], registry(), plugins, kept=located(store))["scores"].id != by_name.id
    assert other.artifact != kept.artifact


def changed(name, artifact):
    registered = registry()
    registered.features[name].params["artifact"] = artifact
    return registered


def test_another_meaning_of_the_features_is_refused_with_what_to_do(store, plugins):
    kept = trained(store, plugins)
    registered = registry()
    registered.features["tones"].params["sr"] = 4000
    now = resolve(["tones"], registered, plugins)["tones"].id
    with pytest.raises(ConfigError) as caught:
        resolve(["scores"], registered, plugins, kept=located(store))
    then = kept.card.learned.features["tones"]
    assert caught.value.message == f"features.scores.inputs.tones: must be tones {then}, and tones means {now} here"
    assert caught.value.hint.startswith("name an entry that means it: inputs = { tones = … }; mirstore models show")
    registered.features["old-tones"] = registry().features["tones"]
    registered.features["scores"].inputs["tones"] = "old-tones"
    assert resolve(["scores"], registered, plugins, kept=located(store))["scores"].inputs["tones"].id == then


def test_a_new_model_of_the_name_makes_its_scores_stale(store, plugins, music):
    trained(store, plugins)
    compute(store, music, plugins, ["scores"])
    assert {row["feature"]: row["state"] for row in status(store, registry(), plugins)}["scores"] == "current"
    trained(store, plugins, model="majority")
    assert "weights" in {row["feature"]: row["state"] for row in status(store, registry(), plugins)}["scores"]


@pytest.mark.slow
def test_the_extractor_keeps_the_contract(store, plugins):
    trained(store, plugins)
    subject = resolve(["scores"], registry(), plugins, kept=located(store))["scores"]
    for check in checks_for(subject):
        check(subject)


def test_an_unknown_model_is_named_with_what_is_near(store, plugins):
    trained(store, plugins)
    with pytest.raises(ConfigError, match=r"scores\.params\.artifact: unknown kept model 'genre'.*'genres'"):
        resolve(["scores"], changed("scores", "genre"), plugins, kept=located(store))


def test_a_missing_parameter_says_what_it_is(plugins):
    with pytest.raises(ConfigError, match=r"extractor 'model' needs a kept model .*artifact ="):
        _ = resolve(["model"], registry(), plugins)["model"].id


def test_a_missing_plugin_is_told_before_anything_is_computed(store, plugins, monkeypatch):
    trained(store, plugins, features=["frames"], model="test-nearest")
    monkeypatch.setenv("MIRSTORE_LOAD_PLUGINS", "models,baselines")
    with pytest.raises(UnknownNameError, match="unknown model 'test-nearest'"):
        resolve(["scores"], registry(), plugins, kept=located(store))


def test_another_version_of_the_model_is_refused(store, plugins, monkeypatch):
    trained(store, plugins)
    monkeypatch.setattr("mirstore_baselines.Ridge.version", 2)
    with pytest.raises(PluginError, match=r"was learned by ridge@1, and the installed plugin provides ridge@2 .*train"):
        resolve(["scores"], registry(), plugins, kept=located(store))


# Altered and foreign models


class Evil:
    """Leaves a trace if it is ever unpickled."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return open, (str(self.trace), "w")


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("model/state.safetensors", "model/state.safetensors was altered: its SHA-256 is not"),
        ("card.json", "card.json was altered: its SHA-256 is"),
        ("model/state.pkl", "holds model/state.pkl, which its card does not name"),
    ],
)
def test_an_altered_model_is_refused_and_doctor_finds_it(store, plugins, music, tmp_path, name, problem):
    kept = trained(store, plugins)
    content = kept.card.text().replace('"ridge@1"', '"majority@1"').encode() if name == card_name else None
    altered(kept.folder, name, content or pickle.dumps(Evil(tmp_path / "trace")))
    with pytest.raises(StoreError) as caught:
        compute(store, music, plugins, ["scores"])
    assert problem in caught.value.message
    assert "train it again" in caught.value.hint
    assert [row["table"] for row in doctor(store)] == ["core.artifacts"]
    assert problem in doctor(store)[0]["problem"]
    with pytest.raises(StoreError, match=r"altered|which its card does not name"):
        export(store, "genres", tmp_path / "out")
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize("target", ["model", "model.zip"])
def test_an_exported_model_predicts_the_same_in_another_store(store, plugins, music, tmp_path, target):
    kept = trained(store, plugins)
    compute(store, music, plugins, ["scores"])
    export(store, "genres", tmp_path / target)
    with Store(tmp_path / "other", create=True) as other:
        added = add(other, tmp_path / target, "genres")
        assert (added.artifact, added.card) == (kept.artifact, kept.card)
        compute(other, music, plugins, ["scores"])
        assert other.features("scores").sort("track").equals(store.features("scores").sort("track"))
        assert other.resolve("scores") == store.resolve("scores")


def test_the_page_beside_it_has_the_lines_that_a_registry_needs(store, plugins, tmp_path):
    import tomllib

    kept = trained(store, plugins)
    export(store, "genres", tmp_path / "model")
    page = (tmp_path / "model" / "README.md").read_text()
    lines = tomllib.loads(page.partition("```toml\n")[2].partition("```")[0])
    found = resolve(["my-genres"], Registry.model_validate({"schema": 1, **lines}), plugins, kept=located(store))
    assert found["my-genres"].inputs["tones"].id == kept.card.learned.features["tones"]


def test_a_pickle_in_a_foreign_model_is_never_loaded(store, plugins, tmp_path):
    trained(store, plugins)
    evil = pickle.dumps(Evil(tmp_path / "trace"))
    for number, name in enumerate(("model/state.safetensors", "model/evil.pkl", "model/evil.json")):
        folder = tmp_path / str(number)
        export(store, "genres", folder)
        altered(folder, name, evil)
        sealed(folder, name)
        with pytest.raises(StoreError, match=r"is no safetensors file|is neither safetensors nor JSON|is no JSON"):
            add(store, folder, "evil")
    assert not (tmp_path / "trace").exists()
    assert store.sql("SELECT name FROM models")["name"].to_list() == ["genres"]


def sealed(folder, name):
    """Let a card name a file, as somebody would who means harm."""
    from mirstore.core.weights.cache import digest

    card = json.loads((folder / card_name).read_text())
    card["learned"]["files"][name] = digest(folder / name)
    altered(folder, card_name, json.dumps(card).encode())


def test_links_and_nonsense_in_a_foreign_model_are_refused(store, plugins, tmp_path):
    trained(store, plugins)
    export(store, "genres", tmp_path / "linked")
    (tmp_path / "linked" / "model" / "more.json").symlink_to("/etc/passwd")
    export(store, "genres", tmp_path / "torn")
    altered(tmp_path / "torn", card_name, b'{"schema": 1, "learned": 3}')
    (tmp_path / "empty").mkdir()
    (tmp_path / "no.zip").write_text("no zip")
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("card.json", b" " * 1_000_000)
    with zipfile.ZipFile(tmp_path / "half.zip", "w", zipfile.ZIP_STORED) as file:
        file.writestr("more.json", b"{}")
    for name, problem in {
        "linked": "holds model/more.json, which is no file of its own",
        "torn": "card.json cannot be read: learned: ",
        "empty": "has no card.json",
        "no.zip": "is neither a folder nor a zip file",
        "bomb.zip": "is compressed",
        "half.zip": f"{tmp_path}/half.zip.*has no card.json",  # and not where it was unpacked
    }.items():
        with pytest.raises(StoreError, match=problem):
            add(store, tmp_path / name)
    with pytest.raises(UsageError, match="no such folder or file"):
        add(store, tmp_path / "absent")


def test_an_export_overwrites_nothing(store, plugins, tmp_path):
    trained(store, plugins)
    (tmp_path / "there").mkdir()
    with pytest.raises(UsageError, match="is there already"):
        export(store, "genres", tmp_path / "there")
    assert list((tmp_path / "there").iterdir()) == []


def test_a_name_must_be_typed_in_a_registry(store, plugins):
    with pytest.raises(UsageError, match="a model cannot be called 'My Model'"):
        trained(store, plugins, name="My Model")
    kept = trained(store, plugins)
    with pytest.raises(UsageError, match="cannot be called"):
        keep(store, Artifact.read(kept.folder), "a/b")


# Removal


def test_a_removed_model_is_gone_and_training_brings_it_back(store, plugins, music):
    kept = trained(store, plugins)
    compute(store, music, plugins, ["scores"])
    going = removal(store, ["genres"])
    assert going.what.endswith("; features scores were computed by it, and stay")
    remove(store, going)
    with pytest.raises(UnknownNameError):
        find(store, "genres")
    assert store.features("scores").height == n
    assert doctor(store) == []
    assert kept.folder.exists()
    assert trained(store, plugins).artifact == kept.artifact


def test_an_earlier_model_of_the_name_is_meant_again(store, plugins):
    first = trained(store, plugins, model="majority")
    second = trained(store, plugins)
    assert find(store, "genres").artifact == second.artifact
    remove(store, removal(store, ["genres"]))
    assert find(store, "genres").artifact == first.artifact


def test_a_purge_erases_removed_models_and_leaves_others(store, plugins):
    going, staying = trained(store, plugins, name="going"), trained(store, plugins, name="staying", model="majority")
    remove(store, removal(store, ["going"]))
    assert store.purge().rows["core.artifacts"] == 2
    assert not going.folder.exists()
    assert find(store, "staying").folder == artifact_folder(store.path, staying.artifact)
    assert store.sql("SELECT name FROM models")["name"].to_list() == ["staying"]
    assert doctor(store) == []


# Names of columns


def test_columns_have_plain_names_whatever_the_labels_are():
    assert column_names(["a 2", "a", "A", "start", "80s", "演歌", "Ünïque"]) == {
        "a 2": "a_2",
        "a": "a",
        "A": "a_3",
        "start": "is_start",
        "80s": "is_80s",
        "演歌": "is_6",
        "Ünïque": "unique",
    }
