"""What became of a programme's money as of a moment: gathers vouchers, transfers and refusals of that time."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from lilong.common.errors import InputInvalid, NotFound
from lilong.common.sentences import say
from lilong.common.time import format_moment
from lilong.foundation.ledger.public import AccountKind
from lilong.foundation.ledger.public.past import AsOf, list_held_sums, list_month_moves
from lilong.platforms.funding.core.reports import (
    Held,
    Issued,
    Move,
    ProgrammeReport,
    Refusal,
    Side,
    Version,
    build_report,
)
from lilong.platforms.funding.models import Decision, Programme, RuleVersion, Voucher

INNER_KINDS = {False: AccountKind.VOUCHER, True: AccountKind.PROGRAMME_FUND}
"""What stands on the other side of money that stays within the programme: for its fund, and for its vouchers."""


class MomentAhead(InputInvalid):
    """Nobody knows yet what a programme will have paid."""

    code = "programmes.moment_ahead"
    title = "This moment has not come yet"
    next_step = "Name a moment that is over."


@dataclass(frozen=True, slots=True)
class QuoteRefusal:
    """A voucher that a quote did not use, or not on all its offers, and the code of the clause."""

    voucher_id: str
    code: str


@dataclass(frozen=True, slots=True)
class PublishedRule:
    """A version of a programme's rule; document: the text whose SHA-256 its entry in the record names."""

    programme_id: str
    version: int
    document: str


def list_rules(*, at: datetime) -> list[PublishedRule]:
    """Return every version of every rule that was published by a moment. One query."""
    rules = RuleVersion.objects.filter(published_at__lte=at).order_by("programme", "version")
    return [PublishedRule(*row) for row in rules.values_list("programme_id", "version", "document")]


def list_reported(*, at: datetime) -> dict[str, str]:
    """Return the names of the programmes that there were at a moment, by id, oldest first. One query."""
    return dict(Programme.objects.filter(created_at__lte=at).order_by("id").values_list("id", "name"))


def report_programme(
    *, programme_id: str, as_of: AsOf, list_refused: Callable[[Collection[str]], Iterable[QuoteRefusal]], now: datetime
) -> ProgrammeReport:
    """Return a programme's report as of a moment, from transfers, vouchers and decisions of that time alone.

    list_refused: tells what quotes until then refused of these organisations, vouchers of other programmes included.
    Raises MomentAhead, NotFound. Five queries, two more for each 5,000 vouchers beyond. Cost: linear in transfers of
    the programme's accounts.
    """
    if as_of.at > now:
        raise MomentAhead(detail=say("Asked for {moment}.", moment=format_moment(as_of.at)))
    published = RuleVersion.objects.filter(programme=programme_id, published_at__lte=as_of.at)
    rules = list(published.select_related("programme").order_by("version"))
    if not rules:
        raise NotFound(
            detail=say("There is no programme {programme_id} at that moment.", programme_id=programme_id[:64])
        )
    programme = rules[0].programme
    rows = Voucher.objects.filter(programme=programme, issued_at__lte=as_of.at).order_by("id")
    vouchers = list(rows.values_list("id", "account_id", "organisation_id", "rule__version"))
    names = {account_id: voucher_id for voucher_id, account_id, _, _ in vouchers} | {programme.account_id: ""}
    versions = {voucher_id: version for voucher_id, _, _, version in vouchers}
    refused = list_refused({owner_id for _, _, owner_id, _ in vouchers})
    return build_report(
        programme_id=programme.id,
        name=programme.name,
        at=as_of.at,
        published=[Version(rule.version, rule.sha256, rule.published_at) for rule in rules],
        vouchers=[Issued(voucher_id, owner_id, version) for voucher_id, _, owner_id, version in vouchers],
        moves=_list_moves(names, as_of),
        held=[
            Held(names[each.account_id], each.code, each.held_uc)
            for each in list_held_sums(account_ids=names, as_of=as_of)
        ],
        refusals=[*_list_refusals(programme, as_of), *_name_versions(refused, versions)],
    )


def _list_moves(names: Mapping[str, str], as_of: AsOf) -> Iterator[Move]:
    for move in list_month_moves(account_ids=names, as_of=as_of):
        voucher_id = names[move.account_id]
        side = Side.WALLET if move.other_kind is AccountKind.WALLET else Side.OTHER
        if move.other_kind is INNER_KINDS[bool(voucher_id)]:
            side = Side.INNER
        yield Move(voucher_id, move.month, side, move.change_uc)


def _list_refusals(programme: Programme, as_of: AsOf) -> Iterator[Refusal]:
    rows = Decision.objects.filter(rule__programme=programme, decided_at__lte=as_of.at).exclude(code="")
    for version, code in rows.values_list("rule__version", "code"):
        yield Refusal(version, code, by_quote=False)


def _name_versions(refused: Iterable[QuoteRefusal], versions: Mapping[str, int]) -> Iterator[Refusal]:
    for each in refused:
        if each.voucher_id in versions:
            yield Refusal(versions[each.voucher_id], each.code, by_quote=True)
