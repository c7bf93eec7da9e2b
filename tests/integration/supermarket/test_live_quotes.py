"""Fifty live quotes on one voucher, taken, handed back, left to expire, run, settled and refunded in any order."""

from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import timedelta
from random import Random
from typing import ClassVar

import pytest
from django.db import transaction
from django.db.models import Sum
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from lilong.common.money import PPM
from lilong.common.permissions import Actor, Role
from lilong.foundation.cases.public import Decision, decide_case
from lilong.foundation.ledger.public import AccountKind, get_balances, list_open_holds, open_account
from lilong.foundation.ledger.queries.verification import verify
from lilong.platforms.funding.models import Voucher, VoucherUse
from lilong.platforms.funding.reactions import reconcile as reconcile_funding
from lilong.platforms.supermarket.core.checks import LiveQuotesReached, QuoteExpired
from lilong.platforms.supermarket.core.policy import DISPUTE_WINDOW, LIVE_QUOTES_MAX
from lilong.platforms.supermarket.core.promise import Promise
from lilong.platforms.supermarket.core.states import OrderState
from lilong.platforms.supermarket.models import QUOTE_STATES, RUNNING_STATES, Order, Provider
from lilong.platforms.supermarket.queries.splits import split_hold
from lilong.platforms.supermarket.reactions import reconcile
from lilong.platforms.supermarket.services.disputes import open_dispute
from lilong.platforms.supermarket.services.orders import cancel_order, place_order
from lilong.protocol.messages import AttemptState, Submit
from tests.market import CREDIT, Seller, ask, found_buyer, open_stall, take_all, wallet_of
from tests.people import NOW, found_operator, join
from tests.pools import at, make_spec
from tests.pools import settle as settle_runs
from tests.programmes import RULE, give_voucher

pytestmark = pytest.mark.django_db

QUOTES = 50
WALLET_UC = 1_000 * CREDIT
VOUCHER_UC, YEAR_CAP_UC, ORDER_CAP_UC = 5 * CREDIT, 4 * CREDIT, CREDIT // 2
CAPPED = replace(RULE, cap_uc=ORDER_CAP_UC, year_cap_uc=YEAR_CAP_UC)
WALLTIMES_S = (60, 600, 2_000, 12_345)
ANY = st.integers(0, 10**6)
ENDS = (AttemptState.SUCCEEDED, AttemptState.FAILED, AttemptState.CANCELLED)


@dataclass
class Market:
    """A seller, a buyer's people, and their fifty live quotes: what each promised, by order."""

    seller: Seller
    people: list[Actor]
    voucher: Voucher
    promises: dict[str, Promise]


@pytest.fixture
def market():
    seller, buyer = open_stall(), found_buyer(wallet_uc=WALLET_UC)
    people = [buyer, *(join(buyer, Role.MEMBER) for _ in range(QUOTES // LIVE_QUOTES_MAX))]
    voucher = Voucher.objects.get(id=give_voucher(buyer.organisation_id, amount_uc=VOUCHER_UC, rule=CAPPED))
    random = Random(1)
    promises = {}
    for number in range(QUOTES):
        spec = make_spec(walltime_s=random.choice(WALLTIMES_S))
        view = ask(people[number // LIVE_QUOTES_MAX], spec=spec)
        promises[view.order_id] = view.promise
    return Market(seller=seller, people=people, voucher=voucher, promises=promises)


class LiveQuotes(RuleBasedStateMachine):
    """Whatever happens, in any order; what has to hold is looked at after each step."""

    market: ClassVar[Market]

    def __init__(self):
        super().__init__()
        market = self.market
        self.savepoint = transaction.savepoint()
        self.people, self.voucher, self.promises = market.people, market.voucher, dict(market.promises)
        self.agent, self.provider_id = deepcopy(market.seller.agent), market.seller.provider_id
        self.wallet = wallet_of(market.people[0])
        self.seconds = 1.0
        self.running: list[Submit] = []
        self.cases: list[str] = []

    def find(self, number, states):
        """Return one of the orders in these states, None when there is none."""
        found = Order.objects.filter(state__in=states).order_by("id")
        return found[number % len(found)] if found else None

    @rule(number=ANY, walltime_s=st.sampled_from(WALLTIMES_S))
    def ask(self, number, walltime_s):
        person = self.people[number % len(self.people)]
        alive = Order.objects.live_quotes().filter(person_id=person.person_id, expires_at__gt=at(self.seconds))
        spec = make_spec(walltime_s=walltime_s)
        if alive.count() == LIVE_QUOTES_MAX:
            with pytest.raises(LiveQuotesReached):
                ask(person, spec=spec, seconds=self.seconds)
            return
        view = ask(person, spec=spec, seconds=self.seconds)
        self.promises[view.order_id] = view.promise

    @rule(number=ANY)
    def place(self, number):
        self.take(number)

    def take(self, number):
        """What was reserved is held, to the micro-credit and at its price, unless the quote is over."""
        order = self.find(number, [OrderState.QUOTED])
        if order is None:
            return
        if order.expires_at <= at(self.seconds):
            with pytest.raises(QuoteExpired):
                place_order(actor=self.people[0], quote_id=order.quote.id, now=at(self.seconds))
            return
        before = self.balances()
        place_order(actor=self.people[number % len(self.people)], quote_id=order.quote.id, now=at(self.seconds))
        held = split_hold(promise=self.promises[order.id])
        after = self.balances()
        assert after[self.voucher.account_id].pending_out_uc == before[self.voucher.account_id].pending_out_uc
        assert after[self.wallet].pending_out_uc == before[self.wallet].pending_out_uc + held.wallet_uc

    @rule(number=ANY)
    def hand_back(self, number):
        order = self.find(number, [OrderState.QUOTED])
        if order is not None:
            cancel_order(actor=self.people[0], order_id=order.id, now=at(self.seconds))

    @rule(number=ANY)
    def cancel(self, number):
        order = self.find(number, RUNNING_STATES)
        if order is not None:
            cancel_order(actor=self.people[0], order_id=order.id, now=at(self.seconds))

    @rule(number=ANY, ms=st.integers(500, 60_000) | st.just(13_000_000), state=st.sampled_from(ENDS))
    def run(self, number, ms, state):
        """Let one more be taken, all that was placed begin, and one of it end."""
        self.take(number)
        self.start()
        if self.running:
            self.end(number, ms, state)
            self.reconcile()

    def start(self):
        known = {submit.attempt_id for submit in self.running}
        self.running += take_all(self.agent, known=known, seconds=self.seconds)

    def end(self, number, ms, state):
        self.seconds += 1 + ms / 1000
        submit = self.running.pop(number % len(self.running))
        self.agent.sync(self.agent.see(submit, state, seconds=self.seconds, ms=ms), seconds=self.seconds)

    @rule()
    def reconcile(self):
        settle_runs(seconds=self.seconds)
        reconcile(now=at(self.seconds))
        reconcile_funding(now=at(self.seconds))

    @rule(seconds=st.sampled_from([1, 60, 900]))
    def wait(self, seconds):
        self.seconds += seconds

    @precondition(lambda self: not self.running and not Order.objects.filter(state__in=RUNNING_STATES).exists())
    @rule()
    def wait_for_the_window_to_close(self):
        self.seconds += DISPUTE_WINDOW.total_seconds()
        self.reconcile()

    @precondition(lambda self: self.list_disputable().exists())
    @rule(number=ANY, part_ppm=st.integers(1, PPM))
    def dispute(self, number, part_ppm):
        found = self.list_disputable()
        order = found[number % len(found)]
        claim_uc = max((order.due_uc or 0) * part_ppm // PPM, 1)
        now = at(self.seconds)
        case_id = open_dispute(
            actor=self.people[0], order_id=order.id, claim_uc=claim_uc, reason="it was idle", now=now
        )
        self.cases.append(case_id)

    def list_disputable(self):
        settled = Order.objects.filter(state=OrderState.SETTLED, due_uc__gt=0, released_at=None)
        return settled.filter(releasable_at__gt=at(self.seconds)).order_by("id")

    @precondition(lambda self: self.cases)
    @rule(number=ANY, decision=st.sampled_from([Decision.APPROVE, Decision.REFUSE]))
    def decide(self, number, decision):
        case_id = self.cases.pop(number % len(self.cases))
        operator = found_operator(now=at(self.seconds))
        decide_case(actor=operator, case_id=case_id, decision=decision, reason="looked", now=at(self.seconds))
        self.reconcile()

    def balances(self):
        return get_balances(account_ids=[self.voucher.account_id, self.wallet])

    @invariant()
    def the_voucher_keeps_its_restrictions(self):
        voucher = self.balances()[self.voucher.account_id]
        assert 0 <= voucher.pending_out_uc <= voucher.posted_uc <= VOUCHER_UC
        assert (VoucherUse.objects.aggregate(sum=Sum("amount_uc"))["sum"] or 0) <= YEAR_CAP_UC
        orders = Order.objects.in_bulk()
        for use in VoucherUse.objects.all():
            order = orders[use.order_id]
            most_uc = order.max_uc if order.due_uc is None else order.due_uc
            assert use.amount_uc <= ORDER_CAP_UC
            assert use.amount_uc * PPM < ((most_uc or 0) + CREDIT) * CAPPED.rate_ppm

    @invariant()
    def nothing_is_charged_beyond_what_was_shown(self):
        for order in Order.objects.filter(settled_at__isnull=False):
            assert 0 <= (order.due_uc or 0) <= self.promises[order.id].max_uc

    @invariant()
    def the_lines_sum(self):
        fees = open_account(kind=AccountKind.HUB_FEE, owner_id="hub", purpose="", now=NOW)
        provider = Provider.objects.get(id=self.provider_id)
        earned = [provider.accruing_account_id, provider.available_account_id, fees]
        fund = self.voucher.programme.account_id
        balances = get_balances(account_ids=[*earned, fund]) | self.balances()
        due_uc = Order.objects.aggregate(sum=Sum("due_uc"))["sum"] or 0
        voucher_uc = VOUCHER_UC - balances[self.voucher.account_id].posted_uc - balances[fund].posted_uc
        wallet_uc = WALLET_UC - balances[self.wallet].posted_uc
        paid_uc = VoucherUse.objects.filter(year__isnull=False).aggregate(sum=Sum("amount_uc"))["sum"] or 0
        assert voucher_uc == paid_uc
        assert sum(balances[account].posted_uc for account in earned) == due_uc == voucher_uc + wallet_uc

    def teardown(self):
        """Let everything come to its end: no hold stays, and the books agree."""
        for _ in range(QUOTES):
            if not Order.objects.filter(state__in=(*QUOTE_STATES, *RUNNING_STATES)).exists():
                break
            self.seconds += 1_000
            self.start()
            while self.running:
                self.end(0, 1_000, AttemptState.SUCCEEDED)
            self.reconcile()
        else:
            raise AssertionError("Some order never settles.")
        self.the_lines_sum()
        assert list_open_holds(before=at(self.seconds) + timedelta(days=1), limit=5) == []
        assert verify(now=at(self.seconds)).differences == ()
        transaction.savepoint_rollback(self.savepoint)


def test_fifty_live_quotes_on_one_voucher_convert_at_their_price_and_break_no_restriction_in_any_order(market):
    assert Order.objects.live_quotes().count() == QUOTES
    reserved_uc = sum(promise.voucher_max_uc for promise in market.promises.values())
    assert reserved_uc == YEAR_CAP_UC

    class Here(LiveQuotes):
        pass

    Here.market = market
    run_state_machine_as_test(Here, settings=settings(max_examples=20, stateful_step_count=30))
