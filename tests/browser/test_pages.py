"""Every page of the shell in a real browser: sound for everybody, at every width, in both languages and themes."""

import re

import pytest

from tests.browsing import LOOKS, PAGES, WIDE, find_unreached, inspect_page

EVERY_LOOK = pytest.mark.parametrize("look", [str(look) for look in LOOKS])
EVERY_PAGE = pytest.mark.parametrize("name", PAGES)


@EVERY_PAGE
@EVERY_LOOK
def test_axe_finds_nothing_serious(visits, name, look):
    assert visits[name, look].violations == []


@EVERY_PAGE
@EVERY_LOOK
def test_the_console_stays_empty(visits, name, look):
    assert visits[name, look].troubles == []


@EVERY_PAGE
@EVERY_LOOK
def test_no_page_is_wider_than_the_window(visits, name, look):
    assert visits[name, look].overflow_px <= 0


def test_what_is_wrong_with_a_page_is_found(visitor):
    bad = "<p style='color:%23eee;background:%23fff;width:3000px'>pale</p><img src=x><script>console.error(1)</script>"
    found = inspect_page(visitor.context.new_page(), f"data:text/html,{bad}")

    assert {violation.split(" ")[0] for violation in found.violations} >= {"color-contrast", "image-alt"}
    assert found.overflow_px > 0


@EVERY_PAGE
def test_the_themes_differ(visits, name):
    light, dark = (visits[name, f"en-{theme}-{WIDE}"].background for theme in ("light", "dark"))

    assert sum(map(int, re.findall(r"\d+", light))) > sum(map(int, re.findall(r"\d+", dark)))


@pytest.mark.parametrize("name", ["front", "style"])
def test_the_keyboard_reaches_everything_and_shows_where_it_is(visitor, name):
    page = visitor.open(PAGES[name])

    assert find_unreached(page) == []


def test_the_first_stop_of_the_keyboard_skips_to_the_content(visitor):
    page = visitor.open("/")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")

    assert page.evaluate("document.activeElement.id") == "main"


def test_a_language_that_was_chosen_holds(visitor):
    page = visitor.open("/verify")
    assert page.locator("html").get_attribute("lang") == "en"
    page.get_by_role("button", name="简体中文").click()

    assert page.url.endswith("/verify")
    assert page.locator("html").get_attribute("lang") == "zh-Hans"
    assert page.get_by_role("heading", level=1).text_content() == "亲自核验存证"
    assert visitor.open("/nowhere").get_by_role("heading", level=1).text_content() == "这个网址没有页面"


def test_a_theme_that_was_chosen_holds_until_the_device_decides_again(visitor):
    page = visitor.open("/")
    assert page.locator("html").get_attribute("data-theme") == "auto"
    page.get_by_role("button", name="Dark").click()
    assert visitor.open("/verify").locator("html").get_attribute("data-theme") == "dark"
    page.get_by_role("button", name="Auto").click()

    assert visitor.open("/verify").locator("html").get_attribute("data-theme") == "auto"


@pytest.mark.parametrize("visitor", [{"color_scheme": "dark"}], indirect=True)
def test_without_a_choice_the_page_follows_the_device(visitor):
    page = visitor.open("/")

    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(18, 23, 21)"


@pytest.mark.parametrize("visitor", [{"java_script_enabled": False}], indirect=True)
def test_everything_works_without_scripts(visitor):
    page = visitor.open("/")
    assert page.get_by_role("rowheader", name="H100").is_visible()
    page.get_by_role("button", name="简体中文").click()
    page.get_by_role("button", name="深色").click()
    page.get_by_role("link", name="如何亲自核验存证").click()

    assert page.get_by_role("heading", level=1).text_content() == "亲自核验存证"
    style = visitor.open("/style")
    style.locator(".confirm > summary").click()
    assert style.get_by_role("button", name="确认取消").is_visible()


def test_the_pulse_updates_itself(visitor):
    page = visitor.context.new_page()
    page.clock.install()
    page.goto(visitor.url)
    page.wait_for_function("window.htmx !== undefined")
    with page.expect_response(lambda answer: answer.request.headers.get("hx-request") == "true") as answer:
        page.clock.fast_forward(21_000)

    assert answer.value.status == 200
    assert page.locator("#pulse table").count() == 1
