"""Create programmes and pay into their funds."""

from datetime import datetime

from django.db import transaction

from lilong.common.canonical import canonical_json
from lilong.common.errors import Conflict, FieldProblem, InputInvalid, NotFound
from lilong.common.ids import new_id
from lilong.common.permissions import Actor, Role, Scope, may, require
from lilong.common.sentences import say
from lilong.common.time import format_moment
from lilong.foundation.cases.public import open_case
from lilong.foundation.ledger.public import (
    AccountKind,
    LinkGroup,
    Transfer,
    TransferKind,
    open_account,
    post_many,
    require_posted,
)
from lilong.foundation.record.public import append
from lilong.platforms.funding.core.rules import AMOUNT_MAX_UC, VoucherRule, check_rule
from lilong.platforms.funding.models import FundRequest, Programme, RuleVersion

OPERATORS = frozenset({Role.OPERATOR})
FUND_CASE = "funding.fund_programme"


class ProgrammeNameTaken(Conflict):
    """Another programme has this name."""

    code = "funding.name_taken"
    title = "There is a programme of this name"
    next_step = "Choose another name, or publish a new rule for that programme."


class FundAmountInvalid(InputInvalid):
    """The amount is out of range."""

    code = "funding.amount_invalid"
    title = "This amount is out of range"
    next_step = f"Ask for 1 to {AMOUNT_MAX_UC} micro-credits."


def create_programme(*, actor: Actor, name: str, rule: VoucherRule, now: datetime) -> str:
    """Create a programme with an empty fund and the first version of its rule; return its id."""
    require(may(actor, roles=OPERATORS, scope=Scope.OPERATE))
    check_rule(rule=rule)
    with transaction.atomic():
        if Programme.objects.filter(name=name).exists():
            raise ProgrammeNameTaken(detail=name)
        programme_id = new_id("prg")
        account_id = open_account(
            kind=AccountKind.PROGRAMME_FUND, owner_id=actor.organisation_id, purpose=programme_id, now=now
        )
        programme = Programme.objects.create(id=programme_id, name=name, account_id=account_id, created_at=now)
        add_version(programme=programme, rule=rule, version=1, valid_from=now, now=now)
    return programme_id


def fund_programme(*, actor: Actor, programme_id: str, amount_uc: int, reference: str, now: datetime) -> str:
    """Ask for money from outside to be entered into a programme's fund; return the case that two others decide."""
    require(may(actor, roles=OPERATORS, scope=Scope.PAY))
    if not 1 <= amount_uc <= AMOUNT_MAX_UC:
        problem = FieldProblem(path="amount_uc", code="funding.out_of_range", message=FundAmountInvalid.next_step)
        raise FundAmountInvalid(fields=[problem])
    with transaction.atomic():
        programme = lock_programme(programme_id=programme_id)
        request_id = new_id("fnd")
        case_id = open_case(
            kind=FUND_CASE,
            subject_id=request_id,
            organisation_id="",
            opened_by=actor.person_id,
            facts={"programme": programme.name, "amount_uc": amount_uc, "reference": reference},
            now=now,
        )
        FundRequest.objects.create(
            id=request_id,
            programme=programme,
            amount_uc=amount_uc,
            reference=reference,
            requested_at=now,
            case_id=case_id,
        )
    return case_id


def post_fund_request(*, request_id: str, case_id: str, now: datetime) -> None:
    """Enter the money of a request that its case approved into the programme's fund. Idempotent."""
    with transaction.atomic():
        request = _close_request(request_id, posted=True, now=now)
        if request is None:
            return
        outside = open_account(kind=AccountKind.OUTSIDE, owner_id="", purpose="top_up", now=now)
        transfer = Transfer(
            id=f"{request.id}.post",
            kind=TransferKind.POST,
            debit_account=outside,
            credit_account=request.programme.account_id,
            amount_uc=request.amount_uc,
            code="top_up",
            subject=request.id,
            effective_at=now,
        )
        require_posted(results=post_many(groups=[LinkGroup(id=request.id, transfers=(transfer,))], now=now))
        append(
            kind="ledger.top_up",
            subject_id=request.id,
            payload={
                "account": request.programme.account_id,
                "amount_uc": request.amount_uc,
                "case_id": case_id,
                "programme_id": request.programme_id,
                "reference": request.reference,
            },
            now=now,
        )


def drop_fund_request(*, request_id: str, now: datetime) -> None:
    """Close a request that its case refused. Idempotent."""
    with transaction.atomic():
        _close_request(request_id, posted=False, now=now)


def lock_programme(*, programme_id: str) -> Programme:
    """Return the programme, locked until the transaction ends; raises NotFound."""
    programme = Programme.objects.select_for_update().filter(id=programme_id).first()
    if programme is None:
        raise NotFound(detail=say("There is no programme {programme_id}.", programme_id=programme_id))
    return programme


def add_version(
    *, programme: Programme, rule: VoucherRule, version: int, valid_from: datetime, pack_sha256: str = "", now: datetime
) -> None:
    """Freeze a version of a locked programme's rule and record it; pack_sha256: of the file that was handed in."""
    RuleVersion.objects.create(
        id=new_id("rul"),
        programme=programme,
        version=version,
        document=canonical_json(rule.document).decode(),
        sha256=rule.sha256,
        published_at=now,
        valid_from=valid_from,
    )
    append(
        kind="funding.programme_rules",
        subject_id=programme.id,
        payload={
            "pack_sha256": pack_sha256,
            "programme_id": programme.id,
            "rule": rule.document,
            "sha256": rule.sha256,
            "valid_from": format_moment(valid_from),
            "version": version,
        },
        now=now,
    )


def _close_request(request_id: str, *, posted: bool, now: datetime) -> FundRequest | None:
    """Close a request once and return it, or None when it was closed before."""
    requests = FundRequest.objects.select_for_update(of=("self",)).select_related("programme")
    request = requests.get(id=request_id)
    if request.closed_at is not None:
        return None
    request.closed_at, request.posted = now, posted
    request.save(update_fields=["closed_at", "posted"])
    return request
