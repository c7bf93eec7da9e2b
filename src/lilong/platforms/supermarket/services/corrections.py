"""What follows a settlement: corrections of the difference, and earnings that become available."""

from collections import Counter
from collections.abc import Container, Sequence
from datetime import datetime

from django.db import transaction

from lilong.common.money import format_credits
from lilong.common.sentences import join_sentences, say
from lilong.foundation.ledger.public import AccountKind, TransferKind, list_transfers, require_posted
from lilong.foundation.record.public import append
from lilong.foundation.runs.public import get_runs
from lilong.platforms.funding.public import return_expired
from lilong.platforms.funding.public.orders import find_short_use, settle_uses
from lilong.platforms.supermarket.core.postings import (
    HUB_FAULT,
    SERVICE_CREDIT,
    Posting,
    PostingKind,
    plan_correction,
    sum_payees,
)
from lilong.platforms.supermarket.core.pricing import ChargeLine, charge_usage, concede
from lilong.platforms.supermarket.core.promise import Promise, read_promise
from lilong.platforms.supermarket.core.states import OrderState
from lilong.platforms.supermarket.models import Order, Provider, Turnover
from lilong.platforms.supermarket.queries.splits import split_lines
from lilong.platforms.supermarket.queries.usage import read_usage
from lilong.platforms.supermarket.services.books import (
    list_accruing,
    name_parts,
    name_voucher_parts,
    note_step,
    open_hub_account,
    post_group,
)

CHARGE_CODES = frozenset({"settle", "pay", "fee", "correction"})
RELIEF_CODES = frozenset({SERVICE_CREDIT, HUB_FAULT})
MOVING_KINDS = frozenset({TransferKind.POST, TransferKind.SETTLE})


def reckon_lines(*, order: Order, promise: Promise, now: datetime) -> tuple[ChargeLine, ...]:
    """Return the charge lines by the usage known now, less what disputes conceded."""
    run = get_runs(run_ids=[order.run_id], now=now)[order.run_id]
    lines = charge_usage(usages=read_usage(run=run), terms=promise.terms, max_uc=promise.max_uc)
    for dispute in order.disputes.filter(upheld=True).order_by("closed_at", "id"):
        lines = concede(lines=lines, claim_uc=dispute.claim_uc, attempt_ids=dispute.attempt_ids or None)
    return lines


def correct_order(*, order: Order, lines: Sequence[ChargeLine], reason: str, now: datetime) -> bool:
    """Post the differences between what the books say of a locked order and what `lines` say; same payers, same split.

    Return whether the books say the latter now: more than a payer has is not taken, and the timeline says so.
    """
    promise = read_promise(content=order.quote.document.encode())
    due_uc = sum(line.due_uc for line in lines)
    before = _sum_flows(order.id, codes=CHARGE_CODES)
    after = _plan_flows(promise, lines, now=now)
    differences_uc = {
        account: before[account] - after[account] for account in {*before, *after} - {promise.escrow_account}
    }
    if not any(differences_uc.values()):
        return True
    told = say("{reason}: {difference}", reason=reason, difference=format_credits(due_uc - (order.due_uc or 0)))
    parts_uc = name_voucher_parts(promise=promise, split=split_lines(promise=promise, lines=lines))
    short = find_short_use(order_id=order.id, parts_uc=parts_uc)
    if short:
        why = say("Voucher {voucher_id} would pay more than its programme may in a year.", voucher_id=short)
        note_step(order=order, step="correct_refused", now=now, detail=join_sentences(say("{told}.", told=told), why))
        return False
    prefix = f"{order.id}.c{order.timeline.filter(step='correct').count() + 1}"
    postings = plan_correction(
        id_prefix=prefix,
        escrow=promise.escrow_account,
        differences_uc=differences_uc,
        corrects=_find_corrected(order.id),
    )
    results = post_group(group_id=prefix, postings=postings, order_id=order.id, now=now)
    refusal = next((result.refusal for result in results if result.refusal), None)
    if refusal is not None:
        note_step(
            order=order,
            step="correct_refused",
            now=now,
            detail=join_sentences(say("{told}.", told=told), refusal.detail),
        )
        return False
    settle_uses(order_id=order.id, parts_uc=parts_uc, now=now)
    append(
        kind="supermarket.correction",
        subject_id=order.id,
        payload={"due_after_uc": due_uc, "due_before_uc": order.due_uc, "order_id": order.id, "reason": reason},
        organisation_id=order.organisation_id,
        now=now,
    )
    Turnover.objects.create(orders=0, due_uc=due_uc - (order.due_uc or 0))
    order.due_uc = due_uc
    order.save(update_fields=["due_uc"])
    note_step(order=order, step="correct", now=now, money="charged", amount_uc=due_uc, detail=told)
    return_expired(voucher_ids=[voucher.voucher_id for voucher in promise.vouchers], now=now)
    return True


def release_order(*, order_id: str, now: datetime) -> bool:
    """Make the earnings of a settled order available once its dispute window has passed; return whether they are.

    The period of the order closes here: usage that came late is corrected now and never after. Idempotent.
    """
    with transaction.atomic():
        order = Order.objects.select_for_update().get(id=order_id)
        if order.state != OrderState.SETTLED or order.releasable_at is None or order.releasable_at > now:
            return False
        if order.released_at is not None:
            return True
        promise = read_promise(content=order.quote.document.encode())
        correct_order(
            order=order, lines=reckon_lines(order=order, promise=promise, now=now), reason=say("late usage"), now=now
        )
        postings = _plan_release(order.id)
        require_posted(
            results=post_group(group_id=f"{order.id}.release", postings=postings, order_id=order.id, now=now)
        )
        order.released_at = now
        order.save(update_fields=["released_at"])
        released_uc = sum(posting.amount_uc for posting in postings)
        note_step(order=order, step="release", now=now, money="released", amount_uc=released_uc)
    return True


def _plan_release(order_id: str) -> tuple[Posting, ...]:
    flows = _sum_flows(order_id, codes=CHARGE_CODES | RELIEF_CODES)
    providers = Provider.objects.filter(accruing_account_id__in=list(flows)).order_by("id")
    return tuple(
        Posting(
            f"{order_id}.release.{number}",
            PostingKind.POST,
            provider.accruing_account_id,
            provider.available_account_id,
            flows[provider.accruing_account_id],
            "release",
        )
        for number, provider in enumerate(providers)
        if flows[provider.accruing_account_id] > 0
    )


def _plan_flows(promise: Promise, lines: Sequence[ChargeLine], *, now: datetime) -> Counter[str]:
    """Return what each account gives (below zero) and gets by a charge of `lines`."""
    flows: Counter[str] = Counter()
    for account, part_uc in name_parts(promise=promise, split=split_lines(promise=promise, lines=lines)).items():
        flows[account] -= part_uc
    accruing = list_accruing(lines=lines)
    fee_account = open_hub_account(kind=AccountKind.HUB_FEE, now=now)
    for payee in sum_payees(lines=lines):
        flows[accruing[payee.provider_id]] += payee.due_uc - payee.fee_uc
        flows[fee_account] += payee.fee_uc
    return flows


def _sum_flows(order_id: str, *, codes: Container[str]) -> Counter[str]:
    """Return what each account gave (below zero) and got by the order's transfers with one of `codes`."""
    flows: Counter[str] = Counter()
    for transfer in list_transfers(subject=order_id):
        if transfer.kind in MOVING_KINDS and transfer.code in codes:
            flows[transfer.debit_account] -= transfer.amount_uc
            flows[transfer.credit_account] += transfer.amount_uc
    return flows


def _find_corrected(order_id: str) -> dict[str, str]:
    """Return per account the transfer that charged or paid it at settlement."""
    found: dict[str, str] = {}
    for transfer in list_transfers(subject=order_id):
        if transfer.code == "settle":
            found[transfer.debit_account] = transfer.id
        elif transfer.code in {"pay", "fee"}:
            found[transfer.credit_account] = transfer.id
    return found
