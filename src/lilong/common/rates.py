"""What a credit is worth in a currency, by rates that begin at dates; amounts are converted without any rounding."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from lilong.common.errors import Conflict
from lilong.common.sentences import say
from lilong.common.time import format_moment

UC_DECIMALS = 6
RATE_DECIMALS = 6


class RateMissing(Conflict):
    """No rate says what a credit was worth when something was charged."""

    code = "money.rate_missing"
    title = "It is not said what a credit is worth"
    next_step = "Ask the hub's operator to add the rate to the setting `credit_rates`; credits alone need none."


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """From `valid_from` on a credit is worth this many millionths of the currency, as `source` says.

    currency: three letters of ISO 4217; is_example: whether it was made up to show what a rate is.
    """

    currency: str
    millionths: int
    valid_from: datetime
    source: str
    is_example: bool


def choose_rate(*, rates: Sequence[Rate], at: datetime) -> Rate:
    """Return the rate in force at a moment: the latest that has begun. Raises RateMissing."""
    begun = [rate for rate in rates if rate.valid_from <= at]
    if not begun:
        raise RateMissing(detail=say("There is no rate for {moment}.", moment=format_moment(at)))
    return max(begun, key=lambda rate: rate.valid_from)


def format_exact(*, units: int, decimals: int) -> str:
    """Return `units` ÷ 10^decimals in full, without needless zeros but with at least two decimals.

    >>> format_exact(units=-1_250, decimals=3), format_exact(units=12, decimals=9)
    ('-1.25', '0.000000012')
    """
    sign = "-" if units < 0 else ""
    whole, rest = divmod(abs(units), 10**decimals)
    return f"{sign}{whole}.{f'{rest:0{decimals}d}'.rstrip('0').ljust(2, '0')}"
