"""Reads of invitations."""

import base64
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.utils.crypto import salted_hmac

from lilong.common.django.paging import page_newest_first
from lilong.common.paging import Page
from lilong.common.permissions import Actor, Role, Scope, may, require
from lilong.foundation.members.core.invitations import (
    PREFIX,
    InvitationState,
    InvitationTimes,
    digest_secret,
    find_state,
)
from lilong.foundation.members.core.languages import Language
from lilong.foundation.members.core.roles import MANAGERS
from lilong.foundation.members.models import Invitation


@dataclass(frozen=True, slots=True, kw_only=True)
class InvitationView:
    """An invitation as its organisation sees it; no secret."""

    id: str
    organisation_id: str
    organisation_name: str
    email: str
    role: Role
    language: Language
    state: InvitationState
    invited_by: str
    times_sent: int
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class RevealedInvitation:
    """What the mail of an invitation says."""

    invitation: InvitationView
    secret: str


def list_invitations(*, actor: Actor, cursor: str | None, limit: int, now: datetime) -> Page[InvitationView]:
    """Return the unanswered invitations of the actor's organisation, newest first, for who manages it. One query."""
    require(may(actor, roles=MANAGERS, scope=Scope.READ))
    rows = Invitation.objects.visible_to(actor).unanswered().select_related("organisation")
    page = page_newest_first(rows, cursor=cursor, limit=limit)
    return Page(items=[_view(row, now=now) for row in page.items], next_cursor=page.next_cursor)


def find_invitation(*, secret: str, now: datetime) -> InvitationView | None:
    """Return what somebody who has the secret may know, open or not; None for one that is unknown or was sent again."""
    row = Invitation.objects.select_related("organisation").filter(digest=digest_secret(secret)).first()
    return _view(row, now=now) if row is not None else None


def list_open_sendings(*, now: datetime) -> dict[str, int]:
    """Return the open invitations and which sending of each is in force: what a sender of mail compares with its own.

    So a mail is sent even where the event was lost. One query.
    """
    rows = Invitation.objects.unanswered().filter(expires_at__gt=now).order_by("id")
    return dict(rows.values_list("id", "generation"))


def find_inviting(*, invitation_ids: Collection[str]) -> dict[str, str]:
    """Return the ids of the organisations that invite, by the invitation's id. One query."""
    return dict(Invitation.objects.filter(id__in=invitation_ids).values_list("id", "organisation_id"))


def reveal_invitation(*, invitation_id: str, generation: int, now: datetime) -> RevealedInvitation | None:
    """Return an open invitation with its secret, for its mail alone; None when there is nothing to send any more.

    The secret is made again from the hub's key. Where that key was replaced since, the digest does not fit and the
    answer is None: the invitation has to be sent again.
    """
    row = Invitation.objects.select_related("organisation").filter(id=invitation_id, generation=generation).first()
    if row is None or find_invitation_state(row=row, now=now) is not InvitationState.OPEN:
        return None
    secret = derive_secret(invitation_id=row.id, generation=row.generation)
    if digest_secret(secret) != row.digest:
        return None
    return RevealedInvitation(invitation=_view(row, now=now), secret=secret)


def derive_secret(*, invitation_id: str, generation: int) -> str:
    """Return the secret of one sending: an HMAC under the hub's key, so that it can be made again and is never kept."""
    code = salted_hmac("lilong.invitations", f"{invitation_id} {generation}", algorithm="sha256").digest()
    return PREFIX + base64.urlsafe_b64encode(code).decode().rstrip("=")


def find_invitation_state(*, row: Invitation, now: datetime) -> InvitationState:
    """Return where an invitation stands."""
    times = InvitationTimes(expires_at=row.expires_at, accepted_at=row.accepted_at, withdrawn_at=row.withdrawn_at)
    return find_state(times, now=now)


def _view(row: Invitation, *, now: datetime) -> InvitationView:
    return InvitationView(
        id=row.id,
        organisation_id=row.organisation_id,
        organisation_name=row.organisation.name,
        email=row.email,
        role=Role(row.role),
        language=Language(row.language),
        state=find_invitation_state(row=row, now=now),
        invited_by=row.invited_by,
        times_sent=row.generation,
        created_at=row.created_at,
        expires_at=row.expires_at,
    )
