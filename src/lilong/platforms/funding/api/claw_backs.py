"""Voucher money that is asked back, over HTTP."""

from datetime import datetime
from typing import Annotated

from django.http import HttpRequest
from ninja import Router, Schema, Status
from pydantic import Field

from lilong.common.django.fields import (
    PAGE_LIMIT_DEFAULT,
    CursorInQuery,
    Id,
    LimitInQuery,
    Reason,
    RequestBody,
)
from lilong.common.django.problems import PROBLEMS
from lilong.common.django.routes import ALL_ROLES, allow, get_actor
from lilong.common.permissions import Scope
from lilong.common.time import utc_now
from lilong.platforms.funding.api.programmes import OPERATORS, OpenedCaseOut
from lilong.platforms.funding.core.claw_back import ClawBackState
from lilong.platforms.funding.core.rules import ClawBackReason
from lilong.platforms.funding.queries.claw_backs import USES_MAX, list_claw_backs
from lilong.platforms.funding.services.claw_backs import ask_back

router = Router(tags=["funding"])


class ClawBackBody(RequestBody):
    """All that a voucher paid for these orders, and why it should not have."""

    voucher_id: Id
    order_ids: Annotated[list[Id], Field(min_length=1, max_length=USES_MAX)]
    reason: ClawBackReason
    detail: Reason


class ClawBackOut(Schema):
    """What is asked back of a voucher, by which version of its rule, and where that stands.

    asked_uc: what the orders came to when it was asked; due_uc: what is to be taken back by now, 0 unless approved;
    taken_uc: of that, what is back in the fund; owed_uc: what is still to come out of the wallet.
    """

    id: str
    voucher_id: str
    programme_id: str
    programme_name: str
    organisation_id: str
    rule_version: int
    rule_sha256: str
    reason: ClawBackReason
    detail: str
    order_ids: list[str]
    asked_uc: int
    due_uc: int
    taken_uc: int
    owed_uc: int
    state: ClawBackState
    case_id: str
    asked_at: datetime
    decided_at: datetime | None


class ClawBackPageOut(Schema):
    """A page of what is asked back, newest first."""

    items: list[ClawBackOut]
    next_cursor: str | None


@router.post("/claw-backs", openapi_extra=allow(OPERATORS, Scope.PAY), response={202: OpenedCaseOut, **PROBLEMS})
def post_claw_back(request: HttpRequest, body: ClawBackBody) -> object:
    """Ask back what a voucher paid for orders for which it should not have been used; two other people decide."""
    case_id = ask_back(
        actor=get_actor(request),
        voucher_id=body.voucher_id,
        reason=body.reason,
        detail=body.detail,
        order_ids=body.order_ids,
        now=utc_now(),
    )
    return Status(202, {"case_id": case_id})


@router.get("/claw-backs", openapi_extra=allow(ALL_ROLES, Scope.READ), response={200: ClawBackPageOut, **PROBLEMS})
def show_claw_backs(
    request: HttpRequest, cursor: CursorInQuery = None, limit: LimitInQuery = PAGE_LIMIT_DEFAULT
) -> object:
    """List what is asked back of the organisation, newest first; operators see all."""
    return list_claw_backs(actor=get_actor(request), cursor=cursor, limit=limit)
