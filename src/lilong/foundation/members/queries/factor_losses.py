"""Reads of requests to take a lost second factor away."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet
from django.utils.crypto import constant_time_compare, salted_hmac

from lilong.common.django.paging import page_newest_first, page_oldest_first
from lilong.common.errors import NotFound
from lilong.common.paging import Page
from lilong.common.permissions import Actor, Role, Scope, Verdict, may, require
from lilong.common.sentences import say
from lilong.foundation.members.core.factor_losses import OPEN, LossState
from lilong.foundation.members.models import FactorLoss


@dataclass(frozen=True, slots=True, kw_only=True)
class LossView:
    """A request as an operator sees it, and the person that it is about."""

    id: str
    person_id: str
    name: str
    email: str
    state: LossState
    said: str
    asked_at: datetime
    proven_at: datetime | None
    decided_at: datetime | None
    decided_by: str
    reason: str
    due_at: datetime | None
    ended_at: datetime | None


def list_losses(*, actor: Actor, cursor: str | None, limit: int) -> Page[LossView]:
    """Return requests whose mail was proven, newest first, for an operator. One query."""
    page = page_newest_first(_proven(actor), cursor=cursor, limit=limit)
    return Page(items=[_view(row) for row in page.items], next_cursor=page.next_cursor)


def list_waiting_losses(*, actor: Actor, cursor: str | None, limit: int) -> Page[LossView]:
    """Return requests that wait for a decision, oldest first, for an operator. One query."""
    page = page_oldest_first(_proven(actor).filter(state=LossState.WAITING), cursor=cursor, limit=limit)
    return Page(items=[_view(row) for row in page.items], next_cursor=page.next_cursor)


def get_loss(*, actor: Actor, loss_id: str) -> LossView:
    """Return one request whose mail was proven, for an operator; raises NotFound. One query."""
    row = _proven(actor).filter(id=loss_id).first()
    if row is None:
        raise NotFound(detail=say("There is no request {loss_id}.", loss_id=loss_id[:64]))
    return _view(row)


def find_open_loss(*, person_id: str) -> LossView | None:
    """Return the one open request about a person. One query."""
    row = FactorLoss.objects.select_related("person").filter(person_id=person_id, state__in=OPEN).first()
    return _view(row) if row is not None else None


def may_decide_loss(*, actor: Actor, person_id: str) -> Verdict:
    """Return whether this operator may decide: nobody does about the own second factor."""
    verdict = may(actor, roles=frozenset({Role.OPERATOR}), scope=Scope.OPERATE)
    if verdict.allowed and person_id == actor.person_id:
        return Verdict(allowed=False, reason=say("Another operator has to do this for you."))
    return verdict


def derive_stop_secret(*, loss_id: str) -> str:
    """Return what stops a request: made from the hub's key and never stored, so that each mail holds the same."""
    return f"{loss_id}.{salted_hmac('members.factor_loss', loss_id, algorithm='sha256').hexdigest()}"


def read_stop_secret(*, secret: str) -> str | None:
    """Return the id of the request that a secret stops; None for one that the hub did not make."""
    loss_id = secret.partition(".")[0]
    return loss_id if constant_time_compare(secret, derive_stop_secret(loss_id=loss_id)) else None


def _proven(actor: Actor) -> QuerySet[FactorLoss]:
    require(may(actor, roles=frozenset({Role.OPERATOR}), scope=Scope.OPERATE))
    return FactorLoss.objects.select_related("person").exclude(proven_at=None)


def _view(row: FactorLoss) -> LossView:
    return LossView(
        id=row.id,
        person_id=row.person_id,
        name=row.person.name,
        email=row.person.email,
        state=LossState(row.state),
        said=row.said,
        asked_at=row.asked_at,
        proven_at=row.proven_at,
        decided_at=row.decided_at,
        decided_by=row.decided_by,
        reason=row.reason,
        due_at=row.due_at,
        ended_at=row.ended_at,
    )
