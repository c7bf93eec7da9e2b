"""Cases, notices and webhooks from the command line, through a web process as it runs in earnest."""

import json

import pytest

from lilong.common.time import utc_now
from lilong.foundation.cases.models import Case
from lilong.foundation.ledger.services.payments import request_top_up
from lilong.foundation.notices.reactions import reconcile
from tests.integration.cli.commands import lilong
from tests.people import act, found_organisation_today, make_operator_token
from tests.running_web import running_web

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def hub(tmp_path):
    with running_web(home=tmp_path / "home") as web:
        yield web


def run(hub, token, *arguments):
    """Return the document that a command prints, which has to succeed with and without --json."""
    env = {"LILONG_HUB": hub.url, "LILONG_TOKEN": token}
    done = lilong(*arguments, "--json", env=env)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return json.loads(done.stdout)


def read(hub, token, *arguments):
    """Return what a command says to people."""
    done = lilong(*arguments, env={"LILONG_HUB": hub.url, "LILONG_TOKEN": token})
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_a_refusal_is_told_shown_and_appealed_against(hub):
    token, operator = found_organisation_today().token.secret, make_operator_token(now=utc_now())
    owner = act(token, now=utc_now())
    case_id = request_top_up(
        actor=owner, organisation_id=owner.organisation_id, amount_uc=5, reference="bank 1", now=utc_now()
    )
    assert run(hub, operator, "cases", "list", "--state", "open", "--kind", "ledger.top_up")[0]["id"] == case_id
    mine = act(operator, now=utc_now()).person_id
    run(hub, operator, "cases", "assign", case_id, mine)
    assert run(hub, operator, "cases", "refuse", case_id, "--reason", "Not on the statement.")["state"] == "refused"

    said = read(hub, token, "cases", "show", case_id)
    assert "Not on the statement." in said
    assert "lilong cases appeal" in said
    appeal_id = run(hub, token, "cases", "appeal", case_id, "--reason", "On page two.")["case_id"]
    assert Case.objects.get(id=appeal_id).appeal_of_id == case_id
    assert "1 of 2 approvals" in read(
        hub, make_operator_token(now=utc_now()), "cases", "approve", appeal_id, "--reason", "It is."
    )

    reconcile(now=utc_now())
    notices = run(hub, operator, "notices", "list", "--unread")
    assert {notice["kind"] for notice in notices} == {"cases.to_decide"}
    run(hub, operator, "notices", "read")
    assert "A case waits for a decision" in read(hub, operator, "notices", "list")


def test_mail_and_language_are_chosen(hub):
    token = found_organisation_today().token.secret
    run(hub, token, "notices", "mail", "runs.run_failed", "no")
    run(hub, token, "notices", "language", "zh-hans")

    preferences = run(hub, token, "notices", "preferences")
    assert preferences["language"] == "zh-hans"
    assert {kind["kind"] for kind in preferences["kinds"] if not kind["by_mail"]} >= {"runs.run_failed"}


def test_a_webhook_is_registered_rotated_and_deleted(hub):
    token = found_organisation_today().token.secret
    made = run(hub, token, "webhooks", "register", "https://hooks.example.org/", "--kind", "runs.run_failed")
    assert made["secret"].startswith("whsec_")
    assert "https://hooks.example.org/" in read(hub, token, "webhooks", "list")
    assert run(hub, token, "webhooks", "rotate", made["webhook_id"])["secret"] != made["secret"]
    assert "none" in read(hub, token, "webhooks", "deliveries", made["webhook_id"])
    tested = run(hub, token, "webhooks", "test", made["webhook_id"])
    assert tested["delivery_id"] in read(hub, token, "webhooks", "deliveries", made["webhook_id"])
    run(hub, token, "webhooks", "enable", made["webhook_id"])
    run(hub, token, "webhooks", "delete", made["webhook_id"])
