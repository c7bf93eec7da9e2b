"""Who is entitled, yearly caps and budgets, declarations and decisions, against the database."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import transaction

from lilong.common.errors import LilongError, NotAllowed
from lilong.common.permissions import Role
from lilong.foundation.record.models import Entry
from lilong.platforms.funding.core.packs import read_pack
from lilong.platforms.funding.core.rules import Origin, Purpose, Rate
from lilong.platforms.funding.models import Decision, Voucher, VoucherUse
from lilong.platforms.funding.public import create_programme, issue_voucher
from lilong.platforms.funding.public.orders import find_short_use, reserve_uses, settle_uses
from lilong.platforms.funding.queries.entitlement import (
    find_declaration,
    list_decisions,
    list_entitlements,
    load_examples,
)
from lilong.platforms.funding.reactions import reconcile
from lilong.platforms.funding.services.declarations import DeclarationInvalid, declare_facts
from lilong.platforms.funding.services.vouchers import VoucherRefused
from lilong.platforms.supermarket.models import Order
from lilong.platforms.supermarket.public import QuoteView
from lilong.platforms.supermarket.services.orders import cancel_order
from tests.crowd import call_at_once
from tests.market import ask, found_buyer, open_stall
from tests.people import NOW, found_operator, found_owner, join
from tests.pools import at, make_spec
from tests.programmes import CREDIT, RULE, give_voucher, make_programme, publish

pytestmark = pytest.mark.django_db(transaction=True)

SMALL_ONLY = replace(RULE, rate_ppm=0, rates=(Rate(rate_ppm=900_000, head_count_at_most=50),))
CAPPED = replace(RULE, year_cap_uc=CREDIT)


def declare(actor, *, head_count=None, founded_on=None, country="", purposes=(), now=NOW):
    declare_facts(
        actor=actor, country=country, founded_on=founded_on, head_count=head_count, purposes=purposes, now=now
    )


def issue(programme, organisation_id, *, amount_uc=CREDIT, now=NOW):
    return issue_voucher(
        actor=found_operator(now=now),
        programme_id=programme.id,
        organisation_id=organisation_id,
        amount_uc=amount_uc,
        now=now,
    )


def entitlement_of(actor, *, now=NOW):
    declared = find_declaration(organisation_id=actor.organisation_id)
    (found,) = list_entitlements(actor=actor, declared=declared, now=now)
    return found


def test_what_a_rule_says_is_told_for_each_origin_before_any_form():
    owner = found_owner()
    make_programme(rule=read_pack(text=load_examples()["hangzhou-like"]).rule)
    pays = {each.accelerator: each.rate_ppm for each in entitlement_of(owner).pays}

    assert pays == {Origin.HOME: 300_000, Origin.OTHER: 200_000, Origin.NONE: 200_000}


def test_who_declares_what_a_rule_asks_for_is_entitled_from_then_on():
    owner = found_owner()
    make_programme(rule=SMALL_ONLY)
    before = entitlement_of(owner)
    declare(owner, head_count=51)
    between = entitlement_of(owner)
    declare(owner, head_count=50)

    assert before.refused.ways[0][0].actual == ""
    assert between.refused.ways[0][0].distance == 1
    assert entitlement_of(owner).refused is None
    assert Entry.objects.filter(kind="funding.declaration").count() == 2


@pytest.mark.parametrize(
    ("facts", "path"),
    [
        ({"country": "China"}, "country"),
        ({"founded_on": NOW.date() + timedelta(days=2)}, "founded_on"),
        ({"head_count": -1}, "head_count"),
    ],
)
def test_what_cannot_be_is_not_declared(facts, path):
    with pytest.raises(DeclarationInvalid) as raised:
        declare(found_owner(), **facts)

    assert [field.path for field in raised.value.fields] == [path]


def test_who_only_works_there_declares_nothing():
    with pytest.raises(NotAllowed):
        declare(join(found_owner(), Role.MEMBER), purposes=(Purpose.RESEARCH,))


def test_either_decision_on_a_voucher_is_kept_with_rule_version_and_distance():
    owner = found_owner()
    programme = make_programme(fund_uc=5 * CREDIT, rule=SMALL_ONLY)
    declare(owner, head_count=53)
    with pytest.raises(VoucherRefused) as raised:
        issue(programme, owner.organisation_id)
    declare(owner, head_count=50)
    voucher_id = issue(programme, owner.organisation_id)

    (field,) = raised.value.fields
    assert (field.code, "version 1" in field.message) == ("voucher.no_rate", True)
    given, refused = list_decisions(actor=owner, cursor=None, limit=10).items
    assert (given.voucher_id, given.code, given.rule_version) == (voucher_id, "", 1)
    assert (refused.voucher_id, refused.code) == ("", "voucher.no_rate")
    assert refused.thresholds == [{"condition": "head_count", "wanted": "50", "actual": "53", "distance": 3}]
    assert list_decisions(actor=found_owner(), cursor=None, limit=10).items == []
    assert Entry.objects.filter(kind="funding.voucher_decision").count() == 2


def test_a_starter_waits_until_the_rule_pays_the_newcomer():
    make_programme(fund_uc=5 * CREDIT, rule=replace(SMALL_ONLY, starter_uc=CREDIT))
    owner = found_owner()
    reconcile(now=NOW)
    assert not Voucher.objects.exists()

    declare(owner, head_count=5)
    reconcile(now=NOW)
    assert Voucher.objects.get().starter


def test_a_voucher_keeps_the_version_of_its_issue_and_its_hash():
    owner = found_owner()
    programme = make_programme(fund_uc=5 * CREDIT, rule=RULE)
    voucher = Voucher.objects.get(id=issue(programme, owner.organisation_id))
    publish(programme, SMALL_ONLY)

    assert (voucher.rule.version, voucher.rule.sha256, voucher.rule.rule) == (1, RULE.sha256, RULE)
    assert entitlement_of(owner).rule_version == 2


def test_budget_race_vouchers_issued_at_once_never_exceed_the_budget_of_the_year():
    programme = make_programme(fund_uc=20 * CREDIT, rule=replace(RULE, year_budget_uc=3 * CREDIT))
    owners = [found_owner() for _ in range(8)]
    operator = found_operator()
    found = call_at_once(
        lambda owner: issue_voucher(
            actor=operator,
            programme_id=programme.id,
            organisation_id=owner.organisation_id,
            amount_uc=CREDIT,
            now=NOW,
        ),
        owners,
    )

    assert sum(not isinstance(each, LilongError) for each in found) == Voucher.objects.count() == 3
    assert Decision.objects.filter(code="voucher.year_budget_reached").count() == 5


def test_deleted_voucher_what_an_expired_one_returned_is_not_issued_twice_in_a_year():
    programme = make_programme(fund_uc=CREDIT, rule=replace(RULE, year_budget_uc=CREDIT))
    owner = found_owner()
    issue(programme, owner.organisation_id)
    later = NOW + timedelta(days=RULE.expires_in_days)
    reconcile(now=later)
    with pytest.raises(VoucherRefused):
        issue(programme, owner.organisation_id, now=later)

    issue(programme, owner.organisation_id, now=datetime(NOW.year + 1, 1, 1, tzinfo=UTC))


def give_two(buyer):
    """Give two vouchers of one programme, of which a credit a year may be used."""
    programme = make_programme(fund_uc=20 * CREDIT, rule=CAPPED)
    for _ in range(2):
        issue(programme, buyer.organisation_id, amount_uc=10 * CREDIT)


def test_quotes_at_once_on_several_vouchers_never_exceed_the_cap_of_the_year():
    open_stall()
    buyer = found_buyer()
    give_two(buyer)
    colleagues = [join(buyer, Role.MEMBER) for _ in range(8)]
    views = call_at_once(lambda actor: ask(actor, spec=make_spec(walltime_s=6_000)), colleagues)

    reserved_uc = [view.promise.voucher_max_uc for view in views if isinstance(view, QuoteView)]
    assert len(reserved_uc) == len(colleagues)
    assert sum(reserved_uc) == CREDIT


def test_redeemed_then_cancelled_what_a_quote_gives_back_counts_no_more():
    open_stall()
    buyer = found_buyer()
    give_two(buyer)
    spec = make_spec(walltime_s=20_000)
    first = ask(buyer, spec=spec)
    full = ask(buyer, spec=spec)
    cancel_order(actor=buyer, order_id=first.order_id, now=at(1))
    again = ask(buyer, spec=spec, seconds=2)

    assert [view.promise.voucher_max_uc for view in (first, full, again)] == [CREDIT, 0, CREDIT]
    assert {note.code for note in full.notes} >= {"voucher.year_cap_reached"}


def reserve(number, voucher_id, amount_uc):
    with transaction.atomic():
        reserve_uses(order_id=f"ord_{number}", parts_uc={voucher_id: amount_uc})


def settle(number, voucher_id, amount_uc, *, now=NOW):
    with transaction.atomic():
        settle_uses(order_id=f"ord_{number}", parts_uc={voucher_id: amount_uc}, now=now)


def test_year_boundary_what_is_not_settled_counts_in_both_years_and_what_is_settled_in_its_own():
    owner = found_owner()
    voucher_id = give_voucher(owner.organisation_id, amount_uc=10 * CREDIT, rule=replace(CAPPED, expires_in_days=400))
    reserve(1, voucher_id, CREDIT)
    old, new = datetime(NOW.year, 12, 31, 23, 59, tzinfo=UTC), datetime(NOW.year + 1, 1, 1, tzinfo=UTC)
    used = [entitlement_of(owner, now=moment).year_used_uc for moment in (old, new)]
    settle(1, voucher_id, 700_000, now=new)

    assert used == [CREDIT, CREDIT]
    assert [entitlement_of(owner, now=moment).year_used_uc for moment in (old, new)] == [0, 700_000]


def test_double_credit_a_correction_that_would_exceed_the_cap_is_found_and_a_refund_stays_in_its_year():
    owner = found_owner()
    voucher_id = give_voucher(owner.organisation_id, amount_uc=10 * CREDIT, rule=CAPPED)
    for number, paid_uc in ((1, 400_000), (2, 500_000)):
        reserve(number, voucher_id, CREDIT // 2)
        settle(number, voucher_id, paid_uc)

    with transaction.atomic():
        assert find_short_use(order_id="ord_1", parts_uc={voucher_id: 500_000}) == ""
        assert find_short_use(order_id="ord_1", parts_uc={voucher_id: 500_001}) == voucher_id
    settle(1, voucher_id, 100_000, now=NOW + timedelta(days=365))
    assert VoucherUse.objects.get(order_id="ord_1").year == NOW.year
    assert entitlement_of(owner).year_used_uc == 600_000


def test_who_was_founded_long_ago_is_not_early_whenever_it_came():
    owner = found_owner()
    make_programme(rule=replace(RULE, rates=(Rate(rate_ppm=1_000_000, age_months_below=12),)))
    early = entitlement_of(owner).pays[0].rate_ppm
    declare(owner, founded_on=date(2010, 1, 1))

    assert (early, entitlement_of(owner).pays[0].rate_ppm) == (1_000_000, 300_000)


def test_every_example_can_be_published():
    operator = found_operator()
    for name, text in load_examples().items():
        create_programme(actor=operator, name=name, rule=read_pack(text=text).rule, now=NOW)

    assert len(list_entitlements(actor=found_owner(), declared=None, now=NOW)) == len(load_examples())
    assert not Order.objects.exists()
