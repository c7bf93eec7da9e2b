"""Who belongs to an organisation, and in which role."""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from lilong.common.errors import Conflict, LimitReached, NotFound
from lilong.common.ids import new_id
from lilong.common.permissions import Actor, Role, require
from lilong.foundation.members.core.roles import HEAD_ROLES, OrganisationKind, may_set_role
from lilong.foundation.members.core.tokens import TokenUse
from lilong.foundation.members.models import Membership, Organisation, Person
from lilong.foundation.members.services.organisations import insert_person
from lilong.foundation.members.services.tokens import NewToken, insert_token
from lilong.foundation.record.public import append

MEMBERS_MAX = 200


class LastHead(Conflict):
    """Without this person nobody could manage the organisation."""

    code = "members.last_owner"
    title = "This is the last person who can manage the organisation"
    next_step = "Make somebody else owner (in the hub's organisation: operator) first."


class MemberAlready(Conflict):
    """The person belongs to the organisation already."""

    code = "members.already_member"
    title = "This person belongs to your organisation already"
    next_step = "Change the person's role instead."


class MembersFull(LimitReached):
    """The organisation has as many members as one may have."""

    code = "members.too_many"
    title = "Your organisation has too many members"
    next_step = "Remove somebody who has left."


@dataclass(frozen=True, slots=True)
class NewMember:
    """A fresh membership and the one-time token to hand to the person."""

    membership_id: str
    person_id: str
    one_time_token: NewToken


def add_member(*, actor: Actor, email: str, name: str, role: Role, now: datetime) -> NewMember:
    """Take a person into the actor's organisation; `name` is used for somebody new to the hub.

    Until people sign in by themselves, whoever adds a person hands over the one-time token.
    Raises MemberAlready, MembersFull, NotAllowed.
    """
    with transaction.atomic():
        organisation = _lock_organisation(actor)
        require(may_set_role(actor, kind=OrganisationKind(organisation.kind), old=None, new=role))
        present = Membership.objects.filter(organisation=organisation, left_at=None)
        if present.count() >= MEMBERS_MAX:
            raise MembersFull(facts={"limit": MEMBERS_MAX, "used": present.count()})
        person = Person.objects.filter(email=email.strip().lower()).first()
        if person is None:
            person = insert_person(email=email, name=name, now=now)
        elif present.filter(person=person).exists():
            raise MemberAlready
        membership = Membership.objects.create(
            id=new_id("mem"), person=person, organisation=organisation, role=role, joined_at=now
        )
        token = insert_token(membership=membership, use=TokenUse.ONCE, name="welcome", scopes=(), now=now)
        _record_role(membership, actor=actor, old=None, new=role, now=now)
    return NewMember(membership_id=membership.id, person_id=person.id, one_time_token=token)


def change_role(*, actor: Actor, membership_id: str, role: Role, now: datetime) -> None:
    """Give a member another role, from the next call on; raises LastHead, NotAllowed, NotFound."""
    with transaction.atomic():
        membership = _lock_for_change(actor, membership_id, new=role)
        Membership.objects.filter(id=membership.id).update(role=role)
        _record_role(membership, actor=actor, old=membership.role, new=role, now=now)


def remove_member(*, actor: Actor, membership_id: str, now: datetime) -> None:
    """End a membership and with it the person's tokens there; raises LastHead, NotAllowed, NotFound."""
    with transaction.atomic():
        membership = _lock_for_change(actor, membership_id, new=None)
        Membership.objects.filter(id=membership.id).update(left_at=now)
        _record_role(membership, actor=actor, old=membership.role, new=None, now=now)


def _lock_for_change(actor: Actor, membership_id: str, *, new: Role | None) -> Membership:
    """Return the membership, with its organisation locked, once the actor may change it to `new`."""
    organisation = _lock_organisation(actor)
    present = Membership.objects.filter(organisation=organisation, left_at=None)
    membership = present.filter(id=membership_id).first()
    if membership is None:
        raise NotFound(detail=f"There is no membership {membership_id}.")
    kind, old = OrganisationKind(organisation.kind), Role(membership.role)
    require(may_set_role(actor, kind=kind, old=old, new=new))
    head = HEAD_ROLES[kind]
    if old is head and new is not head and present.filter(role=head).count() == 1:
        raise LastHead
    return membership


def _lock_organisation(actor: Actor) -> Organisation:
    organisation = Organisation.objects.select_for_update().filter(id=actor.organisation_id).first()
    if organisation is None:
        raise NotFound(detail="You act for no organisation.")
    return organisation


def _record_role(membership: Membership, *, actor: Actor, old: str | None, new: str | None, now: datetime) -> None:
    append(
        kind="members.role_changed",
        subject_id=membership.id,
        payload={"person_id": membership.person_id, "old": old, "new": new, "by": actor.person_id},
        organisation_id=membership.organisation_id,
        now=now,
    )
