"""`make demo` installs what its script needs, and nothing that it does not."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from mirstore.core.plugins import Plugins
from mirstore.core.registry import Registry

root = Path(__file__).parents[1]
makefile = (root / "Makefile").read_text()
extras = re.search(r"^DEMO = (\S+)$", makefile, re.MULTILINE)[1].split(",")


def test_the_demo_installs_the_plugins_that_its_script_uses_and_no_more():
    registry, script = Registry.load(), (root / "examples" / "demo.sh").read_text()
    experiment = registry.experiments["clips"]
    features = set(re.search(r"--features (\S+)", script)[1].split(","))
    assert features == set(experiment.features)
    names = {registry.models[name].model.partition("@")[0] for name in experiment.matrix[0].model}
    names |= {registry.groupings[name].grouper.partition("@")[0] for name in experiment.matrix[0].grouping}
    owners = {
        component.partition("@")[0]: info.name
        for info in Plugins.installed().rows()
        if info.distribution == "mirstore"
        for component in info.components
    }
    assert {owners[name] for name in names | features} | {"report"} == set(extras)


def test_every_set_up_step_says_what_it_does():
    declared = tomllib.loads((root / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(extras) <= set(declared)
    for mark in ("demo-ready", "test-ready"):
        recipe = makefile.partition(f".venv/{mark}:")[2].partition("\n\n")[0].splitlines()
        assert recipe[1].startswith('\t@echo "== installing')
        assert "--quiet" not in recipe[2]
