"""Mails and webhooks that do not arrive, of all organisations: for operators."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import OuterRef, Q, Subquery

from lilong.common.django.paging import page_newest_first
from lilong.common.masking import hide_mailboxes
from lilong.common.paging import Page
from lilong.common.permissions import Actor, Role, Scope, may, require
from lilong.foundation.members.public.invitations import find_inviting
from lilong.foundation.members.public.mails import StuckMails, count_stuck_mails, sum_mails
from lilong.foundation.members.public.people import name_organisations
from lilong.foundation.notices.core.endpoints import Endpoint, read_endpoint
from lilong.foundation.notices.models import DEAD, WAITING, DeliveryTry, Mail, Webhook
from lilong.foundation.notices.queries.inbox import MailState
from lilong.foundation.notices.queries.webhooks import TryView

LATE_AFTER = timedelta(hours=1)
GIVEN_UP_WITHIN = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class UndeliveredMail:
    """A mail that was given up or waits for over an hour. next_at: None once it was given up.

    person_id: empty for an invitation. organisation_id: empty where the invitation is gone.
    """

    id: str
    kind: str
    person_id: str
    organisation_id: str
    organisation_name: str
    state: MailState
    attempts: int
    written_at: datetime
    next_at: datetime | None
    last_error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TroubledWebhook:
    """A webhook that fails or was switched off.

    authority: host and port of its address, never the path, which may hold a secret; empty for a URL that can be no
    endpoint any more. last_try: the newest since it began to fail, None where it is not kept any more.
    """

    id: str
    organisation_id: str
    organisation_name: str
    authority: str
    failing_since: datetime | None
    disabled_at: datetime | None
    last_try: TryView | None


def list_undelivered_mails(*, actor: Actor, cursor: str | None, limit: int, now: datetime) -> Page[UndeliveredMail]:
    """Return mails that were given up or wait for over an hour, newest first; for the operator. Three queries."""
    _require_operator(actor)
    page = page_newest_first(Mail.objects.filter(Q(state=DEAD) | _is_late(now)), cursor=cursor, limit=limit)
    inviting = find_inviting(invitation_ids=[row.invitation_id for row in page.items if row.invitation_id])
    owners = {row.id: row.organisation_id or inviting.get(row.invitation_id, "") for row in page.items}
    names = name_organisations(organisation_ids=set(owners.values()))
    items = [_view_mail(row, organisation_id=owners[row.id], names=names) for row in page.items]
    return Page(items=items, next_cursor=page.next_cursor)


def count_undelivered_mails(*, actor: Actor, now: datetime) -> list[StuckMails]:
    """Return how many mails do not arrive, by reason; for the operator. One query.

    Of notices: `dead`, of the last week, and `waiting` for over an hour. Of signing in: as members count them.
    """
    _require_operator(actor)
    dead = Mail.objects.filter(state=DEAD, written_at__gt=now - GIVEN_UP_WITHIN)
    late = Mail.objects.filter(_is_late(now))
    beside = [
        sum_mails(mails=dead, reason=DEAD, since="written_at"),
        sum_mails(mails=late, reason=WAITING, since="written_at"),
    ]
    return count_stuck_mails(now=now, beside=beside)


def list_troubled_webhooks(*, actor: Actor, cursor: str | None, limit: int) -> Page[TroubledWebhook]:
    """Return webhooks that fail or were switched off, newest first; for the operator. Three queries.

    Cost: linear in what was tried, since they fail, at those that are shown.
    """
    _require_operator(actor)
    troubled = Webhook.objects.filter(Q(failing_since__isnull=False) | Q(disabled_at__isnull=False), deleted_at=None)
    page = page_newest_first(troubled, cursor=cursor, limit=limit)
    names = name_organisations(organisation_ids={row.organisation_id for row in page.items})
    last = _find_last_tries(page.items)
    items = [_view_webhook(row, names=names, last=last.get(row.id)) for row in page.items]
    return Page(items=items, next_cursor=page.next_cursor)


def _find_last_tries(webhooks: Sequence[Webhook]) -> dict[str, DeliveryTry]:
    """Return the newest try since each of the webhooks began to fail, by the webhook's id. One query."""
    tries = DeliveryTry.objects.filter(delivery__webhook=OuterRef("pk"), at__gte=OuterRef("failing_since"))
    newest = Subquery(tries.order_by("-id").values("id")[:1])
    newest_ids = Webhook.objects.filter(id__in=[row.id for row in webhooks]).values_list(newest)
    return {
        each.delivery.webhook_id: each
        for each in DeliveryTry.objects.filter(id__in=newest_ids).select_related("delivery")
    }


def _is_late(now: datetime) -> Q:
    return Q(state=WAITING, written_at__lte=now - LATE_AFTER)


def _require_operator(actor: Actor) -> None:
    require(may(actor, roles=frozenset({Role.OPERATOR}), scope=Scope.OPERATE))


def _view_mail(row: Mail, *, organisation_id: str, names: Mapping[str, str]) -> UndeliveredMail:
    return UndeliveredMail(
        id=row.id,
        kind=row.kind,
        person_id=row.person_id,
        organisation_id=organisation_id,
        organisation_name=names.get(organisation_id, ""),
        state=MailState(row.state),
        attempts=row.attempts,
        written_at=row.written_at,
        next_at=row.next_at if row.state == WAITING else None,
        last_error=hide_mailboxes(row.last_error),
    )


def _view_webhook(row: Webhook, *, names: Mapping[str, str], last: DeliveryTry | None) -> TroubledWebhook:
    endpoint = read_endpoint(url=row.url)
    return TroubledWebhook(
        id=row.id,
        organisation_id=row.organisation_id,
        organisation_name=names.get(row.organisation_id, ""),
        authority=endpoint.authority if isinstance(endpoint, Endpoint) else "",
        failing_since=row.failing_since,
        disabled_at=row.disabled_at,
        last_try=TryView(last.at, last.status, last.problem, last.milliseconds) if last else None,
    )
