import pytest

from lilong.common.errors import NotAllowed
from lilong.common.permissions import Actor
from lilong.foundation.cases.public import Decision, decide_case
from lilong.foundation.ledger.core.payments import PayOutState, TopUpState
from lilong.foundation.ledger.models import Account, PayOut, TopUp
from lilong.foundation.ledger.public import AccountKind, ShortOfFunds, get_balances, open_account
from lilong.foundation.ledger.queries.payments import PayOutMissing, get_pay_out, list_pay_outs, list_top_ups
from lilong.foundation.ledger.queries.verification import verify
from lilong.foundation.ledger.reactions import on_case_decided, reconcile
from lilong.foundation.ledger.services.payments import (
    AmountOutOfRange,
    PayOutNotApproved,
    PayOutsFrozen,
    ReferenceUsed,
    confirm_pay_out,
    request_pay_out,
    request_top_up,
)
from lilong.foundation.record.models import Entry
from tests.actors import make_operator, make_person
from tests.books import NOW, available_uc, open_funded
from tests.record_hub import Auditor

pytestmark = pytest.mark.django_db


def decide(case_id: str, *decisions: Decision) -> None:
    for decision in decisions:
        decide_case(actor=make_operator(), case_id=case_id, decision=decision, reason="Looked at.", now=NOW)


def wallet_of(owner) -> str:
    return open_account(kind=AccountKind.WALLET, owner_id=owner.organisation_id, purpose="", now=NOW)


def earn(amount_uc: int) -> tuple[str, Actor]:
    account = open_funded(kind=AccountKind.PROVIDER_AVAILABLE, amount_uc=amount_uc)
    return account, make_person(organisation_id=Account.objects.get(pk=account).owner_id)


def ask_top_up(owner, *, amount_uc: int = 50, reference: str = "bank 1") -> str:
    return request_top_up(
        actor=owner, organisation_id=owner.organisation_id, amount_uc=amount_uc, reference=reference, now=NOW
    )


def ask_pay_out(owner, *, amount_uc: int) -> str:
    return request_pay_out(
        actor=owner, organisation_id=owner.organisation_id, amount_uc=amount_uc, beneficiary="DE00 1234", now=NOW
    )


def test_a_top_up_is_entered_once_when_two_people_of_the_hub_approve():
    owner = make_person()
    case_id = ask_top_up(owner)
    decide(case_id, Decision.APPROVE)
    reconcile(NOW)
    assert available_uc(wallet_of(owner)) == 0

    decide(case_id, Decision.APPROVE)
    top_up = TopUp.objects.get(case_id=case_id)
    for _ in range(2):
        payload = {"kind": "ledger.top_up", "subject_id": top_up.id, "decision": "approved"}
        on_case_decided(payload, now=NOW)
        reconcile(NOW)

    assert available_uc(wallet_of(owner)) == 50
    assert TopUp.objects.get(case_id=case_id).state == TopUpState.POSTED
    assert Entry.objects.filter(kind="ledger.top_up", subject_id=top_up.id).count() == 1
    assert verify(now=NOW).is_balanced


def test_a_refused_top_up_enters_nothing():
    owner = make_person()
    case_id = ask_top_up(owner)

    decide(case_id, Decision.REFUSE)
    reconcile(NOW)

    assert available_uc(wallet_of(owner)) == 0
    assert [each.state for each in list_top_ups(actor=owner, cursor=None, limit=5).items] == [TopUpState.REFUSED]


def test_one_payment_of_a_bank_is_entered_once():
    owner = make_person()

    assert ask_top_up(owner) == ask_top_up(owner)
    with pytest.raises(ReferenceUsed):
        ask_top_up(owner, amount_uc=51)
    with pytest.raises(AmountOutOfRange):
        ask_top_up(owner, amount_uc=0)
    with pytest.raises(NotAllowed, match="another organisation"):
        request_top_up(actor=owner, organisation_id="org_x", amount_uc=5, reference="bank 1", now=NOW)


def test_an_operator_who_asks_does_not_decide():
    operator = make_operator()
    case_id = request_top_up(actor=operator, organisation_id="org_hub", amount_uc=5, reference="bank 1", now=NOW)

    with pytest.raises(NotAllowed):
        decide_case(actor=operator, case_id=case_id, decision=Decision.APPROVE, reason="Mine.", now=NOW)
    decide(case_id, Decision.APPROVE, Decision.APPROVE)


def test_a_pay_out_leaves_when_it_is_approved_by_two_and_sent_once():
    account, owner = earn(100)
    pay_out_id = ask_pay_out(owner, amount_uc=60)
    assert available_uc(account) == 40
    with pytest.raises(ShortOfFunds):
        ask_pay_out(owner, amount_uc=41)
    with pytest.raises(PayOutNotApproved):
        confirm_pay_out(actor=make_operator(), pay_out_id=pay_out_id, bank_reference="b", now=NOW)

    decide(PayOut.objects.get(pk=pay_out_id).case_id, Decision.APPROVE, Decision.APPROVE)
    reconcile(NOW)
    assert pay_out_id in get_pay_out(actor=owner, pay_out_id=pay_out_id).instruction
    for _ in range(2):
        confirm_pay_out(actor=make_operator(), pay_out_id=pay_out_id, bank_reference="b 7", now=NOW)

    balance = get_balances(account_ids=[account])[account]
    assert (balance.posted_uc, balance.pending_out_uc) == (40, 0)
    assert Entry.objects.filter(kind="ledger.pay_out", subject_id=pay_out_id).count() == 1
    with pytest.raises(NotAllowed):
        confirm_pay_out(actor=owner, pay_out_id=pay_out_id, bank_reference="b 8", now=NOW)
    with pytest.raises(PayOutNotApproved):
        confirm_pay_out(actor=make_operator(), pay_out_id=pay_out_id, bank_reference="b 8", now=NOW)
    with pytest.raises(PayOutMissing):
        get_pay_out(actor=make_person(), pay_out_id=pay_out_id)


def test_a_refused_pay_out_gives_its_amount_back():
    account, owner = earn(100)
    pay_out_id = ask_pay_out(owner, amount_uc=60)

    decide(PayOut.objects.get(pk=pay_out_id).case_id, Decision.REFUSE)
    reconcile(NOW)

    assert available_uc(account) == 100
    assert [each.state for each in list_pay_outs(actor=owner, cursor=None, limit=5).items] == [PayOutState.REFUSED]


def test_nothing_is_paid_out_while_the_record_may_be_a_restored_one(settings, tmp_path):
    account, owner = earn(100)
    held = ask_pay_out(owner, amount_uc=10)
    decide(PayOut.objects.get(pk=held).case_id, Decision.APPROVE, Decision.APPROVE)
    silent = Auditor(tmp_path / "witness", "witness.example").setting
    trusting = settings.LILONG
    settings.LILONG = trusting.model_copy(update={"witnesses": (silent,), "witnesses_required": 1})

    reconcile(NOW)
    with pytest.raises(PayOutsFrozen):
        ask_pay_out(owner, amount_uc=10)
    with pytest.raises(PayOutsFrozen):
        confirm_pay_out(actor=make_operator(), pay_out_id=held, bank_reference="b", now=NOW)
    assert get_pay_out(actor=owner, pay_out_id=held).state is PayOutState.REQUESTED

    settings.LILONG = trusting
    reconcile(NOW)
    assert get_pay_out(actor=owner, pay_out_id=held).state is PayOutState.APPROVED
    assert available_uc(account) == 90
