"""HTTP API of dead letters, for the operator."""

from datetime import datetime

from django.http import HttpRequest
from ninja import Router, Schema, Status

from lilong.common.django.fields import PAGE_LIMIT_DEFAULT, CursorInQuery, IdInPath, LimitInQuery
from lilong.common.django.problems import PROBLEMS
from lilong.common.django.routes import allow, get_actor
from lilong.common.permissions import Role, Scope
from lilong.common.time import utc_now
from lilong.foundation.outbox import queries
from lilong.foundation.outbox.services import deliveries

router = Router(tags=["outbox"])


class DeadLetterOut(Schema):
    """A delivery that was given up; `last_error` says why."""

    id: str
    event: str
    subscriber: str
    attempts: int
    dead_at: datetime | None
    last_error: str


class DeadLettersOut(Schema):
    """A page of dead letters."""

    items: list[DeadLetterOut]
    next_cursor: str | None


@router.get(
    "/outbox/dead-letters",
    response={200: DeadLettersOut, **PROBLEMS},
    openapi_extra=allow({Role.OPERATOR}, Scope.OPERATE),
)
def list_dead_letters(
    request: HttpRequest, cursor: CursorInQuery = None, limit: LimitInQuery = PAGE_LIMIT_DEFAULT
) -> Status[object]:
    """List deliveries that were given up, oldest first."""
    page = queries.list_dead_letters(actor=get_actor(request), cursor=cursor, limit=limit)
    items = [
        DeadLetterOut(
            id=row.id,
            event=row.event.name,
            subscriber=row.subscriber,
            attempts=row.attempts,
            dead_at=row.dead_at,
            last_error=row.last_error,
        )
        for row in page.items
    ]
    return Status(200, DeadLettersOut(items=items, next_cursor=page.next_cursor))


@router.post(
    "/outbox/dead-letters/{delivery_id}/retry",
    response={204: None, **PROBLEMS},
    openapi_extra=allow({Role.OPERATOR}, Scope.OPERATE),
)
def retry_dead_letter(request: HttpRequest, delivery_id: IdInPath) -> Status[object]:
    """Let a dead letter be delivered again."""
    deliveries.retry_dead_letter(actor=get_actor(request), delivery_id=delivery_id, now=utc_now())
    return Status(204, None)
