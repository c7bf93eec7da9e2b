"""The operators' page of what did not arrive: mails, and why; webhooks, and whose; what only waits for minutes."""

import re
from datetime import timedelta
from html import unescape

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from lilong.common.ids import new_id
from lilong.common.permissions import Role
from lilong.common.time import utc_now
from lilong.foundation.members.core.mails import KEPT_FOR
from lilong.foundation.members.models import Mail as SignInMail
from lilong.foundation.members.models import RefusedMail
from lilong.foundation.members.public.mails import measure_mails
from lilong.foundation.members.services.invitations import invite_member
from lilong.foundation.members.services.mail import queue_mail
from lilong.foundation.notices.models import DEAD, SENT, WAITING, DeliveryTry, Mail, Webhook, WebhookDelivery
from lilong.foundation.notices.pages.desk import MAILS_SHOWN, REFUSED_SHOWN, WEBHOOKS_SHOWN
from lilong.foundation.notices.queries.inbox import MailState, list_mails
from lilong.foundation.notices.services.invitations import INVITATION, write_invitation_mails
from lilong.web.desks import read_desk
from tests.desks import browse_as
from tests.people import found_operator, found_owner, join

pytestmark = pytest.mark.django_db(transaction=True)

PAGE = "/desk/undelivered"
QUERIES_MAX = 12
HOUR = timedelta(hours=1)


@pytest.fixture
def operator(transactional_db):
    return found_operator(now=utc_now())


def read(answer):
    return " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode()).split())


def write_mail(owner, *, state=DEAD, age=timedelta(), **more):
    now = utc_now()
    with transaction.atomic():
        return Mail.objects.create(
            id=new_id("mal"),
            person_id=owner.person_id,
            organisation_id=owner.organisation_id,
            kind="runs.run_failed",
            hour=now,
            is_digest=False,
            written_at=now - age,
            next_at=now + HOUR,
            state=state,
            **more,
        )


def register(owner, *, number=0, **more):
    now = utc_now()
    with transaction.atomic():
        return Webhook.objects.create(
            id=new_id("whk"),
            organisation_id=owner.organisation_id,
            url=f"https://hooks-{number}.example.org/of/hush-hush",
            kinds=["runs.run_failed"],
            created_at=now,
            **{"failing_since": now - HOUR} | more,
        )


def find_older(answer):
    return [unescape(each) for each in re.findall(r'href="(\?[^"]*)" rel="next"', answer.content.decode())]


def test_a_hub_that_delivers_everything_says_so(operator):
    write_mail(operator, state=SENT, age=2 * HOUR)
    write_mail(operator, state=WAITING)
    register(operator, failing_since=None)
    register(operator, deleted_at=utc_now())
    SignInMail.objects.all().delete()

    page = read(browse_as(operator).get(PAGE))
    assert "Everything was delivered." in page
    assert "Try again" not in page


def test_mails_given_up_or_late_are_shown_with_whose_and_why(filled):
    page = read(browse_as(filled.operator).get(PAGE))

    for said in ("A run did not succeed", "mal_1", "Given up", "1 try", "mal_2", "Waiting", "6 tries"):
        assert said in page, said
    assert "Connection refused" in page


def test_no_address_of_a_person_is_shown_but_its_server(filled):
    answer = browse_as(filled.operator).get(PAGE)
    listed = list_mails(actor=filled.operator, state=MailState.DEAD, cursor=None, limit=10).items

    assert "buyer@" not in answer.content.decode()
    said = "<…@example.org>: Recipient address rejected: mailbox is full"
    assert said in unescape(read(answer))
    assert [said in mail.last_error for mail in listed] == [True]


def test_a_mail_given_up_is_sent_again_once(filled):
    browser = browse_as(filled.operator)
    action = f"{PAGE}/mails/mal_1/retry"
    assert browser.post(action, {}, page=PAGE)["Location"] == PAGE

    mail = Mail.objects.get(id="mal_1")
    assert (mail.state, mail.attempts, mail.next_at <= utc_now()) == (WAITING, 0, True)
    page = browser.get(PAGE)
    assert "It is sent again within seconds." in read(page)
    assert action not in page.content.decode()
    again = browser.post(action, {}, page="/account/")
    assert (again.status_code, "There is no such undelivered mail" in read(again)) == (404, True)


def test_what_waits_can_only_wait(filled):
    browser = browse_as(filled.operator)

    assert "mal_2/retry" not in browser.get(PAGE).content.decode()
    assert browser.post(f"{PAGE}/mails/mal_2/retry", {}, page=PAGE).status_code == 404
    assert Mail.objects.get(id="mal_2").attempts == 6


def test_a_form_from_elsewhere_and_other_people_send_nothing_again(filled):
    action = f"{PAGE}/mails/mal_1/retry"
    assert browse_as(filled.operator).client.post(action).status_code == 403
    for actor in (filled.buyer, join(filled.buyer, Role.ADMIN)):
        assert browse_as(actor).get(PAGE).status_code == 403
        assert browse_as(actor).post(action, {}, page="/account/").status_code == 403

    assert Mail.objects.get(id="mal_1").state == DEAD


def test_an_invitation_names_who_invites_and_nobody_invited(operator):
    owner, now = found_owner(), utc_now()
    invitation = invite_member(actor=owner, email="guest@example.org", role=Role.VIEWER, now=now)
    write_invitation_mails(sendings={invitation.id: 1}, now=now)
    with transaction.atomic():
        Mail.objects.filter(kind=INVITATION).update(state=DEAD, last_error="550 <guest@example.org> unknown")

    answer = browse_as(operator).get(PAGE)
    assert f'href="/desk/organisations/{owner.organisation_id}"' in answer.content.decode()
    assert "to somebody invited" in read(answer)
    assert "guest@" not in read(answer)


def test_webhooks_that_fail_or_are_off_are_shown_by_host_with_what_to_do(filled):
    page = read(browse_as(filled.operator).get(PAGE))

    failing, off = page.index("hooks-1.example.org"), page.index("hooks-2.example.org")
    assert off < failing, "the newest is first"
    assert "It did not answer within 15 seconds." in page[off:failing]
    assert "Switched off since" in page[off:failing]
    assert "503 It answered with an error." in page[failing:]
    assert "Failing since 3 hours ago" in unescape(page[failing:])
    assert "hush-hush" not in page


def test_of_many_tries_the_last_since_it_fails_is_shown(filled):
    at, delivery = utc_now(), WebhookDelivery.objects.get(id="msg_1")
    tries = [("try_0", at - timedelta(days=9), 200), ("try_3", at, 502)]
    with transaction.atomic():
        for try_id, moment, status in tries:
            DeliveryTry.objects.create(id=try_id, delivery=delivery, at=moment, status=status, milliseconds=1)

    page = read(browse_as(filled.operator).get(PAGE))
    assert "502" in page
    assert "503" not in page


def test_mails_of_signing_in_are_counted_with_how_long_they_are_tried(operator):
    now = utc_now().replace(microsecond=0)
    SignInMail.objects.all().delete()
    assert measure_mails().tried_until is None
    for age in (3 * HOUR, HOUR):
        queue_mail(to="ada@example.org", subject="Code", text="123456", now=now - age)

    found = measure_mails()
    assert (found.waiting, found.oldest_at, found.tried_until) == (2, now - 3 * HOUR, now - HOUR + KEPT_FOR)
    page = read(browse_as(operator).get(PAGE))
    assert "2 mails" in page
    assert "ada@" not in page


def refuse_mail(*, number, age=timedelta()):
    at = utc_now() - age
    with transaction.atomic():
        return RefusedMail.objects.create(
            id=f"mail_{number:03}", written_at=at, refused_at=at, tries=1, answer=f"550 5.1.{number} no"
        )


def find_panel(operator, *, now=None):
    (panel,) = [each for each in read_desk(actor=operator, now=now or utc_now()) if each.name == "undelivered"]
    return panel


def test_mails_of_signing_in_that_were_refused_stand_there_with_what_the_server_said(filled):
    page = read(browse_as(filled.operator).get(PAGE))

    assert "Mails of signing in, refused" in page
    assert "550 5.1.1 &lt;…@example.org&gt;: Recipient address rejected: there is no such mailbox" in page


def test_the_desk_counts_what_does_not_arrive_by_reason_and_since_when(operator):
    owner, now = found_owner(), utc_now()
    SignInMail.objects.all().delete()
    for age in (HOUR, 2 * HOUR):
        write_mail(owner, state=DEAD, age=age)
        write_mail(owner, state=WAITING, age=age + timedelta(minutes=1))
        queue_mail(to="ada@example.org", subject="Code", text="123456", now=now - age)
        refuse_mail(number=int(age / HOUR), age=age)
    write_mail(owner, state=DEAD, age=timedelta(days=8))
    write_mail(owner, state=WAITING, age=HOUR / 2)
    write_mail(owner, state=SENT, age=HOUR)
    queue_mail(to="ada@example.org", subject="Code", text="123456", now=now - timedelta(minutes=1))
    refuse_mail(number=3, age=timedelta(days=1, minutes=1))

    with CaptureQueriesContext(connection) as queries:
        panel = find_panel(operator)
    assert [str(item.text) for item in panel.items] == [
        "2 mails of signing in wait",
        "2 mails of notices wait",
        "2 mails of notices were given up",
        "2 mails of signing in were refused",
    ]
    assert {round((now - item.at) / HOUR) for item in panel.items} == {2}
    assert panel.count == 8
    assert sum("notices_mail" in each["sql"] for each in queries) == 1
    page = read(browse_as(operator).get("/desk"))
    assert "Mails that do not arrive 8" in page
    assert "mend its cause" in page


def test_a_hub_that_delivers_everything_has_nothing_on_its_desk(operator):
    SignInMail.objects.all().delete()
    write_mail(operator, state=SENT, age=2 * HOUR)

    assert find_panel(operator).items == []
    assert "Mail servers take what the hub sends." in read(browse_as(operator).get("/desk"))


def test_long_lists_are_paged_each_by_itself_within_twelve_queries(operator):
    owners = [found_owner() for _ in range(3)]
    mails = sorted(write_mail(owners[number % 3]).id for number in range(MAILS_SHOWN + 2))
    hooks = sorted(register(owners[number % 3], number=number).id for number in range(WEBHOOKS_SHOWN + 1))
    refused = [refuse_mail(number=number).id for number in range(REFUSED_SHOWN + 1)]
    browser = browse_as(operator)
    with CaptureQueriesContext(connection) as queries:
        first = browser.get(PAGE)
    assert len(queries) <= QUERIES_MAX
    of_refused, of_mails, of_hooks = find_older(first)

    second = browser.get(PAGE + of_mails).content.decode()
    assert [each for each in mails if each in second] == mails[:2]
    assert hooks[-1] in second
    assert hooks[0] not in second
    oldest = browser.get(PAGE + of_refused).content.decode()
    assert [each for each in refused if each in oldest] == refused[:1]
    older = browser.get(PAGE + of_hooks).content.decode()
    assert [each for each in hooks if each in older] == hooks[:1]
    assert mails[-1] in older
