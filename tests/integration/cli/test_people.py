"""The commands about people, organisations and documents, typed against a hub that runs."""

import json
from datetime import date, timedelta

import pytest
import structlog
from typer.testing import CliRunner

from lilong.cli.main import app
from lilong.common.ids import new_id
from lilong.common.time import utc_now
from lilong.foundation.cases.public import open_case
from lilong.foundation.members.models import Membership, Person
from lilong.foundation.members.public.people import confirm_email
from tests.people import act, found_organisation_today, make_operator_token
from tests.running_web import running_web

TODAY = utc_now().date()
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def typed(tmp_path, monkeypatch):
    """Return a function that types a command with a token and reads its JSON."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    hubs_logging = structlog.get_config()  # a command sets up its own, for what should be a process of its own
    with running_web(home=tmp_path / "home") as web:
        monkeypatch.setenv("LILONG_HUB", web.url)

        def type_in(token, *words, stdin="", code=0):
            monkeypatch.setenv("LILONG_TOKEN", token)
            done = CliRunner().invoke(app, [*words, "--json"], input=stdin)
            assert done.exit_code == code, done.output
            return json.loads(done.stdout if code == 0 else done.stderr)

        yield type_in
    structlog.configure(**hubs_logging)


def test_who_is_invited_joins_takes_over_and_the_first_owner_leaves(typed):
    owner, guest = (found_organisation_today() for _ in range(2))
    email = Person.objects.get(id=guest.person_id).email
    confirm_email(person_id=guest.person_id, email=email, now=utc_now())
    made = typed(owner.token.secret, "members", "invite", email, "--role", "viewer")
    assert [row["email"] for row in typed(owner.token.secret, "members", "invitations")] == [email]
    again = typed(owner.token.secret, "members", "send-again", made["id"])
    typed(guest.token.secret, "members", "accept", stdin=made["secret"], code=5)

    joined = typed(guest.token.secret, "members", "accept", stdin=again["secret"])
    members = typed(owner.token.secret, "members", "list")
    assert [(row["id"], row["role"]) for row in members][1] == (joined["membership_id"], "viewer")
    assert typed(owner.token.secret, "members", "leave", "--yes", code=6)["code"] == "members.last_owner"
    typed(owner.token.secret, "members", "transfer", joined["membership_id"])
    typed(owner.token.secret, "members", "leave", "--yes")

    present = Membership.objects.filter(organisation_id=owner.organisation_id, left_at=None)
    assert [(row.id, row.role) for row in present] == [(joined["membership_id"], "owner")]


def test_a_withdrawn_invitation_is_gone_from_the_list(typed):
    token = found_organisation_today().token.secret
    made = typed(token, "members", "invite", "bo@example.org")
    typed(token, "members", "withdraw", made["id"])

    assert typed(token, "members", "invitations") == []


def test_a_role_is_changed_and_a_member_removed(typed):
    owner = found_organisation_today()
    guest = found_organisation_today()
    email = Person.objects.get(id=guest.person_id).email
    confirm_email(person_id=guest.person_id, email=email, now=utc_now())
    made = typed(owner.token.secret, "members", "invite", email)
    joined = typed(guest.token.secret, "members", "accept", stdin=made["secret"])

    typed(owner.token.secret, "members", "role", joined["membership_id"], "billing")
    assert typed(owner.token.secret, "members", "list")[1]["role"] == "billing"
    typed(owner.token.secret, "members", "remove", joined["membership_id"])
    assert len(typed(owner.token.secret, "members", "list")) == 1


def test_an_organisation_is_founded_and_what_it_is_begins_and_ends(typed):
    owner, operator = found_organisation_today(), make_operator_token(now=utc_now())
    maker = typed(owner.token.secret, "organisations", "found")
    assert typed(maker["token"]["secret"], "organisations", "standings") == []
    assert typed(maker["token"]["secret"], "whoami")["organisation"]["kind"] == "maker"

    until = TODAY + timedelta(days=30)
    words = ["organisations", "grant", owner.organisation_id, "sponsor", "--until", str(until), "--reason", "Gives."]
    granted = typed(operator, *words)
    ended = typed(
        operator,
        *["organisations", "end-standing", owner.organisation_id, granted["id"]],
        *["--on", str(TODAY), "--reason", "Gives no more."],
    )
    assert (ended["ends_on"], ended["holds_today"]) == (str(TODAY), False)
    found = typed(owner.token.secret, "organisations", "standings")
    assert {row["kind"]: row["holds_today"] for row in found} == {"resident": True, "sponsor": False}


def test_a_document_is_given_read_by_who_decides_and_verified(typed, tmp_path):
    owner, operator = found_organisation_today(), make_operator_token(now=utc_now())
    file, copy = tmp_path / "insurance.pdf", tmp_path / "copy.pdf"
    file.write_bytes(b"%PDF-1.7 We insure.")
    assert "insurance" in {kind["code"] for kind in typed(owner.token.secret, "evidence", "kinds")}
    until = str(TODAY + timedelta(days=20))
    words = ["evidence", "give", str(file), "--kind", "insurance", "--issued", str(date(2026, 1, 1))]
    given = typed(owner.token.secret, *words, "--expires", until)
    case_id = open_case(
        kind="supermarket.dispute",
        subject_id=owner.organisation_id,
        organisation_id=owner.organisation_id,
        opened_by="",
        facts={},
        now=utc_now(),
    )

    assert [row["id"] for row in typed(operator, "evidence", "of-case", case_id)] == [given["id"]]
    typed(operator, "evidence", "read", case_id, given["id"], str(copy))
    assert copy.read_bytes() == b"%PDF-1.7 We insure."
    typed(operator, "evidence", "read", case_id, "evd_0", str(tmp_path / "none.pdf"), code=5)
    assert not (tmp_path / "none.pdf").exists()
    typed(operator, "evidence", "verify", case_id, given["id"], "--reason", "Asked the insurer.")
    (soon,) = typed(owner.token.secret, "evidence", "list", "--expiring", "20")
    assert (soon["state"], soon["verification"]) == ("verified", "Asked the insurer.")
    typed(owner.token.secret, "evidence", "withdraw", given["id"])
    assert [row["state"] for row in typed(owner.token.secret, "evidence", "list")] == ["withdrawn"]


def test_owners_are_declared_from_a_file_and_relate(typed, tmp_path):
    parent, child = found_organisation_today(), found_organisation_today()
    operator = make_operator_token(now=utc_now())
    file = tmp_path / "owners.toml"
    file.write_text(
        f'[[owners]]\npercent = 33.3333\norganisation_id = "{parent.organisation_id}"\n'
        '[[owners]]\npercent = 50\nname = "Lane Holding"\nregistration_number = "HRB 1234"\n'
    )
    declared = typed(child.token.secret, "organisations", "declare-owners", str(file))

    assert [row["share_ppm"] for row in declared] == [333_333, 500_000]
    assert len(typed(child.token.secret, "organisations", "owners")) == 2
    answer = typed(operator, "organisations", "related", parent.organisation_id, child.organisation_id)
    assert (answer["related"], answer["holder"]) == (True, parent.organisation_id)
    file.write_text("[[owners]]\nname = 'x'\n")
    refused = typed(child.token.secret, "organisations", "declare-owners", str(file), code=3)
    assert refused["code"] == "cli.owners_unreadable"


def test_a_person_is_exported_and_erased(typed):
    owner, operator = found_organisation_today(), make_operator_token(now=utc_now())
    export = typed(operator, "people", "export", owner.person_id)
    assert export["profile"]["id"] == owner.person_id
    refused = typed(operator, "people", "erase", owner.person_id, "--reason", "Asked for.", code=6)
    assert refused["facts"] == {"organisation_id": owner.organisation_id}

    person_id = act(operator, now=utc_now()).person_id
    make_operator_token(now=utc_now())
    typed(operator, "people", "erase", person_id, "--reason", "Leaves.")
    assert Person.objects.get(id=person_id).name == "erased"
    assert typed(make_operator_token(now=utc_now()), "people", "export", new_id("per"), code=5)
