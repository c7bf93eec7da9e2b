"""The member's pages in a real browser, on a hub whose agent runs jobs: from the shelf to the settled order."""

import io
import re
import zipfile
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, FilePayload, Page

from lilong.cli.local_hub import LocalHub
from tests.browsing import Visitor
from tests.hub import fill

EMAIL = "lin@shu-robotics.example"
WAIT_MS = 90_000
JOB = """\
name: count-up
command: |
  for i in $(seq 1 40); do echo "epoch $i 轮"; sleep 0.1; done
  read go < go.txt && echo "$go" > result.txt
walltime: 5m
outputs:
  - path: result.txt
    max: 1MiB
"""


@pytest.fixture(scope="module")
def session_key(hub: LocalHub) -> str:
    return fill(hub, "tests.browser_session", EMAIL).strip()


def sign_in(context, hub: LocalHub, session_key: str, **cookies: str) -> None:
    chosen = {"lilong-session": session_key, **cookies}
    context.add_cookies([{"name": name, "value": value, "url": hub.url} for name, value in chosen.items()])


@pytest.fixture
def member(hub: LocalHub, browser: Browser, session_key: str, request: pytest.FixtureRequest) -> Iterator[Visitor]:
    """Return the engineer's browser; parametrise indirectly with options of Playwright's new_context."""
    context = browser.new_context(locale="en-GB", **getattr(request, "param", {}))
    sign_in(context, hub, session_key)
    yield Visitor(context=context, url=hub.url)
    context.close()


def ask(page: Page, *, job: str = JOB) -> None:
    """Hand a job and its folder in at the shelf."""
    page.get_by_label("The job's file").set_input_files(
        FilePayload(name="job.yaml", mimeType="text/yaml", buffer=job.encode())
    )
    page.get_by_label("Working folder").set_input_files(
        FilePayload(name="folder.zip", mimeType="application/zip", buffer=make_folder())
    )
    page.get_by_role("button", name="Ask for a quote").click()


def make_folder() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("go.txt", "done\n")
    return packed.getvalue()


def read_order_id(page: Page) -> str:
    found = re.search(r"ord_[0-9a-f]{32}", page.url)
    assert found, page.url
    return found[0]


def test_from_the_shelf_to_the_settled_order_with_the_log_live(member):
    page = member.open("/shelf")
    ask(page)
    page.get_by_role("button", name="Order now").click()
    order_id = read_order_id(page)
    log = page.get_by_role("log")

    log.get_by_text("epoch 3 轮").wait_for(timeout=WAIT_MS)
    page.get_by_text("The run is over.", exact=True).wait_for(timeout=WAIT_MS)
    page.get_by_text("It ended by itself.").first.wait_for(timeout=WAIT_MS)
    page.get_by_role("link", name="Download the receipt").wait_for(timeout=WAIT_MS)

    assert log.text_content().count("epoch 40 轮") == 1
    assert page.get_by_text("Given back", exact=True).is_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="result.txt").click()
    assert download.value.path().read_text() == "done\n"
    assert order_id in page.url


@pytest.mark.parametrize("member", [{"java_script_enabled": False}], indirect=True)
def test_without_scripts_an_order_is_placed_its_log_read_and_the_order_cancelled(member):
    page = member.open("/shelf")
    ask(page, job=JOB.replace("seq 1 40", "seq 1 4000"))
    page.get_by_role("button", name="Order now").click()
    order = page.url
    page.get_by_role("link", name="Read the whole log").click()
    for _ in range(600):
        if "epoch 3 轮" in page.content():
            break
        page.get_by_role("link", name="Load again").click()
    assert "epoch 3 轮" in page.content()

    page.goto(order)
    page.get_by_role("link", name="Cancel the order").click()
    assert page.get_by_text("Comes back at least").is_visible()
    page.get_by_role("button", name="Yes, cancel it").click()

    assert page.url == order
    assert page.get_by_text("The hub has asked the pool to stop the job.").is_visible()
