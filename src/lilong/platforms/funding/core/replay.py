"""What a rule would have cost: past orders, one after the other, through the same decisions and the same split.

Everything but the rule stays as it was: who ordered what and when, at which prices, what was metered, which vouchers
were issued. So the answer is of the kind "had everybody done what they did", and says so.
"""

import heapq
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo

from lilong.platforms.funding.core.choosing import Choice, Chosen, VoucherFacts, choose_vouchers
from lilong.platforms.funding.core.deciding import Code, MemberFacts, OfferFacts, Refused, decide
from lilong.platforms.funding.core.replay_books import DraftRule, Opening, PastVoucher, ReplayBooks
from lilong.platforms.funding.core.replay_outcome import Clause, Outcome, Paid, Tally
from lilong.platforms.funding.core.split import Share, find_most, split_dues


@dataclass(frozen=True, slots=True, kw_only=True)
class PastOrder:
    """An order from its quote on, as it was frozen then.

    member and offers: as of the quote; quoted: shares of the quote by voucher id; dues_uc: what is due by offer, after
    corrections; paid_uc: what each voucher really paid; ended_at: when it was settled, or the quote ended without being
    taken, None while it lives; is_traced: `dues_uc` is all that was charged.
    """

    order_id: str
    organisation_id: str
    quoted_at: datetime
    ended_at: datetime | None
    max_uc: int
    member: MemberFacts
    offers: tuple[OfferFacts, ...]
    quoted: Mapping[str, Share]
    dues_uc: Mapping[str, int]
    paid_uc: Mapping[str, int]
    is_settled: bool
    is_traced: bool = True


@dataclass(frozen=True, slots=True)
class _Pending:
    """An order that is held.

    shares: by voucher id; drafted: the voucher of the draft that pays; code: why none does.
    """

    order: PastOrder
    is_kept: bool
    shares: Mapping[str, Share]
    drafted: Chosen | None = None
    code: str = ""


def replay_orders(
    *,
    draft: DraftRule,
    begin: datetime,
    until: datetime,
    zone: tzinfo,
    vouchers: Iterable[PastVoucher],
    opening: Opening,
    orders: Iterable[PastOrder],
) -> Outcome:
    """Return what the draft would have cost for what was settled from `begin` on and before `until`.

    orders: in the order of their quotes, all that held or took voucher value in that time. What was quoted before
    `begin` keeps what its quote promised, and so does what cannot be traced to offers. Equal inputs give equal
    outcomes. Memory: linear in vouchers, organisations and orders that live at one time. Cost: n log n in orders.
    """
    books = ReplayBooks(draft=draft, vouchers=vouchers, opening=opening, begin=begin, zone=zone)
    replay = _Replay(books, begin=begin, zone=zone)
    for order in orders:
        if order.quoted_at < until and (order.ended_at is None or order.ended_at >= begin):
            replay.take(order)
    return replay.close(until)


class _Replay:
    """Takes orders in the order of their quotes and settles each when it was settled."""

    def __init__(self, books: ReplayBooks, *, begin: datetime, zone: tzinfo) -> None:
        self._books, self._begin, self._zone = books, begin, zone
        self._tally = Tally(zone=zone)
        self._ends: list[tuple[datetime, str, _Pending]] = []

    def take(self, order: PastOrder) -> None:
        """Hold for an order what its quote reserves, after whatever ended until then."""
        while self._ends and self._ends[0][0] <= order.quoted_at:
            self._end()
        is_kept = order.quoted_at < self._begin or not order.is_traced
        pending = _Pending(order, is_kept=True, shares=order.quoted) if is_kept else self._decide(order)
        offer_ids = [offer.offer_id for offer in order.offers]
        most = find_most(max_uc=order.max_uc, offer_ids=offer_ids, shares=list(pending.shares.values()))
        self._books.hold(order_id=order.order_id, parts_uc=dict(zip(pending.shares, most.vouchers_uc, strict=True)))
        if order.ended_at is not None:
            heapq.heappush(self._ends, (order.ended_at, order.order_id, pending))

    def close(self, until: datetime) -> Outcome:
        """Settle what was settled before `until`, and add up."""
        while self._ends and self._ends[0][0] < until:
            self._end()
        return self._tally.close(withheld_uc=[each.issued_uc for each in self._books.withheld])

    def _decide(self, order: PastOrder) -> _Pending:
        facts = self._books.list_vouchers(organisation_id=order.organisation_id, now=order.quoted_at)
        choice = choose_vouchers(
            vouchers=facts, member=order.member, offers=order.offers, now=order.quoted_at, zone=self._zone
        )
        drafted = [each for each in choice.usable if self._books.is_drafted(each.voucher.voucher_id)]
        return _Pending(
            order,
            is_kept=False,
            shares={each.voucher.voucher_id: each.share for each in choice.usable},
            drafted=drafted[0] if drafted else None,  # of a programme one pays
            code="" if drafted else self._find_code(order, facts, choice),
        )

    def _find_code(self, order: PastOrder, facts: Sequence[VoucherFacts], choice: Choice) -> str:
        """Return why the draft pays nothing, of several vouchers by the last to expire; empty where there is none."""
        drafted = [each for each in facts if self._books.is_drafted(each.voucher_id)]
        drafted.sort(key=lambda each: (each.purse.expires_at, each.voucher_id))
        codes = [dict(choice.refused)[each.voucher_id].code for each in drafted]
        code = next((each for each in reversed(codes) if each != Code.PROGRAMME_PAYS_ALREADY), "")
        is_empty = code in {"", Code.EXPIRED, Code.SPENT, Code.RESERVED}
        if is_empty and self._books.is_out_of_budget(organisation_id=order.organisation_id, now=order.quoted_at):
            return Code.YEAR_BUDGET_REACHED.value
        return code

    def _end(self) -> None:
        ended_at, _, pending = heapq.heappop(self._ends)
        order = pending.order
        parts_uc: Mapping[str, int] = self._split(pending) if order.is_settled else {}
        self._books.settle(order_id=order.order_id, parts_uc=parts_uc, at=ended_at)
        if order.is_settled:
            self._count(pending, parts_uc, ended_at)

    def _split(self, pending: _Pending) -> Mapping[str, int]:
        if pending.is_kept:
            return pending.order.paid_uc
        split = split_dues(dues_uc=pending.order.dues_uc, shares=list(pending.shares.values()))
        return dict(zip(pending.shares, split.vouchers_uc, strict=True))

    def _count(self, pending: _Pending, parts_uc: Mapping[str, int], settled_at: datetime) -> None:
        order, due_uc = pending.order, sum(pending.order.dues_uc.values())
        now_uc, was_uc = self._sum_drafted(parts_uc), self._sum_drafted(order.paid_uc)
        paid = Paid(
            orders=1,
            due_uc=due_uc,
            draft_uc=now_uc[True],
            draft_was_uc=was_uc[True],
            others_uc=now_uc[False],
            others_were_uc=was_uc[False],
        )
        self._tally.add(paid, organisation_id=order.organisation_id, settled_at=settled_at)
        if pending.is_kept:
            self._tally.add_kept(paid)
        elif due_uc and not paid.draft_uc:
            self._tally.add_refused(pending.code or self._explain(pending), due_uc=due_uc)
        elif pending.drafted is not None:
            self._count_cut(pending, pending.drafted, paid.draft_uc)

    def _sum_drafted(self, parts_uc: Mapping[str, int]) -> Counter[bool]:
        sums: Counter[bool] = Counter()
        for voucher_id, part_uc in parts_uc.items():
            sums[self._books.is_drafted(voucher_id)] += part_uc
        return sums

    def _explain(self, pending: _Pending) -> str:
        """Return why a voucher that was chosen pays nothing on the offer that ran, empty without a voucher."""
        if pending.drafted is None:
            return ""
        order, voucher = pending.order, pending.drafted.voucher
        ran = max(order.dues_uc, key=lambda offer_id: (order.dues_uc[offer_id], offer_id))
        decision = decide(
            rule=voucher.rule,
            member=order.member,
            offer=next(each for each in order.offers if each.offer_id == ran),
            year_used_uc=voucher.year_used_uc,
            purse=voucher.purse,
            now=order.quoted_at,
            zone=self._zone,
        )
        return (decision.code if isinstance(decision, Refused) else Code.HIGHER_RATE_PAYS).value

    def _count_cut(self, pending: _Pending, drafted: Chosen, paid_uc: int) -> None:
        """Count what a cap kept the draft from paying."""
        voucher, share = drafted.voucher, drafted.share
        if paid_uc < share.cap_uc:
            return
        dues_uc = pending.order.dues_uc
        free = [
            replace(each, cap_uc=sum(dues_uc.values())) if voucher_id == voucher.voucher_id else each
            for voucher_id, each in pending.shares.items()
        ]
        split = split_dues(dues_uc=dues_uc, shares=free)
        cut_uc = dict(zip(pending.shares, split.vouchers_uc, strict=True))[voucher.voucher_id] - paid_uc
        if cut_uc > 0:
            self._tally.add_cut(_find_clause(voucher, share), cut_uc=cut_uc)


def _find_clause(voucher: VoucherFacts, share: Share) -> Clause:
    """Return which clause set the cap; of equal ones the narrowest, which the rule says of each order."""
    if share.cap_uc == voucher.rule.cap_uc:
        return Clause.ORDER_CAP
    return Clause.VOUCHER if share.cap_uc == voucher.purse.available_uc else Clause.YEAR_CAP
