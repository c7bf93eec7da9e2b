"""Take notices in, with what made them true, and tell them: letters for people, deliveries for programs."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256

from django.db import transaction

from lilong.common.ids import new_id
from lilong.common.permissions import Role
from lilong.foundation.members.public.people import PersonView, list_people
from lilong.foundation.notices.core.kinds import MailRule, NoticeKind
from lilong.foundation.notices.models import Letter, Notice, Preference, Webhook, WebhookDelivery
from lilong.foundation.notices.queries.kinds import get_kind, load_kinds

BATCH = 200


def post_notice(
    *,
    kind: str,
    subject_id: str,
    organisation_id: str,
    params: Mapping[str, str | int],
    person_ids: Sequence[str] = (),
    occasion: str = "",
    now: datetime,
) -> None:
    """Let the people of an organisation know; one insert, the worker does the rest.

    kind: `ROOM.NAME` of an entry in the room's notices.toml. organisation_id: empty for the hub's own. person_ids: whom
    to tell there, instead of the kind's roles. Told once to each person for kind, subject and occasion, however often
    it is posted. Raises NoticeKindUnknown; call it in the transaction of what happened.
    """
    get_kind(code=kind)
    people = sorted({person_id for person_id in person_ids if person_id})
    notice = Notice(
        id=new_id("ntc"),
        kind=kind,
        subject_id=subject_id,
        occasion=occasion,
        organisation_id=organisation_id,
        audience=sha256(" ".join(people).encode()).hexdigest()[:16] if people else "",
        person_ids=people,
        params=dict(params),
        posted_at=now,
    )
    Notice.objects.bulk_create([notice], ignore_conflicts=True)


def tell_notices(*, now: datetime) -> int:
    """Write the letters and deliveries of notices that were posted, and return of how many."""
    if not Notice.objects.filter(told_at=None).exists():
        return 0
    with transaction.atomic():
        untold = Notice.objects.select_for_update(skip_locked=True).filter(told_at=None).order_by("id")
        notices = list(untold[:BATCH])
        for notice in notices:
            _tell(notice, now=now)
        Notice.objects.filter(id__in=[notice.id for notice in notices]).update(told_at=now)
    return len(notices)


def _tell(notice: Notice, *, now: datetime) -> None:
    kind = load_kinds().get(notice.kind)
    if kind is None:
        return  # a newer version of this hub posted it: there are no words for it here
    roles = frozenset[Role]() if notice.person_ids else kind.to
    people = list_people(organisation_id=notice.organisation_id, roles=roles, person_ids=notice.person_ids)
    chosen = dict(
        Preference.objects.filter(kind=kind.code, person_id__in=[person.person_id for person in people]).values_list(
            "person_id", "by_mail"
        )
    )
    letters = [_write_letter(notice, kind, person, chosen=chosen.get(person.person_id)) for person in people]
    Letter.objects.bulk_create(letters, ignore_conflicts=True)
    organisation_id = notice.organisation_id or next((person.organisation_id for person in people), "")
    if organisation_id and not kind.is_security:
        _write_deliveries(notice, organisation_id, now=now)


def _write_letter(notice: Notice, kind: NoticeKind, person: PersonView, *, chosen: bool | None) -> Letter:
    by_default = kind.mail is not MailRule.NO
    return Letter(
        id=new_id("ltr"),
        notice=notice,
        person_id=person.person_id,
        organisation_id=person.organisation_id,
        kind=notice.kind,
        subject_id=notice.subject_id,
        occasion=notice.occasion,
        posted_at=notice.posted_at,
        wants_mail=kind.is_security or (by_default if chosen is None else chosen),
    )


def _write_deliveries(notice: Notice, organisation_id: str, *, now: datetime) -> None:
    """Address it to the organisation's webhooks of this kind; one that is switched off gets it, to be sent again."""
    webhooks = Webhook.objects.filter(organisation_id=organisation_id, deleted_at=None)
    deliveries = [
        WebhookDelivery(
            id=new_id("msg"),
            webhook=webhook,
            notice=notice,
            made_at=now,
            next_at=now,
            given_up_at=now if webhook.disabled_at else None,
        )
        for webhook in webhooks
        if notice.kind in webhook.kinds
    ]
    WebhookDelivery.objects.bulk_create(deliveries, ignore_conflicts=True)
