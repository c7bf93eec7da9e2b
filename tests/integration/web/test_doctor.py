"""What the doctor says of a hub, and that each thing that may be wrong is found and comes with a way to mend it."""

from datetime import timedelta

import pytest
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from lilong.common.time import utc_now
from lilong.foundation.outbox.models import Delivery, WaitingEvent
from lilong.foundation.outbox.public import take_lease
from lilong.foundation.runs.models import Pool
from lilong.web.backups import note_backup
from lilong.web.config import load_settings
from lilong.web.doctor import OF_MACHINE, OF_TABLES, Verdict, examine
from lilong.web.rounds import LEASE

pytestmark = pytest.mark.django_db


@pytest.fixture
def set_hub(settings, tmp_path):
    """Change settings of the hub for one test; its home is whole, backed up, and a worker runs."""

    def change(**changes):
        settings.LILONG = settings.LILONG.model_copy(update=changes)

    settings.LILONG = load_settings()
    change(home=tmp_path, storage_reserve_bytes=0)
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "secrets.key").touch(mode=0o600)
    note_backup(home=tmp_path, now=utc_now())
    take_lease(name=LEASE, holder="test", seconds=600, now=utc_now())
    return change


def look(name, *, now=None):
    (found,) = [finding for finding in examine(now=now or utc_now()) if finding.name == name]
    return found


def test_a_hub_that_is_well_has_nothing_but_fine_findings(set_hub):
    findings = examine(now=utc_now())

    assert [finding.name for finding in findings] == [
        *(name for name, _ in OF_MACHINE),
        "database",
        *(name for name, _ in OF_TABLES),
    ]
    assert {finding.verdict for finding in findings} == {Verdict.FINE}, findings


@pytest.mark.parametrize(
    ("changes", "verdict", "mend"),
    [
        ({"allowed_hosts": ("*",)}, Verdict.REFUSED, "allowed_hosts"),
        ({"public_url": "https://hub.example"}, Verdict.REFUSED, "allowed_hosts"),
        ({"public_url": "http://hub.example", "allowed_hosts": ("hub.example",)}, Verdict.WARNING, "TLS"),
        ({"public_url": "https://hub.example", "allowed_hosts": ("hub.example",)}, Verdict.WARNING, "witnesses"),
    ],
)
def test_settings_that_are_unsafe_are_named(set_hub, changes, verdict, mend):
    set_hub(**changes)
    found = look("settings")

    assert (found.verdict, mend in found.message) == (verdict, True)


def test_keys_that_others_may_read_are_refused(set_hub, tmp_path):
    (tmp_path / "keys" / "secrets.key").chmod(0o640)
    assert look("keys").verdict is Verdict.REFUSED
    assert "chmod" in look("keys").message

    (tmp_path / "keys" / "secrets.key").unlink()
    assert look("keys").verdict is Verdict.REFUSED


def test_a_disk_without_room_is_refused_and_one_with_little_is_warned_of(set_hub):
    set_hub(storage_reserve_bytes=1 << 60)
    assert look("disk").verdict is Verdict.REFUSED
    assert look("storage").verdict is Verdict.REFUSED


def test_a_hub_without_a_recent_backup_is_warned(set_hub, tmp_path):
    assert look("backup", now=utc_now() + timedelta(hours=25)).verdict is Verdict.WARNING

    (tmp_path / "run" / "last-backup").unlink()
    assert "lilong backup" in look("backup").message


def test_a_bucket_that_does_not_answer_is_refused_with_its_next_step(set_hub, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "hub")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cret")
    set_hub(objects_url="s3://hub-objects", objects_endpoint_url="http://127.0.0.1:9")
    found = look("storage")

    assert found.verdict is Verdict.REFUSED
    assert "does not answer" in found.message


def test_a_hub_without_a_worker_is_refused(set_hub):
    found = look("worker", now=utc_now() + timedelta(hours=1))

    assert found.verdict is Verdict.REFUSED
    assert "lilong worker" in found.message


def test_deliveries_that_are_late_or_were_given_up_are_warned_of(set_hub):
    now = utc_now()
    event = WaitingEvent.objects.create(id="evt_1", name="x", payload={})
    delivery = Delivery.objects.create(id="dlv_1", event=event, subscriber="s", next_at=now - timedelta(minutes=5))
    assert "late" in look("outbox", now=now).message

    Delivery.objects.filter(id=delivery.id).update(dead_at=now)
    found = look("outbox", now=now)
    assert (found.verdict, "dead-letters" in found.message) == (Verdict.WARNING, True)


def test_an_agent_that_has_gone_silent_is_named_and_one_that_is_drained_is_not(set_hub):
    now = utc_now()
    long_ago = now - timedelta(hours=1)
    Pool.objects.create(id="pool_1", organisation_id="org_1", name="North", created_at=now, last_sync_at=long_ago)
    found = look("agents", now=now)
    assert (found.verdict, "North" in found.message, "60 min" in found.message) == (Verdict.WARNING, True, True)

    Pool.objects.update(draining_at=now)
    assert look("agents", now=now).verdict is Verdict.FINE


@pytest.mark.postgresql
def test_a_clock_that_is_not_the_databases_is_warned_of(set_hub):
    found = look("clock", now=utc_now() - timedelta(seconds=30))

    assert (found.verdict, "+30" in found.message) == (Verdict.WARNING, True)


def test_tables_of_an_older_version_are_refused_and_not_looked_into(set_hub):
    recorder = MigrationRecorder(connection)
    recorder.record_unapplied("outbox", "0001_initial")
    findings = {finding.name: finding for finding in examine(now=utc_now())}

    assert findings["database"].verdict is Verdict.REFUSED
    assert "lilong upgrade" in findings["database"].message
    assert not {name for name, _ in OF_TABLES} & set(findings)
