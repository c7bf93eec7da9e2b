"""What vouchers have and what years have used while past orders are replayed: quotes hold, settlements take."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo

from lilong.platforms.funding.core.choosing import VoucherFacts
from lilong.platforms.funding.core.deciding import Purse, check_budget
from lilong.platforms.funding.core.rules import AMOUNT_MAX_UC, VoucherRule, expiry_of


@dataclass(frozen=True, slots=True)
class DraftRule:
    """A rule that is tried. programme_id: whose vouchers carry it instead of their own.

    Empty for a programme that does not exist: then every organisation has a voucher of it, as large as the rule lets.
    """

    rule: VoucherRule
    programme_id: str = ""


@dataclass(frozen=True, slots=True)
class PastVoucher:
    """A voucher as it was issued. left_uc: what it had when the replay begins, or when it was issued after that."""

    voucher_id: str
    programme_id: str
    organisation_id: str
    rule: VoucherRule
    issued_uc: int
    issued_at: datetime
    expires_at: datetime
    left_uc: int


@dataclass(frozen=True, slots=True)
class Opening:
    """What had happened in the calendar year before the replay begins.

    used_uc: what each programme had paid, by organisation and programme; issued_uc: by the programme of the draft.
    """

    used_uc: Mapping[tuple[str, str], int]
    issued_uc: int = 0


class ReplayBooks:
    """The books of one replay. Purses, yearly caps and budgets are kept as the hub keeps them."""

    def __init__(
        self,
        *,
        draft: DraftRule,
        vouchers: Iterable[PastVoucher],
        opening: Opening,
        begin: datetime,
        zone: tzinfo,
    ) -> None:
        self._draft, self._zone = draft, zone
        self._vouchers: dict[str, PastVoucher] = {}
        self._by_owner: defaultdict[str, list[str]] = defaultdict(list)
        self._left_uc: Counter[str] = Counter()
        self._held_uc: Counter[str] = Counter()
        self._held_by: dict[str, Mapping[str, int]] = {}
        self._live_uc: Counter[tuple[str, str]] = Counter()
        self._year_uc: Counter[tuple[str, str, int]] = Counter()
        self._imagined_live_uc = 0
        self._imagined_year_uc: Counter[int] = Counter()
        self.withheld: tuple[PastVoucher, ...] = ()
        year = begin.astimezone(zone).year
        for (organisation_id, programme_id), used_uc in opening.used_uc.items():
            self._year_uc[organisation_id, programme_id, year] = used_uc
        self._issue(vouchers, issued_uc={year: opening.issued_uc}, begin=begin)

    def is_drafted(self, voucher_id: str) -> bool:
        """Say whether a voucher carries the rule that is tried."""
        return self._vouchers[voucher_id].programme_id == self._draft.programme_id

    def list_vouchers(self, *, organisation_id: str, now: datetime) -> list[VoucherFacts]:
        """Return the vouchers that an organisation had, as they stand in the replay."""
        if not self._draft.programme_id:
            self._imagine(organisation_id, now)
        issued = (self._vouchers[each] for each in self._by_owner[organisation_id])
        return [self._view(each, now) for each in issued if each.issued_at <= now]

    def is_out_of_budget(self, *, organisation_id: str, now: datetime) -> bool:
        """Say whether the year's budget of the draft is why the organisation has no voucher of it."""
        if not self._draft.programme_id:
            return self._find_room(now) <= 0
        return any(each.organisation_id == organisation_id and each.issued_at <= now for each in self.withheld)

    def hold(self, *, order_id: str, parts_uc: Mapping[str, int]) -> None:
        """Reserve what each voucher may have to pay for an order, by voucher id."""
        self._held_by[order_id] = parts_uc
        for voucher_id, part_uc in parts_uc.items():
            self._reserve(voucher_id, part_uc)

    def settle(self, *, order_id: str, parts_uc: Mapping[str, int], at: datetime) -> None:
        """Release what an order held and take what its vouchers paid, nothing where none is named."""
        year = at.astimezone(self._zone).year
        for voucher_id, part_uc in self._held_by.pop(order_id).items():
            self._reserve(voucher_id, -part_uc)
        for voucher_id, part_uc in parts_uc.items():
            self._left_uc[voucher_id] -= part_uc
            self._year_uc[(*self._owner_of(voucher_id), year)] += part_uc
            self._imagined_year_uc[year] += 0 if self._vouchers[voucher_id].programme_id else part_uc

    def _reserve(self, voucher_id: str, part_uc: int) -> None:
        self._held_uc[voucher_id] += part_uc
        self._live_uc[self._owner_of(voucher_id)] += part_uc
        self._imagined_live_uc += 0 if self._vouchers[voucher_id].programme_id else part_uc

    def _issue(self, vouchers: Iterable[PastVoucher], *, issued_uc: dict[int, int], begin: datetime) -> None:
        """Enter the vouchers; those of the draft's programme from `begin` on as far as its budgets go."""
        withheld: list[PastVoucher] = []
        for voucher in sorted(vouchers, key=lambda each: (each.issued_at, each.voucher_id)):
            if voucher.programme_id != self._draft.programme_id:
                self._enter(voucher)
                continue
            year = voucher.issued_at.astimezone(self._zone).year
            refused = voucher.issued_at >= begin and check_budget(
                rule=self._draft.rule,
                issued_uc=issued_uc.get(year, 0),
                amount_uc=voucher.issued_uc,
                now=voucher.issued_at,
                zone=self._zone,
            )
            if refused:
                withheld.append(voucher)
                self._vouchers[voucher.voucher_id] = voucher
                continue
            if voucher.issued_at >= begin:
                issued_uc[year] = issued_uc.get(year, 0) + voucher.issued_uc
            expires_at = expiry_of(rule=self._draft.rule, issued_at=voucher.issued_at)
            self._enter(replace(voucher, rule=self._draft.rule, expires_at=expires_at))
        self.withheld = tuple(withheld)

    def _enter(self, voucher: PastVoucher) -> None:
        self._vouchers[voucher.voucher_id] = voucher
        self._by_owner[voucher.organisation_id].append(voucher.voucher_id)
        self._left_uc[voucher.voucher_id] = voucher.left_uc

    def _imagine(self, organisation_id: str, now: datetime) -> None:
        """Let the organisation have a voucher of the programme that does not exist, good from now on."""
        rule, voucher_id = self._draft.rule, f"draft {organisation_id}"
        if voucher_id not in self._vouchers:
            self._by_owner[organisation_id].append(voucher_id)
        self._vouchers[voucher_id] = PastVoucher(
            voucher_id=voucher_id,
            programme_id="",
            organisation_id=organisation_id,
            rule=rule,
            issued_uc=AMOUNT_MAX_UC,
            issued_at=now,
            expires_at=expiry_of(rule=rule, issued_at=now),
            left_uc=AMOUNT_MAX_UC,
        )

    def _find_room(self, now: datetime) -> int:
        """Return what the programme that does not exist may still pay to anybody in the year."""
        budget_uc = self._draft.rule.year_budget_uc
        if budget_uc is None:
            return AMOUNT_MAX_UC
        return budget_uc - self._imagined_year_uc[now.astimezone(self._zone).year] - self._imagined_live_uc

    def _view(self, voucher: PastVoucher, now: datetime) -> VoucherFacts:
        owner, held_uc = self._owner_of(voucher.voucher_id), self._held_uc[voucher.voucher_id]
        left_uc = self._left_uc[voucher.voucher_id] - held_uc if voucher.programme_id else self._find_room(now)
        return VoucherFacts(
            voucher_id=voucher.voucher_id,
            account_id="",
            programme_id=voucher.programme_id,
            programme_account_id="",
            rule_version=0,
            rule=voucher.rule,
            purse=Purse(available_uc=left_uc, reserved_uc=held_uc, expires_at=voucher.expires_at),
            year_used_uc=self._live_uc[owner] + self._year_uc[(*owner, now.astimezone(self._zone).year)],
        )

    def _owner_of(self, voucher_id: str) -> tuple[str, str]:
        voucher = self._vouchers[voucher_id]
        return voucher.organisation_id, voucher.programme_id
