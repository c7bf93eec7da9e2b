"""Money as integer micro-credits (`*_uc`): reading what people type, showing what the books hold."""

import re

from lilong.common.errors import InputInvalid
from lilong.common.sentences import say

UC_PER_CREDIT = 1_000_000
PPM = 1_000_000

_AMOUNT = re.compile(r"(?P<credits>\d{1,12})(?:\.(?P<fraction>\d{1,6}))?")


class AmountInvalid(InputInvalid):
    """The text is not an amount of credits with at most six decimals."""

    code = "money.amount_invalid"
    title = "This is not an amount of credits"
    next_step = "Write a number such as 12.5, with at most six decimals and no sign."


def parse_credits(text: str) -> int:
    """Return the micro-credits that `text` says in credits.

    Raises AmountInvalid for signs, exponents, separators and more than six decimals.

    >>> parse_credits("12.5")
    12500000
    """
    match = _AMOUNT.fullmatch(text.strip())
    if match is None:
        raise AmountInvalid(detail=say("{text!r} is not an amount of credits.", text=text))
    fraction = (match["fraction"] or "").ljust(6, "0")
    return int(match["credits"]) * UC_PER_CREDIT + int(fraction)


def format_credits(amount_uc: int) -> str:
    """Return the exact amount in credits, without needless zeros but with at least two decimals.

    >>> format_credits(12_500_000), format_credits(-1)
    ('12.50', '-0.000001')
    """
    sign = "-" if amount_uc < 0 else ""
    whole, rest = divmod(abs(amount_uc), UC_PER_CREDIT)
    decimals = f"{rest:06d}".rstrip("0").ljust(2, "0")
    return f"{sign}{whole}.{decimals}"
