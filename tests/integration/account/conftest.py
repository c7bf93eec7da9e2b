"""What tests of the member's settings stand on: forms as a browser without scripts sends them."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

_KEY = re.compile(r'name="key" value="([0-9a-f]{32})"')


@pytest.fixture
def read_key() -> Callable[[Client, str], str]:
    """Return a function that opens a page and returns the key of its form that acts once."""

    def read(client: Client, path: str) -> str:
        found = _KEY.search(client.get(path).content.decode())
        assert found, path
        return found[1]

    return read


@pytest.fixture
def download() -> Callable[..., bytes]:
    """Return a function that downloads what is sent in parts, and returns it whole."""

    def download_it(client: Client, path: str, query: dict[str, str] | None = None) -> bytes:
        answer: Any = client.get(path, query)
        assert answer.status_code == 200, answer.content
        return b"".join(answer.streaming_content)

    return download_it


@pytest.fixture
def open_page() -> Callable[..., str]:
    """Return a function that opens a page, which has to be there, and returns its text."""

    def open_it(client: Client, path: str, *, status: int = 200, **options: Any) -> str:
        answer = client.get(path, **options)
        assert answer.status_code == status, answer.content
        return answer.content.decode()

    return open_it
