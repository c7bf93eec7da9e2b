"""Mail about notices, through a real mail server in a process of its own."""

from datetime import timedelta

import pytest
from django.db import transaction

from lilong.common.errors import NotAllowed
from lilong.common.permissions import Role
from lilong.foundation.members.models import Membership, Person
from lilong.foundation.members.public.people import Language, set_language
from lilong.foundation.notices.models import DEAD, DROPPED, SENT, WAITING, Letter, Mail, Notice
from lilong.foundation.notices.public import post_notice
from lilong.foundation.notices.queries.inbox import MailState, list_mails
from lilong.foundation.notices.reactions import reconcile, send_mails
from lilong.foundation.notices.services import mails
from lilong.foundation.notices.services.inbox import MailWish, choose_mail
from lilong.foundation.notices.services.mails import MailMissing, retry_mail, write_mails
from tests.people import NOW, found_operator, found_owner, join

pytestmark = pytest.mark.django_db(transaction=True)
HOUR = timedelta(hours=1)


def post(owner, *, kind="runs.run_failed", number=0, person_ids=(), now=NOW, **params):
    words = {"name": "train", "state": "failed", "reason": "exit_nonzero", "detail": "Exit code 1."}
    with transaction.atomic():
        post_notice(
            kind=kind,
            subject_id=f"run_{number}",
            organisation_id=owner.organisation_id,
            person_ids=person_ids,
            params=words | params,
            now=now,
        )


def address_of(actor):
    return Person.objects.get(id=actor.person_id).email


def rename(actor, email):
    with transaction.atomic():
        Person.objects.filter(id=actor.person_id).update(email=email)


def test_a_notice_is_mailed_to_whom_it_concerns_in_the_language_chosen(server):
    owner = found_owner()
    set_language(actor=owner, language=Language.ZH_HANS)
    post(owner)

    reconcile(now=NOW)
    assert send_mails(now=NOW) == 1

    (mail,) = server.read()
    assert mail["X-Rcpt"] == address_of(owner)
    assert mail["Subject"] == "[Lilong] 运行未成功"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert "train 已结束" in mail.get_content()
    assert send_mails(now=NOW + HOUR) == 0


def test_a_thousand_failed_runs_are_three_mails_and_one_digest(server):
    owner = found_owner()
    for number in range(1000):
        post(owner, number=number)
    for _ in range(5):
        reconcile(now=NOW)
    assert Letter.objects.count() == 1000
    assert send_mails(now=NOW) == 3
    reconcile(now=NOW + timedelta(minutes=59))
    assert send_mails(now=NOW + timedelta(minutes=59)) == 0

    reconcile(now=NOW + HOUR)
    assert send_mails(now=NOW + HOUR) == 1

    digest = server.read()[-1]
    assert digest["Subject"] == "[Lilong] 997 × A run did not succeed"
    assert "… and 947 more." in digest.get_content()
    assert len(server.read()) == 4


def test_a_mail_sent_again_after_a_kill_bears_the_same_message_id(server, monkeypatch):
    """The worker dies when the server has the mail and the hub has not noted it."""
    post(found_owner())
    reconcile(now=NOW)

    class Killed(BaseException):
        pass

    def die(*_, **__):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(mails, "_note", die)
        with pytest.raises(Killed):
            send_mails(now=NOW)
    assert send_mails(now=NOW + timedelta(seconds=60)) == 0, "the claim of the dead worker still holds"
    assert send_mails(now=NOW + timedelta(seconds=mails.CLAIM_S)) == 1

    first, second = server.read()
    assert first["Message-ID"] == second["Message-ID"]
    assert Mail.objects.get().state == SENT


def test_a_recipient_refused_for_good_is_shown_to_operators_who_may_retry(server):
    owner, operator = found_owner(), found_operator()
    email = address_of(owner)
    rename(owner, "nobody@example.org")
    post(owner)
    reconcile(now=NOW)

    assert send_mails(now=NOW) == 0
    (dead,) = list_mails(actor=operator, state=MailState.DEAD, cursor=None, limit=5).items
    assert "550" in dead.last_error
    rename(owner, email)
    retry_mail(actor=operator, mail_id=dead.id, now=NOW)
    assert send_mails(now=NOW) == 1
    with pytest.raises(MailMissing):
        retry_mail(actor=operator, mail_id=dead.id, now=NOW)
    with pytest.raises(NotAllowed):
        list_mails(actor=owner, state=MailState.DEAD, cursor=None, limit=5)
    with pytest.raises(NotAllowed):
        retry_mail(actor=owner, mail_id=dead.id, now=NOW)


def test_a_recipient_refused_for_now_is_tried_again_and_holds_up_nobody(server):
    late, other = found_owner(), found_owner()
    rename(late, "later@example.org")
    post(late)
    post(other)
    reconcile(now=NOW)

    assert send_mails(now=NOW) == 1
    waiting = Mail.objects.get(state=WAITING)
    assert (waiting.attempts, waiting.next_at) == (1, NOW + timedelta(seconds=10))
    moment = NOW
    while Mail.objects.filter(state=WAITING).exists():
        moment = Mail.objects.get(state=WAITING).next_at
        send_mails(now=moment)
    assert Mail.objects.get(id=waiting.id).state == DEAD
    assert moment - NOW > timedelta(days=1)


@pytest.mark.parametrize("email", ["a\r\nBcc: b@example.org", "ü" * 70 + "@example.org", ",@example.org"])
def test_an_address_that_no_header_can_hold_is_given_up_and_holds_up_nobody(server, email):
    odd, other = found_owner(), found_owner()
    rename(odd, email)
    post(odd)
    post(other)
    reconcile(now=NOW)

    send_mails(now=NOW)
    assert [mail["X-Rcpt"] for mail in server.read() if mail["X-Rcpt"] == address_of(other)]
    assert not [mail for mail in server.read() if mail["Bcc"]]


def test_a_mail_server_that_is_down_costs_one_try_and_no_mail(server, settings):
    owner = found_owner()
    for number in range(3):
        post(owner, number=number)
    reconcile(now=NOW)
    settings.EMAIL_PORT = 9
    assert send_mails(now=NOW) == 0
    assert set(Mail.objects.values_list("state", "attempts")) == {(WAITING, 1)}

    settings.EMAIL_PORT = server.port
    assert send_mails(now=NOW + timedelta(seconds=10)) == 3


def test_whoever_has_left_gets_no_more_mail(server):
    owner = found_owner()
    member = join(owner, Role.MEMBER)
    post(owner, person_ids=[member.person_id])
    reconcile(now=NOW)
    with transaction.atomic():
        Membership.objects.filter(person_id=member.person_id).update(left_at=NOW)

    assert send_mails(now=NOW) == 0
    assert Mail.objects.get().state == DROPPED
    assert not server.read()


def test_who_wants_no_mail_of_a_kind_still_finds_it_in_the_hub(server):
    owner = found_owner()
    choose_mail(actor=owner, kind="runs.run_failed", wanted=MailWish.NO)
    post(owner)
    reconcile(now=NOW)

    assert send_mails(now=NOW) == 0
    assert Letter.objects.get().person_id == owner.person_id


def test_mail_of_a_kind_that_sends_none_by_itself_comes_as_a_digest_when_wanted(server):
    owner = found_owner()
    choose_mail(actor=owner, kind="supermarket.order_settled", wanted=MailWish.YES)
    post(owner, kind="supermarket.order_settled", amount_uc=5)
    reconcile(now=NOW)
    assert send_mails(now=NOW) == 0
    reconcile(now=NOW + HOUR)

    assert send_mails(now=NOW + HOUR) == 1
    assert len(server.read()) == 1


def test_mail_of_a_kind_that_a_newer_hub_had_is_left_alone(server):
    owner = found_owner()
    post(owner)
    reconcile(now=NOW)
    with transaction.atomic():
        Notice.objects.update(kind="gone.kind")
        Letter.objects.update(kind="gone.kind", mail=None)

    assert write_mails(now=NOW) == 0
