"""Accounts, transfers, top-ups, pay-outs and the operator's view of the books over HTTP."""

from datetime import date, datetime
from typing import Annotated

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router, Schema, Status
from pydantic import AwareDatetime, Field

from lilong.common.django.fields import RequestBody
from lilong.common.django.problems import PROBLEMS
from lilong.common.django.routes import ALL_ROLES, allow, get_actor
from lilong.common.paging import PAGE_LIMIT_DEFAULT, PAGE_LIMIT_MAX
from lilong.common.periods import DayPeriod
from lilong.common.permissions import Role, Scope
from lilong.common.time import utc_now
from lilong.foundation.ledger.core.accounts import AccountKind
from lilong.foundation.ledger.core.as_of import AsOf
from lilong.foundation.ledger.core.payments import PayOutState, TopUpState
from lilong.foundation.ledger.core.transfers import AMOUNT_MAX_UC, TransferKind
from lilong.foundation.ledger.queries import accounts, payments, transfers, verification
from lilong.foundation.ledger.queries.as_of import get_trial_balance_as_of
from lilong.foundation.ledger.queries.beancount import export_own_beancount
from lilong.foundation.ledger.queries.periods import get_period, list_periods
from lilong.foundation.ledger.services.payments import PAYERS, confirm_pay_out, request_pay_out, request_top_up
from lilong.foundation.ledger.services.periods import close_period

router = Router(tags=["ledger"])

OPERATORS = frozenset({Role.OPERATOR})
Limit = Annotated[int, Query(ge=1, le=PAGE_LIMIT_MAX)]
Text = Annotated[str, Field(min_length=1, max_length=140)]
Amount = Annotated[int, Field(ge=1, le=AMOUNT_MAX_UC)]
OrganisationId = Annotated[str, Field(max_length=64)]
_BOOKS = {"description": "A Beancount file", "content": {"text/plain": {"schema": {"type": "string"}}}}
_TEXT = {"responses": {200: _BOOKS}}


class BalanceOut(Schema):
    """What an account holds, in micro-credits."""

    posted_uc: int
    pending_out_uc: int
    pending_in_uc: int
    available_uc: int


class AccountOut(Schema):
    """An account with its balance."""

    id: str
    kind: AccountKind
    owner_id: str
    purpose: str
    restriction: str
    balance: BalanceOut


class AccountPageOut(Schema):
    """One page of accounts, oldest first."""

    items: list[AccountOut]
    next_cursor: str | None


class TransferOut(Schema):
    """A transfer as it stands in the books."""

    id: str
    group_id: str
    kind: TransferKind
    debit_account: str
    credit_account: str
    debit_kind: AccountKind
    credit_kind: AccountKind
    amount_uc: int
    pending_id: str | None
    held_uc: int | None
    code: str
    subject: str
    effective_at: datetime
    recorded_at: datetime
    corrects: str | None


class TransferPageOut(Schema):
    """One page of transfers, those that count latest first."""

    items: list[TransferOut]
    next_cursor: str | None


class TopUpIn(RequestBody):
    """Money that came in outside; without an organisation, for your own."""

    amount_uc: Amount
    reference: Text
    organisation_id: OrganisationId = ""


class TopUpOut(Schema):
    """A top-up as it stands."""

    id: str
    organisation_id: str
    account_id: str
    amount_uc: int
    reference: str
    requested_at: datetime
    case_id: str
    state: TopUpState
    closed_at: datetime | None


class TopUpPageOut(Schema):
    """One page of top-ups, newest first."""

    items: list[TopUpOut]
    next_cursor: str | None


class PayOutIn(RequestBody):
    """Earned money to be paid outside; without an organisation, your own."""

    amount_uc: Amount
    beneficiary: Text
    organisation_id: OrganisationId = ""


class PayOutOut(Schema):
    """A pay-out as it stands; `instruction` says what has to be done outside once it is approved."""

    id: str
    organisation_id: str
    account_id: str
    amount_uc: int
    beneficiary: str
    requested_at: datetime
    case_id: str
    state: PayOutState
    instruction: str
    bank_reference: str
    closed_at: datetime | None


class PayOutPageOut(Schema):
    """One page of pay-outs, newest first."""

    items: list[PayOutOut]
    next_cursor: str | None


class SentIn(RequestBody):
    """The bank's reference of a transfer that was made."""

    bank_reference: Text


class CaseOpenedOut(Schema):
    """The case that has to be decided first."""

    case_id: str


class DifferenceOut(Schema):
    """One place where the books contradict their transfers."""

    where: str
    stored: str
    recomputed: str


class VerifyOut(Schema):
    """What was recomputed, and each difference."""

    verified_at: datetime
    accounts: int
    transfers: int
    is_balanced: bool
    differences: list[DifferenceOut]


class TrialLineOut(Schema):
    """All accounts of one kind together."""

    kind: AccountKind
    accounts: int
    balance: BalanceOut


class PeriodIn(RequestBody):
    """The moment before which nothing shall count any more."""

    ends_at: AwareDatetime


class PeriodOut(Schema):
    """A closed period; the first has no start."""

    id: str
    starts_at: datetime | None
    ends_at: datetime
    closed_at: datetime


class PeriodPageOut(Schema):
    """One page of closed periods, newest first."""

    items: list[PeriodOut]
    next_cursor: str | None


@router.get("/accounts", openapi_extra=allow(ALL_ROLES, Scope.READ), response={200: AccountPageOut, **PROBLEMS})
def list_accounts(request: HttpRequest, cursor: str | None = None, limit: Limit = PAGE_LIMIT_DEFAULT) -> object:
    """List your organisation's accounts with their balances; operators see all."""
    return accounts.list_accounts(actor=get_actor(request), cursor=cursor, limit=limit)


@router.get(
    "/accounts/{account_id}", openapi_extra=allow(ALL_ROLES, Scope.READ), response={200: AccountOut, **PROBLEMS}
)
def get_account(request: HttpRequest, account_id: str, at: AwareDatetime | None = None) -> object:
    """Show an account with its balance: now, or from all that counts for moments up to `at`."""
    return accounts.get_account(actor=get_actor(request), account_id=account_id, at=at)


@router.get(
    "/accounts/{account_id}/transfers",
    openapi_extra=allow(ALL_ROLES, Scope.READ),
    response={200: TransferPageOut, **PROBLEMS},
)
def list_transfers(
    request: HttpRequest, account_id: str, cursor: str | None = None, limit: Limit = PAGE_LIMIT_DEFAULT
) -> object:
    """List what went into and out of an account, with holds, latest first."""
    actor = get_actor(request)
    return transfers.list_account_transfers(actor=actor, account_id=account_id, cursor=cursor, limit=limit)


@router.get(
    "/statements/beancount",
    openapi_extra=allow(ALL_ROLES, Scope.READ) | _TEXT,
    response={200: None, **PROBLEMS},
)
def download_beancount(request: HttpRequest, begins_on: date, ends_on: date) -> HttpResponse:
    """Download your organisation's books from a day on and before another, of UTC, as a Beancount file."""
    period = DayPeriod(begins_on=begins_on, ends_on=ends_on)
    lines = export_own_beancount(actor=get_actor(request), period=period)
    return HttpResponse("".join(lines), content_type="text/plain; charset=utf-8")


@router.post("/top-ups", openapi_extra=allow(PAYERS, Scope.PAY), response={202: CaseOpenedOut, **PROBLEMS})
def post_top_up(request: HttpRequest, body: TopUpIn) -> object:
    """Ask for money that came in outside to be entered into a wallet, once two people of the hub approve."""
    actor = get_actor(request)
    case_id = request_top_up(
        actor=actor,
        organisation_id=body.organisation_id or actor.organisation_id,
        amount_uc=body.amount_uc,
        reference=body.reference,
        now=utc_now(),
    )
    return Status(202, CaseOpenedOut(case_id=case_id))


@router.get("/top-ups", openapi_extra=allow(ALL_ROLES, Scope.READ), response={200: TopUpPageOut, **PROBLEMS})
def list_top_ups(request: HttpRequest, cursor: str | None = None, limit: Limit = PAGE_LIMIT_DEFAULT) -> object:
    """List your organisation's top-ups; operators see all."""
    return payments.list_top_ups(actor=get_actor(request), cursor=cursor, limit=limit)


@router.get("/top-ups/{top_up_id}", openapi_extra=allow(ALL_ROLES, Scope.READ), response={200: TopUpOut, **PROBLEMS})
def get_top_up(request: HttpRequest, top_up_id: str) -> object:
    """Show one top-up."""
    return payments.get_top_up(actor=get_actor(request), top_up_id=top_up_id)


@router.post("/pay-outs", openapi_extra=allow(PAYERS, Scope.PAY), response={201: PayOutOut, **PROBLEMS})
def post_pay_out(request: HttpRequest, body: PayOutIn) -> object:
    """Ask for earned money to be paid out, once two people of the hub approve; its amount is held at once."""
    actor = get_actor(request)
    pay_out_id = request_pay_out(
        actor=actor,
        organisation_id=body.organisation_id or actor.organisation_id,
        amount_uc=body.amount_uc,
        beneficiary=body.beneficiary,
        now=utc_now(),
    )
    return Status(201, payments.get_pay_out(actor=actor, pay_out_id=pay_out_id))


@router.get("/pay-outs", openapi_extra=allow(ALL_ROLES, Scope.READ), response={200: PayOutPageOut, **PROBLEMS})
def list_pay_outs(request: HttpRequest, cursor: str | None = None, limit: Limit = PAGE_LIMIT_DEFAULT) -> object:
    """List your organisation's pay-outs; operators see all."""
    return payments.list_pay_outs(actor=get_actor(request), cursor=cursor, limit=limit)


@router.get("/pay-outs/{pay_out_id}", openapi_extra=allow(ALL_ROLES, Scope.READ), response={200: PayOutOut, **PROBLEMS})
def get_pay_out(request: HttpRequest, pay_out_id: str) -> object:
    """Show one pay-out."""
    return payments.get_pay_out(actor=get_actor(request), pay_out_id=pay_out_id)


@router.post(
    "/pay-outs/{pay_out_id}/sent", openapi_extra=allow(OPERATORS, Scope.PAY), response={200: PayOutOut, **PROBLEMS}
)
def post_pay_out_sent(request: HttpRequest, pay_out_id: str, body: SentIn) -> object:
    """Note that an approved pay-out was sent, with the bank's reference."""
    actor = get_actor(request)
    confirm_pay_out(actor=actor, pay_out_id=pay_out_id, bank_reference=body.bank_reference, now=utc_now())
    return payments.get_pay_out(actor=actor, pay_out_id=pay_out_id)


@router.get("/ledger/verify", openapi_extra=allow(OPERATORS, Scope.OPERATE), response={200: VerifyOut, **PROBLEMS})
def get_verification(request: HttpRequest) -> object:
    """Recompute every balance from the transfers and name each difference."""
    return verification.verify_for(actor=get_actor(request), now=utc_now())


@router.get(
    "/ledger/trial-balance",
    openapi_extra=allow(OPERATORS, Scope.OPERATE),
    response={200: list[TrialLineOut], **PROBLEMS},
)
def get_trial_balance(request: HttpRequest, at: AwareDatetime | None = None) -> object:
    """Show what all accounts of each kind hold together, or held at `at` by what was known then; sums are zero."""
    actor = get_actor(request)
    if at is None:
        return accounts.get_trial_balance(actor=actor)
    return get_trial_balance_as_of(actor=actor, as_of=AsOf.seen_at(at))


@router.post("/ledger/periods", openapi_extra=allow(OPERATORS, Scope.OPERATE), response={201: PeriodOut, **PROBLEMS})
def post_period(request: HttpRequest, body: PeriodIn) -> object:
    """Close the books for all moments before `ends_at`."""
    actor = get_actor(request)
    period_id = close_period(actor=actor, ends_at=body.ends_at, now=utc_now())
    return Status(201, get_period(actor=actor, period_id=period_id))


@router.get("/ledger/periods", openapi_extra=allow(OPERATORS, Scope.OPERATE), response={200: PeriodPageOut, **PROBLEMS})
def get_periods(request: HttpRequest, cursor: str | None = None, limit: Limit = PAGE_LIMIT_DEFAULT) -> object:
    """List the closed periods, newest first."""
    return list_periods(actor=get_actor(request), cursor=cursor, limit=limit)
