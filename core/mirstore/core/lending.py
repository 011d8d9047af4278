"""What other interpreters borrow of mirstore: the running core itself, and metadata that says it is installed."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from importlib.metadata import distribution
from pathlib import Path
from uuid import uuid4

from packaging.requirements import Requirement

from mirstore.core import __file__ as _core
from mirstore.core.environments import root


def lent() -> Path:
    """Return a folder in which the running ``mirstore.core`` is the only thing to be imported.

    Other interpreters have it on their path, and so get this mirstore's core, of whatever version, and nothing that is
    installed beside it.
    """
    core = Path(_core).parent
    key = f"{core}\n{distribution('mirstore').version}"
    folder = root() / ".core" / hashlib.sha256(os.fsencode(key)).hexdigest()[:10]
    if not folder.is_dir():
        new = folder.with_name(f"{folder.name}-{uuid4().hex[:8]}")
        (new / "mirstore").mkdir(parents=True)
        (new / "mirstore" / "core").symlink_to(core, target_is_directory=True)
        write_metadata(new)
        with suppress(OSError):  # another process was first
            new.rename(folder)
        shutil.rmtree(new, ignore_errors=True)
    return folder


def write_metadata(folder: Path) -> None:
    """Have pip, and plugins that ask, take mirstore for installed in a folder of packages.

    Parameters
    ----------
    folder : path
        Where ``mirstore`` lies.
    """
    info = folder / f"mirstore-{distribution('mirstore').version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("\n".join([*_metadata(), ""]))
    (info / "INSTALLER").write_text("mirstore\n")
    names = ("METADATA", "INSTALLER", "RECORD")
    (info / "RECORD").write_text("".join(f"{info.name}/{name},,\n" for name in names))


def _metadata() -> Iterator[str]:
    """Yield lines: no requirements but those of extras, so that a plugin may ask for ``mirstore[librosa]``."""
    mine = distribution("mirstore")
    yield from ("Metadata-Version: 2.1", "Name: mirstore", f"Version: {mine.version}")
    for extra in mine.metadata.get_all("Provides-Extra") or ():
        yield f"Provides-Extra: {extra}"
    for requirement in mine.requires or ():
        if "extra ==" in requirement and Requirement(requirement).name != "mirstore":
            yield f"Requires-Dist: {requirement}"


@cache
def core_sha256() -> str:
    """Return a hash of the running core's source: descriptions that another core made are made again."""
    digest = hashlib.sha256()
    for path in sorted(Path(_core).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
