"""agent.toml and the machine around it, read and refused."""

import pytest

from lilong.agent.packages import build_index_options, parse_pip_settings
from lilong.agent.settings import (
    AgentSettings,
    AgentSettingsInvalid,
    HubAddressRefused,
    LocalSettings,
    PackageSettings,
    check_hub_url,
    read_settings,
    write_new_settings,
    write_new_token,
)


def make_settings(**fields):
    given = {"hub_url": "https://hub.example/", "hub_id": "hub_1", "pool_id": "pool_1", "pool_token": 't"\\ü'}
    return AgentSettings(**given | fields)


def test_settings_are_read_as_they_were_written_and_only_by_their_owner(tmp_path):
    settings = make_settings(
        local=LocalSettings(cores=2, network=True), packages=PackageSettings(extra_index_urls=("https://a b/",))
    )

    write_new_settings(tmp_path, settings=settings)

    assert read_settings(tmp_path) == settings
    assert (tmp_path / "agent.toml").stat().st_mode & 0o777 == 0o600


def test_a_new_token_leaves_the_operators_lines_alone(tmp_path):
    write_new_settings(tmp_path, settings=make_settings())
    path = tmp_path / "agent.toml"
    path.write_text("# mine\n" + path.read_text() + "[local]\ncores = 1 # one\n")

    write_new_token(tmp_path, pool_token='new"token')

    assert read_settings(tmp_path).pool_token == 'new"token'
    assert "# mine" in path.read_text()
    assert "cores = 1 # one" in path.read_text()


@pytest.mark.parametrize("url", ["https://hub.example", "http://127.0.0.1:8000", "http://localhost", "http://[::1]:1"])
def test_a_protected_address_is_taken(url):
    check_hub_url(url)


@pytest.mark.parametrize(
    "url", ["http://hub.example", "http://10.0.0.1", "http://127.0.0.1.example", "ftp://127.0.0.1", "hub", "https://"]
)
def test_a_token_never_travels_unprotected(url, tmp_path):
    with pytest.raises(HubAddressRefused):
        check_hub_url(url)


@pytest.mark.parametrize("text", ["", "hub_url = 1", "hub_url = [", "\x00", 'pool_token = "x"\nunknown = 1'])
def test_settings_that_cannot_be_used_are_refused_by_field(tmp_path, text):
    (tmp_path / "agent.toml").write_text(text)

    with pytest.raises(AgentSettingsInvalid):
        read_settings(tmp_path)


def test_missing_settings_are_refused_with_the_path(tmp_path):
    with pytest.raises(AgentSettingsInvalid, match=r"agent\.toml"):
        read_settings(tmp_path)


def test_pips_settings_become_uvs_options():
    text = "[global]\nextra-index-url = file:///a file:///b\nfind-links = /w\n[install]\nindex-url = https://x/simple\n"
    settings = parse_pip_settings(texts=[text, "not an ini ["], variables={"PIP_INDEX_URL": "https://y/simple"})

    assert build_index_options(settings) == [
        *("--default-index", "https://y/simple", "--index", "file:///a", "--index", "file:///b"),
        *("--find-links", "/w", "--index-strategy", "unsafe-best-match"),
    ]
