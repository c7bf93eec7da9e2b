"""What a member keeps here, in a real browser: sound for everybody, and each secret shown once."""

import json
import re
from dataclasses import dataclass

import httpx
import pytest
from playwright.sync_api import FilePayload, expect

from tests.browsing import LOOKS, Look, Peopled, inspect_page
from tests.hub import fill, running_hub
from tests.polling import wait_until

TOKEN, SECRET = re.compile(r"lil_[A-Za-z0-9_-]{43}"), re.compile(r"whsec_[A-Za-z0-9+/=]{44}")


@dataclass(frozen=True)
class Kept(Peopled):
    """A hub on which an organisation keeps something on every page. paths: by person."""

    paths: dict[str, dict[str, str]]


@pytest.fixture(scope="module")
def kept(browser, tmp_path_factory):
    folder = tmp_path_factory.mktemp("account")
    with running_hub(folder, settings={"hub_name": "Lane hub"}) as hub:
        said = fill(hub, "tests.browser_account")
        wait_until(lambda: httpx.get(f"{hub.url}/api/v1/record/head").is_success, within_s=30)
        yield Kept(url=hub.url, **json.loads(said))


@pytest.mark.parametrize("look", LOOKS, ids=str)
def test_every_page_of_what_is_kept_is_sound_for_everybody(kept, browser, look):
    for who, pages in kept.paths.items():
        context = kept.open_context(browser, who, look=look)
        for name, path in pages.items():
            visit = inspect_page(context.new_page(), kept.url + path)
            assert visit.violations == [], name
            assert visit.troubles == [], name
            assert visit.overflow_px <= 0, name
        context.close()


@pytest.mark.parametrize("who", ["owner", "viewer"])
def test_the_header_stands_on_one_line_where_there_is_room(kept, browser, who):
    page = kept.open_context(browser, who).new_page()
    page.goto(f"{kept.url}/organisation")

    assert page.locator(".header").evaluate("header => header.offsetHeight") <= 64


def test_a_token_is_copied_once_and_revoked_by_keyboard(kept, browser):
    page = kept.open_context(browser, "owner", java_script_enabled=False).new_page()
    page.goto(f"{kept.url}/home")
    page.get_by_role("link", name="Organisation", exact=True).click()
    page.get_by_role("link", name="Tokens").first.click()
    page.get_by_label("What it is for").fill("nightly build")
    page.get_by_label("run: ").check()
    page.get_by_role("button", name="Make the token").click()
    secret = TOKEN.search(page.content())
    assert secret

    page.reload()
    expect(page.get_by_text("A token is shown once, and that was before.")).to_be_visible()
    page.go_back()
    assert secret[0] not in page.content()
    page.go_forward()
    assert secret[0] not in page.content()
    answer = httpx.get(f"{kept.url}/api/v1/me", headers={"Authorization": f"Bearer {secret[0]}"})
    assert sorted(answer.json()["scopes"]) == ["read", "run"]

    page.get_by_role("link", name="All tokens").click()
    row = page.get_by_role("row", name=re.compile("nightly build"))
    row.locator("summary").focus()
    page.keyboard.press("Enter")
    row.get_by_role("button", name="Yes, revoke it").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("The token no longer works.")).to_be_visible()
    assert httpx.get(f"{kept.url}/api/v1/me", headers={"Authorization": f"Bearer {secret[0]}"}).status_code == 401


def test_a_webhook_is_added_tested_and_removed(kept, browser):
    page = kept.open_context(browser, "newcomer").new_page()
    page.goto(f"{kept.url}/organisation/webhooks")
    page.get_by_label("Address").fill("https://127.0.0.1/hook")
    page.get_by_label("A run did not succeed").check()
    page.get_by_role("button", name="Add the webhook").click()
    expect(page.get_by_text("It must name a host, not an address.")).to_be_visible()

    page.get_by_label("Address").fill("https://hooks.lane.invalid/hook")
    page.get_by_role("button", name="Add the webhook").click()
    assert SECRET.search(page.content())
    page.reload()
    assert not SECRET.search(page.content())
    page.get_by_role("link", name="The webhook", exact=True).click()
    page.get_by_role("button", name="Send a test").click()
    expect(page.get_by_text("A test is on its way.")).to_be_visible()
    wait_until(lambda: page.reload() and page.get_by_text("It could not be reached").count(), within_s=60)

    page.locator("summary", has_text="Remove").click()
    page.get_by_role("button", name="Yes, remove it").click()
    expect(page.get_by_text("There is no webhook yet.")).to_be_visible()


def test_a_file_goes_into_a_volume_and_comes_out_again(kept, browser):
    page = kept.open_context(browser, "newcomer", java_script_enabled=False).new_page()
    page.goto(f"{kept.url}/organisation/volumes")
    page.get_by_label("Name of the volume").fill("corpus")
    page.get_by_role("button", name="Create the volume").click()
    page.get_by_label("File", exact=True).set_input_files(
        FilePayload(name="标签.csv", mimeType="text/csv", buffer="猫,1\n".encode())
    )
    page.get_by_label("Folder in the volume").fill("train")
    page.get_by_role("button", name="Put it in").click()

    with page.expect_download() as download:
        page.get_by_role("link", name="train/标签.csv", exact=True).click()
    assert download.value.suggested_filename == "标签.csv"
    assert download.value.path().read_text() == "猫,1\n"

    page.get_by_role("link", name="Move or remove train/标签.csv").click()
    page.get_by_label("New path").fill("labels.csv")
    page.get_by_role("button", name="Move it").click()
    page.get_by_role("link", name="Move or remove labels.csv").click()
    page.locator("summary", has_text="Remove").click()
    page.get_by_role("button", name="Yes, remove this file").click()
    expect(page.get_by_text("labels.csv is gone from the volume.")).to_be_visible()
    expect(page.get_by_text("It is empty.")).to_be_visible()


def test_a_notice_is_opened_and_the_count_in_the_header_goes_down(kept, browser):
    page = kept.open_context(browser, "owner", java_script_enabled=False).new_page()
    page.goto(f"{kept.url}/home")
    tally = page.locator(".inbox .tally")
    before = int(tally.inner_text().split()[0])
    page.locator(".inbox a").click()
    page.get_by_role("button", name="Mark as read An order was settled").first.click()
    assert int(tally.inner_text().split()[0]) == before - 1

    page.get_by_role("button", name="Mark all as read").click()
    expect(tally).to_have_count(0)


def test_a_statement_is_downloaded_from_the_wallet(kept, browser):
    page = kept.open_context(browser, "owner", java_script_enabled=False).new_page()
    page.goto(kept.url + kept.paths["owner"]["wallet"])

    with page.expect_download() as download:
        page.get_by_role("link", name="as CSV").click()
    content = download.value.path().read_bytes()
    assert content.startswith(b"effective_at,code,subject,change_credits,")
    assert content.count(b"\r\n") > 1
    assert download.value.suggested_filename.endswith(".csv")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_follow_the_choice_and_without_one_the_device(kept, browser, scheme):
    grounds = {}
    for theme in ("auto", "light", "dark"):
        context = kept.open_context(browser, "owner", look=Look(theme=theme), color_scheme=scheme)
        page = context.new_page()
        page.goto(f"{kept.url}/organisation")
        grounds[theme] = page.evaluate("getComputedStyle(document.body).backgroundColor")
        context.close()

    assert grounds["light"] != grounds["dark"]
    assert grounds["auto"] == grounds[scheme]
