"""Voucher rules as data, and which of a member's vouchers pay for an order, in which order, and why others do not."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from lilong.common.canonical import Json, canonical_json, sha256_hex
from lilong.common.errors import FieldProblem, InputInvalid
from lilong.common.money import PPM, format_credits
from lilong.common.time import format_moment
from lilong.platforms.funding.core.split import Share

AMOUNT_MAX_UC = 10**15
VALID_DAYS_MAX = 3660
EARMARK = "compute"


class VoucherRuleInvalid(InputInvalid):
    """A figure of the rule is out of its range."""

    code = "funding.rule_invalid"
    title = "This voucher rule is not valid"
    next_step = "Correct the figures named here."


@dataclass(frozen=True, slots=True)
class VoucherRule:
    """What a programme's vouchers carry.

    rate_ppm: share of the price; cap_uc: most that a voucher pays for one order; expires_in_days: life of a voucher;
    starter_uc: worth of the voucher that a newly admitted organisation gets unasked, 0 for none.
    """

    rate_ppm: int
    cap_uc: int
    expires_in_days: int
    starter_uc: int = 0

    @property
    def document(self) -> dict[str, Json]:
        """Return the rule as it is hashed, recorded and shown."""
        return {
            "cap_uc": self.cap_uc,
            "expires_in_days": self.expires_in_days,
            "rate_ppm": self.rate_ppm,
            "starter_uc": self.starter_uc,
        }

    @property
    def sha256(self) -> str:
        """Return the hash by which vouchers name the rule that they were issued under.

        >>> VoucherRule(rate_ppm=300_000, cap_uc=8_000_000, expires_in_days=365).sha256[:8]
        'e9713d44'
        """
        return sha256_hex(canonical_json(self.document))


def check_rule(*, rule: VoucherRule) -> None:
    """Raise VoucherRuleInvalid, naming every figure that is out of range."""
    ranges = {
        "rate_ppm": (1, PPM),
        "cap_uc": (1, AMOUNT_MAX_UC),
        "expires_in_days": (1, VALID_DAYS_MAX),
        "starter_uc": (0, AMOUNT_MAX_UC),
    }
    problems = [
        FieldProblem(path=path, code="funding.out_of_range", message=f"It must be from {low} to {high}.")
        for path, (low, high) in ranges.items()
        if not low <= getattr(rule, path) <= high
    ]
    if problems:
        raise VoucherRuleInvalid(fields=problems)


def expiry_of(*, rule: VoucherRule, issued_at: datetime) -> datetime:
    """Return the moment from which a voucher issued at `issued_at` pays no more."""
    return issued_at + timedelta(days=rule.expires_in_days)


@dataclass(frozen=True, slots=True)
class VoucherFacts:
    """One voucher as it stands now.

    cap_uc: most per order by its rule; available_uc: what is neither spent nor reserved; reserved_uc: what live
    quotes and running orders hold.
    """

    voucher_id: str
    account_id: str
    programme_id: str
    programme_account_id: str
    rule_version: int
    rule_sha256: str
    rate_ppm: int
    cap_uc: int
    available_uc: int
    reserved_uc: int
    expires_at: datetime

    @property
    def share(self) -> Share:
        """Return what it carries of one order that is quoted now."""
        return Share(rate_ppm=self.rate_ppm, cap_uc=min(self.cap_uc, self.available_uc))


@dataclass(frozen=True, slots=True)
class Choice:
    """The vouchers that pay, in the order in which they pay, and for every other one why not."""

    usable: tuple[VoucherFacts, ...]
    refused: tuple[tuple[str, FieldProblem], ...]


def choose_vouchers(*, vouchers: Sequence[VoucherFacts], now: datetime) -> Choice:
    """Choose which vouchers pay for one order: the earliest to expire first, one of each programme, 100 % in sum.

    Every refusal says why and what would make it pass. Cost: n log n in vouchers.
    """
    usable: list[VoucherFacts] = []
    refused: list[tuple[str, FieldProblem]] = []
    carried_ppm = 0
    for voucher in sorted(vouchers, key=lambda each: (each.expires_at, each.voucher_id)):
        problem = _find_problem(voucher, chosen=usable, carried_ppm=carried_ppm, now=now)
        if problem is None:
            usable.append(voucher)
            carried_ppm += voucher.rate_ppm
        else:
            refused.append((voucher.voucher_id, problem))
    return Choice(usable=tuple(usable), refused=tuple(refused))


def _find_problem(
    voucher: VoucherFacts, *, chosen: Sequence[VoucherFacts], carried_ppm: int, now: datetime
) -> FieldProblem | None:
    """Return why this voucher does not pay, given those chosen before it, or None."""
    code = message = ""
    if voucher.expires_at <= now:
        code = "voucher.expired"
        message = f"It expired at {format_moment(voucher.expires_at)}. Ask the programme for a new one."
    elif voucher.available_uc <= 0 and voucher.reserved_uc > 0:
        reserved = format_credits(voucher.reserved_uc)
        code = "voucher.reserved"
        message = (
            f"Its last {reserved} credits are reserved. They return when the quotes and orders that hold them end."
        )
    elif voucher.available_uc <= 0:
        code = "voucher.spent"
        message = "It is spent. Ask the programme for a new one."
    elif any(voucher.programme_id == other.programme_id for other in chosen):
        code = "voucher.programme_pays_already"
        message = "Another voucher of its programme pays for this order. It follows when that one is spent."
    elif carried_ppm >= PPM:
        code = "voucher.price_carried"
        message = "Vouchers that expire earlier carry the whole price. It follows when they are spent."
    return FieldProblem(path=f"vouchers.{voucher.voucher_id}", code=code, message=message) if code else None
