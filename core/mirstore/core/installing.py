"""Making an environment: a virtual environment with a plugin, what a worker needs, and no mirstore of its own."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib.metadata import distribution
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from uuid import uuid4

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from mirstore.core.environments import Environment, alone, record, root, sweep
from mirstore.core.errors import PluginError, UsageError
from mirstore.core.interpreters import close, described, oldest
from mirstore.core.lending import core_sha256, write_metadata

worker = ("numpy", "packaging", "pluggy>=1.5", "polars>=1.20")

_probe = "import json, sys, venv; print(json.dumps([list(sys.version_info[:3]), sys.executable]))"


def install(
    requirement: str, *, python: str | None = None, name: str | None = None, say: Callable[[str], None] = lambda _: None
) -> Environment:
    """Make an environment for a plugin, or make it again.

    Parameters
    ----------
    requirement : str
        What pip installs: ``"mirstore-omnizart>=0.2"``, a wheel, or a folder with a ``pyproject.toml``.
    python : str, optional
        The interpreter, by path or command, 3.10 or newer; this one by default.
    name : str, optional
        Of the environment; the distribution's own by default.
    say : callable
        Is told what is being done.

    Raises
    ------
    UsageError
        If the requirement, the name or the interpreter is none: told before anything is made.
    PluginError
        If it cannot be installed, or what is installed is no plugin that can be used.
    """
    what, wanted = _requirement(requirement)
    name = _checked_name(name or wanted)
    version, base = _interpreter(python or sys.executable)
    if find_spec("pip") is None:
        raise PluginError("pip is not installed here", hint=f"{sys.executable} -m ensurepip")
    with alone(name):
        folder = root() / name / f"venv-{uuid4().hex[:8]}"
        try:
            say(f"making an environment of Python {version} at {folder}")
            _run([base, "-m", "venv", "--without-pip", str(folder)], f"environment {name!r} cannot be made")
            told = _fill(Environment(name, folder / "bin" / "python"), what, say)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        card = {
            "requirement": what,
            "distribution": wanted,
            "folder": folder.name,
            "base": base if python else None,
            "made": datetime.now(UTC).isoformat(timespec="seconds"),
            "core": core_sha256(),
            "described": told,
        }
        made = record(name, card)
        sweep(name, but=folder.name)
    return made


def _fill(environment: Environment, requirement: str, say: Callable[[str], None]) -> dict[str, Any]:
    """Install a plugin and what a worker needs, and return what it says of itself."""
    _lend(environment.python)
    say(f"installing {requirement}")
    _pip(environment.python, requirement, environment.python.parents[1])
    try:
        told = described(environment)
    except PluginError as error:
        raise PluginError(error.message, hint=f"nothing was kept; what does {requirement} require?") from None
    finally:
        close()  # the worker that said it: the environment may be thrown away
    _refuse_useless(told, requirement)
    return told


def _requirement(text: str) -> tuple[str, str]:
    """Return what pip is asked for, and the distribution's name."""
    path = Path(text).expanduser()
    try:
        if path.suffix == ".whl":
            if not path.is_file():
                raise UsageError(f"{text}: no such wheel", hint="check the path")
            return str(path.absolute()), str(parse_wheel_filename(path.name)[0])
        if path.is_dir():
            project = tomllib.loads((path / "pyproject.toml").read_text())["project"]
            return str(path.absolute()), canonicalize_name(project["name"])
        return text, canonicalize_name(Requirement(text).name)
    except (OSError, KeyError, tomllib.TOMLDecodeError):
        raise UsageError(f"{text}: has no pyproject.toml that names a project", hint="name a plugin's folder") from None
    except (InvalidRequirement, InvalidWheelFilename) as error:
        why = str(error).splitlines()[0]
        raise UsageError(
            f"{text!r} is no requirement: {why}", hint="name a distribution, a wheel or a folder"
        ) from None


def _checked_name(name: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name) or name in ("cpu", "gpu"):
        raise UsageError(
            f"name {name!r} cannot be used", hint="--name takes lower case letters, digits and single hyphens"
        )
    return name


def _interpreter(python: str) -> tuple[str, str]:
    """Return version and path of an interpreter that can have environments."""
    found = shutil.which(python)
    if found is None:
        raise UsageError(f"no interpreter {python!r}", hint="--python takes its path, or a command such as python3.11")
    try:
        output = subprocess.run([found, "-c", _probe], capture_output=True, text=True, timeout=60, check=True).stdout
        version, path = json.loads(output)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        why = _last_line(getattr(error, "stderr", None) or str(error))
        raise UsageError(f"{found} cannot be used as a Python: {why}", hint="name another with --python") from None
    text = ".".join(map(str, version))
    if tuple(version[:2]) < oldest:
        least = ".".join(map(str, oldest))
        raise UsageError(f"{found} is Python {text}; {least} is the oldest that can be used", hint="--python another")
    return text, str(path)


def _lend(inside: Path) -> None:
    """Have pip take mirstore for installed: the worker brings its core, and nothing fetches it from an index."""
    site = _run([str(inside), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], "environment is broken")
    write_metadata(Path(site.strip()))


def _pip(inside: Path, requirement: str, folder: Path) -> None:
    constraints = folder / "constraints.txt"
    constraints.write_text(f"mirstore=={distribution('mirstore').version}\n")
    command = [sys.executable, "-m", "pip", "--python", str(inside), "install", "--disable-pip-version-check"]
    arguments = ["--no-input", "--quiet", "--constraint", str(constraints), requirement, *worker]
    _run([*command, *arguments], f"pip cannot install {requirement!r}")


def _run(command: Sequence[str], failure: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=True).stdout
    except subprocess.CalledProcessError as error:
        why = _last_line(error.stderr or error.stdout)
        raise PluginError(f"{failure}: {why}", hint="see what it says with: " + " ".join(command)) from None
    except OSError as error:
        raise PluginError(f"{failure}: {error.strerror or error}") from None


def _last_line(text: str) -> str:
    """Return what went wrong in pip's or an interpreter's words: the first line that says so, or the last."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    return (errors or lines[-1:] or ["it says nothing"])[0]


def _refuse_useless(told: dict[str, Any], requirement: str) -> None:
    """Refuse what brings no extractor."""
    broken = [plugin for plugin in told["plugins"] if plugin["status"] != "ok"]
    if broken:
        raise PluginError(f"{requirement} is {broken[0]['status']}", hint="tell its authors; nothing was kept")
    if not told["extractors"]:
        why = "brings no extractor, and nothing else can run in an environment of its own"
        raise PluginError(f"{requirement} {why}", hint=f"pip install '{requirement}' has it run here")
