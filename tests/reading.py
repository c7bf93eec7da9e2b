"""What stands on a page for who reads it."""

import re
from html.parser import HTMLParser

UNTRANSLATED = re.compile(r"[A-Za-z]{3,}(?: [A-Za-z]+){2,}")


class _Shown(HTMLParser):
    """The texts of a page's main part, and of its labels for screen readers."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = self._inside or tag == "main"
        if self._inside and tag not in {"script", "style"}:
            self.texts += [value or "" for name, value in attrs if name in {"aria-label", "placeholder", "title"}]

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag != "main"

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.texts.append(data)


def list_english(page: str) -> list[str]:
    """Return the texts of a page that hold three English words in a row; commands in backquotes are in no language."""
    shown = _Shown()
    shown.feed(page)
    return [text.strip() for text in shown.texts if UNTRANSLATED.search(re.sub("`.*?`", "", text))]
