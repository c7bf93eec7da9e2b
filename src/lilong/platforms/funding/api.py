"""Programmes and vouchers over HTTP."""

from datetime import datetime

from django.http import HttpRequest
from ninja import Router, Schema, Status

from lilong.common.django.fields import (
    PAGE_LIMIT_DEFAULT,
    CursorInQuery,
    Id,
    IdInPath,
    LimitInQuery,
    Name,
    PositiveUc,
    Reference,
    RequestBody,
)
from lilong.common.django.problems import PROBLEMS
from lilong.common.django.routes import ALL_ROLES, allow, get_actor
from lilong.common.permissions import Role, Scope
from lilong.common.time import utc_now
from lilong.platforms.funding.core.rules import VoucherRule
from lilong.platforms.funding.queries import list_programmes, list_usable, list_vouchers
from lilong.platforms.funding.services.programmes import create_programme, fund_programme, publish_rule
from lilong.platforms.funding.services.vouchers import issue_voucher

router = Router(tags=["funding"])

OPERATORS = frozenset({Role.OPERATOR})


class RuleBody(RequestBody):
    """A voucher rule: share of the price in ppm, most per order, life in days, worth of a starter (0: none)."""

    rate_ppm: int
    cap_uc: int
    expires_in_days: int
    starter_uc: int = 0

    @property
    def rule(self) -> VoucherRule:
        """Return the rule as the core knows it."""
        return VoucherRule(**self.model_dump())


class ProgrammeBody(RequestBody):
    """A new programme."""

    name: Name
    rule: RuleBody


class FundBody(RequestBody):
    """Money that came from outside for a programme, and the reference of the payment."""

    amount_uc: PositiveUc
    reference: Reference


class VoucherBody(RequestBody):
    """A new voucher for an admitted organisation."""

    programme_id: Id
    organisation_id: Id
    amount_uc: PositiveUc


class RuleOut(Schema):
    """A voucher rule."""

    rate_ppm: int
    cap_uc: int
    expires_in_days: int
    starter_uc: int


class ProgrammeOut(Schema):
    """A programme, its rule in force and what its fund holds."""

    id: str
    name: str
    account_id: str
    rule: RuleOut
    rule_version: int
    rule_sha256: str
    available_uc: int
    created_at: datetime


class ProgrammePageOut(Schema):
    """A page of programmes, newest first."""

    items: list[ProgrammeOut]
    next_cursor: str | None


class VoucherOut(Schema):
    """A voucher as it stands."""

    id: str
    programme_id: str
    programme_name: str
    organisation_id: str
    account_id: str
    rate_ppm: int
    cap_uc: int
    rule_version: int
    rule_sha256: str
    issued_uc: int
    available_uc: int
    reserved_uc: int
    issued_at: datetime
    expires_at: datetime
    starter: bool
    closed_at: datetime | None


class VoucherPageOut(Schema):
    """A page of vouchers, newest first."""

    items: list[VoucherOut]
    next_cursor: str | None


class NoteOut(Schema):
    """Why a voucher would not pay now, and what would make it pay."""

    path: str
    code: str
    message: str


class UsableOut(Schema):
    """Which vouchers would pay for an order quoted now, in the order in which they pay, and why others would not."""

    usable: list[str]
    refused: list[NoteOut]


class CreatedOut(Schema):
    """The id of what was created."""

    id: str


class VersionOut(Schema):
    """The number of the rule version that is in force now."""

    version: int


class CaseOut(Schema):
    """The case that two other people decide."""

    case_id: str


@router.post("/programmes", openapi_extra=allow(OPERATORS, Scope.OPERATE), response={201: CreatedOut, **PROBLEMS})
def create(request: HttpRequest, body: ProgrammeBody) -> object:
    """Create a programme with an empty fund and the first version of its rule."""
    programme_id = create_programme(actor=get_actor(request), name=body.name, rule=body.rule.rule, now=utc_now())
    return Status(201, {"id": programme_id})


@router.get("/programmes", openapi_extra=allow(ALL_ROLES, Scope.READ), response={200: ProgrammePageOut, **PROBLEMS})
def show_programmes(
    request: HttpRequest, cursor: CursorInQuery = None, limit: LimitInQuery = PAGE_LIMIT_DEFAULT
) -> object:
    """List the programmes with their published rules."""
    return list_programmes(actor=get_actor(request), cursor=cursor, limit=limit)


@router.post(
    "/programmes/{programme_id}/rules",
    openapi_extra=allow(OPERATORS, Scope.OPERATE),
    response={201: VersionOut, **PROBLEMS},
)
def add_rule(request: HttpRequest, programme_id: IdInPath, body: RuleBody) -> object:
    """Publish the next version of a programme's rule; vouchers already issued keep theirs."""
    version = publish_rule(actor=get_actor(request), programme_id=programme_id, rule=body.rule, now=utc_now())
    return Status(201, {"version": version})


@router.post(
    "/programmes/{programme_id}/fund",
    openapi_extra=allow(OPERATORS, Scope.PAY),
    response={202: CaseOut, **PROBLEMS},
)
def fund(request: HttpRequest, programme_id: IdInPath, body: FundBody) -> object:
    """Ask for a payment to be entered into a programme's fund; two other people decide."""
    case_id = fund_programme(
        actor=get_actor(request),
        programme_id=programme_id,
        amount_uc=body.amount_uc,
        reference=body.reference,
        now=utc_now(),
    )
    return Status(202, {"case_id": case_id})


@router.post("/vouchers", openapi_extra=allow(OPERATORS, Scope.PAY), response={201: CreatedOut, **PROBLEMS})
def issue(request: HttpRequest, body: VoucherBody) -> object:
    """Issue a voucher out of a programme's fund."""
    voucher_id = issue_voucher(
        actor=get_actor(request),
        programme_id=body.programme_id,
        organisation_id=body.organisation_id,
        amount_uc=body.amount_uc,
        now=utc_now(),
    )
    return Status(201, {"id": voucher_id})


@router.get("/vouchers", openapi_extra=allow(ALL_ROLES, Scope.READ), response={200: VoucherPageOut, **PROBLEMS})
def show_vouchers(
    request: HttpRequest, cursor: CursorInQuery = None, limit: LimitInQuery = PAGE_LIMIT_DEFAULT
) -> object:
    """List the organisation's vouchers; operators see all."""
    return list_vouchers(actor=get_actor(request), cursor=cursor, limit=limit)


@router.get("/vouchers/usable", openapi_extra=allow(ALL_ROLES, Scope.READ), response={200: UsableOut, **PROBLEMS})
def show_usable(request: HttpRequest) -> object:
    """Say which of the organisation's vouchers would pay for an order quoted now, and why others would not."""
    choice = list_usable(organisation_id=get_actor(request).organisation_id, now=utc_now())
    return {
        "usable": [voucher.voucher_id for voucher in choice.usable],
        "refused": [problem for _, problem in choice.refused],
    }
