"""Programmes from the command line: an example is printed, created, published anew, and told to who is entitled."""

import json
from datetime import UTC, datetime

import pytest

from lilong.common.time import utc_now
from lilong.platforms.funding.models import RuleVersion
from lilong.platforms.funding.reactions import reconcile
from tests.integration.cli.commands import lilong
from tests.people import found_organisation_today, make_operator_token
from tests.programmes import approve
from tests.running_web import running_web

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def hub(tmp_path):
    with running_web(home=tmp_path / "home") as web:
        yield web


def read(hub, token, *arguments):
    done = lilong(*arguments, env={"LILONG_HUB": hub.url, "LILONG_TOKEN": token})
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_an_example_becomes_a_programme_that_says_whom_it_pays(hub, tmp_path):
    token, operator = found_organisation_today().token.secret, make_operator_token(now=utc_now())
    file = tmp_path / "rule.toml"
    file.write_text(read(hub, operator, "programmes", "examples", "korea-like"), encoding="utf-8")
    programme_id = read(hub, operator, "programmes", "create", "Small firms", str(file)).strip()
    file.write_text(f"version = 2\n{file.read_text(encoding='utf-8')}", encoding="utf-8")
    said = read(hub, operator, "programmes", "publish", programme_id, str(file), "--from", "2999-01-01T08:00")
    approve(said.split()[0], approvals=1, now=utc_now())
    reconcile(now=utc_now())
    assert RuleVersion.objects.get(version=2).valid_from == datetime(2999, 1, 1, 8, tzinfo=UTC)

    (before,) = json.loads(read(hub, token, "programmes", "list", "--json"))["programmes"]
    read(hub, token, "programmes", "declare", "--head-count", "12", "--founded-on", "2024-02-29")
    (after,) = json.loads(read(hub, token, "programmes", "list", "--json"))["programmes"]
    assert (before["is_entitled"], before["pays"][0]["code"]) == (False, "voucher.no_rate")
    assert (after["is_entitled"], after["pays"][0]["rate_ppm"], after["rule_version"]) == (True, 950_000, 1)
    assert "Small firms" in read(hub, token, "programmes", "list")
    assert json.loads(read(hub, token, "programmes", "decisions", "--json")) == {"decisions": []}
    report = json.loads(read(hub, operator, "programmes", "report", programme_id, "--json"))
    assert (report["total"]["granted_uc"], [each["version"] for each in report["versions"]]) == (0, [1, 2])
    assert "version 2" in read(hub, operator, "programmes", "report", programme_id)


def test_a_rule_is_tried_on_past_orders_before_it_is_published(hub, tmp_path):
    operator = make_operator_token(now=utc_now())
    file = tmp_path / "rule.toml"
    file.write_text(read(hub, operator, "programmes", "examples", "korea-like"), encoding="utf-8")
    period = ("--from", "2026-01-01", "--until", "2026-04-01")
    found = json.loads(read(hub, operator, "programmes", "replay", str(file), *period, "--json"))
    assert (found["total"]["orders"], found["assumes"]) == (0, "unchanged_behaviour")
    said = read(hub, operator, "programmes", "replay", str(file), *period)
    assert "0 organisations gain 0.000000 credits" in said
    missing = lilong(
        *("programmes", "replay", str(file), *period, "--programme", f"prg_{'0' * 32}"),
        env={"LILONG_HUB": hub.url, "LILONG_TOKEN": operator},
    )
    assert missing.returncode
    assert "There is no programme" in missing.stderr


def test_a_file_that_is_no_rule_is_refused_field_by_field(hub, tmp_path):
    operator = make_operator_token(now=utc_now())
    file = tmp_path / "rule.toml"
    env = {"LILONG_HUB": hub.url, "LILONG_TOKEN": operator}
    for text, expected in (("rate_ppm =", "no TOML"), ("rate_ppm = 300_000\nlimit = 3", "limit")):
        file.write_text(text, encoding="utf-8")
        done = lilong("programmes", "create", "Broken", str(file), env=env)
        assert done.returncode
        assert expected in done.stderr
