"""Who pays what of an order, by the split that its quote froze."""

from collections import Counter
from collections.abc import Iterable

from lilong.platforms.funding.public.orders import Share, Split, find_most, split_dues
from lilong.platforms.supermarket.core.pricing import ChargeLine
from lilong.platforms.supermarket.core.promise import Promise


def split_lines(*, promise: Promise, lines: Iterable[ChargeLine]) -> Split:
    """Divide what these lines charge among the payers of a quote, each offer at the rates that are frozen for it."""
    dues_uc: Counter[str] = Counter()
    for line in lines:
        dues_uc[line.terms.offer_id] += line.due_uc
    return split_dues(dues_uc=dues_uc, shares=list_shares(promise=promise))


def split_hold(*, promise: Promise, max_uc: int | None = None) -> Split:
    """Return what each payer of a quote holds: the most that it can have to pay, whichever offers run.

    max_uc: as if the order could cost this much at most; the quote's own maximum by default.
    """
    offer_ids = [offer.offer_id for offer in promise.offers]
    most_uc = promise.max_uc if max_uc is None else max_uc
    return find_most(max_uc=most_uc, offer_ids=offer_ids, shares=list_shares(promise=promise))


def list_shares(*, promise: Promise) -> list[Share]:
    """Return what each voucher of a quote carries, in its order."""
    return [
        Share(
            rate_ppm=voucher.rate_ppm,
            cap_uc=voucher.cap_uc,
            other_rates_ppm=voucher.other_rates_ppm or {},
        )
        for voucher in promise.vouchers
    ]
