"""Looking at the hub's pages in Chromium: in both languages and themes, wide and narrow."""

from dataclasses import dataclass, field
from itertools import product
from typing import Any

from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, ViewportSize

CHROMIUM = "chromium"
CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PAGES = {
    "front": "/",
    "verify": "/verify",
    "accelerators": "/accelerators",
    "starts": "/starts",
    "accelerator": "/accelerators/ascend-910b",
    "style": "/style",
    "missing": "/nowhere",
    "method": "/preferences",
    "sign in": "/account/login/",
    "sign up": "/account/signup/",
    "new password": "/account/password/reset/",
    "first sign-in": "/account/first-sign-in/",
}
WIDE, NARROW, HEIGHT = 1440, 390, 900
SERIOUS = {"serious", "critical"}
REACHABLE = """
() => [...document.querySelectorAll(
    'a[href], button:not([disabled]), input:not([type=hidden]), select, textarea, summary, [tabindex="0"]'
)].filter(each => each.checkVisibility()).filter(each => {
    const group = `input[type=radio][name="${each.name}"]`;  // one stop for all of them, then arrows
    const stop = document.querySelector(`${group}:checked`) ?? document.querySelector(group);
    return each.type !== 'radio' || each === stop;
}).map((each, number) => { each.dataset.number = number; return number; })
"""
FOCUSED = """
() => {
    const style = getComputedStyle(document.activeElement);
    return {
        number: document.activeElement.dataset.number,
        shown: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
    };
}
"""


@dataclass(frozen=True, slots=True)
class Look:
    """How somebody looks at the hub."""

    language: str = "en"
    theme: str = "light"
    width: int = WIDE

    def __str__(self) -> str:
        return f"{self.language}-{self.theme}-{self.width}"

    def open(self, browser: Browser, *, url: str, **options: Any) -> BrowserContext:
        """Open a browser that looks at the hub in this way; options: of Playwright's new_context."""
        viewport = ViewportSize(width=self.width, height=HEIGHT)
        context = browser.new_context(viewport=viewport, reduced_motion="reduce", **options)
        chosen = {"language": self.language, "theme": self.theme}
        context.add_cookies([{"name": name, "value": value, "url": url} for name, value in chosen.items()])
        return context


LOOKS = [Look(*each) for each in product(("en", "zh-hans"), ("light", "dark"), (WIDE, NARROW))]
PAIRED_LOOKS = [LOOKS[0], LOOKS[3], LOOKS[5], LOOKS[6]]
"""Half of them, in which any language, theme and width meet any of the others: for the many pages behind a sign-in."""


@dataclass(frozen=True)
class Peopled:
    """A hub with people who are signed in. sessions: cookies by person."""

    url: str
    sessions: dict[str, str]

    def open_context(
        self, browser: Browser, who: str = "", *, look: Look | None = None, **options: Any
    ) -> BrowserContext:
        context = (look or Look()).open(browser, url=self.url, **options)
        if who:
            context.add_cookies([{"name": "lilong-session", "value": self.sessions[who], "url": self.url}])
        return context


@dataclass(slots=True)
class Visit:
    """What was found on one page. overflow_px: how far the page reaches beyond the window."""

    violations: list[str]
    overflow_px: int
    background: str
    troubles: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Opened(Peopled):
    """A hub of which every page of somebody is known. paths: pages by person."""

    paths: dict[str, dict[str, str]]

    def inspect(self, browser: Browser, look: Look) -> dict[str, Visit]:
        """Visit all of them; return what was found, by the page's name."""
        found = {}
        for who, pages in self.paths.items():
            context = self.open_context(browser, who, look=look)
            for name, path in pages.items():
                found[name] = inspect_page(context.new_page(), self.url + path)
            context.close()
        return found


@dataclass(frozen=True)
class Filled(Opened):
    """A hub with something on every desk. cases: by name."""

    cases: dict[str, str]


@dataclass(slots=True)
class Visitor:
    """Opens pages of the hub as somebody with this look."""

    context: BrowserContext
    url: str

    def open(self, path: str) -> Page:
        page = self.context.new_page()
        page.goto(self.url + path)
        return page


def inspect_page(page: Page, url: str) -> Visit:
    """Visit one page and close it. That a refusal has the status of one is no trouble."""
    troubles = listen(page, but=url)
    page.goto(url)
    visit = examine(page)
    visit.troubles = troubles
    page.close()
    return visit


def listen(page: Page, *, but: str = "") -> list[str]:
    """Return a list to which errors and warnings of the page's console are added; those about `but` are not."""
    troubles: list[str] = []

    def add(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and message.location.get("url") != but:
            troubles.append(message.text)

    page.on("console", add)
    page.on("pageerror", lambda error: troubles.append(str(error)))
    return troubles


def examine(page: Page) -> Visit:
    """Look at the page as it stands."""
    results = Axe().run(page).response
    return Visit(
        violations=[
            f"{rule['id']} ({rule['impact']}): {[node['html'][:120] for node in rule['nodes'][:3]]}"
            for rule in results["violations"]
            if rule["impact"] in SERIOUS
        ],
        overflow_px=page.evaluate("document.documentElement.scrollWidth - window.innerWidth"),
        background=page.evaluate("getComputedStyle(document.body).backgroundColor"),
    )


def find_unreached(page: Page) -> list[str]:
    """Return what the keyboard does not reach, or without showing that it is there, as markup."""
    wanted: list[int] = page.evaluate(REACHABLE)
    reached: dict[str, bool] = {}
    for _ in wanted:
        page.keyboard.press("Tab")
        focused = page.evaluate(FOCUSED)
        reached[focused["number"]] = focused["shown"]
    lost = [number for number in wanted if not reached.get(str(number))]
    return [str(page.locator(f"[data-number='{number}']").evaluate("each => each.outerHTML")) for number in lost]
