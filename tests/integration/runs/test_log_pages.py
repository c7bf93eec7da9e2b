import json
import threading

import pytest
from django.contrib.sessions.models import Session
from django.core.signals import request_finished
from django.db import close_old_connections
from django.http import StreamingHttpResponse

from lilong.common.django import streams
from lilong.common.permissions import Role
from lilong.foundation.members.models import Membership
from lilong.foundation.members.services.memberships import remove_member
from lilong.foundation.runs.pages import streams as log_streams
from lilong.foundation.runs.services.logs import append_log
from lilong.protocol.messages import AttemptState
from tests.market import buy, finish, found_buyer, open_stall
from tests.people import join
from tests.pools import at, make_spec, settle
from tests.sessions import browse_as, browse_as_stranger

pytestmark = pytest.mark.django_db
S = AttemptState


@pytest.fixture
def stall():
    return open_stall()


@pytest.fixture
def buyer(stall):
    return found_buyer()


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Let streams look all the time and never wait, and end after they have looked for a second."""
    monkeypatch.setattr(log_streams, "PERIOD_S", 0.001)
    monkeypatch.setattr(log_streams.STANDINGS, "period_s", 0)
    monkeypatch.setattr(log_streams, "STREAM_S_MAX", 1)


def begin(buyer, stall, **fields):
    order = buy(buyer, spec=make_spec(**fields))
    taken = stall.agent.take(seconds=1)
    stall.agent.sync(stall.agent.see(taken, S.RUNNING, seconds=3, ms=1000), seconds=3)
    return order, taken


def write(stall, taken, content, *, offset=0, rank=0):
    append_log(pool_id=stall.agent.pool_id, attempt_id=taken.attempt_id, rank=rank, offset=offset, content=content)


def end(stall, taken):
    finish(stall.agent, ms=5000, submit=taken)
    settle(seconds=60)


def listen(client, run_id, *, headers=None, **query):
    answer = client.get(f"/runs/{run_id}/log/stream", query, headers=headers)
    assert isinstance(answer, StreamingHttpResponse), answer.content
    return answer


def leave(answer):
    """Close an answer as a server does, but for the test's connection to the database."""
    request_finished.disconnect(close_old_connections)
    answer.close()
    request_finished.connect(close_old_connections)


def parse(parts):
    for event in b"".join(parts).decode().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in event.split("\n") if ": " in line)
        if "event" in fields:
            yield fields["event"], json.loads(fields["data"]), fields.get("id", "")


def hear(client, run_id, **query):
    answer = listen(client, run_id, **query)
    events = list(parse(answer.streaming_content))
    leave(answer)
    return events


def test_a_stream_sends_the_log_and_ends_with_the_run(buyer, stall):
    order, taken = begin(buyer, stall)
    text = "第一行\nsecond\n"
    write(stall, taken, text.encode())
    end(stall, taken)

    events = hear(browse_as(buyer), order.run_id)

    assert [name for name, _, _ in events] == ["attempt", "log", "end"]
    assert events[1][1]["text"] == text
    assert events[1][2] == f"1.{len(text.encode())}"
    assert events[2][1]["state"] == "succeeded"


def test_a_browser_that_comes_again_goes_on_where_it_was(buyer, stall):
    order, taken = begin(buyer, stall)
    write(stall, taken, b"one two")
    end(stall, taken)
    client = browse_as(buyer)

    assert [payload["text"] for name, payload, _ in hear(client, order.run_id, **{"from": "1.4"}) if name == "log"] == [
        "two"
    ]
    again = listen(client, order.run_id, headers={"last-event-id": "1.7"})
    assert [name for name, _, _ in parse(again.streaming_content)] == ["end"]
    leave(again)


def test_a_character_that_has_come_in_half_waits_for_its_other_half(buyer, stall):
    order, taken = begin(buyer, stall)
    text = "界".encode()
    write(stall, taken, text[:1])
    answer = listen(browse_as(buyer), order.run_id)
    parts = iter(answer.streaming_content)
    heard = [next(parts) for _ in range(3)]
    write(stall, taken, text[1:], offset=1)

    heard.append(next(parts))
    leave(answer)

    logs = [(payload["text"], at) for name, payload, at in parse(heard) if name == "log"]
    assert logs == [("", "1.0"), ("界", "1.3")]


def test_who_is_far_behind_goes_on_at_the_tail(buyer, stall):
    order, taken = begin(buyer, stall)
    write(stall, taken, b"x" * (2 * log_streams.BACKLOG_BYTES_MAX))
    end(stall, taken)

    events = hear(browse_as(buyer), order.run_id, **{"from": "1.10"})

    assert events[0][0] == "skip"
    assert sum(len(payload["text"]) for name, payload, _ in events if name == "log") == log_streams.TAIL_BYTES


def test_a_second_attempt_is_told_of_and_read_from_its_start(buyer, stall):
    order, taken = begin(buyer, stall)
    write(stall, taken, b"first\n")
    answer = listen(browse_as(buyer), order.run_id)
    parts = iter(answer.streaming_content)
    heard = [next(parts) for _ in range(3)]
    stall.agent.sync(stall.agent.see(taken, S.FAILED, seconds=9, ms=2000, reason="node_lost"), seconds=9)
    settle(seconds=10)
    write(stall, stall.agent.take(seconds=11), b"second\n")

    heard += [next(parts) for _ in range(2)]
    leave(answer)

    events = [(name, payload) for name, payload, _ in parse(heard)]
    assert events[-2:] == [("attempt", {"number": 2}), ("log", {"text": "second\n"})]


def test_a_stream_ends_when_the_session_does(buyer, stall, monkeypatch):
    monkeypatch.setattr(log_streams, "CHECK_EVERY_S", 0)
    order, _ = begin(buyer, stall)
    answer = listen(browse_as(buyer), order.run_id)
    Session.objects.all().delete()

    assert list(parse(answer.streaming_content))[-1][0] == "gone"


def test_a_stream_ends_when_the_membership_does(buyer, stall, monkeypatch):
    monkeypatch.setattr(log_streams, "CHECK_EVERY_S", 0)
    order, _ = begin(buyer, stall)
    viewer = join(buyer, Role.VIEWER)
    answer = listen(browse_as(viewer), order.run_id)
    remove_member(actor=buyer, membership_id=Membership.objects.get(person_id=viewer.person_id).id, now=at(5))

    assert list(parse(answer.streaming_content))[-1][0] == "gone"


def test_a_stream_ends_when_the_process_is_to_stop(buyer, stall, monkeypatch):
    monkeypatch.setattr(log_streams, "STREAM_S_MAX", 3600)
    stopping = threading.Event()
    monkeypatch.setattr(log_streams, "STOPPING", stopping)
    order, _ = begin(buyer, stall)
    answer = listen(browse_as(buyer), order.run_id)
    stopping.set()

    assert b"".join(answer.streaming_content).startswith(b"retry:")


def test_over_the_cap_a_browser_is_told_to_come_later_and_a_place_is_free_again_once_one_left(buyer, stall, settings):
    settings.LILONG = settings.LILONG.model_copy(update={"web_streams": 1})
    order, _ = begin(buyer, stall)
    client = browse_as(buyer)
    first = listen(client, order.run_id)

    refused = client.get(f"/runs/{order.run_id}/log/stream")

    assert (refused.status_code, refused.headers["Retry-After"]) == (503, str(streams.RETRY_AFTER_S))
    leave(first)
    leave(first)
    second = listen(client, order.run_id)
    assert client.get(f"/runs/{order.run_id}/log/stream").status_code == 503
    leave(second)


def test_many_streams_share_one_question(buyer, stall, monkeypatch, django_assert_max_num_queries):
    order, taken = begin(buyer, stall)
    write(stall, taken, b"shared\n")
    monkeypatch.setattr(log_streams.STANDINGS, "period_s", 3600)
    monkeypatch.setattr(log_streams, "STREAM_S_MAX", 0.05)
    client = browse_as(buyer)
    answers = [listen(client, order.run_id) for _ in range(5)]

    with django_assert_max_num_queries(1):
        heard = [list(parse(answer.streaming_content)) for answer in answers]

    assert all(events[1][:2] == ("log", {"text": "shared\n"}) for events in heard)
    for answer in answers:
        leave(answer)


def test_without_scripts_the_log_is_read_in_parts(buyer, stall, monkeypatch):
    monkeypatch.setattr("lilong.foundation.runs.pages.logs.PART_BYTES", 8)
    order, taken = begin(buyer, stall)
    client = browse_as(buyer)
    place = f"/runs/{order.run_id}/log"
    assert "The job has printed nothing yet." in client.get(place).content.decode()
    write(stall, taken, "line 1\n界<b>\nlast".encode())

    last = client.get(place).content.decode()
    middle = client.get(place, {"offset": 7}).content.decode()

    assert "Load again" in last
    assert ">st</pre>" in last
    assert "界&lt;b&gt;" in middle
    assert 'offset=15" rel="next"' in middle
    assert 'offset=0" rel="prev"' in middle
    assert client.get(f"{place}?offset={10**30}&rank=x").status_code == 200
    assert client.head(f"{place}/stream").status_code == 405
    assert client.get(place, {"rank": 1}).status_code == 422
    assert client.get(place, {"attempt": 2}).status_code == 404


def test_a_browser_without_a_stream_asks_from_its_place_on(buyer, stall):
    order, taken = begin(buyer, stall)
    client = browse_as(buyer)
    write(stall, taken, b"one two")
    place = f"/runs/{order.run_id}/log/tail"
    first = client.get(place)
    write(stall, taken, b" three", offset=7)

    then = client.get(place, {"from": first.headers["Log-Place"]})

    assert (first.content, then.content) == (b"one two", b" three")
    assert (then.headers["Log-Place"], then.headers["Log-Complete"], then.headers["Run-Over"]) == (
        "1.13",
        "false",
        "false",
    )


@pytest.mark.parametrize("page", ["log", "log/stream", "log/tail"])
def test_nobody_but_the_organisation_reads_a_log(buyer, stall, page):
    order, _ = begin(buyer, stall)
    place = f"/runs/{order.run_id}/{page}"

    assert browse_as(found_buyer()).get(place).status_code == 404
    assert browse_as_stranger().get(place).headers["Location"].startswith("/account/login/?next=/runs/")


@pytest.mark.parametrize("page", ["log", "log/stream", "log/tail"])
def test_a_log_for_its_submitter_alone_is_closed_to_colleagues(buyer, stall, page):
    order, _ = begin(buyer, stall, log_visibility="submitter")

    assert browse_as(join(buyer, Role.OWNER)).get(f"/runs/{order.run_id}/{page}").status_code == 403


def test_the_log_page_asks_few_questions(buyer, stall, django_assert_max_num_queries):
    order, taken = begin(buyer, stall)
    write(stall, taken, b"text")
    client = browse_as(buyer)

    with django_assert_max_num_queries(12):
        client.get(f"/runs/{order.run_id}/log")
