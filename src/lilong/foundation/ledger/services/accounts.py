"""Open accounts."""

from datetime import datetime

from django.db import transaction

from lilong.common.errors import Conflict
from lilong.common.ids import new_id
from lilong.common.sentences import say
from lilong.foundation.ledger.core.accounts import AccountKind, find_floor_uc
from lilong.foundation.ledger.models import Account


class RestrictionConflict(Conflict):
    """The account is open with another restriction, and a restriction never changes."""

    code = "ledger.restriction_conflict"
    title = "This account is already open for another use"
    next_step = "Open an account with another purpose."


def open_account(*, kind: AccountKind, owner_id: str, purpose: str, now: datetime, restriction: str = "") -> str:
    """Return the id of the one account of this kind, owner and purpose, opening it when there is none.

    restriction: what a voucher's money may be spent on, or what an escrow spends on; raises RestrictionConflict
    when the account is open with another.
    """
    with transaction.atomic():
        account, _ = Account.objects.get_or_create(
            kind=kind,
            owner_id=owner_id,
            purpose=purpose,
            defaults={
                "id": new_id("acc"),
                "restriction": restriction,
                "floor_uc": find_floor_uc(kind=kind),
                "opened_at": now,
            },
        )
    if account.restriction != restriction:
        raise RestrictionConflict(
            detail=say(
                "{account_id} is for {restriction}.",
                account_id=account.id,
                restriction=account.restriction or say("anything"),
            )
        )
    return account.id
