"""Standings, consents and questions from the command line and so by SDK and API, through a web process."""

import json
from datetime import timedelta

import pytest
from django.db import transaction

from lilong.common.time import utc_now
from lilong.foundation.cases.models import Case
from lilong.foundation.members.models import OrganisationStanding
from lilong.foundation.members.queries.consents import list_consents, list_outcomes
from tests.bytes import fresh_document
from tests.integration.cli.commands import lilong
from tests.people import act, found_organisation_today
from tests.running_web import running_web

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def hub(tmp_path):
    with running_web(home=tmp_path / "home") as web:
        yield web


class Member:
    """Somebody at a terminal."""

    def __init__(self, hub):
        self.hub, self.token = hub, found_organisation_today().token.secret
        self.actor = act(self.token, now=utc_now())

    def type(self, *arguments):
        return lilong(*arguments, env={"LILONG_HUB": self.hub.url, "LILONG_TOKEN": self.token})

    def run(self, *arguments):
        done = self.type(*arguments, "--json")
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        return json.loads(done.stdout)

    def read(self, *arguments):
        done = self.type(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    def refuse(self, *arguments):
        done = self.type(*arguments, "--json")
        assert done.returncode != 0
        return json.loads(done.stderr)["code"]


def test_a_standing_is_applied_for_with_the_documents_that_it_needs(hub, tmp_path):
    member = Member(hub)
    assert member.refuse("organisations", "apply", "sponsor", "--reason", "We fund.") == "standing.evidence_lacks"
    for kind in ("registration", "financial_statement"):
        file = tmp_path / f"{kind}.pdf"
        file.write_bytes(fresh_document(2000))
        member.run("evidence", "give", file, "--kind", kind, "--issued", "2026-01-01")

    case_id = member.run("organisations", "apply", "sponsor", "--reason", "We fund.")["case_id"]
    case = Case.objects.get(id=case_id)
    assert (case.organisation_id, case.facts["standing"], case.facts["reason"]) == (
        member.actor.organisation_id,
        "sponsor",
        "We fund.",
    )
    needs = member.run("organisations", "needs")
    assert [each["case_id"] for each in needs["applications"]] == [case_id]
    (sponsor,) = [each for each in needs["offers"] if each["kind"] == "sponsor"]
    assert (sponsor["lacking"], len(sponsor["shown"])) == ([], 2)
    assert member.refuse("organisations", "apply", "sponsor", "--reason", "Again.") == "standing.asked"


def test_consents_are_given_and_withdrawn_one_by_one(hub):
    member = Member(hub)
    assert "no" in member.read("consents", "list")
    assert "Yes to usage_statistics: The hub may publish" in member.read("consents", "give", "usage_statistics")
    member.run("consents", "give", "named_in_public", "outcome_questions")
    said = member.run("consents", "withdraw", "named_in_public")

    assert {use["code"] for use in said["uses"] if use["given_at"]} == {"usage_statistics", "outcome_questions"}
    held = {each.use: each.withdrawn_at is None for each in list_consents(actor=member.actor)}
    assert held == {"usage_statistics": True, "named_in_public": False, "outcome_questions": True}
    assert member.refuse("consents", "withdraw", "everything") == "cli.use_unknown"


def test_questions_are_answered_once_the_organisation_agrees_and_a_round_is_open(hub):
    member = Member(hub)
    assert "lilong consents give outcome_questions" in member.read("consents", "questions")
    assert member.refuse("consents", "answer", "half_year", "people_employed=3") == "consent.not_asked"
    member.run("consents", "give", "outcome_questions")
    begun = utc_now().date() - timedelta(days=200)
    with transaction.atomic():
        OrganisationStanding.objects.filter(organisation_id=member.actor.organisation_id).update(starts_on=begun)

    member.run("consents", "answer", "half_year", "people_employed=3", "products_launched=1")
    member.run("consents", "answer", "half_year", "products_launched=")
    assert {each.question: each.number for each in list_outcomes(actor=member.actor)} == {"people_employed": 3}
    assert "people_employed=3" in member.read("consents", "questions")
    assert member.refuse("consents", "answer", "half_year", "people_employed=many") == "cli.answer_unreadable"
    assert member.refuse("consents", "answer", "half_year", "happiness=3") == "consent.invalid"
    assert member.refuse("consents", "answer", "decade", "people_employed=3") == "not_found"
