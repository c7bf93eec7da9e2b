"""Versions of voucher rules that are handed in and approved, over HTTP."""

from datetime import datetime
from typing import Annotated

from django.http import HttpRequest
from ninja import Router, Schema, Status
from pydantic import AwareDatetime, StringConstraints

from lilong.common.django.fields import PAGE_LIMIT_DEFAULT, CursorInQuery, IdInPath, LimitInQuery, RequestBody
from lilong.common.django.problems import PROBLEMS
from lilong.common.django.routes import allow, get_actor
from lilong.common.permissions import Scope
from lilong.common.time import utc_now
from lilong.platforms.funding.api.programmes import OPERATORS, OpenedCaseOut
from lilong.platforms.funding.core.packs import PACK_LENGTH_MAX, ProposalState
from lilong.platforms.funding.queries.publishing import list_proposals
from lilong.platforms.funding.services.publishing import propose_rule

router = Router(tags=["funding"])


class PackBody(RequestBody):
    """The next version of a voucher rule: the TOML file with its number and its cases, and from when it is in force."""

    pack: Annotated[str, StringConstraints(min_length=1, max_length=PACK_LENGTH_MAX)]
    valid_from: AwareDatetime


class ProposalOut(Schema):
    """A version of a rule as it was handed in; its number stands for these bytes for good."""

    id: str
    programme_id: str
    programme_name: str
    version: int
    pack: str
    pack_sha256: str
    valid_from: datetime
    proposed_at: datetime
    case_id: str
    state: ProposalState


class ProposalPageOut(Schema):
    """A page of what was handed in, newest first."""

    items: list[ProposalOut]
    next_cursor: str | None


@router.post(
    "/programmes/{programme_id}/rules",
    openapi_extra=allow(OPERATORS, Scope.OPERATE),
    response={202: OpenedCaseOut, **PROBLEMS},
)
def add_rule(request: HttpRequest, programme_id: IdInPath, body: PackBody) -> object:
    """Hand in the next version of a programme's rule; another operator decides. Vouchers already issued keep theirs."""
    case_id = propose_rule(
        actor=get_actor(request),
        programme_id=programme_id,
        pack=body.pack,
        valid_from=body.valid_from,
        now=utc_now(),
    )
    return Status(202, {"case_id": case_id})


@router.get(
    "/rule-proposals", openapi_extra=allow(OPERATORS, Scope.OPERATE), response={200: ProposalPageOut, **PROBLEMS}
)
def show_proposals(
    request: HttpRequest, cursor: CursorInQuery = None, limit: LimitInQuery = PAGE_LIMIT_DEFAULT
) -> object:
    """List the versions of rules that were handed in, newest first."""
    return list_proposals(actor=get_actor(request), cursor=cursor, limit=limit)
