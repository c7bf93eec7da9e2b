"""A person's data over HTTP, for operators to whom the person has written."""

from datetime import datetime

from django.http import HttpRequest
from ninja import Router, Schema, Status

from lilong.common.django.fields import IdInPath, Reason, RequestBody
from lilong.common.django.problems import PROBLEMS
from lilong.common.django.routes import allow, get_actor
from lilong.common.permissions import Role, Scope
from lilong.common.time import utc_now
from lilong.foundation.members.services import people

router = Router(tags=["members"])

OPERATE = allow({Role.OPERATOR}, Scope.OPERATE)


class ProfileOut(Schema):
    """Who the person is to the hub."""

    id: str
    email: str
    name: str
    created_at: datetime
    email_verified_at: datetime | None
    last_login: datetime | None
    erased_at: datetime | None


class PersonMembershipOut(Schema):
    """Where the person belongs or belonged."""

    id: str
    organisation_id: str
    organisation_name: str
    role: Role
    joined_at: datetime
    left_at: datetime | None


class PersonTokenOut(Schema):
    """A token of the person, without what it is."""

    id: str
    organisation_id: str
    name: str
    scopes: list[Scope]
    created_at: datetime
    expires_at: datetime
    ended_at: datetime | None
    last_used_at: datetime | None


class PersonInvitationOut(Schema):
    """An invitation to the person's address."""

    id: str
    organisation_id: str
    organisation_name: str
    role: Role
    created_at: datetime
    expires_at: datetime
    accepted_at: datetime | None
    withdrawn_at: datetime | None


class MentionOut(Schema):
    """A row of another table that names the person's id, in which columns, and its times."""

    table: str
    id: str
    columns: list[str]
    times: dict[str, str]


class PersonExportOut(Schema):
    """Everything that the hub holds about a person; tables_cut names tables with more mentions than are told."""

    made_at: datetime
    profile: ProfileOut
    memberships: list[PersonMembershipOut]
    tokens: list[PersonTokenOut]
    invitations: list[PersonInvitationOut]
    mentions: list[MentionOut]
    tables_cut: list[str]


class EraseIn(RequestBody):
    """Why the person is erased: it stands in the record, so it names nobody."""

    reason: Reason


@router.get("/people/{person_id}/export", response={200: PersonExportOut, **PROBLEMS}, openapi_extra=OPERATE)
def export_person(request: HttpRequest, person_id: IdInPath) -> Status[object]:
    """Return everything that the hub holds about a person; the record says who asked."""
    export = people.export_person_on_request(actor=get_actor(request), person_id=person_id, now=utc_now())
    return Status(200, export)


@router.post("/people/{person_id}/erase", response={204: None, **PROBLEMS}, openapi_extra=OPERATE)
def erase_person(request: HttpRequest, person_id: IdInPath, body: EraseIn) -> Status[object]:
    """Erase name and address of a person, and end all memberships and tokens; refused for a last owner."""
    people.erase_person_on_request(actor=get_actor(request), person_id=person_id, reason=body.reason, now=utc_now())
    return Status(204, None)
