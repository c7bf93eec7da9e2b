"""What a person was told, which mail that person wants, and what mail waits or was given up."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from django.db.models import Count, Expression, IntegerField, OuterRef, Subquery
from django.db.models.functions import Coalesce

from lilong.common.django.paging import page_newest_first
from lilong.common.masking import hide_mailboxes
from lilong.common.paging import Page
from lilong.common.permissions import Actor, Role, Scope, may, require
from lilong.foundation.members.public.people import Language, list_people
from lilong.foundation.notices.core.kinds import MailRule, point_to
from lilong.foundation.notices.models import Letter, Mail, Preference
from lilong.foundation.notices.queries.kinds import list_offered_kinds, load_kinds
from lilong.foundation.notices.queries.wording import word_letter


class MailState(StrEnum):
    """Where a mail stands. dropped: the person left, or the invitation was over, before it was sent."""

    WAITING = "waiting"
    SENT = "sent"
    DEAD = "dead"
    DROPPED = "dropped"


class Shown(StrEnum):
    """Which notices of an inbox to show."""

    ALL = "all"
    UNREAD = "unread"


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterView:
    """A notice in the words of the person's language. path: of the page where more can be read, if there is one."""

    id: str
    kind: str
    subject_id: str
    path: str
    title: str
    text: str
    posted_at: datetime
    read_at: datetime | None


@dataclass(frozen=True, slots=True)
class KindView:
    """A kind of notice and whether the person gets mail of it; nobody can switch off mail of security."""

    kind: str
    title: str
    by_mail: bool
    mail: MailRule
    is_security: bool


@dataclass(frozen=True, slots=True)
class PreferencesView:
    """What a person chose."""

    language: Language
    kinds: tuple[KindView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MailView:
    """A mail as the operator sees it: whose, about what kind, and why it is not sent; never its text or address.

    person_id: empty for an invitation, whose mail goes to somebody who is not here yet.
    """

    id: str
    person_id: str
    kind: str
    state: MailState
    attempts: int
    written_at: datetime
    sent_at: datetime | None
    last_error: str


def list_letters(
    *, actor: Actor, shown: Shown, cursor: str | None, limit: int, language: Language | None = None
) -> Page[LetterView]:
    """Return one page of what the actor was told, newest first, in the language that the hub writes to the actor in.

    language: another one. Two queries at most.
    """
    mine = Letter.objects.visible_to(actor).select_related("notice")
    page = page_newest_first(mine.filter(read_at=None) if shown is Shown.UNREAD else mine, cursor=cursor, limit=limit)
    language = language or _find_language(actor)
    items = []
    for letter in page.items:
        wording = word_letter(notice=letter.notice, language=language)
        kind = load_kinds().get(letter.kind)
        items.append(
            LetterView(
                id=letter.id,
                kind=letter.kind,
                subject_id=letter.subject_id,
                path=point_to(kind=kind, subject_id=letter.subject_id) if kind else "",
                title=wording.title,
                text=wording.text,
                posted_at=letter.posted_at,
                read_at=letter.read_at,
            )
        )
    return Page(items=items, next_cursor=page.next_cursor)


def count_unread(*, actor: Actor) -> int:
    """Return how many notices the actor has not read: for a badge."""
    return Letter.objects.visible_to(actor).filter(read_at=None).count()


def count_unread_of_memberships() -> Expression:
    """Return a column for a query of memberships: how many notices the person has not read there."""
    unread = Letter.objects.filter(
        person_id=OuterRef("person_id"), organisation_id=OuterRef("organisation_id"), read_at=None
    )
    counted = unread.order_by().values("person_id").annotate(count=Count("pk")).values("count")
    return Coalesce(Subquery(counted, output_field=IntegerField()), 0)


def get_preferences(*, actor: Actor, titles_in: Language | None = None) -> PreferencesView:
    """Return the actor's language and, for every kind, whether mail is sent. Two queries.

    titles_in: the language of the titles, if it is not the actor's.
    """
    language = _find_language(actor)
    titles = titles_in or language
    chosen = dict(Preference.objects.filter(person_id=actor.person_id).values_list("kind", "by_mail"))
    kinds = tuple(
        KindView(
            kind=kind.code,
            title=kind.title[titles.value],
            by_mail=kind.is_security or chosen.get(kind.code, kind.mail is not MailRule.NO),
            mail=kind.mail,
            is_security=kind.is_security,
        )
        for kind in sorted(list_offered_kinds().values(), key=lambda kind: kind.code)
    )
    return PreferencesView(language=language, kinds=kinds)


def list_mails(*, actor: Actor, state: MailState, cursor: str | None, limit: int) -> Page[MailView]:
    """Return one page of the mails in a state, newest first; for the operator."""
    require(may(actor, roles=frozenset({Role.OPERATOR}), scope=Scope.OPERATE))
    page = page_newest_first(Mail.objects.filter(state=state), cursor=cursor, limit=limit)
    items = [
        MailView(
            id=row.id,
            person_id=row.person_id,
            kind=row.kind,
            state=MailState(row.state),
            attempts=row.attempts,
            written_at=row.written_at,
            sent_at=row.sent_at,
            last_error=hide_mailboxes(row.last_error),
        )
        for row in page.items
    ]
    return Page(items=items, next_cursor=page.next_cursor)


def _find_language(actor: Actor) -> Language:
    people = list_people(organisation_id=actor.organisation_id, person_ids=[actor.person_id])
    return people[0].language if people else Language.EN
