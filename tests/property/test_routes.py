"""Routes by size: however work is cut into orders and requests, no more goes by a route than its limit."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from lilong.platforms.supermarket.core.routes import Allowance, Route, RouteRule, Size, Way, choose_route

AUTOMATIC, LIGHT, FULL = 5, 20, 150
RULE = RouteRule(
    "routes",
    "1",
    "",
    timedelta(days=30),
    timedelta(days=90),
    (Route("automatic", AUTOMATIC, ""), Route("light", LIGHT, "light"), Route("full", FULL, "full")),
)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MAX_UC = 1_000


@dataclass
class Member:
    """An organisation in one window: what went through at once, and what was asked of reviews and drawn from them."""

    free: int = 0
    asked: dict[str, int] = field(default_factory=dict)
    routes: dict[str, str] = field(default_factory=dict)
    left: dict[str, tuple[int, int]] = field(default_factory=dict)

    def order(self, size: int, cost_uc: int) -> Way:
        """Order work of this size; a review approves whatever it is asked for."""
        verdict = choose_route(
            size=Size(size, free_ms=self.free, reviewed_ms=sum(self.asked.values())),
            max_uc=cost_uc,
            allowances=[
                Allowance(name, left_ms=hours, left_uc=uc, ends_at=NOON) for name, (hours, uc) in self.left.items()
            ],
            rule=RULE,
        )
        if verdict.way is Way.AUTOMATIC:
            self.free += size
        elif verdict.way is Way.ALLOWED:
            hours, uc = self.left[verdict.review_id]
            self.left[verdict.review_id] = (hours - size, uc - cost_uc)
        elif verdict.way is Way.REVIEW:
            name = f"review {len(self.asked)}"
            self.asked[name], self.routes[name], self.left[name] = size, verdict.route, (size, cost_uc)
        return verdict.way


pieces = st.lists(st.tuples(st.integers(1, 40), st.integers(1, MAX_UC)), max_size=60)


@settings(deadline=None)
@given(pieces)
def test_no_split_goes_round_a_route(work):
    member = Member()
    for size, cost_uc in work:
        member.order(size, cost_uc)

    by_light = sum(size for name, size in member.asked.items() if member.routes[name] == "light")
    assert member.free <= AUTOMATIC
    assert by_light <= LIGHT
    assert sum(member.asked.values()) <= FULL


@settings(deadline=None)
@given(pieces)
def test_never_more_hours_or_credits_are_drawn_than_were_approved(work):
    member = Member()
    for size, cost_uc in work:
        member.order(size, cost_uc)

        assert all(hours >= 0 and uc >= 0 for hours, uc in member.left.values())


@settings(deadline=None)
@given(pieces, st.integers(1, 40))
def test_a_larger_order_never_goes_by_an_easier_route(work, more):
    member = Member()
    for size, cost_uc in work:
        member.order(size, cost_uc)
    steps = [Way.ALLOWED, Way.AUTOMATIC, Way.REVIEW, Way.OPEN_CALL]
    size = Size(more, free_ms=member.free, reviewed_ms=sum(member.asked.values()))
    larger = Size(more + 1, free_ms=size.free_ms, reviewed_ms=size.reviewed_ms)
    before, after = (choose_route(size=each, max_uc=1, allowances=(), rule=RULE) for each in (size, larger))

    assert steps.index(after.way) >= steps.index(before.way)
    assert not before.way == after.way == Way.REVIEW or (before.route, after.route) != ("full", "light")
