"""What an organisation sets besides budgets: which orders need an approval, and when its wallet is low."""

from datetime import datetime

from django.db import transaction

from lilong.common.permissions import Actor, Scope, may, require
from lilong.foundation.ledger.public import AccountKind, get_balances, open_account
from lilong.foundation.notices.public import post_notice
from lilong.foundation.record.public import append
from lilong.platforms.supermarket.models import SpendingRule
from lilong.platforms.supermarket.services.budgets import SPENDERS, lock_spending


def set_spending_rule(
    *, actor: Actor, approval_above_uc: int | None, low_balance_uc: int | None, now: datetime
) -> None:
    """Set the limits of one's own organisation, None for none. Orders that wait already go on waiting."""
    require(may(actor, roles=SPENDERS, scope=Scope.PAY))
    with transaction.atomic():
        rule = lock_spending(organisation_id=actor.organisation_id)
        rule.approval_above_uc, rule.low_balance_uc = approval_above_uc, low_balance_uc
        rule.is_low = rule.is_low and low_balance_uc is not None
        rule.wallet_account_id = open_account(
            kind=AccountKind.WALLET, owner_id=actor.organisation_id, purpose="", now=now
        )
        rule.save()
        append(
            kind="supermarket.spending_rule",
            subject_id=actor.organisation_id,
            payload={
                "approval_above_uc": approval_above_uc,
                "low_balance_uc": low_balance_uc,
                "set_by": actor.person_id,
            },
            organisation_id=actor.organisation_id,
            now=now,
        )


def watch_balance(*, organisation_id: str, now: datetime) -> None:
    """Tell once that an organisation's wallet fell below its limit, and again only after it had risen. Idempotent."""
    with transaction.atomic():
        rule = SpendingRule.objects.select_for_update().get(organisation_id=organisation_id)
        if rule.low_balance_uc is None:
            return
        available_uc = get_balances(account_ids=[rule.wallet_account_id])[rule.wallet_account_id].available_uc
        is_low = available_uc < rule.low_balance_uc
        if is_low == rule.is_low:
            return
        rule.is_low = is_low
        rule.told += is_low
        rule.save()
        if is_low:
            post_notice(
                kind="supermarket.balance_low",
                subject_id=organisation_id,
                occasion=str(rule.told),
                organisation_id=organisation_id,
                params={"available_uc": available_uc, "threshold_uc": rule.low_balance_uc},
                now=now,
            )
