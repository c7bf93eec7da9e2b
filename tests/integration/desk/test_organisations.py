"""Organisations by page: what they are, who belongs to them, suspending and reinstating."""

import re

import pytest

from lilong.foundation.members.models import Organisation
from lilong.foundation.members.public import OrganisationState
from lilong.foundation.record.models import Entry
from tests.desks import browse_as

pytestmark = pytest.mark.django_db(transaction=True)


def read(answer):
    return " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode()).split())


def test_an_operator_suspends_and_reinstates_with_reasons_that_the_record_keeps(filled):
    path = f"/desk/organisations/{filled.buyer.organisation_id}"
    browser = browse_as(filled.operator)
    assert browser.post(path, {"action": "suspend", "reason": " "}).status_code == 200
    browser.post(path, {"action": "suspend", "reason": "Unpaid."})
    assert "It is suspended" in read(browser.get(path))
    browser.post(path, {"action": "reinstate", "reason": "Paid."})

    assert Organisation.objects.get(id=filled.buyer.organisation_id).state == OrganisationState.ADMITTED
    entries = Entry.objects.filter(subject_id=filled.buyer.organisation_id).values_list("kind", flat=True)
    assert len([kind for kind in entries if "overrid" in kind or "state" in kind]) == 2


def test_an_organisation_shows_its_people_and_what_it_is(filled):
    page = read(browse_as(filled.operator).get(f"/desk/organisations/{filled.seller.owner.organisation_id}"))

    assert "Provider" in page
    assert "without end holds" in page
    assert "owner" in page


@pytest.mark.parametrize(
    ("query", "found"), [("?state=applied", True), ("?kind=resident", False), ("?state=suspended&kind=provider", False)]
)
def test_organisations_are_listed_by_state_and_kind(filled, query, found):
    page = browse_as(filled.operator).get(f"/desk/organisations{query}").content.decode()

    assert (filled.applicant.organisation_id in page) is found


def test_an_application_leads_to_its_case(filled):
    page = browse_as(filled.operator).get(f"/desk/organisations/{filled.applicant.organisation_id}").content.decode()

    assert '/desk/cases?kind=members.admission"' in page
    assert 'name="reason"' not in page
