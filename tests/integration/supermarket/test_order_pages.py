import io
import re
import zipfile

import pytest
from django.http import StreamingHttpResponse

from lilong.common.permissions import Role
from lilong.foundation.record.public import seal
from lilong.foundation.runs.services.attempt_objects import put_output
from lilong.platforms.supermarket.models import Order
from lilong.platforms.supermarket.reactions import reconcile
from lilong.protocol.messages import Artefact, AttemptState, Reason
from tests.bytes import digest
from tests.market import CREDIT, buy, finish, found_buyer, open_stall
from tests.people import found_operator, join
from tests.pools import at, make_spec
from tests.programmes import give_voucher
from tests.sessions import browse_as, browse_as_stranger

pytestmark = pytest.mark.django_db

QUERIES_MAX = 12


@pytest.fixture
def stall():
    return open_stall()


@pytest.fixture
def buyer(stall):
    buyer = found_buyer()
    give_voucher(buyer.organisation_id, amount_uc=CREDIT, name="starter")
    return buyer


def settle(stall, **fields):
    finish(stall.agent, ms=60_000, **fields)
    reconcile(now=at(120))


def read(client, path):
    response = client.get(path)
    assert response.status_code == 200, response.content
    return response.content.decode()


def test_a_settled_order_shows_what_was_held_charged_paid_by_vouchers_and_given_back(buyer, stall):
    order = buy(buyer)
    settle(stall)
    order.refresh_from_db()

    page = read(browse_as(buyer), f"/orders/{order.id}")

    figures = dict(re.findall(r"<dt>([^<]+)</dt><dd><span class=\"figure\">([^<]+)</span>", page))
    assert figures == {
        "Charged": "0.015",
        "Of it by vouchers": "0.015",
        "Given back": "0.135",
    }
    assert page.index("Quoted") < page.index("Money held") < page.index("Queued") < page.index("The rest given back")
    assert "It ended by itself." in page


def test_the_receipt_stands_on_the_page_once_the_record_is_signed_and_holds_the_four_files(buyer, stall):
    order = buy(buyer)
    settle(stall)
    client, address = browse_as(buyer), f"/orders/{order.id}/exports"
    early = read(client, f"/orders/{order.id}")
    seal(now=at(130))

    page = read(client, f"/orders/{order.id}")

    assert address not in early
    assert "sign the record first" in early
    packed = b"".join(client.get(f"{address}/receipt.zip"))
    with zipfile.ZipFile(io.BytesIO(packed)) as receipt:
        held = {name: receipt.read(name) for name in receipt.namelist()}
    assert set(held) == {"quote.json", "usage.csv", "transfers.csv", "record.json"}
    for name, content in held.items():
        assert f"{address}/{name}" in page
        assert client.get(f"{address}/{name}").content == content


@pytest.mark.parametrize(("language", "words"), [("en", "Why it waits"), ("zh-hans", "为什么在等待")])
def test_a_waiting_order_says_why_and_what_is_still_to_come(buyer, language, words):
    order = buy(buyer)

    page = read(browse_as(buyer, language=language), f"/orders/{order.id}")

    assert words in page
    assert "embedded" in page
    assert page.count("timeline-next") == 2
    assert 'hx-trigger="every 5s' in page


def test_a_failed_attempt_says_in_a_sentence_why_and_whose_fault_it_was(buyer, stall):
    order = buy(buyer)
    settle(stall, state=AttemptState.FAILED, reason=Reason.MEMORY_EXCEEDED)

    page = read(browse_as(buyer), f"/orders/{order.id}")

    assert "It needed more memory than it had asked for." in page
    assert "It counts as the member&#x27;s own." in page
    assert "内存" in read(browse_as(buyer, language="zh-hans"), f"/orders/{order.id}")


def test_the_list_can_be_narrowed_to_a_state_and_is_paged(buyer, stall, monkeypatch):
    monkeypatch.setattr("lilong.platforms.supermarket.pages.orders.ORDERS_SHOWN", 1)
    first = buy(buyer, spec=make_spec(name="first"))
    settle(stall)
    buy(buyer, spec=make_spec(name="second"))
    client = browse_as(buyer)

    page = read(client, "/orders")
    assert "second" in page
    assert first.id not in page
    older = re.findall(r'href="([^"]+)" rel="next"', page)
    assert first.id in read(client, "/orders" + older[0].replace("&amp;", "&"))
    assert "second" not in read(client, "/orders?show=settled")
    assert "No orders are in this state." in read(client, "/orders?show=disputed")


def test_pages_ask_few_questions(buyer, stall, django_assert_max_num_queries):
    orders = [buy(buyer) for _ in range(3)]
    settle(stall)
    client = browse_as(buyer)
    for path in ("/orders", f"/orders/{orders[0].id}", f"/orders/{orders[2].id}", f"/orders/{orders[0].id}/cancel"):
        with django_assert_max_num_queries(QUERIES_MAX):
            read(client, path)


def test_cancelling_says_first_what_it_costs_and_what_comes_back_and_twice_is_once(buyer):
    order = buy(buyer)
    client = browse_as(buyer)
    assert "Comes back at least" in read(client, f"/orders/{order.id}/cancel")
    order.refresh_from_db()
    assert order.cancel_requested_at is None

    answers = [client.post(f"/orders/{order.id}/cancel") for _ in range(2)]

    assert [answer.headers["Location"] for answer in answers] == [f"/orders/{order.id}"] * 2
    order.refresh_from_db()
    assert order.cancel_requested_at is not None
    assert order.timeline.filter(step="cancel").count() == 1
    assert "Cancellation was asked for" in read(client, f"/orders/{order.id}")


def test_an_order_that_is_over_is_not_cancelled_and_that_is_said(buyer, stall):
    order = buy(buyer)
    settle(stall)
    client = browse_as(buyer)

    answer = client.post(f"/orders/{order.id}/cancel", follow=True)

    assert "This order was over already" in answer.content.decode()
    assert Order.objects.get(id=order.id).state == "settled"


def test_a_form_from_elsewhere_cancels_nothing(buyer):
    order = buy(buyer)

    answer = browse_as(buyer, enforce_csrf=True).post(f"/orders/{order.id}/cancel")

    assert answer.status_code == 403
    assert Order.objects.get(id=order.id).cancel_requested_at is None


@pytest.mark.parametrize("role", [Role.VIEWER, Role.BILLING])
def test_who_may_not_cancel_is_told_why_and_who_may(buyer, role):
    order = buy(buyer)
    client = browse_as(join(buyer, role))

    for path in (f"/orders/{order.id}", f"/orders/{order.id}/cancel"):
        page = read(client, path)
        assert "You cannot cancel it:" in page
        assert f"your role in the organisation is <strong>{role}</strong>" in " ".join(page.split()).replace(
            " </", "</"
        )
        assert '<form method="post" action="/orders' not in page
    assert client.post(f"/orders/{order.id}/cancel").status_code == 403
    assert Order.objects.get(id=order.id).cancel_requested_at is None


@pytest.mark.parametrize("path", ["", "/cancel", "/exports/quote.json"])
def test_another_organisation_finds_nothing_and_a_stranger_signs_in_first(buyer, path):
    order = buy(buyer)
    other = browse_as(found_buyer())

    assert other.get(f"/orders/{order.id}{path}").status_code == 404
    answer = browse_as_stranger().get(f"/orders/{order.id}{path}")
    assert answer.headers["Location"] == f"/account/login/?next=/orders/{order.id}{path}"
    assert order.id not in read(other, "/orders")


def test_another_organisation_cancels_nothing(buyer):
    order = buy(buyer)

    assert browse_as(found_buyer()).post(f"/orders/{order.id}/cancel").status_code == 404
    assert Order.objects.get(id=order.id).cancel_requested_at is None


def test_a_file_that_the_job_left_is_downloaded_by_its_organisation_alone(buyer, stall):
    order = buy(buyer, spec=make_spec(outputs=[{"path": "模型 1.bin", "max_bytes": 100}]))
    taken = stall.agent.take(seconds=1)
    content = b"<script>alert(1)</script>"
    sha256 = bring_output(stall.agent, taken, content)
    finish(
        stall.agent,
        ms=1000,
        submit=taken,
        artefacts=(Artefact(path="模型 1.bin", sha256=sha256, size_bytes=len(content)),),
    )
    reconcile(now=at(120))
    client = browse_as(buyer)
    place = f"/runs/{order.run_id}/files/1/{sha256}"
    assert place in read(client, f"/orders/{order.id}")

    answer = client.get(place)

    assert isinstance(answer, StreamingHttpResponse)
    assert b"".join(answer) == content
    assert answer.headers["Content-Disposition"].startswith("attachment; filename*=UTF-8''%E6%A8%A1")
    assert (answer.headers["Content-Type"], answer.headers["Content-Security-Policy"]) == (
        "application/octet-stream",
        "sandbox",
    )
    for stranger in (found_buyer(), found_operator()):
        assert browse_as(stranger).get(place).status_code == 404
    assert browse_as(join(buyer, Role.BILLING)).get(place).status_code == 403


def bring_output(agent, taken, content):
    put_output(
        pool_id=agent.pool_id,
        attempt_id=taken.attempt_id,
        sha256=digest(content),
        offset=0,
        size_bytes=len(content),
        chunks=[content],
        now=at(2),
    )
    return digest(content)
