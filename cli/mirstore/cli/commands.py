"""What every command shares: how errors become text and exit codes, options that stand anywhere, and its help page."""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_type_hints

import typer
from typer.core import TyperCommand, TyperGroup

from mirstore.cli import signals
from mirstore.cli.context import Context
from mirstore.cli.text import lines, tell
from mirstore.core.cached import cache
from mirstore.core.errors import MirstoreError, UsageError

F = TypeVar("F", bound=Callable[..., Any])

exit_codes = {
    0: "done",
    1: "an error",
    2: "wrong usage",
    3: "finished, but something failed or was left out",
    4: "registry.toml is wrong",
    5: "a plugin, or model weights, are missing or broken",
    6: "the store is missing, locked or damaged",
    7: "the query took too much time or memory",
    129: "interrupted by HUP",
    130: "interrupted",
    143: "interrupted by TERM",
}

_panel = "Everywhere"
Store = Annotated[
    str | None,
    typer.Option(
        help="The store's folder, or postgres://….  [default: $MIRSTORE_STORE or store]", rich_help_panel=_panel
    ),
]
Registry = Annotated[
    str | None, typer.Option(help="Project registry.  [default: ./registry.toml]", rich_help_panel=_panel)
]
Verbose = Annotated[
    int, typer.Option("-v", "--verbose", count=True, help="Say more.", show_default=False, rich_help_panel=_panel)
]
Quiet = Annotated[
    bool, typer.Option("-q", "--quiet", help="No progress, no remarks.", show_default=False, rich_help_panel=_panel)
]
everywhere = {"store": Store, "registry": Registry, "verbose": Verbose, "quiet": Quiet}
"""Options that may stand before and after a command."""


def fail(message: str, hint: str | None = None) -> None:
    """Print an error and the one thing to do about it.

    Parameters
    ----------
    message : str
    hint : str, optional
    """
    if "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb":
        tell(f"error: {message}", err=True)
    else:
        typer.secho(f"error: {lines(message)}", fg="red", err=True)
    if hint:
        tell(f"hint: {hint}", err=True)


def _examples(text: str) -> tuple[str, list[str]]:
    """Split a docstring into what it says and the commands of its section ``Examples``."""
    said, _, section = inspect.cleandoc(text).partition("\nExamples\n--------\n")
    said = re.sub(r"(?<=\S)\n(?=\S)", " ", said.rstrip())  # rich keeps the line ends of all paragraphs but the first
    return said, [line.strip().removeprefix("$ ") for line in section.splitlines() if line.strip()]


def _literal(command: TyperCommand | TyperGroup) -> None:
    """Make brackets in a help page brackets: to rich, ``[default: all]`` is an unknown style, and vanishes."""
    for item in (command, *command.params):
        if text := getattr(item, "help", None):
            item.help = re.sub(r"(?<!\\)\[(?=[a-z])", r"\\[", text)  # type: ignore[union-attr]


def _end_of_page(examples: Sequence[str]) -> None:
    """Print the examples, in lines that can be copied, and the exit codes."""
    from rich.console import Console

    console = Console(highlight=False)
    if examples:
        console.print(" Examples", style="bold")
        for line in examples:
            console.print(f"   $ {line}", soft_wrap=True, markup=False)
    console.print("\n Exit codes", style="bold")
    for code, text in exit_codes.items():
        console.print(f"   {code:<4} {text}", soft_wrap=True, markup=False)
    console.print()


def _once(option: Any) -> str:
    several = "commas" in (option.help or "")
    return f"separate the names by commas: {option.opts[0]} a,b" if several else "give it once"


class Command(TyperCommand):
    """A command whose docstring has a section ``Examples``."""

    def __init__(self, *args: Any, help: str | None = None, **settings: Any) -> None:
        said, self.examples = _examples(help or "")
        super().__init__(*args, help=said, **settings)
        _literal(self)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Refuse an option of one value that is given twice: only the last would count."""
        given = [] if ctx.resilient_parsing else args[: args.index("--")] if "--" in args else args
        for option in self.params:
            if getattr(option, "multiple", True) or getattr(option, "is_flag", True) or getattr(option, "count", True):
                continue  # an argument has none of these
            times = sum(text in option.opts or text.startswith(f"{option.opts[0]}=") for text in given)
            if times > 1:
                raise UsageError(f"{option.opts[0]} is given {times} times", hint=_once(option))
        return list(super().parse_args(ctx, args))

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the page."""
        super().format_help(ctx, formatter)
        _end_of_page(self.examples)


class Group(TyperGroup):
    """Turns errors that a user can act on into two lines and an exit code; shows its commands' first examples."""

    def __init__(self, *args: Any, help: str | None = None, **settings: Any) -> None:
        said, self.examples = _examples(help or "")
        super().__init__(*args, help=said, **settings)
        _literal(self)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the page."""
        super().format_help(ctx, formatter)
        pages = [getattr(command, "examples", []) for command in self.commands.values()]
        first = [examples[0] for examples in pages if examples]
        _end_of_page(self.examples or first)

    def invoke(self, ctx: Any) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except MirstoreError as error:
            fail(error.message, error.hint)
            raise typer.Exit(error.exit_code) from error
        except BrokenPipeError:
            raise  # somebody has read enough: Typer ends quietly
        except OSError as error:
            in_store = ctx.obj is not None and str(Path(ctx.obj.store).absolute()) in str(error)
            in_cache = str(cache() / "stores") in str(error)  # copies of a store that many share
            hint = "mend the folder, or set MIRSTORE_CACHE to another" if in_cache else None
            fail(" ".join(str(error).split()), "mirstore doctor" if in_store else hint)
            raise typer.Exit(6 if in_store or in_cache else 2) from error
        except (KeyboardInterrupt, RuntimeError) as error:  # DuckDB makes "Query interrupted" of Ctrl-C
            if not isinstance(error, KeyboardInterrupt) and "interrupted" not in str(error).lower():
                raise
            reads_only = ctx.obj is not None and ctx.obj.reads_only
            more = "" if reads_only else ": what was committed stays; run the same command again to go on"
            tell(f"interrupted{more}", err=True)
            raise typer.Exit(signals.exit_code()) from None


class App(typer.Typer):
    """A noun of the command line, or the whole of it; its commands take the options of `everywhere` too.

    Parameters
    ----------
    settings
        Of `typer.Typer`; ``help`` says what it is for.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(
            cls=Group,
            no_args_is_help=True,
            rich_markup_mode="rich",
            pretty_exceptions_enable=False,
            context_settings={"help_option_names": ["-h", "--help"]},
            **settings,
        )

    def command(  # type: ignore[override]
        self, name: str | None = None, *, cls: type[Command] = Command, **settings: Any
    ) -> Callable[[F], F]:
        """Register a function; its first parameter is ``context``."""
        register = super().command(name, cls=cls, **settings)

        def decorate(function: F) -> F:
            register(_with_options(function))
            return function

        return decorate


def _with_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function with the options of `everywhere` beside its own: what they say is kept in the context."""

    @wraps(function)
    def command(context: typer.Context, **given: Any) -> Any:
        app: Context = context.obj
        for name in everywhere:
            if value := given.pop(name):
                setattr(app, name, value)
        return function(context, **given)

    hints = get_type_hints(function, include_extras=True)
    own = inspect.signature(function).parameters.values()
    defaults: dict[str, Any] = {"verbose": 0, "quiet": False}
    more = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=defaults.get(name), annotation=kind)
        for name, kind in everywhere.items()
    ]
    whole = [*(parameter.replace(annotation=hints[parameter.name]) for parameter in own), *more]
    command.__signature__ = inspect.Signature(whole)  # type: ignore[attr-defined]
    command.__annotations__ = hints | everywhere
    return command


def statement(arguments: Sequence[str]) -> Iterator[str]:
    """Yield arguments so that one that begins with an SQL comment, ``-- like this``, is no option.

    Parameters
    ----------
    arguments : sequence of str
    """
    end = arguments.index("--") if "--" in arguments else len(arguments)
    options, rest = arguments[:end], arguments[end + 1 :]
    texts = [text for text in options if text.startswith("--") and not re.match(r"--[a-z][\w-]*(=|\Z)", text)]
    yield from (text for text in options if text not in texts)
    if texts or rest:
        yield from ("--", *texts, *rest)
