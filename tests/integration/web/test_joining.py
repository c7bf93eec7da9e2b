"""From the link in an invitation's mail to the home of the organisation, whoever opens it and whenever."""

import re
from datetime import timedelta

import pytest
from django.db import transaction

from lilong.common.permissions import Role
from lilong.common.time import utc_now
from lilong.foundation.members.models import Invitation, Membership, Person
from lilong.foundation.members.public.invitations import format_link
from lilong.foundation.members.services.invitations import invite_member, send_invitation_again, withdraw_invitation
from tests.people import act, found_organisation_today
from tests.sign_ins import PASSWORD, Browser, forget_limits, read_code, sign_up

pytestmark = pytest.mark.django_db(transaction=True)
BO = "bo@example.org"
HERE = "/invitation"


@pytest.fixture
def owner():
    return act(found_organisation_today().token.secret, now=utc_now())


@pytest.fixture
def made(owner):
    return invite_member(actor=owner, email=BO, role=Role.BILLING, now=utc_now())


def open_link(browser, made):
    """Open the link of the mail and return the page that it leads to."""
    link = format_link(hub_url="", secret=made.secret)
    led = browser.get(link)
    assert (led.status_code, led["Location"]) == (302, HERE)
    return browser.get(HERE).content.decode()


def read_heading(page):
    (heading,) = re.findall(r"<h1>(.*?)</h1>", page, re.DOTALL)
    return heading


def is_member(email=BO):
    return Membership.objects.filter(person__email=email, left_at=None, role="billing").exists()


def name_of(owner):
    return Person.objects.get(id=owner.person_id).name


def change(made, **values):
    with transaction.atomic():
        Invitation.objects.filter(id=made.id).update(**values)


def test_who_is_new_signs_up_comes_back_accepts_and_is_at_home(owner, made):
    browser = Browser()
    page = open_link(browser, made)
    assert re.search(r"Join Organisation \d+", read_heading(page))
    assert name_of(owner) in page
    assert f"/account/signup/?email=bo%40example.org&amp;next={HERE}" in page

    form = browser.get(f"/account/signup/?email=bo%40example.org&next={HERE}").content.decode()
    assert 'value="bo@example.org"' in form
    sent = browser.post(
        "/account/signup/", {"email": BO, "name": "Bo", "password1": PASSWORD}, page=f"/account/signup/?next={HERE}"
    )
    assert sent["Location"].startswith("/account/confirm-email/"), sent.content
    confirmed = browser.post("/account/confirm-email/", {"code": read_code(BO)}, page=sent["Location"])
    assert confirmed["Location"] == HERE

    assert "Accept and join" in browser.get(HERE).content.decode()
    assert not is_member()
    accepted = browser.post(HERE, {"action": "accept"})
    assert accepted["Location"] == "/home"
    assert is_member()
    home = browser.get("/home").content.decode()
    assert "Welcome. You belong to the organisation now" in home
    assert re.search(r"Bo · Organisation \d+", home)
    assert Browser().get(HERE).status_code == 200


def test_who_has_an_account_signs_in_and_comes_back(made):
    sign_up(BO)
    browser = Browser()
    assert f"/account/login/?next={HERE}" in open_link(browser, made)

    assert browser.sign_in(BO, following=HERE)["Location"] == HERE
    browser.post(HERE, {"action": "accept"})
    assert is_member()


def test_the_secret_stands_in_one_address_and_in_no_page_session_or_table(made):
    browser = Browser()
    page = open_link(browser, made)
    assert made.secret not in page
    browser.sign_in("nobody@example.org", following=HERE)
    sign_up(BO, browser=browser)
    assert made.secret not in browser.get(HERE).content.decode()

    session = browser.client.session
    assert made.secret not in str(dict(session.items()))
    cookie = browser.client.cookies["lilong-invitation"]
    assert (cookie.value, cookie["httponly"], cookie["samesite"]) == (made.secret, True, "Lax")


def test_the_log_names_the_page_alone(made, caplog):
    with caplog.at_level("INFO"):
        open_link(Browser(), made)

    assert "'path': '/invitation'" in caplog.text
    assert made.secret not in caplog.text


def test_who_is_signed_in_with_another_address_reads_what_to_do_and_comes_back_after_signing_out(owner, made):
    sign_up(BO)
    browser = sign_up("al@example.org", name="Al")
    page = open_link(browser, made)
    assert "You are signed in as al@example.org, and the invitation is for bo@example.org." in page
    assert f"Ask {name_of(owner)} to invite that address." in page
    forced = browser.post(HERE, {"action": "accept"})
    assert (forced.status_code, is_member()) == (403, False)
    assert "You are signed in with another address" in forced.content.decode()

    assert browser.post("/account/logout/", {"next": HERE}, page=HERE)["Location"] == HERE
    assert "I have an account: sign in" in browser.get(HERE).content.decode()
    forget_limits()
    browser.sign_in(BO, following=HERE)
    browser.post(HERE, {"action": "accept"})
    assert is_member()
    assert not is_member("al@example.org")


def test_an_address_that_was_never_confirmed_is_confirmed_first(made):
    browser = sign_up(BO)
    with transaction.atomic():
        Person.objects.filter(email=BO).update(email_verified_at=None)

    assert "/account/email/" in open_link(browser, made)
    assert browser.post(HERE, {"action": "accept"}).status_code == 403
    assert not is_member()


def test_an_expired_invitation_says_whom_to_ask(owner, made):
    change(made, expires_at=utc_now() - timedelta(seconds=1))
    browser = sign_up(BO)
    page = open_link(browser, made)

    assert read_heading(page) == "This invitation has expired"
    assert f"Ask {name_of(owner)} of Organisation" in page
    late = browser.post(HERE, {"action": "accept"}, page="/account/")
    assert (late.status_code, is_member()) == (409, False)
    assert "This invitation has expired" in late.content.decode()


def test_a_withdrawn_invitation_says_so(owner, made):
    withdraw_invitation(actor=owner, invitation_id=made.id, now=utc_now())

    assert read_heading(open_link(sign_up(BO), made)) == "This invitation was withdrawn"


def test_a_link_that_was_replaced_or_cut_off_says_to_look_for_the_newest_mail(owner, made):
    send_invitation_again(actor=owner, invitation_id=made.id, now=utc_now())
    browser = Browser()
    assert read_heading(open_link(browser, made)) == "This link does not work"
    for secret in ("lilinv_cut", "x" * 5000, "%0d%0aSet-Cookie:%20a=b", "%F0%9F%98%80"):
        browser.get(f"{HERE}?secret={secret}")
        page = browser.get(HERE)
        assert page.status_code == 200
        assert read_heading(page.content.decode()) in {"This link does not work", "Open the link in your mail"}


def test_a_used_invitation_tells_strangers_that_it_was_used_and_its_member_to_go_on(made):
    browser = sign_up(BO)
    open_link(browser, made)
    browser.post(HERE, {"action": "accept"})

    assert read_heading(open_link(Browser(), made)) == "This invitation was accepted already"
    assert re.search(r"You belong to Organisation \d+ already", read_heading(open_link(browser, made)))
    assert browser.post(HERE, {"action": "enter"})["Location"] == "/home"


def test_accepting_twice_makes_one_member(made):
    browser = sign_up(BO)
    open_link(browser, made)
    token = browser.client.cookies["lilong-invitation"].value
    browser.post(HERE, {"action": "accept"})
    browser.client.cookies["lilong-invitation"] = token
    again = browser.post(HERE, {"action": "accept"}, page="/account/")

    assert again.status_code == 409
    assert "already" in read_heading(again.content.decode())
    assert Membership.objects.filter(person__email=BO).count() == 1


def test_without_the_link_the_page_says_where_it_is():
    assert read_heading(Browser().get(HERE).content.decode()) == "Open the link in your mail"


def test_strangers_and_forms_from_elsewhere_accept_nothing(made):
    browser = sign_up(BO)
    open_link(browser, made)
    assert browser.client.post(HERE, {"action": "accept"}).status_code == 403
    stranger = Browser()
    open_link(stranger, made)
    sent = stranger.post(HERE, {"action": "accept"}, page="/account/login/")
    assert sent["Location"] == f"/account/login/?next={HERE}"

    assert not is_member()


def test_nobody_enters_by_a_foreign_invitation(made):
    browser = sign_up("al@example.org")
    open_link(browser, made)

    assert browser.post(HERE, {"action": "enter"}).status_code == 404


def test_who_signs_up_to_accept_on_chinese_pages_is_written_to_in_chinese(made):
    browser = Browser()
    browser.client.cookies["language"] = "zh-hans"
    open_link(browser, made)
    sign_up(BO, browser=browser, name="Bo")
    browser.post(HERE, {"action": "accept"})

    assert is_member()
    assert Person.objects.get(email=BO).language == "zh-hans"
