"""The page about the command line: every command, with its arguments, options and examples."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from typer.main import get_command

from making.docstrings import prose
from mirstore.cli import app
from mirstore.cli.commands import everywhere, exit_codes


def pages() -> Iterator[tuple[str, str]]:
    """Yield file name and text of the page."""
    program = get_command(app)
    context = program.context_class(program, info_name="mirstore")
    codes = "".join(f"| {code} | {text} |\n" for code, text in exit_codes.items())
    parts = [
        f"# Commands\n\n{_said(program.help)}\n\n{_examples(program)}\n",
        f"## Options of every command\n\n{_parameters(context, program.params)}",
        f"## Exit codes\n\n| code | meaning |\n|---|---|\n{codes}",
        *(_section(path, command) for path, command in commands(program, "mirstore") if command is not program),
    ]
    yield "reference/commands.md", "\n".join(parts)


def commands(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yield a command and those below it, each with what is typed for it.

    Parameters
    ----------
    command : click command
    path : str
        What is typed for it.
    """
    yield path, command
    for name, below in getattr(command, "commands", {}).items():
        yield from commands(below, f"{path} {name}")


def _section(path: str, command: Any) -> str:
    """Return a command's part of the page; a group's commands have their own, a step below."""
    if hasattr(command, "commands"):
        links = ", ".join(f"[`{name}`](#{f'{path} {name}'.replace(' ', '-')})" for name in command.commands)
        return f"## {path}\n\n{_said(command.help)}\n\nCommands: {links}.\n"
    context = command.context_class(command, info_name=path)
    usage = " ".join([path, *command.collect_usage_pieces(context)])
    own = [parameter for parameter in command.params if parameter.name not in everywhere]
    heading = f"{'#' * (path.count(' ') + 1)} {path}"
    parts = [heading, f"```text\n{usage}\n```", _said(command.help), _parameters(context, own), _examples(command)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _parameters(context: Any, parameters: Iterable[Any]) -> str:
    """Return how options and arguments are written, what they mean, and what they are if they are not given."""
    lines = []
    for parameter in parameters:
        if record := parameter.get_help_record(context):
            names = re.sub(r"\.\.\. <.*>$", "", record[0]).split(", ")
            lines.append(f"- {', '.join(f'`{name}`' for name in reversed(names))}: {_said(record[1])}\n")
    return "".join(lines)


def _said(text: str | None) -> str:
    """Return a help text as Markdown: rich's backslashes before brackets are not part of what it says."""
    return prose(re.sub(r"\\(?=\[)", "", text or "")).replace("  [", " [")


def _examples(command: Any) -> str:
    lines = "".join(f"$ {line}\n" for line in command.examples)
    return f"```console\n{lines}```" if lines else ""
