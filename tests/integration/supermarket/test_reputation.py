"""What is known of providers is counted from settled orders; what they order from themselves counts for nothing."""

import pytest

from lilong.common.errors import NotFound
from lilong.foundation.cases.public import Decision, decide_case
from lilong.foundation.members.services.ownership import DeclaredOwner, declare_ownership
from lilong.foundation.runs.reactions import reconcile as reconcile_runs
from lilong.platforms.supermarket.core.reputation import FACTS_MIN, WINDOW, Share, Tally
from lilong.platforms.supermarket.models import Conduct, Figure, Order, ShelfEdition, StartScore
from lilong.platforms.supermarket.queries.reputation import get_pool_reputation
from lilong.platforms.supermarket.queries.search import search_shelf
from lilong.platforms.supermarket.reactions import judge, reconcile
from lilong.platforms.supermarket.services.disputes import open_dispute
from lilong.protocol.messages import AttemptState, Reason
from tests.counting import note_reputation
from tests.market import CREDIT, buy, finish, found_buyer, open_stall, pay_in, wallet_of
from tests.measuring import note_measurement
from tests.people import found_operator
from tests.pools import at
from tests.sessions import browse_as

pytestmark = pytest.mark.django_db

STEP_S = 400


@pytest.fixture
def stall():
    return open_stall(credit_ppm=500_000)


@pytest.fixture
def buyer(stall):
    return found_buyer()


def work(stall, buyer, *, place=0, lost=False):
    """Let one job of the buyer run on the stall's pool and be settled, the next one STEP_S later; return its order."""
    begins = STEP_S * place
    stall.agent.sync(seconds=begins)
    order = buy(buyer, seconds=begins)
    taken = stall.agent.take(seconds=begins + 1)
    if lost:
        running = stall.agent.see(taken, AttemptState.RUNNING, seconds=begins + 20, ms=10_000)
        stall.agent.sync(running, seconds=begins + 20)
        gone = stall.agent.see(
            taken, AttemptState.LOST, seconds=begins + 21, ms=20_000, reason=Reason.NODE_LOST, nodes=("n0",)
        )
        stall.agent.sync(gone, seconds=begins + 21)
        reconcile_runs(now=at(begins + 22))
        taken = stall.agent.take(seconds=begins + 60)
    finish(stall.agent, ms=20_000, seconds=begins + 61, submit=taken)
    reconcile(now=at(begins + 200))
    order.refresh_from_db()
    assert order.settled_at is not None
    return order


def look(stall, *, actor=None, days=0):
    return get_pool_reputation(actor=actor or stall.owner, pool_id=stall.agent.pool_id, now=at(days * 86_400))


def tell(stall, **asked):
    """Return what was counted of the stall's pool, by share."""
    return {each.share: (each.tally.kept, each.tally.count) for each in look(stall, **asked).shares}


def test_an_order_is_judged_once_by_its_own_pools_however_often_the_worker_looks(stall, buyer):
    order = work(stall, buyer)
    for seconds in (210, 211):
        judge(now=at(seconds))

    conduct = Conduct.objects.get()
    assert (conduct.order, conduct.pool_id, conduct.related) == (order, stall.agent.pool_id, False)
    assert (conduct.ended_well, conduct.level_kept, conduct.started_in_time, conduct.charged) == (
        True,
        True,
        None,
        True,
    )
    assert Order.objects.get(id=order.id).judged
    assert tell(stall)[Share.ENDED_WELL] == (1, 1)


def test_a_lost_node_counts_against_its_provider_with_its_reason_though_the_job_was_done_in_the_end(stall, buyer):
    work(stall, buyer, lost=True)
    work(stall, buyer, place=1)
    judge(now=at(1_000))

    ended = look(stall).shares[0]
    assert (ended.share, ended.tally, ended.parts) == (Share.ENDED_WELL, Tally(kept=1, count=2), {"node_lost": 1})
    assert tell(stall)[Share.LEVEL_KEPT] == (1, 2)
    assert [(month.kept, month.count) for month in ended.months] == [(1, 2)]


def test_only_the_providers_own_people_and_operators_are_told_which_attempts_failed(stall, buyer):
    work(stall, buyer, lost=True)
    judge(now=at(1_000))

    [fault] = look(stall).faults
    assert (fault.cause, len(fault.attempt_ids)) == ("node_lost", 2)
    assert look(stall, actor=found_operator()).faults
    assert look(stall, actor=buyer).faults == ()


def test_orders_of_the_provider_itself_and_of_related_parties_count_for_nothing(stall, buyer):
    pay_in(wallet_of(stall.owner), 10 * CREDIT)
    declare_ownership(
        actor=buyer,
        owners=[DeclaredOwner(share_ppm=600_000, organisation_id=stall.owner.organisation_id)],
        starts_on=at(0).date(),
        now=at(0),
    )
    for place, who in enumerate((stall.owner, buyer, found_buyer())):
        work(stall, who, place=place)
    judge(now=at(2_000))

    assert tell(stall)[Share.ENDED_WELL] == (1, 1)
    assert look(stall).left_out == 2


def test_a_dispute_counts_once_it_is_decided_for_the_member(stall, buyer):
    orders = [work(stall, buyer, place=place) for place in range(3)]
    judge(now=at(2_000))
    assert tell(stall)[Share.UNDISPUTED] == (3, 3)

    cases = [
        open_dispute(actor=buyer, order_id=order.id, claim_uc=order.due_uc, reason="It was slow.", now=at(2_000))
        for order in orders
    ]
    for case_id, decision in zip(cases, (Decision.APPROVE, Decision.REFUSE), strict=False):
        decide_case(actor=found_operator(), case_id=case_id, decision=decision, reason="looked", now=at(2_100))
    reconcile(now=at(2_200))
    judge(now=at(2_300))

    undisputed = next(each for each in look(stall).shares if each.share == Share.UNDISPUTED)
    assert undisputed.tally == Tally(kept=2, count=3)
    assert undisputed.parts == {"opened": 3, "rejected": 1, "undecided": 1, "upheld": 1}


def test_a_start_is_judged_by_the_estimate_that_its_quote_gave(stall, buyer):
    for place, waited_ms in enumerate((40_000, 61_000)):
        order = work(stall, buyer, place=place)
        StartScore.objects.create(
            order=order,
            pool_id=stall.agent.pool_id,
            month=at(0).date().replace(day=1),
            p50_s=30,
            p90_s=60,
            waits=24,
            waited_ms=waited_ms,
            began=True,
        )
    judge(now=at(2_000))

    assert tell(stall)[Share.STARTED_IN_TIME] == (1, 2)


def test_measured_speeds_count_when_others_ordered_them_and_earlier_ones_are_there(stall, buyer):
    pay_in(wallet_of(stall.owner), 10 * CREDIT)
    for place, who in enumerate((buyer, buyer, stall.owner)):
        order = work(stall, who, place=place)
        Figure.objects.filter(offer=stall.offer_id).update(is_newest=False)
        note_measurement(offer_id=stall.offer_id, order_id=order.id, now=at(STEP_S * place + 300))
    judge(now=at(3_000))

    assert tell(stall)[Share.STEADY_SPEED] == (0, 1)  # what is noted drifts


def test_of_few_facts_the_shelf_says_nothing_and_of_enough_it_finds_and_sorts_by_the_lower_bound(stall, buyer):
    other = open_stall(name="unknown", price_uc=1_000_000)

    def search(text="", sort="price"):
        found = search_shelf(
            organisation_id=buyer.organisation_id, text=text, sort=sort, cursor=None, limit=10, now=at(30_000)
        )
        return [offer.id for offer in found.items]

    work_long(stall, buyer, count=FACTS_MIN - 1)
    assert search("ended_well > 0%") == []
    assert search("track_record = too_few") == [stall.offer_id, other.offer_id]

    work_long(stall, buyer, count=1, first=FACTS_MIN)
    assert search("ended_well >= 83.8%") == [stall.offer_id]
    assert search("ended_well >= 83.9%") == []
    assert search("track_record = 80+") == [stall.offer_id]
    for sort in ("ended_well", "-ended_well"):
        assert search(sort=sort) == [stall.offer_id, other.offer_id]


def work_long(stall, buyer, *, count, first=0):
    """Let so many jobs run on the stall's pool, and count them."""
    for place in range(first, first + count):
        work(stall, buyer, place=place)
    judge(now=at(STEP_S * (first + count)))


def test_what_is_older_than_the_window_is_forgotten(stall, buyer):
    work(stall, buyer)
    judge(now=at(300))
    judge(now=at(300) + WINDOW)

    assert not Conduct.objects.exists()
    assert look(stall).reckoned_at is None


def test_an_upgraded_hub_judges_what_was_settled_before_but_not_what_is_older_than_the_window(stall, buyer):
    work(stall, buyer)
    late = work(stall, buyer, place=1)
    Order.objects.filter(id=late.id).update(settled_at=at(0) - WINDOW)
    judge(now=at(1_000))

    assert Conduct.objects.count() == 1
    assert not Order.objects.filter(judged=False, settled_at__isnull=False).exists()


def test_shelves_are_told_only_when_something_changed(stall, buyer):
    work(stall, buyer)
    judge(now=at(1_000))
    before = ShelfEdition.objects.get().reckoned
    judge(now=at(2_000))
    assert ShelfEdition.objects.get().reckoned == before

    work(stall, buyer, place=10)
    judge(now=at(5_000))
    assert ShelfEdition.objects.get().reckoned == before + 1


def test_a_pool_that_nobody_knows_is_not_found(stall):
    with pytest.raises(NotFound):
        get_pool_reputation(actor=stall.owner, pool_id="pool_none", now=at(0))


def test_pages_say_too_few_to_say_and_how_many_there_are(stall, buyer):
    work(stall, buyer, lost=True)
    judge(now=at(1_000))
    shown = browse_as(buyer).get(f"/pools/{stall.agent.pool_id}/reputation").content.decode()

    assert "too few to say" in shown
    assert "node lost" in shown
    assert "0 of 1" in shown
    assert "100%" not in shown


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_pages_show_the_lower_bound_with_few_queries(stall, buyer, language, django_assert_max_num_queries):
    order = work(stall, buyer)
    pool_id = stall.agent.pool_id
    note_reputation(provider_id=stall.provider_id, pool_id=pool_id, order_id=order.id, now=at(300))
    places = {
        "/shelf?q=ended_well+%3E%3D+97.8%25&sort=-ended_well": buyer,
        f"/shelf/compare?offer={stall.offer_id}": buyer,
        f"/pools/{pool_id}/reputation": stall.owner,
        f"/provider/offers/{stall.offer_id}": stall.owner,
        "/provider": stall.owner,
    }
    for place, who in places.items():
        client = browse_as(who, language=language)
        client.get(place)  # a shelf that was never looked at is read whole
        with django_assert_max_num_queries(12):
            shown = client.get(place)
        assert shown.status_code == 200
        assert ("97.8%" in shown.content.decode()) is ("offers/" not in place)
