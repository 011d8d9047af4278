"""Write a page per plugin from the components' own declarations: ``python docs/make_pages.py``.

Also copies the README as the site's first page. The pages are generated before each build and not kept in git.
"""

from __future__ import annotations

import inspect
import re
from pathlib import Path

from mirstore.core import Component, Extractor, Grouper, Model, Smoother
from mirstore.core.features import asks_for_columns
from mirstore.core.plugins import Plugins

here = Path(__file__).parent


def page(plugin: str, names: list[str], plugins: Plugins) -> str:
    """Return a plugin's page: its components with parameters, and what extractors read and write."""
    return f"# {plugin}\n\n" + "\n".join(section(type(plugins.component(name))) for name in names)


def section(kind: type[Component]) -> str:
    """Return a component's part of the page."""
    role = next(base.__name__.lower() for base in kind.__mro__ if base in (Extractor, Grouper, Smoother, Model))
    lines = [f"## {kind.name}", "", f"{role.capitalize()}, version {kind.version}.", ""]
    text = inspect.getdoc(kind) or ""
    text = re.sub(r"(?m)^(\w+)\n-+$", r"**\1**\n", text)
    lines += [re.sub(r"(?m)^(\w[\w, ]*) : (.+)\n    (.+)$", r"- `\1` (\2): \3", text), ""]
    lines += columns(kind) if issubclass(kind, Extractor) else []
    lines += [f"Needs weights `{weights.name}` ({weights.licence}): {weights.text}.\n" for weights in kind.needs]
    return "\n".join([*lines, *(f"```bibtex\n{text}\n```\n" for text in kind.cite)])


def columns(kind: type[Extractor]) -> list[str]:
    """Return what an extractor reads, and a table of what it writes."""
    lines = [f"Reads {', '.join(kind.inputs) or 'audio'}.", ""]
    if asks_for_columns(kind):
        return [*(lines if kind.inputs else []), "Its columns follow from what it reads.", ""]
    extractor = kind()
    lines += ["| column | type | unit | range | meaning |", "|---|---|---|---|---|"]
    for name, column in extractor.columns().items():
        limits = f"{column.range[0]:g} to {column.range[1]:g}" if column.range else ""
        lines.append(f"| `{name}` | {column.dtype} | {column.unit} | {limits} | {column.text} |")
    return [*lines, ""]


def main() -> None:
    """Write all pages."""
    plugins = Plugins.installed()
    (here / "plugins").mkdir(exist_ok=True)
    for info in plugins.rows():
        if info.distribution == "mirstore" and info.status == "ok":
            names = [component.partition("@")[0] for component in info.components]
            (here / "plugins" / f"{info.name}.md").write_text(page(info.name, names, plugins))
    readme = (here.parent / "README.md").read_text().replace("](docs/", "](")
    (here / "index.md").write_text(re.sub(r"\[([^\]]+)\]\((?:CONTRIBUTING|CHANGELOG)\.md\)", r"\1", readme))


if __name__ == "__main__":
    main()
