"""Words as the units of systemd take them. Pure: words in, text out."""

import re
from collections.abc import Iterable, Sequence

from lilong.common.errors import InputInvalid

_UNSPEAKABLE = re.compile(r"[\x00-\x1f\x7f\"'\\]")  # units differ in how they read these


class UnitImpossible(InputInvalid):
    """A path or name has a character that no unit can hold."""

    code = "unit.impossible"
    title = "No unit can be written for this"
    next_step = "Move the home or the installation to a path of plain characters."


def require_speakable(words: Iterable[str]) -> None:
    """Raise UnitImpossible unless a unit can hold each of the words."""
    for word in words:
        if not word or _UNSPEAKABLE.search(word):
            raise UnitImpossible(detail=repr(word))


def quote_word(word: str) -> str:
    """Return a word as units take it: in quotes unless it is plain, with percent signs doubled.

    >>> quote_word("/opt/a"), quote_word("/opt/a b 5%")
    ('/opt/a', '"/opt/a b 5%%"')
    """
    doubled = word.replace("%", "%%")
    return doubled if re.fullmatch(r"[A-Za-z0-9._/+@:=,-]+", word) else f'"{doubled}"'


def join_command(command: Sequence[str]) -> str:
    """Return a command as `ExecStart=` takes it; the program is named by its path.

    >>> join_command(["/opt/a b/python", "$HOME"])
    '"/opt/a b/python" "$$HOME"'
    """
    program, *arguments = map(quote_word, command)
    return " ".join([program, *(argument.replace("$", "$$") for argument in arguments)])
