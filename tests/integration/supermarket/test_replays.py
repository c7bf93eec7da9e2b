"""Replays of a hub's own orders: under the rule in force nothing changes, under others what is reckoned by hand."""

from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest

from lilong.common.errors import NotAllowed, NotFound
from lilong.common.periods import DayPeriod
from lilong.foundation.members.public.ownership import find_relations, load_ownership_history
from lilong.foundation.members.services.ownership import DeclaredOwner, declare_ownership
from lilong.platforms.funding.core.rules import Origin, Purpose, Rate
from lilong.platforms.funding.models import Voucher
from lilong.platforms.funding.services.declarations import declare_facts
from lilong.platforms.supermarket.queries import replay as replays
from lilong.platforms.supermarket.queries.replay import ReplayTooLong, replay_draft
from lilong.platforms.supermarket.reactions import reconcile
from tests.desks import browse_as
from tests.market import CREDIT, ask, buy, finish, found_buyer, open_stall
from tests.people import found_operator, found_owner
from tests.pools import NOON, at, make_spec
from tests.programmes import RULE, give_voucher

pytestmark = pytest.mark.django_db(transaction=True)
PAGE = "/desk/programmes/replay"
DAY_S = 86_400
PPM_HALF = 500_000
TODAY = NOON.date()
BOTH_DAYS = DayPeriod(begins_on=TODAY, ends_on=TODAY + timedelta(days=2))
SECOND_DAY = DayPeriod(begins_on=TODAY + timedelta(days=1), ends_on=TODAY + timedelta(days=2))


def replay(rule, programme_id="", period=BOTH_DAYS):
    return replay_draft(actor=found_operator(), rule=rule, programme_id=programme_id, period=period)


def order_and_finish(seller, buyer, *, seconds, ms, walltime_s=20_000):
    order = buy(buyer, spec=make_spec(walltime_s=walltime_s), seconds=seconds)
    finish(seller.agent, ms=ms, seconds=seconds + 1)
    reconcile(now=at(seconds + ms / 1000 + 10))
    order.refresh_from_db()
    assert order.settled_at
    return order


def declare(buyer, *purposes, seconds):
    declare_facts(actor=buyer, country="", founded_on=None, head_count=None, purposes=purposes, now=at(seconds))


@pytest.mark.parametrize("seed", range(3))
def test_the_rule_in_force_gives_what_a_hub_really_took_from_its_vouchers(seed):
    chance = Random(seed)
    seller, buyer = open_stall(), found_buyer()
    rule = replace(RULE, cap_uc=3 * CREDIT, year_cap_uc=7 * CREDIT)
    first = give_voucher(buyer.organisation_id, amount_uc=6 * CREDIT, rule=rule, name="A")
    give_voucher(buyer.organisation_id, amount_uc=2 * CREDIT, rule=replace(RULE, rate_ppm=150_001), name="B")
    for number in range(6):
        seconds = (number // 3) * DAY_S + 5_000 * (number % 3) + 10
        if chance.random() < 0.5:
            ask(buyer, seconds=seconds, spec=make_spec(walltime_s=9_000))  # reserves, and nobody takes it
        order_and_finish(seller, buyer, seconds=seconds + 1, ms=chance.randint(1, 4_000_000))

    programme_id = Voucher.objects.get(id=first).programme_id
    for period, orders in ((BOTH_DAYS, 6), (SECOND_DAY, 3)):
        found = replay(rule, programme_id, period)
        assert (found.total.orders, found.kept.orders) == (orders, 0)
        assert found.total.draft_uc == found.total.draft_was_uc > 0
        assert found.total.others_uc == found.total.others_were_uc
        assert not found.changes


def test_twice_the_rate_pays_twice_and_says_who_gains(django_assert_max_num_queries):
    seller, buyer = open_stall(), found_buyer()
    voucher_id = give_voucher(buyer.organisation_id, amount_uc=20 * CREDIT)
    order = order_and_finish(seller, buyer, seconds=10, ms=4_000_000)
    programme_id = Voucher.objects.get(id=voucher_id).programme_id
    operator = found_operator()
    with django_assert_max_num_queries(24):
        found = replay_draft(
            actor=operator, rule=replace(RULE, rate_ppm=600_000), programme_id=programme_id, period=BOTH_DAYS
        )

    assert order.due_uc == found.total.due_uc == CREDIT
    assert (found.total.draft_was_uc, found.total.draft_uc) == (300_000, 600_000)
    assert [(each, paid.gain_uc) for each, paid in found.changes] == [(buyer.organisation_id, 300_000)]
    assert found.content == replay(replace(RULE, rate_ppm=600_000), programme_id).content


def test_a_rule_asks_for_what_was_declared_on_the_day_of_the_quote():
    seller, buyer = open_stall(), found_buyer()
    only_research = replace(RULE, rate_ppm=0, rates=(Rate(rate_ppm=PPM_HALF, purposes=(Purpose.RESEARCH,)),))
    order_and_finish(seller, buyer, seconds=10, ms=4_000_000)
    declare(buyer, Purpose.RESEARCH, seconds=6_000)
    order_and_finish(seller, buyer, seconds=6_010, ms=4_000_000)
    declare(buyer, seconds=12_000)
    found = replay(only_research)

    assert found.total.draft_uc == CREDIT // 2
    assert [(code, count.number) for code, count in found.refused.items()] == [("voucher.no_rate", 1)]


def test_no_draft_pays_for_who_was_related_on_that_day():
    seller, buyer = open_stall(), found_buyer()
    order_and_finish(seller, buyer, seconds=10, ms=4_000_000)
    owners = [DeclaredOwner(share_ppm=900_000, organisation_id=seller.owner.organisation_id)]
    declare_ownership(actor=buyer, owners=owners, starts_on=TODAY + timedelta(days=1), now=at(DAY_S))
    order_and_finish(seller, buyer, seconds=DAY_S + 10, ms=4_000_000)
    by_origin = replace(RULE, jurisdiction="CN", rates=(Rate(rate_ppm=PPM_HALF, provider=Origin.HOME),))
    found = replay(by_origin)

    assert found.total.draft_uc == 300_000
    assert [(code, count.number) for code, count in found.refused.items()] == [("voucher.related_party", 1)]


def test_the_history_of_owners_says_on_every_day_what_a_single_question_says():
    first, second, parent = found_owner(), found_owner(), found_owner()
    for child, starts_on in ((first, TODAY - timedelta(days=20)), (second, TODAY - timedelta(days=10))):
        owners = [DeclaredOwner(share_ppm=600_000, organisation_id=parent.organisation_id)]
        declare_ownership(actor=child, owners=owners, starts_on=starts_on, now=at(0))
    outside = [DeclaredOwner(share_ppm=600_000, name="Somebody", registration_number="1")]
    declare_ownership(actor=second, owners=outside, starts_on=TODAY - timedelta(days=3), now=at(1))
    history = load_ownership_history()

    answers = set()
    for days in range(-25, 3):
        day = TODAY + timedelta(days=days)
        single = find_relations(first_id=first.organisation_id, other_ids=[second.organisation_id], day=day).get(
            second.organisation_id
        )
        found = history.find_relation(first_id=first.organisation_id, second_id=second.organisation_id, day=day)
        assert found == single
        answers.add(found is None)
    assert answers == {True, False}


def test_replays_are_for_operators_about_programmes_that_exist_and_so_many_orders_at_a_time(monkeypatch):
    with pytest.raises(NotAllowed):
        replay_draft(actor=found_owner(), rule=RULE, programme_id="", period=BOTH_DAYS)
    with pytest.raises(NotFound):
        replay(RULE, "prg_none")
    seller, buyer = open_stall(), found_buyer()
    order_and_finish(seller, buyer, seconds=10, ms=1_000)
    monkeypatch.setattr(replays, "REPLAYED_ORDERS_MAX", 0)
    with pytest.raises(ReplayTooLong) as refused:
        replay(RULE)
    assert refused.value.facts == {"limit": 0, "used": 1}


def test_the_page_shows_what_a_rule_would_have_cost_and_says_what_is_wrong_with_one(django_assert_max_num_queries):
    seller, buyer = open_stall(), found_buyer()
    order_and_finish(seller, buyer, seconds=10, ms=4_000_000)
    browser = browse_as(found_operator())
    period = {"begins_on": str(TODAY), "ends_on": str(TODAY + timedelta(days=2)), "programme": ""}
    right = period | {"text": "rate_ppm = 300_000\ncap_uc = 9_000_000\nexpires_in_days = 9"}
    with django_assert_max_num_queries(30):
        shown = browser.post(PAGE, right, page=PAGE)
    said = " ".join(shown.content.decode().split())
    assert shown.status_code == 200
    assert "0.30 credits" in said
    assert "everybody would have done what they did" in said
    assert "All figures" in said

    for wrong, why in (
        (period | {"text": "rate_ppm = 0\ncap_uc = 1\nexpires_in_days = 9"}, "rate_ppm: It must be from 1 to 1000000."),
        (period | {"text": "rate_ppm ="}, "It is no TOML"),
        (right | {"ends_on": "2020-01-01"}, "This is not a period"),
    ):
        refused = browser.post(PAGE, wrong, page=PAGE)
        assert refused.status_code == 422
        assert why in refused.content.decode()
