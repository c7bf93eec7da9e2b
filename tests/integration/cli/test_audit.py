"""Audit packs from the command line: an operator makes one, an auditor checks it without the hub."""

import json

import pytest

from lilong.common.time import utc_now
from lilong.foundation.ledger.public.moves import close_period
from lilong.foundation.record.public import get_key_ring
from lilong.platforms.audit.reactions import make_packs
from tests.integration.cli.commands import lilong
from tests.packs import MARCH, tamper
from tests.people import found_operator, make_operator_token
from tests.record_hub import seal_all
from tests.running_web import running_web

pytestmark = pytest.mark.django_db(transaction=True)
PERIOD = ("--from", "2026-03-01", "--until", "2026-04-01")


@pytest.fixture
def hub(tmp_path, settings):
    settings.LILONG = settings.LILONG.model_copy(update={"home": tmp_path / "home", "storage_reserve_bytes": 0})
    with running_web(home=tmp_path / "home") as web:
        yield web


def test_an_operator_makes_a_pack_and_an_auditor_checks_it_without_the_hub(hub, tmp_path):
    env = {"LILONG_HUB": hub.url, "LILONG_TOKEN": make_operator_token(now=utc_now())}
    refused = lilong("audit", "make", *PERIOD, env=env)
    assert refused.returncode
    assert "The books of this period are not closed" in refused.stderr
    close_period(actor=found_operator(now=utc_now()), ends_at=MARCH.end, now=utc_now())
    seal_all(utc_now())
    pack_id = lilong("audit", "make", *PERIOD, env=env).stdout.strip()
    assert make_packs(now=utc_now()) == 1
    file = tmp_path / "march.zip"
    done = lilong("audit", "download", pack_id, str(file), "--json", env=env)
    assert done.returncode == 0, done.stderr
    assert pack_id in lilong("audit", "list", env=env).stdout

    log_key = get_key_ring().logs[0].text
    checked = lilong("audit", "verify", str(file), "--log-key", log_key)
    assert checked.returncode == 0, checked.stderr
    assert "no problems" in checked.stderr
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps({"logs": [log_key], "witnesses": [], "required": 0}))
    file.write_bytes(tamper(file.read_bytes(), lambda files: files.update({"note.txt": b"x"})))
    found = lilong("audit", "verify", str(file), "--keys", str(keys), "--json")
    assert found.returncode == 1
    assert json.loads(found.stdout)["problems"] == ["note.txt was added."]
    missing = lilong("audit", "verify", str(file))
    assert "keys that did not come with it" in missing.stderr
    keys.write_text("[]")
    assert "not a keys file" in lilong("audit", "verify", str(file), "--keys", str(keys)).stderr
