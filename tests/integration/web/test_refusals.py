"""A page that refuses says which role or standing is needed, which one has, and who can change that."""

import html
import re
from uuid import uuid4

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from lilong.common.permissions import Role
from lilong.common.time import utc_now
from lilong.foundation.members.models import OrganisationStanding, Person
from lilong.foundation.members.services.invitations import invite_member
from lilong.foundation.members.services.memberships import add_member
from lilong.foundation.members.services.organisations import suspend_organisation
from lilong.foundation.members.services.standings import end_standing
from tests.market import buy, found_buyer, open_stall
from tests.people import NOW, act, found_operator, found_organisation_today, join
from tests.sessions import browse_as

pytestmark = pytest.mark.django_db(transaction=True)
QUERIES_MAX = 12


@pytest.fixture
def owner():
    return act(found_organisation_today().token.secret, now=utc_now())


def read_refusal(actor, path, *, language="en"):
    """Return what the facts of the page of a refusal say, by label."""
    browser = browse_as(actor, language=language)
    with CaptureQueriesContext(connection) as queries:
        answer = browser.get(path)
    assert answer.status_code == 403, answer.status_code
    assert len(queries) <= QUERIES_MAX
    return read_facts(answer)


def read_facts(answer):
    page = answer.content.decode()
    rows = re.findall(r"<div><dt>(.*?)</dt><dd>(.*?)</dd></div>", page, re.DOTALL)
    said = {label: html.unescape(" ".join(re.sub(r"<[^>]+>", " ", text).split())) for label, text in rows}
    return said, page


def test_a_role_that_is_missing_is_named_with_those_who_can_give_it(owner):
    viewer, _admin, second = (join(owner, role, now=utc_now()) for role in (Role.VIEWER, Role.ADMIN, Role.OWNER))
    with transaction.atomic():
        Person.objects.filter(id=second.person_id).update(name="Second Owner")
    said, page = read_refusal(viewer, "/organisation/people/invite")

    first = Person.objects.get(id=owner.person_id).name
    assert said["It needs the role"] == "owner, admin"
    assert said["You have the role"] == "viewer"
    assert said["Who can give it"] == f"{first}, Second Owner"
    assert re.search(r"Your role in Organisation \d+ does not include this", page)
    assert "What you can do" in page
    assert 'href="/organisation/people"' in page
    assert "Your role is viewer; this needs" not in page


def test_it_is_said_in_chinese_without_english_words(owner):
    said, page = read_refusal(
        join(owner, Role.MEMBER, now=utc_now()), "/organisation/people/invite", language="zh-hans"
    )

    assert said["需要的角色"] == "所有者、管理员"
    assert said["您的角色"] == "成员"
    assert 'lang="en"' not in page.split("<main")[1].split("</main>")[0]


def test_a_page_of_operators_says_that_no_organisation_can_give_the_role(owner):
    said, page = read_refusal(owner, "/desk")

    assert said["It needs the role"].startswith("operator")
    assert "no other organisation can give this role" in page
    assert "Who can give it" not in said
    assert "Act for" not in page


def test_an_operator_who_acts_for_another_organisation_is_led_to_act_for_the_hub(owner):
    operator = found_operator(now=utc_now())
    email = Person.objects.get(id=operator.person_id).email
    add_member(actor=owner, email=email, name="", role=Role.VIEWER, now=utc_now())
    browser = browse_as(operator)
    browser.post("/account/organisation/", {"organisation_id": owner.organisation_id})
    refused = browser.get("/desk")
    assert refused.status_code == 403
    (action,) = re.findall(r'<form method="post" action="(/account/organisation/)">', refused.content.decode())

    fields = {"organisation_id": operator.organisation_id, "next": "/desk"}
    assert browser.post(action, fields, follow=True).status_code == 200


def test_who_is_refused_is_not_named_among_those_to_ask(owner):
    admin = join(owner, Role.ADMIN, now=utc_now())
    made = invite_member(actor=owner, email="al@example.org", role=Role.ADMIN, now=utc_now())
    refused = browse_as(admin).post(f"/organisation/people/invitations/{made.id}/withdraw").content.decode()

    names = re.search(r"Who can give it</dt><dd>(.*?)</dd>", refused, re.DOTALL)
    assert names
    assert names[1].strip() == Person.objects.get(id=owner.person_id).name


def end_all_standings(buyer):
    standing = OrganisationStanding.objects.get(organisation_id=buyer.organisation_id)
    end_standing(
        actor=found_operator(),
        organisation_id=buyer.organisation_id,
        standing_id=standing.id,
        ends_on=NOW.date(),
        reason="Moved out.",
        now=NOW,
    )


def suspend(buyer):
    suspend_organisation(actor=found_operator(), organisation_id=buyer.organisation_id, reason="Late.", now=NOW)


@pytest.mark.parametrize(
    ("end", "heading", "state", "standing"),
    [
        (suspend, "Your organisation is not admitted", "Suspended", "Resident: from 2026-03-01, without end"),
        (end_all_standings, "standing does not allow new orders", "Admitted", "none"),
    ],
)
def test_a_standing_that_is_missing_is_named_with_what_the_organisation_has(end, heading, state, standing):
    open_stall()
    buyer = found_buyer()
    order = buy(buyer)
    end(buyer)
    answer = browse_as(buyer).post(f"/orders/{order.id}/again", {"key": uuid4().hex})
    said, page = read_facts(answer)

    assert answer.status_code == 403
    assert heading in html.unescape(page)
    assert said["Your organisation"].endswith(state)
    assert said["Its standing"] == standing
    assert said["Who can give it"] == "the hub's operators"
    assert "What you can do" in page


def test_a_refusal_of_another_kind_keeps_its_own_words(owner):
    browser = browse_as(owner, enforce_csrf=True)
    page = browser.post("/organisation/people/leave", {}).content.decode()

    assert "too old, or from elsewhere" in page
    assert "It needs the role" not in page
