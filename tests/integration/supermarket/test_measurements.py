"""Measurements are bought like any other work; what their reports prove is on the shelf, and nothing else."""

import json
from random import Random
from uuid import uuid4

import pytest

from lilong.common.errors import NotAllowed, NotFound
from lilong.foundation.notices.models import Notice
from lilong.platforms.supermarket.core.checks import FundsShort
from lilong.platforms.supermarket.core.measuring import method
from lilong.platforms.supermarket.core.measuring.method import Plan
from lilong.platforms.supermarket.models import Figure, Measurement, Order
from lilong.platforms.supermarket.queries.measuring import get_measured_pool
from lilong.platforms.supermarket.queries.search import search_shelf
from lilong.platforms.supermarket.reactions import check, draw, reconcile
from lilong.platforms.supermarket.services.measuring import draw_measurements, order_measurement
from lilong.protocol.messages import Artefact, AttemptState, Reason
from tests.market import CREDIT, finish, found_buyer, open_stall, pay_in, set_price, wallet_of
from tests.measuring import run_program, speed_up
from tests.people import found_operator
from tests.pools import at, bring
from tests.sessions import browse_as

pytestmark = pytest.mark.django_db


class Always(Random):
    """Chance that always falls on what is asked of it."""

    def random(self) -> float:
        return 0.0


@pytest.fixture(autouse=True)
def small(monkeypatch, settings, tmp_path):
    """Measure with small matrices, and without packages."""
    monkeypatch.setattr(method, "REPETITIONS", 3)
    original = method.Plan

    def make(**fields):
        return original(**{**fields, "size": 64, "buffer_mib": 1, "disk_mib": 4})

    monkeypatch.setattr(method, "Plan", make)
    settings.LILONG = settings.LILONG.model_copy(update={"measuring_requirements": ()})


@pytest.fixture
def seller():
    found = open_stall()
    pay_in(wallet_of(found.owner), 10 * CREDIT)
    return found


@pytest.fixture
def operator():
    found = found_operator()
    pay_in(wallet_of(found), 10 * CREDIT)
    return found


def order(actor, seller, *, seconds=0):
    order_id = order_measurement(actor=actor, offer_id=seller.offer_id, request_name=None, now=at(seconds))
    return Measurement.objects.get(order=order_id)


def report_of(row, folder):
    named = {name: row.parameters[name] for name in row.parameters if name not in {"method", "program"}}
    place = folder / row.id
    place.mkdir()
    return run_program(folder=place, plan=Plan(nonce=row.nonce, **named))


def hand_in(seller, content, *, seconds=1):
    """Let the pool's agent run the job, of which this report is all that is left."""
    taken = seller.agent.take(seconds=seconds)
    left = Artefact(path="report.json", sha256=bring(seller.agent, taken, content), size_bytes=len(content))
    finish(seller.agent, ms=60_000, seconds=seconds, submit=taken, artefacts=(left,))
    conclude(seconds=seconds + 70)


def conclude(*, seconds):
    reconcile(now=at(seconds))
    check(now=at(seconds))


def search(text="", sort="price", *, seconds=100):
    return search_shelf(organisation_id="org_x", text=text, sort=sort, cursor=None, limit=50, now=at(seconds)).items


def test_a_measurement_is_paid_like_any_other_order_and_its_figures_are_on_the_shelf(seller, operator, tmp_path):
    row = order(operator, seller)
    hand_in(seller, report_of(row, tmp_path))
    row.refresh_from_db()

    assert row.checked_at is not None
    assert row.refusal is None
    assert Order.objects.get(measurement=row).due_uc == 15_000
    [offer] = search()
    fp32 = offer.results["gemm_fp32"]
    assert [each.metric for each in offer.measured] == ["gemm_fp32", "gemm_fp64", "memory", "disk_write", "disk_read"]
    assert offer.work_prices == {"fp32_price": offer.hour_uc * 1_000_000 // fp32.micro}
    assert fp32.run_id == Order.objects.get(measurement=row).run_id
    assert search("measured_tokens > 0") == ()
    assert [each.id for each in search("measured_fp32 > 0")] == [seller.offer_id]


def test_offers_that_were_not_measured_come_last_whichever_way_one_sorts(seller, operator, tmp_path):
    other = open_stall(name="unmeasured", price_uc=1)
    hand_in(seller, report_of(order(operator, seller), tmp_path))

    for sort in ("measured_fp32", "-measured_fp32", "fp32_price", "-fp32_price", "measured_memory"):
        assert [each.id for each in search(sort=sort)] == [seller.offer_id, other.offer_id]


def test_another_price_changes_what_measured_work_costs(seller, operator, tmp_path):
    hand_in(seller, report_of(order(operator, seller), tmp_path))
    [before] = search()
    set_price(seller.owner, seller.offer_id, 500_000, now=at(101))
    [after] = search(seconds=102)

    assert after.hour_uc == 2 * before.hour_uc
    assert after.work_prices["fp32_price"] == after.hour_uc * 1_000_000 // after.results["gemm_fp32"].micro
    assert [each.id for each in search(f"fp32_price > {before.work_prices['fp32_price'] / 1e6:.6f}", seconds=102)]


def test_the_job_goes_to_the_offer_that_is_measured_and_to_no_cheaper_one(seller, operator):
    open_stall(name="cheap", price_uc=1)
    row = order(operator, seller)

    offers = json.loads(row.order.quote.document)["offers"]
    assert [each["offer_id"] for each in offers] == [seller.offer_id]


def test_a_replayed_report_gives_nothing_and_is_told_to_provider_and_operators(seller, operator, tmp_path):
    first = report_of(order(operator, seller), tmp_path)
    hand_in(seller, first)
    figures = set(Figure.objects.values_list("id", flat=True))
    row = order(operator, seller, seconds=200)
    hand_in(seller, first, seconds=201)
    row.refresh_from_db()

    assert row.refusal["text"] == "It carries the nonce of another measurement."
    assert set(Figure.objects.values_list("id", flat=True)) == figures
    told = Notice.objects.filter(kind="supermarket.measurement_refused").values_list("organisation_id", flat=True)
    assert sorted(told) == sorted(["", seller.owner.organisation_id])


def test_a_run_that_failed_or_left_nothing_is_refused_with_the_reason(seller, operator):
    failed = order(operator, seller)
    finish(seller.agent, ms=1_000, state=AttemptState.FAILED, seconds=1, reason=Reason.EXIT_NONZERO)
    conclude(seconds=10)
    empty = order(operator, seller, seconds=20)
    finish(seller.agent, ms=1_000, seconds=21)
    conclude(seconds=30)
    failed.refresh_from_db()
    empty.refresh_from_db()

    assert failed.refusal["text"] == "Its run ended as failed."
    assert empty.refusal["text"] == "Its run left no report."


def test_checking_twice_changes_nothing(seller, operator, tmp_path):
    hand_in(seller, report_of(order(operator, seller), tmp_path))
    before = list(Figure.objects.order_by("id").values())
    conclude(seconds=90)

    assert list(Figure.objects.order_by("id").values()) == before


def test_what_drifts_is_marked_and_told_and_the_new_figure_is_the_newest(seller, operator, tmp_path):
    hand_in(seller, report_of(order(operator, seller), tmp_path))
    [before] = search()
    row = order(operator, seller, seconds=200)
    hand_in(seller, speed_up(report_of(row, tmp_path), factor=100), seconds=201)
    [after] = search(seconds=400)

    assert not any(each.drifted for each in before.measured)
    assert after.results["gemm_fp32"].drifted
    assert after.results["gemm_fp32"].micro > before.results["gemm_fp32"].micro
    assert Notice.objects.filter(kind="supermarket.measurement_drifted").count() == 2
    assert Figure.objects.filter(offer=seller.offer_id, metric="gemm_fp32", is_newest=True).count() == 1


def test_the_provider_may_buy_a_measurement_and_others_may_not(seller, operator):
    stranger = found_buyer()
    with pytest.raises(NotFound):
        order(stranger, seller)
    row = order(seller.owner, seller)

    assert row.order.organisation_id == seller.owner.organisation_id


def test_an_empty_wallet_refuses_the_order_and_leaves_no_measurement(seller):
    with pytest.raises(FundsShort):
        order(found_operator(), seller)

    assert not Measurement.objects.exists()


def test_chance_draws_offers_that_have_rested_and_only_where_the_hub_wants_it(seller, operator, settings):
    always = Always()
    assert draw_measurements(now=at(0), chance=always) == 0
    settings.LILONG = settings.LILONG.model_copy(update={"measuring_days": 4})
    assert draw_measurements(now=at(0), chance=always) == 1
    assert draw_measurements(now=at(3600), chance=always) == 0
    row = Measurement.objects.get()

    assert (row.order.organisation_id, row.order.person_id) == (operator.organisation_id, "")


def test_a_purse_that_is_empty_is_told_to_operators_once_a_day(seller, settings):
    found_operator()
    settings.LILONG = settings.LILONG.model_copy(update={"measuring_days": 1})
    always = Always()
    for seconds in (0, 600):
        assert draw_measurements(now=at(seconds), chance=always) == 0
    draw(now=at(1200))

    [notice] = Notice.objects.filter(kind="supermarket.measurement_not_ordered")
    assert notice.organisation_id == ""


def test_the_page_shows_spread_and_date_and_has_an_offer_measured_once(seller, operator, tmp_path):
    hand_in(seller, report_of(order(operator, seller), tmp_path))
    browser = browse_as(seller.owner)
    address = f"/pools/{seller.agent.pool_id}/measurements"
    shown = browser.get(address).content.decode()
    assert "Matrix products, fp32" in shown
    assert "Lowest to highest" in shown
    key = uuid4().hex
    before = Measurement.objects.count()
    for _ in range(2):
        browser.post(f"/provider/offers/{seller.offer_id}/measure", {"key": key})

    assert Measurement.objects.count() <= before + 1


def test_a_page_of_a_pool_takes_few_queries(seller, operator, tmp_path, django_assert_max_num_queries):
    for seconds in (0, 200, 400):
        hand_in(seller, report_of(order(operator, seller, seconds=seconds), tmp_path), seconds=seconds + 1)
    with django_assert_max_num_queries(7):
        pool = get_measured_pool(pool_id=seller.agent.pool_id, now=at(500))

    assert [len(each.figures) for each in pool.history] == [5, 5, 5]


def test_somebody_who_may_not_order_cannot_have_it_measured(seller):
    viewer = seller.owner.__class__(organisation_id=seller.owner.organisation_id)
    with pytest.raises(NotAllowed):
        order(viewer, seller)
