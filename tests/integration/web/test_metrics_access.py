"""Who may read /metrics."""

import pytest
from django.test import Client

from lilong.web.metrics_page import PROXY_HEADERS

TOKEN = "a-token-that-nobody-guesses"
pytestmark = pytest.mark.django_db


@pytest.fixture
def set_hub(settings, tmp_path):
    """Change settings of the hub for one test."""

    def change(**changes):
        settings.LILONG = settings.LILONG.model_copy(update={"home": tmp_path, **changes})

    settings.ALLOWED_HOSTS = ["testserver"]
    change(public_url="http://127.0.0.1:8000")
    return change


@pytest.fixture
def token_file(set_hub, tmp_path):
    """Give the metrics of the hub a token."""
    path = tmp_path / "metrics.token"
    path.write_text(f"{TOKEN}\n")
    set_hub(metrics_token_file="metrics.token")
    return path


def ask(*, peer="127.0.0.1", **headers):
    return Client(REMOTE_ADDR=peer, headers=headers).get("/metrics")


def refusal(response):
    assert response["Content-Type"] == "application/problem+json"
    return response.status_code, response.json()["code"]


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.9.9.9", "::1"])
def test_this_machine_reads_without_a_token(set_hub, peer):
    response = ask(peer=peer)

    assert response.status_code == 200
    assert response["Cache-Control"] == "no-store"
    assert b"lilong_build_info" in response.content


@pytest.mark.parametrize("peer", ["192.0.2.7", "10.0.0.1", "2001:db8::1", "", "unix:"])
def test_another_machine_does_not(set_hub, peer):
    assert refusal(ask(peer=peer)) == (403, "metrics.local_only")


@pytest.mark.parametrize("header", PROXY_HEADERS)
def test_a_proxy_on_this_machine_does_not(set_hub, header):
    assert refusal(ask(**{header: "127.0.0.1"})) == (403, "metrics.local_only")


@pytest.mark.parametrize("public_url", ["https://hub.example", "http://hub.example:8000", "http://192.0.2.7"])
def test_a_hub_with_a_public_address_asks_everybody_for_a_token(set_hub, public_url):
    set_hub(public_url=public_url)

    assert refusal(ask()) == (403, "metrics.local_only")


@pytest.mark.parametrize("peer", ["127.0.0.1", "192.0.2.7"])
def test_the_token_reads_from_anywhere_and_through_a_proxy(token_file, set_hub, peer):
    set_hub(public_url="https://hub.example", metrics_token_file=str(token_file))

    assert ask(peer=peer, authorization=f"Bearer {TOKEN}", x_forwarded_for="192.0.2.9").status_code == 200


@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Bearer ", "Bearer wrong", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x", "Bearer é"]
)
def test_without_the_token_not_even_this_machine_reads(token_file, authorization):
    response = ask(authorization=authorization)

    assert refusal(response) == (401, "metrics.token_wrong")
    assert response["WWW-Authenticate"].startswith("Bearer")


def test_a_new_token_is_good_as_soon_as_it_is_written(token_file):
    token_file.write_text("another-token-that-nobody-guesses")

    assert refusal(ask(authorization=f"Bearer {TOKEN}"))[0] == 401
    assert ask(authorization="Bearer another-token-that-nobody-guesses").status_code == 200


@pytest.mark.parametrize("content", ["", "\n", "short", None])
def test_a_file_without_a_token_lets_nobody_in(token_file, content):
    token_file.unlink() if content is None else token_file.write_text(content)

    assert refusal(ask(authorization=f"Bearer {content or ''}")) == (503, "metrics.token_unreadable")


def test_nobody_writes_to_the_metrics(set_hub):
    response = Client(REMOTE_ADDR="127.0.0.1").post("/metrics")

    assert refusal(response) == (405, "method.refused")


def test_a_browser_is_refused_by_a_page_in_its_language(set_hub):
    response = ask(peer="192.0.2.7", accept="text/html", accept_language="zh-hans")

    assert response.status_code == 403
    assert "监控指标" in response.content.decode()
