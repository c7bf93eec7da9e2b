"""Divide what is due between the vouchers that a quote reserved and the member's wallet. Knows no accounts, no time."""

from collections.abc import Sequence
from dataclasses import dataclass

from lilong.common.money import PPM, UC_PER_CREDIT


@dataclass(frozen=True, slots=True)
class Share:
    """What one voucher of a quote carries.

    rate_ppm: its share of the price, in parts per million; cap_uc: the most that it pays for this order.
    """

    rate_ppm: int
    cap_uc: int

    def __post_init__(self) -> None:
        if not 0 <= self.rate_ppm <= PPM or self.cap_uc < 0:
            raise ValueError(f"A share is 0 to {PPM} ppm and its cap is not negative.")


@dataclass(frozen=True, slots=True)
class Split:
    """Cumulative micro-credits from each voucher, in the order given, and from the wallet."""

    vouchers_uc: tuple[int, ...]
    wallet_uc: int


def split_due(*, due_uc: int, shares: Sequence[Share]) -> Split:
    """Return what each payer has paid in total once `due_uc` is due; vouchers pay in the order of `shares`.

    The parts sum to `due_uc` and none shrinks when `due_uc` grows, so a later figure is reached by posting
    differences, and a refund is the same call with a smaller amount. Rounding each share by itself would not do:
    at 50 % and 40 %, going from 9 to 10 uc would take 1 uc back from the wallet. So the payers take turns inside
    every credit: of its 1 000 000 uc the first `rate_ppm` are the first voucher's, the next the second's, the rest
    the wallet's, and so is all above a cap. Rates beyond 100 % in sum are cut, later vouchers first.
    Cost: linear in vouchers.

    >>> shares = [Share(rate_ppm=500_000, cap_uc=40_000_000), Share(rate_ppm=100_000, cap_uc=3_000_000)]
    >>> split_due(due_uc=10_000_000, shares=shares)
    Split(vouchers_uc=(5000000, 1000000), wallet_uc=4000000)
    >>> split_due(due_uc=100_000_000, shares=shares)  # both caps bind
    Split(vouchers_uc=(40000000, 3000000), wallet_uc=57000000)
    """
    if due_uc < 0:
        raise ValueError("What is due is never negative.")
    whole, rest_uc = divmod(due_uc, UC_PER_CREDIT)
    turn_starts_uc = 0
    parts: list[int] = []
    for share in shares:
        turn_uc = min(share.rate_ppm, UC_PER_CREDIT - turn_starts_uc)
        part_uc = whole * turn_uc + min(max(rest_uc - turn_starts_uc, 0), turn_uc)
        parts.append(min(part_uc, share.cap_uc))
        turn_starts_uc += turn_uc
    return Split(vouchers_uc=tuple(parts), wallet_uc=due_uc - sum(parts))
