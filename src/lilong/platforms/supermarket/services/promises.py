"""What a quote promises: how long the job probably takes, where it may run, and who pays the most of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from lilong.common.ids import new_id
from lilong.foundation.ledger.public import AccountKind, open_account
from lilong.platforms.funding.public.orders import Choice, Chosen, Earmark, find_most, split_dues
from lilong.platforms.supermarket.core.checks import MaxCostExceeded
from lilong.platforms.supermarket.core.policy import HISTORY_RUNS, QUOTE_LIFE
from lilong.platforms.supermarket.core.pricing import Terms, price_time
from lilong.platforms.supermarket.core.promise import Basis, Promise, QuotedOffer, QuotedVoucher
from lilong.platforms.supermarket.core.ranking import Priced, Ranking, expect_ms, rank_offers
from lilong.platforms.supermarket.core.starts import Starts
from lilong.platforms.supermarket.models import Order
from lilong.platforms.supermarket.queries.candidates import Candidates
from lilong.platforms.supermarket.services.starts import quote_waits
from lilong.protocol.messages import EnvironmentLock
from lilong.protocol.spec import RunSpec


@dataclass(frozen=True, slots=True)
class Expected:
    """How long the job will probably be billed, and by what that is known."""

    duration_ms: int
    basis: Basis


def expect_time(*, order: Order, max_ms: int) -> Expected:
    """Look at how long runs of this name took that organisation before."""
    earlier = Order.objects.filter(
        organisation_id=order.organisation_id, name=order.name, settled_at__isnull=False, run_state="succeeded"
    )
    earlier_ms = list(earlier.order_by("-settled_at").values_list("billable_ms", flat=True)[:HISTORY_RUNS])
    known_ms = [duration_ms for duration_ms in earlier_ms if duration_ms is not None]
    return Expected(
        duration_ms=expect_ms(earlier_ms=known_ms, max_ms=max_ms), basis="history" if known_ms else "walltime"
    )


def rank_candidates(
    *, candidates: Candidates, spec: RunSpec, max_cost_uc: int | None, vouchers: Choice, expected: Expected
) -> Ranking:
    """Price and rank the candidates; raises MaxCostExceeded when the member's limit leaves none."""
    shares = [chosen.share for chosen in vouchers.usable]

    def price(terms: Terms) -> Priced:
        expected_uc = price_time(price_uc=terms.price_uc, units=terms.units, duration_ms=expected.duration_ms)
        max_uc = price_time(price_uc=terms.price_uc, units=terms.units, duration_ms=spec.walltime_s * 1000)
        wallet_uc = split_dues(dues_uc={terms.offer_id: expected_uc}, shares=shares).wallet_uc
        return Priced(terms=terms, expected_uc=expected_uc, max_uc=max(max_uc, 1), wallet_uc=wallet_uc)

    ranking = rank_offers(offers=[price(terms) for terms in candidates.terms], max_cost_uc=max_cost_uc)
    if not ranking.chosen:
        raise MaxCostExceeded(fields=ranking.left_out)
    return ranking


def build_promise(
    *,
    order: Order,
    spec: RunSpec,
    ranking: Ranking,
    vouchers: Choice,
    starts: Mapping[str, Starts],
    locks: Mapping[str, EnvironmentLock],
    expected: Expected,
    now: datetime,
) -> Promise:
    """Return what the hub promises for the offers chosen: prices, the most that it costs, who pays, until when."""
    max_uc = max(ranked.priced.max_uc for ranked in ranking.chosen)
    offer_ids = [ranked.priced.terms.offer_id for ranked in ranking.chosen]
    paying = [chosen for chosen in vouchers.usable if any(chosen.share.rate_on(each) for each in offer_ids)]
    most = find_most(max_uc=max_uc, offer_ids=offer_ids, shares=[chosen.share for chosen in paying])
    accounts = {
        kind: open_account(kind=kind, owner_id=order.organisation_id, purpose=purpose, restriction=restriction, now=now)
        for kind, purpose, restriction in (
            (AccountKind.WALLET, "", ""),
            (AccountKind.ORDER_ESCROW, order.id, Earmark.COMPUTE.value),
        )
    }
    waits = quote_waits(
        pool_ids={ranked.priced.terms.pool_id for ranked in ranking.chosen}, spec=spec, starts=starts, now=now
    )
    offers = tuple(
        QuotedOffer(
            **ranked.priced.terms.model_dump(),
            expected_uc=ranked.priced.expected_uc,
            max_uc=ranked.priced.max_uc,
            wallet_uc=ranked.priced.wallet_uc,
            because=ranked.because,
            starts=starts[ranked.priced.terms.pool_id],
            wait=waits.get(ranked.priced.terms.pool_id),
        )
        for ranked in ranking.chosen
    )
    return Promise(
        quote_id=new_id("quo"),
        order_id=order.id,
        organisation_id=order.organisation_id,
        spec_sha256=order.spec_sha256,
        offers=offers,
        environments={offer.pool_id: locks[offer.pool_id].digest for offer in offers},
        vouchers=tuple(_freeze(chosen, offers) for chosen in paying),
        wallet_account=accounts[AccountKind.WALLET],
        escrow_account=accounts[AccountKind.ORDER_ESCROW],
        expected_ms=expected.duration_ms,
        expected_basis=expected.basis,
        max_ms=spec.walltime_s * 1000,
        quoted_uc=offers[0].expected_uc,
        max_uc=max_uc,
        voucher_max_uc=sum(most.vouchers_uc),
        quoted_at=now,
        expires_at=min([now + QUOTE_LIFE, *(chosen.voucher.purse.expires_at for chosen in paying)]),
    )


def _freeze(chosen: Chosen, offers: Sequence[QuotedOffer]) -> QuotedVoucher:
    """Return what a voucher carries, with its rates on those offers alone that the quote names."""
    rates_ppm = {offer.offer_id: chosen.share.rate_on(offer.offer_id) for offer in offers}
    first_ppm = rates_ppm[offers[0].offer_id]
    others = {offer_id: rate_ppm for offer_id, rate_ppm in rates_ppm.items() if rate_ppm != first_ppm}
    return QuotedVoucher(
        voucher_id=chosen.voucher.voucher_id,
        account_id=chosen.voucher.account_id,
        rate_ppm=first_ppm,
        cap_uc=chosen.share.cap_uc,
        rule_sha256=chosen.voucher.rule.sha256,
        other_rates_ppm=others or None,
    )
