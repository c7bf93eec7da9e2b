"""Books as Beancount files: those of the whole hub, and those of one organisation."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from django.conf import settings
from django.db.models import Min, Q, QuerySet

from lilong.common.errors import Conflict
from lilong.common.periods import DayPeriod
from lilong.common.permissions import Actor
from lilong.foundation.ledger.core.accounts import AccountKind
from lilong.foundation.ledger.core.beancount import AccountLine, TransferLine, render_beancount
from lilong.foundation.ledger.core.names import name_for_hub, name_other, name_own
from lilong.foundation.ledger.core.posting import Change
from lilong.foundation.ledger.models import Account, Transfer
from lilong.foundation.ledger.queries.accounts import BEGINNING, SHORTEST, sum_until
from lilong.foundation.ledger.queries.moves import MOVING_KINDS
from lilong.foundation.ledger.sql import sum_transfers
from lilong.foundation.members.public.people import name_organisations

ROWS_AT_ONCE = 2_000
TRIES_MAX = 5


class BooksMoving(Conflict):
    """An organisation's books changed each time that they were read."""

    code = "ledger.books_moving"
    title = "These books change while they are read"
    next_step = "Ask again, or for a period that is over; if that fails too, the operator runs `lilong ledger verify`."
    retryable = True


def export_beancount(*, title: str, begins_on: date | None, end: datetime) -> Iterator[str]:
    """Yield the hub's books as Beancount text: all that counts from a day on, or ever, for moments before `end`.

    Take the end of a closed period, or a moment that nobody enters transfers for any more, for a file that stays
    the same. Cost: linear in transfers.
    """
    begin = datetime.combine(begins_on, datetime.min.time(), UTC) if begins_on else BEGINNING
    opening = sum_transfers(account_ids=None, begin=BEGINNING, end=begin) if begins_on else {}
    closing = sum_transfers(account_ids=None, begin=BEGINNING, end=end)
    accounts = list(Account.objects.filter(pk__in=closing).order_by("pk"))
    names = {each.id: name_for_hub(account_id=each.id, kind=AccountKind(each.kind)) for each in accounts}
    first_at: datetime = Transfer.objects.aggregate(first_at=Min("effective_at"))["first_at"] or end
    return render_beancount(
        title=title,
        accounts=[
            AccountLine(
                name=names[each.id],
                opened_on=_day(min(each.opened_at, first_at)),
                opening_uc=-opening.get(each.id, Change()).posted_uc,
                closing_uc=-closing[each.id].posted_uc,
            )
            for each in accounts
        ],
        transfers=(
            _write(row, to_name=names[row.debit_account_id], from_name=names[row.credit_account_id])
            for row in _find_moves(begin=begin, end=end).iterator(chunk_size=ROWS_AT_ONCE)
        ),
        begins_on=begins_on,
        ends_on=_day(end - SHORTEST) + timedelta(days=1),
    )


def export_own_beancount(*, actor: Actor, period: DayPeriod) -> Iterator[str]:
    """Yield the books of the actor's organisation as Beancount text; of others they show kinds of accounts alone.

    Assets are what it can spend and what it has earned. Cost: linear in its transfers of the period, and see
    `sum_until`. Raises BooksMoving.
    """
    books = _read_own_books(actor.organisation_id, period)
    organisation = name_organisations(organisation_ids=[actor.organisation_id]).get(actor.organisation_id, "Nobody")
    sides = {side.id: side for row in books.moves for side in (row.debit_account, row.credit_account)}
    names = {row.id: name_own(account_id=row.id, kind=AccountKind(row.kind)) for row in books.accounts}
    others = {side.id: name_other(kind=AccountKind(side.kind)) for side in sides.values() if side.id not in names}
    lines = [
        AccountLine(
            name=names[account_id],
            opened_on=period.begins_on,
            opening_uc=books.opening_uc[account_id],
            closing_uc=books.closing_uc[account_id],
        )
        for account_id in sorted(names)
        if account_id in sides or books.opening_uc[account_id]
    ]
    lines += [AccountLine(name, period.begins_on, opening_uc=0, closing_uc=None) for name in sorted({*others.values()})]
    names |= others
    return render_beancount(
        title=f"{organisation} at {settings.LILONG.hub_name}",
        accounts=lines,
        transfers=[
            _write(row, to_name=names[row.credit_account_id], from_name=names[row.debit_account_id])
            for row in books.moves
        ],
        begins_on=period.begins_on,
        ends_on=period.ends_on,
    )


@dataclass(frozen=True, slots=True)
class _OwnBooks:
    """An organisation's accounts, what they hold at both ends of a period, and what moved in between."""

    accounts: Sequence[Account]
    opening_uc: Mapping[str, int]
    closing_uc: Mapping[str, int]
    moves: Sequence[Transfer]

    @property
    def adds_up(self) -> bool:
        """Whether nobody posted between the questions."""
        sums = Counter(self.opening_uc)
        for row in self.moves:
            sums[row.credit_account_id] += row.amount_uc
            sums[row.debit_account_id] -= row.amount_uc
        return all(sums[each.id] == self.closing_uc[each.id] for each in self.accounts)


def _read_own_books(organisation_id: str, period: DayPeriod) -> _OwnBooks:
    """Return books that add up; reads again when somebody posted meanwhile."""
    own = Account.objects.filter(owner_id=organisation_id).exclude(owner_id="")
    for _ in range(TRIES_MAX):
        accounts = list(own)
        books = _OwnBooks(
            accounts=accounts,
            opening_uc=_sum_posted(accounts, at=period.begin - SHORTEST),
            moves=_list_own_moves(own, period),
            closing_uc=_sum_posted(accounts, at=period.end - SHORTEST),
        )
        if books.adds_up:
            return books
    raise BooksMoving


def _sum_posted(accounts: Sequence[Account], *, at: datetime) -> Counter[str]:
    if not accounts:
        return Counter()
    sums = sum_until(account_ids=[each.id for each in accounts], at=at)
    return Counter({account_id: change.posted_uc for account_id, change in sums.items()})


def _list_own_moves(own: QuerySet[Account], period: DayPeriod) -> list[Transfer]:
    """Return what moved on an organisation's accounts, in one order whatever the database."""
    found = _find_moves(begin=period.begin, end=period.end).select_related("debit_account", "credit_account")
    # Either side has an index of its own; one query for both would read all of the accounts' transfers.
    sides = (Q(debit_account__in=own.values("pk")), Q(credit_account__in=own.values("pk")))
    moves = {row.id: row for side in sides for row in found.filter(side)}
    return sorted(moves.values(), key=lambda row: (row.effective_at, row.recorded_at, row.id))


def _find_moves(*, begin: datetime, end: datetime) -> QuerySet[Transfer]:
    moves = Transfer.objects.filter(kind__in=MOVING_KINDS, effective_at__gte=begin, effective_at__lt=end)
    return moves.order_by("effective_at", "recorded_at", "pk")


def _write(row: Transfer, *, to_name: str, from_name: str) -> TransferLine:
    return TransferLine(
        id=row.id,
        group_id=row.group_id,
        on=_day(row.effective_at),
        to_name=to_name,
        from_name=from_name,
        amount_uc=row.amount_uc,
        code=row.code,
        subject=row.subject,
    )


def _day(moment: datetime) -> date:
    return moment.astimezone(UTC).date()
