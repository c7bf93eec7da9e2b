"""What a member wants to know first: the money there is, what runs, what came last."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from lilong.common.permissions import Actor
from lilong.foundation.ledger.public import AccountKind, Balance, find_balance
from lilong.foundation.runs.public import get_runs
from lilong.platforms.funding.public import VoucherView, list_vouchers
from lilong.platforms.supermarket.models import RUNNING_STATES, Order
from lilong.platforms.supermarket.queries.orders import TAKEN_STATES, OrderView, reckon_order, view_order

VOUCHERS_SHOWN = 20
LIVE_SHOWN = 20
RECENT_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Home:
    """One organisation's home. wallet: None before it was opened; so_far_uc: of live orders, by their id.

    vouchers: those that can still pay. is_fresh: nothing was ordered yet.
    """

    wallet: Balance | None
    vouchers: Sequence[VoucherView]
    live: Sequence[OrderView]
    so_far_uc: Mapping[str, int]
    recent: Sequence[OrderView]

    @property
    def is_fresh(self) -> bool:
        """Whether nothing was ordered yet."""
        return not (self.live or self.recent)


def get_home(*, actor: Actor, now: datetime) -> Home:
    """Return the home of the actor's own organisation. At most nine queries."""
    mine = Order.objects.filter(organisation_id=actor.organisation_id).select_related("quote", "settlement")
    live = list(mine.filter(state__in=RUNNING_STATES).order_by("-id")[:LIVE_SHOWN])
    over = mine.filter(state__in=TAKEN_STATES - set(RUNNING_STATES)).exclude(run_id="")
    runs = get_runs(run_ids=[order.run_id for order in live], now=now) if live else {}
    so_far = {order.id: reckon_order(order=order, run=runs[order.run_id], now=now).so_far_uc or 0 for order in live}
    vouchers = list_vouchers(actor=actor, cursor=None, limit=VOUCHERS_SHOWN).items
    return Home(
        wallet=find_balance(kind=AccountKind.WALLET, owner_id=actor.organisation_id),
        vouchers=[
            voucher
            for voucher in vouchers
            if voucher.organisation_id == actor.organisation_id
            and voucher.closed_at is None
            and voucher.expires_at > now
            and (voucher.available_uc or voucher.reserved_uc)
        ],
        live=[view_order(order=order) for order in live],
        so_far_uc=so_far,
        recent=[view_order(order=order) for order in over.order_by("-id")[:RECENT_SHOWN]],
    )
