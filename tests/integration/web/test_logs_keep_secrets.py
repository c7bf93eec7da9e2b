"""No line of log opens anything: no passwords, codes, tokens, secrets, keys of sessions. None names a person."""

import json
import logging

import pytest
from django.db import transaction
from django.test import Client

from lilong.common.time import utc_now
from lilong.foundation.members.models import Person
from lilong.foundation.members.public import bootstrap_operator
from lilong.foundation.members.reactions import reconcile as reconcile_members
from lilong.foundation.members.services.mail import queue_mail
from lilong.foundation.notices.public import post_notice
from lilong.foundation.notices.reactions import reconcile as reconcile_notices
from lilong.foundation.notices.reactions import send_mails
from lilong.web.rounds import Step, Worker
from tests.bytes import fresh, upload
from tests.people import NOW, act, found_organisation_today, found_owner
from tests.sign_ins import PASSWORD, Browser, compute_code, read_code, set_up_totp, sign_up
from tests.smtp_peer import running_mail_server

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("home")]


@pytest.fixture
def read_lines(caplog):
    """Return all lines of the logs at the most talkative level, as the hub writes them."""
    (ours,) = [each for each in logging.getLogger().handlers if type(each).__module__ == "lilong.web.logs"]
    caplog.set_level(logging.DEBUG)
    return lambda: [ours.format(record) for record in caplog.records]


def call(method, path, token, body=None):
    return Client().generic(
        method,
        f"/api/v1/{path}",
        json.dumps(body) if body is not None else "",
        content_type="application/json",
        headers={"Authorization": f"Bearer {token}"},
    )


def test_signing_in_in_every_way_leaves_no_secret_in_the_logs(read_lines):
    browser = sign_up("ada@example.org")
    code = read_code("ada@example.org")
    totp, recovery = set_up_totp(browser)
    second = Browser()
    second.sign_in("ada@example.org", "not the right passphrase")
    second.sign_in("ada@example.org")
    second.post("/account/2fa/authenticate/", {"code": compute_code(totp)})
    assert second.find_person() is not None
    once = bootstrap_operator(email="op@hub.example", now=utc_now()).secret
    Browser().post("/account/first-sign-in/", {"token": once, "password": "a passphrase of operators"})
    third = Browser()
    third.post("/account/password/reset/", {"email": "op@hub.example"})
    reset = read_code("op@hub.example")
    third.post("/account/password/reset/confirm/", {"code": reset})

    secrets = {PASSWORD, "not the right passphrase", "a passphrase of operators", once, code, reset, totp, *recovery}
    secrets |= {browser.session_key, second.session_key, browser.client.cookies["csrf"].value}
    lines = read_lines()
    assert sum('"path"' in line for line in lines) >= 20
    assert not [line for line in lines if any(secret in line for secret in secrets)]


def test_calling_the_api_leaves_no_secret_in_the_logs(read_lines):
    owner = found_organisation_today().token.secret
    made = call("POST", "tokens", owner, {"name": "ci", "scopes": ["read"], "expires_in_s": 3600}).json()["secret"]
    assert call("PUT", "secrets/API_KEY", owner, {"value": "the-key-of-a-model"}).status_code == 204
    sha256 = upload(fresh(10), organisation_id=act(owner, now=utc_now()).organisation_id, now=utc_now())
    token = call("POST", f"objects/{sha256}/links", owner, {"seconds": 60}).json()["token"]
    Client().get(f"/api/v1/links/{token}").close()
    Client(headers={"host": "elsewhere.example"}).get(f"/api/v1/links/{token}")
    call("GET", f"orders?cursor={made}", owner)
    call("GET", "me", made + "x")

    lines = read_lines()
    paths = [json.loads(line)["path"] for line in lines if '"path"' in line]
    assert "/api/v1/links/…" in paths
    assert f"/api/v1/objects/{sha256}/links" in paths
    assert not [line for line in lines if any(secret in line for secret in (owner, made, "the-key-of-a-model", token))]


def test_mail_that_a_server_refuses_names_nobody_in_the_logs(read_lines, settings, tmp_path):
    owner = found_owner()
    with transaction.atomic():
        Person.objects.filter(id=owner.person_id).update(email="nobody.ada@example.org")
        post_notice(
            kind="runs.run_failed",
            subject_id="run_1",
            organisation_id=owner.organisation_id,
            params={"name": "x", "state": "failed", "reason": "", "detail": ""},
            now=NOW,
        )
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    with running_mail_server(tmp_path / "mail") as server:
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
        for name in ("later.bob", "nobody.eve"):
            queue_mail(to=f"{name}@example.org", subject="Your code", text="BCDF-GHJK", now=NOW)
        reconcile_members(NOW)
        reconcile_notices(now=NOW)
        assert send_mails(now=NOW) == 0

    lines = read_lines()
    assert sum("550" in line for line in lines) == 2
    assert any("<…@example.org>" in line for line in lines)
    assert not [line for line in lines if any(name in line for name in ("nobody.", "later."))]


def test_errors_that_quote_an_address_and_paths_that_hold_one_name_nobody_in_the_logs(read_lines):
    found_organisation_today()
    taken = Person.objects.earliest("id").email

    def write_again(_now):
        with transaction.atomic():
            Person.objects.create(id="per_2", name="Ada", email=taken, created_at=NOW)

    def send(_now):
        raise OSError(f"{taken}: mailbox unavailable")

    Worker([Step("write", 0.0, write_again, alone=False), Step("send", 0.0, send, alone=False)]).run_due()
    Client().get(f"/no/such/page/{taken}")

    lines = read_lines()
    for told in ("IntegrityError", "OSError: …@example.org: mailbox unavailable", "/no/such/page/…@example.org"):
        assert any(told in line for line in lines), told
    assert not [line for line in lines if taken in line]
