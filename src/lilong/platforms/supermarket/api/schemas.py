"""What the routes of specs, quotes and orders take and give."""

from datetime import datetime
from typing import Annotated

from ninja import Schema
from pydantic import BeforeValidator, Field

from lilong.common.django.fields import Id, PositiveUc, Reason, RequestBody
from lilong.common.django.problems import FieldProblemOut
from lilong.foundation.runs.public import StartBasis
from lilong.platforms.supermarket.core.policy import ORDER_MAX_UC
from lilong.platforms.supermarket.core.pricing import Unit
from lilong.platforms.supermarket.core.promise import Basis
from lilong.platforms.supermarket.core.reputation import Reputation, Share
from lilong.platforms.supermarket.core.routes import Way
from lilong.platforms.supermarket.core.starts import Starts
from lilong.platforms.supermarket.core.states import OrderState
from lilong.protocol.spec import RunSpec

MaxCost = Annotated[int, Field(ge=1, le=ORDER_MAX_UC)]


def _refuse_unknown_fields(value: object) -> object:
    """Read a spec as strictly as a file: agents skip what they do not know, but nobody shall pay for a misspelt job."""
    return RunSpec.model_validate(value, extra="forbid")


Spec = Annotated[RunSpec, BeforeValidator(_refuse_unknown_fields)]


class MeasuredOut(Schema):
    """A measured speed in millionths of its unit: the middle of `count` repetitions, the lowest and the highest.

    drifted: it differs from the offer's earlier ones by more than the metric's bound.
    """

    metric: str
    unit: str
    micro: int
    lowest: int
    highest: int
    count: int
    drifted: bool
    measured_at: datetime
    run_id: str


class ShareOut(Schema):
    """`kept` of `count` facts. lower_ppm, upper_ppm: the 95 % interval of the share, null where there are too few."""

    share: Share
    kept: int
    count: int
    lower_ppm: int | None
    upper_ppm: int | None


def view_shares(reputation: Reputation) -> list[dict[str, object]]:
    """Return what is known of a pool in the form of ShareOut."""
    return [
        {
            "share": share,
            "kept": tally.kept,
            "count": tally.count,
            "lower_ppm": tally.interval.lower_ppm if tally.interval else None,
            "upper_ppm": tally.interval.upper_ppm if tally.interval else None,
        }
        for share, tally in reputation.items()
    ]


class SpecBody(RequestBody):
    """A job."""

    spec: Spec


class QuoteBody(RequestBody):
    """A job to be quoted, the most that its hold may be, vouchers included, and the project that it is ordered for."""

    spec: Spec
    max_cost_uc: MaxCost | None = None
    project_id: Id | None = None


class OrderBody(RequestBody):
    """The quote to take, and what operators read who review its size, where they do."""

    quote_id: Id
    purpose: Annotated[str, Field(max_length=1000)] = ""


class DecisionBody(RequestBody):
    """Why an order is approved or refused."""

    reason: Reason


class DisputeBody(RequestBody):
    """How much of the charge is claimed back, and why."""

    claim_uc: PositiveUc
    reason: Reason


class TermsOut(Schema):
    """What a run on one offer costs: price in micro-credits per 1 000 unit-seconds, units of the whole gang."""

    offer_id: str
    pool_id: str
    provider_id: str
    price_row_id: str
    price_uc: int
    unit: Unit
    units: int
    fee_ppm: int
    credit_ppm: int


class CheckOut(Schema):
    """Problems that no offer could honour, offers that can run the job, and why the others cannot."""

    problems: list[FieldProblemOut]
    offers: list[TermsOut]
    left_out: list[FieldProblemOut]


class WaitOut(Schema):
    """In how many seconds every second job like this, p50_s, and nine of ten, p90_s, would begin; an estimate.

    waits: how many earlier ones it rests on.
    """

    p50_s: int
    p90_s: int
    waits: int


class QuotedOfferOut(TermsOut):
    """A candidate with its figures and the reason for its place; `wait` is null where too little is known."""

    expected_uc: int
    max_uc: int
    wallet_uc: int
    because: str
    starts: Starts
    wait: WaitOut | None


class QuotedVoucherOut(Schema):
    """A voucher that pays, with rate and cap frozen; on offers that `other_rates_ppm` names it pays that rate."""

    voucher_id: str
    account_id: str
    rate_ppm: int
    cap_uc: int
    rule_sha256: str
    other_rates_ppm: dict[str, int] | None


class SignatureOut(Schema):
    """The hub's Ed25519 signature over the canonical JSON of the quote's signed members."""

    key_id: str
    hex: str


class QuoteOut(Schema):
    """A quote: what was signed, and beside it state, notes, signature and the hash of its export.

    `voucher_max_uc` and `wallet_max_uc` are the most that vouchers and wallet can have to pay, which they hold:
    together `max_uc`, or more where vouchers pay other rates on other offers. What is null was not signed.
    """

    form: str
    quote_id: str
    order_id: str
    organisation_id: str
    spec_sha256: str
    offers: list[QuotedOfferOut]
    environments: dict[str, str]
    vouchers: list[QuotedVoucherOut]
    wallet_account: str
    escrow_account: str
    expected_ms: int
    expected_basis: Basis
    max_ms: int
    quoted_uc: int
    max_uc: int
    voucher_max_uc: int
    quoted_at: str
    expires_at: str
    project_id: str | None
    name: str
    state: OrderState
    wallet_max_uc: int
    notes: list[FieldProblemOut]
    signature: SignatureOut
    quote_sha256: str


class QuotePageOut(Schema):
    """A page of quotes, newest first."""

    items: list[QuoteOut]
    next_cursor: str | None


class PlacedOut(Schema):
    """An order in one line; charged_uc is null until the settlement."""

    id: str
    quote_id: str | None
    organisation_id: str
    person_id: str
    project_id: str | None
    name: str
    state: OrderState
    run_id: str
    run_state: str
    max_uc: int | None
    charged_uc: int | None
    voucher_uc: int | None
    refunded_uc: int | None
    created_at: datetime
    placed_at: datetime | None
    cancel_requested_at: datetime | None
    settled_at: datetime | None
    released_at: datetime | None


class OrderPageOut(Schema):
    """A page of orders, newest first."""

    items: list[PlacedOut]
    next_cursor: str | None


class TimelineOut(Schema):
    """One thing that happened to an order; money says what the amount is."""

    step: str
    state: str
    at: datetime
    money: str
    amount_uc: int | None
    detail: str


class RouteStepOut(Schema):
    """A step of the published rule: up to how many card-milliseconds, how many operators approve, within how many days.

    Of the automatic step nobody has to approve anything, and both are zero.
    """

    route: str
    up_to_ms: int
    approvals: int
    days: int


class RoutesOut(Schema):
    """The published rule of routes by size; what counts beside an order is what was ordered within `window_days`."""

    name: str
    version: str
    sha256: str
    window_days: int
    usable_days: int
    routes: list[RouteStepOut]


class QuoteRouteOut(Schema):
    """By which route a quote's order would go now, with the figures that decide, in card-milliseconds.

    `way`: `automatic`, `allowed` by an approved request, `review`, or `open_call` and so refused. `distance_ms`:
    how much more the step would bear. `review_id`: whose approval it would be drawn from, or empty. An order
    without a card is automatic with zeros.
    """

    way: Way
    route: str
    asked_ms: int
    counted_ms: int
    limit_ms: int
    distance_ms: int
    review_id: str
    approvals: int
    days: int


class ReviewOut(Schema):
    """The review of an order's size: by when it is decided, and once approved what may still be ordered until when.

    `decision` is empty while the case is open; `is_late` says that operators did not decide in time.
    """

    id: str
    case_id: str
    route: str
    card_ms: int
    left_ms: int
    left_uc: int
    asked_at: datetime
    decide_by: datetime
    is_late: bool
    decision: str
    decided_at: datetime | None
    reason: str
    ends_at: datetime | None


class OrderDetailOut(Schema):
    """An order with its timeline, and while it runs its cost until now and if it were cancelled now, at most.

    `review` is null where its size needed none. `drawn_from` is the order whose approved request it counts against.
    `waiting_reason`, `expected_start_at` and `expected_start_basis` are those of its run.
    """

    order: PlacedOut
    timeline: list[TimelineOut]
    so_far_uc: int | None
    cancel_costs_at_most_uc: int
    waiting_reason: str
    expected_start_at: datetime | None
    expected_start_basis: StartBasis | None
    review: ReviewOut | None
    drawn_from: str | None


class ExportOut(Schema):
    """One file of an order."""

    name: str
    sha256: str
    size_bytes: int


class ExportsOut(Schema):
    """The files of an order."""

    files: list[ExportOut]


class OpenedCaseOut(Schema):
    """The case that decides."""

    case_id: str
