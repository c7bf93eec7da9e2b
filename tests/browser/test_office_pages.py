"""An organisation's papers in a real browser: its pages are sound for everybody, and usable without scripts."""

import json
import os
from dataclasses import dataclass

import httpx
import pytest
from playwright.sync_api import expect

from tests.browsing import PAIRED_LOOKS, Opened, Visit
from tests.hub import fill, running_hub
from tests.polling import wait_until


@dataclass(frozen=True)
class Office(Opened):
    """A hub with one office in it."""

    case_id: str
    organisation_id: str


@pytest.fixture(scope="module")
def office(browser, tmp_path_factory):
    folder = tmp_path_factory.mktemp("office")
    with running_hub(folder, settings={"hub_name": "Lane hub"}) as hub:
        said = fill(hub, "tests.browser_offices")
        wait_until(lambda: httpx.get(f"{hub.url}/api/v1/record/head").is_success, within_s=30)
        yield Office(url=hub.url, **json.loads(said))


@pytest.fixture(scope="module", params=PAIRED_LOOKS, ids=str)
def visits(request, office: Office, browser) -> dict[str, Visit]:
    return office.inspect(browser, request.param)


def test_axe_finds_nothing_serious_on_any_page(visits):
    assert {name: visit.violations for name, visit in visits.items() if visit.violations} == {}


def test_the_console_stays_empty_on_every_page(visits):
    assert {name: visit.troubles for name, visit in visits.items() if visit.troubles} == {}


def test_no_page_is_wider_than_the_window(visits):
    assert {name: visit.overflow_px for name, visit in visits.items() if visit.overflow_px > 0} == {}


def test_a_wrong_file_is_refused_and_a_right_one_comes_back(office, browser, tmp_path):
    page = office.open_context(browser, "owner", java_script_enabled=False).new_page()
    page.goto(f"{office.url}/organisation/evidence")
    picture, policy = tmp_path / "policy.pdf", tmp_path / "real.pdf"
    picture.write_bytes(b"GIF89a" + b"\0" * 18_000_000)
    policy.write_bytes(b"%PDF-1.7\n" + os.urandom(18_000_000))

    def send(path):
        page.get_by_label("Kind of document").select_option(label="Insurance certificate")
        page.get_by_label("Title").fill("Liability")
        page.get_by_label("Issued on").fill("2026-01-01")
        page.get_by_label("Expires on").fill("2030-01-01")
        page.get_by_label("File").set_input_files(path)
        page.get_by_role("button", name="Add it").click()

    send(picture)
    expect(page.get_by_text("This is no PDF, PNG or JPEG file")).to_be_visible()
    send(policy)
    expect(page.get_by_role("status")).to_contain_text("in your wallet")
    page.get_by_role("link", name="Liability").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename == "Liability.pdf"
    assert download.value.path().read_bytes() == policy.read_bytes()


def test_who_applies_is_decided_on_with_the_documents_and_has_the_standing(office, browser):
    operator = office.open_context(browser, "operator").new_page()
    operator.goto(f"{office.url}/desk/cases/{office.case_id}")
    with operator.expect_download() as download:
        operator.get_by_role("link", name="Registration certificate 2019").click()
    assert download.value.suggested_filename == "Registration certificate 2019.pdf"
    row = operator.get_by_role("row").filter(has_text="Registration certificate 2019")
    row.get_by_text("Verify", exact=False).first.click()
    row.get_by_label("How did you check it?").fill("Compared with the register.")
    row.get_by_role("button", name="It is good").click()
    expect(operator.get_by_role("status")).to_contain_text("Verified")
    operator.get_by_label("Reason", exact=True).fill("The accounts are sound.")
    operator.get_by_role("button", name="Approve").click()

    owner = office.open_context(browser, "owner").new_page()

    def shows_standing():
        owner.goto(f"{office.url}/organisation/standings")
        return owner.get_by_text("The accounts are sound.").count() == 1

    wait_until(shows_standing, within_s=30)
    owner.get_by_role("link", name="a case").click()
    expect(owner.get_by_role("heading", level=1)).to_have_text("Standing of an organisation")


def test_owners_are_declared_by_keyboard(office, browser):
    page = office.open_context(browser, "owner").new_page()
    page.goto(f"{office.url}/organisation/ownership")
    page.get_by_role("group", name="Owner 1").get_by_label("Share, per cent").focus()
    page.keyboard.press("Control+A")
    page.keyboard.type("51.5")
    page.keyboard.press("Enter")

    expect(page.get_by_role("status")).to_contain_text("Declared.")
    expect(page.get_by_role("row").filter(has_text="Family foundation").first).to_contain_text("51.5%")
