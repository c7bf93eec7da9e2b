"""Every reason for which a group of transfers is refused, in words: which rule, whose account, what would pass."""

from collections.abc import Mapping
from datetime import datetime

from lilong.common.money import format_credits
from lilong.common.sentences import Sentence, say
from lilong.common.time import format_moment
from lilong.foundation.ledger.core.accounts import Account, AccountKind
from lilong.foundation.ledger.core.transfers import AMOUNT_MAX_UC, Refusal, Transfer

NAMES: Mapping[AccountKind, Sentence] = {
    AccountKind.WALLET: say("wallet"),
    AccountKind.PROJECT_BUDGET: say("project budget"),
    AccountKind.PROGRAMME_FUND: say("programme fund"),
    AccountKind.VOUCHER: say("voucher"),
    AccountKind.ORDER_ESCROW: say("order escrow"),
    AccountKind.CHALLENGE_ESCROW: say("challenge escrow"),
    AccountKind.PROVIDER_ACCRUING: say("provider accruing"),
    AccountKind.PROVIDER_AVAILABLE: say("provider available"),
    AccountKind.HUB_FEE: say("hub fee"),
    AccountKind.SERVICE_RESERVE: say("service reserve"),
    AccountKind.MEMBER_DEBT: say("member debt"),
    AccountKind.RECEIVABLE: say("receivable"),
    AccountKind.OUTSIDE: say("outside"),
}


def refuse_short(*, account: Account, available_uc: int, change_uc: int) -> Refusal:
    """Refuse a group that takes more from a floored account than is available; `change_uc` is negative."""
    asked_uc = -change_uc
    missing_uc = asked_uc - available_uc
    return Refusal(
        code="ledger.short_of_funds",
        constraint="ledger_account_floor",
        account_id=account.id,
        detail=(
            say(
                "The {account} has {available} credits available and would need {asked}; it may not go below 0.",
                account=describe(account),
                available=format_credits(available_uc),
                asked=format_credits(asked_uc),
            )
        ),
        next_step=say("Add {missing} credits to it or ask for less.", missing=format_credits(missing_uc)),
        facts={"available_uc": available_uc, "asked_uc": asked_uc, "missing_uc": missing_uc, "limit_uc": 0},
    )


def refuse_resolved(*, transfer: Transfer, resolved_by: str) -> Refusal:
    """Refuse a second resolution of one hold."""
    return Refusal(
        code="ledger.hold_resolved",
        constraint="ledger_transfer_one_resolution",
        detail=say(
            "The hold {pending_id} was already resolved by {resolved_by}.",
            pending_id=transfer.pending_id or "",
            resolved_by=resolved_by,
        ),
        next_step=say("Post a correction of the difference as a new transfer."),
        facts={"pending_id": transfer.pending_id or "", "resolved_by": resolved_by},
    )


def refuse_reused_id(*, transfer_id: str) -> Refusal:
    """Refuse a transfer whose id stands in the books with other content."""
    return Refusal(
        code="ledger.transfer_conflict",
        constraint="ledger_transfer_pkey",
        detail=say("The transfer {transfer_id} is in the books with another content.", transfer_id=transfer_id),
        next_step=say("Give a new transfer an id of its own."),
        facts={"transfer_id": transfer_id},
    )


def refuse_unknown_account(*, account_id: str) -> Refusal:
    """Refuse a transfer on an account that was never opened."""
    return Refusal(
        code="ledger.account_unknown",
        constraint="ledger_transfer_account",
        account_id=account_id,
        detail=say("There is no account {account_id}.", account_id=account_id),
        next_step=say("Open the account first."),
    )


def refuse_unknown_hold(*, transfer: Transfer) -> Refusal:
    """Refuse to resolve a hold that is not in the books or runs between other accounts."""
    return Refusal(
        code="ledger.hold_unknown",
        constraint="ledger_transfer_pending",
        detail=say(
            "There is no hold {pending_id} between the accounts of {transfer_id}.",
            pending_id=transfer.pending_id or "",
            transfer_id=transfer.id,
        ),
        next_step=say("Name a posted pend and its two accounts."),
        facts={"pending_id": transfer.pending_id or ""},
    )


def refuse_unknown_correction(*, transfer: Transfer) -> Refusal:
    """Refuse to correct a transfer that is not in the books."""
    return Refusal(
        code="ledger.correction_unknown",
        constraint="ledger_transfer_corrects",
        detail=say(
            "There is no transfer {corrects} that {transfer_id} could correct.",
            corrects=transfer.corrects or "",
            transfer_id=transfer.id,
        ),
        next_step=say("Name a posted transfer."),
        facts={"corrects": transfer.corrects or ""},
    )


def refuse_above_hold(*, transfer: Transfer, held_uc: int) -> Refusal:
    """Refuse to settle more than was held."""
    return Refusal(
        code="ledger.above_hold",
        constraint="ledger_transfer_within_hold",
        account_id=transfer.debit_account,
        detail=say(
            "{amount} credits are asked from a hold of {held}.",
            amount=format_credits(transfer.amount_uc),
            held=format_credits(held_uc),
        ),
        next_step=say("Settle at most {held} credits.", held=format_credits(held_uc)),
        facts={"held_uc": held_uc, "asked_uc": transfer.amount_uc},
    )


def refuse_restricted(*, payer: Account, receiver: Account) -> Refusal:
    """Refuse to spend a voucher on something else than it is for."""
    return Refusal(
        code="ledger.voucher_restricted",
        constraint="ledger_voucher_restriction",
        account_id=payer.id,
        detail=say(
            "The {payer} pays for {restriction} alone, not into the {receiver}.",
            payer=describe(payer),
            restriction=payer.restriction,
            receiver=describe(receiver),
        ),
        next_step=say("Pay into an account that is for {restriction}.", restriction=payer.restriction),
        facts={"restriction": payer.restriction},
    )


def refuse_closed_period(*, closed_until: datetime) -> Refusal:
    """Refuse a transfer that would count for a closed period."""
    moment = format_moment(closed_until)
    return Refusal(
        code="ledger.period_closed",
        constraint="ledger_period_open",
        detail=say("The books are closed until {moment}.", moment=moment),
        next_step=say("Enter it as a correction that counts from the next period on."),
        facts={"closed_until": moment},
    )


def refuse_future(*, transfer: Transfer, now: datetime) -> Refusal:
    """Refuse a transfer that would count for a moment still to come."""
    return Refusal(
        code="ledger.effective_later",
        constraint="ledger_transfer_effective",
        detail=say(
            "{transfer_id} is to count from {effective_at}; now is {now}.",
            transfer_id=transfer.id,
            effective_at=format_moment(transfer.effective_at),
            now=format_moment(now),
        ),
        next_step=say("Post it when that moment has come."),
    )


def refuse_by_constraint(*, group_id: str, constraint: str) -> Refusal:
    """Refuse what the database alone refused."""
    return Refusal(
        code="ledger.constraint",
        constraint=constraint,
        detail=say(
            "The database refuses group {group_id}: it would break {constraint}.",
            group_id=group_id,
            constraint=constraint,
        ),
        next_step=say(
            "Tell the operator the name of the constraint: a sum or an amount is beyond what the books can hold."
        ),
    )


def refuse_form(*, group_id: str, problem: str) -> Refusal:
    """Refuse a group whose form is wrong, whatever the books hold."""
    return Refusal(
        code="ledger.group_malformed",
        constraint="ledger_transfer_form",
        detail=say("Group {group_id}: {problem}.", group_id=group_id, problem=problem),
        next_step=say(
            "Amounts are 0 to {most} micro-credits between two accounts, ids 1 to 64 characters.",
            most=AMOUNT_MAX_UC,
        ),
    )


def describe(account: Account) -> Sentence:
    """Return a few words that tell a person which account is meant."""
    name = NAMES[account.kind]
    if not account.purpose:
        return say("{name} ({account_id})", name=name, account_id=account.id)
    return say("{name} {purpose} ({account_id})", name=name, purpose=account.purpose, account_id=account.id)
