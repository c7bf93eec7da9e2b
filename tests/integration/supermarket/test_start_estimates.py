import json
from datetime import timedelta

import pytest

from lilong.common.time import utc_now
from lilong.foundation.runs.reactions import reconcile as reconcile_runs
from lilong.platforms.supermarket.models import Quote, StartOutlook, StartRecord, StartScore
from lilong.platforms.supermarket.queries.search import search_shelf
from lilong.platforms.supermarket.queries.starts import list_start_records
from lilong.platforms.supermarket.reactions import look_ahead, reconcile
from lilong.platforms.supermarket.services.orders import cancel_order
from lilong.protocol.messages import AttemptState
from tests.market import ask, buy, finish, found_buyer, open_stall
from tests.pools import at, submit
from tests.sessions import browse_as, browse_as_stranger

pytestmark = pytest.mark.django_db

PAST_WAITS = 24
BEGIN = 6_000
"""When the past is over, in seconds."""


def let_wait(agent, *, count=PAST_WAITS):
    """Let so many jobs of others run one after the other, which begin 31, 32, 33, … seconds after they came."""
    for number in range(count):
        came = 200 * number
        submit(agent, seconds=came)
        finish(agent, ms=1_000, seconds=came + 30 + number)
    agent.sync(seconds=BEGIN)


@pytest.fixture
def stall():
    return open_stall()


@pytest.fixture
def buyer(stall):
    return found_buyer()


@pytest.fixture
def known(stall):
    """A pool on which jobs have waited."""
    let_wait(stall.agent)
    return stall


@pytest.fixture
def today(monkeypatch):
    """Let the past have ended just now, for pages look at the clock."""
    began = utc_now() - timedelta(seconds=BEGIN)
    for place in ("tests.pools.NOON", "tests.market.NOW", "tests.people.NOW"):
        monkeypatch.setattr(place, began)


def read_wait(view):
    wait = view.promise.offers[0].wait
    return wait and (wait.p50_s, wait.p90_s, wait.waits)


def test_a_quote_says_how_long_jobs_wait_there_and_signs_it(known, buyer):
    view = ask(buyer, seconds=BEGIN)

    assert read_wait(view) == (42, 52, PAST_WAITS)
    signed = json.loads(Quote.objects.get(id=view.id).document)
    assert signed["offers"][0]["wait"] == {"p50_s": 42, "p90_s": 52, "waits": PAST_WAITS}


def test_where_too_few_have_begun_a_quote_says_nothing_of_it(stall, buyer):
    let_wait(stall.agent, count=19)
    view = ask(buyer, seconds=BEGIN)

    assert read_wait(view) is None
    assert "wait" not in json.loads(Quote.objects.get(id=view.id).document)["offers"][0]


def test_of_a_pool_that_is_silent_nothing_is_estimated(known, buyer):
    assert read_wait(ask(buyer, seconds=BEGIN + 3_600)) is None


def test_an_estimate_is_scored_once_when_the_job_has_begun(known, buyer):
    order = buy(buyer, seconds=BEGIN)
    reconcile(now=at(BEGIN + 10))
    assert not StartScore.objects.exists()

    taken = known.agent.take(seconds=BEGIN + 44)
    running = known.agent.see(taken, AttemptState.RUNNING, seconds=BEGIN + 46, ms=1_000)
    known.agent.sync(running, seconds=BEGIN + 46)
    reconcile(now=at(BEGIN + 50))
    (score,) = StartScore.objects.all()
    finish(known.agent, ms=20_000, seconds=BEGIN + 60, submit=taken)
    reconcile(now=at(BEGIN + 100))

    assert (score.order_id, score.began, score.waited_ms, score.p50_s, score.p90_s) == (order.id, True, 45_000, 42, 52)
    assert list(StartScore.objects.all()) == [score]


def test_an_order_that_is_cancelled_before_it_begins_is_scored_as_given_up(known, buyer):
    order = buy(buyer, seconds=BEGIN)
    cancel_order(actor=buyer, order_id=order.id, now=at(BEGIN + 20))
    reconcile_runs(now=at(BEGIN + 25))
    reconcile(now=at(BEGIN + 30))

    (score,) = StartScore.objects.all()
    assert (score.began, score.waited_ms < 42_000) == (False, True)


def test_scores_are_added_up_by_pool_and_month_however_often(known, buyer):
    for place, late_s in enumerate((10, 45, 90)):
        known.agent.sync(seconds=BEGIN + 1_000 * place)
        buy(buyer, seconds=BEGIN + 1_000 * place)
        finish(known.agent, ms=1_000, seconds=BEGIN + 1_000 * place + late_s)
        reconcile(now=at(BEGIN + 1_000 * place + 500))
        look_ahead(now=at(BEGIN + 1_000 * place + 500))
        look_ahead(now=at(BEGIN + 1_000 * place + 501))

    (pool,) = list_start_records(now=at(BEGIN + 4_000))
    (month,) = pool.months
    assert (pool.pool_id, pool.name, str(month.month)) == (known.agent.pool_id, "embedded", "2026-03-01")
    assert (month.began, month.given_up, month.judged_p50, month.judged_p90) == (3, 0, 3, 3)
    assert (month.within_p50, month.within_p90) == (1, 2)
    assert StartRecord.objects.count() == 1
    assert not StartScore.objects.filter(counted=False).exists()


def test_records_older_than_half_a_year_are_not_shown(known, buyer):
    buy(buyer, seconds=BEGIN)
    finish(known.agent, ms=1_000, seconds=BEGIN + 10)
    reconcile(now=at(BEGIN + 100))
    look_ahead(now=at(BEGIN + 100))

    assert list_start_records(now=at(150 * 86_400))
    assert not list_start_records(now=at(200 * 86_400))


def test_the_shelf_says_how_long_a_small_job_waits_until_that_is_old(known, buyer):
    look_ahead(now=at(BEGIN))

    def read(seconds):
        found = search_shelf(
            organisation_id=buyer.organisation_id, text="", sort="price", cursor=None, limit=10, now=at(seconds)
        )
        return found.items[0].wait

    wait = read(BEGIN + 1)
    assert (wait.p50_s, wait.p90_s, wait.waits) == (42, 52, PAST_WAITS)
    assert read(BEGIN + 3_600) is None


def test_an_outlook_goes_when_its_pool_is_silent(known):
    look_ahead(now=at(BEGIN))
    look_ahead(now=at(BEGIN + 3_600))

    assert not StartOutlook.objects.exists()


def test_everybody_reads_how_good_estimates_were_on_page_and_over_http(today, django_assert_max_num_queries):
    stall, buyer = open_stall(), found_buyer()
    let_wait(stall.agent)
    order = buy(buyer, seconds=BEGIN)
    waiting = browse_as(buyer).get(f"/orders/{order.id}").content.decode()
    finish(stall.agent, ms=1_000, seconds=BEGIN + 10)
    reconcile(now=at(BEGIN + 100))
    look_ahead(now=at(BEGIN + 100))
    stranger = browse_as_stranger()

    with django_assert_max_num_queries(12):
        page = stranger.get("/starts").content.decode()
    (pool,) = stranger.get("/api/v1/start-records").json()["pools"]

    assert "half within 50 secs, nine of ten within 1 min" in waiting
    assert "embedded" in page
    assert "1 of 1" in page
    assert (pool["months"][0]["within_p90_ppm"], pool["months"][0]["median_error_ms"]) == (1_000_000, 31_000)


def test_before_anything_is_scored_the_page_says_so(db):
    assert "No estimate has been scored yet." in browse_as_stranger().get("/starts").content.decode()
