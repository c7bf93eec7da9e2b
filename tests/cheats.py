"""A provider whose agent lies to the hub about what it meters, for tests."""

from lilong.foundation.cases.models import Case
from lilong.foundation.cases.public import CaseState
from lilong.foundation.runs.reactions import reconcile as reconcile_runs
from lilong.platforms.supermarket.core.policy import DISPUTE_WINDOW
from lilong.platforms.supermarket.core.pricing import price_time
from lilong.platforms.supermarket.core.states import OrderState
from lilong.platforms.supermarket.models import Provider
from lilong.platforms.supermarket.reactions import reconcile
from lilong.protocol.messages import AttemptState, Usage
from tests.books import available_uc
from tests.market import PRICE_UC, buy, found_buyer, open_stall
from tests.pools import at, look, make_spec

S = AttemptState
LATE = 30_000
"""Seconds after noon at which everything has ended."""


class Cheat:
    """A provider whose agent lies, a buyer, and one order of an hour that the agent has just been told of."""

    def __init__(self, *, spec=None, **stall):
        self.seller, self.buyer = open_stall(fee_ppm=0, **stall), found_buyer()
        self.agent = self.seller.agent
        self.order = buy(self.buyer, spec=make_spec(**{"walltime_s": 3_600, **(spec or {})}))
        self.taken = self.agent.take(seconds=1)

    def see(self, state, *, seconds, ms, metered_ms=None, **fields):
        """Return an honest observation at `ms`, but for the engine's meter and whatever else is given."""
        seen = self.agent.see(self.taken, state, seconds=seconds, ms=ms, **fields)
        usage = Usage(metered_ms=ms if metered_ms is None else metered_ms, authorised_ms=self.taken.authorised_ms)
        return seen.model_copy(update={"usage": usage})

    def tell(self, state, *, seconds, ms, metered_ms=None, **fields):
        self.agent.sync(self.see(state, seconds=seconds, ms=ms, metered_ms=metered_ms, **fields), seconds=seconds)

    def settle(self, *, seconds=LATE):
        reconcile_runs(now=at(seconds))
        reconcile(now=at(seconds))
        self.order.refresh_from_db()
        return self.order

    @property
    def attempt(self):
        return look(self.order.run_id, seconds=LATE).attempts[0]

    def is_caught(self):
        """Return whether the payable is frozen, past every window, and one open case is about the whole charge."""
        for _ in range(2):
            self.settle(seconds=LATE + DISPUTE_WINDOW.total_seconds())
        cases = Case.objects.filter(kind="supermarket.dispute", state=CaseState.OPEN)
        is_frozen = self.order.state == OrderState.DISPUTED and self.available_uc() == 0
        return is_frozen and [case.facts["claim_uc"] for case in cases] == [self.order.due_uc]

    def available_uc(self):
        """Return what the provider may have paid out."""
        return available_uc(Provider.objects.get(id=self.seller.provider_id).available_account_id)


def price(ms):
    return price_time(price_uc=PRICE_UC, units=1, duration_ms=ms)
