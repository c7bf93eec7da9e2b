"""What organisations of tests allow themselves to spend."""

from lilong.common.permissions import Actor
from lilong.platforms.supermarket.core.budgets import BudgetPeriod, BudgetScope
from lilong.platforms.supermarket.services.budgets import set_budget
from lilong.platforms.supermarket.services.spending import set_spending_rule
from tests.people import NOW
from tests.pools import at


def limit_spending(
    actor: Actor,
    limit_uc: int,
    *,
    name: str = "all",
    scope: BudgetScope = BudgetScope.ORGANISATION,
    subject_id: str = "",
    period: BudgetPeriod = BudgetPeriod.MONTH,
    seconds: float = 0,
) -> str:
    """Set a budget of the actor's organisation."""
    return set_budget(
        actor=actor,
        name=name,
        scope=scope,
        subject_id=subject_id,
        period=period,
        limit_uc=limit_uc,
        now=at(seconds),
    )


def need_approval(actor: Actor, *, above_uc: int) -> None:
    """Let orders of the actor's organisation above this need an approval."""
    set_spending_rule(actor=actor, approval_above_uc=above_uc, low_balance_uc=None, now=NOW)


def watch_wallet(actor: Actor, *, below_uc: int | None) -> None:
    """Let the actor's organisation be told when its wallet is low."""
    set_spending_rule(actor=actor, approval_above_uc=None, low_balance_uc=below_uc, now=NOW)
