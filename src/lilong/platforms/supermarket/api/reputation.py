"""How pools did what they sold, over HTTP."""

from datetime import date, datetime

from django.http import HttpRequest
from ninja import Router, Schema

from lilong.common.django.fields import IdInPath
from lilong.common.django.problems import PROBLEMS
from lilong.common.django.routes import ALL_ROLES, allow, get_actor
from lilong.common.permissions import Scope
from lilong.common.time import utc_now
from lilong.platforms.supermarket.api.schemas import ShareOut, view_shares
from lilong.platforms.supermarket.core.reputation import FACTS_MIN, Share
from lilong.platforms.supermarket.queries.reputation import ShareFacts, get_pool_reputation

router = Router(tags=["shelf"])


class MonthFactsOut(Schema):
    """What one month, named by its first day, adds to a share."""

    month: date
    kept: int
    count: int


class ShareFactsOut(ShareOut):
    """A share with its facts by month, the newest first. parts: reasons of faults, or how disputes were decided."""

    months: list[MonthFactsOut]
    parts: dict[str, int]


class FaultOut(Schema):
    """An order that ended by the provider's fault, by the attempts that its own people know."""

    settled_at: datetime
    cause: str
    attempt_ids: list[str]


class PoolReputationOut(Schema):
    """How a pool did what it sold in the last window_days, as counted at reckoned_at; null: nothing is known yet.

    A share is `kept` of `count` facts with its 95 % interval, whose bounds are null below facts_min. whole: over all
    `pools` of the provider that have facts. left_out: orders of related parties. faults: the latest, for the provider's
    own people and operators alone.
    """

    pool_id: str
    name: str
    organisation_id: str
    provider: str
    window_days: int
    facts_min: int
    reckoned_at: datetime | None
    shares: list[ShareFactsOut]
    whole: list[ShareOut]
    pools: int
    left_out: int
    faults: list[FaultOut]


@router.get(
    "/pools/{pool_id}/reputation",
    openapi_extra=allow(ALL_ROLES, Scope.READ),
    response={200: PoolReputationOut, **PROBLEMS},
)
def show_reputation(request: HttpRequest, pool_id: IdInPath) -> object:
    """Show how a pool did what it sold, by facts that were counted, and what they come to for its provider."""
    found = get_pool_reputation(actor=get_actor(request), pool_id=pool_id, now=utc_now())
    return {
        "pool_id": found.pool_id,
        "name": found.name,
        "organisation_id": found.organisation_id,
        "provider": found.provider,
        "window_days": found.window_days,
        "facts_min": FACTS_MIN,
        "reckoned_at": found.reckoned_at,
        "shares": [_view(each) for each in found.shares],
        "whole": view_shares({share: found.whole[share] for share in Share}),
        "pools": found.pools,
        "left_out": found.left_out,
        "faults": found.faults,
    }


def _view(facts: ShareFacts) -> dict[str, object]:
    (share,) = view_shares({facts.share: facts.tally})
    return {**share, "months": facts.months, "parts": facts.parts}
