import json
import re

import pytest
from structlog.testing import capture_logs

from lilong.common.permissions import Role
from lilong.common.time import utc_now
from lilong.foundation.notices.core.endpoints import read_endpoint
from lilong.foundation.notices.core.signing import sign_delivery
from lilong.foundation.notices.models import Webhook, WebhookDelivery
from lilong.foundation.notices.pages.words import say_problem
from lilong.foundation.notices.services.deliveries import deliver_webhooks
from lilong.foundation.notices.services.webhooks import AlreadyTested, WebhookOff, send_test
from tests.https_peer import answer_with, running_peer
from tests.people import found_owner, join
from tests.sessions import browse_as

pytestmark = pytest.mark.django_db(transaction=True)
PATH, KIND = "/organisation/webhooks", "runs.run_failed"
SECRET = re.compile(r"whsec_[A-Za-z0-9+/=]{44}")


@pytest.fixture(autouse=True)
def allow_loopback(settings):
    settings.LILONG = settings.LILONG.model_copy(update={"webhook_networks_allowed": ("127.0.0.0/8",)})


@pytest.fixture
def peer(tmp_path, monkeypatch):
    with running_peer(tmp_path) as server:
        monkeypatch.setenv("SSL_CERT_FILE", str(server.authority))
        yield server


@pytest.fixture
def owner():
    return found_owner(now=utc_now())


@pytest.fixture
def add(owner, read_key):
    """Return a function that adds a webhook by page, and returns the path of its page."""

    def add_it(url="https://hooks.example.org/a"):
        client = browse_as(owner)
        client.post(PATH, {"key": read_key(client, PATH), "url": url, "kinds": [KIND]})
        return f"{PATH}/{Webhook.objects.get(url=url).id}"

    return add_it


def resolve_here(*, host, port):
    return ["127.0.0.1"]


def deliver():
    return deliver_webhooks(now=utc_now(), resolve=resolve_here)


def test_the_secret_is_shown_once_and_signs_what_is_delivered(owner, peer, read_key, open_page):
    client = browse_as(owner)
    added = client.post(PATH, {"key": read_key(client, PATH), "url": peer.url, "kinds": [KIND]})
    (secret,) = SECRET.findall(open_page(client, added["Location"]))
    webhook = added["Location"].removesuffix("/secret")

    assert client.post(f"{webhook}/test")["Location"] == webhook
    assert deliver() == 1

    (headers, body), *_ = peer.received
    at = WebhookDelivery.objects.get().tries.get().at
    assert (
        headers["webhook-signature"]
        == (sign_delivery(delivery_id=headers["webhook-id"], at=at, body=body, secrets=[secret])["webhook-signature"])
    )
    assert json.loads(body)["type"] == "notices.test"
    page = open_page(client, webhook)
    assert "Delivered" in page
    assert ">204<" in page
    assert not SECRET.search(page + open_page(client, added["Location"]))


def test_a_delivery_that_failed_says_why_and_is_sent_again(owner, peer, add, open_page):
    webhook, client = add(peer.url), browse_as(owner)
    peer.answer = answer_with(503)
    client.post(f"{webhook}/test")
    deliver()
    delivery = WebhookDelivery.objects.get()

    page = open_page(client, webhook)
    assert ">503<" in page
    assert "It answered with an error." in page
    assert "On its way" in page

    peer.answer = answer_with(204)
    client.post(f"{webhook}/deliveries/{delivery.id}/again")
    deliver()
    assert "Delivered" in open_page(client, webhook)
    assert {headers["webhook-id"] for headers, _ in peer.received} == {delivery.id}


def test_a_form_that_is_sent_twice_adds_one_webhook_and_leads_to_its_secret(owner, read_key, open_page):
    client = browse_as(owner)
    form = {"key": read_key(client, PATH), "url": "https://hooks.example.org/a", "kinds": [KIND]}

    first, second = (client.post(PATH, form)["Location"] for _ in range(2))

    assert first == second
    assert Webhook.objects.count() == 1
    assert SECRET.search(open_page(client, second))


def test_one_test_at_a_time_is_on_its_way(owner, add):
    webhook_id = add().rsplit("/", 1)[1]
    send_test(actor=owner, webhook_id=webhook_id, now=utc_now())

    with pytest.raises(AlreadyTested):
        send_test(actor=owner, webhook_id=webhook_id, now=utc_now())
    assert browse_as(owner).post(f"{PATH}/{webhook_id}/test").status_code == 409
    assert WebhookDelivery.objects.count() == 1


def test_an_endpoint_that_is_gone_is_off_until_it_is_switched_on(owner, peer, add, open_page):
    webhook, client = add(peer.url), browse_as(owner)
    peer.answer = answer_with(410)
    client.post(f"{webhook}/test")
    deliver()

    page = open_page(client, webhook)
    assert "it answered that it is gone for good (410)." in page
    with pytest.raises(WebhookOff):
        send_test(actor=owner, webhook_id=webhook.rsplit("/", 1)[1], now=utc_now())
    client.post(f"{webhook}/enable")
    assert "Send a test" in open_page(client, webhook)


def test_a_new_secret_is_made_once_however_often_the_form_is_sent(owner, add, read_key, open_page):
    webhook, client = add(), browse_as(owner)
    key = read_key(client, webhook)
    first = Webhook.objects.get().secret

    answers = [client.post(f"{webhook}/rotate", {"key": key})["Location"] for _ in range(2)]

    assert set(answers) == {f"{webhook}/secret"}
    assert Webhook.objects.get().old_secret == first, "what is in use signs on"
    assert SECRET.search(open_page(client, f"{webhook}/secret"))
    assert not SECRET.search(open_page(client, f"{webhook}/secret"))


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://example.org/", "It must begin with https://."),
        ("https://127.0.0.1/", "It must name a host, not an address."),
        ("https://a:b@example.org/", "It must not hold a name or password."),
        ("https://例.org/", "It must have at most 500 visible ASCII characters."),
    ],
)
def test_an_address_that_cannot_be_used_is_refused_beside_the_field(owner, read_key, url, said):
    client = browse_as(owner)
    answer = client.post(PATH, {"key": read_key(client, PATH), "url": url, "kinds": [KIND]})

    assert said in answer.content.decode()
    assert isinstance(read_endpoint(url=url), str)
    assert not Webhook.objects.exists()


def test_kinds_of_security_are_not_offered(owner, read_key):
    client = browse_as(owner)
    form = {"key": read_key(client, PATH), "url": "https://example.org/", "kinds": ["notices.webhook_registered"]}

    assert client.post(PATH, form).status_code == 200
    assert not Webhook.objects.exists()


def test_a_removed_webhook_is_gone_with_its_secret(owner, add, open_page):
    webhook, client = add(), browse_as(owner)

    assert client.post(f"{webhook}/remove")["Location"] == PATH

    assert "There is no webhook yet." in open_page(client, PATH)
    open_page(client, webhook, status=404)
    assert Webhook.objects.get().secret == ""


def test_webhooks_are_for_managers_of_their_organisation_alone(owner, add, open_page):
    webhook = add()
    member, stranger = browse_as(join(owner, Role.MEMBER, now=utc_now())), browse_as(found_owner(now=utc_now()))

    assert [member.get(path).status_code for path in (PATH, webhook)] == [403, 403]
    assert "Webhooks" not in open_page(member, "/organisation")
    assert stranger.get(webhook).status_code == 404
    for deed in ("test", "rotate", "enable", "remove", "deliveries/msg_1/again"):
        assert stranger.post(f"{webhook}/{deed}", {"key": "0" * 32}).status_code == 404, deed
        assert member.post(f"{webhook}/{deed}", {"key": "1" * 32}).status_code == 403, deed


def test_the_secret_stands_in_no_log(owner, read_key, open_page):
    client = browse_as(owner)
    with capture_logs() as logs:
        form = {"key": read_key(client, PATH), "url": "https://example.org/", "kinds": [KIND]}
        (secret,) = SECRET.findall(open_page(client, client.post(PATH, form)["Location"]))

    assert secret not in json.dumps(logs, default=str)


@pytest.mark.parametrize(
    ("noted", "said"),
    [
        ("10.0.0.1 lies in 10.0.0.0/8, which is not public.", "Its name leads to 10.0.0.1, which is not public."),
        ("Its certificate does not hold: expired", "Its certificate does not hold: expired"),
        ("ConnectionRefusedError: [Errno 111] no", "It could not be reached: [Errno 111] no"),
        ("Something new.", "Something new."),
    ],
)
def test_what_stood_in_the_way_is_told_in_words(noted, said):
    assert say_problem(noted) == said
