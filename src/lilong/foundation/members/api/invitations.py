"""Inviting people, joining, leaving, handing over."""

from datetime import datetime
from typing import Annotated

from django.http import HttpRequest
from ninja import Router, Schema, Status
from pydantic import Field

from lilong.common.django.fields import (
    PAGE_LIMIT_DEFAULT,
    CursorInQuery,
    Email,
    Id,
    IdInPath,
    LimitInQuery,
    RequestBody,
)
from lilong.common.django.problems import PROBLEMS
from lilong.common.django.routes import ALL_ROLES, allow, get_actor
from lilong.common.permissions import Role, Scope
from lilong.common.time import utc_now
from lilong.foundation.members.api.organisations import MemberAddedOut
from lilong.foundation.members.core.invitations import InvitationState
from lilong.foundation.members.core.languages import Language
from lilong.foundation.members.core.roles import MANAGERS
from lilong.foundation.members.queries.invitations import list_invitations
from lilong.foundation.members.services import invitations, memberships

router = Router(tags=["members"])


class InvitationIn(RequestBody):
    """Whom to invite, and to which role. language: of the mail; the inviter's own where it is left out."""

    email: Email
    role: Role
    language: Language | None = None


class InvitationMadeOut(Schema):
    """An invitation; `secret` is shown this once, besides the mail."""

    id: str
    email: str
    role: Role
    secret: str
    expires_at: datetime


class InvitationOut(Schema):
    """An invitation that nobody has accepted yet."""

    id: str
    organisation_id: str
    organisation_name: str
    email: str
    role: Role
    state: InvitationState
    invited_by: str
    times_sent: int
    created_at: datetime
    expires_at: datetime


class InvitationsOut(Schema):
    """A page of invitations."""

    items: list[InvitationOut]
    next_cursor: str | None


class AcceptIn(RequestBody):
    """The secret of an invitation."""

    secret: Annotated[str, Field(min_length=1, max_length=100)]


class LeaveIn(RequestBody):
    """The organisation to leave: the one that the token acts for."""

    organisation_id: Id


@router.post("/invitations", response={201: InvitationMadeOut, **PROBLEMS}, openapi_extra=allow(MANAGERS, Scope.MANAGE))
def invite_member(request: HttpRequest, body: InvitationIn) -> Status[object]:
    """Invite somebody into one's own organisation by an address."""
    made = invitations.invite_member(
        actor=get_actor(request), email=body.email, role=body.role, language=body.language, now=utc_now()
    )
    return Status(201, made)


@router.get("/invitations", response={200: InvitationsOut, **PROBLEMS}, openapi_extra=allow(MANAGERS, Scope.READ))
def list_open_invitations(
    request: HttpRequest, cursor: CursorInQuery = None, limit: LimitInQuery = PAGE_LIMIT_DEFAULT
) -> Status[object]:
    """List the invitations of one's own organisation that nobody has accepted, expired ones too."""
    return Status(200, list_invitations(actor=get_actor(request), cursor=cursor, limit=limit, now=utc_now()))


@router.post(
    "/invitations/accept", response={201: MemberAddedOut, **PROBLEMS}, openapi_extra=allow(ALL_ROLES, Scope.MANAGE)
)
def accept_invitation(request: HttpRequest, body: AcceptIn) -> Status[object]:
    """Join by an invitation to one's own confirmed address; the answer holds a token for the new organisation."""
    joined = invitations.accept_invitation_by_token(actor=get_actor(request), secret=body.secret, now=utc_now())
    return Status(201, joined)


@router.post(
    "/invitations/{invitation_id}/send",
    response={201: InvitationMadeOut, **PROBLEMS},
    openapi_extra=allow(MANAGERS, Scope.MANAGE),
)
def send_invitation(request: HttpRequest, invitation_id: IdInPath) -> Status[object]:
    """Send an invitation again, with a new secret; the one sent before no longer works."""
    sent = invitations.send_invitation_again(actor=get_actor(request), invitation_id=invitation_id, now=utc_now())
    return Status(201, sent)


@router.delete(
    "/invitations/{invitation_id}", response={204: None, **PROBLEMS}, openapi_extra=allow(MANAGERS, Scope.MANAGE)
)
def withdraw_invitation(request: HttpRequest, invitation_id: IdInPath) -> Status[object]:
    """Take an invitation back."""
    invitations.withdraw_invitation(actor=get_actor(request), invitation_id=invitation_id, now=utc_now())
    return Status(204, None)


@router.post("/me/leave", response={204: None, **PROBLEMS}, openapi_extra=allow(ALL_ROLES, Scope.MANAGE))
def leave_organisation(request: HttpRequest, body: LeaveIn) -> Status[object]:
    """Leave the organisation that the token acts for; one's tokens there end with this call."""
    memberships.leave_organisation(actor=get_actor(request), organisation_id=body.organisation_id, now=utc_now())
    return Status(204, None)


@router.post(
    "/members/{membership_id}/transfer",
    response={204: None, **PROBLEMS},
    openapi_extra=allow({Role.OWNER}, Scope.MANAGE),
)
def transfer_ownership(request: HttpRequest, membership_id: IdInPath) -> Status[object]:
    """Make another member owner in one's own place, and become an admin."""
    memberships.transfer_ownership(actor=get_actor(request), membership_id=membership_id, now=utc_now())
    return Status(204, None)
