"""The SDK's road for bytes against the real web process: what breaks on the way, and what comes out."""

import hashlib
import os
import socket
import threading
from contextlib import contextmanager, suppress

import httpx
import pytest

from lilong.common.errors import NotFound, NotSignedIn
from lilong.foundation.members.models import Token
from lilong.foundation.objects.queries import ObjectMissing
from lilong.foundation.objects.services.uploads import QuotaReached
from lilong.sdk import objects
from lilong.sdk.client import Lilong
from lilong.sdk.objects import BytesDiffer, FileChanged
from lilong.sdk.transport import AddressUnsafe
from tests.bytes import digest, fresh
from tests.people import found_organisation_today
from tests.running_web import running_web

pytestmark = pytest.mark.django_db(transaction=True)

PART = objects.PART_BYTES


class LossyRoad:
    """Carries connections to the hub on a port of its own, and cuts them as told."""

    def __init__(self, port):
        self._hub = ("127.0.0.1", port)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self.answers_to_lose = 0
        self.cut_answer_at = None
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self._listening.close()

    def _accept(self):
        while True:
            try:
                caller, _ = self._listening.accept()
            except OSError:
                return
            hub = socket.create_connection(self._hub)
            threading.Thread(target=self._carry_up, args=(caller, hub), daemon=True).start()
            threading.Thread(target=self._carry_down, args=(caller, hub), daemon=True).start()

    def _carry_up(self, caller, hub):
        with suppress(OSError):
            while piece := caller.recv(65536):
                hub.sendall(piece)

    def _carry_down(self, caller, hub):
        carried = 0
        with suppress(OSError):
            while piece := hub.recv(65536):
                if self.answers_to_lose:
                    self.answers_to_lose -= 1
                    break
                carried += len(piece)
                if self.cut_answer_at is not None and carried > self.cut_answer_at:
                    self.cut_answer_at = None
                    break
                caller.sendall(piece)
        for end in (caller, hub):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


@contextmanager
def lossy_road(web):
    road = LossyRoad(web.port)
    try:
        yield road
    finally:
        road.close()


def test_bytes_survive_a_road_that_loses_answers_and_a_hub_that_is_killed(tmp_path):
    content = fresh(2 * PART + 1000)
    source, target = tmp_path / "model.bin", tmp_path / "down" / "model.bin"
    source.write_bytes(content)
    made = found_organisation_today()
    with (
        running_web(home=tmp_path / "home") as web,
        lossy_road(web) as road,
        Lilong(url=road.url, token=made.token.secret) as hub,
    ):
        moved: list[int] = []
        killed: list[bool] = []

        def kill_once(count):
            moved.append(count)
            if not killed:
                killed.append(True)
                web.kill()
                web.start()

        road.answers_to_lose = 1
        assert hub.objects.upload_file(source, on_bytes=kill_once) == digest(content)
        assert sum(moved) == len(content)
        assert hub.objects.find_missing(sha256s=[digest(content), "0" * 64]) == ("0" * 64,)

        received: list[int] = []
        road.cut_answer_at = PART
        hub.objects.download(digest(content), target=target, on_bytes=received.append)
        assert sum(received) == len(content)
        assert hashlib.sha256(target.read_bytes()).hexdigest() == digest(content)
        assert list(target.parent.iterdir()) == [target]

        road.answers_to_lose = 1
        hub.tokens.create(name="once", scopes=["read"])
        assert Token.objects.filter(name="once").count() == 1


def test_refusals_arrive_as_the_classes_that_the_hub_raised(tmp_path):
    made, stranger = found_organisation_today(), found_organisation_today()
    with running_web(home=tmp_path, object_quota_bytes=100) as web:
        with Lilong(url=web.url, token=made.token.secret) as hub:
            sha256 = hub.objects.upload_bytes(b"12345")
            assert hub.objects.read(sha256) == b"12345"
            assert hub.objects.get_storage().used_bytes == 5
            assert [item.sha256 for item in hub.objects.list()] == [sha256]
            with pytest.raises(QuotaReached) as refused:
                hub.objects.upload_bytes(bytes(96))
            assert refused.value.facts == {"limit": 100, "used": 5, "asked": 96}
            link = hub.objects.make_link(sha256, seconds=60)
            assert httpx.get(web.url + link.path).content == b"12345"
        with Lilong(url=web.url, token=stranger.token.secret) as hub:
            with pytest.raises(ObjectMissing) as hidden:
                hub.objects.read(sha256)
            assert isinstance(hidden.value, NotFound)
        with Lilong(url=web.url, token="lil_wrong") as hub, pytest.raises(NotSignedIn):
            hub.objects.get_storage()


def test_a_file_that_shrinks_while_it_is_sent_is_named_at_once(tmp_path):
    made, source = found_organisation_today(), tmp_path / "shrinking"
    source.write_bytes(fresh(PART + 10))
    with (
        running_web(home=tmp_path / "home") as web,
        Lilong(url=web.url, token=made.token.secret) as hub,
        pytest.raises(FileChanged),
    ):
        hub.objects.upload_file(source, on_bytes=lambda _count: os.truncate(source, PART))


def test_other_bytes_than_asked_for_are_thrown_away(tmp_path):
    content, made = fresh(1000), found_organisation_today()
    with running_web(home=tmp_path / "home") as web, Lilong(url=web.url, token=made.token.secret) as hub:
        sha256 = hub.objects.upload_bytes(content)
        stored = next(path for path in (tmp_path / "home" / "objects").rglob(f"{sha256}.*"))
        stored.write_bytes(bytes(1000))
        with pytest.raises(BytesDiffer):
            hub.objects.read(sha256)
        with pytest.raises(BytesDiffer):
            hub.objects.download(sha256, target=tmp_path / "down" / "file")
        assert not list((tmp_path / "down").iterdir())


@pytest.mark.parametrize(
    "url", ["http://hub.example", "http://127.0.0.1.evil.example", "ftp://127.0.0.1", "hub.example"]
)
def test_a_token_never_travels_unencrypted_off_this_machine(url):
    with pytest.raises(AddressUnsafe):
        Lilong(url=url, token="lil_x")
