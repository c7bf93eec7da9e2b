"""A whole hub with a small market, and Chromium to look at it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, sync_playwright

from lilong.cli.local_hub import LocalHub
from tests.browsing import CHROMIUM, CHROMIUM_ARGUMENTS, LOOKS, PAGES, Visit, Visitor, inspect_page
from tests.hub import running_hub
from tests.polling import wait_until


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Return the one Chromium of all tests: Playwright runs once in a process."""
    if shutil.which(CHROMIUM) is None:
        pytest.skip("Chromium is not installed: apt-get install chromium fonts-noto-cjk")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=shutil.which(CHROMIUM), args=CHROMIUM_ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def hub(browser: Browser, tmp_path_factory) -> Iterator[LocalHub]:
    folder = tmp_path_factory.mktemp("hub")
    with running_hub(folder, settings={"style_page": True, "hub_name": "Lane hub"}) as hub:
        ours = {name: value for name, value in os.environ.items() if not name.startswith("LILONG_")}
        fill = [sys.executable, "-m", "tests.browser_market"]
        subprocess.run(fill, env=ours | {"LILONG_HOME": str(folder)}, check=True, timeout=60)
        wait_until(lambda: httpx.get(f"{hub.url}/api/v1/record/head").is_success, within_s=30)
        yield hub


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
        context = browser.new_context(viewport={"width": look.width, "height": 900}, reduced_motion="reduce")
        chosen = {"language": look.language, "theme": look.theme}
        context.add_cookies([{"name": name, "value": value, "url": hub.url} for name, value in chosen.items()])
        for name, path in PAGES.items():
            found[name, str(look)] = inspect_page(context.new_page(), hub.url + path)
        context.close()
    return found
