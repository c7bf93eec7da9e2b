"""Reports of programmes: what funding adds up, with the refusals that only quotes know of."""

from collections.abc import Collection, Iterator
from datetime import datetime

from lilong.common.errors import load_problem
from lilong.common.permissions import Actor, Role, Scope, may, require
from lilong.common.sentences import Sentence
from lilong.foundation.ledger.public.past import AsOf
from lilong.platforms.funding.public.reports import ProgrammeReport, QuoteRefusal, report_programme
from lilong.platforms.supermarket.core.states import OrderStep
from lilong.platforms.supermarket.models import TimelineEntry

CHUNK = 500
VOUCHERS, OFFERS = "vouchers.", "offers."


def get_report(*, actor: Actor, programme_id: str, as_of: AsOf, now: datetime) -> ProgrammeReport:
    """Return what became of a programme's money until a moment; for operators, since it names members.

    What happens later changes nothing in it. Raises NotAllowed, MomentAhead, NotFound. Six queries. Cost: linear in
    transfers of the programme's accounts and in quotes of its members.
    """
    require(may(actor, roles=frozenset({Role.OPERATOR}), scope=Scope.OPERATE))
    return build_report(programme_id=programme_id, as_of=as_of, now=now)


def build_report(*, programme_id: str, as_of: AsOf, now: datetime) -> ProgrammeReport:
    """Return the same for whoever answers for it that an operator asked."""
    return report_programme(
        programme_id=programme_id, as_of=as_of, list_refused=lambda owners: _list_refused(owners, as_of.at), now=now
    )


def _list_refused(organisation_ids: Collection[str], at: datetime) -> Iterator[QuoteRefusal]:
    """Yield each voucher of which a quote signed until then says why it does not pay, or not on all offers."""
    signed = TimelineEntry.objects.filter(
        step=OrderStep.SIGN_QUOTE, at__lte=at, order__organisation_id__in=organisation_ids
    )
    for notes in signed.values_list("order__quote__notes", flat=True).iterator(CHUNK):
        yield from dict.fromkeys(filter(None, map(_read_note, notes)))


def _read_note(note: dict[str, object]) -> QuoteRefusal | None:
    problem = load_problem(note)
    if problem.path.startswith(VOUCHERS):
        return QuoteRefusal(problem.path.removeprefix(VOUCHERS), problem.code)
    said = problem.message
    if problem.path.startswith(OFFERS) and isinstance(said, Sentence) and "voucher_id" in said.values:
        return QuoteRefusal(str(said.values["voucher_id"]), problem.code)
    return None
