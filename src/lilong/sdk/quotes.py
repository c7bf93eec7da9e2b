"""Checks of specs, and quotes: signed prices that are honoured until they expire."""

from collections.abc import Iterator
from datetime import datetime

from lilong.protocol.spec import RunSpec
from lilong.sdk.noun import Answer, Noun, address


class Note(Answer):
    """Something about one field or one offer, with a stable code."""

    path: str
    code: str
    message: str


class Terms(Answer):
    """What a run on one offer costs: micro-credits per 1 000 unit-seconds, units of the whole gang."""

    offer_id: str
    pool_id: str
    provider_id: str
    price_row_id: str
    price_uc: int
    unit: str
    units: int
    fee_ppm: int
    credit_ppm: int


class Check(Answer):
    """Problems that no offer could honour, offers that can run the job, and why the others cannot."""

    problems: tuple[Note, ...]
    offers: tuple[Terms, ...]
    left_out: tuple[Note, ...]


class Wait(Answer):
    """In how many seconds every second job (p50_s) and nine of ten (p90_s) would begin; waits: what that rests on."""

    p50_s: int
    p90_s: int
    waits: int


class QuotedOffer(Terms):
    """A candidate with its figures and the reason for its place.

    starts, wait: whether and when it would begin, which nobody promises; wait is None where too little is known.
    """

    expected_uc: int
    max_uc: int
    wallet_uc: int
    because: str
    starts: str
    wait: Wait | None = None


class QuotedVoucher(Answer):
    """A voucher that pays, with rate and cap frozen."""

    voucher_id: str
    account_id: str
    rate_ppm: int
    cap_uc: int
    other_rates_ppm: dict[str, int] | None = None


class Quote(Answer):
    """A signed quote. quoted_uc: expected; max_uc: the most that it can cost.

    voucher_max_uc, wallet_max_uc: the most that either can have to pay, which an order holds.
    """

    quote_id: str
    order_id: str
    project_id: str | None = None
    name: str
    state: str
    spec_sha256: str
    offers: tuple[QuotedOffer, ...]
    vouchers: tuple[QuotedVoucher, ...]
    expected_ms: int
    expected_basis: str
    max_ms: int
    quoted_uc: int
    max_uc: int
    voucher_max_uc: int
    wallet_max_uc: int
    expires_at: datetime
    notes: tuple[Note, ...]
    quote_sha256: str


class Quotes(Noun):
    """Ask what a job would cost."""

    def check(self, *, spec: RunSpec) -> Check:
        """Return on which offers a job could run and why not on the others; nothing is kept of it."""
        return self._post(Check, address("specs", "check"), json={"spec": spec.model_dump(mode="json")})

    def create(self, *, spec: RunSpec, max_cost_uc: int | None = None, project_id: str | None = None) -> Quote:
        """Return a signed quote. Its maximum, vouchers included, is at most `max_cost_uc`, or the hub refuses.

        project_id: of the organisation's project that it is ordered for.
        """
        body = {"spec": spec.model_dump(mode="json"), "max_cost_uc": max_cost_uc, "project_id": project_id}
        return self._post(Quote, address("quotes"), json=body)

    def get(self, quote_id: str) -> Quote:
        """Return a quote as it was signed."""
        return self._get(Quote, address("quotes", quote_id))

    def list(self) -> Iterator[Quote]:
        """Yield the organisation's quotes, newest first."""
        return self._list(Quote, address("quotes"))
