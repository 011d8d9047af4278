"""What ``mirstore plugins new`` writes: a complete plugin, from the files beside this one."""

from __future__ import annotations

from datetime import date
from importlib.resources import files
from pathlib import Path
from string import Template

from mirstore.core.errors import UnknownNameError, UsageError
from mirstore.core.text import is_name

_targets = {  # both sides may hold $names
    "pyproject.toml.in": "pyproject.toml",
    "README.md.in": "README.md",
    "LICENSE.in": "LICENSE",
    "gitignore.in": ".gitignore",
    "workflow.yml.in": ".github/workflows/test.yml",
    "$kind.py.in": "$module.py",
    "test_$kind.py.in": "tests/test_$short.py",
}
kinds = ("extractor", "grouper", "smoother", "model")


def write_plugin(name: str, folder: Path, kind: str = "extractor") -> Path:
    """Write an installable plugin with one component, its tests and its packaging.

    Parameters
    ----------
    name : str
        Name of the component, e.g. ``"tempo-lab"``; a leading ``mirstore-`` is left out.
    folder : pathlib.Path
        Where the plugin's own folder, ``mirstore-<name>``, is made.
    kind : str
        ``"extractor"``, ``"grouper"``, ``"smoother"`` or ``"model"``.

    Returns
    -------
    pathlib.Path
        The plugin's folder.

    Raises
    ------
    UsageError
        If the name is not proper, the kind is unknown or the folder is there already.
    """
    if kind not in kinds:
        raise UnknownNameError("kind of component", kind, kinds)
    name = name.removeprefix("mirstore-")
    if not is_name(name):
        raise UsageError(f"name {name!r} cannot be used", hint="use lower case letters, digits and single hyphens")
    target = folder / f"mirstore-{name}"
    if target.exists():
        raise UsageError(f"{str(target)!r} exists already", hint="choose another name or folder")
    words = _words(name, kind)
    words["use"] = Template(_text(f"use_{kind}.md.in")).substitute(words).rstrip() + "\n"
    for source, place in _targets.items():
        text = _text(Template(source).substitute(words))
        path = target / Template(place).substitute(words)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(Template(text).substitute(words), encoding="utf-8")
    return target


def _text(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _words(name: str, kind: str) -> dict[str, str]:
    short = name.replace("-", "_")
    return {
        "name": name,
        "kind": kind,
        "n": "n" if kind == "extractor" else "",
        "short": short,
        "module": f"mirstore_{short}",
        "distribution": f"mirstore-{name}",
        "component": "".join(part.capitalize() for part in name.split("-")),
        "year": str(date.today().year),
    }
