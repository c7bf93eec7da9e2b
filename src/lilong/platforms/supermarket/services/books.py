"""From planned postings to the ledger's transfers, and the timeline that shows the money beside each step."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from lilong.common.ids import new_id
from lilong.common.sentences import dump_sentence
from lilong.foundation.ledger.public import (
    AccountKind,
    GroupResult,
    LinkGroup,
    Transfer,
    TransferKind,
    open_account,
    post_many,
)
from lilong.foundation.notices.public import post_notice
from lilong.platforms.funding.public.orders import Split
from lilong.platforms.supermarket.core.postings import Hold, Posting
from lilong.platforms.supermarket.core.pricing import ChargeLine
from lilong.platforms.supermarket.core.promise import Promise
from lilong.platforms.supermarket.core.states import OrderState, OrderStep, take_step
from lilong.platforms.supermarket.models import Order, Provider, TimelineEntry
from lilong.platforms.supermarket.queries.splits import split_hold

HUB = "hub"
NOTICES = {
    OrderStep.REFUSE: "order_refused",
    OrderStep.SETTLE: "order_settled",
    OrderStep.DISPUTE: "order_disputed",
    OrderStep.CLOSE_DISPUTE: "dispute_closed",
}
ABOUT_MONEY = frozenset({"order_disputed", "dispute_closed"})


def post_group(*, group_id: str, postings: Sequence[Posting], order_id: str, now: datetime) -> list[GroupResult]:
    """Post all or nothing in one link group; an empty group is posted. Its answer is what `require_posted` takes."""
    transfers = tuple(
        Transfer(
            id=posting.id,
            kind=TransferKind(posting.kind.value),
            debit_account=posting.debit_account,
            credit_account=posting.credit_account,
            amount_uc=posting.amount_uc,
            code=posting.code,
            subject=order_id,
            effective_at=now,
            pending_id=posting.pending_id or None,
            corrects=posting.corrects or None,
        )
        for posting in postings
    )
    return post_many(groups=[LinkGroup(id=group_id, transfers=transfers)], now=now) if transfers else []


def name_parts(*, promise: Promise, split: Split) -> dict[str, int]:
    """Return a split of the quote by account: vouchers in their order, then the wallet."""
    accounts = (*(voucher.account_id for voucher in promise.vouchers), promise.wallet_account)
    return dict(zip(accounts, (*split.vouchers_uc, split.wallet_uc), strict=True))


def name_voucher_parts(*, promise: Promise, split: Split) -> dict[str, int]:
    """Return what a split takes from vouchers, by voucher id."""
    return {voucher.voucher_id: part for voucher, part in zip(promise.vouchers, split.vouchers_uc, strict=True)}


def list_reserves(*, promise: Promise) -> tuple[Hold, ...]:
    """Return the reservations that a quote made, each under the id that it always has."""
    parts = split_hold(promise=promise).vouchers_uc
    return tuple(
        Hold(id=f"{promise.order_id}.reserve.{number}", account_id=voucher.account_id, held_uc=part_uc)
        for number, (voucher, part_uc) in enumerate(zip(promise.vouchers, parts, strict=True))
        if part_uc
    )


def list_holds(*, promise: Promise) -> tuple[Hold, ...]:
    """Return the holds of an order, each under the id that it always has."""
    parts = name_parts(promise=promise, split=split_hold(promise=promise))
    return tuple(
        Hold(id=f"{promise.order_id}.hold.{number}", account_id=account_id, held_uc=part_uc)
        for number, (account_id, part_uc) in enumerate(parts.items())
        if part_uc
    )


def sum_held(*, holds: Iterable[Hold]) -> int:
    """Return what is held in all: more than the order can cost where rates differ by offer."""
    return sum(hold.held_uc for hold in holds)


def list_accruing(*, lines: Sequence[ChargeLine]) -> dict[str, str]:
    """Return the account in which each provider of these lines earns, by provider id."""
    providers = Provider.objects.in_bulk({line.terms.provider_id for line in lines})
    return {provider.id: provider.accruing_account_id for provider in providers.values()}


def open_hub_account(*, kind: AccountKind, now: datetime) -> str:
    """Return the hub's one account of this kind: its fees, its reserve."""
    return open_account(kind=kind, owner_id=HUB, purpose="", now=now)


def advance(
    *, order: Order, step: OrderStep, now: datetime, money: str = "", amount_uc: int | None = None, detail: str = ""
) -> None:
    """Take `step`, save the order as it now is, and write the timeline; raises StepImpossible."""
    order.state = take_step(state=OrderState(order.state), step=step)
    order.lines += 1
    order.save()
    _write_line(order, step, now=now, money=money, amount_uc=amount_uc, detail=detail)
    kind = NOTICES.get(step)
    if kind is not None:
        tell_order(order=order, kind=kind, amount_uc=amount_uc, detail=detail, now=now)


def note_step(
    *, order: Order, step: str, now: datetime, money: str = "", amount_uc: int | None = None, detail: str = ""
) -> None:
    """Write the next line of a locked order's timeline; money says what the amount is: `held`, `charged`."""
    order.lines += 1
    order.save(update_fields=["lines"])
    _write_line(order, step, now=now, money=money, amount_uc=amount_uc, detail=detail)


def tell_order(*, order: Order, kind: str, amount_uc: int | None = None, detail: str = "", now: datetime) -> None:
    """Let whoever placed the order know, or of a dispute those who look after money; once for each line."""
    post_notice(
        kind=f"supermarket.{kind}",
        subject_id=order.id,
        occasion=str(order.lines),
        organisation_id=order.organisation_id,
        person_ids=() if kind in ABOUT_MONEY else (order.person_id,),
        params={"name": order.name, "amount_uc": amount_uc or 0, "detail": detail},
        now=now,
    )


def _write_line(order: Order, step: str, *, now: datetime, money: str, amount_uc: int | None, detail: str) -> None:
    TimelineEntry.objects.create(
        id=new_id("otl"),
        order=order,
        number=order.lines,
        step=step,
        state=order.state,
        at=now,
        money=money,
        amount_uc=amount_uc,
        detail=detail[:500],
        said=dump_sentence(detail),
    )
