"""Kinds of notices: each is one entry in the `notices.toml` of the room that knows the event.

An entry says whom to tell, how mail of it is sent, and its title and text in every language.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from string import Template
from typing import cast
from urllib.parse import quote

from lilong.common.errors import InvariantBroken
from lilong.common.money import format_credits
from lilong.common.permissions import Role
from lilong.common.sentences import say

LANGUAGES = ("en", "zh-hans")
MONEY_SUFFIX, MOMENT_SUFFIX = "_uc", "_at"
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d).*Z")


class MailRule(StrEnum):
    """How mail of a kind is sent.

    now: each at once, up to AT_ONCE_AN_HOUR for a person and kind; more wait for one digest when the hour is over.
    hourly: always one digest. no: only in the hub. Security notices are always sent at once.
    """

    NOW = "now"
    HOURLY = "hourly"
    NO = "no"


class NoticeKindUnknown(InvariantBroken):
    """A room posts a notice of a kind that no `notices.toml` has."""

    code = "notices.kind_unknown"
    title = "There is no such kind of notice"


class NoticeKindWrong(InvariantBroken):
    """An entry of a `notices.toml` lacks something or names what does not exist."""

    code = "notices.kind_wrong"
    title = "A kind of notice is described wrongly"


@dataclass(frozen=True, slots=True)
class NoticeKind:
    """One kind. to: roles of who is told when no person is named. title, text: templates by language.

    Where `to` is empty, it is for somebody who is not here yet: nobody finds it in an inbox or chooses about it.
    path: of the page where more can be read, with `$subject_id`.
    """

    code: str
    to: frozenset[Role]
    mail: MailRule
    is_security: bool
    title: Mapping[str, str]
    text: Mapping[str, str]
    path: str


@dataclass(frozen=True, slots=True)
class Wording:
    """A notice in the words of one language."""

    title: str
    text: str


def read_kinds(*, room: str, document: Mapping[str, object]) -> dict[str, NoticeKind]:
    """Return the kinds of a room's parsed `notices.toml`, by code `ROOM.NAME`; raises NoticeKindWrong."""
    kinds: dict[str, NoticeKind] = {}
    for name, value in document.items():
        said = cast("Mapping[str, object]", value)
        code = f"{room}.{name}"
        try:
            kinds[code] = NoticeKind(
                code=code,
                to=frozenset(Role(role) for role in cast("list[str]", said["to"])),
                mail=MailRule(cast("str", said["mail"])),
                is_security=bool(said.get("security", False)),
                title=_read_texts(said["title"]),
                text=_read_texts(said["text"]),
                path=str(said.get("path", "")),
            )
        except (KeyError, ValueError) as error:
            raise NoticeKindWrong(detail=say("{code}: {why}", code=code, why=str(error))) from error
    return kinds


def word_notice(*, kind: NoticeKind, subject_id: str, params: Mapping[str, str | int], language: str) -> Wording:
    """Return the notice in a language; a parameter that is missing shows its name rather than nothing.

    `$amount_uc` becomes credits, `$due_at` a moment in UTC to the minute.

    >>> kind = NoticeKind("x.paid", frozenset(), MailRule.NOW, False, {"en": "Paid"}, {"en": "$amount_uc credits."}, "")
    >>> word_notice(kind=kind, subject_id="ord_1", params={"amount_uc": 1_500_000}, language="en").text
    '1.50 credits.'
    """
    values = {name: _show(name, value) for name, value in params.items()} | {"subject_id": subject_id}
    title, text = (texts.get(language) or texts[LANGUAGES[0]] for texts in (kind.title, kind.text))
    return Wording(title=Template(title).safe_substitute(values), text=Template(text).safe_substitute(values))


def point_to(*, kind: NoticeKind, subject_id: str) -> str:
    """Return the path of the page where more about a notice can be read, or an empty text.

    >>> kind = NoticeKind("x.paid", frozenset(), MailRule.NOW, False, {}, {}, "/orders/$subject_id")
    >>> point_to(kind=kind, subject_id="ord_1")
    '/orders/ord_1'
    """
    return Template(kind.path).safe_substitute(subject_id=quote(subject_id, safe=""))


def _read_texts(value: object) -> dict[str, str]:
    texts = {language: str(text).strip() for language, text in cast("Mapping[str, object]", value).items()}
    if sorted(texts) != sorted(LANGUAGES) or not all(texts.values()):
        raise ValueError(f"texts are needed in {', '.join(LANGUAGES)}")
    names = [set(Template(text).get_identifiers()) for text in texts.values()]
    if any(each != names[0] for each in names):
        raise ValueError("the texts of all languages use the same parameters")
    if not all(Template(text).is_valid() for text in texts.values()):
        raise ValueError("a text is no template: write $$ for a dollar")
    return texts


def _show(name: str, value: str | int) -> str:
    if name.endswith(MONEY_SUFFIX) and isinstance(value, int):
        return format_credits(value)
    if name.endswith(MOMENT_SUFFIX) and isinstance(value, str):
        moment = _MOMENT.fullmatch(value)
        return f"{moment[1]} {moment[2]} UTC" if moment else value
    return str(value)
