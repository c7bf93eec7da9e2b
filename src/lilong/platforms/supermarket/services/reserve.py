"""The service reserve: what faults of the hub, and of providers that earned too little, cost; filled out of fees."""

from datetime import datetime

from django.db import transaction

from lilong.common.errors import LimitReached
from lilong.common.ids import new_id
from lilong.common.money import format_credits
from lilong.common.permissions import Actor, Role, Scope, may, require
from lilong.common.sentences import say
from lilong.foundation.ledger.public import AccountKind, get_balances, require_posted
from lilong.foundation.record.public import append
from lilong.platforms.supermarket.core.postings import Posting, PostingKind
from lilong.platforms.supermarket.services.books import open_hub_account, post_group


class FeesShort(LimitReached):
    """More is asked for than the hub has earned in fees."""

    code = "reserve.fees_short"
    title = "The hub has not earned so much"
    status = 402
    next_step = "Move at most what is available in fees."


def fill_reserve(*, actor: Actor, amount_uc: int, now: datetime) -> str:
    """Move fees that the hub has earned into its service reserve; return the transfer's id. For the operator."""
    require(may(actor, roles=frozenset({Role.OPERATOR}), scope=Scope.PAY))
    with transaction.atomic():
        fees = open_hub_account(kind=AccountKind.HUB_FEE, now=now)
        reserve = open_hub_account(kind=AccountKind.SERVICE_RESERVE, now=now)
        available_uc = get_balances(account_ids=[fees])[fees].available_uc
        if amount_uc > available_uc:
            detail = say("{available} credits of fees are there.", available=format_credits(available_uc))
            raise FeesShort(detail=detail, facts={"limit_uc": available_uc, "asked_uc": amount_uc})
        posting = Posting(new_id("tra"), PostingKind.POST, fees, reserve, amount_uc, "fill_reserve")
        require_posted(results=post_group(group_id=posting.id, postings=[posting], order_id="", now=now))
        append(
            kind="supermarket.reserve_filled",
            subject_id=posting.id,
            payload={"amount_uc": amount_uc, "filled_by": actor.person_id},
            now=now,
        )
    return posting.id
