"""Post groups of transfers: `post_many` is the one way in which money moves."""

import random
import time
from collections.abc import Sequence
from datetime import datetime
from itertools import chain

from django.db import IntegrityError, OperationalError, connection, transaction

from lilong.common.errors import Conflict, LimitReached
from lilong.common.sentences import join_sentences
from lilong.foundation.ledger.core.posting import (
    Known,
    Prepared,
    Replayed,
    net_changes,
    prepare_group,
    split_waves,
    sum_takings,
)
from lilong.foundation.ledger.core.refusals import refuse_by_constraint, refuse_closed_period, refuse_short
from lilong.foundation.ledger.core.transfers import GroupResult, LinkGroup, Refusal
from lilong.foundation.ledger.sql import Refused, load_known, write_entries

TRIES_MAX = 6
FIRST_WAIT_S = 0.005
SERIALISATION_FAILURE, DEADLOCK = "40001", "40P01"


class ShortOfFunds(LimitReached):
    """An account cannot bear what was asked of it."""

    code = "ledger.short_of_funds"
    title = "There is not enough money for this"
    status = 402


class GroupRefused(Conflict):
    """The books refuse these transfers; `facts` names the constraint."""

    code = "ledger.refused"
    title = "The books refuse this"


def post_many(*, groups: Sequence[LinkGroup], now: datetime) -> list[GroupResult]:
    """Post each group entirely or not at all, and say for each, in the order given, whether and why not.

    A group that is in the books already is answered as posted and changes nothing; the same id with another content is
    refused. The outcome is that of posting one group after the other. Inside a caller's transaction it is
    part of that; else every group is committed when this returns, and deadlocks are tried again, a bounded number of
    times. Cost: two or three statements when all can be posted, one more per halving around each group that cannot.
    """
    return [result for wave in split_waves(groups) for result in _post_wave(wave, now=now)]


def require_posted(*, results: Sequence[GroupResult]) -> None:
    """Raise ShortOfFunds or GroupRefused for the first group that was not posted."""
    for result in results:
        if result.refusal:
            raise build_error(refusal=result.refusal)


def build_error(*, refusal: Refusal) -> ShortOfFunds | GroupRefused:
    """Return the error that says what a refusal says."""
    error_class = ShortOfFunds if refusal.code == ShortOfFunds.code else GroupRefused
    facts = {"refusal": refusal.code, "constraint": refusal.constraint, "account_id": refusal.account_id}
    return error_class(
        detail=join_sentences(refusal.detail, refusal.next_step),
        facts={**facts, **refusal.facts},
    )


def _post_wave(groups: Sequence[LinkGroup], *, now: datetime) -> list[GroupResult]:
    """Post groups of which none names a transfer of another.

    Where none names an earlier transfer either, ids are taken for new: the database says when one is not.
    """
    looks_back = any(transfer.pending_id or transfer.corrects for group in groups for transfer in group.transfers)
    known = _look_up(groups) if looks_back else _look_up_accounts(groups)
    return _post_or_halve(groups, known=known, now=now)


def _look_up_accounts(groups: Sequence[LinkGroup]) -> Known:
    return load_known(account_ids=_list_accounts(groups), transfer_ids=(), hold_ids=())


def _look_up(groups: Sequence[LinkGroup]) -> Known:
    """Return all that the books say about the groups, their own ids included."""
    transfers = [transfer for group in groups for transfer in group.transfers]
    return load_known(
        account_ids=_list_accounts(groups),
        transfer_ids={id_ for each in transfers for id_ in (each.id, each.pending_id, each.corrects) if id_},
        hold_ids={transfer.pending_id for transfer in transfers if transfer.pending_id},
    )


def _list_accounts(groups: Sequence[LinkGroup]) -> set[str]:
    transfers = [transfer for group in groups for transfer in group.transfers]
    return {account for each in transfers for account in (each.debit_account, each.credit_account)}


def _post_or_halve(groups: Sequence[LinkGroup], *, known: Known, now: datetime) -> list[GroupResult]:
    """Post all at once; where that is refused, the first half and then the second, down to the groups at fault."""
    outcomes = {group.id: prepare_group(group=group, known=known, now=now) for group in groups}
    to_write = [outcome for outcome in outcomes.values() if isinstance(outcome, Prepared)]
    refused: list[Refused] = []
    collision = ""
    try:
        if to_write:
            refused = _write_with_retries(to_write, known=known, now=now)
    except IntegrityError as error:
        collision = _read_constraint(error)
    if not refused and not collision:
        return [_answer(group.id, outcomes[group.id]) for group in groups]
    # The books may hold these groups already, or somebody resolved one of the holds after we looked.
    known = _look_up(groups)
    if len(groups) == 1:
        outcome = prepare_group(group=groups[0], known=known, now=now)
        if isinstance(outcome, Prepared):
            outcome = _explain(outcome, refused=refused, collision=collision, known=known)
        return [_answer(groups[0].id, outcome)]
    middle = len(groups) // 2
    return [
        *_post_or_halve(groups[:middle], known=known, now=now),
        *_post_or_halve(groups[middle:], known=known, now=now),
    ]


def _write_with_retries(groups: Sequence[Prepared], *, known: Known, now: datetime) -> list[Refused]:
    """Write the groups; tries again after a deadlock, unless it has undone a caller's transaction as well."""
    for tries in range(1, TRIES_MAX + 1):
        try:
            return _write(groups, known=known, now=now)
        except OperationalError as error:
            state = getattr(error.__cause__, "sqlstate", None)
            if connection.in_atomic_block or state not in {SERIALISATION_FAILURE, DEADLOCK} or tries == TRIES_MAX:
                raise
            time.sleep(random.uniform(0, FIRST_WAIT_S * 2**tries))  # noqa: S311 - spreads tries, hides nothing
    raise AssertionError("unreachable")


def _write(groups: Sequence[Prepared], *, known: Known, now: datetime) -> list[Refused]:
    """Write the groups, all or nothing."""
    entries = list(chain.from_iterable(group.entries for group in groups))
    changes = net_changes(entries)
    takings = sum_takings([net_changes(group.entries) for group in groups])
    floored = frozenset(account_id for account_id in changes if known.accounts[account_id].has_floor)
    if connection.vendor == "postgresql" and not connection.in_atomic_block:
        # One statement is a transaction by itself: two round trips less, and locks held that much shorter.
        return write_entries(entries=entries, changes=changes, takings=takings, floored=floored, now=now)
    with transaction.atomic():
        return write_entries(entries=entries, changes=changes, takings=takings, floored=floored, now=now)


def _explain(group: Prepared, *, refused: Sequence[Refused], collision: str, known: Known) -> Refusal:
    """Return the refusal in words; closed books come before a lack of money."""
    if collision:
        return refuse_by_constraint(group_id=group.group_id, constraint=collision)
    for reason in refused:
        if reason.closed_until:
            return refuse_closed_period(closed_until=reason.closed_until)
    reason = min(refused, key=lambda each: each.account_id)
    change = net_changes(group.entries)[reason.account_id]
    return refuse_short(
        account=known.accounts[reason.account_id], available_uc=reason.available_uc, change_uc=change.available_uc
    )


def _answer(group_id: str, outcome: Prepared | Replayed | Refusal) -> GroupResult:
    if isinstance(outcome, Refusal):
        return GroupResult(id=group_id, posted=False, refusal=outcome)
    return GroupResult(id=group_id, posted=True)


def _read_constraint(error: IntegrityError) -> str:
    """Return the name of the constraint that the database said was violated."""
    diagnosis = getattr(error.__cause__, "diag", None)
    return str(getattr(diagnosis, "constraint_name", None) or str(error).rpartition(": ")[2])
