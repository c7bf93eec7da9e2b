"""Who reads Chinese reads in Chinese why a job is refused, what a quote leaves out, and what happened to an order."""

import re
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction

from lilong.common.time import utc_now
from lilong.foundation.runs.core.maintenance import Maintenance
from lilong.foundation.runs.services.pools import announce_maintenance, set_draining
from lilong.platforms.supermarket.models import Order, Quote, TimelineEntry
from lilong.platforms.supermarket.queries.quotes import get_quote
from tests.market import found_buyer, open_stall
from tests.pools import at
from tests.reading import list_english
from tests.sessions import browse_as

pytestmark = pytest.mark.django_db(transaction=True)

WRONG = b"""\
name: A B
command: true
walltime: 5 minutes
walltimes: 1m
nodes: many
resources:
  accelerator: h900
  memory: lots
inputs: none
network: sometimes
"""
OUT_OF_RANGE = b"name: a\ncommand: 'true'\nwalltime: 0s\nnodes: 5000\nnetwork: sometimes\nsecrets: [lower]\n"
UNFIT = b"name: a\ncommand: 'true'\nwalltime: 1m\nresources: {cores: 900, memory: 9000GiB}\n"
JOB = b"name: a\ncommand: 'true'\nwalltime: 10m\n"


@pytest.fixture(autouse=True)
def today(monkeypatch):
    """Let the market's moment be now, for pages look at the clock."""
    now = utc_now()
    for place in ("tests.pools.NOON", "tests.market.NOW", "tests.people.NOW"):
        monkeypatch.setattr(place, now)


def ask(client, job):
    return client.post("/quotes", {"key": uuid4().hex, "job": SimpleUploadedFile("job.yaml", job)})


def read_quote(client):
    return client.get(f"/quotes/{Quote.objects.get().id}").content.decode()


@pytest.mark.parametrize(
    ("job", "sentences"),
    [
        (WRONG, ["没有这个字段。您要写的是“walltime”吗？", "请在这里写大小，如 512MiB 或 4GiB。"]),
        (OUT_OF_RANGE, ["须大于或等于 1", "须小于或等于", "须是下列之一："]),
        (UNFIT, ["最大的节点有 4 个核。", "MiB 内存。"]),
    ],
)
def test_what_is_wrong_with_a_job_is_said_in_chinese(job, sentences):
    open_stall(now=utc_now())
    answer = ask(browse_as(found_buyer(now=utc_now()), language="zh-hans"), job)
    page = answer.content.decode()

    assert answer.status_code == 422
    assert not [sentence for sentence in sentences if sentence not in page]
    assert not list_english(page)


def test_words_of_a_parser_stay_as_they_are_in_a_chinese_sentence():
    answer = ask(browse_as(found_buyer(now=utc_now()), language="zh-hans"), b"name: [")

    assert re.search("文件不是 YAML：[a-z ]+", answer.content.decode())


def test_a_quote_says_in_chinese_what_it_leaves_out_and_what_comes_later():
    drained, dear, late = (open_stall(name=name, price_uc=price) for name, price in [("a", 100), ("b", 900), ("c", 90)])
    set_draining(actor=drained.owner, pool_id=drained.agent.pool_id, draining_at=utc_now())
    window = Maintenance(starts_at=at(300), ends_at=at(3600), reason="")
    announce_maintenance(actor=late.owner, pool_id=late.agent.pool_id, window=window, now=at(0))
    buyer = found_buyer()
    client = browse_as(buyer, language="zh-hans")
    ask(client, JOB)
    page = read_quote(client)

    assert re.search(r"资源池 \S+ 暂不接受新作业。", page)
    assert "算力币，超过首选的 2 倍。" in page
    assert "可能碰上，因此在维护后开始。报价中的其他供应项排在前面。" in page
    assert not list_english(page)
    english = [note.message for note in get_quote(actor=buyer, quote_id=Quote.objects.get().id).notes]
    assert any(message.endswith(" takes no new work.") for message in english)
    assert dear.offer_id in {note["path"].removeprefix("offers.") for note in Quote.objects.get().notes}


def test_notes_that_were_kept_without_their_templates_are_shown_in_english_and_marked_as_that():
    drained, _other = open_stall(name="a"), open_stall(name="b")
    set_draining(actor=drained.owner, pool_id=drained.agent.pool_id, draining_at=utc_now())
    client = browse_as(found_buyer(), language="zh-hans")
    ask(client, JOB)
    quote = Quote.objects.get()
    with transaction.atomic():
        Quote.objects.update(notes=[{key: note[key] for key in ("path", "code", "message")} for note in quote.notes])

    assert re.search(r'<span lang="en">The pool \S+ takes no new work\.</span>', read_quote(client))


def test_a_refused_order_says_in_chinese_why_and_keeps_its_english_text():
    open_stall(now=utc_now())
    client = browse_as(found_buyer(now=utc_now()), language="zh-hans")
    ask(client, UNFIT)
    order = Order.objects.get()
    line = TimelineEntry.objects.get(order=order, step="refuse")
    page = client.get(f"/orders/{order.id}").content.decode()

    kept = order.refusal or {}
    assert kept["fields"][0]["message"] == "The largest node has 4 cores."
    assert kept["fields"][0]["said"]["values"] == {"most_cores": 4}
    assert line.detail.startswith(f"{kept['code']}: ")
    assert not list_english(page)
    assert not list_english(client.get("/orders/ord_unknown").content.decode())
    assert "没有您可查看的订单 ord_unknown。" in client.get("/orders/ord_unknown").content.decode()
