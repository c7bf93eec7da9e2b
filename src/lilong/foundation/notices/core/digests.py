"""When the mail of a notice is sent: at once, or with others of its kind when the hour is over.

A thousand failed runs are a few mails and one digest, not a thousand mails.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from lilong.foundation.notices.core.kinds import MailRule, NoticeKind

AT_ONCE_AN_HOUR = 3
HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class WaitingLetter:
    """A notice to one person whose mail has not been written yet."""

    id: str
    kind: str
    posted_at: datetime


def plan_mails(
    *,
    letters: Sequence[WaitingLetter],
    kinds: Mapping[str, NoticeKind],
    at_once: Mapping[tuple[str, datetime], int],
    now: datetime,
) -> list[tuple[str, ...]]:
    """Return the ids of letters that belong into one mail each, of what is due now, oldest first.

    letters: of one person, oldest first. at_once: how many mails of a kind this person was sent at once, by kind and
    beginning of the hour in which the notices were posted. What is not in any mail waits; call again later.

    >>> from datetime import UTC
    >>> noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    >>> kind = NoticeKind("runs.failed", frozenset(), MailRule.NOW, False, {}, {}, "")
    >>> letters = [WaitingLetter(str(n), kind.code, noon) for n in range(5)]
    >>> plan_mails(letters=letters, kinds={kind.code: kind}, at_once={}, now=noon)
    [('0',), ('1',), ('2',)]
    >>> rest, sent = letters[3:], {(kind.code, noon): 3}
    >>> plan_mails(letters=rest, kinds={kind.code: kind}, at_once=sent, now=noon + HOUR)
    [('3', '4')]
    """
    sent = dict(at_once)
    planned: list[tuple[str, ...]] = []
    digests: dict[tuple[str, datetime], list[str]] = {}
    for letter in letters:
        kind, hour = kinds[letter.kind], start_of_hour(letter.posted_at)
        key = (letter.kind, hour)
        has_room = kind.mail is MailRule.NOW and sent.get(key, 0) < AT_ONCE_AN_HOUR
        if kind.is_security or (has_room and now < hour + HOUR):
            sent[key] = sent.get(key, 0) + 1
            planned.append((letter.id,))
        elif now >= hour + HOUR:
            digests.setdefault(key, []).append(letter.id)
    return [*planned, *(tuple(ids) for ids in digests.values())]


def start_of_hour(moment: datetime) -> datetime:
    """Return the beginning of the hour that `moment` lies in."""
    return moment.replace(minute=0, second=0, microsecond=0)
