from datetime import timedelta

import pytest

from lilong.common.errors import NotAllowed
from lilong.common.permissions import Role
from lilong.foundation.cases.core.terms import KindUnknown
from lilong.foundation.cases.models import Case
from lilong.foundation.cases.public import (
    CaseClosed,
    CaseMissing,
    CaseState,
    Decision,
    decide_case,
    get_many,
    open_case,
)
from lilong.foundation.cases.queries import CaseFilter, get_case, list_cases, load_terms
from lilong.foundation.cases.reactions import reconcile
from lilong.foundation.cases.services.appeals import AppealImpossible, appeal
from lilong.foundation.cases.services.assignments import AssigneeUnfit, assign_case
from lilong.foundation.ledger.models import TopUp
from lilong.foundation.ledger.reactions import reconcile as reconcile_ledger
from lilong.foundation.ledger.services.payments import request_top_up
from lilong.foundation.members.public import OrganisationKind, OrganisationState, get_organisations
from lilong.foundation.notices.queries.inbox import Shown, list_letters
from lilong.foundation.notices.reactions import reconcile as tell
from lilong.foundation.outbox.models import WaitingEvent
from lilong.foundation.record.models import Entry
from tests.people import NOW, act, found_operator, found_organisation, found_owner, join

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def ask_for_money(owner):
    return request_top_up(
        actor=owner, organisation_id=owner.organisation_id, amount_uc=5_000_000, reference="bank 1", now=NOW
    )


def decide(case_id, operator, decision=Decision.REFUSE, *, now=NOW):
    return decide_case(actor=operator, case_id=case_id, decision=decision, reason="As the statement says.", now=now)


def appeal_now(owner, case_id, *, now=NOW):
    return appeal(actor=owner, case_id=case_id, reason="It is on page two.", now=now)


def kinds_told(actor):
    tell(now=NOW)
    return sorted(letter.kind for letter in list_letters(actor=actor, shown=Shown.ALL, cursor=None, limit=50).items)


def test_an_appeal_that_is_approved_does_what_the_first_approval_would_have_done():
    owner, judges = found_owner(), [found_operator() for _ in range(3)]
    first_id = ask_for_money(owner)
    decide(first_id, judges[0])
    reconcile_ledger(NOW)
    assert TopUp.objects.get().state == "refused"

    appeal_id = appeal_now(owner, first_id)
    with pytest.raises(NotAllowed, match="had a say"):
        decide(appeal_id, judges[0], Decision.APPROVE)
    assert decide(appeal_id, judges[1], Decision.APPROVE) is CaseState.OPEN
    assert decide(appeal_id, judges[2], Decision.APPROVE) is CaseState.APPROVED
    reconcile_ledger(NOW)
    reconcile_ledger(NOW)

    first = get_case(actor=owner, case_id=first_id)
    assert (first.state, first.outcome, first.appeal_id) == (CaseState.REFUSED, CaseState.APPROVED, appeal_id)
    assert get_case(actor=owner, case_id=appeal_id).appeal_of_id == first_id
    assert TopUp.objects.get().state == "posted"
    assert Entry.objects.filter(kind="ledger.top_up").count() == 1
    assert Entry.objects.get(subject_id=appeal_id).kind == "cases.decision"
    assert {"ledger.top_up_refused", "ledger.top_up_posted"} <= set(kinds_told(owner))


def test_an_organisation_that_was_refused_is_admitted_after_its_appeal():
    applied = found_organisation(kind=OrganisationKind.PROVIDER, state=OrganisationState.APPLIED)
    owner = act(applied.token.secret)
    reconcile(NOW)
    case = Case.objects.get(subject_id=applied.organisation_id)
    decide(case.id, found_operator())
    reconcile(NOW)
    shown = get_case(actor=owner, case_id=case.id)
    assert (shown.rule_name, shown.rule_version, shown.rule_distance, shown.reason) == (
        "admission",
        "2",
        199,
        "As the statement says.",
    )
    assert shown.say_next_step(now=NOW).startswith("Appeal until 2026-03-31T12:00:00.000000Z")

    decide(appeal_now(owner, case.id), found_operator(), Decision.APPROVE)
    reconcile(NOW)

    organisation = get_organisations(organisation_ids=[applied.organisation_id])[applied.organisation_id]
    assert organisation.state is OrganisationState.ADMITTED
    assert kinds_told(owner) == ["cases.admission_approved", "cases.admission_refused"]


def test_a_refused_appeal_is_the_end_of_it():
    owner, judges = found_owner(), [found_operator(), found_operator()]
    first_id = ask_for_money(owner)
    decide(first_id, judges[0])
    appeal_id = appeal_now(owner, first_id)
    decide(appeal_id, judges[1])
    reconcile_ledger(NOW)

    assert get_many(case_ids=[first_id])[first_id].outcome is CaseState.REFUSED
    for case_id in (first_id, appeal_id):
        with pytest.raises(AppealImpossible):
            appeal_now(owner, case_id)
    assert get_case(actor=owner, case_id=first_id).say_next_step(now=NOW).startswith("Ask again")
    assert "cases.appeal_refused" in kinds_told(owner)


def test_an_appeal_has_its_time_and_its_people():
    owner = found_owner()
    case_id = ask_for_money(owner)
    with pytest.raises(AppealImpossible, match="open"):
        appeal_now(owner, case_id)
    decide(case_id, found_operator())
    with pytest.raises(AppealImpossible, match="ended"):
        appeal_now(owner, case_id, now=NOW + 30 * DAY)
    with pytest.raises(NotAllowed):
        appeal_now(join(owner, Role.MEMBER), case_id)
    with pytest.raises(NotAllowed):
        appeal_now(found_operator(), case_id)
    with pytest.raises(CaseMissing):
        appeal_now(found_owner(), case_id)

    assert appeal_now(owner, case_id, now=NOW + 30 * DAY - timedelta(seconds=1))


def test_a_kind_without_appeal_says_what_else_can_be_done():
    case_id = open_case(
        kind="supermarket.dispute", subject_id="dsp_1", organisation_id="org_1", opened_by="", facts={}, now=NOW
    )
    decide(case_id, found_operator())

    (case,) = get_many(case_ids=[case_id]).values()
    assert case.appeal_until is None
    assert case.say_next_step(now=NOW).startswith("Write to the operator")


def test_a_kind_that_the_terms_do_not_name_cannot_be_opened():
    with pytest.raises(KindUnknown):
        open_case(kind="no.such", subject_id="x", organisation_id="", opened_by="", facts={}, now=NOW)


def test_a_case_keeps_the_terms_it_was_opened_on():
    case = Case.objects.get(id=ask_for_money(found_owner()))

    published = load_terms().published
    assert (case.terms_version, case.terms_sha256) == (published.version, published.sha256)
    assert (case.approvals_needed, case.due_at) == (2, NOW + 14 * DAY)
    assert case.appeal_within_s == 30 * 86400


def test_a_case_that_is_overdue_is_escalated_once():
    owner, operator = found_owner(), found_operator()
    case_id = ask_for_money(owner)
    for moment in (NOW + 14 * DAY, NOW + 15 * DAY):
        reconcile(moment)

    assert WaitingEvent.objects.filter(name="cases.case_overdue").count() == 1
    assert get_many(case_ids=[case_id])[case_id].is_overdue
    assert kinds_told(operator) == ["cases.overdue", "cases.to_decide"]
    assert kinds_told(owner) == ["cases.late"]
    wanted = CaseFilter(is_overdue=True, kind="ledger.top_up")
    assert [case.id for case in list_cases(actor=operator, wanted=wanted, cursor=None, limit=5).items] == [case_id]
    wanted = CaseFilter(is_overdue=False)
    assert not list_cases(actor=operator, wanted=wanted, cursor=None, limit=5).items


def test_a_case_is_expected_from_one_operator_who_may_decide_it():
    owner, first, second = found_owner(), found_operator(), found_operator()
    case_id = ask_for_money(owner)
    for _ in range(2):
        assign_case(actor=first, case_id=case_id, person_id=second.person_id, now=NOW)

    assert get_many(case_ids=[case_id])[case_id].assigned_to == second.person_id
    assert kinds_told(first) == ["cases.to_decide"]
    assert kinds_told(second) == ["cases.to_decide"] * 2
    decide(case_id, first, Decision.APPROVE)
    for unfit in (owner.person_id, first.person_id, "per_nobody"):
        with pytest.raises(AssigneeUnfit):
            assign_case(actor=second, case_id=case_id, person_id=unfit, now=NOW)
    with pytest.raises(NotAllowed):
        assign_case(actor=owner, case_id=case_id, person_id="", now=NOW)
    assign_case(actor=first, case_id=case_id, person_id="", now=NOW)
    assert get_many(case_ids=[case_id])[case_id].assigned_to == ""
    decide(case_id, second)
    with pytest.raises(CaseClosed):
        assign_case(actor=first, case_id=case_id, person_id=second.person_id, now=NOW)


def test_an_application_that_the_rule_admits_bothers_no_operator():
    operator = found_operator()
    applied = found_organisation(state=OrganisationState.APPLIED)
    reconcile(NOW)

    assert kinds_told(operator) == []
    assert kinds_told(act(applied.token.secret)) == ["cases.admission_approved"]
