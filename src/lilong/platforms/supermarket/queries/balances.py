"""Which wallets fell below what their organisations want to know of, or rose again."""

from lilong.foundation.ledger.public import get_balances
from lilong.platforms.supermarket.models import SpendingRule


def list_turned_balances(*, after: str, limit: int) -> tuple[list[str], str]:
    """Return organisations whose wallet turned since it was last told, and where to go on; "" at the end.

    Of the next `limit` that set a limit. Three queries for each call.
    """
    watched = SpendingRule.objects.filter(low_balance_uc__isnull=False, organisation_id__gt=after)
    rules = list(watched.order_by("organisation_id")[:limit])
    balances = get_balances(account_ids=[rule.wallet_account_id for rule in rules])
    turned = [
        rule.organisation_id
        for rule in rules
        if (balances[rule.wallet_account_id].available_uc < (rule.low_balance_uc or 0)) is not rule.is_low
    ]
    return turned, rules[-1].organisation_id if len(rules) == limit else ""
