"""HTTP API of notices: the inbox, preferences, webhooks, and mail that was given up."""

from datetime import datetime
from typing import Annotated

from django.http import HttpRequest
from ninja import Router, Schema, Status
from pydantic import Field

from lilong.common.django.fields import (
    PAGE_LIMIT_DEFAULT,
    CursorInQuery,
    IdInPath,
    LimitInQuery,
    RequestBody,
)
from lilong.common.django.problems import PROBLEMS
from lilong.common.django.routes import ALL_ROLES, allow, get_actor
from lilong.common.permissions import Role, Scope
from lilong.common.time import utc_now
from lilong.foundation.members.public.people import Language, set_language
from lilong.foundation.notices.core.endpoints import URL_MAX
from lilong.foundation.notices.core.kinds import MailRule
from lilong.foundation.notices.queries import inbox as inbox_queries
from lilong.foundation.notices.queries import webhooks as webhook_queries
from lilong.foundation.notices.queries.inbox import MailState, Shown
from lilong.foundation.notices.services import inbox, mails, webhooks
from lilong.foundation.notices.services.inbox import MailWish
from lilong.foundation.notices.services.webhooks import MANAGERS

router = Router(tags=["notices"])
Kind = Annotated[str, Field(min_length=1, max_length=64)]


class NoticeOut(Schema):
    """A notice in the words of the reader's language."""

    id: str
    kind: str
    subject_id: str
    title: str
    text: str
    posted_at: datetime
    read_at: datetime | None


class NoticesOut(Schema):
    """A page of notices, newest first, and how many are unread in all."""

    items: list[NoticeOut]
    next_cursor: str | None
    unread: int


class KindOut(Schema):
    """A kind of notice, and whether it comes by mail."""

    kind: str
    title: str
    by_mail: bool
    mail: MailRule
    is_security: bool


class PreferencesOut(Schema):
    """The reader's language and mail."""

    language: Language
    kinds: list[KindOut]


class LanguageIn(RequestBody):
    """The language to write in."""

    language: Language


class WishIn(RequestBody):
    """Whether mail of a kind is wanted."""

    by_mail: MailWish


class WebhookIn(RequestBody):
    """Where to send notices of which kinds."""

    url: Annotated[str, Field(min_length=1, max_length=URL_MAX)]
    kinds: Annotated[list[Kind], Field(min_length=1, max_length=100)]


class SecretMadeOut(Schema):
    """A webhook's secret, shown this once; until `old_until` the one before signs, too."""

    webhook_id: str
    secret: str
    old_until: datetime | None


class TestOut(Schema):
    """The delivery that tests a webhook."""

    delivery_id: str


class WebhookOut(Schema):
    """A webhook, without its secret."""

    id: str
    url: str
    kinds: list[str]
    created_at: datetime
    old_secret_until: datetime | None
    failing_since: datetime | None
    disabled_at: datetime | None
    disabled_because: str


class WebhooksOut(Schema):
    """A page of webhooks."""

    items: list[WebhookOut]
    next_cursor: str | None


class TryOut(Schema):
    """One try to deliver."""

    at: datetime
    status: int | None
    problem: str
    milliseconds: int


class DeliveryOut(Schema):
    """One notice on its way to a webhook; the id is the `webhook-id` that the receiver sees."""

    id: str
    kind: str
    subject_id: str
    made_at: datetime
    next_at: datetime | None
    delivered_at: datetime | None
    given_up_at: datetime | None
    tries: list[TryOut]


class DeliveriesOut(Schema):
    """A page of deliveries, newest first."""

    items: list[DeliveryOut]
    next_cursor: str | None


class MailOut(Schema):
    """A mail as operators see it, without its text."""

    id: str
    person_id: str
    kind: str
    state: MailState
    attempts: int
    written_at: datetime
    sent_at: datetime | None
    last_error: str


class MailsOut(Schema):
    """A page of mails, newest first."""

    items: list[MailOut]
    next_cursor: str | None


@router.get("/notices", response={200: NoticesOut, **PROBLEMS}, openapi_extra=allow(ALL_ROLES, Scope.READ))
def list_notices(
    request: HttpRequest,
    shown: Shown = Shown.ALL,
    cursor: CursorInQuery = None,
    limit: LimitInQuery = PAGE_LIMIT_DEFAULT,
) -> Status[object]:
    """List what you were told in this organisation, newest first."""
    actor = get_actor(request)
    page = inbox_queries.list_letters(actor=actor, shown=shown, cursor=cursor, limit=limit)
    unread = inbox_queries.count_unread(actor=actor)
    items = [NoticeOut.model_validate(item) for item in page.items]
    return Status(200, NoticesOut(items=items, next_cursor=page.next_cursor, unread=unread))


@router.post("/notices/{notice_id}/read", response={204: None, **PROBLEMS}, openapi_extra=allow(ALL_ROLES, Scope.READ))
def mark_read(request: HttpRequest, notice_id: IdInPath) -> Status[object]:
    """Note that you have read a notice."""
    inbox.mark_read(actor=get_actor(request), letter_id=notice_id, now=utc_now())
    return Status(204, None)


@router.post("/notices/read", response={204: None, **PROBLEMS}, openapi_extra=allow(ALL_ROLES, Scope.READ))
def mark_all_read(request: HttpRequest) -> Status[object]:
    """Note that you have read all notices."""
    inbox.mark_all_read(actor=get_actor(request), now=utc_now())
    return Status(204, None)


@router.get(
    "/notices/preferences", response={200: PreferencesOut, **PROBLEMS}, openapi_extra=allow(ALL_ROLES, Scope.READ)
)
def get_preferences(request: HttpRequest) -> Status[object]:
    """Show every kind of notice, whether it comes to you by mail, and your language."""
    return Status(200, inbox_queries.get_preferences(actor=get_actor(request)))


@router.put("/notices/language", response={204: None, **PROBLEMS}, openapi_extra=allow(ALL_ROLES, Scope.MANAGE))
def choose_language(request: HttpRequest, body: LanguageIn) -> Status[object]:
    """Choose the language in which the hub writes to you."""
    set_language(actor=get_actor(request), language=body.language)
    return Status(204, None)


@router.put(
    "/notices/preferences/{kind}", response={204: None, **PROBLEMS}, openapi_extra=allow(ALL_ROLES, Scope.MANAGE)
)
def choose_mail(request: HttpRequest, kind: IdInPath, body: WishIn) -> Status[object]:
    """Choose whether notices of a kind come by mail; those about security always do."""
    inbox.choose_mail(actor=get_actor(request), kind=kind, wanted=body.by_mail)
    return Status(204, None)


@router.post("/webhooks", response={201: SecretMadeOut, **PROBLEMS}, openapi_extra=allow(MANAGERS, Scope.MANAGE))
def register_webhook(request: HttpRequest, body: WebhookIn) -> Status[object]:
    """Register an https endpoint for notices of your organisation; its secret is shown this once."""
    made = webhooks.register_webhook(actor=get_actor(request), url=body.url, kinds=body.kinds, now=utc_now())
    return Status(201, made)


@router.get("/webhooks", response={200: WebhooksOut, **PROBLEMS}, openapi_extra=allow(MANAGERS, Scope.READ))
def list_webhooks(
    request: HttpRequest, cursor: CursorInQuery = None, limit: LimitInQuery = PAGE_LIMIT_DEFAULT
) -> Status[object]:
    """List the webhooks of your organisation."""
    return Status(200, webhook_queries.list_webhooks(actor=get_actor(request), cursor=cursor, limit=limit))


@router.get("/webhooks/{webhook_id}", response={200: WebhookOut, **PROBLEMS}, openapi_extra=allow(MANAGERS, Scope.READ))
def get_webhook(request: HttpRequest, webhook_id: IdInPath) -> Status[object]:
    """Show one webhook."""
    return Status(200, webhook_queries.get_webhook(actor=get_actor(request), webhook_id=webhook_id))


@router.delete("/webhooks/{webhook_id}", response={204: None, **PROBLEMS}, openapi_extra=allow(MANAGERS, Scope.MANAGE))
def delete_webhook(request: HttpRequest, webhook_id: IdInPath) -> Status[object]:
    """Send nothing to a webhook any more."""
    webhooks.delete_webhook(actor=get_actor(request), webhook_id=webhook_id, now=utc_now())
    return Status(204, None)


@router.post(
    "/webhooks/{webhook_id}/secret",
    response={201: SecretMadeOut, **PROBLEMS},
    openapi_extra=allow(MANAGERS, Scope.MANAGE),
)
def rotate_secret(request: HttpRequest, webhook_id: IdInPath) -> Status[object]:
    """Make a new secret for a webhook; the one before also signs for a day."""
    return Status(201, webhooks.rotate_secret(actor=get_actor(request), webhook_id=webhook_id, now=utc_now()))


@router.post(
    "/webhooks/{webhook_id}/enable", response={204: None, **PROBLEMS}, openapi_extra=allow(MANAGERS, Scope.MANAGE)
)
def enable_webhook(request: HttpRequest, webhook_id: IdInPath) -> Status[object]:
    """Switch a webhook on again."""
    webhooks.enable_webhook(actor=get_actor(request), webhook_id=webhook_id)
    return Status(204, None)


@router.post(
    "/webhooks/{webhook_id}/test", response={201: TestOut, **PROBLEMS}, openapi_extra=allow(MANAGERS, Scope.MANAGE)
)
def send_test(request: HttpRequest, webhook_id: IdInPath) -> Status[object]:
    """Deliver a notice of the kind `notices.test`, which tells nothing, to a webhook."""
    delivery_id = webhooks.send_test(actor=get_actor(request), webhook_id=webhook_id, now=utc_now())
    return Status(201, {"delivery_id": delivery_id})


@router.get(
    "/webhooks/{webhook_id}/deliveries",
    response={200: DeliveriesOut, **PROBLEMS},
    openapi_extra=allow(MANAGERS, Scope.READ),
)
def list_deliveries(
    request: HttpRequest, webhook_id: IdInPath, cursor: CursorInQuery = None, limit: LimitInQuery = PAGE_LIMIT_DEFAULT
) -> Status[object]:
    """List what was sent to a webhook, with every try."""
    page = webhook_queries.list_deliveries(actor=get_actor(request), webhook_id=webhook_id, cursor=cursor, limit=limit)
    return Status(200, page)


@router.post(
    "/webhooks/{webhook_id}/deliveries/{delivery_id}/again",
    response={204: None, **PROBLEMS},
    openapi_extra=allow(MANAGERS, Scope.MANAGE),
)
def send_again(request: HttpRequest, webhook_id: IdInPath, delivery_id: IdInPath) -> Status[object]:
    """Send a delivery once more, under the same id."""
    webhooks.send_again(actor=get_actor(request), webhook_id=webhook_id, delivery_id=delivery_id, now=utc_now())
    return Status(204, None)


@router.get("/mails", response={200: MailsOut, **PROBLEMS}, openapi_extra=allow({Role.OPERATOR}, Scope.OPERATE))
def list_mails(
    request: HttpRequest,
    state: MailState = MailState.DEAD,
    cursor: CursorInQuery = None,
    limit: LimitInQuery = PAGE_LIMIT_DEFAULT,
) -> Status[object]:
    """List mails in a state: those that were given up, or that wait."""
    return Status(200, inbox_queries.list_mails(actor=get_actor(request), state=state, cursor=cursor, limit=limit))


@router.post(
    "/mails/{mail_id}/retry", response={204: None, **PROBLEMS}, openapi_extra=allow({Role.OPERATOR}, Scope.OPERATE)
)
def retry_mail(request: HttpRequest, mail_id: IdInPath) -> Status[object]:
    """Let a mail that was given up be sent again."""
    mails.retry_mail(actor=get_actor(request), mail_id=mail_id, now=utc_now())
    return Status(204, None)
