"""What a replay found, added up: cost by month, who gains and loses, what is refused and cut by which clause."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from enum import StrEnum

from lilong.common.canonical import Json, canonical_json

CHANGES_MAX = 200
QUARTERS = ("least_uc", "lower_quarter_uc", "median_uc", "upper_quarter_uc", "most_uc")
FORM = "lilong.replay.1"


class Clause(StrEnum):
    """What keeps a voucher from paying all that its rate says; stable."""

    ORDER_CAP = "cap_uc"
    YEAR_CAP = "year_cap_uc"
    VOUCHER = "voucher"


@dataclass(frozen=True, slots=True)
class Paid:
    """Who paid for settled orders, in the replay and really. draft: by vouchers of the draft; others: by all others.

    Really, `draft` is what the programme paid whose vouchers carry the draft.
    """

    orders: int = 0
    due_uc: int = 0
    draft_uc: int = 0
    draft_was_uc: int = 0
    others_uc: int = 0
    others_were_uc: int = 0

    def __add__(self, other: "Paid") -> "Paid":
        return Paid(
            self.orders + other.orders,
            self.due_uc + other.due_uc,
            self.draft_uc + other.draft_uc,
            self.draft_was_uc + other.draft_was_uc,
            self.others_uc + other.others_uc,
            self.others_were_uc + other.others_were_uc,
        )

    @property
    def gain_uc(self) -> int:
        """What vouchers pay more than they did; below zero what they pay less."""
        return self.draft_uc + self.others_uc - self.draft_was_uc - self.others_were_uc

    @property
    def document(self) -> dict[str, Json]:
        """Return all figures by name."""
        return {
            "orders": self.orders,
            "due_uc": self.due_uc,
            "draft_uc": self.draft_uc,
            "draft_was_uc": self.draft_was_uc,
            "others_uc": self.others_uc,
            "others_were_uc": self.others_were_uc,
        }


@dataclass(frozen=True, slots=True)
class Count:
    """How many, and how much together."""

    number: int = 0
    amount_uc: int = 0

    def __add__(self, other: "Count") -> "Count":
        return Count(self.number + other.number, self.amount_uc + other.amount_uc)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a rule would have cost, if everybody had done what they did.

    months: by the first day of each, of the settlement, in the hub's time zone; organisations: by id; refused: orders
    on which the draft pays nothing and what was due for them, by code; without_voucher: the same for who had none;
    cut: orders on which a clause kept it from paying all, and how much; withheld: vouchers that the budget of a year
    would not have let be issued; kept: orders that were not decided anew, of the total.
    """

    total: Paid
    kept: Paid
    months: Mapping[date, Paid]
    organisations: Mapping[str, Paid]
    refused: Mapping[str, Count]
    cut: Mapping[Clause, Count]
    without_voucher: Count
    withheld: Count

    @property
    def gaining(self) -> Count:
        """Organisations for which vouchers pay more than they did."""
        return _count(each.gain_uc for each in self.organisations.values() if each.gain_uc > 0)

    @property
    def losing(self) -> Count:
        """Organisations for which they pay less; the amount is below zero."""
        return _count(each.gain_uc for each in self.organisations.values() if each.gain_uc < 0)

    @property
    def unchanged(self) -> int:
        """How many organisations neither gain nor lose."""
        return len(self.organisations) - self.gaining.number - self.losing.number

    @property
    def quarters_uc(self) -> tuple[int, ...]:
        """Least gain, lower quarter, median, upper quarter and most of all organisations; empty without any.

        By the nearest rank, so that each is the gain of an organisation.
        """
        gains = sorted(each.gain_uc for each in self.organisations.values())
        return tuple(gains[-(-(len(gains) - 1) * quarter // 4)] for quarter in range(5)) if gains else ()

    @property
    def changes(self) -> list[tuple[str, Paid]]:
        """Return the organisations that gain or lose, the largest change first, at most CHANGES_MAX."""
        changed = [each for each in self.organisations.items() if each[1].gain_uc]
        return sorted(changed, key=lambda each: (-abs(each[1].gain_uc), each[0]))[:CHANGES_MAX]

    @property
    def document(self) -> dict[str, Json]:
        """Return the outcome as it is told by the API: equal inputs make equal documents."""
        return {
            "form": FORM,
            "assumes": "unchanged_behaviour",
            "total": self.total.document,
            "kept": self.kept.document,
            "months": [{"month": f"{month:%Y-%m}", **paid.document} for month, paid in sorted(self.months.items())],
            "organisations": {
                "gaining": _write(self.gaining),
                "losing": _write(self.losing),
                "unchanged": self.unchanged,
                "quarters": dict(zip(QUARTERS, self.quarters_uc, strict=True)) if self.quarters_uc else None,
            },
            "changes": [
                {"organisation_id": organisation_id, "gain_uc": paid.gain_uc, **paid.document}
                for organisation_id, paid in self.changes
            ],
            "refused": [{"code": code, **_write(count)} for code, count in sorted(self.refused.items())],
            "cut": [{"clause": clause.value, **_write(count)} for clause, count in sorted(self.cut.items())],
            "without_voucher": _write(self.without_voucher),
            "withheld": _write(self.withheld),
        }

    @property
    def content(self) -> bytes:
        """Return the document in its one byte form."""
        return canonical_json(self.document)


class Tally:
    """Adds up what a replay finds, one settled order after the other."""

    def __init__(self, *, zone: tzinfo) -> None:
        self._zone = zone
        self._kept = Paid()
        self._months: defaultdict[date, Paid] = defaultdict(Paid)
        self._organisations: defaultdict[str, Paid] = defaultdict(Paid)
        self._refused: defaultdict[str, Count] = defaultdict(Count)
        self._cut: defaultdict[Clause, Count] = defaultdict(Count)
        self._without = Count()

    def add(self, paid: Paid, *, organisation_id: str, settled_at: datetime) -> None:
        """Add a settled order."""
        month = settled_at.astimezone(self._zone).date().replace(day=1)
        self._months[month] += paid
        self._organisations[organisation_id] += paid

    def add_kept(self, paid: Paid) -> None:
        """Add one that was not decided anew."""
        self._kept += paid

    def add_refused(self, code: str, *, due_uc: int) -> None:
        """Add one on which the draft pays nothing; code: why, empty where the organisation had no voucher of it."""
        if code:
            self._refused[code] += Count(1, due_uc)
        else:
            self._without += Count(1, due_uc)

    def add_cut(self, clause: Clause, *, cut_uc: int) -> None:
        """Add what a clause kept the draft from paying."""
        self._cut[clause] += Count(1, cut_uc)

    def close(self, *, withheld_uc: Sequence[int]) -> Outcome:
        """Return the outcome. withheld_uc: of each voucher that a budget would not have let be issued."""
        return Outcome(
            total=sum(self._months.values(), Paid()),
            kept=self._kept,
            months=dict(self._months),
            organisations=dict(self._organisations),
            refused=dict(self._refused),
            cut=dict(self._cut),
            without_voucher=self._without,
            withheld=_count(withheld_uc),
        )


def _count(amounts_uc: Iterable[int]) -> Count:
    amounts = list(amounts_uc)
    return Count(len(amounts), sum(amounts))


def _write(count: Count) -> dict[str, Json]:
    return {"number": count.number, "amount_uc": count.amount_uc}
