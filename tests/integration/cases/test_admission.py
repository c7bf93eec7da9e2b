from datetime import date, timedelta

import pytest

from lilong.foundation.cases.core.admission import ADMISSION_CASE
from lilong.foundation.cases.models import Case
from lilong.foundation.cases.public import CaseState, Decision, decide_case
from lilong.foundation.cases.reactions import on_case_decided, on_organisation_applied, reconcile
from lilong.foundation.cases.services.admission import load_admission_rule
from lilong.foundation.members.models import OrganisationStanding
from lilong.foundation.members.public import OrganisationKind, OrganisationState, StandingKind, get_organisations
from lilong.foundation.record.models import Entry
from tests.actors import make_operator
from tests.people import NOW, found_organisation

pytestmark = pytest.mark.django_db


def apply(kind: OrganisationKind = OrganisationKind.RESIDENT) -> str:
    return found_organisation(kind=kind, state=OrganisationState.APPLIED).organisation_id


def state_of(organisation_id: str) -> OrganisationState:
    return get_organisations(organisation_ids=[organisation_id])[organisation_id].state


def case_of(organisation_id: str) -> Case:
    return Case.objects.get(kind=ADMISSION_CASE, subject_id=organisation_id)


@pytest.mark.parametrize("wake", ["event", "reconcile"])
def test_a_resident_is_admitted_by_the_published_rule(wake):
    organisation_id = apply()

    for _ in range(2):
        if wake == "event":
            on_organisation_applied({"organisation_id": organisation_id}, now=NOW)
        else:
            reconcile(NOW)

    case = case_of(organisation_id)
    assert state_of(organisation_id) is OrganisationState.ADMITTED
    assert (case.state, case.rule_name, case.rule_version) == (CaseState.APPROVED, "admission", "2")
    assert len(case.rule_sha256) == 64
    assert case.rule_distance == 199
    kinds = Entry.objects.filter(subject_id__in=[organisation_id, case.id]).values_list("kind", flat=True)
    assert sorted(kinds) == ["cases.decision", "members.organisation_admitted"]


@pytest.mark.parametrize(
    ("kind", "granted"), [(OrganisationKind.RESIDENT, "resident"), (OrganisationKind.MAKER, "virtual")]
)
def test_the_rule_says_what_is_granted_and_until_when(kind, granted):
    organisation_id = apply(kind)

    reconcile(NOW)

    (standing,) = get_organisations(organisation_ids=[organisation_id])[organisation_id].standings
    assert (standing.kind, standing.starts_on, standing.ends_on) == (granted, date(2026, 3, 1), date(2027, 3, 1))
    row = OrganisationStanding.objects.get(organisation_id=organisation_id)
    assert row.reason == f"Admission {case_of(organisation_id).id}, by the rule admission 2."


def test_the_rule_grants_something_to_every_kind_that_can_apply():
    rule = load_admission_rule()

    assert rule.standings.keys() == {kind.value for kind in OrganisationKind} - {"hub"}
    assert {granted.kind for granted in rule.standings.values()} == {kind.value for kind in StandingKind}
    assert all(granted.days > 0 for granted in rule.standings.values())


def test_a_provider_waits_for_a_person():
    organisation_id = apply(OrganisationKind.PROVIDER)
    reconcile(NOW)
    reconcile(NOW)
    assert state_of(organisation_id) is OrganisationState.APPLIED
    assert "A person decides" in case_of(organisation_id).reason

    case_id = case_of(organisation_id).id
    decide_case(actor=make_operator(), case_id=case_id, decision=Decision.APPROVE, reason="Known to us.", now=NOW)
    payload = {"case_id": case_id, "kind": ADMISSION_CASE, "subject_id": organisation_id, "decision": "approved"}
    on_case_decided(payload, now=NOW)

    assert state_of(organisation_id) is OrganisationState.ADMITTED


def test_whom_a_person_refuses_is_not_asked_for_again():
    organisation_id = apply(OrganisationKind.PROVIDER)
    reconcile(NOW)
    case_id = case_of(organisation_id).id

    decide_case(actor=make_operator(), case_id=case_id, decision=Decision.REFUSE, reason="No.", now=NOW)
    reconcile(NOW)

    assert state_of(organisation_id) is OrganisationState.APPLIED


def test_a_flood_of_applications_meets_a_person():
    room = load_admission_rule().admissions_per_day_max - 2
    admitted = {"kind": ADMISSION_CASE, "facts": {}, "approvals_needed": 1, "opened_at": NOW, "due_at": NOW}
    Case.objects.bulk_create(
        Case(id=f"cas_{n}", subject_id=f"org_{n}", state=CaseState.APPROVED, decided_at=NOW, **admitted)
        for n in range(room)
    )
    organisations = [apply() for _ in range(3)]

    reconcile(NOW)

    assert [state_of(each) for each in organisations] == [OrganisationState.ADMITTED] * 2 + [OrganisationState.APPLIED]
    assert case_of(organisations[2]).rule_distance == -1
    late = apply()
    reconcile(NOW + timedelta(days=1, seconds=1))
    assert state_of(late) is OrganisationState.ADMITTED
