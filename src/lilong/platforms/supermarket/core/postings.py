"""Plan every movement of an order's money as postings with ids of their own, so that doing it twice does it once.

Amounts come from pricing and from the split frozen in the quote; which account is whose is the caller's knowledge.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from lilong.common.money import PPM
from lilong.platforms.supermarket.core.pricing import ChargeLine, price_time
from lilong.protocol.messages import Fault

SERVICE_CREDIT = "service_credit"
HUB_FAULT = "hub_fault"


class PostingKind(StrEnum):
    """The four kinds of transfer that the ledger knows."""

    POST = "post"
    PEND = "pend"
    SETTLE = "settle"
    VOID = "void"


@dataclass(frozen=True, slots=True)
class Posting:
    """One transfer to be made; code says what for, pending_id which hold it resolves, corrects which one it mends."""

    id: str
    kind: PostingKind
    debit_account: str
    credit_account: str
    amount_uc: int
    code: str
    pending_id: str = ""
    corrects: str = ""


@dataclass(frozen=True, slots=True)
class Hold:
    """A pending transfer from a payer into the escrow."""

    id: str
    account_id: str
    held_uc: int


@dataclass(frozen=True, slots=True)
class PayeeDue:
    """What one provider earned with an order, and the hub's fee within it."""

    provider_id: str
    due_uc: int
    fee_uc: int


@dataclass(frozen=True, slots=True)
class Relief:
    """What a fault of others costs them; both are zero where nobody but the member is at fault.

    credit_uc: to the member, by provider at fault; forgone_uc: to the provider whose time the hub's fault wasted.
    """

    credit_uc: Mapping[str, int]
    forgone_uc: Mapping[str, int]


def plan_pend(*, holds: Sequence[Hold], escrow: str, code: str) -> tuple[Posting, ...]:
    """Hold each payer's amount for the escrow."""
    return tuple(Posting(hold.id, PostingKind.PEND, hold.account_id, escrow, hold.held_uc, code) for hold in holds)


def plan_void(*, holds: Sequence[Hold], escrow: str, code: str) -> tuple[Posting, ...]:
    """Release whole holds, each by a transfer of its own."""
    return tuple(
        Posting(f"{hold.id}.void", PostingKind.VOID, hold.account_id, escrow, 0, code, pending_id=hold.id)
        for hold in holds
    )


def plan_settlement(
    *,
    order_id: str,
    escrow: str,
    holds: Sequence[Hold],
    parts_uc: Mapping[str, int],
    payees: Sequence[PayeeDue],
    accruing: Mapping[str, str],
    fee_account: str,
) -> tuple[Posting, ...]:
    """Settle each hold at its payer's part, which releases the rest to the same payer, and pay the escrow out.

    parts_uc: by payer's account; accruing: the provider's account of earnings, by provider. What enters the escrow
    leaves it in the same link group.
    """
    postings: list[Posting] = []
    for hold in holds:
        part_uc = parts_uc.get(hold.account_id, 0)
        kind = PostingKind.SETTLE if part_uc else PostingKind.VOID
        postings.append(
            Posting(f"{hold.id}.settle", kind, hold.account_id, escrow, part_uc, "settle", pending_id=hold.id)
        )
    for number, payee in enumerate(payees):
        net_uc = payee.due_uc - payee.fee_uc
        earned = Posting(
            f"{order_id}.pay.{number}", PostingKind.POST, escrow, accruing[payee.provider_id], net_uc, "pay"
        )
        fee = Posting(f"{order_id}.fee.{number}", PostingKind.POST, escrow, fee_account, payee.fee_uc, "fee")
        postings.extend(posting for posting in (earned, fee) if posting.amount_uc)
    return tuple(postings)


def plan_correction(
    *, id_prefix: str, escrow: str, differences_uc: Mapping[str, int], corrects: Mapping[str, str]
) -> tuple[Posting, ...]:
    """Post differences through the escrow: below zero an account gets money, above zero it pays; the sum is zero.

    corrects: id of the transfer that each account's difference mends.
    """
    postings: list[Posting] = []
    for number, (account, difference_uc) in enumerate(sorted(differences_uc.items())):
        if difference_uc:
            debit, credit = (account, escrow) if difference_uc > 0 else (escrow, account)
            postings.append(
                Posting(
                    f"{id_prefix}.{number}",
                    PostingKind.POST,
                    debit,
                    credit,
                    abs(difference_uc),
                    "correction",
                    corrects=corrects.get(account, ""),
                )
            )
    return tuple(postings)


def sum_payees(*, lines: Iterable[ChargeLine]) -> tuple[PayeeDue, ...]:
    """Return what each provider earned, by provider id; the fee is rounded down per provider and fee rate."""
    due_uc: dict[tuple[str, int], int] = {}
    for line in lines:
        key = (line.terms.provider_id, line.terms.fee_ppm)
        due_uc[key] = due_uc.get(key, 0) + line.due_uc
    sums: dict[str, tuple[int, int]] = {}
    for (provider_id, fee_ppm), amount_uc in due_uc.items():
        due, fee = sums.get(provider_id, (0, 0))
        sums[provider_id] = (due + amount_uc, fee + amount_uc * fee_ppm // PPM)
    return tuple(PayeeDue(provider_id, due, fee) for provider_id, (due, fee) in sorted(sums.items()))


def reckon_relief(*, lines: Iterable[ChargeLine]) -> Relief:
    """Return what the faults of providers and of the hub cost them.

    The value of lost time is what ran and was not billed, at the attempt's price. A provider at fault owes the member
    its service level's part of that value; for a fault of the hub the provider is owed all of it, less fee. As the
    provider runs the engine's meter, its own fault counts what either meter says, the hub's what both say.
    """
    credit_uc: dict[str, int] = {}
    forgone_uc: dict[str, int] = {}
    for line in lines:
        usage, terms = line.usage, line.terms
        ran_ms = usage.longest_ms if usage.fault is Fault.PROVIDER else usage.supported_ms
        lost_ms = max(ran_ms - usage.billable_ms, 0)
        lost_uc = price_time(price_uc=terms.price_uc, units=terms.units, duration_ms=lost_ms)
        if usage.fault is Fault.PROVIDER:
            share_uc = lost_uc * terms.credit_ppm // PPM
            credit_uc[terms.provider_id] = credit_uc.get(terms.provider_id, 0) + share_uc
        elif usage.fault is Fault.HUB:
            net_uc = lost_uc - lost_uc * terms.fee_ppm // PPM
            forgone_uc[terms.provider_id] = forgone_uc.get(terms.provider_id, 0) + net_uc
    return Relief(credit_uc=credit_uc, forgone_uc=forgone_uc)


def plan_relief(
    *,
    order_id: str,
    relief: Relief,
    payees: Sequence[PayeeDue],
    accruing: Mapping[str, str],
    reserve: str,
    wallet: str,
) -> tuple[Posting, ...]:
    """Pay credits out of what the provider at fault earned with this order, else out of the reserve.

    What the hub's fault cost a provider comes out of the reserve. Each posting stands alone, so that one which the
    reserve cannot bear yet holds up no other.
    """
    earned_uc = {payee.provider_id: payee.due_uc - payee.fee_uc for payee in payees}
    moves: list[tuple[str, str, int, str]] = []
    for provider_id, credit_uc in sorted(relief.credit_uc.items()):
        own_uc = min(credit_uc, earned_uc.get(provider_id, 0))
        moves.append((accruing[provider_id], wallet, own_uc, SERVICE_CREDIT))
        moves.append((reserve, wallet, credit_uc - own_uc, SERVICE_CREDIT))
    for provider_id, forgone_uc in sorted(relief.forgone_uc.items()):
        moves.append((reserve, accruing[provider_id], forgone_uc, HUB_FAULT))
    return tuple(
        Posting(f"{order_id}.relief.{number}", PostingKind.POST, debit, credit, amount_uc, code)
        for number, (debit, credit, amount_uc, code) in enumerate(moves)
        if amount_uc
    )
