"""Write a page per plugin from the components' own declarations: ``python docs/make_pages.py``.

Also copies the README as the site's first page. The pages are generated before each build and not kept in git.
"""

from __future__ import annotations

import inspect
import re
from pathlib import Path

from mirstore.core import Extractor
from mirstore.core.plugins import Plugins

here = Path(__file__).parent


def page(plugin: str, names: list[str], plugins: Plugins) -> str:
    """Return a plugin's page: its extractors with parameters, inputs and columns."""
    return f"# {plugin}\n\n" + "\n".join(section(plugins.get(Extractor, name)) for name in names)


def section(kind: type[Extractor]) -> str:
    """Return an extractor's part of the page."""
    extractor = kind()
    lines = [f"## {kind.name}", "", f"Version {kind.version}. Reads {', '.join(kind.inputs) or 'audio'}.", ""]
    text = inspect.getdoc(kind) or ""
    text = re.sub(r"(?m)^(\w+)\n-+$", r"**\1**\n", text)
    lines += [re.sub(r"(?m)^(\w[\w, ]*) : (.+)\n    (.+)$", r"- `\1` (\2): \3", text), ""]
    lines += ["| column | type | unit | range | meaning |", "|---|---|---|---|---|"]
    for name, column in extractor.columns().items():
        limits = f"{column.range[0]:g} to {column.range[1]:g}" if column.range else ""
        lines.append(f"| `{name}` | {column.dtype} | {column.unit} | {limits} | {column.text} |")
    return "\n".join([*lines, ""])


def main() -> None:
    """Write all pages."""
    plugins = Plugins.installed()
    (here / "extractors").mkdir(exist_ok=True)
    for info in plugins.rows():
        if info.distribution == "mirstore" and info.status == "ok":
            names = [component.partition("@")[0] for component in info.components]
            (here / "extractors" / f"{info.name}.md").write_text(page(info.name, names, plugins))
    readme = (here.parent / "README.md").read_text().replace("](docs/", "](")
    (here / "index.md").write_text(re.sub(r"\[([^\]]+)\]\((?:CONTRIBUTING|CHANGELOG)\.md\)", r"\1", readme))


if __name__ == "__main__":
    main()
