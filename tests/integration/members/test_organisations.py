from datetime import timedelta

import pytest

from lilong.common.errors import NotAllowed, NotFound, NotSignedIn
from lilong.foundation.members.models import Organisation
from lilong.foundation.members.public import (
    OrganisationKind,
    OrganisationState,
    admit_organisation,
    bootstrap_operator,
    get_organisations,
    list_organisations_in,
)
from lilong.foundation.members.queries import get_organisation, list_organisations
from lilong.foundation.members.services.organisations import (
    SIGN_UPS_AN_HOUR,
    EmailTaken,
    OverrideRefused,
    SignUpsFull,
    reinstate_organisation,
    sign_up,
    suspend_organisation,
)
from lilong.foundation.members.services.tokens import exchange_token
from lilong.foundation.outbox.models import WaitingEvent
from lilong.foundation.record.models import Entry
from tests.people import NOW, act, found_operator, found_organisation, found_owner

pytestmark = pytest.mark.django_db(transaction=True)


def enter(email, now=NOW):
    return sign_up(name="Ada AI", kind=OrganisationKind.RESIDENT, owner_email=email, owner_name="Ada", now=now)


def state_of(organisation_id):
    return get_organisations(organisation_ids=[organisation_id])[organisation_id].state


def test_who_signs_up_gets_a_token_and_waits_for_admission():
    made = enter("Ada@Example.org ")

    assert act(made.token.secret).organisation_id == made.organisation_id
    assert [view.id for view in list_organisations_in(state=OrganisationState.APPLIED)] == [made.organisation_id]
    assert WaitingEvent.objects.get().payload == {"organisation_id": made.organisation_id}


def test_an_address_signs_up_once_however_it_is_written():
    enter("ada@example.org")
    with pytest.raises(EmailTaken):
        enter("ADA@example.org")


def test_sign_ups_are_limited_by_the_hour():
    for number in range(SIGN_UPS_AN_HOUR):
        enter(f"ada{number}@example.org")

    with pytest.raises(SignUpsFull) as refused:
        enter("late@example.org", now=NOW + timedelta(minutes=59))
    assert refused.value.facts["resets_at"] == "2026-03-01T13:00:00.000000Z"
    assert enter("late@example.org", now=NOW + timedelta(minutes=60))


def test_admission_happens_once_and_is_recorded():
    made = enter("ada@example.org")
    for _ in range(2):
        admit_organisation(organisation_id=made.organisation_id, now=NOW)

    assert state_of(made.organisation_id) is OrganisationState.ADMITTED
    assert Entry.objects.filter(kind="members.organisation_admitted").count() == 1
    with pytest.raises(NotFound):
        admit_organisation(organisation_id="org_0", now=NOW)


def test_a_suspended_organisation_is_not_admitted_by_a_late_decision():
    made = found_organisation()
    operator = found_operator()
    suspend_organisation(actor=operator, organisation_id=made.organisation_id, reason="unpaid", now=NOW)
    admit_organisation(organisation_id=made.organisation_id, now=NOW)
    assert state_of(made.organisation_id) is OrganisationState.SUSPENDED

    reinstate_organisation(actor=operator, organisation_id=made.organisation_id, reason="paid", now=NOW)
    assert state_of(made.organisation_id) is OrganisationState.ADMITTED
    assert Entry.objects.filter(kind="hub.override", subject_id=made.organisation_id).count() == 2


def test_only_an_operator_suspends_and_never_the_hub():
    operator, owner = found_operator(), found_owner()
    with pytest.raises(NotAllowed):
        suspend_organisation(actor=owner, organisation_id=owner.organisation_id, reason="x", now=NOW)
    with pytest.raises(OverrideRefused):
        suspend_organisation(actor=operator, organisation_id=operator.organisation_id, reason="x", now=NOW)
    with pytest.raises(OverrideRefused):
        suspend_organisation(
            actor=operator, organisation_id=enter("ada@example.org").organisation_id, reason="x", now=NOW
        )


def test_people_see_their_own_organisation_and_operators_all():
    owner, stranger, operator = found_owner(), found_owner(), found_operator()

    assert get_organisation(actor=owner, organisation_id=owner.organisation_id).id == owner.organisation_id
    with pytest.raises(NotFound):
        get_organisation(actor=stranger, organisation_id=owner.organisation_id)
    assert len(list_organisations(actor=operator, cursor=None, limit=10).items) == 3
    assert len(list_organisations(actor=owner, cursor=None, limit=10).items) == 1


def test_the_first_operator_comes_by_a_token_that_is_good_once():
    once = bootstrap_operator(email="Op@hub.example", now=NOW)
    token = exchange_token(token=once.secret, name="laptop", now=NOW).secret

    assert act(token).is_operator
    with pytest.raises(NotSignedIn):
        exchange_token(token=once.secret, name="laptop", now=NOW)
    with pytest.raises(NotSignedIn):
        act(once.secret)


def test_making_the_operator_again_makes_no_second_hub_or_person():
    bootstrap_operator(email="op@hub.example", now=NOW)
    again = bootstrap_operator(email="op@hub.example", now=NOW)

    assert exchange_token(token=again.secret, name="laptop", now=NOW).secret.startswith("lil_")
    assert Organisation.objects.count() == 1
