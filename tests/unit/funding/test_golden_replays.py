"""What a draft would have cost, case by case, computed by hand. Amounts in the comments are credits.

Unless a case says otherwise: one organisation, one voucher of 100 of the programme, 20 due an order on one offer from
CN, and really 20 % were paid; the draft pays 50 %, at most 8 an order.
"""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from lilong.common.time import find_zone
from lilong.platforms.funding.core.deciding import MemberFacts, OfferFacts
from lilong.platforms.funding.core.replay import PastOrder, replay_orders
from lilong.platforms.funding.core.replay_books import DraftRule, Opening, PastVoucher
from lilong.platforms.funding.core.replay_outcome import Clause, Count, Paid
from lilong.platforms.funding.core.rules import Stacking, VoucherRule
from lilong.platforms.funding.core.split import Share

CREDIT = 1_000_000
BEGIN, UNTIL = datetime(2026, 10, 1, tzinfo=UTC), datetime(2027, 2, 1, tzinfo=UTC)
DRAFT = VoucherRule(rate_ppm=500_000, cap_uc=8 * CREDIT, expires_in_days=365)
REAL = replace(DRAFT, rate_ppm=200_000)
ISSUED = datetime(2026, 9, 1, tzinfo=UTC)
HOME = OfferFacts("off_1", "CN", "CN")


def voucher(name="vou_1", *, programme="prg_1", owner="org_1", left=100, issued_at=ISSUED, rule=REAL, days=365):
    expires_at = issued_at + timedelta(days=days)
    return PastVoucher(name, programme, owner, rule, left * CREDIT, issued_at, expires_at, left * CREDIT)


def order(name, day, *, due=20, paid=4, owner="org_1", offer=HOME, hours=1, max_due=None, pays="vou_1", **facts):
    quoted_at = datetime.fromisoformat(day).replace(tzinfo=UTC)
    return PastOrder(
        **{
            "order_id": name,
            "organisation_id": owner,
            "quoted_at": quoted_at,
            "ended_at": quoted_at + timedelta(hours=hours),
            "max_uc": (max_due or due) * CREDIT,
            "member": MemberFacts(is_admitted=True, since=date(2026, 1, 1)),
            "offers": (offer,),
            "quoted": {pays: Share(rate_ppm=200_000, cap_uc=8 * CREDIT)} if pays else {},
            "dues_uc": {offer.offer_id: due * CREDIT},
            "paid_uc": {pays: paid * CREDIT} if pays else {},
            "is_settled": True,
            **facts,
        }
    )


def replay(*orders, rule=DRAFT, programme="prg_1", vouchers=None, used=0, issued=0, zone=UTC):
    return replay_orders(
        draft=DraftRule(rule, programme),
        begin=BEGIN,
        until=UNTIL,
        zone=zone,
        vouchers=[voucher()] if vouchers is None else vouchers,
        opening=Opening({("org_1", "prg_1"): used * CREDIT}, issued * CREDIT),
        orders=orders,
    )


def credits_of(paid: Paid):
    return paid.draft_uc / CREDIT, paid.draft_was_uc / CREDIT


def test_a_cap_of_an_order_binds_and_what_it_cuts_is_told():
    """50 % of 20 are 10, of which 8 are paid; of 10 they are 5."""
    found = replay(order("ord_1", "2026-10-02"), order("ord_2", "2026-10-03", due=10, paid=2))

    assert credits_of(found.total) == (13, 6)
    assert found.cut == {Clause.ORDER_CAP: Count(1, 2 * CREDIT)}
    assert found.gaining == Count(1, 7 * CREDIT)


def test_a_yearly_cap_binds_until_the_new_year_and_begins_anew_with_it():
    """Of a cap of 15 were used 5; so 8, then 2, then nothing; in the new year 8 again."""
    days = ("2026-10-02", "2026-11-02", "2026-12-02", "2027-01-02")
    orders = [order(f"ord_{number}", day) for number, day in enumerate(days)]
    found = replay(*orders, rule=replace(DRAFT, year_cap_uc=15 * CREDIT), used=5)

    assert [credits_of(paid)[0] for _, paid in sorted(found.months.items())] == [8, 2, 0, 8]
    assert found.refused == {"voucher.year_cap_reached": Count(1, 20 * CREDIT)}
    assert found.cut == {Clause.ORDER_CAP: Count(2, 4 * CREDIT), Clause.YEAR_CAP: Count(1, 8 * CREDIT)}


def test_the_year_begins_at_midnight_of_the_hub():
    """What is settled at 16:30 UTC on 31 December is settled at 00:30 of the new year in Shanghai."""
    first = order("ord_1", "2026-12-31T15:30", hours=1)
    second = order("ord_2", "2027-01-02")
    rule = replace(DRAFT, year_cap_uc=10 * CREDIT)
    in_shanghai, in_utc = (
        replay(first, second, rule=rule, zone=zone) for zone in (find_zone(name="Asia/Shanghai"), UTC)
    )

    assert [credits_of(paid)[0] for paid in in_shanghai.months.values()] == [10]
    assert [credits_of(paid)[0] for _, paid in sorted(in_utc.months.items())] == [8, 8]


def test_what_is_not_settled_when_the_year_ends_counts_in_both():
    """It may have to pay 8 of 10 when the other is quoted, in whichever year: so that one gets 2."""
    long = order("ord_1", "2026-12-31T12:00", hours=24)
    found = replay(long, order("ord_2", "2027-01-01T06:00"), rule=replace(DRAFT, year_cap_uc=10 * CREDIT))

    assert credits_of(found.total)[0] == 10


def test_a_related_party_is_never_paid_for_whatever_the_draft_says():
    related = replace(HOME, related_by="org_9")
    found = replay(order("ord_1", "2026-10-02", offer=related, pays=""), order("ord_2", "2026-10-03"))

    assert found.refused == {"voucher.related_party": Count(1, 20 * CREDIT)}
    assert credits_of(found.total) == (8, 4)


def test_a_shorter_life_lets_vouchers_expire_that_really_paid():
    """Issued on 1 September for 31 days: on 2 October it has expired, and 4 that were paid are lost."""
    found = replay(order("ord_1", "2026-10-02"), rule=replace(DRAFT, expires_in_days=31))

    assert found.refused == {"voucher.expired": Count(1, 20 * CREDIT)}
    assert (credits_of(found.total), found.losing) == ((0, 4), Count(1, -4 * CREDIT))


def test_a_better_rule_elsewhere_pays_alone_where_it_says_so():
    """Another programme pays 60 % alone; the draft would pay 50 %. Really 60 % were paid, 12 of 20."""
    other = replace(REAL, rate_ppm=600_000, cap_uc=50 * CREDIT, stacking=Stacking.HIGHEST_ALONE)
    vouchers = [voucher(), voucher("vou_2", programme="prg_2", rule=other)]
    found = replay(order("ord_1", "2026-10-02", paid=12, pays="vou_2"), vouchers=vouchers)

    assert found.refused == {"voucher.higher_rate_pays": Count(1, 20 * CREDIT)}
    assert (found.total.others_uc, found.total.others_were_uc, found.unchanged) == (12 * CREDIT, 12 * CREDIT, 1)


def test_a_refund_walks_back_by_the_same_split_and_the_rest_pays_later_orders():
    """Held 8 of a voucher of 9; due were 6 after a refund, so 3 are paid and 6 are left: all of the next one's 50 %."""
    refunded = order("ord_1", "2026-10-02", due=6, paid=1, max_due=20)
    found = replay(refunded, order("ord_2", "2026-10-03", due=12, paid=2), vouchers=[voucher(left=9)])

    assert credits_of(found.total) == (9, 3)
    assert not found.cut


def test_what_live_orders_hold_is_not_there_for_others():
    """The first holds 8 of 9 for a day, so the second gets 1; then 8 are spent and 1, and nothing is left."""
    first = order("ord_1", "2026-10-02", hours=24)
    found = replay(first, order("ord_2", "2026-10-02T06:00"), order("ord_3", "2026-10-05"), vouchers=[voucher(left=9)])

    assert credits_of(found.total)[0] == 9
    assert found.cut == {Clause.ORDER_CAP: Count(1, 2 * CREDIT), Clause.VOUCHER: Count(1, 9 * CREDIT)}
    assert found.refused == {"voucher.spent": Count(1, 20 * CREDIT)}


def test_what_nobody_took_holds_until_it_ends_and_costs_nothing():
    untaken = order("ord_1", "2026-10-02", is_settled=False, dues_uc={}, paid_uc={})
    found = replay(
        untaken, order("ord_2", "2026-10-02T00:30"), order("ord_3", "2026-10-02T02:00"), vouchers=[voucher(left=8)]
    )

    assert found.refused == {"voucher.reserved": Count(1, 20 * CREDIT)}
    assert (found.total.orders, credits_of(found.total)[0]) == (2, 8)


def test_a_quote_of_before_keeps_what_it_promised():
    found = replay(order("ord_1", "2026-09-30T23:30"))

    assert (credits_of(found.total), credits_of(found.kept)) == ((4, 4), (4, 4))


def test_what_cannot_be_traced_to_offers_keeps_what_was_paid():
    found = replay(order("ord_1", "2026-10-02", dues_uc={"": 20 * CREDIT}, is_traced=False))

    assert (credits_of(found.total), found.kept.orders) == ((4, 4), 1)


def test_vouchers_beyond_the_budget_of_a_year_are_not_issued():
    """Of a budget of 150 were issued 100; one more of 100 does not fit, one of 50 does."""
    vouchers = [
        voucher("vou_1", owner="org_2", issued_at=BEGIN),
        voucher("vou_2", left=50, issued_at=BEGIN + timedelta(hours=1)),
    ]
    theirs = order("ord_1", "2026-10-02", owner="org_2")
    found = replay(
        theirs,
        order("ord_2", "2026-10-03", pays="vou_2"),
        vouchers=vouchers,
        rule=replace(DRAFT, year_budget_uc=150 * CREDIT),
        issued=100,
    )

    assert found.withheld == Count(1, 100 * CREDIT)
    assert found.refused == {"voucher.year_budget_reached": Count(1, 20 * CREDIT)}
    assert (found.losing, found.gaining) == (Count(1, -4 * CREDIT), Count(1, 4 * CREDIT))


def test_a_programme_that_does_not_exist_pays_everybody_beside_what_there_is_until_its_budget_is_used():
    """Beside 20 % of 20 the draft pays 8, then 4 of its budget of 12, then nothing."""
    days = ("2026-10-02", "2026-10-03", "2026-10-04")
    orders = [order(f"ord_{day}", day, owner="org_2", pays="") for day in days]
    found = replay(
        *orders,
        order("ord_own", "2027-01-02"),
        programme="",
        rule=replace(DRAFT, year_budget_uc=12 * CREDIT),
    )

    assert [credits_of(paid)[0] for _, paid in sorted(found.months.items())] == [12, 8]
    assert (found.total.others_uc, found.total.others_were_uc) == (4 * CREDIT, 4 * CREDIT)
    assert found.refused == {"voucher.year_budget_reached": Count(1, 20 * CREDIT)}


def test_an_offer_that_ran_without_a_rate_is_told_by_its_own_reason():
    """The quote had two offers; the one that ran is a related party's."""
    related = OfferFacts("off_2", "CN", "CN", related_by="org_9")
    found = replay(order("ord_1", "2026-10-02", offers=(HOME, related), dues_uc={"off_2": 20 * CREDIT}))

    assert found.refused == {"voucher.related_party": Count(1, 20 * CREDIT)}


def test_who_had_no_voucher_is_not_counted_as_refused():
    found = replay(order("ord_1", "2026-10-02", owner="org_2", pays=""))

    assert (found.refused, found.without_voucher) == ({}, Count(1, 20 * CREDIT))


def test_gains_are_told_by_quarters_that_are_each_the_gain_of_somebody():
    """Each is paid 8; they were paid 4, 5, 6, 7 and 12."""
    owners = {"a": 4, "b": 5, "c": 6, "d": 7, "e": 12}
    vouchers = [voucher(f"vou_{name}", owner=f"org_{name}") for name in owners]
    orders = [
        order(f"ord_{name}", "2026-10-02", owner=f"org_{name}", pays=f"vou_{name}", paid=paid)
        for name, paid in owners.items()
    ]
    found = replay(*orders, vouchers=vouchers)

    assert found.quarters_uc == tuple(each * CREDIT for each in (-4, 1, 2, 3, 4))
    assert [name for name, _ in found.changes] == ["org_a", "org_e", "org_b", "org_c", "org_d"]


@pytest.mark.parametrize("programme", ["prg_1", ""])
def test_equal_inputs_make_equal_bytes(programme):
    days = [f"2026-{month}-{day:02}" for month in (10, 11) for day in range(1, 20)]

    def run(vouchers):
        return replay(
            *[order(f"ord_{day}", day, owner=f"org_{day[-1]}", pays=f"vou_{day[-1]}") for day in days],
            vouchers=vouchers,
            programme=programme,
        ).content

    vouchers = [voucher(f"vou_{number}", owner=f"org_{number}") for number in range(10)]
    assert run(vouchers) == run(vouchers[::-1])
    assert b'"assumes":"unchanged_behaviour"' in run(vouchers)
