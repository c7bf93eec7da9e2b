"""Deciding cases by page: opinions, refusals that explain themselves, what the applicant sees, appeals."""

import re
from datetime import timedelta

import pytest
from django.db import transaction

from lilong.common.permissions import Role
from lilong.foundation.cases.core.decisions import CaseState
from lilong.foundation.cases.models import Case, CaseOpinion
from lilong.foundation.ledger.services.payments import request_top_up
from tests.desks import browse_as
from tests.market import CREDIT
from tests.people import join

PAGE_WITH_A_FORM = "/account/"
pytestmark = pytest.mark.django_db(transaction=True)


def read(answer):
    return " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode()).split())


def decide(actor, case_id, decision, reason="Seen at the bank."):
    fields = {"decision": decision, "reason": reason}
    return browse_as(actor).post(f"/desk/cases/{case_id}", fields, page=PAGE_WITH_A_FORM)


def test_two_operators_decide_and_the_applicant_reads_the_reason(filled):
    case_id = filled.cases["top_up"]
    first = decide(filled.operator, case_id, "approve")
    assert (first.status_code, first["Location"]) == (302, f"/desk/cases/{case_id}")
    assert "1 of 2 approvals so far" in read(browse_as(filled.buyer).get(f"/cases/{case_id}"))

    decide(filled.colleague, case_id, "approve", reason="The payment arrived.")
    shown = read(browse_as(filled.buyer).get(f"/cases/{case_id}"))
    assert "Approved The payment arrived." in shown
    assert Case.objects.get(id=case_id).state == CaseState.APPROVED


def test_a_decision_links_to_its_entry_in_the_record(filled):
    decide(filled.operator, filled.cases["top_up"], "refuse", reason="No payment arrived.")
    page = browse_as(filled.operator).get(f"/desk/cases/{filled.cases['top_up']}").content.decode()
    about = f"/record/about/{filled.cases['top_up']}"

    assert about in page
    assert "cases.decision" in read(browse_as(filled.buyer).get(about))


def test_an_opinion_needs_a_reason(filled):
    answer = decide(filled.operator, filled.cases["top_up"], "approve", reason="  ")

    assert answer.status_code == 200
    assert 'aria-invalid="true"' in answer.content.decode()
    assert not CaseOpinion.objects.filter(case_id=filled.cases["top_up"]).exists()


def test_who_opened_a_case_is_told_so_instead_of_a_form_and_refused_all_the_same(filled):
    operator = filled.operator
    case_id = request_top_up(
        actor=operator,
        organisation_id=filled.buyer.organisation_id,
        amount_uc=CREDIT,
        reference="INV-9",
        now=filled.now,
    )
    page = browse_as(operator).get(f"/desk/cases/{case_id}")
    assert "You opened this case: others decide it." in read(page)
    assert 'name="reason"' not in page.content.decode()

    refused = decide(operator, case_id, "approve")
    assert refused.status_code == 403
    assert "You opened this case: others decide it." in read(refused)


def test_nobody_says_something_twice_and_is_told_in_chinese(filled):
    decide(filled.operator, filled.cases["top_up"], "approve")
    browser = browse_as(filled.operator)
    browser.client.cookies["language"] = "zh-hans"

    assert "您已对此事项表态。" in read(browser.get(f"/desk/cases/{filled.cases['top_up']}"))


def test_a_case_that_was_decided_meanwhile_says_so(filled):
    decide(filled.operator, filled.cases["top_up"], "refuse", reason="No payment arrived.")
    late = decide(filled.colleague, filled.cases["top_up"], "approve")

    assert late.status_code == 409
    assert "No payment arrived." in read(late)


def test_a_refusal_is_appealed_against_once_by_those_who_speak_for_the_organisation(filled):
    case_id = filled.cases["top_up"]
    decide(filled.operator, case_id, "refuse", reason="No payment arrived.")
    path = f"/cases/{case_id}"
    member = browse_as(join(filled.buyer, Role.MEMBER))
    assert 'name="reason"' not in member.get(path).content.decode()
    assert member.post(path, {"reason": "It did."}, page=PAGE_WITH_A_FORM).status_code == 403

    owner = browse_as(filled.buyer)
    sent = owner.post(path, {"reason": "Here is the slip."})
    appeal = Case.objects.get(appeal_of=case_id)
    assert sent["Location"] == f"/cases/{appeal.id}"
    assert "You have appealed." in read(owner.get(path))
    assert "Here is the slip." in read(owner.get(f"/cases/{appeal.id}"))
    assert owner.post(path, {"reason": "Again."}, page=PAGE_WITH_A_FORM).status_code == 409


def test_who_refused_has_no_say_in_the_appeal(filled):
    case_id = filled.cases["top_up"]
    decide(filled.operator, case_id, "refuse")
    browse_as(filled.buyer).post(f"/cases/{case_id}", {"reason": "Here is the slip."})
    appeal = Case.objects.get(appeal_of=case_id)

    page = f"/desk/cases/{appeal.id}"
    assert "You had a say in the decision appealed against" in read(browse_as(filled.operator).get(page))
    assert 'name="reason"' in browse_as(filled.colleague).get(page).content.decode()
    for actor in (filled.colleague, filled.add_operator()):
        decide(actor, appeal.id, "approve", reason="The slip is real.")
    assert "so what you asked for happens all the same" in read(browse_as(filled.buyer).get(f"/cases/{case_id}"))


def test_after_its_time_there_is_no_appeal(filled):
    case_id = filled.cases["top_up"]
    decide(filled.operator, case_id, "refuse")
    with transaction.atomic():
        Case.objects.filter(id=case_id).update(decided_at=filled.now - timedelta(days=31))

    assert "The time for an appeal is over." in read(browse_as(filled.buyer).get(f"/cases/{case_id}"))


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("", {"top_up", "late", "dispute", "review"}),
        ("?state=overdue", {"late"}),
        ("?state=approved&kind=ledger.pay_out", {"pay_out"}),
        ("?state=all&kind=supermarket.dispute", {"dispute"}),
        ("?state=nonsense", {"top_up", "late", "dispute", "review"}),
    ],
)
def test_cases_are_listed_by_state_and_kind(filled, query, shown):
    page = browse_as(filled.operator).get(f"/desk/cases{query}").content.decode()

    assert {name for name, case_id in filled.cases.items() if case_id in page} == shown


def test_the_desk_puts_first_what_is_due_first(filled):
    page = browse_as(filled.operator).get("/desk").content.decode()
    cases = re.findall(r'waiting-what" href="/desk/cases/(\w+)"', page)

    assert cases[0] == filled.cases["late"]
    assert read(browse_as(filled.operator).get("/desk")).count("Overdue") == 1
