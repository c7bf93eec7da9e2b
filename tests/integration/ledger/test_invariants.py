"""Every invariant of the ledger, on random books: a model in a few lines of Python says what must come out."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest
from django.db import transaction
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from lilong.foundation.ledger.core.accounts import FLOORLESS_KINDS
from lilong.foundation.ledger.models import Account
from lilong.foundation.ledger.public import (
    AccountKind,
    GroupResult,
    LinkGroup,
    Transfer,
    TransferKind,
    get_balances,
    list_open_holds,
    post_many,
)
from lilong.foundation.ledger.queries.verification import verify
from lilong.foundation.ledger.services.tail import roll_up
from tests.books import NOW, link, open_funded, pend, post, settle, void

pytestmark = pytest.mark.django_db

FEW_UC = st.integers(0, 12)
KINDS = (
    *(AccountKind.WALLET, AccountKind.VOUCHER, AccountKind.VOUCHER, AccountKind.PROGRAMME_FUND),
    *(AccountKind.ORDER_ESCROW, AccountKind.ORDER_ESCROW, AccountKind.PROVIDER_ACCRUING, AccountKind.HUB_FEE),
)
RESTRICTIONS = ("", "compute", "model", "", "compute", "", "", "")


@dataclass
class Model:
    """The books as they must be: sums per account, open holds, and every transfer ever posted."""

    kinds: dict[str, AccountKind]
    restrictions: dict[str, str]
    posted: dict[str, int]
    pending_out: dict[str, int]
    pending_in: dict[str, int]
    holds: dict[str, Transfer] = field(default_factory=dict)
    done: dict[str, tuple[Transfer, str]] = field(default_factory=dict)

    def accept(self, group: LinkGroup) -> bool:
        """Post `group` if the rules allow; change nothing otherwise."""
        known = [self.done.get(transfer.id) for transfer in group.transfers]
        if any(known):
            return known == [(transfer, group.id) for transfer in group.transfers]
        before = replace(
            self,
            posted=dict(self.posted),
            pending_out=dict(self.pending_out),
            pending_in=dict(self.pending_in),
            holds=dict(self.holds),
        )
        resolvable = set(self.holds)
        if all(self._apply(transfer, resolvable) for transfer in group.transfers) and self._floors_hold():
            self.done.update((transfer.id, (transfer, group.id)) for transfer in group.transfers)
            return True
        self.posted, self.pending_out, self.pending_in = before.posted, before.pending_out, before.pending_in
        self.holds = before.holds
        return False

    def _apply(self, transfer: Transfer, resolvable: set[str]) -> bool:
        payer, receiver, amount_uc = transfer.debit_account, transfer.credit_account, transfer.amount_uc
        restriction = self.restrictions[payer] if self.kinds[payer] is AccountKind.VOUCHER else ""
        is_return = self.kinds[receiver] is AccountKind.PROGRAMME_FUND
        if restriction and not is_return and self.restrictions[receiver] != restriction:
            return False
        if transfer.kind is TransferKind.PEND:
            self.pending_out[payer] += amount_uc
            self.pending_in[receiver] += amount_uc
            self.holds[transfer.id] = transfer
            return True
        if transfer.pending_id is not None:
            hold = self.holds.get(transfer.pending_id)
            if hold is None or hold.id not in resolvable or amount_uc > hold.amount_uc:
                return False
            del self.holds[hold.id]
            self.pending_out[payer] -= hold.amount_uc
            self.pending_in[receiver] -= hold.amount_uc
        self.posted[payer] -= amount_uc
        self.posted[receiver] += amount_uc
        return True

    def _floors_hold(self) -> bool:
        floored = (account for account, kind in self.kinds.items() if kind not in FLOORLESS_KINDS)
        return all(self.posted[account] >= self.pending_out[account] for account in floored)


class Books(RuleBasedStateMachine):
    """Post anything in any order and batch; the ledger answers as the model does, and its sums are the model's."""

    accounts: Bundle[str] = Bundle("accounts")
    holds: Bundle[Transfer] = Bundle("holds")
    groups: Bundle[LinkGroup] = Bundle("groups")

    @initialize(target=accounts, amounts=st.lists(FEW_UC, min_size=len(KINDS), max_size=len(KINDS)))
    def open_accounts(self, amounts):
        self.savepoint = transaction.savepoint()
        opened = [
            open_funded(kind=kind, restriction=restriction, amount_uc=0 if kind in FLOORLESS_KINDS else amount_uc)
            for kind, restriction, amount_uc in zip(KINDS, RESTRICTIONS, amounts, strict=True)
        ]
        zeros = dict.fromkeys(opened, 0)
        self.model = Model(
            kinds=dict(zip(opened, KINDS, strict=True)),
            restrictions=dict(zip(opened, RESTRICTIONS, strict=True)),
            posted={key: balance.posted_uc for key, balance in get_balances(account_ids=opened).items()},
            pending_out=dict(zeros),
            pending_in=dict(zeros),
        )
        return multiple(*opened)

    @rule(target=groups, payer=accounts, receiver=accounts, amount_uc=FEW_UC)
    def pay(self, payer, receiver, amount_uc):
        return link(post(payer, receiver, amount_uc)) if payer != receiver else multiple()

    @rule(target=holds, payer=accounts, receiver=accounts, amount_uc=FEW_UC)
    def hold(self, payer, receiver, amount_uc):
        if payer == receiver:
            return multiple()
        made = pend(payer, receiver, amount_uc)
        self.check([link(made)])
        return made

    @rule(target=groups, hold=holds, amount_uc=FEW_UC)
    def settle_later(self, hold, amount_uc):
        return link(settle(hold, amount_uc))

    @rule(target=groups, hold=holds)
    def void_later(self, hold):
        return link(void(hold))

    @rule(target=groups, first=groups, second=groups)
    def join(self, first, second):
        ids = {transfer.id for transfer in first.transfers} & {transfer.id for transfer in second.transfers}
        holds = [t.pending_id for t in (*first.transfers, *second.transfers) if t.pending_id]
        if ids or len(holds) > len(set(holds)):
            return multiple()
        return link(*first.transfers, *second.transfers)

    @rule(batch=st.lists(groups, min_size=1, max_size=6))
    def post(self, batch):
        self.check(batch)

    @rule(group=groups)
    def post_twice(self, group):
        self.check([group, group])

    @rule()
    def roll_up(self):
        roll_up()

    def check(self, batch: Sequence[LinkGroup]) -> None:
        expected = [self.model.accept(group) for group in batch]
        results: list[GroupResult] = post_many(groups=batch, now=NOW)
        assert [result.posted for result in results] == expected
        assert all(result.posted or (result.refusal and result.refusal.constraint) for result in results)

    @invariant()
    def sums_are_the_models(self):
        if not hasattr(self, "model"):
            return
        balances = get_balances(account_ids=list(self.model.kinds))
        assert {key: balance.posted_uc for key, balance in balances.items()} == self.model.posted
        assert {key: balance.pending_out_uc for key, balance in balances.items()} == self.model.pending_out
        assert {key: balance.pending_in_uc for key, balance in balances.items()} == self.model.pending_in

    def teardown(self):
        if hasattr(self, "model"):
            assert verify(now=NOW).differences == ()
            assert sum(balance.posted_uc for balance in get_balances(account_ids=all_accounts()).values()) == 0
            open_ids = {hold.id for hold in list_open_holds(before=NOW.replace(year=2027), limit=1000)}
            assert open_ids == set(self.model.holds)
            transaction.savepoint_rollback(self.savepoint)


def all_accounts() -> list[str]:
    return list(Account.objects.values_list("pk", flat=True))


def test_the_ledger_answers_as_the_model_and_keeps_every_invariant():
    run_state_machine_as_test(Books, settings=settings(max_examples=60, stateful_step_count=25, deadline=None))
