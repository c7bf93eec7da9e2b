"""Webhooks: signed deliveries to a real HTTPS server, tried again, given up, switched off, sent again."""

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction

from lilong.common.errors import NotAllowed
from lilong.common.permissions import Role
from lilong.common.time import utc_now
from lilong.foundation.notices.models import Letter, Webhook, WebhookDelivery
from lilong.foundation.notices.public import post_notice
from lilong.foundation.notices.queries.webhooks import WebhookMissing, get_webhook, list_deliveries, list_webhooks
from lilong.foundation.notices.reactions import reconcile
from lilong.foundation.notices.services.deliveries import deliver_webhooks
from lilong.foundation.notices.services.inbox import MailWish, SecurityNoticeStays, choose_mail
from lilong.foundation.notices.services.webhooks import (
    WEBHOOKS_MAX,
    WebhookInvalid,
    WebhookOff,
    WebhooksFull,
    delete_webhook,
    enable_webhook,
    register_webhook,
    rotate_secret,
    send_again,
)
from tests.https_peer import answer_with
from tests.people import found_owner, join

pytestmark = pytest.mark.django_db(transaction=True)
KIND = "runs.run_failed"
HOW_TO = Path(__file__).resolve().parents[3] / "docs" / "how-to" / "webhooks.md"


@pytest.fixture(autouse=True)
def allow_loopback(settings):
    settings.LILONG = settings.LILONG.model_copy(update={"webhook_networks_allowed": ("127.0.0.0/8",)})


@pytest.fixture
def is_genuine():
    """Return the receiver's check of the how-to, as a reader would copy it."""
    (code,) = re.findall(r"```python\n(.*?)```", HOW_TO.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102 - the example of our own documentation
    return names["is_genuine"]


def resolve_here(*, host, port):
    return ["127.0.0.1"]


def deliver(now):
    return deliver_webhooks(now=now, resolve=resolve_here)


def post(owner, *, number=0, now):
    with transaction.atomic():
        post_notice(
            kind=KIND,
            subject_id=f"run_{number}",
            organisation_id=owner.organisation_id,
            params={"name": "train", "amount_uc": 5},
            now=now,
        )
    reconcile(now=now)


def list_all(owner, webhook_id):
    return list_deliveries(actor=owner, webhook_id=webhook_id, cursor=None, limit=50).items


def test_a_notice_arrives_once_and_passes_the_check_of_the_how_to(peer, is_genuine):
    owner, now = found_owner(), utc_now()
    made = register_webhook(actor=owner, url=peer.url, kinds=[KIND], now=now)
    post(owner, now=now)

    assert deliver(now) == 1
    assert deliver(now + timedelta(days=1)) == 0

    ((headers, body),) = peer.received
    low = {name.lower(): value for name, value in headers.items()}
    assert is_genuine(made.secret, low, body)
    assert not is_genuine(made.secret, low, body + b" ")
    assert not is_genuine("whsec_" + "A" * 43 + "=", low, body)
    assert not is_genuine(made.secret, low | {"webhook-timestamp": "1"}, body)
    told = json.loads(body)
    assert told["type"] == KIND
    assert told["data"]["subject_id"] == "run_0"
    assert told["data"]["amount_uc"] == 5
    (shown,) = list_all(owner, made.webhook_id)
    assert (shown.id, shown.tries[0].status) == (low["webhook-id"], 204)


def test_while_a_secret_is_rotated_both_sign_for_a_day(peer, is_genuine):
    owner, now = found_owner(), utc_now()
    old = register_webhook(actor=owner, url=peer.url, kinds=[KIND], now=now - timedelta(days=2))
    new = rotate_secret(actor=owner, webhook_id=old.webhook_id, now=now)
    post(owner, now=now)
    deliver(now)
    post(owner, number=1, now=now + timedelta(days=1))
    deliver(now + timedelta(days=1))

    (both, body), (later, _) = peer.received
    low = {name.lower(): value for name, value in both.items()}
    assert is_genuine(old.secret, low, body)
    assert is_genuine(new.secret, low, body)
    assert len(dict(later)["webhook-signature"].split()) == 1


def test_what_fails_is_tried_again_under_the_same_id_until_it_is_taken(peer):
    owner, now = found_owner(), utc_now()
    made = register_webhook(actor=owner, url=peer.url, kinds=[KIND], now=now)
    peer.answer = answer_with(500)
    post(owner, now=now)
    assert deliver(now) == 0
    assert deliver(now) == 0
    assert get_webhook(actor=owner, webhook_id=made.webhook_id).failing_since == now

    peer.answer = answer_with(204)
    assert deliver(now + timedelta(seconds=5)) == 1

    first, second = ({name.lower(): value for name, value in headers.items()} for headers, _ in peer.received)
    assert first["webhook-id"] == second["webhook-id"]
    assert peer.received[0][1] == peer.received[1][1]
    assert get_webhook(actor=owner, webhook_id=made.webhook_id).failing_since is None
    assert [each.status for each in list_all(owner, made.webhook_id)[0].tries] == [500, 204]


def test_a_delivery_is_given_up_after_more_than_a_day_and_may_be_sent_again(peer):
    owner, now = found_owner(), utc_now()
    made = register_webhook(actor=owner, url=peer.url, kinds=[KIND], now=now)
    peer.answer = answer_with(503)
    post(owner, now=now)
    moment = now
    while list_all(owner, made.webhook_id)[0].given_up_at is None:
        deliver(moment)
        moment = list_all(owner, made.webhook_id)[0].next_at or moment
    (given_up,) = list_all(owner, made.webhook_id)
    assert len(given_up.tries) == 11
    assert moment - now > timedelta(days=1)

    peer.answer = answer_with(200)
    send_again(actor=owner, webhook_id=made.webhook_id, delivery_id=given_up.id, now=moment)
    assert deliver(moment) == 1
    assert list_all(owner, made.webhook_id)[0].delivered_at == moment


def test_an_endpoint_that_fails_for_five_days_is_switched_off_and_its_managers_are_told(peer):
    owner, now = found_owner(), utc_now()
    made = register_webhook(actor=owner, url=peer.url, kinds=[KIND], now=now)
    peer.answer = answer_with(500)
    for day in range(7):
        post(owner, number=day, now=now + timedelta(days=day))
        deliver(now + timedelta(days=day))
    webhook = get_webhook(actor=owner, webhook_id=made.webhook_id)
    assert webhook.disabled_at == now + timedelta(days=5)
    reconcile(now=now + timedelta(days=7))
    assert Letter.objects.filter(kind="notices.webhook_disabled", person_id=owner.person_id).count() == 1
    assert len(peer.received) == 6

    missed = list_all(owner, made.webhook_id)[0]
    with pytest.raises(WebhookOff):
        send_again(actor=owner, webhook_id=made.webhook_id, delivery_id=missed.id, now=now)
    enable_webhook(actor=owner, webhook_id=made.webhook_id)
    peer.answer = answer_with(204)
    send_again(actor=owner, webhook_id=made.webhook_id, delivery_id=missed.id, now=now + timedelta(days=8))
    assert deliver(now + timedelta(days=8)) == 1


def test_an_endpoint_that_is_gone_for_good_is_switched_off_at_once(peer):
    owner, now = found_owner(), utc_now()
    made = register_webhook(actor=owner, url=peer.url, kinds=[KIND], now=now)
    peer.answer = answer_with(410)
    post(owner, now=now)
    deliver(now)

    assert "410" in get_webhook(actor=owner, webhook_id=made.webhook_id).disabled_because


def test_a_name_that_leads_inside_later_gets_nothing(peer, settings):
    """It was registered while it led to a public address."""
    settings.LILONG = settings.LILONG.model_copy(update={"webhook_networks_allowed": ()})
    owner, now = found_owner(), utc_now()
    made = register_webhook(actor=owner, url=peer.url, kinds=[KIND], now=now)
    post(owner, now=now)

    assert deliver(now) == 0
    (shown,) = list_all(owner, made.webhook_id)
    assert (shown.tries[0].status, "not public" in shown.tries[0].problem) == (None, True)
    assert not peer.received


def test_a_worker_that_dies_in_the_middle_lets_another_deliver(peer, monkeypatch):
    owner, now = found_owner(), utc_now()
    register_webhook(actor=owner, url=peer.url, kinds=[KIND], now=now)
    post(owner, now=now)

    class Killed(BaseException):
        pass

    def die(*_, **__):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("lilong.foundation.notices.services.deliveries._note", die)
        with pytest.raises(Killed):
            deliver(now)
    assert deliver(now + timedelta(seconds=60)) == 0
    assert deliver(now + timedelta(seconds=120)) == 1
    assert len({headers["webhook-id"] for headers, _ in peer.received}) == 1


def test_an_organisations_notices_go_to_its_own_webhooks_of_that_kind(peer):
    owner, other, now = found_owner(), found_owner(), utc_now()
    register_webhook(actor=other, url=peer.url, kinds=[KIND], now=now)
    register_webhook(actor=owner, url=peer.url, kinds=["runs.run_succeeded"], now=now)
    gone = register_webhook(actor=owner, url=peer.url, kinds=[KIND], now=now)
    delete_webhook(actor=owner, webhook_id=gone.webhook_id, now=now)
    post(owner, now=now)

    assert not WebhookDelivery.objects.exists()
    assert Webhook.objects.get(id=gone.webhook_id).secret == ""


@pytest.mark.parametrize("url", ["http://example.org/", "https://10.0.0.1/", "https://a:b@example.org/", "nonsense"])
def test_an_address_that_can_be_no_endpoint_is_refused(url):
    with pytest.raises(WebhookInvalid) as refused:
        register_webhook(actor=found_owner(), url=url, kinds=["no.such", KIND], now=utc_now())

    assert [field.path for field in refused.value.fields] == ["url", "kinds"]


def test_managers_alone_register_and_at_most_ten():
    owner, now = found_owner(), utc_now()
    with pytest.raises(NotAllowed):
        register_webhook(actor=join(owner, Role.MEMBER), url="https://example.org/", kinds=[KIND], now=now)
    for _ in range(WEBHOOKS_MAX):
        register_webhook(actor=owner, url="https://example.org/", kinds=[KIND], now=now)
    with pytest.raises(WebhooksFull):
        register_webhook(actor=owner, url="https://example.org/", kinds=[KIND], now=now)
    assert len(list_webhooks(actor=owner, cursor=None, limit=50).items) == WEBHOOKS_MAX
    webhook_id = list_webhooks(actor=owner, cursor=None, limit=50).items[0].id
    with pytest.raises(WebhookMissing):
        rotate_secret(actor=found_owner(), webhook_id=webhook_id, now=now)


def test_a_page_of_deliveries_costs_three_queries(peer, django_assert_num_queries):
    owner, now = found_owner(), utc_now()
    made = register_webhook(actor=owner, url=peer.url, kinds=[KIND], now=now)
    for number in range(5):
        post(owner, number=number, now=now)
        deliver(now)

    with django_assert_num_queries(3):
        assert len(list_all(owner, made.webhook_id)) == 5


def test_a_webhook_with_a_long_queue_stands_in_nobodys_way(peer):
    """Nine endpoints, eight at once: the ninth has its turn in the next round, however much waits for the others."""
    now = utc_now()
    owners = [found_owner() for _ in range(9)]
    for owner in owners:
        register_webhook(actor=owner, url=peer.url, kinds=[KIND], now=now)
        for number in range(3):
            post(owner, number=number, now=now)
    for _ in range(2):
        deliver(now)

    reached = {json.loads(body)["data"]["organisation_id"] for _, body in peer.received}
    assert reached == {owner.organisation_id for owner in owners}


def test_a_webhook_whose_secret_cannot_be_opened_stands_in_nobodys_way(peer):
    broken, owner, now = found_owner(), found_owner(), utc_now()
    made = register_webhook(actor=broken, url=peer.url, kinds=[KIND], now=now)
    register_webhook(actor=owner, url=peer.url, kinds=[KIND], now=now)
    with transaction.atomic():
        Webhook.objects.filter(id=made.webhook_id).update(secret="moved")
    post(broken, now=now)
    post(owner, now=now)

    assert deliver(now) == 1
    assert list_all(broken, made.webhook_id)[0].tries[0].problem == "A sealed value cannot be opened"


def test_whoever_manages_is_told_of_a_new_endpoint_and_cannot_switch_that_off(peer):
    owner, now = found_owner(), utc_now()
    admin = join(owner, Role.ADMIN, now=now)
    with pytest.raises(SecurityNoticeStays):
        choose_mail(actor=owner, kind="notices.webhook_registered", wanted=MailWish.NO)
    made = register_webhook(actor=admin, url=peer.url, kinds=[KIND], now=now)
    rotate_secret(actor=admin, webhook_id=made.webhook_id, now=now)
    reconcile(now=now)

    letters = Letter.objects.filter(person_id=owner.person_id).order_by("kind")
    assert [letter.kind for letter in letters] == ["notices.webhook_registered", "notices.webhook_secret_changed"]
    assert all(letter.mail_id for letter in letters)
    assert not WebhookDelivery.objects.exists()
    with pytest.raises(WebhookInvalid):
        register_webhook(actor=admin, url=peer.url, kinds=["notices.webhook_registered"], now=now)
