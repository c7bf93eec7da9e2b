"""Divide what is due between the vouchers that a quote reserved and the member's wallet. Knows no accounts, no time."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from lilong.common.money import PPM, UC_PER_CREDIT


@dataclass(frozen=True, slots=True)
class Share:
    """What one voucher of a quote carries.

    rate_ppm: its share of the price, in parts per million; cap_uc: the most that it pays for this order;
    other_rates_ppm: its share on those offers, by id, on which it is another.
    """

    rate_ppm: int
    cap_uc: int
    other_rates_ppm: Mapping[str, int] = field(default_factory=dict[str, int])

    def __post_init__(self) -> None:
        rates = (self.rate_ppm, *self.other_rates_ppm.values())
        if not all(0 <= rate <= PPM for rate in rates) or self.cap_uc < 0:
            raise ValueError(f"A share is 0 to {PPM} ppm and its cap is not negative.")

    def rate_on(self, offer_id: str) -> int:
        """Return its share of the price of an offer."""
        return self.other_rates_ppm.get(offer_id, self.rate_ppm)


@dataclass(frozen=True, slots=True)
class Split:
    """Cumulative micro-credits from each voucher, in the order given, and from the wallet."""

    vouchers_uc: tuple[int, ...]
    wallet_uc: int

    @property
    def total_uc(self) -> int:
        """Return what all pay together."""
        return sum(self.vouchers_uc) + self.wallet_uc


def split_due(*, due_uc: int, shares: Sequence[Share], offer_id: str = "") -> Split:
    """Return what each payer has paid in total once `due_uc` is due on one offer; vouchers pay in their order.

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
    return split_dues(dues_uc={offer_id: due_uc}, shares=shares)


def split_dues(*, dues_uc: Mapping[str, int], shares: Sequence[Share]) -> Split:
    """Return what each payer has paid in total once this much is due on each offer, by its id.

    What is due on offers of equal rates is divided as one sum by `split_due`; the parts of different rates add up,
    and a voucher's cap binds their sum. So the parts sum to what is due, none shrinks when more becomes due on any
    offer, and the order in which attempts ran changes nothing.

    >>> shares = [Share(rate_ppm=300_000, cap_uc=40_000_000, other_rates_ppm={"off_b": 200_000})]
    >>> split_dues(dues_uc={"off_a": 10_000_000, "off_b": 5_000_000}, shares=shares)
    Split(vouchers_uc=(4000000,), wallet_uc=11000000)
    """
    if any(due_uc < 0 for due_uc in dues_uc.values()):
        raise ValueError("What is due is never negative.")
    by_rates: Counter[tuple[int, ...]] = Counter()
    for offer_id, due_uc in dues_uc.items():
        by_rates[tuple(share.rate_on(offer_id) for share in shares)] += due_uc
    uncapped_uc = [0] * len(shares)
    for rates_ppm, due_uc in by_rates.items():
        for number, part_uc in enumerate(_take_turns(due_uc, rates_ppm)):
            uncapped_uc[number] += part_uc
    parts = tuple(min(part_uc, share.cap_uc) for part_uc, share in zip(uncapped_uc, shares, strict=True))
    return Split(vouchers_uc=parts, wallet_uc=sum(dues_uc.values()) - sum(parts))


def find_most(*, max_uc: int, offer_ids: Sequence[str], shares: Sequence[Share]) -> Split:
    """Return the most that each payer can have to pay while at most `max_uc` is due over all offers: what is held.

    Where rates are equal on all offers, that is how `max_uc` is divided. Where they differ, a payer pays most when all
    ran on one offer, but for turns that several begun credits give it: a credit for each group of equal rates is more
    than they can (tests/property/test_split.py tries it). So the holds then sum to more than `max_uc`, of which no
    more than `max_uc` is ever taken.

    >>> shares = [Share(rate_ppm=300_000, cap_uc=40_000_000, other_rates_ppm={"off_b": 0})]
    >>> find_most(max_uc=10_000_000, offer_ids=["off_a", "off_b"], shares=shares)
    Split(vouchers_uc=(5000000,), wallet_uc=10000000)
    """
    rows = {tuple(share.rate_on(offer_id) for share in shares): offer_id for offer_id in offer_ids}
    splits = [split_due(due_uc=max_uc, shares=shares, offer_id=offer_id) for offer_id in rows.values()]
    if len(splits) == 1:
        return splits[0]
    turns_uc = len(splits) * UC_PER_CREDIT
    return Split(
        vouchers_uc=tuple(
            min(_add_turns([split.vouchers_uc[number] for split in splits], turns_uc), share.cap_uc, max_uc)
            for number, share in enumerate(shares)
        ),
        wallet_uc=min(_add_turns([split.wallet_uc for split in splits], turns_uc), max_uc),
    )


def _add_turns(parts_uc: Sequence[int], turns_uc: int) -> int:
    """Return the largest part with the turns; who has none on any offer has none of several either."""
    return max(parts_uc) + turns_uc if any(parts_uc) else 0


def _take_turns(due_uc: int, rates_ppm: Sequence[int]) -> Iterable[int]:
    """Yield what each voucher's turns inside every credit give, whatever its cap."""
    whole, rest_uc = divmod(due_uc, UC_PER_CREDIT)
    turn_starts_uc = 0
    for rate_ppm in rates_ppm:
        turn_uc = min(rate_ppm, UC_PER_CREDIT - turn_starts_uc)
        yield whole * turn_uc + min(max(rest_uc - turn_starts_uc, 0), turn_uc)
        turn_starts_uc += turn_uc
