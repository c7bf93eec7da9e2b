"""Inviting people by their address, and joining by an invitation."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Sum

from lilong.common.errors import Conflict, LimitReached, NotAllowed, NotFound
from lilong.common.ids import new_id
from lilong.common.permissions import Actor, Role, require
from lilong.common.sentences import say
from lilong.common.time import format_moment
from lilong.foundation.members.core.invitations import (
    GENERATIONS_MAX,
    INVITATIONS_A_DAY,
    LIFE,
    InvitationState,
    digest_secret,
)
from lilong.foundation.members.core.languages import Language
from lilong.foundation.members.core.roles import OrganisationKind, may_set_role
from lilong.foundation.members.core.tokens import TokenUse
from lilong.foundation.members.events import InvitationMade
from lilong.foundation.members.models import Invitation, Membership, Organisation, Person
from lilong.foundation.members.queries.invitations import derive_secret, find_invitation_state
from lilong.foundation.members.services.memberships import (
    MemberAlready,
    NewMember,
    lock_own_organisation,
    record_role,
    require_room,
)
from lilong.foundation.members.services.tokens import insert_token
from lilong.foundation.outbox.public import emit
from lilong.foundation.record.public import append

DAY = timedelta(days=1)


class InvitationOpen(Conflict):
    """The address is invited to this organisation already."""

    code = "invitation.already_invited"
    title = "This address is invited already"
    next_step = "Send that invitation again, or withdraw it and invite anew."


class InvitationMissing(NotFound):
    """The organisation has no such invitation."""

    code = "invitation.missing"
    title = "There is no such invitation"
    next_step = "List the invitations of your organisation."


class InvitationUnknown(NotFound):
    """The secret opens nothing: it is mistyped, or the invitation was sent again since."""

    code = "invitation.unknown"
    title = "This invitation is unknown"
    next_step = "Use the newest message that you got; only the last one sent works."


class InvitationExpired(Conflict):
    """The invitation was not accepted in time."""

    code = "invitation.expired"
    title = "This invitation has expired"
    next_step = "Ask whoever invited you to send it again."


class InvitationWithdrawn(Conflict):
    """The organisation took the invitation back."""

    code = "invitation.withdrawn"
    title = "This invitation was withdrawn"
    next_step = "Ask the organisation for a new one."


class InvitationUsed(Conflict):
    """Somebody joined by this invitation already."""

    code = "invitation.used"
    title = "This invitation was accepted already"
    next_step = "If it was not you, tell the organisation; if it was, you are a member."


class InvitationSentOften(LimitReached):
    """The invitation was sent as often as one may be."""

    code = "invitation.sent_often"
    title = "This invitation was sent too often"
    next_step = "Ask the person whether the address is right; write to it again two weeks after the last message."


class InvitationSentMeanwhile(Conflict):
    """Somebody sent the invitation again since the caller looked, or the form was sent twice."""

    code = "invitation.sent_meanwhile"
    title = "This invitation was sent again just now"
    next_step = "Nothing more is needed: the newest message works."


class InvitationsFull(LimitReached):
    """The organisation has invited as many people today as it may in a day."""

    code = "invitation.too_many"
    title = "Your organisation has invited too many people today"
    next_step = "Invite the others after the time in resets_at."


class EmailUnverified(NotAllowed):
    """The person has not proven to read the mail of the address."""

    code = "members.email_unverified"
    title = "Your address is not confirmed"
    next_step = "Confirm it by the message that the hub sends when you sign in, then accept again."


class EmailDiffers(NotAllowed):
    """The invitation is for another address than the person's."""

    code = "invitation.other_address"
    title = "This invitation is for another address"
    next_step = "Sign in with the address that was invited, or ask for an invitation to yours."


@dataclass(frozen=True, slots=True)
class NewInvitation:
    """A fresh invitation; `secret` is shown now, and by the mail."""

    id: str
    email: str
    role: Role
    secret: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Joined:
    """The membership that an invitation became."""

    membership_id: str
    organisation_id: str
    role: Role


def invite_member(
    *, actor: Actor, email: str, role: Role, language: Language | None = None, now: datetime
) -> NewInvitation:
    """Invite an address into the actor's organisation, to no higher role than the actor may give.

    language: of the mail; None for the actor's own. Raises NotAllowed, MemberAlready, InvitationOpen, MembersFull,
    MakerIsAlone, InvitationSentOften, InvitationsFull.
    """
    address = email.strip().lower()
    with transaction.atomic():
        organisation = lock_own_organisation(actor=actor)
        require(may_set_role(actor, kind=OrganisationKind(organisation.kind), old=None, new=role))
        require_room(organisation=organisation)
        if Membership.objects.filter(organisation=organisation, left_at=None, person__email=address).exists():
            raise MemberAlready
        open_one = Invitation.objects.unanswered().filter(organisation=organisation, email=address).first()
        if open_one is not None:
            raise InvitationOpen(facts={"invitation_id": open_one.id})
        _require_sendings_left(organisation, address, now=now)
        row = Invitation(
            id=new_id("inv"),
            organisation=organisation,
            email=address,
            role=role,
            language=language or Person.objects.values_list("language", flat=True).get(id=actor.person_id),
            invited_by=actor.person_id,
            created_at=now,
        )
        return _send(row, generation=1, deed="made", actor=actor, now=now)


def send_invitation_again(
    *, actor: Actor, invitation_id: str, times_sent: int | None = None, now: datetime
) -> NewInvitation:
    """Send an invitation anew with a fresh secret and time; the one sent before no longer works.

    times_sent: how often it was when the caller looked; raises InvitationSentMeanwhile where that has changed.
    Raises InvitationMissing, NotAllowed, InvitationUsed, InvitationWithdrawn, InvitationSentOften, InvitationsFull.
    """
    with transaction.atomic():
        row = _lock_for_change(actor, invitation_id)
        _refuse_answered(row, now=now)
        if times_sent is not None and row.generation != times_sent:
            raise InvitationSentMeanwhile
        if row.generation >= GENERATIONS_MAX:
            raise InvitationSentOften(facts={"limit": GENERATIONS_MAX, "used": row.generation})
        _require_sendings_left(row.organisation, row.email, now=now)
        return _send(row, generation=row.generation + 1, deed="sent_again", actor=actor, now=now)


def withdraw_invitation(*, actor: Actor, invitation_id: str, now: datetime) -> None:
    """Take an invitation back; doing it again does nothing. Raises InvitationMissing, NotAllowed, InvitationUsed."""
    with transaction.atomic():
        row = _lock_for_change(actor, invitation_id)
        if row.accepted_at is not None:
            raise InvitationUsed
        if Invitation.objects.filter(id=row.id, withdrawn_at=None).update(withdrawn_at=now):
            _record(row, deed="withdrawn", by=actor.person_id, now=now)


def accept_invitation(*, person_id: str, secret: str, now: datetime) -> Joined:
    """Let a person who is signed in join by an invitation to the person's own, confirmed address.

    Raises InvitationUnknown, InvitationExpired, InvitationWithdrawn, InvitationUsed, EmailUnverified, EmailDiffers,
    MemberAlready. There is always room: open invitations count as members do.
    """
    with transaction.atomic():
        membership = _accept(person_id, secret, now=now)
    return Joined(membership_id=membership.id, organisation_id=membership.organisation_id, role=Role(membership.role))


def accept_invitation_by_token(*, actor: Actor, secret: str, now: datetime) -> NewMember:
    """Accept as `accept_invitation` does, for a person who acts by a token: the answer holds one for the new place."""
    with transaction.atomic():
        membership = _accept(actor.person_id, secret, now=now)
        token = insert_token(membership=membership, use=TokenUse.ONCE, name="welcome", scopes=(), now=now)
    return NewMember(membership_id=membership.id, person_id=membership.person_id, one_time_token=token)


def _accept(person_id: str, secret: str, *, now: datetime) -> Membership:
    found = Invitation.objects.filter(digest=digest_secret(secret)).first()
    if found is None:
        raise InvitationUnknown
    organisation = Organisation.objects.select_for_update().get(id=found.organisation_id)
    row = Invitation.objects.select_for_update().filter(id=found.id, digest=found.digest).first()
    if row is None:
        raise InvitationUnknown
    person = Person.objects.select_for_update().filter(id=person_id, erased_at=None).first()
    if person is None:
        raise NotAllowed(detail=say("This needs a person who is signed in."))
    if person.email != row.email:
        raise EmailDiffers
    if person.email_verified_at is None:
        raise EmailUnverified
    _refuse_answered(row, now=now)
    if find_invitation_state(row=row, now=now) is InvitationState.EXPIRED:
        raise InvitationExpired
    if Membership.objects.filter(organisation=organisation, person=person, left_at=None).exists():
        raise MemberAlready
    row.accepted_at, row.accepted_by = now, person.id
    row.save(update_fields=["accepted_at", "accepted_by"])
    membership = Membership.objects.create(
        id=new_id("mem"), person=person, organisation=organisation, role=row.role, joined_at=now
    )
    _record(row, deed="accepted", by=person.id, now=now)
    record_role(membership=membership, by=row.invited_by, old=None, new=row.role, now=now)
    return membership


def _require_sendings_left(organisation: Organisation, email: str, *, now: datetime) -> None:
    """Raise InvitationSentOften or InvitationsFull; what was withdrawn or accepted since counts, too."""
    lately = Invitation.objects.filter(organisation=organisation, expires_at__gt=now)
    used = lately.filter(email=email).aggregate(used=Sum("generation"))["used"] or 0
    if used >= GENERATIONS_MAX:
        raise InvitationSentOften(facts={"limit": GENERATIONS_MAX, "used": used})
    today = lately.filter(expires_at__gt=now + LIFE - DAY).order_by("expires_at").values_list("expires_at", flat=True)
    if len(today) >= INVITATIONS_A_DAY:
        resets_at = format_moment(today[0] - LIFE + DAY)
        raise InvitationsFull(facts={"limit": INVITATIONS_A_DAY, "used": len(today), "resets_at": resets_at})


def _send(row: Invitation, *, generation: int, deed: str, actor: Actor, now: datetime) -> NewInvitation:
    secret = derive_secret(invitation_id=row.id, generation=generation)
    row.generation, row.digest, row.expires_at = generation, digest_secret(secret), now + LIFE
    row.save()
    _record(row, deed=deed, by=actor.person_id, now=now)
    emit(event=InvitationMade(organisation_id=row.organisation_id, invitation_id=row.id, generation=generation))
    return NewInvitation(id=row.id, email=row.email, role=Role(row.role), secret=secret, expires_at=row.expires_at)


def _lock_for_change(actor: Actor, invitation_id: str) -> Invitation:
    """Return an invitation of the actor's organisation, both locked, once the actor may give its role."""
    organisation = lock_own_organisation(actor=actor)
    row = Invitation.objects.select_for_update().filter(organisation=organisation, id=invitation_id).first()
    if row is None:
        raise InvitationMissing(detail=say("There is no invitation {invitation_id}.", invitation_id=invitation_id[:64]))
    require(may_set_role(actor, kind=OrganisationKind(organisation.kind), old=None, new=Role(row.role)))
    return row


def _refuse_answered(row: Invitation, *, now: datetime) -> None:
    state = find_invitation_state(row=row, now=now)
    if state is InvitationState.ACCEPTED:
        raise InvitationUsed
    if state is InvitationState.WITHDRAWN:
        raise InvitationWithdrawn


def _record(row: Invitation, *, deed: str, by: str, now: datetime) -> None:
    append(
        kind="members.invitation_changed",
        subject_id=row.id,
        payload={"deed": deed, "role": row.role, "generation": row.generation, "by": by},
        organisation_id=row.organisation_id,
        now=now,
    )
