"""Commands that are killed at any moment: nothing is lost, doubled or half visible. ``make chaos`` does more of it."""

from __future__ import annotations

import random
from collections import Counter

import chaos
import pytest

from mirstore.store import Store

pytestmark = pytest.mark.slow


def made(project, plugin_path):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", ":".join(plugin_path))
        chaos.make(project)
    return project


@pytest.fixture(scope="module")
def template(tmp_path_factory, plugin_path):
    return made(chaos.Project(tmp_path_factory.mktemp("chaos") / "template"), plugin_path)


@pytest.fixture(scope="module")
def shared_template(tmp_path_factory, plugin_path, servers):
    folder = tmp_path_factory.mktemp("chaos") / "template"
    return made(chaos.SharedProject(folder, servers, servers.new_store()), plugin_path)


def drilled(fault, template, place):
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    outcome = chaos.drill(fault, template, place, 1, random.Random(seed))
    assert outcome.killed == 1
    assert (outcome.lost, outcome.doubled, outcome.half_visible) == (0, 0, 0), outcome.said


@pytest.mark.parametrize("fault", chaos.faults, ids=lambda fault: fault.name)
def test_a_command_that_is_killed_at_any_moment_loses_doubles_and_shows_halves_of_nothing(
    template, tmp_path, test_plugins, fault
):
    drilled(fault, template, tmp_path)


@pytest.mark.parametrize("name", ["ingest", "purge", "repair"])
def test_nor_does_it_in_a_shared_store(shared_template, tmp_path, test_plugins, monkeypatch, name):
    for variable, value in shared_template.environment.items():
        monkeypatch.setenv(variable, value)  # so that what the drill sets is undone
    (fault,) = (fault for fault in chaos.faults if fault.name == name)
    drilled(fault, shared_template, tmp_path)


def test_the_drill_counts_what_is_lost_doubled_or_half_visible(template, tmp_path, test_plugins):
    project = template.copied(tmp_path / "project")
    before = chaos.held(project)
    fine, harmed = chaos.Outcome(), chaos.Outcome()
    chaos.look(fine, project, before)
    assert fine.harm == 0
    with Store(project.store) as store:
        rows = store.scan("core.tracks").collect().head(1)
        ledger = {"track": "nobody", "feature_set": store.resolve("loud"), "status": "ok", "rows": 1}
        with store.write("twice") as tx:
            tx.append("core.tracks", rows.drop("committed").to_arrow())
            tx.append("core.extractions", [ledger])
    chaos.look(harmed, project, before + Counter({"core.tracks of old": 1}))
    assert (harmed.lost, harmed.doubled, harmed.half_visible) == (1, 1, 1)
    assert any("nobody" in said for said in harmed.said)
