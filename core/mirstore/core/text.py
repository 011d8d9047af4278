"""Text from plugins, file names and tags, made fit for a UTF-8 table and a person to read."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mirstore.core.errors import UsageError

_control = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_named = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
longest_message = 4_000  # characters: the gist is at the beginning, and a traceback of 50 MB helps nobody


def storable(text: str) -> str:
    r"""Return text with what UTF-8 cannot hold written as ``\udce9``: one byte of a file name that is no text.

    Parameters
    ----------
    text : str
    """
    return text.encode("utf-8", "backslashreplace").decode()


def visible(text: str, kept: str = "") -> str:
    r"""Return text with characters that would steer a terminal, or a page, written out: tags and file names hold any.

    Line feeds and tabs become ``\n`` and ``\t``; other control characters, and those that turn the direction of
    writing, ``\x1b`` or ``\u202e``.

    Parameters
    ----------
    text : str
    kept : str
        Characters that stay as they are.

    Examples
    --------
    >>> print(visible("red\x1b[31m\n"))
    red\x1b[31m\n
    """
    return _control.sub(lambda match: match[0] if match[0] in kept else _written_out(match[0]), text)


def _written_out(character: str) -> str:
    code = ord(character)
    return _named.get(character) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")


def shortened(text: str, most: int = longest_message) -> str:
    """Return at most so many characters, and say how many there were.

    Parameters
    ----------
    text : str
    most : int > 0
        Characters that are kept.

    Examples
    --------
    >>> shortened("a long message", most=6)
    'a long… (14 characters)'
    """
    return text if len(text) <= most else f"{text[:most]}… ({len(text):,} characters)"


def is_name(text: str) -> bool:
    """Whether this may be a component's, a plugin's or a weight set's name: it is typed and gets into file names.

    Parameters
    ----------
    text : str

    Examples
    --------
    >>> is_name("mfcc-stats"), is_name("MFCC"), is_name("mfcc--stats")
    (True, False, False)
    """
    return re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", text) is not None


def check_given_name(what: str, name: str) -> None:
    r"""Refuse a name that a person could not read or type again: it must be a line of at most 200 letters.

    Parameters
    ----------
    what : str
        That is to be called so, for the message: ``"a dataset"``.
    name : str

    Raises
    ------
    UsageError
        If it is empty, too long, or holds control characters.
    """
    if not name.strip() or len(name) > 200 or storable(visible(name)) != name:
        raise UsageError(f"{what} cannot be called {shown(name)}", hint="give one line of at most 200 letters")


def counted(count: int, noun: str) -> str:
    """Return ``1 packet``, ``2 packets`` or ``2 classes``.

    Parameters
    ----------
    count : int
    noun : str
        In the singular.

    Examples
    --------
    >>> counted(1, "track"), counted(0, "track"), counted(2, "class")
    ('1 track', '0 tracks', '2 classes')
    """
    return f"{count} {noun}" + ("" if count == 1 else "es" if noun.endswith("s") else "s")


def some(items: Sequence[str], most: int = 3, between: str = ", ") -> str:
    """Return the first items of a list, and how many more there are: ``a, b, c and 4 more``.

    Parameters
    ----------
    items : sequence of str
    most : int > 0
        How many are named.
    between : str
        What stands between them.

    Examples
    --------
    >>> some(["a", "b", "c", "d", "e"], most=2)
    'a, b and 3 more'
    """
    more = f" and {len(items) - most} more" if len(items) > most else ""
    return between.join(items[:most]) + more


def shown(value: object, most: int = 80) -> str:
    """Return a value as Python writes it, short, whatever its own ``__repr__`` does.

    Parameters
    ----------
    value : object
    most : int > 0
        Characters that are kept.

    Examples
    --------
    >>> shown([0.5, None])
    '[0.5, None]'
    """
    try:
        return shortened(repr(value), most)
    except Exception:  # 10**5000 has no text either
        return f"a value of type {type(value).__name__}"


def explained(error: BaseException) -> tuple[str, str]:
    """Return the name and the message of an exception as one short line that can be stored.

    Parameters
    ----------
    error : BaseException

    Examples
    --------
    >>> explained(ValueError("no   beat"))
    ('ValueError', 'no beat')
    """
    try:
        message = str(error)
    except Exception:
        message = "its message cannot be read"
    message = shortened(message, 10 * longest_message)  # before it is split into words
    return type(error).__name__, storable(shortened(" ".join(message.replace("\0", "\\x00").split()))) or "no message"
