"""Invoices over HTTP."""

from datetime import date, datetime
from typing import Annotated

from django.http import HttpRequest, HttpResponse
from ninja import Router, Schema
from pydantic import StringConstraints

from lilong.common.django.fields import PAGE_LIMIT_DEFAULT, CursorInQuery, Id, IdInPath, LimitInQuery, RequestBody
from lilong.common.django.problems import PROBLEMS
from lilong.common.django.routes import ALL_ROLES, OWN_TRANSACTIONS, allow, get_actor
from lilong.common.periods import read_month
from lilong.common.permissions import Role, Scope
from lilong.common.time import utc_now
from lilong.foundation.members.public.people import Language
from lilong.platforms.supermarket.core.invoices import PaperKind
from lilong.platforms.supermarket.queries.invoice_papers import render_invoice
from lilong.platforms.supermarket.queries.invoices import get_invoice, list_invoices
from lilong.platforms.supermarket.services.invoices import issue_month

router = Router(tags=["invoices"])


def _describe(media_type: str, schema: dict[str, str], text: str) -> dict[str, object]:
    return {"responses": {200: {"description": text, "content": {media_type: {"schema": schema}}}}}


_PDF = _describe("application/pdf", {"type": "string", "format": "binary"}, "The invoice as PDF")
_DOCUMENT = _describe("application/json", {"type": "object"}, "The document, byte for byte as the record's hash says")


class InvoiceOut(Schema):
    """An invoice or credit note; total_minor in the currency's minor unit, `decimals` of which make one."""

    id: str
    number: str
    kind: PaperKind
    organisation_id: str
    month: date
    about_month: date
    currency: str
    decimals: int
    total_minor: int
    total_uc: int
    issued_at: datetime
    sha256: str
    record_entry_id: str


class InvoicePageOut(Schema):
    """One page of invoices."""

    items: list[InvoiceOut]
    next_cursor: str | None


class IssueBody(RequestBody):
    """The month, such as 2026-10; after: `next_after` of the answer before."""

    month: Annotated[str, StringConstraints(pattern=r"^20\d\d-(0[1-9]|1[0-2])$")]
    after: Id | None = None


class RefusedOut(Schema):
    """An organisation whose papers were not issued, and why."""

    organisation_id: str
    code: str
    detail: str
    next_step: str


class MonthIssuedOut(Schema):
    """Numbers that were issued now; next_after: ask again with it, empty when the month is done."""

    issued: list[str]
    refused: list[RefusedOut]
    next_after: str


@router.get("/invoices", openapi_extra=allow(ALL_ROLES, Scope.READ), response={200: InvoicePageOut, **PROBLEMS})
def get_invoices(
    request: HttpRequest, cursor: CursorInQuery = None, limit: LimitInQuery = PAGE_LIMIT_DEFAULT
) -> object:
    """List your organisation's invoices and credit notes, newest first; operators see all."""
    return list_invoices(actor=get_actor(request), cursor=cursor, limit=limit)


@router.post(
    "/invoices",
    openapi_extra=allow({Role.OPERATOR}, Scope.OPERATE) | OWN_TRANSACTIONS,
    response={200: MonthIssuedOut, **PROBLEMS},
)
def post_invoices(request: HttpRequest, body: IssueBody) -> object:
    """Issue the invoices of a closed month that are missing, for the next organisations; each is issued once."""
    now = utc_now()
    month = read_month(body.month, now=now)
    done = issue_month(actor=get_actor(request), month=month, after=body.after or "", now=now)
    refused = [
        RefusedOut(
            organisation_id=each.organisation_id,
            code=each.error.code,
            detail=each.error.detail or each.error.title,
            next_step=each.error.next_step,
        )
        for each in done.refused
    ]
    return MonthIssuedOut(issued=list(done.issued), refused=refused, next_after=done.next_after)


@router.get(
    "/invoices/{invoice_id}", openapi_extra=allow(ALL_ROLES, Scope.READ), response={200: InvoiceOut, **PROBLEMS}
)
def get_one_invoice(request: HttpRequest, invoice_id: IdInPath) -> object:
    """Show one invoice."""
    return get_invoice(actor=get_actor(request), invoice_id=invoice_id).view


@router.get(
    "/invoices/{invoice_id}/document",
    openapi_extra=allow(ALL_ROLES, Scope.READ) | _DOCUMENT,
    response={200: None, **PROBLEMS},
)
def download_document(request: HttpRequest, invoice_id: IdInPath) -> HttpResponse:
    """Download the document of an invoice, whose SHA-256 the record holds."""
    sheet = get_invoice(actor=get_actor(request), invoice_id=invoice_id)
    return HttpResponse(sheet.content, content_type="application/json")


@router.get(
    "/invoices/{invoice_id}/pdf",
    openapi_extra=allow(ALL_ROLES, Scope.READ) | _PDF,
    response={200: None, **PROBLEMS},
)
def download_pdf(request: HttpRequest, invoice_id: IdInPath, language: Language = Language.EN) -> HttpResponse:
    """Download an invoice as PDF, in English or Chinese."""
    content = render_invoice(actor=get_actor(request), invoice_id=invoice_id, language=language)
    return HttpResponse(content, content_type="application/pdf")
