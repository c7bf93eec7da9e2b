"""A whole hub with a small market, and Chromium to look at it."""

import json
import shutil
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from lilong.cli.demo.stage import Stage
from lilong.cli.local_hub import LocalHub
from tests.browsing import CHROMIUM, CHROMIUM_ARGUMENTS, LOOKS, PAGES, Filled, Visit, Visitor, inspect_page
from tests.hub import fill, running_hub
from tests.newcomer import TERMS
from tests.polling import wait_until

EXPECTED_WITHIN_MS = 30_000


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Return the one Chromium of all tests: Playwright runs once in a process."""
    if shutil.which(CHROMIUM) is None:
        pytest.skip("Chromium is not installed: apt-get install chromium fonts-noto-cjk")
    expect.set_options(timeout=EXPECTED_WITHIN_MS)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=shutil.which(CHROMIUM), args=CHROMIUM_ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def stage(browser: Browser, tmp_path_factory) -> Iterator[Stage]:
    """Return the people of the one hub of all tests: its agent runs jobs, its starter voucher pays for a small one."""
    home = tmp_path_factory.mktemp("hub")
    settings: dict[str, str | bool] = {"style_page": True, "hub_name": "Lane hub"}
    with running_hub(home, settings=settings) as hub, Stage(hub=hub, terms=TERMS) as stage:
        stage.set_up()
        wait_until(lambda: httpx.get(f"{hub.url}/api/v1/record/head").is_success, within_s=30)
        yield stage


@pytest.fixture(scope="session")
def filled(stage: Stage) -> Filled:
    """Return that hub with something on every desk, and accelerators on its shelf."""
    return Filled(url=stage.hub.url, **json.loads(fill(stage.hub, "tests.browser_desks")))


@pytest.fixture(scope="session")
def hub(stage: Stage, filled: Filled) -> LocalHub:
    """Return that hub, filled."""
    assert filled.url == stage.hub.url
    return stage.hub


@pytest.fixture
def visitor(hub: LocalHub, browser: Browser, request: pytest.FixtureRequest) -> Iterator[Visitor]:
    """Return a visitor without a cookie; parametrise indirectly with options of Playwright's new_context."""
    context = browser.new_context(locale="en-GB", **getattr(request, "param", {}))
    yield Visitor(context=context, url=hub.url)
    context.close()


@pytest.fixture(scope="session")
def visits(hub: LocalHub, browser: Browser) -> dict[tuple[str, str], Visit]:
    """Return what is found on every page with every look, by the page's name and the look's."""
    found = {}
    for look in LOOKS:
        context = look.open(browser, url=hub.url)
        for name, path in PAGES.items():
            found[name, str(look)] = inspect_page(context.new_page(), hub.url + path)
        context.close()
    return found
