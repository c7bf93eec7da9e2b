"""Follow the run of an order and settle it: found by reconciliation from the tables alone, sooner by events."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from functools import reduce

from django.db import transaction
from django.db.models import Sum

from lilong.common.canonical import sha256_hex
from lilong.common.errors import InvariantBroken
from lilong.common.ids import new_id
from lilong.common.sentences import join_sentences, say
from lilong.foundation.ledger.public import AccountKind, export_csv, get_balances, require_posted
from lilong.foundation.outbox.public import emit
from lilong.foundation.record.public import append
from lilong.foundation.runs.public import AttemptView, RunState, RunView, get_runs
from lilong.platforms.funding.public import return_expired
from lilong.platforms.funding.public.orders import settle_uses
from lilong.platforms.supermarket.core.policy import DISPUTE_WINDOW
from lilong.platforms.supermarket.core.postings import (
    SERVICE_CREDIT,
    PayeeDue,
    Posting,
    PostingKind,
    plan_relief,
    plan_settlement,
    reckon_relief,
    sum_payees,
)
from lilong.platforms.supermarket.core.pricing import ChargeLine, charge_usage
from lilong.platforms.supermarket.core.promise import Promise, read_promise
from lilong.platforms.supermarket.core.states import OrderState, OrderStep
from lilong.platforms.supermarket.events import OrderSettled
from lilong.platforms.supermarket.models import RUNNING_STATES, Order, Settlement, Turnover
from lilong.platforms.supermarket.queries.exports import render_usage
from lilong.platforms.supermarket.queries.quotes import render_quote
from lilong.platforms.supermarket.queries.splits import split_lines
from lilong.platforms.supermarket.queries.usage import read_usage
from lilong.platforms.supermarket.services.books import (
    advance,
    list_accruing,
    list_holds,
    name_parts,
    name_voucher_parts,
    note_step,
    open_hub_account,
    post_group,
    sum_held,
)
from lilong.platforms.supermarket.services.disputes import open_hub_dispute
from lilong.platforms.supermarket.services.starts import score_starts
from lilong.protocol.exports import SETTLEMENT_KIND


def follow_order(*, order_id: str, now: datetime) -> None:
    """Bring an order to where its run is, and settle it when the run has finished. Idempotent, one transaction."""
    with transaction.atomic():
        order = Order.objects.select_for_update().get(id=order_id)
        if order.state not in RUNNING_STATES:
            return
        run = get_runs(run_ids=[order.run_id], now=now)[order.run_id]
        promise = read_promise(content=order.quote.document.encode())
        score_starts(order=order, promise=promise, run=run)
        if order.state == OrderState.PLACED and run.state is not RunState.PENDING and not run.finished:
            advance(order=order, step=OrderStep.START, now=now)
        if not run.finished:
            return
        order.run_state = run.state.value
        advance(order=order, step=OrderStep.END, now=now, detail=run.reason.value if run.reason else "")
        _settle(order, promise, run, now=now)
    # By itself, since it locks vouchers before accounts, and what is left is returned by funding's reconciliation, too.
    return_expired(voucher_ids=[voucher.voucher_id for voucher in promise.vouchers], now=now)


def relieve_order(*, order_id: str, now: datetime) -> bool:
    """Post what the faults of others cost them; what the reserve cannot bear yet waits. Return whether all stands."""
    with transaction.atomic():
        order = Order.objects.select_for_update().get(id=order_id)
        return order.relieved_at is not None or order.settled_at is None or _relieve(order, now=now)


def _relieve(order: Order, *, now: datetime) -> bool:
    waiting, credited_uc = False, 0
    for planned in order.settlement.relief:
        posting = Posting(**{**planned, "kind": PostingKind(planned["kind"])})
        (result,) = post_group(group_id=posting.id, postings=[posting], order_id=order.id, now=now)
        waiting = waiting or not result.posted
        credited_uc += posting.amount_uc if result.posted and posting.code == SERVICE_CREDIT else 0
    told_uc = order.timeline.filter(step="credit").aggregate(sum=Sum("amount_uc"))["sum"] or 0
    if credited_uc > told_uc:
        note_step(order=order, step="credit", now=now, money="credited", amount_uc=credited_uc - told_uc)
    if not waiting:
        order.relieved_at = now
        order.save(update_fields=["relieved_at"])
    return not waiting


def _settle(order: Order, promise: Promise, run: RunView, *, now: datetime) -> None:
    """Charge what was metered, release the rest to its payers, pay providers and hub, record; all or nothing."""
    usages = read_usage(run=run)
    lines = charge_usage(usages=usages, terms=promise.terms, max_uc=promise.max_uc)
    order.due_uc = sum(line.due_uc for line in lines)
    payees = sum_payees(lines=lines)
    accruing = list_accruing(lines=lines)
    split = split_lines(promise=promise, lines=lines)
    postings = plan_settlement(
        order_id=order.id,
        escrow=promise.escrow_account,
        holds=list_holds(promise=promise),
        parts_uc=name_parts(promise=promise, split=split),
        payees=payees,
        accruing=accruing,
        fee_account=open_hub_account(kind=AccountKind.HUB_FEE, now=now),
    )
    require_posted(results=post_group(group_id=f"{order.id}.settle", postings=postings, order_id=order.id, now=now))
    _require_empty(promise.escrow_account)
    settle_uses(order_id=order.id, parts_uc=name_voucher_parts(promise=promise, split=split), now=now)
    order.settled_at, order.releasable_at = now, now + DISPUTE_WINDOW
    order.billable_ms = sum(usage.billable_ms for usage in usages)
    order.card_ms = min(order.card_ms * order.billable_ms // promise.max_ms, order.card_ms)
    advance(order=order, step=OrderStep.SETTLE, now=now, money="charged", amount_uc=order.due_uc)
    Turnover.objects.create(orders=1, due_uc=order.due_uc)
    _record(order, promise, lines, relief=_plan_relief(order, promise, lines, payees, accruing, now=now), now=now)
    note_step(order=order, step="refund", now=now, money="refunded", amount_uc=order.settlement.refunded_uc)
    _relieve(order, now=now)
    _question(order, run, lines, now=now)
    emit(event=OrderSettled(order_id=order.id, charged_uc=order.due_uc))


def _question(order: Order, run: RunView, lines: Sequence[ChargeLine], *, now: datetime) -> None:
    """Freeze what was charged for attempts whose meters disagree, or that got other accelerators than were sold."""
    doubts = {attempt.id: doubt for attempt in run.attempts if (doubt := _find_doubt(attempt))}
    charged_uc = {line.usage.attempt_id: line.due_uc for line in lines if line.due_uc}
    doubted = [attempt_id for attempt_id in doubts if attempt_id in charged_uc]
    if doubted:
        open_hub_dispute(
            order=order,
            attempt_ids=doubted,
            claim_uc=sum(charged_uc[attempt_id] for attempt_id in doubted),
            reason=reduce(join_sentences, (doubts[attempt_id] for attempt_id in doubted)),
            now=now,
        )


def _find_doubt(attempt: AttemptView) -> str:
    """Return why an attempt's charge is doubted, empty where it is not."""
    found = attempt.allocation_problem
    if not attempt.meters_agree:
        meters = say(
            "The engine metered {metered} s, the job's own reports bear out {supported} s.",
            metered=f"{attempt.metered_ms / 1000:.3f}",
            supported=f"{attempt.supported_ms / 1000:.3f}",
        )
        found = join_sentences(found, meters)
    return say("Attempt {number}: {why}", number=attempt.number, why=found) if found else ""


def _require_empty(escrow_account: str) -> None:
    """Refuse to commit a settlement that leaves anything in the escrow."""
    escrow = get_balances(account_ids=[escrow_account])[escrow_account]
    if (escrow.posted_uc, escrow.pending_in_uc) != (0, 0):
        raise InvariantBroken(
            detail=say("The escrow {escrow_account} of a settled order is not empty.", escrow_account=escrow_account)
        )


def _plan_relief(
    order: Order,
    promise: Promise,
    lines: Sequence[ChargeLine],
    payees: Sequence[PayeeDue],
    accruing: Mapping[str, str],
    *,
    now: datetime,
) -> tuple[Posting, ...]:
    return plan_relief(
        order_id=order.id,
        relief=reckon_relief(lines=lines),
        payees=payees,
        accruing=accruing,
        reserve=open_hub_account(kind=AccountKind.SERVICE_RESERVE, now=now),
        wallet=promise.wallet_account,
    )


def _record(
    order: Order, promise: Promise, lines: Sequence[ChargeLine], *, relief: Sequence[Posting], now: datetime
) -> None:
    """Write the exports as they are now, and their hashes into the record."""
    split = split_lines(promise=promise, lines=lines)
    charged_uc, voucher_uc = split.total_uc, sum(split.vouchers_uc)
    refunded_uc = sum_held(holds=list_holds(promise=promise)) - charged_uc
    transfers, usage = export_csv(subject=order.id), render_usage(lines=lines)
    entry_id = append(
        kind=SETTLEMENT_KIND,
        subject_id=order.id,
        payload={
            "charged_uc": charged_uc,
            "max_uc": promise.max_uc,
            "order_id": order.id,
            "quote_sha256": sha256_hex(render_quote(quote=order.quote)),
            "refunded_uc": refunded_uc,
            "transfers_sha256": sha256_hex(transfers),
            "usage_sha256": sha256_hex(usage),
            "voucher_uc": voucher_uc,
        },
        organisation_id=order.organisation_id,
        now=now,
    )
    Settlement.objects.create(
        id=new_id("stl"),
        order=order,
        charged_uc=charged_uc,
        voucher_uc=voucher_uc,
        refunded_uc=refunded_uc,
        transfers_csv=transfers.decode(),
        usage_csv=usage.decode(),
        relief=[asdict(posting) for posting in relief],
        record_entry_id=entry_id,
        settled_at=now,
    )
