import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from lilong.common.errors import NotAllowed, NotFound, NotSignedIn
from lilong.common.permissions import Role
from lilong.foundation.members.models import Membership, Organisation
from lilong.foundation.members.public import OrganisationKind
from lilong.foundation.members.public.people import found_organisation
from lilong.foundation.members.services.memberships import (
    LastHead,
    NoOwnership,
    leave_organisation,
    transfer_ownership,
)
from lilong.foundation.members.services.organisations import (
    SIGN_UPS_AN_HOUR,
    KindRefused,
    MakerAlready,
    SignUpsFull,
)
from lilong.foundation.record.models import Payload
from tests.people import NOW, act, found_operator, found_owner, join, make_member_token

pytestmark = pytest.mark.django_db(transaction=True)


def leave(actor):
    leave_organisation(actor=actor, organisation_id=actor.organisation_id, now=NOW)


def membership_of(actor):
    return Membership.objects.get(person_id=actor.person_id, organisation_id=actor.organisation_id, left_at=None)


def found(person_id, kind=OrganisationKind.MAKER, name=""):
    return found_organisation(person_id=person_id, name=name, kind=kind, now=NOW)


def test_who_leaves_loses_the_tokens_there_and_it_is_recorded():
    owner = found_owner()
    token = make_member_token(owner, Role.VIEWER)
    membership = membership_of(act(token))
    leave(act(token))

    with pytest.raises(NotSignedIn):
        act(token)
    said = Payload.objects.filter(entry__subject_id=membership.id).latest("entry_id")
    assert f'"by":"{membership.person_id}","new":null,"old":"viewer"' in said.content


def test_the_last_owner_cannot_leave_and_an_owner_beside_another_can():
    owner = found_owner()
    with pytest.raises(LastHead):
        leave(owner)

    join(owner, Role.OWNER)
    leave(owner)
    with pytest.raises(NotFound):
        leave(owner)


def test_the_last_operator_cannot_leave_the_hub():
    first = found_operator()
    with pytest.raises(LastHead):
        leave(first)
    found_operator()
    leave(first)


def test_nobody_leaves_an_organisation_that_the_token_does_not_act_for():
    owner, other = found_owner(), found_owner()
    with pytest.raises(NotFound):
        leave_organisation(actor=owner, organisation_id=other.organisation_id, now=NOW)


def test_two_owners_who_leave_at_once_leave_one():
    first = found_owner()
    second = join(first, Role.OWNER)
    start = threading.Barrier(2)

    def go(actor):
        try:
            start.wait()
            leave(actor)
        except LastHead:
            return 0
        finally:
            connection.close()
        return 1

    with ThreadPoolExecutor(2) as pool:
        assert sum(pool.map(go, [first, second])) == 1
    assert Membership.objects.filter(organisation_id=first.organisation_id, left_at=None, role="owner").count() == 1


def test_ownership_goes_over_whole():
    owner = found_owner()
    member = join(owner, Role.MEMBER)
    transfer_ownership(actor=owner, membership_id=membership_of(member).id, now=NOW)

    assert (membership_of(owner).role, membership_of(member).role) == (Role.ADMIN, Role.OWNER)
    with pytest.raises(NotAllowed):
        transfer_ownership(actor=owner, membership_id=membership_of(owner).id, now=NOW)


def test_ownership_goes_to_present_members_of_the_same_organisation_alone():
    owner, stranger = found_owner(), found_owner()
    gone = join(owner, Role.MEMBER)
    gone_id = membership_of(gone).id
    leave(gone)
    for membership_id in (gone_id, membership_of(stranger).id, "mem_0"):
        with pytest.raises(NotFound):
            transfer_ownership(actor=owner, membership_id=membership_id, now=NOW)

    transfer_ownership(actor=owner, membership_id=membership_of(owner).id, now=NOW)
    assert membership_of(owner).role == Role.OWNER
    with pytest.raises(NotAllowed):
        transfer_ownership(actor=join(owner, Role.ADMIN), membership_id=membership_of(owner).id, now=NOW)


def test_the_hub_has_no_ownership_to_hand_over():
    first, second = found_operator(), found_operator()
    with pytest.raises(NoOwnership):
        transfer_ownership(actor=first, membership_id=membership_of(second).id, now=NOW)


def test_a_person_becomes_a_maker_in_one_step_and_once():
    owner = found_owner()
    made = found(owner.person_id)

    assert (made.person_id, made.role) == (owner.person_id, Role.OWNER)
    row = Organisation.objects.get(id=made.organisation_id)
    assert (row.kind, row.state, row.name) == ("maker", "applied", membership_of(owner).person.name)
    with pytest.raises(MakerAlready):
        found(owner.person_id)
    assert found(owner.person_id, kind=OrganisationKind.RESIDENT, name="Ada AI")


def test_founding_is_for_people_of_the_hub_and_founds_no_second_hub():
    with pytest.raises(NotFound):
        found("per_0")
    with pytest.raises(KindRefused):
        found(found_owner().person_id, kind=OrganisationKind.HUB)


def test_founding_is_limited_as_sign_ups_are():
    owner = found_owner()
    for number in range(SIGN_UPS_AN_HOUR - 1):
        found(owner.person_id, kind=OrganisationKind.RESIDENT, name=f"Firm {number}")
    with pytest.raises(SignUpsFull):
        found(owner.person_id, kind=OrganisationKind.RESIDENT, name="One more")
