import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from lilong.common.errors import NotAllowed, NotFound, NotSignedIn
from lilong.common.permissions import Role
from lilong.foundation.members.models import Membership
from lilong.foundation.members.queries import list_members
from lilong.foundation.members.services.memberships import (
    LastHead,
    MemberAlready,
    add_member,
    change_role,
    remove_member,
)
from lilong.foundation.record.models import Payload
from tests.people import NOW, act, found_operator, found_owner, join, make_member_token

pytestmark = pytest.mark.django_db(transaction=True)


def membership_of(actor):
    return Membership.objects.get(person_id=actor.person_id, organisation_id=actor.organisation_id, left_at=None).id


def test_a_member_is_added_with_a_role_and_seen_by_the_organisation():
    owner = found_owner()
    member = join(owner, Role.MEMBER)

    assert (member.role, member.organisation_id) == (Role.MEMBER, owner.organisation_id)
    page = list_members(actor=member, organisation_id=owner.organisation_id, cursor=None, limit=10)
    assert [row.role for row in page.items] == ["owner", "member"]
    with pytest.raises(NotFound):
        list_members(actor=found_owner(), organisation_id=owner.organisation_id, cursor=None, limit=10)


def test_a_role_holds_from_the_next_call_on_and_is_recorded():
    owner = found_owner()
    token = make_member_token(owner, Role.VIEWER)
    membership_id = membership_of(act(token))
    change_role(actor=owner, membership_id=membership_id, role=Role.ADMIN, now=NOW)

    assert act(token).role is Role.ADMIN
    said = Payload.objects.filter(entry__kind="members.role_changed", entry__subject_id=membership_id)
    assert any('"new":"admin","old":"viewer"' in row.content for row in said)


def test_who_is_removed_loses_the_tokens_and_may_come_back():
    owner = found_owner()
    token = make_member_token(owner, Role.MEMBER)
    actor = act(token)
    remove_member(actor=owner, membership_id=membership_of(actor), now=NOW)

    with pytest.raises(NotSignedIn):
        act(token)
    with pytest.raises(NotFound):
        remove_member(actor=owner, membership_id="mem_0", now=NOW)


def test_nobody_is_added_twice_and_a_known_person_joins_another_organisation():
    first, second = found_owner(), found_owner()
    member = add_member(actor=first, email="bo@example.org", name="Bo", role=Role.MEMBER, now=NOW)
    with pytest.raises(MemberAlready):
        add_member(actor=first, email="BO@example.org", name="Bo", role=Role.VIEWER, now=NOW)

    again = add_member(actor=second, email="bo@example.org", name="Bo", role=Role.OWNER, now=NOW)
    assert again.person_id == member.person_id


def test_an_admin_manages_the_lower_roles_alone():
    owner = found_owner()
    admin, member = join(owner, Role.ADMIN), join(owner, Role.MEMBER)
    change_role(actor=admin, membership_id=membership_of(member), role=Role.BILLING, now=NOW)

    with pytest.raises(NotAllowed):
        change_role(actor=admin, membership_id=membership_of(member), role=Role.OWNER, now=NOW)
    with pytest.raises(NotAllowed):
        remove_member(actor=admin, membership_id=membership_of(owner), now=NOW)
    with pytest.raises(NotAllowed):
        add_member(actor=member, email="x@example.org", name="X", role=Role.VIEWER, now=NOW)


def test_only_the_hub_has_operators_and_has_only_operators():
    with pytest.raises(NotAllowed):
        add_member(actor=found_owner(), email="x@example.org", name="X", role=Role.OPERATOR, now=NOW)
    with pytest.raises(NotAllowed):
        add_member(actor=found_operator(), email="x@example.org", name="X", role=Role.OWNER, now=NOW)


def test_a_member_of_a_foreign_organisation_is_not_found():
    owner, stranger = found_owner(), found_owner()
    with pytest.raises(NotFound):
        change_role(actor=stranger, membership_id=membership_of(owner), role=Role.VIEWER, now=NOW)


def test_the_last_owner_stays():
    owner = found_owner()
    with pytest.raises(LastHead):
        remove_member(actor=owner, membership_id=membership_of(owner), now=NOW)
    with pytest.raises(LastHead):
        change_role(actor=owner, membership_id=membership_of(owner), role=Role.ADMIN, now=NOW)
    change_role(actor=owner, membership_id=membership_of(owner), role=Role.OWNER, now=NOW)


def test_two_owners_who_remove_each_other_at_once_leave_one():
    first = found_owner()
    second = join(first, Role.OWNER)
    start = threading.Barrier(2)

    def remove(pair):
        try:
            start.wait()
            remove_member(actor=pair[0], membership_id=membership_of(pair[1]), now=NOW)
        except (LastHead, Membership.DoesNotExist):
            return 0
        finally:
            connection.close()
        return 1

    with ThreadPoolExecutor(2) as pool:
        removed = sum(pool.map(remove, [(first, second), (second, first)]))

    assert removed == 1
    assert Membership.objects.filter(organisation_id=first.organisation_id, left_at=None, role="owner").count() == 1
