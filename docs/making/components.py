"""A page per plugin that comes with mirstore, from what its components declare."""

from __future__ import annotations

from collections.abc import Iterator

from making.docstrings import markdown
from mirstore.core import Component, Extractor, Grouper, Model, Smoother
from mirstore.core.features import asks_for_columns
from mirstore.core.plugins import Plugins


def pages() -> Iterator[tuple[str, str]]:
    """Yield file name and text of each page."""
    plugins = Plugins.installed()
    for info in plugins.rows():
        if info.distribution == "mirstore" and info.status == "ok":
            kinds = [type(plugins.component(component.partition("@")[0])) for component in info.components]
            yield f"plugins/{info.name}.md", f"# {info.name}\n\n" + "\n".join(map(_section, kinds))


def _section(kind: type[Component]) -> str:
    """Return a component's part of the page."""
    role = next(base.__name__.lower() for base in kind.__mro__ if base in (Extractor, Grouper, Smoother, Model))
    lines = [f"## {kind.name}", "", f"{role.capitalize()}, version {kind.version}.", "", markdown(kind)]
    lines += _columns(kind) if issubclass(kind, Extractor) else []
    lines += [f"Needs weights `{weights.name}` ({weights.licence}): {weights.text}.\n" for weights in kind.needs]
    return "\n".join([*lines, *(f"```bibtex\n{text}\n```\n" for text in kind.cite)])


def _columns(kind: type[Extractor]) -> list[str]:
    """Return what an extractor reads, and a table of what it writes."""
    lines = [f"Reads {', '.join(kind.inputs) or 'audio'}.", ""]
    if asks_for_columns(kind):
        return [*(lines if kind.inputs else []), "Its columns follow from what it reads.", ""]
    extractor = kind()
    lines += ["| column | type | unit | range | meaning |", "|---|---|---|---|---|"]
    for name, column in extractor.columns().items():
        limits = "{:g} to {:g}".format(*ends) if (ends := column.ends) else ""
        lines.append(f"| `{name}` | {column.dtype} | {column.unit} | {limits} | {column.text} |")
    return [*lines, ""]
