"""What a quote promises, as one document: built once, signed, stored as it was signed, and read back to act on."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, PlainSerializer

from lilong.common.canonical import canonical_json
from lilong.common.time import format_moment
from lilong.platforms.supermarket.core.pricing import Terms
from lilong.platforms.supermarket.core.starts import Starts

Moment = Annotated[datetime, PlainSerializer(format_moment, return_type=str)]

Basis = Literal["history", "walltime"]


class Part(BaseModel):
    """Base of the document and its members: immutable, and nothing unknown is read over."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class QuotedVoucher(Part):
    """A voucher that pays, in the order of the quote, with the rate, the cap and the rule frozen.

    other_rates_ppm: its rate on those offers, by id, on which it is another; left out where it is one on all.
    """

    voucher_id: str
    account_id: str
    rate_ppm: int
    cap_uc: int
    rule_sha256: str
    other_rates_ppm: dict[str, int] | None = None


class QuotedWait(Part):
    """In how many seconds from the order every second job like this (p50_s) and nine of ten (p90_s) would begin.

    waits: on how many earlier ones that rests.
    """

    p50_s: int
    p90_s: int
    waits: int


class QuotedOffer(Terms):
    """A candidate with its figures: expected and most, what the wallet pays of the expected, and why it stands here.

    starts, wait: estimates and no promise. wait: left out where too little is known.
    """

    expected_uc: int
    max_uc: int
    wallet_uc: int
    because: str
    starts: Starts
    wait: QuotedWait | None = None


class Promise(Part):
    """A quote's content.

    offers: first choice first; environments: digest of the resolved environment by pool id; max_ms: time authorised
    over all attempts; quoted_uc: expected cost on the first choice; max_uc: the most that it can cost; voucher_max_uc:
    the most that vouchers can pay of it, which they hold; expected_basis: billed time of earlier runs of that name, or
    the whole walltime.
    """

    form: Literal["lilong.quote.1"] = "lilong.quote.1"
    quote_id: str
    order_id: str
    organisation_id: str
    spec_sha256: str
    offers: tuple[QuotedOffer, ...]
    environments: dict[str, str]
    vouchers: tuple[QuotedVoucher, ...]
    wallet_account: str
    escrow_account: str
    expected_ms: int
    expected_basis: Basis
    max_ms: int
    quoted_uc: int
    max_uc: int
    voucher_max_uc: int
    quoted_at: Moment
    expires_at: Moment

    @property
    def terms(self) -> dict[str, QuotedOffer]:
        """Return the terms of every candidate, by offer id."""
        return {offer.offer_id: offer for offer in self.offers}

    @property
    def document(self) -> dict[str, Any]:
        """Return the members that are signed; what says nothing is left out."""
        return self.model_dump(mode="json", exclude_none=True)

    @property
    def content(self) -> bytes:
        """Return the bytes that are signed."""
        return canonical_json(self.document)


def read_promise(*, content: bytes) -> Promise:
    """Return the promise in a document whose signature the caller has verified."""
    return Promise.model_validate_json(content)
