"""The pages of an organisation's people: who is here, inviting, roles, removing, handing over, leaving."""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from lilong.common.permissions import Role
from lilong.common.time import utc_now
from lilong.foundation.members.models import Invitation, Membership, Person
from lilong.foundation.members.pages.rights import RIGHTS
from lilong.foundation.members.public import OrganisationKind
from lilong.foundation.members.services.invitations import invite_member
from lilong.web.api import api
from tests.people import act, found_operator, found_organisation_today, join
from tests.sessions import browse_as
from tests.sign_ins import Browser

pytestmark = pytest.mark.django_db(transaction=True)

QUERIES_MAX = 12
CHINESE = re.compile(r"[\u4e00-\u9fff]")
RULES = {
    "look": [("get", "/orders"), ("get", "/organisations/{organisation_id}/members")],
    "read_files": [("get", "/objects/{sha256}")],
    "order": [("post", "/quotes"), ("post", "/orders"), ("post", "/orders/{order_id}/cancel")],
    "secrets": [("put", "/secrets/{name}"), ("post", "/volumes")],
    "documents": [("post", "/evidence"), ("post", "/cases/{case_id}/appeals"), ("post", "/orders/{order_id}/disputes")],
    "spending": [("post", "/projects"), ("post", "/budgets"), ("put", "/spending-rule")],
    "approve": [("post", "/orders/{order_id}/approve"), ("post", "/orders/{order_id}/refuse")],
    "money": [("post", "/top-ups"), ("post", "/pay-outs")],
    "sell": [("post", "/pools"), ("post", "/webhooks"), ("post", "/ownership")],
    "people": [("post", "/invitations"), ("post", "/members/{membership_id}/role")],
    "heads": [("post", "/members/{membership_id}/transfer")],
}
"""Operations of the API by the right that they belong to."""


@pytest.fixture
def owner():
    return act(found_organisation_today().token.secret, now=utc_now())


def come(owner, role):
    return join(owner, role, now=utc_now())


def invite(owner, email="bo@example.org", role=Role.MEMBER):
    return invite_member(actor=owner, email=email, role=role, now=utc_now())


def find_membership(actor):
    return Membership.objects.get(person_id=actor.person_id, organisation_id=actor.organisation_id, left_at=None)


def find_role(actor):
    row = Membership.objects.filter(person_id=actor.person_id, organisation_id=actor.organisation_id, left_at=None)
    return row.values_list("role", flat=True).first()


def read(actor, path, **options):
    answer = browse_as(actor, **options).get(path)
    assert answer.status_code == 200, answer.content
    return answer.content.decode()


def follow(browser, path, fields):
    """Send a form and return the page to which it leads."""
    return browser.post(path, fields, follow=True).content.decode()


def test_everybody_sees_who_belongs_to_the_organisation_in_which_role_since_when(owner):
    viewer, stranger = come(owner, Role.VIEWER), act(found_organisation_today().token.secret, now=utc_now())
    for actor in (owner, viewer):
        page = read(actor, "/organisation/people")
        assert Person.objects.get(id=owner.person_id).name in page
        assert "A viewer" in page
        assert "just now" in page
        assert Person.objects.get(id=stranger.person_id).email not in page


def test_who_may_not_manage_is_shown_no_button_and_told_who_may(owner):
    name = Person.objects.get(id=owner.person_id).name
    for role in (Role.MEMBER, Role.BILLING, Role.VIEWER):
        page = read(come(owner, role), "/organisation/people")
        assert "/organisation/people/invite" not in page
        assert "Withdraw" not in page
        assert re.search(rf"These can; ask one of them:\s*{name}", page)
    assert "/organisation/people/invite" in read(come(owner, Role.ADMIN), "/organisation/people")


def test_an_owner_invites_to_a_role_in_a_language(owner):
    browser = browse_as(owner)
    page = follow(
        browser, "/organisation/people/invite", {"email": " Bo@Example.org", "role": "billing", "language": "zh-hans"}
    )

    assert "bo@example.org is invited; the mail is on its way." in page
    row = Invitation.objects.get()
    assert (row.email, row.role, row.language) == ("bo@example.org", "billing", "zh-hans")
    again = browser.post(
        "/organisation/people/invite", {"email": "bo@example.org", "role": "billing", "language": "en"}
    )
    assert "This address is invited already. Send that invitation again" in again.content.decode()
    assert Invitation.objects.count() == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"email": "nowhere", "role": "member", "language": "en"},
        {"email": f"{'b' * 250}@example.org", "role": "member", "language": "en"},
        {"email": "bo@example.org", "role": "operator", "language": "en"},
        {"email": "bo@example.org", "role": "king", "language": "en"},
        {"email": "bo@example.org", "role": "member", "language": "xx"},
        {"email": "bo@example.org"},
    ],
)
def test_what_is_wrong_is_said_beside_the_field(owner, fields):
    answer = browse_as(owner).post("/organisation/people/invite", fields)

    assert answer.status_code == 200
    assert 'class="error"' in answer.content.decode()
    assert not Invitation.objects.exists()


def test_an_admin_is_offered_no_role_that_only_owners_give(owner):
    browser = browse_as(come(owner, Role.ADMIN))
    offered = re.findall(r'name="role" value="(\w+)"', browser.get("/organisation/people/invite").content.decode())
    assert offered == ["member", "billing", "viewer"]
    assert re.findall(r'name="role" value="(\w+)"', read(owner, "/organisation/people/invite")) == [
        "owner",
        "admin",
        *offered,
    ]

    forced = browser.post("/organisation/people/invite", {"email": "bo@example.org", "role": "owner", "language": "en"})
    assert "Select a valid choice" in forced.content.decode()
    assert not Invitation.objects.exists()


def test_an_open_invitation_is_sent_again_once_however_often_the_button_is_pressed(owner):
    made = invite(owner)
    browser = browse_as(owner)
    assert "bo@example.org" in browser.get("/organisation/people").content.decode()
    first, second = (
        follow(browser, f"/organisation/people/invitations/{made.id}/send", {"times_sent": "1"}) for _ in range(2)
    )

    assert "A new mail to bo@example.org is on its way" in first
    assert "This invitation was sent again just now." in second
    assert Invitation.objects.get().generation == 2


def test_withdrawing_asks_first_and_is_done_once(owner):
    made = invite(owner)
    browser = browse_as(owner)
    assert "Yes, withdraw it" in browser.get("/organisation/people").content.decode()
    pages = [follow(browser, f"/organisation/people/invitations/{made.id}/withdraw", {}) for _ in range(2)]

    assert all("The invitation is withdrawn" in page for page in pages)
    assert all("No invitation is open." in page for page in pages)
    assert Invitation.objects.get().withdrawn_at is not None


def test_an_admin_is_told_that_an_owner_has_to_deal_with_an_owners_invitation(owner):
    admin, made = come(owner, Role.ADMIN), invite(owner, role=Role.ADMIN)
    page = read(admin, "/organisation/people")

    assert "An owner has to do it." in page
    assert "Yes, withdraw it" not in page
    refused = browse_as(admin).post(f"/organisation/people/invitations/{made.id}/withdraw")
    assert refused.status_code == 403
    assert "It needs the role" in refused.content.decode()


def test_a_role_is_given_and_holds_from_the_next_page_on(owner):
    viewer = come(owner, Role.VIEWER)
    page = follow(
        browse_as(owner), f"/organisation/people/{find_membership(viewer).id}", {"action": "role", "role": "admin"}
    )

    assert "A viewer has another role from the next page on." in page
    assert find_role(viewer) == "admin"
    assert "/organisation/people/invite" in read(viewer, "/organisation/people")


def test_a_member_is_removed_once_that_is_confirmed(owner):
    member = come(owner, Role.MEMBER)
    path = f"/organisation/people/{find_membership(member).id}"
    browser = browse_as(owner)
    assert "Yes, remove" in browser.get(path).content.decode()
    assert "A member belongs to your organisation no more." in follow(browser, path, {"action": "remove"})

    assert find_role(member) is None
    assert browser.post(path, {"action": "remove"}).status_code == 404
    assert browse_as(member).get("/organisation/people")["Location"].startswith("/account/organisations/new/")


def test_the_ownership_is_handed_over_in_one_step(owner):
    member = come(owner, Role.MEMBER)
    page = follow(browse_as(owner), f"/organisation/people/{find_membership(member).id}", {"action": "transfer"})

    assert "A member is an owner now, and you are an admin." in page
    assert (find_role(owner), find_role(member)) == ("admin", "owner")


def test_the_last_owner_is_told_why_nothing_can_be_changed_and_what_comes_first(owner):
    come(owner, Role.ADMIN)
    own = f"/organisation/people/{find_membership(owner).id}"
    for path in ("/organisation/people", own, "/organisation/people/leave"):
        page = read(owner, path)
        assert "An organisation always has an owner" in page
        assert "Yes, leave" not in page
        assert 'name="action"' not in page
    browser = browse_as(owner)
    forced = (
        (own, {"action": "role", "role": "viewer"}),
        (own, {"action": "remove"}),
        ("/organisation/people/leave", {"organisation_id": owner.organisation_id}),
    )
    for path, fields in forced:
        assert "This is the last person who can manage the organisation." in follow(browser, path, fields)
    assert find_role(owner) == "owner"


def test_a_second_owner_may_give_up_the_role_after_a_warning(owner):
    second = come(owner, Role.OWNER)
    path = f"/organisation/people/{find_membership(second).id}"
    assert "You cannot give it back to yourself" in read(second, path)

    follow(browse_as(second), path, {"action": "role", "role": "viewer"})
    assert find_role(second) == "viewer"


def test_leaving_says_what_ends_and_is_done_once_confirmed(owner):
    member = come(owner, Role.MEMBER)
    browser = browse_as(member)
    assert "Your tokens for it end at once" in browser.get("/organisation/people/leave").content.decode()
    wrong = browser.post("/organisation/people/leave", {"organisation_id": "org_other"})
    assert wrong.status_code == 404

    page = follow(browser, "/organisation/people/leave", {"organisation_id": owner.organisation_id})
    assert re.search(r"You have left Organisation \d+. Your tokens there have ended.", page)
    assert find_role(member) is None


def test_who_may_not_change_a_member_reads_who_may(owner):
    admin, name = come(owner, Role.ADMIN), Person.objects.get(id=owner.person_id).name
    page = read(admin, f"/organisation/people/{find_membership(owner).id}")
    assert 'name="action"' not in page
    second = come(owner, Role.OWNER)
    page = read(admin, f"/organisation/people/{find_membership(second).id}")
    assert 'name="action"' not in page
    assert re.search(rf"These can; ask one of them:\s*{name}", page)


def test_a_maker_is_told_that_nobody_else_can_belong_to_it():
    maker = act(found_organisation_today(kind=OrganisationKind.MAKER).token.secret, now=utc_now())
    assert "A maker has one member." in read(maker, "/organisation/people")
    assert "A maker has one member." in read(maker, "/organisation/people/invite")
    browse_as(maker).post(
        "/organisation/people/invite", {"email": "bo@example.org", "role": "member", "language": "en"}
    )
    assert not Invitation.objects.exists()
    assert "goes only with that person" in read(maker, "/organisation/people/leave")


def test_at_the_hub_itself_there_are_operators_alone():
    operator = found_operator(now=utc_now())
    assert "may do everything at the hub" in read(operator, "/organisation/people")
    assert re.findall(r'name="role" value="(\w+)"', read(operator, "/organisation/people/invite")) == ["operator"]


def test_what_belongs_to_another_organisation_is_not_found(owner):
    stranger = act(found_organisation_today().token.secret, now=utc_now())
    made, membership = invite(owner), find_membership(come(owner, Role.MEMBER))
    browser = browse_as(stranger)

    assert browser.get(f"/organisation/people/{membership.id}").status_code == 404
    assert browser.post(f"/organisation/people/{membership.id}", {"action": "remove"}).status_code == 404
    for deed in ("send", "withdraw"):
        assert browser.post(f"/organisation/people/invitations/{made.id}/{deed}").status_code == 404
    assert Invitation.objects.get().withdrawn_at is None
    assert membership.left_at is None


def test_a_form_from_elsewhere_changes_nothing(owner):
    made, member = invite(owner), come(owner, Role.MEMBER)
    browser = browse_as(owner, enforce_csrf=True)
    forms: tuple[tuple[str, dict[str, str]], ...] = (
        ("/organisation/people/invite", {"email": "al@example.org", "role": "member", "language": "en"}),
        (f"/organisation/people/{find_membership(member).id}", {"action": "remove"}),
        (f"/organisation/people/invitations/{made.id}/withdraw", {}),
        ("/organisation/people/leave", {"organisation_id": owner.organisation_id}),
    )
    for path, fields in forms:
        assert browser.post(path, fields).status_code == 403
    assert Invitation.objects.get().withdrawn_at is None
    assert find_role(member) == "member"


def test_strangers_sign_in_first():
    for path in (
        "/organisation/people",
        "/organisation/people/invite",
        "/organisation/people/leave",
        "/organisation/people/mem_1",
    ):
        assert Browser().get(path)["Location"] == f"/account/login/?next={path}"


def test_every_page_speaks_chinese_and_takes_at_most_twelve_queries(owner):
    for number in range(30):
        invite(owner, f"guest{number}@example.org")
    member = come(owner, Role.MEMBER)
    for path in (
        "/organisation/people",
        "/organisation/people/invite",
        "/organisation/people/leave",
        f"/organisation/people/{find_membership(member).id}",
    ):
        browser = browse_as(owner, language="zh-hans")
        with CaptureQueriesContext(connection) as queries:
            page = browser.get(path).content.decode()
        assert len(queries) <= QUERIES_MAX, path
        main = re.search(r"<main.*</main>", page, re.DOTALL)
        assert main
        assert CHINESE.search(main[0])


@pytest.mark.parametrize("right", RIGHTS, ids=lambda right: right.name)
def test_what_the_page_says_of_roles_is_what_the_api_lets_them_do(right):
    paths = api.get_openapi_schema()["paths"]
    for method, path in RULES[right.name]:
        allowed = set(paths[f"/api/v1{path}"][method]["x-lilong-allow"]) - {"operator"}
        assert allowed == set(right.roles), path
