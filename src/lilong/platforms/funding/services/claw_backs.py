"""Ask voucher money back, and take it once a case approves: from the wallet as far as it reaches, the rest is owed.

What is owed stands in the ledger as a debt of the organisation and a receivable of the programme: no negative wallet.
How much is due is reckoned anew from the uses each time, so that refunds, appeals and repeated calls come to the same.
"""

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from lilong.common.canonical import Json
from lilong.common.errors import InputInvalid
from lilong.common.ids import new_id
from lilong.common.permissions import Actor, Scope, may, require
from lilong.common.sentences import say
from lilong.common.time import format_moment
from lilong.foundation.cases.public import CaseState, CaseView, get_many, list_overturned, open_case
from lilong.foundation.ledger.public import (
    AccountKind,
    LinkGroup,
    ShortOfFunds,
    Transfer,
    TransferKind,
    get_balances,
    open_account,
    post_many,
    require_posted,
)
from lilong.foundation.notices.public import post_notice
from lilong.foundation.record.public import append
from lilong.platforms.funding.core.claw_back import ClawBackState, find_problems, plan_steps
from lilong.platforms.funding.core.rules import ClawBackReason
from lilong.platforms.funding.models import ClawBack, ClawBackUse, Voucher, VoucherUse
from lilong.platforms.funding.queries.claw_backs import (
    OPERATORS,
    USES_MAX,
    WITH_USES,
    VoucherMissing,
    list_moving,
    list_paid_uses,
    sum_claw_back,
)
from lilong.platforms.funding.queries.entitlement import find_hub_zone

CLAW_BACK_CASE = "funding.claw_back"
STATES = {
    (CaseState.APPROVED, CaseState.APPROVED): ClawBackState.APPROVED,
    (CaseState.APPROVED, CaseState.REFUSED): ClawBackState.OVERTURNED,
    (CaseState.REFUSED, CaseState.REFUSED): ClawBackState.REFUSED,
}
"""By how a case was decided and what holds in the end."""


class ClawBackRefused(InputInvalid):
    """Money of this voucher cannot be asked back as asked."""

    code = "funding.claw_back_refused"
    title = "This cannot be asked back"
    next_step = "Name settled orders that the voucher paid for, and a reason that its rule knows."


def ask_back(
    *, actor: Actor, voucher_id: str, reason: ClawBackReason, detail: str, order_ids: Sequence[str], now: datetime
) -> str:
    """Ask back all that a voucher paid for these orders; return the case that two other operators decide.

    The rule under which the voucher was issued says for which reasons and how long. The organisation is told.
    Raises NotAllowed, VoucherMissing, ClawBackRefused.
    """
    require(may(actor, roles=OPERATORS, scope=Scope.PAY))
    with transaction.atomic():
        voucher = Voucher.objects.select_for_update(of=("self",)).select_related("programme", "rule")
        row = voucher.filter(id=voucher_id).first()
        if row is None:
            raise VoucherMissing(detail=say("There is no voucher {voucher_id}.", voucher_id=voucher_id[:64]))
        wanted = list(order_ids)[: USES_MAX + 1]
        uses = list_paid_uses(voucher_id=voucher_id, order_ids=wanted)
        problems = find_problems(
            rule=row.rule.rule, reason=reason, wanted=wanted, uses=uses, now=now, zone=find_hub_zone()
        )
        if problems:
            raise ClawBackRefused(fields=problems)
        return _ask(actor, row, reason=reason, detail=detail, order_ids=wanted, now=now)


def settle_claw_back(*, claw_back_id: str, now: datetime) -> None:
    """Do what the case decided, and bring what is claimed and taken to what is due. Idempotent, one transaction."""
    with transaction.atomic():
        rows = ClawBack.objects.select_for_update(of=("self",)).select_related("voucher__programme", "voucher__rule")
        row = rows.prefetch_related(WITH_USES).get(id=claw_back_id)
        case = get_many(case_ids=[row.case_id])[row.case_id]
        state = STATES.get((case.state, case.outcome), ClawBackState.ASKED)
        is_new = state != row.state
        if is_new:
            row.state, row.decided_at = state, now
            row.save(update_fields=["state", "decided_at"])
            if state is not ClawBackState.APPROVED:
                ClawBackUse.objects.filter(claw_back=row).update(is_live=False)
        if state in {ClawBackState.APPROVED, ClawBackState.OVERTURNED}:
            _move(row, now=now)
        if is_new:
            _tell(row, case, now=now)


def settle_all(*, now: datetime) -> None:
    """Settle what cases decided and what is due otherwise than it is claimed or taken: found in the tables alone."""
    waiting = dict(ClawBack.objects.filter(state=ClawBackState.ASKED).values_list("case_id", "id"))
    cases = get_many(case_ids=list(waiting)).values()
    decided = [waiting[case.id] for case in cases if case.state is not CaseState.OPEN]
    overturned = ClawBack.objects.filter(state=ClawBackState.APPROVED, id__in=list_overturned(kind=CLAW_BACK_CASE))
    for claw_back_id in sorted({*decided, *overturned.values_list("id", flat=True), *list_moving()}):
        settle_claw_back(claw_back_id=claw_back_id, now=now)


def _ask(
    actor: Actor, voucher: Voucher, *, reason: ClawBackReason, detail: str, order_ids: Sequence[str], now: datetime
) -> str:
    uses = list(VoucherUse.objects.filter(voucher=voucher, order_id__in=order_ids).order_by("id"))
    asked_uc = sum(use.amount_uc for use in uses)
    claw_back_id = new_id("clb")
    case_id = open_case(
        kind=CLAW_BACK_CASE,
        subject_id=claw_back_id,
        organisation_id=voucher.organisation_id,
        opened_by=actor.person_id,
        facts={
            "amount_uc": asked_uc,
            "claw_back_reason": reason.value,
            "order_ids": [use.order_id for use in uses],
            "programme": voucher.programme.name,
            "reason": detail,
            "rule_sha256": voucher.rule.sha256,
            "rule_version": voucher.rule.version,
            "voucher_id": voucher.id,
        },
        now=now,
    )
    row = ClawBack.objects.create(
        id=claw_back_id,
        voucher=voucher,
        organisation_id=voucher.organisation_id,
        reason=reason,
        detail=detail,
        case_id=case_id,
        asked_by=actor.person_id,
        asked_at=now,
    )
    ClawBackUse.objects.bulk_create(ClawBackUse(claw_back=row, use=use, asked_uc=use.amount_uc) for use in uses)
    _post("claw_back_asked", row, {"amount_uc": asked_uc, "reason": detail}, now=now)
    return case_id


def _move(row: ClawBack, *, now: datetime) -> None:
    """Post what is due and not claimed, and what the wallet has of it; of a locked row.

    A wallet or fund that somebody else emptied meanwhile refuses its group alone, which is planned again next time.
    """
    wallet = open_account(kind=AccountKind.WALLET, owner_id=row.organisation_id, purpose="", now=now)
    debt = open_account(kind=AccountKind.MEMBER_DEBT, owner_id=row.organisation_id, purpose=row.id, now=now)
    fund = row.voucher.programme.account_id
    receivable = open_account(kind=AccountKind.RECEIVABLE, owner_id="", purpose=row.id, now=now)
    balances = get_balances(account_ids=[wallet, fund])
    steps = plan_steps(
        due_uc=sum_claw_back(row=row),
        claimed_uc=row.claimed_uc,
        taken_uc=row.taken_uc,
        wallet_uc=balances[wallet].available_uc,
        fund_uc=balances[fund].available_uc,
    )
    if _transfer(row, [(debt, receivable)], steps.claim_uc, code="claw_back", now=now):
        row.claimed_uc += steps.claim_uc
    if _transfer(row, [(receivable, debt)], steps.ease_uc, code="claw_back_eased", now=now):
        row.claimed_uc -= steps.ease_uc
    if _transfer(row, [(fund, wallet)], steps.return_uc, code="claw_back_returned", now=now):
        row.claimed_uc -= steps.return_uc
        row.taken_uc -= steps.return_uc
    if _transfer(row, [(wallet, fund), (receivable, debt)], steps.take_uc, code="claw_back_taken", now=now):
        row.taken_uc += steps.take_uc
    row.save(update_fields=["claimed_uc", "taken_uc", "moves"])


def _transfer(row: ClawBack, pairs: Sequence[tuple[str, str]], amount_uc: int, *, code: str, now: datetime) -> bool:
    """Post the amount from the first to the second of each pair, together; say whether it was, and count the move."""
    if not amount_uc:
        return False
    group_id = f"{row.id}.{row.moves + 1}"
    transfers = tuple(
        Transfer(
            id=f"{group_id}.{number}",
            kind=TransferKind.POST,
            debit_account=payer,
            credit_account=receiver,
            amount_uc=amount_uc,
            code=code,
            subject=row.id,
            effective_at=now,
        )
        for number, (payer, receiver) in enumerate(pairs)
    )
    try:
        require_posted(results=post_many(groups=[LinkGroup(id=group_id, transfers=transfers)], now=now))
    except ShortOfFunds:
        return False
    row.moves += 1
    return True


def _tell(row: ClawBack, case: CaseView, *, now: datetime) -> None:
    """Record what was decided, and let the organisation know what that means for its wallet."""
    due_uc = sum_claw_back(row=row)
    if row.state != ClawBackState.REFUSED:
        payload: dict[str, Json] = {
            "case_id": row.case_id,
            "due_uc": due_uc,
            "orders": [{"asked_uc": each.asked_uc, "order_id": each.use.order_id} for each in row.uses.all()],
            "reason": row.reason,
            "rule_sha256": row.voucher.rule.sha256,
            "state": row.state,
            "voucher_id": row.voucher_id,
        }
        kind = "funding.claw_back"
        append(kind=kind, subject_id=row.id, payload=payload, organisation_id=row.organisation_id, now=now)
    params: dict[str, str | int] = {"reason": case.reason}
    if row.state == ClawBackState.APPROVED:
        params |= {
            "amount_uc": due_uc,
            "taken_uc": row.taken_uc,
            "owed_uc": row.claimed_uc - row.taken_uc,
            "until_at": format_moment(case.appeal_until) if case.appeal_until else "",
        }
    _post(f"claw_back_{row.state}", row, params, now=now)


def _post(kind: str, row: ClawBack, params: dict[str, str | int], *, now: datetime) -> None:
    post_notice(
        kind=f"funding.{kind}",
        subject_id=row.case_id,
        organisation_id=row.organisation_id,
        params={"programme": row.voucher.programme.name, **params},
        now=now,
    )
