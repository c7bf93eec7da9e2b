"""Who pays what of an order, by the split that its quote froze."""

from lilong.platforms.funding.public import Share, Split, split_due
from lilong.platforms.supermarket.core.promise import Promise


def split_promise(*, promise: Promise, due_uc: int) -> Split:
    """Divide `due_uc` among the payers of a quote by the split that it froze."""
    shares = [Share(rate_ppm=voucher.rate_ppm, cap_uc=voucher.cap_uc) for voucher in promise.vouchers]
    return split_due(due_uc=due_uc, shares=shares)
