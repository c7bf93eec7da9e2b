"""The page of how a pool did what it sold, and the figures that other pages show of it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe

from lilong.common.django.people import find_actor, for_member
from lilong.common.time import utc_now
from lilong.platforms.supermarket.core.reputation import FACTS_MIN, NOTHING, Reputation, Share, Tally
from lilong.platforms.supermarket.pages.words import PARTS, SHARES, SHORT_SHARES
from lilong.platforms.supermarket.queries.reputation import (
    Fault,
    MonthFacts,
    get_pool_reputation,
)

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise


@dataclass(frozen=True, slots=True)
class ShownShare:
    """A share with its name."""

    label: "_StrOrPromise"
    tally: Tally


@dataclass(frozen=True, slots=True)
class ShownFacts:
    """A share with its name and what it is counted from. parts: how many of what, by name."""

    label: "_StrOrPromise"
    tally: Tally
    months: Sequence[MonthFacts]
    parts: "Sequence[tuple[_StrOrPromise, int]]"


@dataclass(frozen=True, slots=True)
class ShownFault:
    """An order that ended by the provider's fault, and why, in words."""

    fault: Fault
    cause: "_StrOrPromise"


@dataclass(frozen=True, slots=True)
class OwnReputation:
    """A pool of one's own and its shares, in the order of Share."""

    pool_id: str
    name: str
    shares: Sequence[ShownShare]


@require_safe
@for_member
def show_reputation(request: HttpRequest, pool_id: str) -> HttpResponseBase:
    """Show how a pool did what it sold, with the facts behind each figure."""
    now = utc_now()
    found = get_pool_reputation(actor=find_actor(request), pool_id=pool_id, now=now)
    context = {
        "pool": found,
        "shares": [
            ShownFacts(
                label=SHARES[each.share],
                tally=each.tally,
                months=each.months,
                parts=[(PARTS.get(code, code), count) for code, count in each.parts.items()],
            )
            for each in found.shares
        ],
        "whole": list(show_shares(found.whole)) if found.pools > 1 else (),
        "faults": [ShownFault(fault, PARTS.get(fault.cause, fault.cause)) for fault in found.faults],
        "facts_min": FACTS_MIN,
        "now": now,
    }
    return render(request, "supermarket/reputation.html", context)


def show_shares(reputation: Reputation, *, labels: "Mapping[Share, _StrOrPromise]" = SHARES) -> Iterable[ShownShare]:
    """Return all shares with their names; of what was never counted, none of no facts."""
    return (ShownShare(label, reputation.get(share, NOTHING)) for share, label in labels.items())


def show_own(*, reputations: Mapping[str, Reputation], names: Mapping[str, str]) -> Sequence[OwnReputation]:
    """Return what is known of a provider's pools, of which names tells the names by id."""
    return [
        OwnReputation(pool_id, name, list(show_shares(reputations[pool_id], labels=SHORT_SHARES)))
        for pool_id, name in names.items()
        if pool_id in reputations
    ]
