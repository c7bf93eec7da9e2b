"""With nothing but a keyboard: every page shows where one is, in order, without a trap; and a job is bought."""

from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import FilePayload, Locator

from tests.browsing import NARROW, PAGES, WIDE, Look
from tests.newcomer import RECEIPT
from tests.visitors import PASSWORD, WAIT_S, Member, Words

STOPS_MAX = 300
NUMBER = """
() => [...document.querySelectorAll(
    'a[href], button:not([disabled]), input:not([type=hidden]):not([disabled]), select, textarea, summary, ' +
    '[tabindex="0"]'
)].filter(each => each.checkVisibility()).filter(each =>
    each.type !== 'radio' || each.checked || !document.querySelector(`input[name="${each.name}"]:checked`)
).map((each, number) => { each.dataset.number = number; return number; }).length
"""
STOP = """
() => {
    const here = document.activeElement;
    if (here === document.body) return null;
    const style = getComputedStyle(here), box = here.getBoundingClientRect();
    return {
        number: Number(here.dataset.number),
        what: (here.innerText || here.getAttribute('aria-label') || here.name || here.tagName).trim().slice(0, 60),
        outlined: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
        on_screen: box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth,
    };
}
"""
DESK = {
    "operator": (
        "desk",
        "cases",
        "case",
        "review of size",
        "organisations",
        "providers",
        "programmes",
        "voucher rules",
        "versions handed in",
        "version handed in",
        "money asked back",
        "ask money back",
        "ledger",
        "audit packs",
        "bank",
        "bank statement",
        "invoices",
        "pools",
        "dead letters",
        "accelerator",
        "new claim",
        "withdrawal",
    ),
    "provider": ("provider desk", "pool", "new pool", "offer", "measured", "reputation", "new offer", "pay-outs"),
    "buyer": (
        "own case",
        "claw-back",
        "own programmes",
        "own invoices",
        "compare",
        "narrowed shelf",
        "spending",
        "awaiting order",
    ),
    "researcher": ("reviewed order", "large quote"),
    "": ("record", "record entry"),
}
MEMBER_PAGES = ("/home", "/shelf", "/orders", "/wallet", "/cases", "/account/", "/account/2fa/")
JOB = FilePayload(
    name="job.yaml",
    mimeType="text/yaml",
    buffer=b"name: by-keys\ncommand: echo 42 > result.txt\nwalltime: 1m\noutputs: [{path: result.txt, max: 1MiB}]\n",
)


def list_faults(page) -> list[str]:
    """Walk through a page by Tab from its beginning to its end and return what a person would stumble over."""
    page.bring_to_front()
    wanted = page.evaluate(NUMBER)
    stops: list[dict[str, Any]] = []
    for _ in range(STOPS_MAX):
        page.keyboard.press("Tab")
        stop = page.evaluate(STOP)
        if stop is None or (len(stops) > 1 and stop["number"] == stops[0]["number"]):
            break
        if not stops or stop["number"] != stops[-1]["number"]:  # fields of dates have several stops
            stops.append(stop)
    else:
        return [f"no way out after {STOPS_MAX} stops"]
    numbers = [stop["number"] for stop in stops]
    return [
        *(f"not outlined: {stop['what']}" for stop in stops if not stop["outlined"]),
        *(f"not on the screen: {stop['what']}" for stop in stops if not stop["on_screen"]),
        *([] if numbers == list(range(wanted)) else [f"of {wanted} in the page's order, {numbers} were reached"]),
    ]


def walk_pages(context, url: str, paths) -> dict[str, list[str]]:
    """Return what is wrong with each page that has a fault."""
    page = context.new_page()
    found = {}
    for path in paths:
        page.goto(url + path)
        if faults := list_faults(page):
            found[path] = faults
    page.close()
    return found


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_tab_walks_through_every_public_page_in_order(hub, browser, width):
    context = Look(width=width).open(browser, url=hub.url)
    found = walk_pages(context, hub.url, PAGES.values())
    context.close()

    assert found == {}


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_tab_walks_through_every_desk_in_order(filled, browser, width):
    found: dict[str, list[str]] = {}
    for who, names in DESK.items():
        context = filled.open_context(browser, who, look=Look(width=width))
        found |= walk_pages(context, filled.url, [filled.paths[who][name] for name in names])
        context.close()

    assert found == {}


def test_a_trap_a_hidden_focus_and_a_wrong_order_are_found(visitor):
    page = visitor.context.new_page()
    page.goto(
        "data:text/html,<style>.none:focus{outline:none}</style><a href=x tabindex=0>one</a>"
        "<a href=y class=none>two</a><a href=z tabindex=5>three</a>"
    )
    faults = list_faults(page)
    page.goto('data:text/html,<button id=a>one</button><button onfocus="a.focus()">two</button>')

    assert "not outlined: two" in faults
    assert "of 3 in the page's order, [2, 0, 1] were reached" in faults
    assert list_faults(page) == [f"no way out after {STOPS_MAX} stops"]


@dataclass(slots=True)
class Typist(Member):
    """A member without a mouse."""

    def press(self, label: str) -> None:
        with self.page.expect_navigation():
            self.reach(self.find(label))
            self.page.keyboard.press("Enter")
        self.page.wait_for_load_state()

    def type(self, label: str, text: str) -> None:
        self.reach(self.page.get_by_label(self.words(label)).locator("visible=true").first)
        self.page.keyboard.type(text)

    def hand_in(self, label: str, file: FilePayload) -> None:
        # Chromium is told before the walk to hand dialogs over: one that opens earlier is seen by nobody.
        with self.page.expect_file_chooser() as dialog:
            self.reach(self.page.get_by_label(self.words(label)).first)
            self.page.keyboard.press("Space")
        dialog.value.set_files(file)

    def reach(self, wanted: Locator) -> None:
        """Press Tab until one is there."""
        self.page.bring_to_front()
        wanted.wait_for(timeout=WAIT_S * 1000)
        for _ in range(STOPS_MAX):
            if wanted.evaluate("each => each === document.activeElement"):
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"the keyboard does not reach {wanted}")


def test_a_newcomer_without_a_mouse_signs_up_buys_a_job_and_takes_result_and_receipt(stage, browser):
    context = Look().open(browser, url=stage.hub.url)
    page, address = context.new_page(), "keys@example.org"
    ada = Typist(page=page, words=Words(language="en"), mails=stage.hub.home / "mail")
    page.goto(stage.hub.url)
    ada.press("Sign up")
    ada.type("Your name", "Ada Lan")
    ada.type("Email", address)
    ada.type("Password", PASSWORD)
    ada.press("Sign Up")
    ada.type("Code", ada.read_code(address))
    ada.press("Confirm")
    ada.type("Name of the organisation", "Keys")
    ada.press("Found it and apply")
    ada.wait_for("%(name)s is admitted", name="Keys")
    ada.press("Go to the shelf")
    ada.hand_in("The job's file", JOB)
    ada.press("Ask for a quote")
    ada.press("Order now")
    for label, name in (("result.txt", "result.txt"), ("Download the receipt", RECEIPT)):
        ada.find(label).wait_for(timeout=WAIT_S * 1000)
        with page.expect_download() as file:
            ada.reach(ada.find(label))
            page.keyboard.press("Enter")
        assert file.value.suggested_filename == name
    order = page.url
    walked = walk_pages(context, stage.hub.url, [*MEMBER_PAGES, order.removeprefix(stage.hub.url)])
    context.close()

    assert walked == {}
