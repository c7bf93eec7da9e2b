"""What moves the ledger without a request: decided cases, and the tail of floorless accounts."""

from collections.abc import Callable, Mapping
from datetime import datetime

import structlog

from lilong.common.canonical import Json
from lilong.common.errors import LilongError
from lilong.foundation.cases.public import CaseState, get_many, list_overturned
from lilong.foundation.ledger.queries.payments import (
    list_refused_top_ups,
    list_waiting_pay_outs,
    list_waiting_top_ups,
)
from lilong.foundation.ledger.queries.settled import refresh_settled_days
from lilong.foundation.ledger.queries.totals import KindTotal, sum_accounts
from lilong.foundation.ledger.queries.trial import refresh_trial_balance
from lilong.foundation.ledger.queries.verification import verify
from lilong.foundation.ledger.services.payments import PAY_OUT_CASE, TOP_UP_CASE, close_pay_out, close_top_up
from lilong.foundation.ledger.services.tail import roll_up

__all__ = ["KindTotal", "on_case_decided", "reconcile", "sum_accounts", "verify"]

BATCH = 200
log = structlog.get_logger()


def on_case_decided(payload: Mapping[str, Json], *, now: datetime) -> None:
    """Enter a top-up or let a pay-out be sent as soon as its case is decided. Subscribes to CaseDecided."""
    subject_id, decision = str(payload["subject_id"]), CaseState(str(payload["decision"]))
    if payload["kind"] == TOP_UP_CASE:
        close_top_up(top_up_id=subject_id, decision=decision, now=now)
    elif payload["kind"] == PAY_OUT_CASE:
        close_pay_out(pay_out_id=subject_id, decision=decision, now=now)


def reconcile(now: datetime) -> None:
    """Close every top-up and pay-out whose case is decided, roll up the tail, add up all accounts for pages.

    All of it is found in the tables alone.
    """
    roll_up()
    refresh_trial_balance(now=now)
    refresh_settled_days(now=now)
    _close_decided(
        list_waiting_top_ups, lambda each, decision: close_top_up(top_up_id=each, decision=decision, now=now)
    )
    for top_up_id in list_refused_top_ups(among=list_overturned(kind=TOP_UP_CASE)):
        close_top_up(top_up_id=top_up_id, decision=CaseState.APPROVED, now=now)
    _close_decided(
        list_waiting_pay_outs, lambda each, decision: close_pay_out(pay_out_id=each, decision=decision, now=now)
    )


def _close_decided(list_waiting: Callable[..., dict[str, str]], close: Callable[[str, CaseState], None]) -> None:
    """Go through all that waits for its case, a batch at a time; one that fails does not hold up the others."""
    after = ""
    while waiting := list_waiting(after=after, limit=BATCH):
        cases = get_many(case_ids=list(waiting.values()))
        for payment_id, case_id in waiting.items():
            try:
                close(payment_id, cases[case_id].state)
            except LilongError as error:
                log.exception("payment_stuck", payment=payment_id, code=error.code)
        after = max(waiting)
