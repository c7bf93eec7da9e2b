"""Another key seals what the database keeps: everything opens on the way and afterwards, wherever it is cut short."""

import fcntl
import json
import os
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from django.db import transaction
from django.test import Client

import lilong
from lilong.common.django.outages import StorageFull
from lilong.common.django.sealing import KeysChanging, SealBroken, find_keys_changed_at, read_keys
from lilong.common.time import utc_now
from lilong.foundation.members.models import Secret
from lilong.foundation.members.public import reveal_secrets
from lilong.foundation.members.services.mail import queue_mail
from lilong.foundation.members.services.vault import put_secret
from lilong.foundation.notices.models import Webhook
from lilong.foundation.notices.services.webhooks import (
    delete_webhook,
    list_live_secrets,
    register_webhook,
    rotate_secret,
)
from lilong.web.sealing import OLDER_KEPT_FOR, SEALED, KeysInUse, KeysTooYoung, drop_old_keys, rotate_key
from tests.people import act, found_organisation_today
from tests.running_web import database_url
from tests.sign_ins import Browser, compute_code, read_mails, set_up_totp, sign_up

pytestmark = pytest.mark.django_db(transaction=True)
SECRETS = {f"KEY_{number}": f"value {number}" for number in range(5)}
ROTATE_UNTIL_KILLED = """
import os, sys
import django; django.setup()
from django.db import connection
from lilong.common.django import resealing
from lilong.web.sealing import rotate_key

resealing.BATCH, left = 2, int(sys.argv[1])

def die_before_an_update(execute, sql, params, many, context):
    global left
    if sql.startswith("UPDATE"):
        left -= 1
        if left < 0:
            os.kill(os.getpid(), 9)
    return execute(sql, params, many, context)

with connection.execute_wrapper(die_before_an_update):
    rotate_key()
"""


@pytest.fixture(autouse=True)
def key_file(settings, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    settings.LILONG = settings.LILONG.model_copy(update={"home": home, "storage_reserve_bytes": 0})
    read_keys()
    return home / "keys" / "secrets.key"


@pytest.fixture
def owner():
    """Return an owner whose organisation keeps secrets."""
    owner = act(found_organisation_today().token.secret, now=utc_now())
    for name, value in SECRETS.items():
        put_secret(actor=owner, name=name, value=value, now=utc_now())
    return owner


def reveal(owner):
    return reveal_secrets(organisation_id=owner.organisation_id, names=SECRETS)


def count(rotation):
    return {each.kind: each.resealed for each in rotation.kinds}


def let_pages_pass():
    return find_keys_changed_at() + OLDER_KEPT_FOR


def make_token(token):
    headers = {"Idempotency-Key": "k1", "Authorization": f"Bearer {token}"}
    body = json.dumps({"name": "ci", "scopes": ["read"]})
    return Client().post("/api/v1/tokens", data=body, content_type="application/json", headers=headers)


def rotate_until_killed(home, *, updates):
    env = os.environ | {"LILONG_HOME": str(home), "LILONG_DATABASE_URL": database_url()}
    env["DJANGO_SETTINGS_MODULE"] = "lilong.web.settings"
    env["LILONG_STORAGE_RESERVE_BYTES"] = "0"
    command = [sys.executable, "-c", ROTATE_UNTIL_KILLED, str(updates)]
    assert subprocess.run(command, env=env, check=False).returncode == -9


def test_everything_that_lasts_opens_with_the_new_key_alone(owner, key_file):
    totp, codes = set_up_totp(sign_up("ada@example.org"))
    kept, gone = (
        register_webhook(actor=owner, url="https://hooks.example.org/x", kinds=["runs.run_failed"], now=utc_now())
        for _ in range(2)
    )
    delete_webhook(actor=owner, webhook_id=gone.webhook_id, now=utc_now())
    newer = rotate_secret(actor=owner, webhook_id=kept.webhook_id, now=utc_now())
    token = found_organisation_today().token.secret
    first = make_token(token)
    queue_mail(to="bo@example.org", subject="Your code", text="BCDF-GHJK", now=utc_now())
    waiting = sum(len(read_mails(to)) for to in ("ada@example.org", "bo@example.org"))
    (old,) = read_keys().keys

    rotation = rotate_key()
    assert count(rotation) == {"secrets": 5, "second_factors": 2, "mails": waiting, "webhook_secrets": 2, "answers": 1}
    assert drop_old_keys(now=let_pages_pass()) == 1

    assert old not in key_file.read_bytes()
    assert reveal(owner) == SECRETS
    webhook = Webhook.objects.get(id=kept.webhook_id)
    assert list_live_secrets(webhook=webhook, now=utc_now()) == [newer.secret, kept.secret]
    again = make_token(token)
    assert (again["Idempotent-Replayed"], again.json()) == ("true", first.json())
    assert read_mails("bo@example.org")[-1]["text"] == "BCDF-GHJK"
    for code in (compute_code(totp), codes[0]):
        browser = Browser()
        browser.sign_in("ada@example.org")
        browser.post("/account/2fa/authenticate/", {"code": code})
        assert browser.find_person() is not None


def test_what_stays_bound_to_its_row_does_not_open_elsewhere(owner):
    rotate_key()
    thief = act(found_organisation_today().token.secret, now=utc_now())
    with transaction.atomic():
        Secret.objects.update(organisation_id=thief.organisation_id)

    with pytest.raises(SealBroken):
        reveal(thief)


@pytest.mark.parametrize("updates", [0, 3])
def test_a_rotation_that_is_killed_leaves_everything_open_and_is_finished_by_the_next(owner, key_file, updates):
    rotate_until_killed(key_file.parent.parent, updates=updates)
    assert reveal(owner) == SECRETS
    assert len(read_keys().keys) == 2
    with pytest.raises(KeysInUse, match=r"\d secrets"):
        drop_old_keys(now=let_pages_pass())

    finished = rotate_key()
    assert (finished.made_key, finished.older_keys) == (False, 1)
    assert 0 < count(finished)["secrets"] <= 5
    assert drop_old_keys(now=let_pages_pass()) == 1
    assert reveal(owner) == SECRETS


def test_a_text_that_was_sealed_just_before_keeps_the_older_key(owner):
    put_back = Secret.objects.get(name="KEY_1").sealed
    rotate_key()
    with transaction.atomic():
        Secret.objects.filter(name="KEY_1").update(sealed=put_back)

    with pytest.raises(KeysInUse) as refused:
        drop_old_keys(now=let_pages_pass())
    assert refused.value.facts == {"secrets": 1}
    assert reveal(owner) == SECRETS


def test_older_keys_stay_while_a_page_may_still_show_what_they_seal(owner):
    rotate_key()
    may_go_at = let_pages_pass()

    with pytest.raises(KeysTooYoung):
        drop_old_keys(now=may_go_at - timedelta(seconds=1))
    assert drop_old_keys(now=may_go_at) == 1
    assert drop_old_keys(now=utc_now()) == 0


def test_what_no_key_opens_is_counted_and_left_as_it_is(owner, key_file):
    key_file.write_bytes(Fernet.generate_key())
    lost = Secret.objects.get(name="KEY_0").sealed
    put_secret(actor=owner, name="MORE", value="x", now=utc_now())
    rotation = rotate_key()

    (secrets,) = [each for each in rotation.kinds if each.kind == "secrets"]
    assert (secrets.resealed, secrets.current, secrets.closed) == (1, 0, 5)
    assert Secret.objects.get(name="KEY_0").sealed == lost
    assert drop_old_keys(now=let_pages_pass()) == 1


def test_the_key_file_keeps_its_mode_and_nothing_beside_it(owner, key_file):
    key_file.chmod(0o640)
    rotate_key()

    assert key_file.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in key_file.parent.iterdir() if "secrets" in path.name] == ["secrets.key"]


def test_no_key_is_made_while_another_command_changes_them_or_the_disk_is_full(owner, key_file, settings):
    folder = os.open(key_file.parent, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    for change in (rotate_key, lambda: drop_old_keys(now=utc_now())):
        with pytest.raises(KeysChanging):
            change()
    os.close(folder)
    settings.LILONG = settings.LILONG.model_copy(update={"storage_reserve_bytes": 1 << 60})
    with pytest.raises(StorageFull):
        rotate_key()

    assert len(read_keys().keys) == 1


def test_every_table_into_which_texts_are_sealed_is_known():
    kinds = {
        "foundation/members/services/vault.py": "secrets",
        "foundation/members/pages/adapters.py": "second_factors",
        "foundation/members/services/mail.py": "mails",
        "foundation/notices/services/webhooks.py": "webhook_secrets",
        "web/idempotency.py": "answers",
        "common/django/once.py": "",  # for minutes, in sessions
    }
    house = Path(lilong.__file__).parent
    sealing = re.compile(r"^from lilong\.common\.django\.sealing import .*\bseal\b", re.MULTILINE)
    found = {str(path.relative_to(house)) for path in house.rglob("*.py") if sealing.search(path.read_text("utf-8"))}

    assert found == set(kinds)
    assert {table.kind for table in SEALED} == set(filter(None, kinds.values()))
