"""The door of funding for rooms that sell: which vouchers pay for an order, how it is split, what is used of them."""

from lilong.platforms.funding.core.choosing import Choice, Chosen
from lilong.platforms.funding.core.reports import RESERVE
from lilong.platforms.funding.core.rules import Earmark
from lilong.platforms.funding.core.split import Share, Split, find_most, split_dues
from lilong.platforms.funding.queries.entitlement import OfferOrigin, find_hub_zone, list_usable
from lilong.platforms.funding.services.uses import find_short_use, lock_vouchers, reserve_uses, settle_uses

__all__ = [
    "RESERVE",
    "Choice",
    "Chosen",
    "Earmark",
    "OfferOrigin",
    "Share",
    "Split",
    "find_hub_zone",
    "find_most",
    "find_short_use",
    "list_usable",
    "lock_vouchers",
    "reserve_uses",
    "settle_uses",
    "split_dues",
]
