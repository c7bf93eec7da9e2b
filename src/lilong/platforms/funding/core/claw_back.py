"""Whether voucher money may be asked back, and what has to move until as much is taken back as is due. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from enum import StrEnum

from lilong.common.errors import FieldProblem
from lilong.common.sentences import say
from lilong.platforms.funding.core.deciding import count_months
from lilong.platforms.funding.core.rules import ClawBackReason, VoucherRule


class ClawBackState(StrEnum):
    """Where asking back stands: approved takes the money, overturned gives it back after an appeal."""

    ASKED = "asked"
    APPROVED = "approved"
    REFUSED = "refused"
    OVERTURNED = "overturned"


@dataclass(frozen=True, slots=True)
class PaidUse:
    """What a voucher paid for one order, after refunds. paid_at: None while quote or order live.

    is_asked_back: another case has asked for it already.
    """

    order_id: str
    amount_uc: int
    paid_at: datetime | None
    is_asked_back: bool


@dataclass(frozen=True, slots=True)
class Steps:
    """What has to move, in this order, each 0 or more.

    claim_uc: owed besides; ease_uc: owed no longer; return_uc: from the fund to the wallet; take_uc: the other way.
    """

    claim_uc: int = 0
    ease_uc: int = 0
    return_uc: int = 0
    take_uc: int = 0


def find_problems(
    *,
    rule: VoucherRule,
    reason: ClawBackReason,
    wanted: Sequence[str],
    uses: Iterable[PaidUse],
    now: datetime,
    zone: tzinfo,
) -> list[FieldProblem]:
    """Return why money of a voucher cannot be asked back, empty when it can.

    wanted: ids of orders; uses: all that the voucher was used for; zone: where the hub's days begin and end.
    """
    terms = rule.claw_back
    if terms is None or reason not in terms.reasons:
        message = say("The voucher's rule does not let money be asked back for this.")
        return [FieldProblem(path="reason", code="funding.reason_not_in_rule", message=message)]
    if not wanted or len(set(wanted)) < len(wanted):
        message = say("Name each order once, and at least one.")
        return [FieldProblem(path="order_ids", code="funding.orders_named", message=message)]
    found = {use.order_id: use for use in uses}
    today = now.astimezone(zone).date()
    problems: list[FieldProblem] = []
    for order_id in wanted:
        use = found.get(order_id)
        why: str = say("The voucher was not used for {order_id}.", order_id=order_id)
        if use is not None:
            why = _find_obstacle(use, within_months=terms.within_months, today=today, zone=zone)
        if why:
            problems.append(FieldProblem(path="order_ids", code="funding.use_not_asked_back", message=why))
    return problems


def sum_due(*, asked: Iterable[tuple[int, int]], is_overturned: bool) -> int:
    """Return what is to be taken back of uses: what was asked for, and never more than what they still come to.

    asked: of each use what was asked back and what the voucher has paid for it by now, after refunds.

    >>> sum_due(asked=[(30, 30), (50, 20)], is_overturned=False), sum_due(asked=[(30, 30)], is_overturned=True)
    (50, 0)
    """
    return 0 if is_overturned else sum(min(asked_uc, used_uc) for asked_uc, used_uc in asked)


def plan_steps(*, due_uc: int, claimed_uc: int, taken_uc: int, wallet_uc: int, fund_uc: int) -> Steps:
    """Return what moves now, so that `due_uc` is claimed and as much of that taken as the wallet has.

    claimed_uc: claimed until now, of which taken_uc is in the fund; wallet_uc, fund_uc: available, 0 or more. Where
    the due fell, what is still owed falls first; what was taken beyond it goes back as far as the fund reaches, and the
    rest is planned again once it has more. Claimed never falls below taken, and the same call after its steps plans
    nothing unless a wallet or fund has more by then.

    >>> plan_steps(due_uc=50, claimed_uc=0, taken_uc=0, wallet_uc=20, fund_uc=0)
    Steps(claim_uc=50, ease_uc=0, return_uc=0, take_uc=20)
    >>> plan_steps(due_uc=10, claimed_uc=50, taken_uc=20, wallet_uc=99, fund_uc=4)
    Steps(claim_uc=0, ease_uc=30, return_uc=4, take_uc=0)
    """
    if due_uc >= claimed_uc:
        return Steps(claim_uc=due_uc - claimed_uc, take_uc=min(wallet_uc, due_uc - taken_uc))
    ease_uc = min(claimed_uc - due_uc, claimed_uc - taken_uc)
    return_uc = min(claimed_uc - due_uc - ease_uc, fund_uc)
    open_uc = claimed_uc - taken_uc - ease_uc
    return Steps(ease_uc=ease_uc, return_uc=return_uc, take_uc=min(wallet_uc, open_uc))


def _find_obstacle(use: PaidUse, *, within_months: int, today: date, zone: tzinfo) -> str:
    names = {"order_id": use.order_id}
    if use.paid_at is None:
        return say("{order_id} is not settled yet, so that nothing is paid for it.", **names)
    if use.is_asked_back:
        return say("What was paid for {order_id} is asked back already.", **names)
    if not use.amount_uc:
        return say("The voucher paid nothing for {order_id}, or it was given back.", **names)
    if count_months(since=use.paid_at.astimezone(zone).date(), until=today) >= within_months:
        return say(
            "{order_id} was paid more than {months} months ago, within which the rule asks back.",
            months=within_months,
            **names,
        )
    return ""
