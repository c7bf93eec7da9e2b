"""Settings: what follows from others, and that the how-tos name ones that exist."""

import re
import tomllib

import pytest
from pydantic import ValidationError

from lilong.web.config import Settings
from tests.architecture.house import REPOSITORY


def test_the_public_address_follows_what_the_web_process_listens_on(monkeypatch):
    monkeypatch.setenv("LILONG_BIND", "127.0.0.1:8123")
    assert Settings().public_url == "http://127.0.0.1:8123"
    assert Settings(bind="0.0.0.0:80").public_url == "http://127.0.0.1:80"
    assert Settings(public_url="https://hub.example").public_url == "https://hub.example"


@pytest.mark.parametrize("name", ["run-under-systemd", "postgresql", "s3", "hand-papers-to-accountants"])
def test_what_a_how_to_writes_into_settings_toml_is_taken(name):
    text = (REPOSITORY / "docs" / "how-to" / f"{name}.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)

    assert blocks
    for given in map(tomllib.loads, blocks):
        assert set(given) <= Settings(**given).model_fields_set


@pytest.mark.parametrize(
    "wrong",
    [
        {"per_credit": "0"},
        {"per_credit": "0.1234567"},
        {"currency": "credits"},
        {"valid_from": "2026-01-01T00:00:00"},
        {"source": ""},
    ],
)
def test_a_rate_without_a_currency_a_worth_a_moment_and_a_source_is_refused(wrong):
    right = {"currency": "CNY", "per_credit": "0.97", "valid_from": "2026-01-01T00:00:00Z", "source": "council"}
    assert Settings(credit_rates=[right]).credit_rates

    with pytest.raises(ValidationError):
        Settings(credit_rates=[right | wrong])


def test_two_rates_that_begin_at_one_moment_are_refused():
    rate = {"currency": "CNY", "per_credit": "1", "valid_from": "2026-01-01T00:00:00Z", "source": "council"}

    with pytest.raises(ValidationError, match="same moment"):
        Settings(credit_rates=[rate, rate | {"valid_from": "2026-01-01T08:00:00+08:00"}])
