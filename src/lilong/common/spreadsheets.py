"""Rows for spreadsheets, as RFC 4180 has them, without cells that a spreadsheet would run."""

import csv
from collections.abc import Iterable, Iterator, Sequence

_BEGINS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write_rows(rows: Iterable[Sequence[str | int]]) -> Iterator[bytes]:
    r"""Yield each row as UTF-8 CSV, one at a time; a line ends with CRLF (RFC 4180, section 2).

    >>> list(write_rows([("what", "about"), ("pay", 'say "so", twice')]))
    [b'what,about\r\n', b'pay,"say ""so"", twice"\r\n']
    """
    written = _Written()
    writer = csv.writer(written)
    for row in rows:
        writer.writerow(row)
        yield "".join(written).encode()
        written.clear()


def guard_text(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula: such a one gets an apostrophe before it (OWASP).

    For texts only: numbers may begin with a minus.

    >>> guard_text("=1+1"), guard_text("ord_1")
    ("'=1+1", 'ord_1')
    """
    return f"'{text}" if text.startswith(_BEGINS_A_FORMULA) else text


class _Written(list[str]):
    """What csv needs to write to: the one method that a list lacks."""

    def write(self, text: str) -> None:
        self.append(text)
