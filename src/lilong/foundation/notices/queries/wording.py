"""Notices in the words of one language: for the inbox, for mail, and as the body of a webhook."""

from collections.abc import Sequence

from django.conf import settings
from django.utils.translation import override, pgettext

from lilong.common.canonical import canonical_json
from lilong.common.time import format_moment
from lilong.foundation.members.public.invitations import RevealedInvitation, format_link
from lilong.foundation.members.public.people import Language, list_people
from lilong.foundation.notices.core.kinds import Wording, word_notice
from lilong.foundation.notices.models import Letter, Mail, Notice
from lilong.foundation.notices.queries.kinds import get_kind, load_kinds

LINES_A_DIGEST = 50
MORE = {Language.EN: "… and {count} more.", Language.ZH_HANS: "……还有 {count} 条。"}
DIGEST_TITLE = {Language.EN: "{count} × {title}", Language.ZH_HANS: "{title}（共 {count} 条）"}
ABOUT = {Language.EN: "About", Language.ZH_HANS: "相关编号"}
SENDER = {
    Language.EN: "This mail was written by {hub}, {url}.",
    Language.ZH_HANS: "此邮件由 {hub}（{url}）自动发送。",
}
CHOICE = {
    Language.EN: " Which notices come by mail is yours to choose: `lilong notices preferences`.",
    Language.ZH_HANS: "可用 `lilong notices preferences` 选择哪些通知通过邮件发送。",
}
LEFT = {Language.EN: "A former member", Language.ZH_HANS: "一位已离开的成员"}


def word_letter(*, notice: Notice, language: Language) -> Wording:
    """Return a notice in words; of a kind that this hub no longer knows, its code."""
    kind = load_kinds().get(notice.kind)
    if kind is None:
        return Wording(title=notice.kind, text=notice.subject_id)
    return word_notice(kind=kind, subject_id=notice.subject_id, params=notice.params, language=language)


def word_mail(*, mail: Mail, language: Language) -> Wording:
    """Return subject and body of a mail. Two queries."""
    letters = list(Letter.objects.filter(mail=mail).select_related("notice").order_by("id")[: LINES_A_DIGEST + 1])
    count = Letter.objects.filter(mail=mail).count()
    worded = [word_letter(notice=letter.notice, language=language) for letter in letters[:LINES_A_DIGEST]]
    hub, url = settings.LILONG.hub_name, settings.LILONG.public_url
    foot = SENDER[language].format(hub=hub, url=url) + CHOICE[language]
    title = worded[0].title if count == 1 else DIGEST_TITLE[language].format(count=count, title=worded[0].title)
    lines = _list_lines(worded, letters, language)
    if count > LINES_A_DIGEST:
        lines.append(MORE[language].format(count=count - LINES_A_DIGEST))
    return Wording(title=_head(title), text="\n\n".join([*lines, f"-- \n{foot}\n"]))


def word_invitation(*, kind: str, revealed: RevealedInvitation) -> Wording:
    """Return subject and body of an invitation's mail, in the invitation's language; the body holds its secret.

    One query.
    """
    invitation, language = revealed.invitation, revealed.invitation.language
    hub, url = settings.LILONG.hub_name, settings.LILONG.public_url
    people = list_people(organisation_id=invitation.organisation_id, person_ids=[invitation.invited_by])
    with override(language.value):
        role = pgettext("role", invitation.role.value)
    params = {
        "inviter": people[0].name if people else LEFT[language],
        "organisation": invitation.organisation_name,
        "hub": hub,
        "role": role,
        "url": format_link(hub_url=url, secret=revealed.secret),
        "expires_at": format_moment(invitation.expires_at),
    }
    wording = word_notice(kind=get_kind(code=kind), subject_id=invitation.id, params=params, language=language)
    foot = SENDER[language].format(hub=hub, url=url)
    return Wording(title=_head(wording.title), text=f"{wording.text}\n\n-- \n{foot}\n")


def render_body(*, notice: Notice) -> bytes:
    """Return what is sent to webhooks: type, timestamp and data, as Standard Webhooks advises; equal at every try."""
    return canonical_json(
        {
            "type": notice.kind,
            "timestamp": format_moment(notice.posted_at),
            "data": {
                "notice_id": notice.id,
                "organisation_id": notice.organisation_id,
                "subject_id": notice.subject_id,
                **notice.params,
            },
        }
    )


def _head(title: str) -> str:
    """Return a subject, in one line whatever names it holds."""
    return " ".join(f"[{settings.LILONG.hub_name}] {title}".split())


def _list_lines(worded: Sequence[Wording], letters: Sequence[Letter], language: Language) -> list[str]:
    return [
        f"{each.text}\n{ABOUT[language]}: {letter.subject_id}" for each, letter in zip(worded, letters, strict=False)
    ]
