"""Commands that are killed at any moment: nothing is lost, doubled or half visible. ``make chaos`` does more of it."""

from __future__ import annotations

import random
import shutil
from collections import Counter

import chaos
import pytest

from mirstore.store import Store

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def template(tmp_path_factory, plugin_path):
    project = tmp_path_factory.mktemp("chaos") / "template"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", ":".join(plugin_path))
        chaos.make(project)
    return project


@pytest.mark.parametrize("fault", chaos.faults, ids=lambda fault: fault.name)
def test_a_command_that_is_killed_at_any_moment_loses_doubles_and_shows_halves_of_nothing(
    template, tmp_path, test_plugins, fault
):
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    outcome = chaos.drill(fault, template, tmp_path, 1, random.Random(seed))
    assert outcome.killed == 1
    assert (outcome.lost, outcome.doubled, outcome.half_visible) == (0, 0, 0)


def test_the_drill_counts_what_is_lost_doubled_or_half_visible(template, tmp_path, test_plugins):
    project = tmp_path / "project"
    shutil.copytree(template, project)
    before = chaos.held(project / "store")
    fine, harmed = chaos.Outcome(), chaos.Outcome()
    chaos.look(fine, project / "store", before)
    assert fine.harm == 0
    with Store(project / "store") as store:
        rows = store.scan("core.tracks").collect().head(1)
        ledger = {"track": "nobody", "feature_set": store.resolve("loud"), "status": "ok", "rows": 1}
        with store.write("twice") as tx:
            tx.append("core.tracks", rows.drop("committed").to_arrow())
            tx.append("core.extractions", [ledger])
    chaos.look(harmed, project / "store", before + Counter({"core.tracks of old": 1}))
    assert (harmed.lost, harmed.doubled, harmed.half_visible) == (1, 1, 1)
