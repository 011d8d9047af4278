"""Write the pages that follow from code: ``python docs/make_pages.py [FOLDER]``.

One page per plugin, and the reference: registry.toml, commands, hooks, and what `mirstore.core` and `mirstore.store`
offer. Also copies the README as the site's first page. The pages are made before each build and not kept in git.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from making import api, commands, components, hooks, registry

here = Path(__file__).parent


def pages() -> Iterator[tuple[str, str]]:
    """Yield file name and text of all pages."""
    for module in (components, registry, commands, hooks, api):
        yield from module.pages()
    readme = (here.parent / "README.md").read_text().replace("](docs/", "](")
    yield "index.md", re.sub(r"\[([^\]]+)\]\((?:CONTRIBUTING|CHANGELOG)\.md\)", r"\1", readme)


def main(folder: Path) -> None:
    """Write all pages.

    Parameters
    ----------
    folder : pathlib.Path
    """
    for name, text in pages():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else here)
