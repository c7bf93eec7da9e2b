"""What an organisation allows itself to spend: projects, budgets, which orders need an approval, a low wallet."""

from collections.abc import Iterator
from datetime import datetime

from lilong.sdk.noun import Answer, Noun, address, read_answer


class Project(Answer):
    """What an organisation orders for."""

    id: str
    name: str
    created_at: datetime


class Room(Answer):
    """How a budget stands, in micro-credits; resets_at: when its month ends."""

    limit_uc: int
    held_uc: int
    charged_uc: int
    left_uc: int
    resets_at: datetime | None = None


class Budget(Answer):
    """A budget. scope: organisation, project or person; subject_id: of the project or person; period: month or open."""

    id: str
    name: str
    scope: str
    subject_id: str
    period: str
    begins_at: datetime
    room: Room


class BudgetDecision(Answer):
    """What a budget said of one order; below zero distance_uc is what was missing, and code and reason say why."""

    id: str
    budget_id: str
    budget_name: str
    order_id: str
    step: str
    limit_uc: int
    used_uc: int
    asked_uc: int
    distance_uc: int
    code: str
    reason: str
    decided_at: datetime


class SpendingRule(Answer):
    """Above which amount orders need an approval, and below which the wallet is low; None for never."""

    approval_above_uc: int | None = None
    low_balance_uc: int | None = None
    is_low: bool


class _Projects(Answer):
    items: tuple[Project, ...]


class _Budgets(Answer):
    items: tuple[Budget, ...]


class Projects(Noun):
    """Names to order for."""

    def list(self) -> tuple[Project, ...]:
        """Return the organisation's open projects, by name."""
        return self._get(_Projects, address("projects")).items

    def create(self, *, name: str) -> str:
        """Open a project and return its id."""
        return self._create(address("projects"), json={"name": name})

    def close(self, project_id: str) -> None:
        """Close a project: nothing more is quoted for it, and its budgets end."""
        self._do("DELETE", address("projects", project_id))


class Budgets(Noun):
    """The most that orders may come to."""

    def list(self) -> tuple[Budget, ...]:
        """Return the organisation's budgets and how each stands, by name."""
        return self._get(_Budgets, address("budgets")).items

    def set(
        self, *, name: str, limit_uc: int, scope: str = "organisation", subject_id: str = "", period: str = "month"
    ) -> str:
        """Set a budget and return its id; it replaces the one about the same orders and period."""
        about = {"scope": scope, "subject_id": subject_id or None, "period": period}
        return self._create(address("budgets"), json={"name": name, "limit_uc": limit_uc, **about})

    def end(self, budget_id: str) -> None:
        """End a budget; what it decided is kept."""
        self._do("DELETE", address("budgets", budget_id))

    def list_decisions(self) -> Iterator[BudgetDecision]:
        """Yield what budgets said of quotes and orders, newest first."""
        return self._list(BudgetDecision, address("budget-decisions"))

    def get_rule(self) -> SpendingRule:
        """Return which orders need an approval, and when the wallet is low."""
        return self._get(SpendingRule, address("spending-rule"))

    def set_rule(self, *, approval_above_uc: int | None, low_balance_uc: int | None) -> SpendingRule:
        """Set both limits; None for none."""
        body = {"approval_above_uc": approval_above_uc, "low_balance_uc": low_balance_uc}
        answer = self._transport.request("PUT", address("spending-rule"), json=body)
        return read_answer(answer.content, kind=SpendingRule)
