"""Register endpoints, rotate their secrets, switch them on again, send a delivery again."""

import secrets as chance
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from lilong.common.django.sealing import seal, unseal
from lilong.common.errors import Conflict, FieldProblem, InputInvalid, LimitReached
from lilong.common.ids import new_id
from lilong.common.permissions import Actor, Role, Scope, may, require
from lilong.common.sentences import say
from lilong.common.time import format_moment
from lilong.foundation.members.public.people import list_people
from lilong.foundation.notices.core.endpoints import read_endpoint
from lilong.foundation.notices.core.retries import OLD_SECRET_LIFE
from lilong.foundation.notices.core.signing import SECRET_BYTES, format_secret
from lilong.foundation.notices.models import Notice, Webhook, WebhookDelivery
from lilong.foundation.notices.queries.kinds import list_offered_kinds
from lilong.foundation.notices.queries.webhooks import WebhookMissing
from lilong.foundation.notices.services.erasure import PERSON_ID, PERSON_NAME
from lilong.foundation.notices.services.posting import post_notice

MANAGERS = frozenset({Role.OPERATOR, Role.OWNER, Role.ADMIN})
WEBHOOKS_MAX = 10
TEST_KIND = "notices.test"
"""Kind of the notices that only try whether a webhook works; nobody is told of them, so no notices.toml has it."""


class WebhookInvalid(InputInvalid):
    """The address or a kind of notice cannot be used."""

    code = "notices.webhook_invalid"
    title = "This webhook cannot be registered"
    next_step = "Give an https address with a name, and kinds that `GET /api/v1/notices/preferences` lists."


class WebhooksFull(LimitReached):
    """The organisation has as many webhooks as one may have."""

    code = "notices.too_many_webhooks"
    title = "Your organisation has too many webhooks"
    next_step = "Delete one; a webhook may take any number of kinds."


class WebhookOff(Conflict):
    """The webhook is switched off, so nothing is sent to it."""

    code = "notices.webhook_off"
    title = "This webhook is switched off"
    next_step = "Put the endpoint right and switch it on with `lilong webhooks enable`, then send it again."


class AlreadyTested(Conflict):
    """A test of this webhook is on its way."""

    code = "notices.test_waits"
    title = "A test of this webhook is on its way already"
    next_step = "Look at its deliveries: they say what the last try met, and when the next one is."


@dataclass(frozen=True, slots=True)
class NewSecret:
    """A webhook's secret, shown this once. old_until: how long the one before still signs, too."""

    webhook_id: str
    secret: str
    old_until: datetime | None


def register_webhook(*, actor: Actor, url: str, kinds: Sequence[str], now: datetime) -> NewSecret:
    """Send the actor's organisation's notices of these kinds to `url` from now on.

    Raises NotAllowed, WebhookInvalid, WebhooksFull.
    """
    require(may(actor, roles=MANAGERS, scope=Scope.MANAGE))
    _require_valid(url, kinds)
    with transaction.atomic():
        present = Webhook.objects.select_for_update().visible_to(actor).filter(deleted_at=None)
        count = len(present)
        if count >= WEBHOOKS_MAX:
            raise WebhooksFull(facts={"limit": WEBHOOKS_MAX, "used": count})
        webhook = Webhook(
            id=new_id("whk"),
            organisation_id=actor.organisation_id,
            url=url,
            kinds=sorted(set(kinds)),
            created_at=now,
        )
        secret = _renew(webhook)
        webhook.save(force_insert=True)
        _tell(webhook, "notices.webhook_registered", actor, now=now)
    return NewSecret(webhook_id=webhook.id, secret=secret, old_until=None)


def rotate_secret(*, actor: Actor, webhook_id: str, now: datetime) -> NewSecret:
    """Make a new secret; the one before also signs for a day, so that receivers can change over."""
    with transaction.atomic():
        webhook = _lock(actor, webhook_id)
        webhook.old_secret, webhook.old_until = webhook.secret, now + OLD_SECRET_LIFE
        secret = _renew(webhook)
        webhook.save(update_fields=["secret", "old_secret", "old_until"])
        _tell(webhook, "notices.webhook_secret_changed", actor, now=now)
    return NewSecret(webhook_id=webhook.id, secret=secret, old_until=webhook.old_until)


def enable_webhook(*, actor: Actor, webhook_id: str) -> None:
    """Switch a webhook on again; nothing happens to one that is on."""
    with transaction.atomic():
        webhook = _lock(actor, webhook_id)
        webhook.disabled_at, webhook.disabled_because, webhook.failing_since = None, "", None
        webhook.save(update_fields=["disabled_at", "disabled_because", "failing_since"])


def delete_webhook(*, actor: Actor, webhook_id: str, now: datetime) -> None:
    """Send nothing to it any more, and forget its secrets."""
    with transaction.atomic():
        webhook = _lock(actor, webhook_id)
        webhook.deleted_at, webhook.secret, webhook.old_secret = now, "", ""
        webhook.save(update_fields=["deleted_at", "secret", "old_secret"])
        waiting = WebhookDelivery.objects.filter(webhook=webhook, delivered_at=None, given_up_at=None)
        waiting.update(given_up_at=now)


def send_again(*, actor: Actor, webhook_id: str, delivery_id: str, now: datetime) -> None:
    """Deliver a notice once more, under the same id, whatever became of it before; raises WebhookOff."""
    with transaction.atomic():
        webhook = _lock(actor, webhook_id)
        delivery = WebhookDelivery.objects.select_for_update().filter(webhook=webhook, id=delivery_id).first()
        if delivery is None:
            raise WebhookMissing(
                detail=say("There is no delivery {delivery_id} to this webhook.", delivery_id=delivery_id[:64])
            )
        if webhook.disabled_at is not None:
            raise WebhookOff
        delivery.attempts, delivery.next_at = 0, now
        delivery.delivered_at = delivery.given_up_at = None
        delivery.save(update_fields=["attempts", "next_at", "delivered_at", "given_up_at"])


def send_test(*, actor: Actor, webhook_id: str, now: datetime) -> str:
    """Deliver a notice that tells nothing, to this webhook alone, and return the delivery's id.

    Raises WebhookMissing, WebhookOff, AlreadyTested.
    """
    with transaction.atomic():
        webhook = _lock(actor, webhook_id)
        if webhook.disabled_at is not None:
            raise WebhookOff
        tests = WebhookDelivery.objects.filter(webhook=webhook, notice__kind=TEST_KIND)
        if tests.filter(delivered_at=None, given_up_at=None).exists():
            raise AlreadyTested
        delivery_id = new_id("msg")
        notice = Notice.objects.create(
            id=new_id("ntc"),
            kind=TEST_KIND,
            subject_id=webhook.id,
            occasion=delivery_id,
            organisation_id=webhook.organisation_id,
            params={},
            posted_at=now,
            told_at=now,
        )
        WebhookDelivery.objects.create(id=delivery_id, webhook=webhook, notice=notice, made_at=now, next_at=now)
        return delivery_id


def list_live_secrets(*, webhook: Webhook, now: datetime) -> list[str]:
    """Return the secrets that sign now, the newest first."""
    sealed = [webhook.secret]
    if webhook.old_secret and webhook.old_until is not None and now < webhook.old_until:
        sealed.append(webhook.old_secret)
    return [unseal(sealed=each, context=_context(webhook)) for each in sealed]


def _require_valid(url: str, kinds: Sequence[str]) -> None:
    problems: list[FieldProblem] = []
    endpoint = read_endpoint(url=url)
    if isinstance(endpoint, str):
        problems.append(FieldProblem(path="url", code="notices.url_invalid", message=endpoint))
    known = list_offered_kinds()
    for kind in sorted(set(kinds)):
        if kind not in known or known[kind].is_security:
            message = say("There is no kind of notice {kind} that is sent to programs.", kind=kind[:64])
            problems.append(FieldProblem(path="kinds", code="notices.kind_not_offered", message=message))
    if problems:
        raise WebhookInvalid(fields=problems)


def _lock(actor: Actor, webhook_id: str) -> Webhook:
    require(may(actor, roles=MANAGERS, scope=Scope.MANAGE))
    mine = Webhook.objects.select_for_update().visible_to(actor).filter(deleted_at=None)
    webhook = mine.filter(id=webhook_id).first()
    if webhook is None:
        raise WebhookMissing(
            detail=say("There is no webhook {webhook_id} of your organisation.", webhook_id=webhook_id[:64])
        )
    return webhook


def _renew(webhook: Webhook) -> str:
    secret = format_secret(chance.token_bytes(SECRET_BYTES))
    webhook.secret = seal(text=secret, context=_context(webhook))
    return secret


def _tell(webhook: Webhook, kind: str, actor: Actor, *, now: datetime) -> None:
    people = list_people(organisation_id=webhook.organisation_id, person_ids=[actor.person_id])
    post_notice(
        kind=kind,
        subject_id=webhook.id,
        occasion=format_moment(now),
        organisation_id=webhook.organisation_id,
        params={
            "url": webhook.url,
            PERSON_NAME: people[0].name if people else actor.person_id,
            PERSON_ID: actor.person_id,
        },
        now=now,
    )


def _context(webhook: Webhook) -> str:
    return f"webhook {webhook.organisation_id} {webhook.id}"
