"""The mail of an invitation: from the event to a real mail server, whatever happens on the way."""

import json
import re
from datetime import timedelta

import pytest
from django.apps import apps
from django.db import transaction
from django.db.models import QuerySet

from lilong.common.errors import NotFound
from lilong.common.permissions import Role
from lilong.foundation.members.core.invitations import LIFE
from lilong.foundation.members.models import Membership
from lilong.foundation.members.public.invitations import accept_invitation
from lilong.foundation.members.public.people import Language, confirm_email, erase_person
from lilong.foundation.members.services.invitations import invite_member, send_invitation_again, withdraw_invitation
from lilong.foundation.members.services.organisations import insert_person
from lilong.foundation.notices.models import DEAD, DROPPED, SENT, Letter, Mail
from lilong.foundation.notices.queries.inbox import MailState, get_preferences, list_mails
from lilong.foundation.notices.reactions import send_mails, write_mails
from lilong.foundation.notices.services import mails
from lilong.foundation.notices.services.inbox import MailWish, choose_mail
from lilong.foundation.notices.services.mails import retry_mail
from lilong.foundation.notices.services.webhooks import WebhookInvalid, register_webhook
from lilong.foundation.outbox.models import WaitingEvent
from lilong.foundation.outbox.public import deliver
from lilong.web.wiring import SUBSCRIBERS
from tests.people import NOW, found_operator, found_owner

pytestmark = pytest.mark.django_db(transaction=True)
MINUTE = timedelta(minutes=1)


def invite(owner, email="bo@example.org", *, language=Language.EN, role=Role.MEMBER, now=NOW):
    return invite_member(actor=owner, email=email, role=role, language=language, now=now)


def hear(*, now=NOW):
    """Hand the events to those who listen."""
    while deliver(now=now, subscribers=SUBSCRIBERS):
        pass


def read_links(server):
    link = re.compile(r"^https?://\S+/invitation\?secret=(\S+)", re.MULTILINE)
    return [link.findall(mail.get_content()) for mail in server.read()]


def read_texts():
    """Return all that stands in the tables, as text."""
    return json.dumps([list(QuerySet(model).values()) for model in apps.get_models()], default=str)


def test_who_is_invited_gets_a_mail_with_the_link_in_the_language_chosen(server):
    owner = found_owner()
    made, other = invite(owner, role=Role.BILLING), invite(owner, "al@example.org", language=Language.ZH_HANS)
    hear()

    assert send_mails(now=NOW) == 2
    english, chinese = server.read()
    assert (english["X-Rcpt"], chinese["X-Rcpt"]) == ("bo@example.org", "al@example.org")
    assert re.fullmatch(r"\[Lilong\] Owner \d+ invites you to Organisation \d+", english["Subject"])
    assert "Your role there would be: billing." in english.get_content()
    assert "2026-03-15 12:00 UTC" in english.get_content()
    assert re.fullmatch(r"\[Lilong\] Owner \d+ 邀请您加入 Organisation \d+", chinese["Subject"].strip())
    assert "您在其中的角色为：成员" in chinese.get_content()
    assert (english["Content-Language"], chinese["Content-Language"]) == ("en", "zh-hans")
    assert read_links(server) == [[made.secret], [other.secret]]
    assert not Letter.objects.exists()


def test_the_secret_stands_in_the_mail_alone(server, caplog):
    made = invite(found_owner())
    hear()
    assert made.secret not in read_texts()
    send_mails(now=NOW)

    assert read_links(server) == [[made.secret]]
    assert made.secret not in read_texts()
    assert "bo@example.org" not in json.dumps(list(Mail.objects.values()), default=str)
    assert made.secret not in caplog.text


def test_an_event_that_is_delivered_twice_and_the_reconciler_make_one_mail(server):
    made = invite(found_owner())
    event = WaitingEvent.objects.get(name="members.invitation_made").payload
    (on_invitation_made,) = SUBSCRIBERS["members.invitation_made"]
    for _ in range(2):
        on_invitation_made(event, now=NOW)
    write_mails(now=NOW)

    assert [send_mails(now=NOW), send_mails(now=NOW + MINUTE)] == [1, 0]
    assert read_links(server) == [[made.secret]]


def test_an_event_that_was_lost_is_made_up_for(server):
    made = invite(found_owner())
    with transaction.atomic():
        WaitingEvent.objects.all().delete()
    write_mails(now=NOW + MINUTE)

    assert send_mails(now=NOW + MINUTE) == 1
    assert read_links(server) == [[made.secret]]
    write_mails(now=NOW + MINUTE)
    assert Mail.objects.count() == 1


def test_a_worker_killed_after_the_server_took_the_mail_repeats_it_under_the_same_id(server, monkeypatch):
    invite(found_owner())
    hear()

    class Killed(BaseException):
        pass

    def die(*_, **__):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(mails, "_note", die)
        with pytest.raises(Killed):
            send_mails(now=NOW)
    assert send_mails(now=NOW + timedelta(seconds=mails.CLAIM_S)) == 1

    first, second = server.read()
    assert first["Message-ID"] == second["Message-ID"]
    assert first.get_content() == second.get_content()
    assert Mail.objects.get().state == SENT


def expire(_owner, _made):
    return NOW + LIFE


def withdraw(owner, made):
    withdraw_invitation(actor=owner, invitation_id=made.id, now=NOW)
    return NOW


def accept(_owner, made):
    person_id = insert_person(email=made.email, name="Bo", now=NOW).id
    confirm_email(person_id=person_id, email=made.email, now=NOW)
    accept_invitation(person_id=person_id, secret=made.secret, now=NOW)
    return NOW


def erase(_owner, made):
    person_id = insert_person(email=made.email, name="Bo", now=NOW).id
    erase_person(person_id=person_id, now=NOW)
    return NOW


@pytest.mark.parametrize("end", [expire, withdraw, accept, erase])
def test_an_invitation_that_is_over_is_not_mailed_any_more(server, end):
    owner = found_owner()
    made = invite(owner)
    hear()
    now = end(owner, made)

    assert send_mails(now=now) == 0
    assert not server.read()
    mail = Mail.objects.get()
    assert mail.state == DROPPED
    assert "The invitation is over" in mail.last_error
    write_mails(now=now)
    assert send_mails(now=now + MINUTE) == 0


def test_sent_again_the_newest_link_alone_goes_out(server, settings):
    owner = found_owner()
    made = invite(owner)
    hear()
    settings.EMAIL_PORT = 9
    assert send_mails(now=NOW) == 0
    again = send_invitation_again(actor=owner, invitation_id=made.id, now=NOW + MINUTE)
    hear(now=NOW + MINUTE)
    settings.EMAIL_PORT = server.port

    assert send_mails(now=NOW + MINUTE) == 1
    assert read_links(server) == [[again.secret]]
    assert sorted(Mail.objects.values_list("state", "generation")) == [(DROPPED, 1), (SENT, 2)]


def test_an_address_refused_for_good_is_shown_to_operators_who_may_retry_while_it_is_open(server):
    operator = found_operator()
    invite(found_owner(), "nobody@example.org")
    hear()
    assert send_mails(now=NOW) == 0
    (dead,) = list_mails(actor=operator, state=MailState.DEAD, cursor=None, limit=5).items
    assert (dead.person_id, dead.kind) == ("", "notices.invitation")
    assert "550" in dead.last_error

    retry_mail(actor=operator, mail_id=dead.id, now=NOW + LIFE)
    send_mails(now=NOW + LIFE)
    assert Mail.objects.get().state == DROPPED


def test_a_server_that_quotes_the_link_in_its_refusal_leaves_no_secret_here(server, caplog):
    made = invite(found_owner(), "quoting@example.org")
    hear()
    send_mails(now=NOW)

    mail = Mail.objects.get()
    assert mail.state == DEAD
    assert "554" in mail.last_error
    assert "/invitation?secret=…" in mail.last_error
    assert made.secret not in read_texts() + caplog.text


def test_without_the_inviter_the_mail_still_says_who_invites(server):
    owner = found_owner()
    invite(owner)
    with transaction.atomic():
        Membership.objects.filter(person_id=owner.person_id).update(left_at=NOW)
    hear()
    send_mails(now=NOW)

    assert "A former member invites you" in server.read()[0]["Subject"]


def test_nobody_chooses_about_invitations_and_no_program_is_told():
    owner = found_owner()
    assert "notices.invitation" not in {kind.kind for kind in get_preferences(actor=owner).kinds}
    with pytest.raises(NotFound):
        choose_mail(actor=owner, kind="notices.invitation", wanted=MailWish.NO)
    with pytest.raises(WebhookInvalid):
        register_webhook(actor=owner, url="https://example.org/", kinds=["notices.invitation"], now=NOW)
