"""Extractors in environments of their own: known here by their descriptions, computed there like any other."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from mirstore.core import interpreters
from mirstore.core.components import Extractor
from mirstore.core.descriptions import type_as_text, type_from_text
from mirstore.core.entries import WorkerEntry
from mirstore.core.environments import Environment, alone, environments, record, remove
from mirstore.core.errors import ConfigError, PluginError, UnknownNameError
from mirstore.core.extraction import extract
from mirstore.core.features import FeatureSet
from mirstore.core.isolated import everywhere, kinds
from mirstore.core.jobs import AudioFacts, Job
from mirstore.core.packed import read
from mirstore.core.plugins import distributions
from mirstore.core.resolve import build
from mirstore.core.tracks import Track
from mirstore.core.workers import Limits

rng = np.random.default_rng(440)
source = Path(__file__).parents[1] / "elsewhere"


@pytest.fixture
def here(monkeypatch):
    """The plugin as if it were installed here."""
    monkeypatch.syspath_prepend(str(source))
    spec = importlib.util.find_spec("mirstore_test_elsewhere")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def files(tmp_path, make_wav):
    """A mono and a stereo recording, at other rates than those that are asked for."""
    mono, stereo = 0.3 * rng.uniform(-1, 1, 22050), 0.3 * rng.uniform(-1, 1, (44100, 2))
    return [make_wav(tmp_path / "mono.wav", mono, 22050), make_wav(tmp_path / "stereo.wav", stereo, 44100)]


def run(files, features, folder=None, **settings):
    ids = tuple(feature.id for feature in features)
    jobs = [Job(path.stem, path, ids, folder=folder and folder / path.stem) for path in files]
    return list(extract(jobs, features, **settings))


def rows(done):
    """Return track and id to rows; of failures the error."""
    return {(one.job.track, outcome.feature): outcome.error or outcome.rows for one in done for outcome in one.outcomes}


def test_a_stand_in_is_the_extractor_to_whoever_plans_with_it(elsewhere, here):
    for name, made in kinds(elsewhere).items():
        own = next(kind for kind in here.register_extractors() if kind.name == name)
        for what in ("name", "version", "inputs", "optional", "fallbacks", "cost", "cite"):
            assert getattr(made, what) == getattr(own, what)
        assert made.__doc__ == own.__doc__
        assert made.place == "elsewhere"


@pytest.mark.parametrize(
    "params",
    [{}, {"sr": 8000}, {"mono": False}, {"bands": [1, 2]}, {"weighting": "c", "names": {"a": 1}}, {"device": "cuda"}],
    ids=str,
)
def test_it_has_the_identity_and_the_columns_of_the_extractor_itself(elsewhere, here, params):
    there = FeatureSet("s", build(kinds(elsewhere)["elsewhere-samples"], params, "here"))
    own = FeatureSet("s", build(here.Samples, params, "here"))
    assert there.id == own.id
    assert there.definition == own.definition
    assert there.columns == own.columns


@pytest.mark.parametrize(
    "params", [{"sr": "fast"}, {"sr": 0}, {"rate": 1}, {"weighting": "b"}, {"bands": "x"}], ids=str
)
def test_wrong_parameters_are_refused_in_the_same_words(elsewhere, here, params):
    with pytest.raises(ConfigError) as own:
        build(here.Samples, params, "features.s.params")
    with pytest.raises(ConfigError) as there:
        build(kinds(elsewhere)["elsewhere-samples"], params, "features.s.params")
    assert str(there.value).replace("ValueError: ", "") == str(own.value)


def test_types_of_parameters_survive_being_written_down():
    for kind in (int, int | None, list[float], tuple[int, ...], dict[str, list[int]], str | int | None, Path):
        assert type_from_text(type_as_text(kind)) == kind
    with pytest.raises(TypeError, match="not one of plain values"):
        type_as_text(np.ndarray)


@pytest.mark.parametrize("mono", [True, False])
def test_samples_are_the_same_bits_there_as_here(elsewhere, files, tmp_path, mono):
    there = FeatureSet("s", kinds(elsewhere)["elsewhere-samples"](mono=mono))
    for done in run(files, [there], tmp_path / "jobs"):
        (row,) = done.outcomes[0].rows
        track = Track("t", done.job.path)
        np.testing.assert_array_equal(read(row["samples"]), track.audio(16000, mono), strict=True)
        assert done.facts == AudioFacts.of(track.decoded)
        assert row["process"] != os.getpid()


def test_sounds_are_heard_there_as_here(elsewhere, here, files, tmp_path):
    results = []
    for kind in (kinds(elsewhere), {one.name: one for one in here.register_extractors()}):
        stem = FeatureSet("stem", kind["elsewhere-stem"]())
        heard = FeatureSet("heard", kind["elsewhere-samples"](), {"audio": stem}, audio="half")
        done = run(files, [stem, heard], tmp_path / str(len(results)))
        results.append({key: value[0] for key, value in rows(done).items()})
    for key, row in results[0].items():
        assert row.get("sha256") == results[1][key].get("sha256")
        for name in row.keys() - {"process", "sha256"}:
            np.testing.assert_array_equal(np.asarray(value(row[name])), np.asarray(value(results[1][key][name])))


def value(thing):
    return read(thing) if hasattr(thing, "path") else thing


def test_it_reads_what_a_plugin_of_ours_computed(elsewhere, test_plugins, files, tmp_path, monkeypatch):
    import mirstore_test_slow

    monkeypatch.setenv("TEST_LOADED", str(tmp_path / "loaded"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "numpy.py").write_text("raise SystemExit")  # of the working folder, which is on no worker's path
    slow = FeatureSet("slow", mirstore_test_slow.Slow(delay=0.0, quiet=True))
    there = FeatureSet("there", kinds(elsewhere)["elsewhere-interpreter"](), {"slow": slow})
    found = rows(run([*files, *files], [slow, there]))
    row = found["mono", there.id][0]
    assert row["twice"] == pytest.approx(2.0)
    assert row["foreign"] == ""
    assert Path(row["prefix"]) == elsewhere.python.parents[1]
    assert row["child"] == "mirstore.core.columns"  # what a plugin starts has mirstore too
    assert (tmp_path / "loaded").read_text().split() == ["loaded"]  # once per worker


@pytest.mark.slow
def test_what_fails_there_costs_the_track_it_failed_for(elsewhere, files, tmp_path):
    bad = [tmp_path / f"{what}.wav" for what in ("crash", "hang", "fail", "text")]
    for path in bad[:3]:
        path.write_bytes(files[0].read_bytes())
    bad[3].write_text("no audio")
    there = FeatureSet("s", kinds(elsewhere)["elsewhere-samples"]())
    found = rows(run([files[0], *bad, files[1]], [there], limits=Limits(seconds=5)))
    errors = {track: value if isinstance(value, str) else "ok" for (track, _), value in found.items()}
    assert errors == {
        "mono": "ok", "crash": "crashed", "hang": "timeout", "fail": "no beat", "text": "not audio", "stereo": "ok",
    }  # fmt: skip


def test_other_columns_than_declared_are_refused(elsewhere, files):
    liar = FeatureSet("liar", kinds(elsewhere)["elsewhere-liar"]())
    assert set(rows(run(files, [liar])).values()) == {"wrong columns"}


def altered(environment, **described):
    """Return an environment whose card says something else."""
    told = [{**one, **described} for one in environment.card["described"]["extractors"]]
    card = {**environment.card, "described": {**environment.card["described"], "extractors": told}}
    (environment.python.parents[2].parent / "altered").mkdir()
    (environment.python.parents[2].parent / "altered" / "venv-test").symlink_to(environment.python.parents[1])
    return record("altered", card)


def test_another_version_than_described_fails_track_by_track_and_says_so(elsewhere, files):
    there = FeatureSet("s", kinds(altered(elsewhere, version=7))["elsewhere-samples"]())
    done = run(files, [there])
    assert {outcome.error for one in done for outcome in one.outcomes} == {"no extractor"}
    assert "described with elsewhere-samples@7, but has elsewhere-samples@2" in done[0].outcomes[0].message


def test_an_interpreter_that_is_gone_is_one_line_for_who_needs_it(elsewhere):
    elsewhere.python.parents[1].unlink()
    plugins = everywhere()
    (row,) = (row for row in plugins.rows() if row.place)
    assert row.status == f"broken: its interpreter {elsewhere.python} is gone"
    with pytest.raises(PluginError, match=r"'elsewhere-samples' cannot be used.*is gone") as error:
        plugins.get(Extractor, "elsewhere-samples")
    assert error.value.hint == "mirstore plugins install 'mirstore-test-elsewhere' --isolated --name elsewhere"


def test_a_worker_of_the_registry_is_made_again_under_its_own_name(elsewhere):
    worker = WorkerEntry(isolated="elsewhere").environment("w")
    assert (worker.name, worker.remedy) == ("w", elsewhere.remedy)


def test_a_worker_of_the_registry_whose_interpreter_is_gone_says_what_makes_it_again(elsewhere):
    elsewhere.python.parents[1].unlink()
    with pytest.raises(PluginError, match=r"workers.w: environment 'elsewhere' cannot be used.*is gone") as error:
        WorkerEntry(isolated="elsewhere").environment("w")
    assert error.value.hint == "mirstore plugins install 'mirstore-test-elsewhere' --isolated --name elsewhere"


def test_an_interpreter_that_goes_meanwhile_fails_what_it_was_to_compute(elsewhere, test_plugins, files):
    import mirstore_test_slow

    slow = FeatureSet("slow", mirstore_test_slow.Slow(delay=0.0, quiet=True))
    there = FeatureSet("s", kinds(elsewhere)["elsewhere-samples"]())
    elsewhere.python.parents[1].unlink()
    done = run(files, [slow, there])
    found = rows(done)
    assert [found[path.stem, there.id] for path in files] == ["no environment", "no environment"]
    assert all(isinstance(found[path.stem, slow.id], list) for path in files)


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("echo Traceback >&2; echo 'ModuleNotFoundError: polars' >&2; exit 1", "ModuleNotFoundError: polars"),
        ("exit 127", "exit code 127"),
    ],
)
def test_an_interpreter_that_does_not_start_says_why_in_a_line(tmp_path, monkeypatch, script, why):
    monkeypatch.setenv("MIRSTORE_ENVIRONMENTS", str(tmp_path / "environments"))
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(0o755)
    with pytest.raises(PluginError, match=f"environment 'x' cannot be used: {why}"):
        interpreters.asked(Environment("x", python), os.getpid)
    assert not interpreters._asking


def test_a_card_that_another_core_wrote_is_written_again(elsewhere):
    record("elsewhere", {**elsewhere.card, "core": "older", "described": {"plugins": [], "extractors": []}})
    (stale,) = environments()
    assert interpreters.described(stale) == elsewhere.card["described"]
    (fresh,) = environments()
    assert fresh.card == elsewhere.card


def test_a_damaged_card_is_a_broken_plugin(elsewhere):
    card = elsewhere.python.parents[2] / "environment.json"
    card.write_text("{")
    (row,) = (row for row in everywhere().rows() if row.place)
    assert row.status == f"broken: environment 'elsewhere' cannot be used: its card {card} cannot be read"


def test_who_claims_a_name_twice_is_named_with_the_environment(elsewhere, here):
    altered(elsewhere)
    with pytest.raises(PluginError, match=r"claimed by .* in environment 'altered' and .* in environment 'elsewhere'"):
        everywhere().get(Extractor, "elsewhere-stem")


def test_versions_of_what_it_rests_on_are_those_of_the_environment(elsewhere):
    found = distributions(kinds(elsewhere)["elsewhere-stem"])
    assert found["mirstore-test-elsewhere"] == "0.3.0"
    assert {"mirstore", "numpy"} < found.keys()


def test_an_environment_is_taken_away_whole(elsewhere):
    elsewhere.python.parents[1].unlink()
    elsewhere.python.parent.mkdir(parents=True)
    elsewhere.python.touch()
    remove("elsewhere")
    assert environments() == []
    assert not elsewhere.python.parents[2].exists()
    with pytest.raises(UnknownNameError, match="unknown environment 'elsewhere'"):
        remove("elsewhere")


def test_two_do_not_change_an_environment_at_once(elsewhere):
    with alone("elsewhere"), pytest.raises(PluginError, match="'elsewhere' is being changed by another process"):
        remove("elsewhere")


def test_a_decoder_that_dies_costs_the_track(tmp_path, files):
    from mirstore.core.decoding import Decoder, command
    from mirstore.core.errors import AudioError

    decoder = Decoder(command())
    first = decoder.decode(files[0], 60.0)
    samples = first["samples"]
    os.kill(decoder._process.pid, signal.SIGKILL)
    with pytest.raises(AudioError, match="the process that decodes died"):
        decoder.decode(files[1], 60.0)
    again = decoder.resampled(
        samples, first["sr"], first["layout"], 8000, mono=True
    )  # by a new one, which does not hold it
    np.testing.assert_array_equal(again, Track("t", files[0]).audio(8000))
    folder = decoder._folder
    decoder.end()
    assert not folder.exists()


def test_a_decoder_that_is_interrupted_does_not_give_the_answer_to_the_next_question(files):
    from mirstore.core.decoding import Decoder, command
    from mirstore.core.workers import TimeUp, time_limit

    decoder = Decoder(command())
    with pytest.raises(TimeUp), time_limit(0.02):
        decoder.decode(files[0], 60.0)
    assert len(decoder.decode(files[1], 60.0)["samples"]) == 2
    decoder.end()


def test_the_decoders_refusals_are_the_decoders(tmp_path):
    from mirstore.core.decoding import Decoder, command
    from mirstore.core.errors import AudioError

    decoder = Decoder(command())
    name = os.fsdecode(b"caf\xe9.wav")
    (tmp_path / name).write_text("no audio")
    for path, reason in ((tmp_path / name, "not audio"), (tmp_path / "none.wav", "missing"), (tmp_path, "not a file")):
        with pytest.raises(AudioError) as error:
            decoder.decode(path, 60.0)
        assert error.value.reason == reason
    decoder.end()


def test_a_sound_that_a_frame_holds_travels_by_hand_too(elsewhere, files):
    extractor = kinds(elsewhere)["elsewhere-interpreter"]()
    inputs = {"slow": pl.DataFrame({"seconds": [1.5]}, schema={"seconds": pl.Float64})}
    row = extractor.extract(Track("t", files[0], inputs))
    assert row["twice"] == 3.0
    sound = replace(Track("t", files[0]), recording=Track("t", files[1]).decoded)
    row = kinds(elsewhere)["elsewhere-samples"]().extract(sound)
    np.testing.assert_array_equal(row["samples"], Track("t", files[1]).audio(16000))


def worker_modules():
    """Return the files that a worker in another interpreter imports."""
    import grimp

    graph, todo, found = grimp.build_graph("mirstore", exclude_type_checking_imports=True), [*worker], set()
    while todo:
        module = todo.pop()
        if module not in found and module != "mirstore.core.audio":  # which no such worker imports
            found.add(module)
            todo += graph.find_modules_directly_imported_by(module)
    return sorted(found)


worker = ("mirstore.core.inside", "mirstore.core.process", "mirstore.core.shared", "mirstore.core.workers")
younger = {"Self", "UTC", "StrEnum", "tomllib", "assert_never", "LiteralString", "override", "batched", "chdir"}


def test_what_a_worker_imports_is_there_in_the_oldest_python():
    import ast

    modules = worker_modules()
    assert len(modules) > 20
    for module in modules:
        tree = ast.parse(Path(importlib.util.find_spec(module).origin).read_text(), feature_version=interpreters.oldest)
        for node in tree.body:  # not what stands below TYPE_CHECKING
            if isinstance(node, ast.Import | ast.ImportFrom):
                assert younger.isdisjoint(name.name for name in node.names), f"{module}: {ast.unparse(node)}"


def test_a_card_is_plain_json(elsewhere):
    assert json.loads(json.dumps(elsewhere.card)) == elsewhere.card
