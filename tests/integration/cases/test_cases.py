from datetime import timedelta

import pytest

from lilong.common.errors import NotAllowed
from lilong.common.ids import new_id
from lilong.common.permissions import Actor
from lilong.foundation.cases.public import (
    CaseClosed,
    CaseMissing,
    CaseState,
    Decision,
    decide_case,
    get_many,
    open_case,
)
from lilong.foundation.cases.queries import CaseFilter, get_case, list_cases
from lilong.foundation.cases.reactions import reconcile
from lilong.foundation.outbox.models import WaitingEvent
from lilong.foundation.record.models import Entry
from tests.actors import make_operator, make_person
from tests.books import NOW

pytestmark = pytest.mark.django_db


def open_for(owner: Actor, *, approvals_needed: int = 2, subject_id: str = "") -> str:
    return open_case(
        kind="ledger.top_up" if approvals_needed == 2 else "supermarket.dispute",
        subject_id=subject_id or new_id("top"),
        organisation_id=owner.organisation_id,
        opened_by=owner.person_id,
        facts={"amount_uc": 5},
        now=NOW,
    )


def approve(case_id: str, actor: Actor) -> CaseState:
    return decide_case(
        actor=actor, case_id=case_id, decision=Decision.APPROVE, reason="It is on the statement.", now=NOW
    )


def test_the_same_request_opens_one_case():
    owner = make_person()

    assert open_for(owner, subject_id="top_1") == open_for(owner, subject_id="top_1")


def test_the_last_approval_of_distinct_people_decides():
    case_id, first = open_for(make_person()), make_operator()

    assert approve(case_id, first) is CaseState.OPEN
    with pytest.raises(NotAllowed, match="already"):
        approve(case_id, first)
    assert approve(case_id, make_operator()) is CaseState.APPROVED
    with pytest.raises(CaseClosed):
        approve(case_id, make_operator())


def test_one_refusal_decides():
    case_id = open_for(make_person())
    approve(case_id, make_operator())

    decide_case(actor=make_operator(), case_id=case_id, decision=Decision.REFUSE, reason="Not our account.", now=NOW)

    assert get_many(case_ids=[case_id])[case_id].state is CaseState.REFUSED


def test_nobody_decides_on_her_own_request():
    operator, owner = make_operator(), make_person()

    with pytest.raises(NotAllowed, match="opened this case"):
        approve(open_for(operator, subject_id="top_2"), operator)
    with pytest.raises(NotAllowed, match="your own organisation"):
        approve(open_for(operator, subject_id="top_3"), make_operator())
    with pytest.raises(NotAllowed, match="Your role"):
        approve(open_for(owner), make_person())


def test_a_decision_stands_in_the_record_and_wakes_those_who_wait():
    case_id = open_for(make_person(), approvals_needed=1)

    approve(case_id, make_operator())

    entry = Entry.objects.get(subject_id=case_id)
    assert entry.kind == "cases.decision"
    event = WaitingEvent.objects.get(name="cases.case_decided")
    assert event.payload["decision"] == "approved"
    assert event.payload["case_id"] == case_id


def test_a_case_of_another_organisation_does_not_exist():
    mine, other = make_person(), make_person()
    case_id = open_for(mine)

    assert get_case(actor=mine, case_id=case_id).facts == {"amount_uc": 5}
    with pytest.raises(CaseMissing):
        get_case(actor=other, case_id=case_id)
    assert [case.id for case in list_cases(actor=mine, wanted=CaseFilter(), cursor=None, limit=5).items] == [case_id]
    assert not list_cases(actor=other, wanted=CaseFilter(state=CaseState.OPEN), cursor=None, limit=5).items


def test_a_page_of_cases_costs_two_queries(django_assert_num_queries):
    operator = make_operator()
    for _ in range(5):
        approve(open_for(make_person()), operator)

    with django_assert_num_queries(2):
        page = list_cases(actor=operator, wanted=CaseFilter(state=CaseState.OPEN), cursor=None, limit=5)
    assert all(case.opinions for case in page.items)


def test_an_open_case_is_overdue_when_its_time_is_over():
    owner = make_person()
    late, done = open_for(owner), open_for(owner, approvals_needed=1)
    approve(done, make_operator())

    reconcile(NOW + timedelta(days=14))

    cases = get_many(case_ids=[late, done])
    assert cases[late].is_overdue
    assert not cases[done].is_overdue
