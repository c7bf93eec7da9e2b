import json
from datetime import timedelta

import pytest
from django.db import transaction

from lilong.common.errors import NotAllowed, NotFound
from lilong.common.permissions import Role
from lilong.foundation.cases.public import Decision, decide_case
from lilong.foundation.ledger.public import (
    AccountKind,
    get_balances,
    list_transfers,
    open_account,
    post_many,
    require_posted,
)
from lilong.foundation.record.models import Entry
from lilong.foundation.runs.models import Attempt, Meter
from lilong.platforms.funding.models import Voucher
from lilong.platforms.supermarket.core.policy import DISPUTE_WINDOW
from lilong.platforms.supermarket.core.states import OrderState, StepImpossible
from lilong.platforms.supermarket.models import Dispute, Order, Provider
from lilong.platforms.supermarket.reactions import on_case_decided, reconcile
from lilong.platforms.supermarket.services.disputes import ClaimInvalid, DisputeWindowClosed, open_dispute
from lilong.platforms.supermarket.services.reserve import FeesShort, fill_reserve
from tests.books import available_uc, link, post
from tests.market import CREDIT, buy, finish, found_buyer, open_stall, wallet_of
from tests.people import NOW, found_operator, join
from tests.pools import at, make_spec
from tests.programmes import give_voucher

pytestmark = pytest.mark.django_db(transaction=True)

SETTLED = at(11_000)
WINDOW_ENDS = SETTLED + DISPUTE_WINDOW


class Bought:
    """An order of 10 credits, settled: 3 from a voucher, 7 from the wallet."""

    def __init__(self):
        self.seller, self.buyer = open_stall(fee_ppm=50_000), found_buyer()
        self.voucher = Voucher.objects.get(id=give_voucher(self.buyer.organisation_id, amount_uc=10 * CREDIT))
        self.order = buy(self.buyer, spec=make_spec(walltime_s=20_000, resources={"cores": 4}))
        finish(self.seller.agent, ms=10_000_000)
        reconcile(now=SETTLED)
        provider = Provider.objects.get(id=self.seller.provider_id)
        self.accruing, self.available = provider.accruing_account_id, provider.available_account_id
        self.fees = open_account(kind=AccountKind.HUB_FEE, owner_id="hub", purpose="", now=NOW)

    def look(self):
        self.order.refresh_from_db()
        return self.order

    def balances(self):
        accounts = [self.voucher.account_id, wallet_of(self.buyer), self.accruing, self.available, self.fees]
        return [balance.posted_uc for balance in get_balances(account_ids=accounts).values()]

    def dispute(self, *, claim_uc=4 * CREDIT, now=SETTLED, actor=None):
        return open_dispute(
            actor=actor or self.buyer, order_id=self.order.id, claim_uc=claim_uc, reason="half was idle", now=now
        )

    def decide(self, case_id, decision):
        decide_case(actor=found_operator(), case_id=case_id, decision=decision, reason="looked", now=SETTLED)
        reconcile(now=SETTLED)


def report_late(bought, *, ms):
    """Let the run's books say another time than at the settlement."""
    with transaction.atomic():
        Attempt.objects.filter(run_id=bought.order.run_id).update(billable_ms=ms)
        Meter.objects.filter(attempt__run_id=bought.order.run_id).update(metered_ms=ms)


def drain(account):
    outside = open_account(kind=AccountKind.OUTSIDE, owner_id="", purpose="top_up", now=NOW)
    require_posted(results=post_many(groups=[link(post(account, outside, available_uc(account)))], now=NOW))


def in_uc(*amounts):
    return [round(amount * CREDIT) for amount in amounts]


def test_earnings_become_available_when_the_dispute_window_has_passed():
    bought = Bought()
    reconcile(now=WINDOW_ENDS - timedelta(microseconds=1))
    assert bought.balances() == in_uc(7, 93, 9.5, 0, 0.5)

    for _ in range(2):
        reconcile(now=WINDOW_ENDS)
    assert bought.balances() == in_uc(7, 93, 0, 9.5, 0.5)
    assert bought.look().released_at == WINDOW_ENDS


def test_a_dispute_freezes_the_payable_until_it_is_decided():
    bought = Bought()
    case_id = bought.dispute()
    assert bought.look().state == OrderState.DISPUTED
    reconcile(now=WINDOW_ENDS)
    assert bought.balances() == in_uc(7, 93, 9.5, 0, 0.5)

    bought.decide(case_id, Decision.REFUSE)
    reconcile(now=WINDOW_ENDS)
    assert bought.balances() == in_uc(7, 93, 0, 9.5, 0.5)
    assert (bought.look().state, Dispute.objects.get().upheld) == (OrderState.SETTLED, False)


def test_an_upheld_claim_goes_back_to_the_same_payers_by_the_same_split():
    bought = Bought()
    case_id = bought.dispute(claim_uc=4 * CREDIT)
    bought.decide(case_id, Decision.APPROVE)
    for _ in range(2):
        on_case_decided({"kind": "supermarket.dispute", "case_id": case_id}, now=SETTLED)

    assert bought.balances() == in_uc(8.2, 95.8, 5.7, 0, 0.3)
    assert (bought.look().due_uc, bought.order.state) == (6 * CREDIT, OrderState.SETTLED)
    told = json.loads(Entry.objects.get(kind="supermarket.correction").payload.content)
    assert (told["due_before_uc"], told["due_after_uc"]) == (10 * CREDIT, 6 * CREDIT)
    reconcile(now=WINDOW_ENDS)
    assert bought.balances() == in_uc(8.2, 95.8, 0, 5.7, 0.3)


def test_a_correction_names_the_transfers_that_it_mends():
    bought = Bought()
    bought.decide(bought.dispute(), Decision.APPROVE)
    transfers = {each.id: each for each in list_transfers(subject=bought.order.id)}
    corrections = [each for each in transfers.values() if each.code == "correction"]

    assert {transfers[each.corrects or ""].code for each in corrections} == {"settle", "pay", "fee"}


def test_what_an_upheld_claim_returns_to_an_expired_voucher_goes_on_to_its_programme():
    bought = Bought()
    case_id = bought.dispute(claim_uc=10 * CREDIT)
    with transaction.atomic():
        Voucher.objects.filter(id=bought.voucher.id).update(expires_at=SETTLED)
    bought.decide(case_id, Decision.APPROVE)

    assert available_uc(bought.voucher.account_id) == 0
    assert available_uc(bought.voucher.programme.account_id) == 10 * CREDIT


@pytest.mark.parametrize("claim_uc", [0, 10 * CREDIT + 1])
def test_no_more_than_the_charge_can_be_claimed(claim_uc):
    bought = Bought()
    with pytest.raises(ClaimInvalid):
        bought.dispute(claim_uc=claim_uc)
    assert bought.look().state == OrderState.SETTLED


def test_a_dispute_comes_within_the_window_once_at_a_time_and_by_the_buyer():
    bought = Bought()
    with pytest.raises(NotFound):
        bought.dispute(actor=found_buyer())
    with pytest.raises(NotAllowed):
        bought.dispute(actor=join(bought.buyer, Role.MEMBER))
    with pytest.raises(DisputeWindowClosed):
        bought.dispute(now=WINDOW_ENDS)
    bought.dispute()
    with pytest.raises(StepImpossible):
        bought.dispute()


def test_the_organisation_that_claims_does_not_decide():
    bought = Bought()
    case_id = bought.dispute()
    with pytest.raises(NotAllowed):
        decide_case(actor=bought.buyer, case_id=case_id, decision=Decision.APPROVE, reason="mine", now=SETTLED)


def test_usage_that_comes_late_is_corrected_before_the_earnings_are_released():
    bought = Bought()
    report_late(bought, ms=4_000_000)
    reconcile(now=SETTLED)
    assert bought.look().due_uc == 10 * CREDIT

    reconcile(now=WINDOW_ENDS)
    assert bought.look().due_uc == 4 * CREDIT
    assert bought.balances() == in_uc(8.8, 97.2, 0, 3.8, 0.2)


def test_late_usage_beyond_what_the_payers_have_is_not_taken_and_the_timeline_says_so():
    bought = Bought()
    drain(wallet_of(bought.buyer))
    report_late(bought, ms=15_000_000)
    reconcile(now=WINDOW_ENDS)

    assert (bought.look().due_uc, bought.order.released_at) == (10 * CREDIT, WINDOW_ENDS)
    assert bought.order.timeline.filter(step="correct_refused").count() == 1
    assert available_uc(wallet_of(bought.buyer)) == 0


def test_late_usage_never_charges_beyond_the_maximum():
    bought = Bought()
    report_late(bought, ms=99_000_000)
    reconcile(now=WINDOW_ENDS)

    assert bought.look().due_uc == bought.order.max_uc == 20 * CREDIT


def test_the_reserve_is_filled_out_of_fees_that_were_earned():
    bought = Bought()
    reserve = open_account(kind=AccountKind.SERVICE_RESERVE, owner_id="hub", purpose="", now=NOW)
    with pytest.raises(FeesShort):
        fill_reserve(actor=found_operator(), amount_uc=500_001, now=SETTLED)
    with pytest.raises(NotAllowed):
        fill_reserve(actor=bought.buyer, amount_uc=1, now=SETTLED)
    fill_reserve(actor=found_operator(), amount_uc=500_000, now=SETTLED)

    assert (available_uc(bought.fees), available_uc(reserve)) == (0, 500_000)


def test_orders_settle_to_the_same_books_as_their_states_say():
    bought = Bought()
    assert Order.objects.get().due_uc == sum(
        transfer.amount_uc for transfer in list_transfers(subject=bought.order.id) if transfer.code in {"pay", "fee"}
    )
