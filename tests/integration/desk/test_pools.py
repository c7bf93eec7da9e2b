"""Pools and dead letters by page: draining, maintenance, join tokens, trying again; and a provider's desk."""

import re
from datetime import timedelta

import pytest

from lilong.common.permissions import Role
from lilong.foundation.outbox.models import Delivery
from lilong.foundation.runs.models import JoinToken, Pool
from tests.desks import browse_as
from tests.market import set_price
from tests.people import join

pytestmark = pytest.mark.django_db(transaction=True)


def read(answer):
    return " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode()).split())


def test_operators_and_keepers_drain_and_resume_a_pool(filled):
    pool = f"/provider/pools/{filled.seller.agent.pool_id}"
    for browser in (browse_as(filled.operator), browse_as(filled.seller.owner)):
        browser.post(f"{pool}/draining", {"draining": "yes"}, page=pool)
        assert "Takes no new work" in read(browser.get(pool))
        browser.post(f"{pool}/draining", {"draining": "no"}, page=pool)
        assert Pool.objects.get(id=filled.seller.agent.pool_id).draining_at is None


def test_draining_leads_back_to_where_it_was_asked(filled):
    pool = f"/provider/pools/{filled.seller.agent.pool_id}"
    browser = browse_as(filled.operator)
    done = browser.post(f"{pool}/draining", {"draining": "yes", "next": "/desk/pools"}, page="/desk/pools")

    assert done["Location"] == "/desk/pools"
    evil = browser.post(f"{pool}/draining", {"draining": "no", "next": "https://evil.example/"}, page="/desk/pools")
    assert evil["Location"] == pool


def test_others_change_nothing_of_a_pool(filled):
    pool = f"/provider/pools/{filled.seller.agent.pool_id}"
    viewer, foreign = browse_as(join(filled.seller.owner, Role.VIEWER)), browse_as(filled.applicant)

    assert "Make a join token" not in read(viewer.get(pool))
    for action in ("draining", "join-token", "maintenance/cancel"):
        assert viewer.post(f"{pool}/{action}", {"draining": "yes"}, page="/account/").status_code == 403
        assert foreign.post(f"{pool}/{action}", {"draining": "yes"}, page="/account/").status_code == 404
    assert Pool.objects.get(id=filled.seller.agent.pool_id).draining_at is None


def test_maintenance_is_announced_and_taken_back(filled):
    pool = f"/provider/pools/{filled.seller.agent.pool_id}"
    browser = browse_as(filled.seller.owner)
    begin, end = (f"{filled.now + timedelta(days=days):%Y-%m-%dT%H:%M}" for days in (1, 2))
    assert "The end has to be after the begin." in read(browser.post(pool, {"starts_at": end, "ends_at": begin}))

    browser.post(pool, {"starts_at": begin, "ends_at": end, "reason": "New racks."})
    assert "New racks." in read(browser.get(pool))
    browser.post(f"{pool}/maintenance/cancel", {}, page=pool)
    assert "New racks." not in read(browser.get(pool))


def test_a_join_token_is_shown_once_with_the_command_and_kept_nowhere(filled):
    pool = f"/provider/pools/{filled.seller.agent.pool_id}"
    browser = browse_as(filled.seller.owner)
    shown = browser.post(f"{pool}/join-token", {}, page=pool)
    (token,) = re.findall(r"lilong agent join \S+ (lilj_[\w-]+)", shown.content.decode())

    assert "no-store" in shown["Cache-Control"]
    assert token not in browser.get(pool).content.decode()
    assert not JoinToken.objects.filter(token_sha256=token).exists()
    assert browser.get(f"{pool}/join-token").status_code == 405


def test_a_provider_creates_a_pool_and_is_told_what_a_name_looks_like(filled):
    browser = browse_as(filled.seller.owner)
    wrong = browser.post("/provider/pools/new", {"name": "Hall Three", "engine": "slurm"})
    assert wrong.status_code == 200
    made = browser.post("/provider/pools/new", {"name": "hall-3", "engine": "slurm"})

    pool = Pool.objects.get(name="hall-3")
    assert made["Location"] == f"/provider/pools/{pool.id}"
    assert "No agent has reported yet." in read(browser.get(made["Location"]))
    assert "hall-3" in read(browse_as(filled.operator).get("/desk"))


def test_a_dead_letter_is_tried_again(filled):
    browser = browse_as(filled.operator)
    assert "could not connect to the bank" in read(browser.get("/desk/dead-letters"))
    browser.post("/desk/dead-letters/dlv_1/retry", {}, page="/desk/dead-letters")

    assert Delivery.objects.get(id="dlv_1").dead_at is None
    assert "There are no dead letters." in read(browser.get("/desk/dead-letters"))
    assert browser.post("/desk/dead-letters/dlv_1/retry", {}, page="/account/").status_code == 404


def test_a_provider_sees_native_jobs_and_not_whose_they_are(filled):
    page = read(browse_as(filled.seller.owner).get("/provider"))

    assert "2 × H100-SXM5" in page
    for hidden in (filled.order.id, filled.order.name, filled.buyer.organisation_id):
        assert hidden not in page


def test_a_provider_sees_prices_with_their_end_and_the_next_one(filled):
    set_price(
        filled.seller.owner, filled.seller.offer_id, 200_000, until=filled.now + timedelta(days=9), now=later(filled)
    )
    page = read(browse_as(filled.seller.owner).get("/provider"))

    assert "0.25 until another price 0.20 ·" in page


def test_earnings_of_a_disputed_order_are_shown_as_frozen(filled):
    page = read(browse_as(filled.seller.owner).get("/provider")).replace("&nbsp;", " ")

    assert re.search(r"Accruing (\S+) \s*credits Of it frozen by disputes \1 ", page)


def test_an_organisation_that_buys_is_told_how_one_sells(filled):
    assert "Your organisation buys; it does not sell." in read(browse_as(filled.buyer).get("/provider"))
    assert "Your organisation is not admitted yet" in read(browse_as(filled.applicant).get("/provider"))


def later(filled):
    return filled.now + timedelta(days=5)
