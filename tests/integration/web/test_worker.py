"""The worker process as it runs in earnest: what it finds in the tables it tells and mails."""

import os
import signal
import subprocess
import sys
from datetime import timedelta
from email import message_from_bytes, policy

import pytest
from django.contrib.sessions.models import Session
from django.db import transaction

from lilong.common.time import utc_now
from lilong.foundation.notices.public import post_notice
from tests.people import act, found_organisation_today
from tests.polling import wait_until
from tests.running_web import database_url

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def home(settings, tmp_path):
    """Give the hub a folder; what is sealed here is opened in the worker."""
    settings.LILONG = settings.LILONG.model_copy(update={"home": tmp_path / "home"})
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def start_worker(home, *options):
    env = os.environ | {"LILONG_HOME": str(home), "LILONG_DATABASE_URL": database_url()}
    return subprocess.Popen([sys.executable, "-m", "lilong.web.worker", *options], env=env, stderr=subprocess.DEVNULL)


def test_a_worker_writes_mail_into_the_home_and_ends_when_told(home):
    owner = act(found_organisation_today().token.secret, now=utc_now())
    with transaction.atomic():
        post_notice(
            kind="runs.run_failed",
            subject_id="run_1",
            organisation_id=owner.organisation_id,
            params={"name": "train", "state": "failed", "reason": "exit_nonzero", "detail": ""},
            now=utc_now(),
        )
    worker = start_worker(home)
    try:
        (path,) = wait_until(lambda: list((home / "mail").glob("*.log")), within_s=60)
        wait_until(lambda: b"\n\n--" in path.read_bytes() or path.stat().st_size > 500, within_s=10)
    finally:
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(timeout=30) == 0
    mail = message_from_bytes(path.read_bytes(), policy=policy.default)
    assert mail["Subject"] == "[Lilong] A run did not succeed"
    assert mail["Message-ID"].startswith("<mal_")
    assert path.stat().st_mode & 0o077 == 0


def test_a_worker_deletes_sessions_that_expired(home):
    with transaction.atomic():
        Session.objects.create(session_key="over", session_data="x", expire_date=utc_now())
        Session.objects.create(session_key="open", session_data="x", expire_date=utc_now() + timedelta(days=1))

    assert start_worker(home, "--once").wait(timeout=120) == 0
    assert [session.session_key for session in Session.objects.all()] == ["open"]
