"""Texts without the people whom they name by address: what mail servers answer, and lines of logs."""

import re

_WORD = r"""(?:[^\s"'<>()\[\],;:/?&@]|(?<=\w)(?<!\bb)')+"""  # an answer is noted as Python writes bytes: b'…'
_MAILBOX = re.compile(rf"""(?:"[^"@]{{1,64}}"|{_WORD})(@|%40)(?=[^\s@])""")


def hide_mailboxes(text: str) -> str:
    """Return the text with what stands before the @ of each address left out; the domain says which server it is.

    >>> hide_mailboxes("550 b'5.1.1 <ada@example.org>: there is no such user'")
    "550 b'5.1.1 <…@example.org>: there is no such user'"
    """
    return _MAILBOX.sub(r"…\1", text)
