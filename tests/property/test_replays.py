"""The rule that was in force, replayed, gives what was really paid, to the micro-credit.

What was really paid is what a small hub in this file says: it quotes and settles one order after the other with the
hub's own choice and split, and keeps its purses and years in lists that it adds up anew each time.
"""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from lilong.common.money import PPM
from lilong.common.time import find_zone
from lilong.platforms.funding.core.choosing import VoucherFacts, choose_vouchers
from lilong.platforms.funding.core.deciding import MemberFacts, OfferFacts, Purse
from lilong.platforms.funding.core.replay import PastOrder, replay_orders
from lilong.platforms.funding.core.replay_books import DraftRule, Opening, PastVoucher
from lilong.platforms.funding.core.rules import Origin, Rate, Stacking, VoucherRule, expiry_of
from lilong.platforms.funding.core.split import find_most, split_dues

BEGIN, UNTIL = datetime(2026, 12, 15, tzinfo=UTC), datetime(2027, 1, 15, tzinfo=UTC)
ISSUED = datetime(2026, 12, 1, tzinfo=UTC)
ZONE = find_zone(name="Asia/Shanghai")
OFFERS = (OfferFacts("off_a", "CN", "CN"), OfferFacts("off_b", "US", "CN"), OfferFacts("off_c", "CN", "CN", "org_x"))
MEMBER = MemberFacts(is_admitted=True, since=date(2026, 1, 1))
amounts = st.integers(1, 30_000_000)
rules = st.builds(
    VoucherRule,
    rate_ppm=st.integers(1, PPM - 1),
    cap_uc=amounts,
    expires_in_days=st.integers(10, 60),
    year_cap_uc=st.none() | amounts,
    priority=st.integers(0, 2),
    stacking=st.sampled_from(Stacking),
    jurisdiction=st.just("CN"),
    rates=st.just(()) | st.just((Rate(rate_ppm=PPM, accelerator=Origin.OTHER),)),
)
asked = st.tuples(
    st.integers(1, 240),  # hours since the last one
    st.integers(0, 200),  # hours until it ends
    st.integers(1, 40_000_000),
    st.lists(st.integers(0, PPM), min_size=3, max_size=3),
    st.sampled_from(("org_1", "org_2")),
    st.booleans(),
)


class Hub:
    """Quotes and settles in the order of time."""

    def __init__(self, vouchers):
        self.vouchers, self.orders, self.events = vouchers, [], []

    def uses(self, voucher_ids, now):
        """Return what is held, and what was paid in which year, at a moment."""
        held = [part for ended, parts, _ in self.events if now < ended for each, part in parts if each in voucher_ids]
        paid = [
            (ended.astimezone(ZONE).year, part)
            for ended, _, parts in self.events
            if ended <= now
            for each, part in parts
            if each in voucher_ids
        ]
        return sum(held), paid

    def view(self, voucher, now):
        held, paid = self.uses({voucher.voucher_id}, now)
        same = {
            each.voucher_id
            for each in self.vouchers
            if (each.organisation_id, each.programme_id) == (voucher.organisation_id, voucher.programme_id)
        }
        year_held, year_paid = self.uses(same, now)
        year = now.astimezone(ZONE).year
        left = voucher.issued_uc - sum(part for _, part in paid) - held
        purse = Purse(left, held, voucher.expires_at)
        used = year_held + sum(part for of, part in year_paid if of == year)
        return VoucherFacts(voucher.voucher_id, "", voucher.programme_id, "", 1, voucher.rule, purse, used)

    def order(self, number, *, now, ended, max_uc, parts_ppm, owner, is_settled):
        facts = [self.view(each, now) for each in self.vouchers if each.organisation_id == owner]
        choice = choose_vouchers(vouchers=facts, member=MEMBER, offers=OFFERS, now=now, zone=ZONE)
        quoted = {each.voucher.voucher_id: each.share for each in choice.usable}
        most = find_most(max_uc=max_uc, offer_ids=[each.offer_id for each in OFFERS], shares=list(quoted.values()))
        dues, left = {}, max_uc
        for offer, part_ppm in zip(OFFERS, parts_ppm, strict=True):
            dues[offer.offer_id] = left * part_ppm // PPM
            left -= dues[offer.offer_id]
        dues = dues if is_settled else {}
        paid = split_dues(dues_uc=dues, shares=list(quoted.values())).vouchers_uc
        self.events.append(
            (ended, list(zip(quoted, most.vouchers_uc, strict=True)), list(zip(quoted, paid, strict=True)))
        )
        self.orders.append(
            PastOrder(
                order_id=f"ord_{number:03}",
                organisation_id=owner,
                quoted_at=now,
                ended_at=ended,
                max_uc=max_uc,
                member=MEMBER,
                offers=OFFERS,
                quoted=quoted,
                dues_uc=dues,
                paid_uc=dict(zip(quoted, paid, strict=True)),
                is_settled=is_settled,
            )
        )


def issue(voucher_rules, amounts_uc):
    return [
        PastVoucher(
            f"vou_{owner}_{number}",
            f"prg_{number % 2}",
            owner,
            rule,
            amount,
            ISSUED,
            expiry_of(rule=rule, issued_at=ISSUED),
            amount,
        )
        for owner in ("org_1", "org_2")
        for number, (rule, amount) in enumerate(zip(voucher_rules, amounts_uc, strict=True))
    ]


@given(st.tuples(rules, rules), st.lists(amounts, min_size=3, max_size=3), st.lists(asked, max_size=12))
def test_the_rule_that_was_in_force_gives_what_was_really_paid_to_the_micro_credit(two, amounts_uc, history):
    hub, now = Hub(issue((two[0], two[1], two[0]), amounts_uc)), ISSUED
    for number, (later, hours, max_uc, parts_ppm, owner, is_settled) in enumerate(history):
        now += timedelta(hours=later)
        hub.order(
            number,
            now=now,
            ended=now + timedelta(hours=hours, minutes=30),
            max_uc=max_uc,
            parts_ppm=parts_ppm,
            owner=owner,
            is_settled=is_settled,
        )

    before = [each for each in hub.events if each[0] < BEGIN]
    left = {
        each.voucher_id: each.issued_uc
        - sum(part for _, _, parts in before for of, part in parts if of == each.voucher_id)
        for each in hub.vouchers
    }
    used: dict[tuple[str, str], int] = {}
    for each in hub.vouchers:
        owner = (each.organisation_id, each.programme_id)
        used[owner] = used.get(owner, 0) + each.issued_uc - left[each.voucher_id]
    found = replay_orders(
        draft=DraftRule(two[0], "prg_0"),
        begin=BEGIN,
        until=UNTIL,
        zone=ZONE,
        vouchers=[replace(each, left_uc=left[each.voucher_id]) for each in hub.vouchers],
        opening=Opening(used),
        orders=hub.orders,
    )

    settled = [each for each in hub.orders if each.is_settled and BEGIN <= each.ended_at < UNTIL]
    paid = [part for each in settled for part in each.paid_uc.values()]
    assert found.total.orders == len(settled)
    assert found.total.draft_uc == found.total.draft_was_uc
    assert found.total.others_uc == found.total.others_were_uc
    assert found.total.draft_uc + found.total.others_uc == sum(paid)
    assert not found.changes
