"""What people do with their notices: read them, and choose which also come by mail and in which language."""

from collections.abc import Collection
from datetime import datetime
from enum import StrEnum

from django.db import transaction

from lilong.common.errors import Conflict, NotFound
from lilong.common.ids import new_id
from lilong.common.permissions import Actor, Role, Scope, may, require
from lilong.common.sentences import say
from lilong.foundation.members.public.people import Language, set_language
from lilong.foundation.notices.models import Letter, Preference
from lilong.foundation.notices.queries.inbox import get_preferences
from lilong.foundation.notices.queries.kinds import list_offered_kinds


class MailWish(StrEnum):
    """Whether a person wants mail of a kind."""

    YES = "yes"
    NO = "no"


class NoticeMissing(NotFound):
    """There is no such notice to this person, or no such kind."""

    code = "notices.missing"
    title = "There is no such notice"
    next_step = "List yours with `lilong notices list`, and the kinds with `lilong notices preferences`."


class SecurityNoticeStays(Conflict):
    """Notices about security are always sent."""

    code = "notices.security_stays"
    title = "Notices about security are always sent by mail"
    next_step = "Choose another kind: whoever takes over an account must not be able to switch these off."


def mark_read(*, actor: Actor, letter_id: str, now: datetime) -> None:
    """Note that the actor has read a notice; doing it again changes nothing. Raises NoticeMissing."""
    require(may(actor, roles=frozenset(Role), scope=Scope.READ))
    with transaction.atomic():
        mine = Letter.objects.visible_to(actor).filter(id=letter_id)
        if not mine.exists():
            raise NoticeMissing(detail=say("There is no notice {letter_id} to you.", letter_id=letter_id[:64]))
        mine.filter(read_at=None).update(read_at=now)


def mark_all_read(*, actor: Actor, now: datetime) -> int:
    """Note that the actor has read all notices, and return how many were unread."""
    require(may(actor, roles=frozenset(Role), scope=Scope.READ))
    with transaction.atomic():
        return Letter.objects.visible_to(actor).filter(read_at=None).update(read_at=now)


def set_preferences(*, actor: Actor, language: Language, by_mail: Collection[str]) -> None:
    """Choose the language of mail, and by `by_mail` all the kinds of which mail is sent; security's always is."""
    require(may(actor, roles=frozenset(Role), scope=Scope.MANAGE))
    with transaction.atomic():
        set_language(actor=actor, language=language)
        for kind in get_preferences(actor=actor).kinds:
            wanted = kind.kind in by_mail
            if wanted is not kind.by_mail and not kind.is_security:
                choose_mail(actor=actor, kind=kind.kind, wanted=MailWish.YES if wanted else MailWish.NO)


def choose_mail(*, actor: Actor, kind: str, wanted: MailWish) -> None:
    """Choose whether notices of a kind come by mail; raises NoticeMissing, SecurityNoticeStays."""
    require(may(actor, roles=frozenset(Role), scope=Scope.MANAGE))
    known = list_offered_kinds().get(kind)
    if known is None:
        raise NoticeMissing(detail=say("There is no kind of notice {kind}.", kind=kind[:64]))
    if known.is_security and wanted is MailWish.NO:
        raise SecurityNoticeStays
    with transaction.atomic():
        Preference.objects.update_or_create(
            person_id=actor.person_id,
            kind=kind,
            defaults={"by_mail": wanted is MailWish.YES},
            create_defaults={"id": new_id("prf"), "by_mail": wanted is MailWish.YES},
        )
