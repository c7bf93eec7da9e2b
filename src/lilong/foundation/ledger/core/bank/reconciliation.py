"""What the bank has against what the books say, on one day: each difference a line, and what is left over."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from itertools import groupby


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A statement as its neighbours see it. digest: orders what begins and ends on the same days.

    entries: amounts by id; given only where statements overlap, for else nothing is in two of them.
    """

    id: str
    digest: str
    account: str
    begins_on: date
    ends_on: date
    opening_minor: int
    closing_minor: int
    entries: Mapping[str, int] = field(default_factory=dict[str, int])


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A statement opens with another balance than the one before it closed with: something between is missing."""

    account: str
    after: date
    before: date
    closed_minor: int
    opened_minor: int

    @property
    def change_minor(self) -> int:
        """What the missing entries amount to together."""
        return self.opened_minor - self.closed_minor


def list_overlapping(*, spans: Sequence[Span]) -> set[str]:
    """Return the ids of the statements that share a day with another of the same account."""
    found: set[str] = set()
    for _, group in groupby(_sort(spans), key=lambda span: span.account):
        furthest: Span | None = None
        for span in group:
            if furthest is not None and span.begins_on <= furthest.ends_on:
                found |= {span.id, furthest.id}
            if furthest is None or span.ends_on >= furthest.ends_on:
                furthest = span
    return found


def list_gaps(*, spans: Sequence[Span]) -> list[Gap]:
    """Return where the statements of an account do not follow each other, by account and day.

    What a statement shares with those before counts once; one that brings nothing new is not looked at. The order of
    `spans` does not matter.
    """
    gaps: list[Gap] = []
    for _, group in groupby(_sort(spans), key=lambda span: span.account):
        gaps += _walk(list(group))
    return gaps


def choose_balances(*, spans: Sequence[Span], on: date) -> list[tuple[Span, Span]]:
    """Return for each account that had begun by a day its first statement, and the one that says its balance then.

    That is the one within whose days it lies, or else the last that ended.
    """
    chosen: list[tuple[Span, Span]] = []
    for _, group in groupby(_sort(spans), key=lambda span: span.account):
        begun = [span for span in _follow(list(group)) if span.begins_on <= on]
        if begun:
            within = [span for span in begun if span.ends_on > on]
            chosen.append((begun[0], within[0] if within else max(reversed(begun), key=_find_end)))
    return chosen


def _find_end(span: Span) -> date:
    return span.ends_on


def _sort(spans: Sequence[Span]) -> list[Span]:
    return sorted(spans, key=lambda span: (span.account, span.begins_on, span.ends_on, span.digest))


def _walk(spans: list[Span]) -> Iterator[Gap]:
    last: Span | None = None
    reached, known = date.min, set[str]()
    for span in _follow(spans):
        if last is not None:
            if span.ends_on <= reached and span.entries.keys() <= known:
                continue
            shared_minor = sum(amount for entry, amount in span.entries.items() if entry in known)
            if span.opening_minor != last.closing_minor - shared_minor:
                yield Gap(
                    account=span.account,
                    after=reached,
                    before=span.begins_on,
                    closed_minor=last.closing_minor - shared_minor,
                    opened_minor=span.opening_minor,
                )
        last, reached = span, max(reached, span.ends_on)
        known |= span.entries.keys()


def _follow(spans: list[Span]) -> Iterator[Span]:
    """Yield the statements of an account by day; of those of the same days, each after the one that leads to it."""
    closed_minor: int | None = None
    for _, group in groupby(spans, key=lambda span: (span.begins_on, span.ends_on)):
        left = list(group)
        while left:
            following = [span for span in left if span.opening_minor == closed_minor]
            ends = {span.closing_minor for span in left if span.closing_minor != span.opening_minor}
            beginnings = [span for span in left if span.opening_minor not in ends]
            span = (following or beginnings or left)[0]
            left.remove(span)
            closed_minor = span.closing_minor
            yield span


class LineKind(StrEnum):
    """Why bank and books differ by a line."""

    OPENING = "opening"
    EARLIER = "earlier"
    UNMATCHED = "unmatched"
    NOT_BOOKED = "not_booked"
    TOP_UP_ON_ITS_WAY = "top_up_on_its_way"
    PAY_OUT_ON_ITS_WAY = "pay_out_on_its_way"
    OTHER_MOVE = "other_move"
    RATE = "rate"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountBalance:
    """What the bank says of one account on the day. until: of which day the balance is; first_id: of its statements."""

    account: str
    first_id: str
    first_on: date
    opening_minor: int
    balance_minor: int
    until: date


@dataclass(frozen=True, slots=True, kw_only=True)
class BankedEntry:
    """An entry of a statement. payment_id: what a person confirmed that it is, or empty."""

    id: str
    statement_id: str
    booked_on: date
    amount_minor: int
    payment_id: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BookedPayment:
    """What moved in the books between the hub and outside. worth_minor: signed, as a statement would have it.

    payment_id: of a top-up or pay-out; empty for any other move, which no entry is matched with.
    """

    transfer_id: str
    payment_id: str
    booked_on: date
    amount_uc: int
    worth_minor: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One difference: by how much the bank has more than the books because of it.

    about: the account, entry, payment or transfer; source_id: the statement or transfer that shows it.
    """

    kind: LineKind
    on: date
    about: str
    source_id: str
    amount_minor: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """The bank's balance less that of the books, line by line. books_uc: what the ledger has outside, in credits."""

    on: date
    bank_minor: int
    books_minor: int
    books_uc: int
    lines: tuple[Line, ...]
    gaps: tuple[Gap, ...]

    @property
    def explained_minor(self) -> int:
        """What the lines amount to together."""
        return sum(line.amount_minor for line in self.lines)

    @property
    def remainder_minor(self) -> int:
        """What is left of the difference when all lines are taken off."""
        return self.bank_minor - self.books_minor - self.explained_minor

    @property
    def is_proven(self) -> bool:
        """Whether every unit of the difference has a line, and no statement is missing."""
        return self.remainder_minor == 0 and not self.gaps


def reconcile(
    *,
    on: date,
    balances: Sequence[AccountBalance],
    gaps: Sequence[Gap],
    entries: Sequence[BankedEntry],
    moves: Sequence[BookedPayment],
    matched: Collection[str],
) -> Reconciliation:
    """Compare the statements with the books as of the end of a day.

    entries, moves: booked until then; matched: payments that an entry is, whenever it was booked.
    """
    lines = [
        Line(
            kind=LineKind.OPENING,
            on=each.first_on,
            about=each.account,
            source_id=each.first_id,
            amount_minor=each.opening_minor,
            text="",
        )
        for each in balances
        if each.opening_minor
    ]
    first_on = min((each.first_on for each in balances), default=on)
    lines += _list_entry_lines(entries, {each.payment_id: each for each in moves if each.payment_id})
    banked = {each.payment_id for each in entries if each.payment_id}
    for move in moves:
        if move.payment_id not in banked:
            kind = _name_kind(move, first_on=first_on, is_matched=move.payment_id in matched)
            lines.append(
                Line(
                    kind=kind,
                    on=move.booked_on,
                    about=move.payment_id or move.transfer_id,
                    source_id=move.transfer_id,
                    amount_minor=-move.worth_minor,
                    text=move.text,
                )
            )
    order = list(LineKind)
    return Reconciliation(
        on=on,
        bank_minor=sum(each.balance_minor for each in balances),
        books_minor=sum(move.worth_minor for move in moves),
        books_uc=sum(move.amount_uc for move in moves),
        lines=tuple(sorted(lines, key=lambda line: (order.index(line.kind), line.on, line.about))),
        gaps=tuple(gaps),
    )


def _list_entry_lines(entries: Sequence[BankedEntry], moves: Mapping[str, BookedPayment]) -> Iterator[Line]:
    """Yield what is on statements and not, or not with that worth, in the books."""
    for entry in entries:
        move = moves.get(entry.payment_id)
        left_minor = entry.amount_minor - (move.worth_minor if move else 0)
        if not left_minor:
            continue
        kind = LineKind.UNMATCHED
        if entry.payment_id:
            kind = LineKind.RATE if move else LineKind.NOT_BOOKED
        yield Line(
            kind=kind,
            on=entry.booked_on,
            about=entry.payment_id or entry.id,
            source_id=entry.statement_id,
            amount_minor=left_minor,
            text=entry.text,
        )


def _name_kind(move: BookedPayment, *, first_on: date, is_matched: bool) -> LineKind:
    if not move.payment_id:
        return LineKind.OTHER_MOVE
    if move.booked_on < first_on and not is_matched:
        return LineKind.EARLIER
    return LineKind.TOP_UP_ON_ITS_WAY if move.worth_minor > 0 else LineKind.PAY_OUT_ON_ITS_WAY
