"""What a voucher rule would have cost, over HTTP: for operators, before they publish it."""

from datetime import date
from typing import Annotated, Literal

from django.http import HttpRequest, HttpResponse
from ninja import Router, Schema
from pydantic import StringConstraints

from lilong.common.django.fields import RequestBody
from lilong.common.django.problems import PROBLEMS
from lilong.common.django.routes import allow, get_actor
from lilong.common.periods import DayPeriod
from lilong.common.permissions import Role, Scope
from lilong.platforms.funding.public import VoucherRule
from lilong.platforms.supermarket.queries.replay import replay_draft

router = Router(tags=["funding"])


class ReplayBody(RequestBody):
    """A rule to try on the orders that were settled from a day on and before another, of UTC.

    programme_id: whose vouchers carry it instead of their own rule; empty for a programme that does not exist.
    """

    rule: VoucherRule
    programme_id: Annotated[str, StringConstraints(pattern=r"^(prg_[0-9a-f]{32})?$")] = ""
    begins_on: date
    ends_on: date


class PaidOut(Schema):
    """Who would have paid for settled orders, and who did: vouchers of the draft, and all others."""

    orders: int
    due_uc: int
    draft_uc: int
    draft_was_uc: int
    others_uc: int
    others_were_uc: int


class MonthOut(PaidOut):
    """A month of settlements, in the hub's time zone."""

    month: str


class ChangeOut(PaidOut):
    """An organisation that gains, or below zero loses."""

    organisation_id: str
    gain_uc: int


class ReplayCountOut(Schema):
    """How many, and how much together."""

    number: int
    amount_uc: int


class ReplayRefusedOut(ReplayCountOut):
    """Orders on which the draft pays nothing, why, and what was due for them."""

    code: str


class ReplayCutOut(ReplayCountOut):
    """Orders on which a clause kept the draft from paying all that its rate says, and how much."""

    clause: str


class QuartersOut(Schema):
    """How the gains of all organisations are spread."""

    least_uc: int
    lower_quarter_uc: int
    median_uc: int
    upper_quarter_uc: int
    most_uc: int


class ReplayedOrganisationsOut(Schema):
    """How many organisations gain and lose, and how much together."""

    gaining: ReplayCountOut
    losing: ReplayCountOut
    unchanged: int
    quarters: QuartersOut | None


class ReplayOut(Schema):
    """What the rule would have cost, if everybody had done what they did. Equal inputs have equal bytes."""

    form: Literal["lilong.replay.1"]
    assumes: Literal["unchanged_behaviour"]
    total: PaidOut
    kept: PaidOut
    months: list[MonthOut]
    organisations: ReplayedOrganisationsOut
    changes: list[ChangeOut]
    refused: list[ReplayRefusedOut]
    cut: list[ReplayCutOut]
    without_voucher: ReplayCountOut
    withheld: ReplayCountOut


@router.post(
    "/programmes/replays",
    openapi_extra=allow(frozenset({Role.OPERATOR}), Scope.OPERATE),
    response={200: ReplayOut, **PROBLEMS},
)
def replay(request: HttpRequest, body: ReplayBody) -> HttpResponse:
    """Say what a rule would have cost for the orders of a period, and who would have gained or lost by it.

    Nothing is published or kept. It assumes that everybody would have done what they did.
    """
    outcome = replay_draft(
        actor=get_actor(request),
        rule=body.rule,
        programme_id=body.programme_id,
        period=DayPeriod(begins_on=body.begins_on, ends_on=body.ends_on),
    )
    return HttpResponse(outcome.content, content_type="application/json")
