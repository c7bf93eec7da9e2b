"""An organisation's people in a real browser: from the invitation to the page that says why it refuses."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import expect

from lilong.cli.local_hub import LocalHub
from tests.browsing import LOOKS, NARROW, Look, Peopled, find_unreached, inspect_page
from tests.hub import fill
from tests.polling import wait_until
from tests.sign_ins import CODE, PASSWORD
from tests.visitors import find_in_mails

ENGLISH = {
    "organisation": "Organisation",
    "people": "People",
    "invite": "Invite somebody",
    "address": "Address",
    "role": "Viewer: looks on, changes nothing",
    "send": "Send the invitation",
    "sign up": "Sign up",
    "name": "Your name",
    "password": "Password",
    "code": "Code",
    "confirm": "Confirm",
    "accept": "Accept and join Shu Robotics",
    "welcome": "Welcome. You belong to the organisation now",
    "needs": "It needs the role",
    "has": "viewer",
    "who": "Who can give it",
}
CHINESE = {
    "organisation": "机构",
    "people": "人员",
    "invite": "邀请成员",
    "address": "地址",
    "role": "查看者：只查看，不做更改",
    "send": "发送邀请",
    "sign up": "注册",
    "name": "您的姓名",
    "password": "密码",
    "code": "验证码",
    "confirm": "确认",
    "accept": "接受并加入 Shu Robotics",
    "welcome": "欢迎。您已加入该机构",
    "needs": "需要的角色",
    "has": "查看者",
    "who": "谁可以授予",
}


@dataclass(frozen=True)
class Company(Peopled):
    """A hub with an organisation. mails: its folder; memberships: by role; links: by the invitation's state."""

    mails: Path
    memberships: Mapping[str, str]
    links: Mapping[str, str]

    def wait_for(self, pattern: re.Pattern[str], *, to: str) -> str:
        """Return what the newest mail to an address holds of this, once it has come."""

        return wait_until(lambda: find_in_mails(self.mails, to=to, pattern=pattern), within_s=60)


@pytest.fixture(scope="module")
def company(hub: LocalHub) -> Company:
    said = json.loads(fill(hub, "tests.browser_people"))
    return Company(url=hub.url, mails=hub.home / "mail", **said)


@pytest.mark.parametrize(
    ("look", "words"),
    [(Look(), ENGLISH), (Look(language="zh-hans", theme="dark", width=NARROW), CHINESE)],
    ids=["english wide light", "chinese narrow dark"],
)
def test_who_is_invited_joins_and_reads_on_a_page_that_refuses_what_is_needed_and_who_can_help(
    company, browser, look, words
):
    guest = f"guest-{look.language}@guests.example"
    owner = company.open_context(browser, "owner", look=look).new_page()
    owner.goto(f"{company.url}/home")
    owner.get_by_role("link", name=words["organisation"], exact=True).click()
    owner.get_by_role("navigation").get_by_role("link", name=words["people"], exact=True).click()
    owner.get_by_role("link", name=words["invite"], exact=True).click()
    owner.get_by_label(words["address"], exact=True).fill(guest)
    owner.get_by_label(words["role"]).check()
    owner.get_by_role("button", name=words["send"]).click()
    expect(owner.get_by_role("listitem").filter(has_text=guest)).to_be_visible()

    page = company.open_context(browser, look=look).new_page()
    page.goto(company.wait_for(re.compile(r"^(http\S+/invitation\?secret=\S+)", re.MULTILINE), to=guest))
    assert page.url == f"{company.url}/invitation"
    page.get_by_role("main").get_by_role("link", name=words["sign up"]).click()
    page.get_by_label(words["name"]).fill("Gu Est")
    page.get_by_label(words["password"]).fill(PASSWORD)
    page.get_by_role("main").get_by_role("button", name=words["sign up"]).click()
    page.get_by_label(words["code"]).fill(company.wait_for(CODE, to=guest))
    page.get_by_role("main").get_by_role("button", name=words["confirm"]).click()
    page.get_by_role("button", name=words["accept"]).click()

    page.wait_for_url(f"{company.url}/home")
    expect(page.get_by_text(words["welcome"])).to_be_visible()
    expect(page.get_by_role("banner")).to_contain_text("Shu Robotics")
    assert page.goto(f"{company.url}/organisation/people/invite").status == 403
    facts = page.get_by_role("main")
    for label, said in ((words["needs"], ""), (words["who"], "Lin Wei")):
        row = facts.locator("dl.facts > div").filter(has=page.get_by_text(label, exact=True))
        expect(row).to_contain_text(said)
    expect(facts).to_contain_text(words["has"])
    page.context.close()
    owner.context.close()


def test_without_scripts_an_invitation_is_withdrawn_once_that_is_confirmed(company, browser):
    context = company.open_context(browser, "owner", java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{company.url}/organisation/people/invite")
    page.get_by_label("Address", exact=True).fill("mistaken@guests.example")
    page.get_by_role("button", name="Send the invitation").click()
    row = page.get_by_role("listitem").filter(has_text="mistaken@guests.example")
    expect(row.get_by_role("button", name="Yes, withdraw it")).to_be_hidden()
    row.locator("summary").click()
    row.get_by_role("button", name="Yes, withdraw it").click()

    expect(page.get_by_text("The invitation is withdrawn")).to_be_visible()
    expect(row).to_have_count(0)
    context.close()


@pytest.mark.parametrize("look", LOOKS, ids=str)
def test_the_pages_of_people_are_sound_for_everybody(company, browser, look):
    seen = {
        "owner": (
            "/organisation/people",
            "/organisation/people/invite",
            "/organisation/people/leave",
            f"/organisation/people/{company.memberships['admin']}",
        ),
        "admin": (
            "/organisation/people",
            f"/organisation/people/{company.memberships['viewer']}",
            company.links["open"],
        ),
        "guest": (company.links["open"],),
        "other": (company.links["open"],),
        "viewer": ("/organisation/people", "/organisation/people/leave", "/organisation/people/invite", "/desk"),
        "": ("/invitation", company.links["open"], company.links["withdrawn"], f"{company.links['open']}x"),
    }
    wrong = {}
    for who, paths in seen.items():
        context = company.open_context(browser, who, look=look)
        for path in paths:
            visit = inspect_page(context.new_page(), company.url + path)
            if visit.violations or visit.troubles or visit.overflow_px > 0:
                wrong[who, path] = visit
        context.close()

    assert wrong == {}


@pytest.mark.parametrize(
    ("who", "path"),
    [
        ("owner", "/organisation/people"),
        ("owner", "/organisation/people/invite"),
        ("viewer", "/organisation/people/invite"),
        ("", "open"),
    ],
)
def test_the_keyboard_reaches_everything_about_people(company, browser, who, path):
    context = company.open_context(browser, who)
    page = context.new_page()
    page.goto(company.url + company.links.get(path, path))

    assert find_unreached(page) == []
    context.close()
