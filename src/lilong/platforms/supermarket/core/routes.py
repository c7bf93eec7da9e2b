"""By which route an order goes, by its size in card-hours: at once, from what a review approved, by a review, or never.

The thresholds are a published file. Time on cards is counted in card-milliseconds, so that nothing is rounded.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import cast

from lilong.common.errors import LimitReached
from lilong.common.sentences import say
from lilong.platforms.supermarket.core.pricing import HOUR_MS, Terms, Unit


class Way(StrEnum):
    """What a rule says of an order."""

    AUTOMATIC = "automatic"
    ALLOWED = "allowed"
    REVIEW = "review"
    OPEN_CALL = "open_call"


class OpenCallNeeded(LimitReached):
    """The order, with what counts beside it, is larger than any review decides on."""

    code = "order.open_call_needed"
    title = "Work of this size is given by open call"
    status = 403
    next_step = "Ask the hub's operators for their open calls and apply there, or order less."


@dataclass(frozen=True, slots=True)
class Route:
    """One step of the rule. up_to_ms: the most card-milliseconds that may count; review: the kind of case, or empty."""

    code: str
    up_to_ms: int
    review: str


@dataclass(frozen=True, slots=True)
class RouteRule:
    """The published rule: what counts within `window`, and how long what was approved may be ordered.

    routes: the automatic one, then those with a review, smallest first.
    """

    name: str
    version: str
    sha256: str
    window: timedelta
    usable: timedelta
    routes: tuple[Route, ...]


@dataclass(frozen=True, slots=True)
class Size:
    """What an order asks for, and what counts with it, in card-milliseconds.

    free_ms: what its organisation ordered in the window without a review; project_ms: what of this was for the order's
    own project, for people to see; reviewed_ms: what reviews approved or are asked for.
    """

    asked_ms: int
    free_ms: int = 0
    project_ms: int = 0
    reviewed_ms: int = 0


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left of an approved request: time on cards and credits that may still be ordered, until when."""

    review_id: str
    left_ms: int
    left_uc: int
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class RouteVerdict:
    """What the rule says of an order.

    route: the code of the step, empty beyond the last; counted_ms of limit_ms: the figures that decided; review: the
    kind of case that decides, or empty; review_id: from whose allowance the order is drawn, or empty.
    """

    way: Way
    route: str
    asked_ms: int
    counted_ms: int
    limit_ms: int
    review: str = ""
    review_id: str = ""

    @property
    def distance_ms(self) -> int:
        """How much more the step would bear; below zero how much too much is asked for."""
        return self.limit_ms - self.counted_ms


def read_rule(*, document: Mapping[str, object], sha256: str) -> RouteRule:
    """Return the rule that a parsed file says.

    >>> route = {"code": "automatic", "up_to_card_hours": 1, "review": ""}
    >>> said = {"name": "routes", "version": "1", "window_days": 30, "usable_days": 90, "routes": [route]}
    >>> read_rule(document=said, sha256="").routes[0].up_to_ms
    3600000
    """
    routes = cast("Sequence[Mapping[str, int | str]]", document["routes"])
    return RouteRule(
        name=str(document["name"]),
        version=str(document["version"]),
        sha256=sha256,
        window=timedelta(days=int(str(document["window_days"]))),
        usable=timedelta(days=int(str(document["usable_days"]))),
        routes=tuple(
            Route(
                code=str(route["code"]),
                up_to_ms=int(route["up_to_card_hours"]) * HOUR_MS,
                review=str(route["review"]),
            )
            for route in routes
        ),
    )


def measure_card_ms(*, terms: Iterable[Terms], max_ms: int) -> int:
    """Return the most time on cards that an order can take: on the offer that gives it the most cards.

    >>> measure_card_ms(terms=(), max_ms=1000)
    0
    """
    return max((each.units for each in terms if each.unit is Unit.ACCELERATOR), default=0) * max_ms


def count_card_hours(card_ms: int) -> int:
    """Return whole card-hours for people, rounded up: nothing that is there is shown as nothing.

    >>> [count_card_hours(each) for each in (0, 1, 3_600_000, 3_600_001)]
    [0, 1, 1, 2]
    """
    return -(-card_ms // HOUR_MS)


def choose_route(*, size: Size, max_uc: int, allowances: Iterable[Allowance], rule: RouteRule) -> RouteVerdict:
    """Return by which route an order of this size, that can cost `max_uc`, goes.

    What a review approved for it is used first, that which ends first of several; then the automatic route; then the
    smallest review that may decide on all that counts.

    >>> hour = HOUR_MS
    >>> steps = (Route("automatic", 5 * hour, ""), Route("light", 20 * hour, "case"))
    >>> rule = RouteRule("routes", "1", "", timedelta(days=30), timedelta(days=90), steps)
    >>> [choose_route(size=Size(asked * hour), max_uc=1, allowances=(), rule=rule).way.value for asked in (5, 6, 21)]
    ['automatic', 'review', 'open_call']
    """
    asked_ms = size.asked_ms
    fitting = [each for each in allowances if each.left_ms >= asked_ms and each.left_uc >= max_uc]
    if fitting:
        drawn = min(fitting, key=lambda each: (each.ends_at, each.review_id))
        return RouteVerdict(Way.ALLOWED, "", asked_ms, asked_ms, drawn.left_ms, review_id=drawn.review_id)
    first, *reviewed = rule.routes
    counted_ms = size.free_ms + asked_ms
    if counted_ms <= first.up_to_ms:
        return RouteVerdict(Way.AUTOMATIC, first.code, asked_ms, counted_ms, first.up_to_ms)
    counted_ms += size.reviewed_ms
    for route in reviewed:
        if counted_ms <= route.up_to_ms:
            return RouteVerdict(Way.REVIEW, route.code, asked_ms, counted_ms, route.up_to_ms, review=route.review)
    return RouteVerdict(Way.OPEN_CALL, "", asked_ms, counted_ms, rule.routes[-1].up_to_ms)


def check_route(verdict: RouteVerdict | None) -> OpenCallNeeded | None:
    """Return why an order of this size is not for sale, or None where it is."""
    if verdict is None or verdict.way is not Way.OPEN_CALL:
        return None
    detail = say(
        "It asks for {asked} card-hours, with what counts beside it {counted}; reviews decide on up to {limit}.",
        asked=count_card_hours(verdict.asked_ms),
        counted=count_card_hours(verdict.counted_ms),
        limit=count_card_hours(verdict.limit_ms),
    )
    return OpenCallNeeded(
        detail=detail,
        facts={
            "asked_card_ms": verdict.asked_ms,
            "counted_card_ms": verdict.counted_ms,
            "limit_card_ms": verdict.limit_ms,
        },
    )
