"""What ``mirstore plugins new`` writes: a complete plugin, from the files beside this one."""

from __future__ import annotations

import re
from datetime import date
from importlib.resources import files
from pathlib import Path
from string import Template

from mirstore.core.errors import UsageError

_targets = {  # both sides may hold $names
    "pyproject.toml.in": "pyproject.toml",
    "README.md.in": "README.md",
    "LICENSE.in": "LICENSE",
    "gitignore.in": ".gitignore",
    "workflow.yml.in": ".github/workflows/test.yml",
    "plugin.py.in": "$module.py",
    "test.py.in": "tests/test_$short.py",
}


def write_plugin(name: str, folder: Path) -> Path:
    """Write an installable plugin with one extractor, its tests and its packaging.

    Parameters
    ----------
    name : str
        Name of the extractor, e.g. ``"tempo-lab"``; a leading ``mirstore-`` is left out.
    folder : pathlib.Path
        Where the plugin's own folder, ``mirstore-<name>``, is made.

    Returns
    -------
    pathlib.Path
        The plugin's folder.

    Raises
    ------
    UsageError
        If the name is not proper or the folder is there already.
    """
    name = name.removeprefix("mirstore-")
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name):
        raise UsageError(f"name {name!r} cannot be used", hint="use lower case letters, digits and single hyphens")
    target = folder / f"mirstore-{name}"
    if target.exists():
        raise UsageError(f"{str(target)!r} exists already", hint="choose another name or folder")
    words = _words(name)
    for source, place in _targets.items():
        text = files(__package__).joinpath(source).read_text(encoding="utf-8")
        path = target / Template(place).substitute(words)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(Template(text).substitute(words), encoding="utf-8")
    return target


def _words(name: str) -> dict[str, str]:
    short = name.replace("-", "_")
    return {
        "name": name,
        "short": short,
        "module": f"mirstore_{short}",
        "distribution": f"mirstore-{name}",
        "component": "".join(part.capitalize() for part in name.split("-")),
        "year": str(date.today().year),
    }
