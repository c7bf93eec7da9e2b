"""What became of programmes' money as of any moment, over HTTP: for operators, since it names members."""

from datetime import datetime
from typing import Literal

from django.http import HttpRequest, HttpResponse
from ninja import Router, Schema
from pydantic import AwareDatetime

from lilong.common.django.fields import IdInPath
from lilong.common.django.problems import PROBLEMS
from lilong.common.django.routes import allow, get_actor
from lilong.common.permissions import Role, Scope
from lilong.common.time import utc_now
from lilong.foundation.ledger.public.past import AsOf
from lilong.platforms.funding.public.reports import ProgrammeReport
from lilong.platforms.supermarket.queries.programme_reports import get_report

router = Router(tags=["funding"])
RULE = allow(frozenset({Role.OPERATOR}), Scope.OPERATE)
_CSV = {
    "responses": {200: {"description": "The report in CSV", "content": {"text/csv": {"schema": {"type": "string"}}}}}
}


class ProgrammeFlowsOut(Schema):
    """What moved until the moment, what was held at it, and what is left: in the fund, on vouchers, free of holds."""

    granted_uc: int
    withdrawn_uc: int
    recovered_uc: int
    returned_uc: int
    issued_uc: int
    expired_uc: int
    spent_uc: int
    given_back_uc: int
    reserved_uc: int
    held_uc: int
    fund_uc: int
    vouchers_uc: int
    free_uc: int


class ProgrammeLineOut(ProgrammeFlowsOut):
    """The same with how many vouchers of how many members."""

    vouchers: int
    members: int


class ProgrammeVersionOut(ProgrammeLineOut):
    """Vouchers of one version of the rule."""

    version: int
    sha256: str
    published_at: datetime


class ProgrammeMemberOut(ProgrammeLineOut):
    """Vouchers of one member."""

    organisation_id: str


class ProgrammeMonthOut(ProgrammeFlowsOut):
    """What moved in one month of UTC; nothing of holds."""

    month: str


class ProgrammeRefusedOut(Schema):
    """How many applications for a voucher were refused, and how many quotes a voucher was kept out of."""

    applications: int
    quotes: int


class ProgrammeClauseOut(ProgrammeRefusedOut):
    """The same by a clause of one version of the rule."""

    version: int
    code: str


class ProgrammeReportOut(Schema):
    """A programme as of a moment. Equal books have equal bytes."""

    form: Literal["lilong.programme_report.1"]
    programme_id: str
    name: str
    at: datetime
    total: ProgrammeLineOut
    versions: list[ProgrammeVersionOut]
    organisations: list[ProgrammeMemberOut]
    months: list[ProgrammeMonthOut]
    refused: list[ProgrammeClauseOut]
    related_parties: ProgrammeRefusedOut


@router.get("/programmes/{programme_id}/report", openapi_extra=RULE, response={200: ProgrammeReportOut, **PROBLEMS})
def show_report(request: HttpRequest, programme_id: IdInPath, at: AwareDatetime | None = None) -> HttpResponse:
    """Say what became of a programme's money until a moment, or until now; nothing that happens later changes it."""
    return HttpResponse(_report(request, programme_id, at).content, content_type="application/json")


@router.get("/programmes/{programme_id}/report/csv", openapi_extra=RULE | _CSV, response={200: None, **PROBLEMS})
def download_report(request: HttpRequest, programme_id: IdInPath, at: AwareDatetime | None = None) -> HttpResponse:
    """Download the same as CSV: lines of the whole, of versions, members, months and refusals."""
    rows = _report(request, programme_id, at).list_rows()
    return HttpResponse(b"".join(rows), content_type="text/csv; charset=utf-8")


def _report(request: HttpRequest, programme_id: str, at: datetime | None) -> ProgrammeReport:
    now = utc_now()
    return get_report(actor=get_actor(request), programme_id=programme_id, as_of=AsOf.seen_at(at or now), now=now)
