"""Voucher money that is asked back: taken once, never more than was used, whatever else happens to the same order."""

import os
from contextlib import suppress
from dataclasses import replace
from datetime import date, timedelta

import pytest
from django.core.management import call_command
from django.db import transaction

from lilong.common.errors import NotAllowed
from lilong.common.periods import DayPeriod
from lilong.foundation.cases.models import Case
from lilong.foundation.cases.public import Decision, decide_case
from lilong.foundation.cases.services.appeals import appeal
from lilong.foundation.ledger.models import Account
from lilong.foundation.ledger.public import AccountKind, get_balances, open_account, post_many, require_posted
from lilong.foundation.ledger.queries.beancount import export_own_beancount
from lilong.foundation.ledger.queries.verification import verify
from lilong.foundation.notices.models import Notice
from lilong.foundation.record.models import Entry
from lilong.platforms.funding.core.rules import ClawBack as Terms
from lilong.platforms.funding.core.rules import ClawBackReason
from lilong.platforms.funding.models import ClawBack, Voucher, VoucherUse
from lilong.platforms.funding.queries.claw_backs import VoucherMissing, get_askable, list_claw_backs
from lilong.platforms.funding.reactions import on_case_decided
from lilong.platforms.funding.reactions import reconcile as reconcile_funding
from lilong.platforms.funding.services.claw_backs import ClawBackRefused, ask_back, settle_claw_back
from lilong.platforms.supermarket.reactions import reconcile
from lilong.platforms.supermarket.services.disputes import open_dispute
from tests.beancount import find_bean_errors
from tests.books import available_uc, link, post
from tests.crowd import call_at_once
from tests.market import CREDIT, buy, finish, found_buyer, open_stall, pay_in, wallet_of
from tests.people import NOW, found_operator, found_owner
from tests.pools import at, make_spec
from tests.programmes import RULE, approve, give_voucher, refuse

pytestmark = pytest.mark.django_db(transaction=True)

SETTLED = at(11_000)
REASON = ClawBackReason.FALSE_DECLARATION
OWN = replace(RULE, claw_back=Terms(within_months=12, reasons=(REASON, ClawBackReason.RELATED_PARTY)))


class Misused:
    """An order of 10 credits, settled: 3 from a voucher that may be asked back, 7 from a wallet of `wallet_uc`."""

    def __init__(self, *, wallet_uc=100 * CREDIT):
        self.seller, self.buyer = open_stall(), found_buyer(wallet_uc=wallet_uc)
        voucher_id = give_voucher(self.buyer.organisation_id, amount_uc=10 * CREDIT, rule=OWN)
        self.voucher = Voucher.objects.select_related("programme").get(id=voucher_id)
        self.order = buy(self.buyer, spec=make_spec(walltime_s=10_000, resources={"cores": 4}))
        finish(self.seller.agent, ms=10_000_000)
        reconcile(now=SETTLED)
        self.wallet, self.fund = wallet_of(self.buyer), self.voucher.programme.account_id

    def ask(self, *, actor=None, reason=REASON, order_ids=None, now=SETTLED):
        return ask_back(
            actor=actor or found_operator(),
            voucher_id=self.voucher.id,
            reason=reason,
            detail="The founding day is another.",
            order_ids=order_ids or [self.order.id],
            now=now,
        )

    def take(self, *, now=SETTLED):
        case_id = self.ask(now=now)
        approve(case_id, now=now)
        reconcile_funding(now=now)
        return case_id

    def dispute(self, *, claim_uc):
        return open_dispute(actor=self.buyer, order_id=self.order.id, claim_uc=claim_uc, reason="idle", now=SETTLED)

    def uphold(self, case_id):
        decide_case(actor=found_operator(), case_id=case_id, decision=Decision.APPROVE, reason="looked", now=SETTLED)
        reconcile(now=SETTLED)
        reconcile_funding(now=SETTLED)

    def owed_uc(self):
        return -sum_posted(AccountKind.MEMBER_DEBT, owner_id=self.buyer.organisation_id)

    def look(self):
        """Return what wallet and fund have, and what is owed, once the books are found to be right."""
        assert verify(now=SETTLED).is_balanced
        assert self.owed_uc() == sum_posted(AccountKind.RECEIVABLE)
        for row in ClawBack.objects.all():
            used_uc = sum(each.use.amount_uc for each in row.uses.select_related("use"))
            assert 0 <= row.taken_uc <= row.claimed_uc <= used_uc
        assert sum(row.claimed_uc - row.taken_uc for row in ClawBack.objects.all()) == self.owed_uc()
        return [available_uc(self.wallet), available_uc(self.fund), self.owed_uc()]


def sum_posted(kind, **wanted):
    accounts = list(Account.objects.filter(kind=kind, **wanted).values_list("id", flat=True))
    return sum(each.posted_uc for each in get_balances(account_ids=accounts).values())


def in_uc(*amounts):
    return [round(amount * CREDIT) for amount in amounts]


def spend(account, amount_uc):
    outside = open_account(kind=AccountKind.OUTSIDE, owner_id="hub", purpose="", now=NOW)
    require_posted(results=post_many(groups=[link(post(account, outside, amount_uc))], now=NOW))


def kinds_told():
    return set(Notice.objects.filter(kind__startswith="funding.claw_back").values_list("kind", flat=True))


def test_two_other_operators_decide_and_then_the_wallet_pays_once():
    misused, operator = Misused(), found_operator()
    case_id = misused.ask(actor=operator)
    with pytest.raises(NotAllowed):
        decide_case(actor=operator, case_id=case_id, decision=Decision.APPROVE, reason="mine", now=SETTLED)
    approve(case_id, approvals=1, now=SETTLED)
    reconcile_funding(now=SETTLED)
    assert misused.look() == in_uc(93, 0, 0)

    approve(case_id, approvals=1, now=SETTLED)
    event = {"case_id": case_id, "kind": "funding.claw_back", "subject_id": ClawBack.objects.get().id}
    for _ in range(2):
        on_case_decided(event, now=SETTLED)
        reconcile_funding(now=SETTLED)
    assert misused.look() == in_uc(90, 3, 0)
    assert Entry.objects.filter(kind="funding.claw_back").count() == 1
    assert kinds_told() == {"funding.claw_back_asked", "funding.claw_back_approved"}
    case = Case.objects.get(id=case_id)
    assert case.organisation_id == misused.buyer.organisation_id
    assert case.facts["rule_sha256"] == OWN.sha256
    assert case.facts["order_ids"] == [misused.order.id]


def test_a_refused_request_takes_nothing_and_may_be_asked_anew():
    misused = Misused()
    refuse(misused.ask(), now=SETTLED)
    reconcile_funding(now=SETTLED)

    assert misused.look() == in_uc(93, 0, 0)
    assert "funding.claw_back_refused" in kinds_told()
    misused.take()
    assert misused.look() == in_uc(90, 3, 0)


def test_what_the_wallet_lacks_is_owed_and_taken_from_what_comes_in_later():
    misused = Misused(wallet_uc=8 * CREDIT)
    misused.take()
    assert misused.look() == in_uc(0, 1, 2)

    pay_in(misused.wallet, CREDIT // 2)
    reconcile_funding(now=SETTLED)
    assert misused.look() == in_uc(0, 1.5, 1.5)
    pay_in(misused.wallet, 5 * CREDIT)
    for _ in range(2):
        reconcile_funding(now=SETTLED)
    assert misused.look() == in_uc(3.5, 3, 0)


def test_bean_check_accepts_books_in_which_something_is_owed(tmp_path):
    misused = Misused(wallet_uc=8 * CREDIT)
    misused.take()
    own, whole = tmp_path / "own.beancount", tmp_path / "whole.beancount"
    march = DayPeriod(begins_on=date(2026, 3, 1), ends_on=date(2026, 4, 1))
    own.write_text("".join(export_own_beancount(actor=misused.buyer, period=march)))
    call_command("ledger_export", os.fspath(whole))

    for books in (own, whole):
        assert "MemberDebt" in books.read_text()
        assert not find_bean_errors(books)


def test_nothing_is_asked_back_twice_while_it_is_asked_or_taken():
    misused = Misused()
    misused.ask()
    with pytest.raises(ClawBackRefused) as raised:
        misused.ask(reason=ClawBackReason.RELATED_PARTY)
    assert "asked back already" in raised.value.fields[0].message

    approve(Case.objects.get(kind="funding.claw_back").id, now=SETTLED)
    reconcile_funding(now=SETTLED)
    with pytest.raises(ClawBackRefused):
        misused.ask()
    assert misused.look() == in_uc(90, 3, 0)


@pytest.mark.parametrize("dispute_first", [True, False])
def test_a_refund_of_the_same_order_leaves_only_what_is_still_used_to_be_taken(dispute_first):
    misused = Misused()
    if dispute_first:
        dispute_id = misused.dispute(claim_uc=4 * CREDIT)
        misused.take()
    else:
        misused.take()
        dispute_id = misused.dispute(claim_uc=4 * CREDIT)
    assert misused.look() == in_uc(90, 3, 0)
    misused.uphold(dispute_id)

    # Of 4 refunded 1.2 are the voucher's and 2.8 the wallet's; the programme keeps 1.8 and returns 1.2.
    assert VoucherUse.objects.get(order_id=misused.order.id).amount_uc == round(1.8 * CREDIT)
    assert misused.look() == in_uc(94, 1.8, 0)
    assert available_uc(misused.voucher.account_id) == round(8.2 * CREDIT)


def test_a_refund_lowers_what_is_owed_before_anything_is_returned():
    misused = Misused(wallet_uc=8 * CREDIT)
    misused.take()
    misused.uphold(misused.dispute(claim_uc=5 * CREDIT))

    # Owed were 2 of 3. Due is 1.5 now, of which 1 was taken: the refund to the wallet pays the half that is left.
    assert misused.look() == in_uc(3, 1.5, 0)


def test_a_refund_that_was_decided_first_is_not_asked_back():
    misused = Misused()
    case_id = misused.ask()
    misused.uphold(misused.dispute(claim_uc=10 * CREDIT))
    approve(case_id, now=SETTLED)
    reconcile_funding(now=SETTLED)

    assert misused.look() == in_uc(100, 0, 0)


def test_an_appeal_that_is_approved_gives_all_back_and_lets_it_be_asked_anew():
    misused = Misused(wallet_uc=8 * CREDIT)
    first = misused.take()
    appeal_id = appeal(actor=misused.buyer, case_id=first, reason="The day is right.", now=SETTLED)
    approve(appeal_id, now=SETTLED)
    for _ in range(2):
        reconcile_funding(now=SETTLED)

    assert misused.look() == in_uc(1, 0, 0)
    (view,) = list_claw_backs(actor=misused.buyer, cursor=None, limit=5).items
    assert (view.state, view.due_uc, view.asked_uc) == ("overturned", 0, 3 * CREDIT)
    assert "funding.claw_back_overturned" in kinds_told()
    misused.take()
    assert misused.look() == in_uc(0, 1, 2)


def test_an_appeal_that_is_refused_changes_nothing():
    misused = Misused()
    first = misused.take()
    refuse(appeal(actor=misused.buyer, case_id=first, reason="The day is right.", now=SETTLED), now=SETTLED)
    reconcile_funding(now=SETTLED)

    assert misused.look() == in_uc(90, 3, 0)


def test_what_the_fund_cannot_return_yet_waits_until_it_has_money():
    misused = Misused()
    first = misused.take()
    spent = misused.voucher.programme.account_id
    spend(spent, 2 * CREDIT)
    approve(appeal(actor=misused.buyer, case_id=first, reason="The day is right.", now=SETTLED), now=SETTLED)
    reconcile_funding(now=SETTLED)
    assert available_uc(misused.wallet) == 91 * CREDIT

    pay_in(spent, 9 * CREDIT)
    for _ in range(2):
        reconcile_funding(now=SETTLED)
    assert [available_uc(misused.wallet), available_uc(spent)] == in_uc(93, 7)


class Killed(Exception):
    """The process ended here."""


def test_a_process_that_is_killed_before_it_commits_leaves_nothing_half_done():
    misused = Misused(wallet_uc=8 * CREDIT)
    approve(misused.ask(), now=SETTLED)
    with suppress(Killed), transaction.atomic():
        settle_claw_back(claw_back_id=ClawBack.objects.get().id, now=SETTLED)
        raise Killed
    assert misused.look() == in_uc(1, 0, 0)

    reconcile_funding(now=SETTLED)
    assert misused.look() == in_uc(0, 1, 2)


def test_many_who_settle_at_once_while_the_wallet_is_spent_take_what_is_due_once():
    misused = Misused(wallet_uc=9 * CREDIT)
    approve(misused.ask(), now=SETTLED)
    claw_back_id = ClawBack.objects.get().id

    def act(number):
        if number % 2:
            settle_claw_back(claw_back_id=claw_back_id, now=SETTLED)
        else:
            spend(misused.wallet, CREDIT)

    answers = call_at_once(act, range(8))
    reconcile_funding(now=SETTLED)
    wallet_uc, fund_uc, owed_uc = misused.look()
    spent = sum(answer is None for number, answer in enumerate(answers) if number % 2 == 0)
    assert (wallet_uc + fund_uc, fund_uc + owed_uc) == ((2 - spent) * CREDIT, 3 * CREDIT)
    assert all(answer is None or answer.code == "ledger.short_of_funds" for answer in answers)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"reason": ClawBackReason.OTHER_PURPOSE}, "does not let money"),
        ({"order_ids": ["ord_none"]}, "not used for ord_none"),
        ({"now": SETTLED + timedelta(days=366)}, "more than 12 months ago"),
    ],
)
def test_what_the_rule_does_not_allow_is_refused_with_its_reason(change, why):
    misused = Misused()
    with pytest.raises(ClawBackRefused) as raised:
        misused.ask(**change)

    assert why in raised.value.fields[0].message
    assert not ClawBack.objects.exists()


def test_an_order_that_still_runs_cannot_be_asked_back():
    misused = Misused()
    running = buy(misused.buyer, spec=make_spec(walltime_s=1_000), seconds=12_000)
    with pytest.raises(ClawBackRefused) as raised:
        misused.ask(order_ids=[running.id], now=at(12_001))

    assert "not settled yet" in raised.value.fields[0].message


def test_only_operators_ask_back_and_an_organisation_sees_its_own_alone():
    misused, stranger = Misused(), found_owner()
    with pytest.raises(NotAllowed):
        misused.ask(actor=misused.buyer)
    with pytest.raises(NotAllowed):
        get_askable(actor=misused.buyer, voucher_id=misused.voucher.id)
    with pytest.raises(VoucherMissing):
        get_askable(actor=found_operator(), voucher_id="vou_none")
    misused.take()

    assert not list_claw_backs(actor=stranger, cursor=None, limit=5).items
    (own,) = list_claw_backs(actor=misused.buyer, cursor=None, limit=5).items
    (seen,) = list_claw_backs(actor=found_operator(), cursor=None, limit=5).items
    assert own == seen
    assert (own.due_uc, own.taken_uc, own.owed_uc, own.order_ids) == (3 * CREDIT, 3 * CREDIT, 0, (misused.order.id,))
