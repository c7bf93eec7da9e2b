"""Programmes, their rules, and what they give, over HTTP."""

from datetime import date, datetime
from typing import Annotated

from django.http import HttpRequest
from ninja import Router, Schema, Status
from pydantic import Field, StringConstraints

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
from lilong.platforms.funding.core.deciding import explain, list_facts
from lilong.platforms.funding.core.rules import HEAD_COUNT_MAX, Origin, Purpose, VoucherRule
from lilong.platforms.funding.queries import list_programmes, list_vouchers
from lilong.platforms.funding.queries.entitlement import (
    Entitlement,
    find_declaration,
    list_decisions,
    list_entitlements,
    list_usable,
    load_examples,
)
from lilong.platforms.funding.services.declarations import DECLARERS, declare_facts
from lilong.platforms.funding.services.programmes import create_programme, fund_programme
from lilong.platforms.funding.services.vouchers import issue_voucher

router = Router(tags=["funding"])

OPERATORS = frozenset({Role.OPERATOR})
ENTITLEMENT_FIGURES = (
    "programme_id",
    "programme_name",
    "rule",
    "rule_version",
    "rule_sha256",
    "available_uc",
    "year_used_uc",
)


class DeclarationBody(RequestBody):
    """What the organisation declares of itself: country by two letters, founding, people, purposes."""

    country: Annotated[str, StringConstraints(pattern=r"^([A-Z]{2})?$")] = ""
    founded_on: date | None = None
    head_count: Annotated[int, Field(ge=0, le=HEAD_COUNT_MAX, strict=True)] | None = None
    purposes: Annotated[list[Purpose], Field(max_length=len(Purpose))] = Field(default_factory=list)


class ProgrammeBody(RequestBody):
    """A new programme."""

    name: Name
    rule: VoucherRule


class FundBody(RequestBody):
    """Money that came from outside for a programme, and the reference of the payment."""

    amount_uc: PositiveUc
    reference: Reference


class VoucherBody(RequestBody):
    """A new voucher for an admitted organisation."""

    programme_id: Id
    organisation_id: Id
    amount_uc: PositiveUc


class ProgrammeOut(Schema):
    """A programme, its rule in force and what its fund holds."""

    id: str
    name: str
    account_id: str
    rule: VoucherRule
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


class ThresholdOut(Schema):
    """How far a fact is from what the rule asks; distance where both are figures."""

    condition: str
    wanted: str
    actual: str
    distance: int | None


class PaysOut(Schema):
    """What a rule pays on offers of one origin: a rate, or the code of the refusal and what would make it pass."""

    accelerator: Origin
    provider: Origin
    rate_ppm: int
    code: str
    message: str
    thresholds: list[ThresholdOut]


class EntitlementOut(Schema):
    """What a programme's rule in force says of the organisation now, before any form.

    `pays` tells apart what the rule tells apart; `year_used_uc` includes what live quotes and orders hold.
    """

    programme_id: str
    programme_name: str
    rule: VoucherRule
    rule_version: int
    rule_sha256: str
    available_uc: int
    is_entitled: bool
    year_used_uc: int
    pays: list[PaysOut]


class EntitlementsOut(Schema):
    """All programmes, by name."""

    items: list[EntitlementOut]


class DecisionOut(Schema):
    """Whether a voucher was given, by which version of the rule, and if not, why and how far it is from passing."""

    id: str
    programme_id: str
    programme_name: str
    organisation_id: str
    rule_version: int
    rule_sha256: str
    amount_uc: int
    voucher_id: str
    code: str
    reason: str
    thresholds: list[ThresholdOut]
    decided_at: datetime


class DecisionPageOut(Schema):
    """A page of decisions, newest first."""

    items: list[DecisionOut]
    next_cursor: str | None


class ExampleOut(Schema):
    """A rule that comes with Lilong as an example, as TOML to begin with."""

    name: str
    pack: str


class ExamplesOut(Schema):
    """The examples, by name."""

    items: list[ExampleOut]


class UsableOut(Schema):
    """Which vouchers would pay for an order quoted now, in the order in which they pay, and why others would not."""

    usable: list[str]
    refused: list[NoteOut]


class CreatedOut(Schema):
    """The id of what was created."""

    id: str


class OpenedCaseOut(Schema):
    """The case that decides."""

    case_id: str


@router.post("/programmes", openapi_extra=allow(OPERATORS, Scope.OPERATE), response={201: CreatedOut, **PROBLEMS})
def create(request: HttpRequest, body: ProgrammeBody) -> object:
    """Create a programme with an empty fund and the first version of its rule."""
    programme_id = create_programme(actor=get_actor(request), name=body.name, rule=body.rule, now=utc_now())
    return Status(201, {"id": programme_id})


@router.get("/programmes", openapi_extra=allow(ALL_ROLES, Scope.READ), response={200: ProgrammePageOut, **PROBLEMS})
def show_programmes(
    request: HttpRequest, cursor: CursorInQuery = None, limit: LimitInQuery = PAGE_LIMIT_DEFAULT
) -> object:
    """List the programmes with their published rules."""
    return list_programmes(actor=get_actor(request), cursor=cursor, limit=limit, now=utc_now())


@router.get("/programmes/examples", openapi_extra=allow(ALL_ROLES, Scope.READ), response={200: ExamplesOut, **PROBLEMS})
def show_examples(request: HttpRequest) -> object:
    """List the voucher rules that come as examples, each modelled on a published one."""
    return {"items": [{"name": name, "pack": pack} for name, pack in load_examples().items()]}


@router.get(
    "/programmes/entitlements", openapi_extra=allow(ALL_ROLES, Scope.READ), response={200: EntitlementsOut, **PROBLEMS}
)
def show_entitlements(request: HttpRequest) -> object:
    """Say of each programme whether the organisation is entitled now, why or why not, and what it would pay."""
    actor = get_actor(request)
    declared = find_declaration(organisation_id=actor.organisation_id)
    entitlements = list_entitlements(actor=actor, declared=declared, now=utc_now())
    return {"items": [_entitlement_out(each) for each in entitlements]}


@router.get(
    "/programmes/decisions", openapi_extra=allow(ALL_ROLES, Scope.READ), response={200: DecisionPageOut, **PROBLEMS}
)
def show_decisions(
    request: HttpRequest, cursor: CursorInQuery = None, limit: LimitInQuery = PAGE_LIMIT_DEFAULT
) -> object:
    """List the decisions on vouchers of the organisation, given and refused; operators see all."""
    return list_decisions(actor=get_actor(request), cursor=cursor, limit=limit)


@router.post("/programmes/declarations", openapi_extra=allow(DECLARERS, Scope.MANAGE), response={204: None, **PROBLEMS})
def declare(request: HttpRequest, body: DeclarationBody) -> object:
    """Declare what voucher rules ask of the organisation; it counts for what is quoted and issued from now on."""
    declare_facts(
        actor=get_actor(request),
        country=body.country,
        founded_on=body.founded_on,
        head_count=body.head_count,
        purposes=body.purposes,
        now=utc_now(),
    )
    return Status(204, None)


@router.post(
    "/programmes/{programme_id}/fund",
    openapi_extra=allow(OPERATORS, Scope.PAY),
    response={202: OpenedCaseOut, **PROBLEMS},
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
    choice = list_usable(organisation_id=get_actor(request).organisation_id, offers=(), now=utc_now())
    return {
        "usable": [chosen.voucher.voucher_id for chosen in choice.usable],
        "refused": [problem for _, problem in choice.refused],
    }


def _entitlement_out(entitlement: Entitlement) -> dict[str, object]:
    return {
        **{name: getattr(entitlement, name) for name in ENTITLEMENT_FIGURES},
        "is_entitled": entitlement.refused is None,
        "pays": [
            {
                "accelerator": pays.accelerator,
                "provider": pays.provider,
                "rate_ppm": pays.rate_ppm,
                "code": pays.refused.code.value if pays.refused else "",
                "message": explain(refused=pays.refused) if pays.refused else "",
                "thresholds": list_facts(refused=pays.refused) if pays.refused else [],
            }
            for pays in entitlement.pays
        ],
    }
