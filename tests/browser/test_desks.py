"""The desks in a real browser: sound for everybody, and an operator's decision reaches the applicant."""

import pytest
from playwright.sync_api import expect

from tests.browsing import PAIRED_LOOKS, Filled, Visit


@pytest.fixture(scope="module", params=PAIRED_LOOKS, ids=str)
def visits(request, filled: Filled, browser) -> dict[str, Visit]:
    return filled.inspect(browser, request.param)


def test_axe_finds_nothing_serious_on_any_desk(visits):
    assert {name: visit.violations for name, visit in visits.items() if visit.violations} == {}


def test_the_console_stays_empty_on_every_desk(visits):
    assert {name: visit.troubles for name, visit in visits.items() if visit.troubles} == {}


def test_no_desk_is_wider_than_the_window(visits):
    assert {name: visit.overflow_px for name, visit in visits.items() if visit.overflow_px > 0} == {}


def test_an_operator_refuses_and_the_applicant_reads_why_and_appeals(filled, browser):
    operator = filled.open_context(browser, "operator", java_script_enabled=False).new_page()
    operator.goto(f"{filled.url}/desk")
    operator.get_by_role("link", name="Top-up of a wallet").first.click()
    operator.get_by_label("Reason").fill("No payment of this reference arrived.")
    operator.get_by_role("button", name="Refuse").click()
    expect(operator.get_by_role("status")).to_contain_text("the decision stands in the record")
    case_id = operator.url.rsplit("/", 1)[1]

    applicant = filled.open_context(browser, "buyer", java_script_enabled=False).new_page()
    applicant.goto(f"{filled.url}/cases")
    applicant.locator(f'a[href="/cases/{case_id}"]').click()
    expect(applicant.get_by_text("No payment of this reference arrived.")).to_be_visible()
    applicant.get_by_label("Why should it be looked at again?").fill("Here is the bank's slip.")
    applicant.get_by_role("button", name="Appeal").click()
    expect(applicant.get_by_role("heading", level=1)).to_have_text("Appeal")

    operator.goto(f"{filled.url}/desk/cases")
    operator.get_by_role("link", name="Appeal").first.click()
    expect(operator.get_by_text("You had a say in the decision appealed against")).to_be_visible()


def test_a_provider_drains_a_pool_by_keyboard_and_gets_a_join_token(filled, browser):
    page = filled.open_context(browser, "provider").new_page()
    page.goto(f"{filled.url}/provider")
    page.get_by_role("button", name="Drain hall-2").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Resume hall-2")).to_be_visible()
    page.get_by_role("link", name="hall-2").first.click()
    page.get_by_role("button", name="Make a join token").click()

    expect(page.get_by_text("lilong agent join")).to_contain_text("lilj_")


def test_a_dead_letter_that_is_tried_again_leaves_the_desk(filled, browser):
    page = filled.open_context(browser, "operator").new_page()
    page.goto(f"{filled.url}/desk/dead-letters")
    page.get_by_role("button", name="Try cases.decided dlv_1 again").click()

    expect(page.get_by_text("It is tried again within seconds.")).to_be_visible()
    expect(page.get_by_text("There are no dead letters.")).to_be_visible()
