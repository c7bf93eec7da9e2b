"""Reads of versions of rules that were handed in: each as the file that it was, with what its own cases say."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Max

from lilong.common.django.paging import page_newest_first
from lilong.common.errors import NotFound
from lilong.common.paging import Page
from lilong.common.permissions import Actor, Role, Scope, may, require
from lilong.common.sentences import say
from lilong.platforms.funding.core.packs import ProposalState
from lilong.platforms.funding.models import Programme, RuleProposal

OPERATORS = frozenset({Role.OPERATOR})


class ProposalMissing(NotFound):
    """There is no such version that was handed in."""

    code = "funding.proposal_missing"
    title = "There is no such version of a rule"
    next_step = "Read what was handed in with GET /api/v1/rule-proposals."


@dataclass(frozen=True, slots=True)
class ProposalView:
    """A version of a rule as it was handed in. pack: the TOML text of which pack_sha256 is the hash."""

    id: str
    programme_id: str
    programme_name: str
    version: int
    pack: str
    pack_sha256: str
    valid_from: datetime
    proposed_at: datetime
    case_id: str
    state: ProposalState


def list_proposals(*, actor: Actor, cursor: str | None, limit: int) -> Page[ProposalView]:
    """Return a page of what was handed in, newest first; for operators. One query."""
    require(may(actor, roles=OPERATORS, scope=Scope.OPERATE))
    rows = RuleProposal.objects.select_related("programme")
    page = page_newest_first(rows, cursor=cursor, limit=limit)
    return Page(items=[_view(row) for row in page.items], next_cursor=page.next_cursor)


def get_proposal(*, actor: Actor, proposal_id: str) -> ProposalView:
    """Return a version that was handed in; for operators; raises ProposalMissing. One query."""
    require(may(actor, roles=OPERATORS, scope=Scope.OPERATE))
    row = RuleProposal.objects.select_related("programme").filter(id=proposal_id).first()
    if row is None:
        raise ProposalMissing(detail=say("Nothing was handed in as {proposal_id}.", proposal_id=proposal_id[:64]))
    return _view(row)


def find_next_version(*, programme: Programme) -> int:
    """Return the number that the next version of a programme's rule has to say. Two queries."""
    numbers = [each.aggregate(most=Max("version"))["most"] or 0 for each in (programme.rules, programme.proposals)]
    return max(numbers) + 1


def _view(row: RuleProposal) -> ProposalView:
    return ProposalView(
        id=row.id,
        programme_id=row.programme_id,
        programme_name=row.programme.name,
        version=row.version,
        pack=row.pack,
        pack_sha256=row.pack_sha256,
        valid_from=row.valid_from,
        proposed_at=row.proposed_at,
        case_id=row.case_id,
        state=ProposalState(row.state),
    )
