"""What is claimed of accelerators over HTTP."""

from datetime import date, datetime
from typing import Annotated

from django.http import HttpRequest
from ninja import Router, Schema, Status
from pydantic import Field, StringConstraints

from lilong.common.django.fields import IdInPath, Reason, RequestBody
from lilong.common.django.problems import PROBLEMS
from lilong.common.django.routes import allow, allow_public, get_actor
from lilong.common.permissions import Scope
from lilong.common.time import utc_now
from lilong.platforms.stack.core.checks import (
    COMMIT_MAX,
    CONDITIONS_MAX,
    NOTE_MAX,
    TITLE_MAX,
    URL_MAX,
    VALUE_MAX,
    Draft,
)
from lilong.platforms.stack.core.claims import Claim, Confidence, Finding, Source, Tier
from lilong.platforms.stack.core.properties import PROPERTIES
from lilong.platforms.stack.queries import ClaimView, Dossier, get_claim, get_dossier
from lilong.platforms.stack.services import OPERATORS, add_claim, withdraw_claim
from lilong.protocol.accelerators import list_accelerators

router = Router(tags=["accelerators"])

Line = Annotated[str, StringConstraints(strip_whitespace=True)]


class SourceBody(RequestBody):
    """Where it was read; dated_on: of the source, left out where it bears no date."""

    title: Annotated[Line, Field(min_length=1, max_length=TITLE_MAX)]
    url: Annotated[Line, Field(max_length=URL_MAX)] = ""
    commit: Annotated[Line, Field(max_length=COMMIT_MAX)] = ""
    dated_on: date | None = None


class ClaimBody(RequestBody):
    """A claim. value: a number without its unit where the property is one; conditions: in which case it holds."""

    property: Annotated[str, Field(max_length=64)]
    value: Annotated[Line, Field(min_length=1, max_length=VALUE_MAX)]
    tier: Tier
    confidence: Confidence
    source: SourceBody
    conditions: Annotated[Line, Field(max_length=CONDITIONS_MAX)] = ""
    note: Annotated[Line, Field(max_length=NOTE_MAX)] = ""

    def to_draft(self) -> Draft:
        """Return the claim as the core knows it."""
        return Draft(**{**self.model_dump(), "source": Source(**self.source.model_dump())})


class WithdrawalBody(RequestBody):
    """Why a claim is withdrawn; everybody reads it."""

    reason: Reason


class AcceleratorOut(Schema):
    """An accelerator by its id, and what people call it."""

    id: str
    name: str
    vendor: str
    country: str
    aliases: list[str]


class AcceleratorListOut(Schema):
    """The whole registry."""

    items: list[AcceleratorOut]


class SourceOut(Schema):
    """Where a claim was read."""

    title: str
    url: str
    commit: str
    dated_on: date | None


class EndOut(Schema):
    """Why a claim holds no more: withdrawn at this hub, or superseded by a release of what ships with Lilong."""

    reason: str
    withdrawn_at: datetime | None
    superseded_by: int | None


class ClaimOut(Schema):
    """A claim. release: in which it came with Lilong; null for what was added at this hub, at `added_at`."""

    id: str
    accelerator: str
    property: str
    value: str
    unit: str
    conditions: str
    tier: Tier
    confidence: Confidence
    sources: list[SourceOut]
    note: str
    is_conflicting: bool
    release: int | None
    added_at: datetime | None
    run_id: str
    end: EndOut | None


class DossierOut(Schema):
    """An accelerator with what is claimed of it, by property and best first, and what is claimed no more."""

    accelerator: AcceleratorOut
    release: int
    release_sha256: str
    claims: list[ClaimOut]
    ended: list[ClaimOut]


class CreatedOut(Schema):
    """The id of what was created."""

    id: str


@router.get("/accelerators", openapi_extra=allow_public(), response={200: AcceleratorListOut, **PROBLEMS})
def show_accelerators(request: HttpRequest) -> object:
    """List the accelerators that the hub knows by name."""
    return {"items": list_accelerators()}


@router.get("/accelerators/{name}", openapi_extra=allow_public(), response={200: DossierOut, **PROBLEMS})
def show_accelerator(request: HttpRequest, name: IdInPath) -> object:
    """Show what is claimed of an accelerator, by any of its names: best claim first, conflicts beside each other."""
    return _show_dossier(get_dossier(actor=get_actor(request), name=name))


@router.get("/claims/{claim_id}", openapi_extra=allow_public(), response={200: ClaimOut, **PROBLEMS})
def show_claim(request: HttpRequest, claim_id: IdInPath) -> object:
    """Show one claim, whether it holds or not."""
    actor = get_actor(request)
    view = get_claim(actor=actor, claim_id=claim_id)
    dossier = get_dossier(actor=actor, name=view.claim.accelerator)
    return _show_claim(view, finding=dossier.find(view.claim.property))


@router.post(
    "/accelerators/{name}/claims",
    openapi_extra=allow(OPERATORS, Scope.OPERATE),
    response={201: CreatedOut, **PROBLEMS},
)
def create_claim(request: HttpRequest, name: IdInPath, body: ClaimBody) -> object:
    """Add a claim about an accelerator."""
    return Status(201, {"id": add_claim(actor=get_actor(request), name=name, draft=body.to_draft(), now=utc_now())})


@router.post(
    "/claims/{claim_id}/withdraw",
    openapi_extra=allow(OPERATORS, Scope.OPERATE),
    response={200: ClaimOut, **PROBLEMS},
)
def withdraw(request: HttpRequest, claim_id: IdInPath, body: WithdrawalBody) -> object:
    """Withdraw a claim for good; it stays to be read, with the reason."""
    actor = get_actor(request)
    withdraw_claim(actor=actor, claim_id=claim_id, reason=body.reason, now=utc_now())
    return _show_claim(get_claim(actor=actor, claim_id=claim_id), finding=None)


def _show_dossier(dossier: Dossier) -> dict[str, object]:
    return {
        "accelerator": dossier.accelerator,
        "release": dossier.release.number,
        "release_sha256": dossier.release.sha256,
        "claims": [
            _show_claim(ClaimView(claim=claim, end=None), finding=finding)
            for finding in dossier.findings
            for claim in finding.claims
        ],
        "ended": [_show_claim(view, finding=None) for view in dossier.ended],
    }


def _show_claim(view: ClaimView, *, finding: Finding | None) -> dict[str, object]:
    claim: Claim = view.claim
    fields = {name: getattr(claim, name) for name in ClaimOut.model_fields if hasattr(claim, name)}
    unit = PROPERTIES[claim.property].unit
    is_conflicting = finding is not None and claim.id in finding.conflicting
    return {**fields, "unit": unit, "is_conflicting": is_conflicting, "end": view.end}
