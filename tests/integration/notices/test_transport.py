"""Posting to whatever a stranger registered, against a real server: what is reached, what is not, and for how long."""

import time

import pytest

from lilong.foundation.notices.core.endpoints import Endpoint
from lilong.foundation.notices.services.transport import ANSWER_BYTES_MAX, post
from tests.https_peer import NAME, answer_with, running_peer

LOCAL = ("127.0.0.0/8",)


class Resolver:
    """Names that change where they lead: one answer for each time that somebody asks."""

    def __init__(self, *answers):
        self._answers = list(answers)
        self.asked = 0

    def __call__(self, *, host, port):
        self.asked += 1
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


def send(peer, *, resolve=None, allowed=LOCAL, host=NAME, whole_s=10.0):
    return post(
        endpoint=Endpoint(host=host, port=peer.port, target="/hook?a=b"),
        headers={"Content-Type": "application/json"},
        body=b"{}",
        networks_allowed=allowed,
        resolve=resolve or Resolver(["127.0.0.1"]),
        whole_s=whole_s,
    )


def test_a_body_arrives_whole_under_the_name_that_was_registered(peer):
    outcome = send(peer)

    assert (outcome.status, outcome.problem, outcome.is_success) == (204, "", True)
    ((headers, body),) = peer.received
    assert body == b"{}"
    assert headers["Host"] == f"{NAME}:{peer.port}"


@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["::1"], ["9.9.9.9", "169.254.169.254"], ["::ffff:127.0.0.1"]])
def test_nothing_is_sent_where_any_address_of_the_name_is_not_public(peer, addresses):
    outcome = send(peer, resolve=Resolver(addresses), allowed=())

    assert outcome.status is None
    assert "not public" in outcome.problem
    assert not peer.received


def test_a_name_that_changes_its_mind_is_judged_by_the_address_that_is_connected_to(peer):
    """The first answer is judged and used; the second would lead inside, and is never asked for."""
    rebinding = Resolver(["192.0.2.1"], ["127.0.0.1"])
    first = send(peer, resolve=rebinding, allowed=())
    assert rebinding.asked == 1
    second = send(peer, resolve=rebinding, allowed=())

    assert (first.status, second.status, rebinding.asked) == (None, None, 2)
    assert "not public" in second.problem
    assert not peer.received


def test_the_name_is_resolved_once_for_each_try(peer):
    resolver = Resolver(["127.0.0.1"], ["10.0.0.1"])

    assert send(peer, resolve=resolver).is_success
    assert resolver.asked == 1


def test_a_certificate_for_another_name_ends_it(tmp_path, monkeypatch):
    with running_peer(tmp_path, name="other.example.org") as peer:
        monkeypatch.setenv("SSL_CERT_FILE", str(peer.authority))
        outcome = send(peer)

    assert outcome.status is None
    assert "certificate" in outcome.problem
    assert not peer.received


def test_a_certificate_of_an_unknown_authority_ends_it(peer, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE")

    assert "certificate" in send(peer).problem


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(peer, status):
    peer.answer = answer_with(status, Location=f"https://{NAME}:{peer.port}/elsewhere")

    outcome = send(peer)

    assert (outcome.status, outcome.is_success, len(peer.received)) == (status, False, 1)
    assert "not followed" in outcome.problem


def test_a_proxy_of_the_environment_is_not_used(peer, monkeypatch):
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    assert send(peer).is_success


def test_an_answer_that_comes_drop_by_drop_is_cut_off(peer):
    def drip(handler):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            handler.wfile.write(b"X-Drop: 1\r\n"[:1])
            handler.wfile.flush()
            handler.connection.settimeout(0.1)
            try:
                if not handler.connection.recv(1):
                    return
            except TimeoutError:
                continue
            except OSError:
                return

    peer.answer = drip
    began = time.monotonic()
    outcome = send(peer, whole_s=1.0)

    assert outcome.status is None
    assert "within 1 seconds" in outcome.problem
    assert time.monotonic() - began < 5


def test_a_server_that_never_speaks_tls_is_cut_off(tmp_path):
    import socket  # noqa: PLC0415 - this test alone is mute

    with socket.create_server(("127.0.0.1", 0)) as mute:

        class Mute:
            port = mute.getsockname()[1]

        outcome = send(Mute, whole_s=0.5)

    assert outcome.status is None
    assert "within 0.5 seconds" in outcome.problem


def test_an_answer_without_end_is_not_read(peer):
    def flood(handler):
        handler.send_response(200)
        handler.end_headers()
        try:
            while True:
                handler.wfile.write(bytes(ANSWER_BYTES_MAX))
        except OSError:
            return

    peer.answer = flood
    outcome = send(peer)

    assert outcome.is_success
    assert outcome.milliseconds < 5000


def test_a_closed_port_is_a_problem_and_no_error(peer):
    class Nobody:
        port = 9

    outcome = send(Nobody)

    assert outcome.status is None
    assert "refused" in outcome.problem.lower()
