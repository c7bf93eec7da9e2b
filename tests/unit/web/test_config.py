"""Settings: what follows from others, and that the how-tos name ones that exist."""

import re
import tomllib

import pytest

from lilong.web.config import Settings
from tests.architecture.house import REPOSITORY


def test_the_public_address_follows_what_the_web_process_listens_on(monkeypatch):
    monkeypatch.setenv("LILONG_BIND", "127.0.0.1:8123")
    assert Settings().public_url == "http://127.0.0.1:8123"
    assert Settings(bind="0.0.0.0:80").public_url == "http://127.0.0.1:80"
    assert Settings(public_url="https://hub.example").public_url == "https://hub.example"


@pytest.mark.parametrize("name", ["run-under-systemd", "postgresql", "s3"])
def test_what_a_how_to_writes_into_settings_toml_is_taken(name):
    text = (REPOSITORY / "docs" / "how-to" / f"{name}.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)

    assert blocks
    for given in map(tomllib.loads, blocks):
        assert set(given) <= Settings(**given).model_fields_set
