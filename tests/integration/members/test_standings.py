import importlib
from datetime import date, timedelta

import pytest
from django.apps import apps
from django.db import connection, transaction

from lilong.common.errors import NotAllowed, NotFound
from lilong.foundation.members.models import Organisation, OrganisationStanding
from lilong.foundation.members.public import (
    OrganisationKind,
    OrganisationState,
    StandingKind,
    admit_organisation,
    find_order_refusal,
    get_organisations,
)
from lilong.foundation.members.queries.standings import list_standings
from lilong.foundation.members.services.organisations import suspend_organisation
from lilong.foundation.members.services.standings import (
    StandingInvalid,
    StandingMissing,
    StandingOverlaps,
    StandingRefused,
    end_standing,
    grant_standing,
)
from lilong.foundation.record.models import Payload
from tests.people import NOW, found_operator, found_organisation, found_owner

TODAY = NOW.date()
pytestmark = pytest.mark.django_db(transaction=True)


def view(organisation_id):
    return get_organisations(organisation_ids=[organisation_id])[organisation_id]


def refusal(organisation_id, *, days=0):
    return find_order_refusal(organisation=view(organisation_id), now=NOW + timedelta(days=days))


def grant(operator, organisation_id, kind=StandingKind.SPONSOR, *, starts_on=TODAY, ends_on=None):
    return grant_standing(
        actor=operator,
        organisation_id=organisation_id,
        kind=kind,
        starts_on=starts_on,
        ends_on=ends_on,
        reason="Agreed.",
        now=NOW,
    )


def end(operator, organisation_id, standing_id, ends_on, *, now=NOW):
    return end_standing(
        actor=operator,
        organisation_id=organisation_id,
        standing_id=standing_id,
        ends_on=ends_on,
        reason="Moved out.",
        now=now,
    )


def test_an_organisation_is_several_things_at_once():
    operator = found_operator()
    made = found_organisation(kind=OrganisationKind.PROVIDER)
    grant(operator, made.organisation_id, ends_on=TODAY + timedelta(days=30))

    assert {standing.kind for standing in view(made.organisation_id).standings} == {"provider", "sponsor"}


def test_an_admission_begins_the_standing_once():
    made = found_organisation(state=OrganisationState.APPLIED)
    for _ in range(2):
        admit_organisation(organisation_id=made.organisation_id, now=NOW)

    row = OrganisationStanding.objects.get()
    assert (row.kind, row.starts_on, row.ends_on) == ("resident", TODAY, None)


def test_an_ended_standing_refuses_new_orders_from_its_day_on_with_the_reason():
    operator, made = found_operator(), found_organisation()
    standing_id = OrganisationStanding.objects.get().id
    end(operator, made.organisation_id, standing_id, TODAY + timedelta(days=1))

    assert refusal(made.organisation_id) == ""
    assert refusal(made.organisation_id, days=1) == "Its standing as resident ended on 2026-03-02."
    grant(operator, made.organisation_id, StandingKind.VIRTUAL, starts_on=TODAY + timedelta(days=9))
    assert refusal(made.organisation_id, days=1) == "Its standing as virtual begins on 2026-03-10."
    assert refusal(made.organisation_id, days=9) == ""


def test_a_sponsor_alone_buys_nothing():
    made = found_organisation(kind=OrganisationKind.SPONSOR)

    assert refusal(made.organisation_id) == (
        "It is at the hub as sponsor; that does not include buying computing power."
    )


def test_the_hub_needs_no_standing_and_takes_none():
    operator = found_operator()

    assert refusal(operator.organisation_id) == ""
    with pytest.raises(StandingRefused):
        grant(operator, operator.organisation_id)


@pytest.mark.parametrize(
    ("starts_in", "ends_in", "free"),
    [(0, None, False), (-5, 1, False), (9, 11, False), (10, None, True), (10, 20, True), (-5, 0, True)],
)
def test_periods_of_one_kind_never_overlap_and_may_touch(starts_in, ends_in, free):
    operator, made = found_operator(), found_organisation()
    end(operator, made.organisation_id, OrganisationStanding.objects.get().id, TODAY + timedelta(days=10))
    starts_on = TODAY + timedelta(days=starts_in)
    ends_on = None if ends_in is None else TODAY + timedelta(days=ends_in)
    if free:
        assert grant(operator, made.organisation_id, StandingKind.RESIDENT, starts_on=starts_on, ends_on=ends_on)
        return
    with pytest.raises(StandingOverlaps):
        grant(operator, made.organisation_id, StandingKind.RESIDENT, starts_on=starts_on, ends_on=ends_on)


def test_a_standing_is_not_prolonged_into_the_next_one():
    operator, made = found_operator(), found_organisation()
    first = OrganisationStanding.objects.get().id
    end(operator, made.organisation_id, first, TODAY + timedelta(days=10))
    grant(operator, made.organisation_id, StandingKind.RESIDENT, starts_on=TODAY + timedelta(days=10))

    with pytest.raises(StandingOverlaps):
        end(operator, made.organisation_id, first, TODAY + timedelta(days=11))


def test_a_standing_does_not_end_in_the_past_or_before_it_begins():
    operator, made = found_operator(), found_organisation()
    standing_id = OrganisationStanding.objects.get().id
    with pytest.raises(StandingInvalid):
        end(operator, made.organisation_id, standing_id, TODAY - timedelta(days=1))
    with pytest.raises(StandingInvalid):
        grant(operator, made.organisation_id, ends_on=TODAY)

    end(operator, made.organisation_id, standing_id, TODAY)
    assert refusal(made.organisation_id) == "Its standing as resident ended on 2026-03-01."
    with pytest.raises(StandingInvalid):
        end(operator, made.organisation_id, standing_id, date(2027, 1, 1), now=NOW + timedelta(days=1))


def test_who_has_only_applied_is_granted_nothing_beside_the_admission():
    made = found_organisation(state=OrganisationState.APPLIED)
    with pytest.raises(StandingRefused):
        grant(found_operator(), made.organisation_id)


def test_a_suspension_weighs_more_than_any_standing():
    operator, made = found_operator(), found_organisation()
    suspend_organisation(actor=operator, organisation_id=made.organisation_id, reason="Unpaid.", now=NOW)

    assert refusal(made.organisation_id) == "Your organisation is suspended."


def test_only_operators_grant_and_end_and_only_what_is_there():
    operator, owner = found_operator(), found_owner()
    standing_id = OrganisationStanding.objects.get(organisation_id=owner.organisation_id).id
    with pytest.raises(NotAllowed):
        grant(owner, owner.organisation_id)
    with pytest.raises(NotAllowed):
        end(owner, owner.organisation_id, standing_id, TODAY)
    with pytest.raises(NotFound):
        grant(operator, "org_0")
    with pytest.raises(StandingMissing):
        end(operator, found_owner().organisation_id, standing_id, TODAY)


def test_one_sees_ones_own_standings_and_operators_all():
    operator, owner, stranger = found_operator(), found_owner(), found_owner()
    for actor in (operator, owner):
        page = list_standings(actor=actor, organisation_id=owner.organisation_id, cursor=None, limit=10, now=NOW)
        assert [(row.kind, row.holds_today) for row in page.items] == [("resident", True)]
    with pytest.raises(NotFound):
        list_standings(actor=stranger, organisation_id=owner.organisation_id, cursor=None, limit=10, now=NOW)


def test_every_change_of_a_standing_is_recorded_with_its_reason():
    operator, made = found_operator(), found_organisation()
    end(operator, made.organisation_id, OrganisationStanding.objects.get().id, TODAY)

    said = [row.content for row in Payload.objects.filter(entry__kind="members.standing_changed")]
    assert len(said) == 2
    assert any('"reason":"Moved out."' in content and operator.person_id in content for content in said)


def test_organisations_from_before_keep_what_they_could():
    found = {state: found_organisation(state=state).organisation_id for state in OrganisationState}
    found_operator()
    OrganisationStanding.objects.all().delete()
    migration = importlib.import_module("lilong.foundation.members.migrations.0003_first_standings")

    for _ in range(2):
        with transaction.atomic():
            migration.grant_first_standings(apps, connection.schema_editor())

    rows = {row.organisation_id: row for row in OrganisationStanding.objects.all()}
    assert rows.keys() == {found[OrganisationState.ADMITTED], found[OrganisationState.SUSPENDED]}
    assert {(row.kind, row.starts_on, row.ends_on) for row in rows.values()} == {("resident", TODAY, None)}
    assert Organisation.objects.count() == 4
