"""Every page of the hub, as its resolver knows them, and a way to open or send each as somebody."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from django.urls import URLPattern, URLResolver, get_resolver

from lilong.web.error_pages import API_PREFIXES

PART = re.compile(r"<(?:\w+:)?(\w+)>|\(\?P<(\w+)>[^)]*\)")


@dataclass(frozen=True, slots=True)
class Route:
    """One address of a page. parts: its variable parts, each with the word of the address that stands before it."""

    pattern: str
    parts: tuple[tuple[str, str], ...]

    def fill(self, values: Mapping[str, str]) -> str:
        """Return the address with the value of each part, by its word or else by its name."""
        words = iter(self.parts)

        def find(_match: re.Match[str]) -> str:
            word, name = next(words)
            return values[word] if word in values else values[name]

        return "/" + PART.sub(find, self.pattern)


def list_page_routes() -> list[Route]:
    """Return the routes of all pages, by address: all that the resolver knows but the API's."""
    patterns = {
        pattern for pattern in _walk(get_resolver().url_patterns, "") if not f"/{pattern}".startswith(API_PREFIXES)
    }
    return [Route(pattern, tuple(_list_parts(pattern))) for pattern in sorted(patterns)]


def _walk(patterns: Sequence[URLPattern | URLResolver], before: str) -> Iterator[str]:
    for each in patterns:
        pattern = before + str(each.pattern).lstrip("^").rstrip("$")
        if isinstance(each, URLResolver):
            yield from _walk(each.url_patterns, pattern)
        else:
            yield pattern


def _list_parts(pattern: str) -> Iterator[tuple[str, str]]:
    for match in PART.finditer(pattern):
        before = pattern[: match.start()].rstrip("/").rpartition("/")[2]
        name = match[1] or match[2]
        yield (before if PART.search(before) is None else name, name)
