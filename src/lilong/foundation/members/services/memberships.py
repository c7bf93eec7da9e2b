"""Who belongs to an organisation, and in which role."""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from lilong.common.errors import Conflict, LimitReached, NotFound
from lilong.common.ids import new_id
from lilong.common.permissions import Actor, Role, Scope, Verdict, may, require
from lilong.common.sentences import say
from lilong.foundation.members.core.roles import HEAD_ROLES, OrganisationKind, may_set_role
from lilong.foundation.members.core.tokens import TokenUse
from lilong.foundation.members.models import Invitation, Membership, Organisation, Person
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


class MakerIsAlone(Conflict):
    """A maker is one person; nobody else belongs to it."""

    code = "members.maker_is_alone"
    title = "A maker has one member"
    next_step = "Found an organisation of another kind for a team: `lilong organisations found`."


class NoOwnership(Conflict):
    """The hub's organisation has operators alone: there is no ownership to hand over."""

    code = "members.no_ownership"
    title = "This organisation has no owner"
    next_step = "Take in another operator instead."


class MembersFull(LimitReached):
    """The organisation has as many members as one may have."""

    code = "members.too_many"
    title = "Your organisation has too many members"
    next_step = "Remove somebody who has left, or withdraw an invitation."


@dataclass(frozen=True, slots=True)
class NewMember:
    """A fresh membership and the one-time token to hand to the person."""

    membership_id: str
    person_id: str
    one_time_token: NewToken


def add_member(*, actor: Actor, email: str, name: str, role: Role, now: datetime) -> NewMember:
    """Take a person into the actor's organisation; `name` is used for somebody new to the hub.

    Until people sign in by themselves, whoever adds a person hands over the one-time token.
    Raises MemberAlready, MembersFull, MakerIsAlone, NotAllowed.
    """
    with transaction.atomic():
        organisation = lock_own_organisation(actor=actor)
        require(may_set_role(actor, kind=OrganisationKind(organisation.kind), old=None, new=role))
        require_room(organisation=organisation)
        person = Person.objects.filter(email=email.strip().lower()).first()
        if person is None:
            person = insert_person(email=email, name=name, now=now)
        elif Membership.objects.filter(organisation=organisation, person=person, left_at=None).exists():
            raise MemberAlready
        membership = Membership.objects.create(
            id=new_id("mem"), person=person, organisation=organisation, role=role, joined_at=now
        )
        token = insert_token(membership=membership, use=TokenUse.ONCE, name="welcome", scopes=(), now=now)
        record_role(membership=membership, by=actor.person_id, old=None, new=role, now=now)
    return NewMember(membership_id=membership.id, person_id=person.id, one_time_token=token)


def change_role(*, actor: Actor, membership_id: str, role: Role, now: datetime) -> None:
    """Give a member another role, from the next call on; raises LastHead, NotAllowed, NotFound."""
    with transaction.atomic():
        membership = _lock_for_change(actor, membership_id, new=role)
        Membership.objects.filter(id=membership.id).update(role=role)
        record_role(membership=membership, by=actor.person_id, old=membership.role, new=role, now=now)


def remove_member(*, actor: Actor, membership_id: str, now: datetime) -> None:
    """End a membership and with it the person's tokens there; raises LastHead, NotAllowed, NotFound."""
    with transaction.atomic():
        membership = _lock_for_change(actor, membership_id, new=None)
        end_membership(membership=membership, by=actor.person_id, now=now)


def leave_organisation(*, actor: Actor, organisation_id: str, now: datetime) -> None:
    """End the actor's own membership, and with it the actor's tokens there; raises LastHead, NotFound.

    organisation_id: the organisation that the actor acts for, named so that nobody leaves another than was meant.
    """
    require(may(actor, roles=frozenset(Role), scope=Scope.MANAGE))
    if organisation_id != actor.organisation_id:
        raise NotFound(
            detail=say("You do not act for an organisation {organisation_id}.", organisation_id=organisation_id[:64])
        )
    with transaction.atomic():
        organisation = lock_own_organisation(actor=actor)
        membership = _find_present(organisation, person_id=actor.person_id)
        require_another_head(membership=membership)
        end_membership(membership=membership, by=actor.person_id, now=now)


def transfer_ownership(*, actor: Actor, membership_id: str, now: datetime) -> None:
    """Make another member owner and the actor, an owner, an admin: both or neither. Raises NotFound, NoOwnership.

    To oneself it does nothing.
    """
    require(may(actor, roles=frozenset({Role.OWNER, Role.OPERATOR}), scope=Scope.MANAGE))
    with transaction.atomic():
        organisation = lock_own_organisation(actor=actor)
        if organisation.kind == OrganisationKind.HUB:
            raise NoOwnership
        own = _find_present(organisation, person_id=actor.person_id)
        if own.role != Role.OWNER:
            require(Verdict(allowed=False, reason=say("You are no owner any more.")))
        other = Membership.objects.filter(organisation=organisation, left_at=None, id=membership_id).first()
        if other is None:
            raise NotFound(detail=say("There is no membership {membership_id}.", membership_id=membership_id[:64]))
        if other.id == own.id:
            return
        for membership, role in ((other, Role.OWNER), (own, Role.ADMIN)):
            Membership.objects.filter(id=membership.id).update(role=role)
            record_role(membership=membership, by=actor.person_id, old=membership.role, new=role, now=now)


def require_room(*, organisation: Organisation) -> None:
    """Raise MakerIsAlone or MembersFull where nobody more may be taken in; the organisation is locked."""
    used = Membership.objects.filter(organisation=organisation, left_at=None).count()
    if organisation.kind == OrganisationKind.MAKER and used:
        raise MakerIsAlone
    used += Invitation.objects.unanswered().filter(organisation=organisation).count()
    if used >= MEMBERS_MAX:
        raise MembersFull(facts={"limit": MEMBERS_MAX, "used": used})


def require_another_head(*, membership: Membership) -> None:
    """Raise LastHead where nobody else could manage the organisation, which the caller has locked."""
    head = HEAD_ROLES[OrganisationKind(membership.organisation.kind)]
    heads = Membership.objects.filter(organisation_id=membership.organisation_id, left_at=None, role=head)
    if membership.role == head and not heads.exclude(id=membership.id).exists():
        raise LastHead(facts={"organisation_id": membership.organisation_id})


def end_membership(*, membership: Membership, by: str, now: datetime) -> None:
    """End a present membership of an organisation that the caller has locked."""
    Membership.objects.filter(id=membership.id).update(left_at=now)
    record_role(membership=membership, by=by, old=membership.role, new=None, now=now)


def lock_own_organisation(*, actor: Actor) -> Organisation:
    """Return the organisation that the actor acts for, locked: whoever changes who belongs to it waits for this."""
    organisation = Organisation.objects.select_for_update().filter(id=actor.organisation_id).first()
    if organisation is None:
        raise NotFound(detail=say("You act for no organisation."))
    return organisation


def record_role(*, membership: Membership, by: str, old: str | None, new: str | None, now: datetime) -> None:
    """Record that a person got, changed or lost a role; None stands outside of the organisation."""
    append(
        kind="members.role_changed",
        subject_id=membership.id,
        payload={"person_id": membership.person_id, "old": old, "new": new, "by": by},
        organisation_id=membership.organisation_id,
        now=now,
    )


def _lock_for_change(actor: Actor, membership_id: str, *, new: Role | None) -> Membership:
    """Return the membership, with its organisation locked, once the actor may change it to `new`."""
    organisation = lock_own_organisation(actor=actor)
    present = Membership.objects.select_related("organisation").filter(organisation=organisation, left_at=None)
    membership = present.filter(id=membership_id).first()
    if membership is None:
        raise NotFound(detail=say("There is no membership {membership_id}.", membership_id=membership_id[:64]))
    kind, old = OrganisationKind(organisation.kind), Role(membership.role)
    require(may_set_role(actor, kind=kind, old=old, new=new))
    if new is not HEAD_ROLES[kind]:
        require_another_head(membership=membership)
    return membership


def _find_present(organisation: Organisation, *, person_id: str) -> Membership:
    present = Membership.objects.select_related("organisation").filter(organisation=organisation, left_at=None)
    membership = present.filter(person_id=person_id).first()
    if membership is None:
        raise NotFound(detail=say("You do not belong to this organisation any more."))
    return membership
