"""Organisations, members and tokens over HTTP."""

from datetime import date, datetime
from typing import Annotated, Literal, TypeAlias

from django.http import HttpRequest
from ninja import Router, Schema, Status
from pydantic import Field, StringConstraints

from lilong.common.django.fields import (
    PAGE_LIMIT_DEFAULT,
    CursorInQuery,
    Email,
    IdInPath,
    LimitInQuery,
    Name,
    Reason,
    RequestBody,
)
from lilong.common.django.problems import PROBLEMS
from lilong.common.django.routes import ALL_ROLES, allow, allow_public, get_actor
from lilong.common.permissions import Role, Scope
from lilong.common.time import utc_now
from lilong.foundation.members import queries
from lilong.foundation.members.core.roles import MANAGERS, OrganisationKind, OrganisationState
from lilong.foundation.members.core.standings import StandingKind
from lilong.foundation.members.core.tokens import LIFE_DEFAULT_S, LIFE_MAX_S, read_scopes
from lilong.foundation.members.models import Membership, Token
from lilong.foundation.members.services import memberships, organisations, tokens

router = Router(tags=["members"])


class StandingNowOut(Schema):
    """What an organisation is at the hub, from `starts_on` until the day before `ends_on`."""

    kind: StandingKind
    starts_on: date
    ends_on: date | None


class OrganisationOut(Schema):
    """An organisation, with what it was, is and will be at the hub."""

    id: str
    name: str
    kind: OrganisationKind
    state: OrganisationState
    created_at: datetime
    standings: list[StandingNowOut]


class OrganisationsOut(Schema):
    """A page of organisations."""

    items: list[OrganisationOut]
    next_cursor: str | None


class TokenMadeOut(Schema):
    """A fresh token; `secret` is shown this once."""

    token_id: str
    secret: str
    scopes: list[Scope]
    expires_at: datetime


FoundableKind: TypeAlias = Literal["resident", "virtual", "chain", "provider", "sponsor", "investor", "maker"]


class SignUpIn(RequestBody):
    """Who signs up."""

    name: Name
    kind: FoundableKind = "resident"
    owner_email: Email
    owner_name: Name


class FoundIn(RequestBody):
    """Another organisation of the person who asks; a maker without a name has the person's."""

    name: Annotated[str, StringConstraints(strip_whitespace=True, max_length=120)] = ""
    kind: FoundableKind = "maker"


class SignedUpOut(Schema):
    """A fresh organisation with its owner's token."""

    organisation_id: str
    person_id: str
    membership_id: str
    token: TokenMadeOut


class OverrideIn(RequestBody):
    """Why the operator steps in."""

    reason: Reason


class MemberOut(Schema):
    """A member of an organisation."""

    id: str
    person_id: str
    name: str
    email: str
    role: Role
    joined_at: datetime

    @classmethod
    def of(cls, row: Membership) -> "MemberOut":
        """Show a membership with its person."""
        return cls(
            id=row.id,
            person_id=row.person_id,
            name=row.person.name,
            email=row.person.email,
            role=Role(row.role),
            joined_at=row.joined_at,
        )


class MembersOut(Schema):
    """A page of members."""

    items: list[MemberOut]
    next_cursor: str | None


class MemberIn(RequestBody):
    """A person to take in."""

    email: Email
    name: Name
    role: Role


class MemberAddedOut(Schema):
    """A fresh membership and the one-time token to hand over."""

    membership_id: str
    person_id: str
    one_time_token: TokenMadeOut


class RoleIn(RequestBody):
    """The role to give."""

    role: Role


class TokenOut(Schema):
    """A live token, without what it is."""

    id: str
    person_id: str
    name: str
    scopes: list[Scope]
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None

    @classmethod
    def of(cls, row: Token) -> "TokenOut":
        """Show a token with its membership."""
        return cls(
            id=row.id,
            person_id=row.membership.person_id,
            name=row.name,
            scopes=sorted(read_scopes(row.scopes)),
            created_at=row.created_at,
            expires_at=row.expires_at,
            last_used_at=row.last_used_at,
        )


class TokensOut(Schema):
    """A page of tokens."""

    items: list[TokenOut]
    next_cursor: str | None


class TokenIn(RequestBody):
    """A token to make."""

    name: Name
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=len(Scope))]
    expires_in_s: Annotated[int, Field(ge=60, le=LIFE_MAX_S)] = LIFE_DEFAULT_S


class ExchangeIn(RequestBody):
    """A one-time token, and a name for the token to get for it."""

    token: Annotated[str, Field(max_length=100)]
    name: Name = "exchanged"


class MeOut(Schema):
    """Who acts by the token of this call."""

    person_id: str
    name: str
    email: str
    organisation: OrganisationOut
    role: Role
    scopes: list[Scope]
    token_id: str


@router.post("/organisations", response={201: SignedUpOut, **PROBLEMS}, openapi_extra=allow_public())
def sign_up(request: HttpRequest, body: SignUpIn) -> Status[object]:
    """Found an organisation that applies for admission."""
    made = organisations.sign_up(
        name=body.name,
        kind=OrganisationKind(body.kind),
        owner_email=body.owner_email,
        owner_name=body.owner_name,
        now=utc_now(),
    )
    return Status(201, made)


@router.get(
    "/organisations",
    response={200: OrganisationsOut, **PROBLEMS},
    openapi_extra=allow({Role.OPERATOR}, Scope.OPERATE),
)
def list_organisations(
    request: HttpRequest, cursor: CursorInQuery = None, limit: LimitInQuery = PAGE_LIMIT_DEFAULT
) -> Status[object]:
    """List every organisation of the hub, newest first."""
    return Status(200, queries.list_organisations(actor=get_actor(request), cursor=cursor, limit=limit))


@router.get(
    "/organisations/{organisation_id}",
    response={200: OrganisationOut, **PROBLEMS},
    openapi_extra=allow(ALL_ROLES, Scope.READ),
)
def get_organisation(request: HttpRequest, organisation_id: IdInPath) -> Status[object]:
    """Show one organisation: one's own, or for operators any."""
    return Status(200, queries.get_organisation(actor=get_actor(request), organisation_id=organisation_id))


@router.get(
    "/organisations/{organisation_id}/members",
    response={200: MembersOut, **PROBLEMS},
    openapi_extra=allow(ALL_ROLES, Scope.READ),
)
def list_members(
    request: HttpRequest,
    organisation_id: IdInPath,
    cursor: CursorInQuery = None,
    limit: LimitInQuery = PAGE_LIMIT_DEFAULT,
) -> Status[object]:
    """List who belongs to an organisation."""
    page = queries.list_members(actor=get_actor(request), organisation_id=organisation_id, cursor=cursor, limit=limit)
    return Status(200, MembersOut(items=[MemberOut.of(row) for row in page.items], next_cursor=page.next_cursor))


@router.post(
    "/organisations/{organisation_id}/suspend",
    response={204: None, **PROBLEMS},
    openapi_extra=allow({Role.OPERATOR}, Scope.OPERATE),
)
def suspend_organisation(request: HttpRequest, organisation_id: IdInPath, body: OverrideIn) -> Status[object]:
    """Keep an organisation from ordering."""
    organisations.suspend_organisation(
        actor=get_actor(request), organisation_id=organisation_id, reason=body.reason, now=utc_now()
    )
    return Status(204, None)


@router.post(
    "/organisations/{organisation_id}/reinstate",
    response={204: None, **PROBLEMS},
    openapi_extra=allow({Role.OPERATOR}, Scope.OPERATE),
)
def reinstate_organisation(request: HttpRequest, organisation_id: IdInPath, body: OverrideIn) -> Status[object]:
    """Let a suspended organisation order again."""
    organisations.reinstate_organisation(
        actor=get_actor(request), organisation_id=organisation_id, reason=body.reason, now=utc_now()
    )
    return Status(204, None)


@router.post("/members", response={201: MemberAddedOut, **PROBLEMS}, openapi_extra=allow(MANAGERS, Scope.MANAGE))
def add_member(request: HttpRequest, body: MemberIn) -> Status[object]:
    """Take a person into one's own organisation."""
    made = memberships.add_member(
        actor=get_actor(request), email=body.email, name=body.name, role=body.role, now=utc_now()
    )
    return Status(201, made)


@router.post(
    "/members/{membership_id}/role", response={204: None, **PROBLEMS}, openapi_extra=allow(MANAGERS, Scope.MANAGE)
)
def change_role(request: HttpRequest, membership_id: IdInPath, body: RoleIn) -> Status[object]:
    """Give a member of one's own organisation another role."""
    memberships.change_role(actor=get_actor(request), membership_id=membership_id, role=body.role, now=utc_now())
    return Status(204, None)


@router.delete(
    "/members/{membership_id}", response={204: None, **PROBLEMS}, openapi_extra=allow(MANAGERS, Scope.MANAGE)
)
def remove_member(request: HttpRequest, membership_id: IdInPath) -> Status[object]:
    """Remove a member of one's own organisation; the person's tokens there end."""
    memberships.remove_member(actor=get_actor(request), membership_id=membership_id, now=utc_now())
    return Status(204, None)


@router.get("/me", response={200: MeOut, **PROBLEMS}, openapi_extra=allow(ALL_ROLES, Scope.READ))
def get_me(request: HttpRequest) -> Status[object]:
    """Show who acts by this token."""
    actor = get_actor(request)
    row = queries.get_own_membership(actor=actor)
    organisation = queries.get_organisation(actor=actor, organisation_id=actor.organisation_id)
    me = MeOut(
        person_id=row.person_id,
        name=row.person.name,
        email=row.person.email,
        organisation=OrganisationOut.model_validate(organisation),
        role=Role(row.role),
        scopes=sorted(actor.scopes),
        token_id=actor.token_id,
    )
    return Status(200, me)


@router.post("/me/organisations", response={201: SignedUpOut, **PROBLEMS}, openapi_extra=allow(ALL_ROLES, Scope.MANAGE))
def found_organisation(request: HttpRequest, body: FoundIn) -> Status[object]:
    """Found another organisation of one's own, such as a maker's; it applies for admission. Answers its token."""
    made = organisations.found_organisation_with_token(
        person_id=get_actor(request).person_id, name=body.name, kind=OrganisationKind(body.kind), now=utc_now()
    )
    return Status(201, made)


@router.get("/tokens", response={200: TokensOut, **PROBLEMS}, openapi_extra=allow(ALL_ROLES, Scope.READ))
def list_tokens(
    request: HttpRequest, cursor: CursorInQuery = None, limit: LimitInQuery = PAGE_LIMIT_DEFAULT
) -> Status[object]:
    """List live tokens: one's own, or everybody's for who manages the organisation."""
    page = queries.list_tokens(actor=get_actor(request), cursor=cursor, limit=limit, now=utc_now())
    return Status(200, TokensOut(items=[TokenOut.of(row) for row in page.items], next_cursor=page.next_cursor))


@router.post("/tokens", response={201: TokenMadeOut, **PROBLEMS}, openapi_extra=allow(ALL_ROLES, Scope.MANAGE))
def create_token(request: HttpRequest, body: TokenIn) -> Status[object]:
    """Make another token for oneself, with some of one's own scopes."""
    made = tokens.create_token(
        actor=get_actor(request),
        name=body.name,
        scopes=body.scopes,
        expires_in_s=body.expires_in_s,
        now=utc_now(),
    )
    return Status(201, made)


@router.post("/tokens/exchange", response={201: TokenMadeOut, **PROBLEMS}, openapi_extra=allow_public())
def exchange_token(request: HttpRequest, body: ExchangeIn) -> Status[object]:
    """Exchange a one-time token for a token."""
    return Status(201, tokens.exchange_token(token=body.token, name=body.name, now=utc_now()))


@router.delete("/tokens/{token_id}", response={204: None, **PROBLEMS}, openapi_extra=allow(ALL_ROLES, Scope.MANAGE))
def revoke_token(request: HttpRequest, token_id: IdInPath) -> Status[object]:
    """End a token."""
    tokens.revoke_token(actor=get_actor(request), token_id=token_id, now=utc_now())
    return Status(204, None)
