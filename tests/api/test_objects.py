import http.client
import json
import os
import socket
from contextlib import ExitStack

import httpx
import pytest
from django.test import Client

from lilong.common.permissions import Role
from lilong.common.time import utc_now
from lilong.foundation.members.public import authenticate
from tests.bytes import digest, fresh
from tests.people import found_organisation_today, make_member_token
from tests.polling import wait_until
from tests.running_web import running_web

pytestmark = pytest.mark.django_db(transaction=True)

PIECE = 16 * 1024**2
READ_AT_ONCE = 256 * 1024


class Caller:
    """Calls the API in this process with one token."""

    def __init__(self, token):
        self._headers = {"Authorization": f"Bearer {token}"}

    def call(self, method, path, *, body=b"", content_type="application/octet-stream", **headers):
        return Client().generic(
            method, f"/api/v1/{path}", body, content_type=content_type, headers=self._headers | headers
        )

    def post(self, path, value):
        return self.call("POST", path, body=json.dumps(value).encode(), content_type="application/json")

    def begin(self, content):
        answer = self.post("uploads", {"sha256": digest(content), "size_bytes": len(content)})
        assert answer.status_code == 201, answer.content
        return answer.json()

    def upload(self, content):
        begun = self.begin(content)
        answer = self.call("PUT", f"uploads/{begun['upload_id']}?offset=0", body=content)
        assert answer.status_code == 200, answer.content
        assert answer.json()["complete"]
        return digest(content)

    def read(self, sha256, **headers):
        return self.call("GET", f"objects/{sha256}", **headers)


@pytest.fixture
def caller():
    return Caller(found_organisation_today().token.secret)


def problem(answer):
    return answer.status_code, answer.json()["code"]


def test_an_object_goes_up_in_pieces_and_comes_down_in_ranges(caller):
    content = fresh(1000)
    begun = caller.begin(content)
    place = f"uploads/{begun['upload_id']}"
    assert caller.call("PUT", f"{place}?offset=0", body=content[:600]).json()["offset"] == 600
    probe = caller.call("HEAD", place)
    assert (probe["Upload-Offset"], probe["Upload-Length"]) == ("600", "1000")
    assert caller.call("GET", place).json()["complete"] is False
    assert caller.call("PUT", f"{place}?offset=600", body=content[600:]).json()["complete"] is True

    whole = caller.read(digest(content))
    assert (whole.status_code, whole.getvalue(), whole["ETag"]) == (200, content, f'"{digest(content)}"')
    part = caller.read(digest(content), Range="bytes=10-19")
    assert (part.status_code, part.getvalue()) == (206, content[10:20])
    assert (part["Content-Range"], part["Content-Length"]) == ("bytes 10-19/1000", "10")
    beyond = caller.read(digest(content), Range="bytes=1000-")
    assert problem(beyond) == (416, "objects.range_unsatisfiable")
    assert beyond["Content-Range"] == "bytes */1000"


def test_an_empty_object_goes_up_and_comes_down(caller):
    assert caller.read(caller.upload(b"")).getvalue() == b""


def test_a_download_is_never_shown_as_a_page_of_the_hub(caller):
    page = b"<script>alert(1)</script>"
    answer = caller.read(caller.upload(page))
    assert answer.getvalue() == page
    assert answer["Content-Type"] == "application/octet-stream"
    assert answer["Content-Disposition"] == "attachment"
    assert answer["Content-Security-Policy"] == "sandbox"
    assert answer["X-Content-Type-Options"] == "nosniff"


def test_finding_says_what_is_there_and_what_is_missing(caller):
    there, missing = caller.upload(fresh(5)), digest(fresh(5))
    answer = caller.post("objects/find", {"sha256s": [missing, there, there]}).json()
    assert [item["sha256"] for item in answer["found"]] == [there]
    assert answer["missing"] == [missing]


def test_a_stranger_is_told_what_somebody_who_guesses_is_told(caller):
    sha256 = caller.upload(fresh(10))
    upload_id = caller.begin(fresh(11))["upload_id"]
    stranger = Caller(found_organisation_today().token.secret)
    for method, path in [
        ("GET", f"objects/{sha256}"),
        ("HEAD", f"objects/{sha256}"),
        ("DELETE", f"objects/{sha256}"),
        ("GET", f"uploads/{upload_id}"),
        ("HEAD", f"uploads/{upload_id}"),
        ("PUT", f"uploads/{upload_id}?offset=0"),
        ("DELETE", f"uploads/{upload_id}"),
    ]:
        assert stranger.call(method, path).status_code == 404, (method, path)
    assert stranger.post(f"objects/{sha256}/links", {"seconds": 60}).status_code == 404
    assert stranger.post("objects/find", {"sha256s": [sha256]}).json()["missing"] == [sha256]


def test_a_viewer_reads_and_writes_nothing():
    secret = found_organisation_today().token.secret
    content = fresh(10)
    sha256 = Caller(secret).upload(content)
    owner = authenticate(token=secret, now=utc_now())
    viewer = Caller(make_member_token(owner, Role.VIEWER, now=utc_now()))

    assert viewer.read(sha256).getvalue() == content
    assert viewer.post("uploads", {"sha256": sha256, "size_bytes": 10}).status_code == 403
    assert viewer.post(f"objects/{sha256}/links", {"seconds": 60}).status_code == 403
    assert viewer.call("DELETE", f"objects/{sha256}").status_code == 403


@pytest.mark.parametrize(
    ("headers", "path", "expected"),
    [
        ({"Transfer-Encoding": "chunked"}, "?offset=0", (400, "input.malformed")),
        ({}, "?offset=3", (409, "objects.offset_wrong")),
        ({}, "?offset=-1", (422, "input.invalid")),
        ({}, "", (422, "input.invalid")),
    ],
)
def test_a_piece_that_cannot_be_added_is_refused(caller, headers, path, expected):
    begun = caller.begin(fresh(10))
    assert problem(caller.call("PUT", f"uploads/{begun['upload_id']}{path}", body=b"x", **headers)) == expected


def test_a_request_of_more_than_sixteen_mebibytes_is_refused(caller):
    begun = caller.begin(fresh(10))
    answer = caller.call("PUT", f"uploads/{begun['upload_id']}?offset=0", body=bytes(PIECE + 1))
    assert problem(answer) == (413, "objects.request_too_long")


def test_a_link_needs_no_token_and_ends_when_it_is_revoked(caller):
    content = fresh(100)
    sha256 = caller.upload(content)
    path = caller.post(f"objects/{sha256}/links", {"seconds": 60}).json()["path"]
    assert Client().get(path, headers={"Range": "bytes=-10"}).getvalue() == content[-10:]
    assert caller.call("DELETE", f"objects/{sha256}/links").status_code == 204
    assert problem(Client().get(path)) == (404, "objects.link_invalid")


def test_deleting_frees_the_quota(caller):
    sha256 = caller.upload(fresh(100))
    assert caller.call("GET", "storage").json()["used_bytes"] == 100
    assert [item["sha256"] for item in caller.call("GET", "objects").json()["items"]] == [sha256]
    assert caller.call("DELETE", f"objects/{sha256}").status_code == 204
    assert caller.call("GET", "storage").json()["used_bytes"] == 0


def test_an_upload_goes_on_after_the_web_process_was_killed_in_the_middle(tmp_path):
    content, made = fresh(3 * PIECE), found_organisation_today()
    with running_web(home=tmp_path) as web, signed_in(web, made.token.secret) as http:
        begun = http.post("/uploads", json={"sha256": digest(content), "size_bytes": len(content)}).json()
        place = f"/uploads/{begun['upload_id']}"
        http.put(place, params={"offset": 0}, content=content[:PIECE]).raise_for_status()

        def pieces():
            for start in range(PIECE, 2 * PIECE, 64 * 1024):
                yield content[start : start + 64 * 1024]
                if start >= PIECE * 3 // 2:
                    web.kill()

        with pytest.raises(httpx.TransportError):
            http.put(place, params={"offset": PIECE}, content=pieces(), headers={"Content-Length": str(PIECE)})
        web.start()
        offset = http.get(place).json()["offset"]
        assert PIECE <= offset < 2 * PIECE
        while offset < len(content):
            answer = http.put(place, params={"offset": offset}, content=content[offset : offset + PIECE])
            offset = answer.raise_for_status().json()["offset"]
        assert http.get(f"/objects/{digest(content)}").content == content


def test_memory_does_not_grow_with_the_object(tmp_path):
    made = found_organisation_today()
    with running_web(home=tmp_path) as web, signed_in(web, made.token.secret) as http:
        http.get("/storage").raise_for_status()
        before_mib = web.peak_memory_mib()
        content = os.urandom(PIECE) * 12
        begun = http.post("/uploads", json={"sha256": digest(content), "size_bytes": len(content)}).json()
        for offset in range(0, len(content), PIECE):
            place, piece = f"/uploads/{begun['upload_id']}", content[offset : offset + PIECE]
            http.put(place, params={"offset": offset}, content=piece).raise_for_status()
        with http.stream("GET", f"/objects/{digest(content)}") as download:
            assert sum(len(piece) for piece in download.iter_bytes()) == len(content)
        assert web.peak_memory_mib() - before_mib < len(content) / 1024**2 / 8


def test_callers_who_stop_in_the_middle_let_go_of_their_threads(tmp_path):
    content, made = fresh(4 * READ_AT_ONCE), found_organisation_today()
    settings = {"web_threads": 2, "stall_timeout_s": 1}
    with (
        running_web(home=tmp_path, **settings) as web,
        signed_in(web, made.token.secret) as http,
        ExitStack() as stalled,
    ):
        begun = http.post("/uploads", json={"sha256": digest(content), "size_bytes": len(content)}).json()
        for _ in range(4):
            connection = open_and_stall(web, made.token.secret, begun["upload_id"], content[: READ_AT_ONCE + 1000])
            stalled.callback(connection.close)
        offset = wait_until(lambda: http.get(f"/uploads/{begun['upload_id']}").json()["offset"], within_s=60)
    assert offset == READ_AT_ONCE


def signed_in(web, token):
    return httpx.Client(base_url=f"{web.url}/api/v1", headers={"Authorization": f"Bearer {token}"}, timeout=60)


def open_and_stall(web, token, upload_id, beginning):
    connection = http.client.HTTPConnection("127.0.0.1", web.port)
    connection.putrequest("PUT", f"/api/v1/uploads/{upload_id}?offset=0")
    connection.putheader("Authorization", f"Bearer {token}")
    connection.putheader("Content-Length", str(4 * READ_AT_ONCE))
    connection.endheaders(beginning)
    assert isinstance(connection.sock, socket.socket)
    return connection
