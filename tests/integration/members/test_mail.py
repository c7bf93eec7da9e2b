"""Mails wait in the database until a mail server takes them."""

from datetime import timedelta

import pytest
from django.core import mail
from django.db import transaction

from lilong.foundation.members.core.mails import KEPT_FOR, REFUSALS_KEPT_FOR
from lilong.foundation.members.models import Mail, RefusedMail
from lilong.foundation.members.reactions import prune, reconcile
from lilong.foundation.members.services.mail import _end, queue_mail, send_due_mails
from tests.people import NOW
from tests.smtp_peer import running_mail_server

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def no_server(settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9


def write(*, at=NOW):
    queue_mail(to="ada@example.org", subject="Your code", text="BCDF-GHJK", now=at)


def test_a_mail_is_sent_once_and_forgotten():
    write()
    reconcile(now=NOW)
    reconcile(now=NOW)

    assert [(each.to, each.subject, each.body) for each in mail.outbox] == [
        (["ada@example.org"], "Your code", "BCDF-GHJK")
    ]
    assert not Mail.objects.exists()


def test_a_mail_of_a_transaction_that_fails_is_never_sent():
    with transaction.atomic():
        write()
        transaction.set_rollback(True)
    send_due_mails(now=NOW)

    assert mail.outbox == []


def test_what_a_mail_says_is_sealed_while_it_waits():
    write()

    assert "BCDF" not in Mail.objects.get().sealed
    assert "ada" not in Mail.objects.get().sealed


def test_a_mail_that_no_server_takes_waits_longer_each_time(no_server):
    write()
    pauses = []
    for _ in range(3):
        at = Mail.objects.get().due_at
        send_due_mails(now=at)
        pauses.append((Mail.objects.get().due_at - at).total_seconds())

    assert pauses == [120, 240, 360]


def test_a_mail_is_given_up_after_a_day(no_server):
    write()
    send_due_mails(now=NOW + KEPT_FOR + timedelta(seconds=1))

    assert not Mail.objects.exists()


def test_a_mail_that_a_killed_worker_had_taken_is_sent_by_the_next(settings, no_server):
    write()
    send_due_mails(now=NOW)
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    send_due_mails(now=NOW + timedelta(seconds=60))
    assert mail.outbox == []

    send_due_mails(now=NOW + timedelta(seconds=120))
    assert len(mail.outbox) == 1


@pytest.fixture
def server(settings, tmp_path):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    with running_mail_server(tmp_path / "mail") as running:
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", running.port
        yield running


def test_a_server_that_quotes_a_code_in_its_refusal_leaves_none_in_the_log_and_none_is_kept(server, caplog):
    text = "Sign in:\nhttps://hub.example/account/?code=BCDF-GHJK\n"
    for name in ("quoting", "nobody.ada"):
        queue_mail(to=f"{name}@example.org", subject="Your code", text=text, now=NOW)
    send_due_mails(now=NOW)

    assert "SMTPDataError: 554 5.7.1" in caplog.text
    assert "SMTPRecipientsRefused: 550 5.1.1" in caplog.text
    assert "BCDF" not in caplog.text
    assert "ada" not in caplog.text
    kept = set(RefusedMail.objects.values_list("answer", flat=True))
    assert kept == {"554 5.7.1", "550 5.1.1 <…@example.org>: No such person"}


def test_a_mail_refused_for_good_is_given_up_at_once_and_one_refused_for_now_waits(server):
    for name in ("nobody", "later", "ada"):
        queue_mail(to=f"{name}@example.org", subject="Your code", text="BCDF-GHJK", now=NOW)
    send_due_mails(now=NOW)
    send_due_mails(now=NOW + KEPT_FOR / 2)

    (refused,) = RefusedMail.objects.all()
    assert (refused.written_at, refused.refused_at, refused.tries) == (NOW, NOW, 1)
    (waiting,) = Mail.objects.all()
    assert waiting.tries == 2
    assert [each["X-Rcpt"] for each in server.read()] == ["ada@example.org"]
    send_due_mails(now=NOW + KEPT_FOR + timedelta(seconds=1))
    assert (Mail.objects.exists(), RefusedMail.objects.count()) == (False, 1)


def test_a_server_that_refuses_the_hub_itself_refuses_no_mail_for_good(server, settings):
    settings.DEFAULT_FROM_EMAIL = "nobody@hub.example"
    queue_mail(to="ada@example.org", subject="Your code", text="BCDF-GHJK", now=NOW)
    send_due_mails(now=NOW)

    assert Mail.objects.get().tries == 1
    assert not RefusedMail.objects.exists()


def test_of_two_workers_that_hold_a_refused_mail_one_notes_it(server):
    queue_mail(to="nobody@example.org", subject="Your code", text="BCDF-GHJK", now=NOW)
    (mine,) = Mail.objects.all()
    for _ in range(2):
        _end(mine, refusal="550 no", now=NOW)

    assert RefusedMail.objects.count() == 1


def test_answers_to_refused_mails_are_kept_for_a_month(server):
    queue_mail(to="nobody@example.org", subject="Your code", text="BCDF-GHJK", now=NOW)
    send_due_mails(now=NOW)
    prune(now=NOW + REFUSALS_KEPT_FOR - timedelta(seconds=1))
    assert RefusedMail.objects.exists()

    prune(now=NOW + REFUSALS_KEPT_FOR)
    assert not RefusedMail.objects.exists()


def test_a_server_that_does_not_answer_is_named_in_the_log(no_server, caplog):
    write()
    send_due_mails(now=NOW)

    assert "ConnectionRefusedError: " in caplog.text
