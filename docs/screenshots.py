"""Photograph the main pages for the README, light and dark, on a hub whose every row is made up and whose name says so.

`make screenshots` writes them to docs/screenshots.
"""

import json
import shutil
import tempfile
from contextlib import ExitStack
from itertools import product
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, FilePayload, Page, sync_playwright

from lilong.cli.demo.stage import Stage
from lilong.cli.local_hub import LocalHub
from tests.browsing import CHROMIUM, CHROMIUM_ARGUMENTS, HEIGHT, Look
from tests.hub import fill, running_hub
from tests.newcomer import TERMS
from tests.visitors import WAIT_S

FOLDER = Path(__file__).with_name("screenshots")
HUB_NAME = "Demo hub (synthetic)"
ENGINEER = "lin@shu-robotics.example"
WIDTH = 1200
THEMES = ("light", "dark")
JOB = """\
name: digits
command: for epoch in 1 2 3 4 5 6 7 8; do echo "epoch $epoch"; sleep 1; done; echo 0.97 > accuracy.txt
walltime: 5m
outputs:
  - path: accuracy.txt
    max: 1MiB
"""


def main() -> None:
    """Fill a hub, buy a job in it, and photograph."""
    chromium = shutil.which(CHROMIUM)
    if chromium is None:
        raise SystemExit("Chromium is not installed: apt-get install chromium fonts-noto-cjk")
    FOLDER.mkdir(exist_ok=True)
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        playwright = stack.enter_context(sync_playwright())
        hub = stack.enter_context(running_hub(home, settings={"hub_name": HUB_NAME}))
        stack.enter_context(Stage(hub=hub, terms=TERMS)).set_up()
        operator = json.loads(fill(hub, "tests.browser_desks"))["sessions"]["operator"]
        engineer = fill(hub, "tests.browser_session", ENGINEER).strip()
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_ARGUMENTS)
        order = _buy(browser, hub, engineer)
        pages = {
            "front": ("/", ""),
            "shelf": ("/shelf", engineer),
            "order": (order, engineer),
            "desk": ("/desk", operator),
        }
        for (name, (path, session)), theme in product(pages.items(), THEMES):
            context = _open(browser, hub, session, theme=theme)
            _photograph(context.new_page(), hub.url + path, FOLDER / f"{name}-{theme}.png")
            context.close()
        browser.close()


def _buy(browser: Browser, hub: LocalHub, session: str) -> str:
    """Buy a job and return the path of its order once that is settled."""
    context = _open(browser, hub, session, theme="light")
    page = context.new_page()
    page.goto(f"{hub.url}/shelf")
    job = FilePayload(name="job.yaml", mimeType="text/yaml", buffer=JOB.encode())
    page.get_by_label("The job's file").set_input_files(job)
    page.get_by_role("button", name="Ask for a quote").click()
    page.get_by_role("button", name="Order now").click()
    page.get_by_role("link", name="Download the receipt").wait_for(timeout=WAIT_S * 1000)
    path = page.url.removeprefix(hub.url)
    context.close()
    return path


def _photograph(page: Page, url: str, file: Path) -> None:
    page.goto(url)
    page.screenshot(path=file, clip={"x": 0, "y": 0, "width": WIDTH, "height": HEIGHT})
    print(file, file.stat().st_size)


def _open(browser: Browser, hub: LocalHub, session: str, *, theme: str) -> BrowserContext:
    context = Look(theme=theme, width=WIDTH).open(browser, url=hub.url)
    if session:
        context.add_cookies([{"name": "lilong-session", "value": session, "url": hub.url}])
    return context


if __name__ == "__main__":
    main()
