import pytest

from lilong.common.errors import NotAllowed, NotFound
from lilong.foundation.cases.public import Decision, decide_case
from lilong.foundation.record.models import Entry
from lilong.platforms.funding.core.rules import VoucherRuleInvalid
from lilong.platforms.funding.models import FundRequest, RuleVersion
from lilong.platforms.funding.public import VoucherRule, create_programme, fund_programme, list_programmes
from lilong.platforms.funding.reactions import on_case_decided, reconcile
from lilong.platforms.funding.services.programmes import FundAmountInvalid, ProgrammeNameTaken
from tests.books import available_uc
from tests.people import NOW, found_operator, found_owner
from tests.programmes import CREDIT, RULE, approve, make_programme, publish, refuse

pytestmark = pytest.mark.django_db(transaction=True)


def ask_for_money(programme, *, amount_uc=5 * CREDIT):
    return fund_programme(
        actor=found_operator(), programme_id=programme.id, amount_uc=amount_uc, reference="payment 1", now=NOW
    )


def test_a_fund_gets_money_when_two_others_approve_and_not_before():
    programme = make_programme()
    case_id = ask_for_money(programme)
    approve(case_id, approvals=1)
    reconcile(now=NOW)
    assert available_uc(programme.account_id) == 0

    approve(case_id, approvals=1)
    reconcile(now=NOW)
    assert available_uc(programme.account_id) == 5 * CREDIT


def test_who_asked_for_the_money_cannot_approve_it():
    operator = found_operator()
    programme = make_programme(operator=operator)
    fund_programme(actor=operator, programme_id=programme.id, amount_uc=1, reference="r", now=NOW)
    case_id = FundRequest.objects.get().case_id

    with pytest.raises(NotAllowed):
        decide_case(actor=operator, case_id=case_id, decision=Decision.APPROVE, reason="mine", now=NOW)


def test_money_enters_once_however_often_the_decision_is_told():
    programme = make_programme()
    case_id = ask_for_money(programme)
    approve(case_id)
    event = {"case_id": case_id, "kind": "funding.fund_programme", "subject_id": "", "decision": "approved"}
    for _ in range(2):
        on_case_decided(event, now=NOW)
        reconcile(now=NOW)

    assert available_uc(programme.account_id) == 5 * CREDIT
    assert Entry.objects.filter(kind="ledger.top_up").count() == 1


def test_a_refused_request_is_closed_without_money():
    programme = make_programme()
    refuse(ask_for_money(programme))
    reconcile(now=NOW)

    request = FundRequest.objects.get()
    assert (request.closed_at, request.posted) == (NOW, False)
    assert available_uc(programme.account_id) == 0


def test_a_rule_is_published_in_versions_that_stay_and_are_recorded_by_hash():
    operator = found_operator()
    programme = make_programme(operator=operator)
    other = VoucherRule(rate_ppm=200_000, cap_uc=CREDIT, expires_in_days=5)

    publish(programme, other)
    assert [row.rule for row in RuleVersion.objects.order_by("version")] == [RULE, other]
    assert Entry.objects.filter(kind="funding.programme_rules").count() == 2
    (view,) = list_programmes(actor=operator, cursor=None, limit=10, now=NOW).items
    assert (view.rule, view.rule_version, view.rule_sha256) == (other, 2, other.sha256)


def test_a_rule_out_of_range_is_refused():
    with pytest.raises(VoucherRuleInvalid):
        make_programme(rule=VoucherRule(rate_ppm=0, cap_uc=1, expires_in_days=1))


def test_two_programmes_do_not_share_a_name():
    make_programme(name="One")
    with pytest.raises(ProgrammeNameTaken):
        make_programme(name="One")


@pytest.mark.parametrize("amount_uc", [0, -1, 10**15 + 1])
def test_an_amount_out_of_range_is_refused(amount_uc):
    with pytest.raises(FundAmountInvalid):
        ask_for_money(make_programme(), amount_uc=amount_uc)


def test_a_programme_that_does_not_exist_is_not_found():
    with pytest.raises(NotFound):
        fund_programme(actor=found_operator(), programme_id="prg_none", amount_uc=1, reference="r", now=NOW)


def test_only_the_hub_makes_programmes():
    with pytest.raises(NotAllowed):
        create_programme(actor=found_owner(), name="Mine", rule=RULE, now=NOW)
