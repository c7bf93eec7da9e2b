"""Close periods: from then on nothing can count for a moment before their end."""

from datetime import datetime

from django.db import transaction

from lilong.common.errors import Conflict
from lilong.common.ids import new_id
from lilong.common.permissions import Actor, Role, Scope, may, require
from lilong.common.sentences import say
from lilong.common.time import format_moment
from lilong.foundation.ledger.core.posting import Change
from lilong.foundation.ledger.models import ClosingBalance, Period
from lilong.foundation.ledger.queries.accounts import BEGINNING, closing_change
from lilong.foundation.ledger.sql import sum_transfers, wait_for_writers

ROWS_AT_ONCE = 1_000
EMPTY = {"posted_uc": 0, "pending_out_uc": 0, "pending_in_uc": 0}


class PeriodImpossible(Conflict):
    """A period ends after the last one and not in the future."""

    code = "ledger.period_impossible"
    title = "The books cannot be closed at this moment"
    next_step = "Name a moment after the end of the last closed period and not in the future."


def close_period(*, actor: Actor, ends_at: datetime, now: datetime) -> str:
    """Close the books for all moments before `ends_at` and return the period's id.

    The balances of accounts that moved in it, or are not empty, are kept: an account without one is empty. Posting
    waits meanwhile. What comes late is refused with a next step: enter it as a correction that counts from the next
    period on. Raises NotAllowed, PeriodImpossible. Cost: linear in the period's transfers and in those accounts.
    """
    require(may(actor, roles=frozenset({Role.OPERATOR}), scope=Scope.OPERATE))
    with transaction.atomic():
        wait_for_writers()
        last = Period.objects.order_by("-ends_at").first()
        begin = last.ends_at if last else BEGINNING
        if not begin < ends_at <= now:
            raise PeriodImpossible(
                detail=say(
                    "Asked for {ends_at}; closed until {closed_until}.",
                    ends_at=format_moment(ends_at),
                    closed_until=format_moment(begin),
                )
            )
        sums = sum_transfers(account_ids=None, begin=begin, end=ends_at)
        for closing in ClosingBalance.objects.filter(period=last).exclude(**EMPTY) if last else ():
            sums.setdefault(closing.account_id, Change()).add(closing_change(closing=closing))
        period = Period.objects.create(
            id=new_id("prd"),
            starts_at=last.ends_at if last else None,
            ends_at=ends_at,
            closed_at=now,
            closed_by=actor.person_id,
        )
        ClosingBalance.objects.bulk_create(
            [
                ClosingBalance(
                    id=new_id("cls"),
                    period=period,
                    account_id=account_id,
                    posted_uc=change.posted_uc,
                    pending_out_uc=change.pending_out_uc,
                    pending_in_uc=change.pending_in_uc,
                )
                for account_id, change in sorted(sums.items())
            ],
            batch_size=ROWS_AT_ONCE,
        )
    return period.id
