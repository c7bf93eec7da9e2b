"""A scripted newcomer: knows what they want and what they are called, and follows the words on the pages, nothing else.

Each task has words that draw somebody who wants it, strongest first. On each page the newcomer fills in what is asked
and can be answered, then presses what bears the strongest word that was not tried there. A page on which no word draws
is a dead end, and so is a refusal: back, and on with the next word. After the first address none is typed.
"""

import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

from playwright.sync_api import FilePayload, Locator, Page, Response

from lilong.cli.demo.stage import Terms
from lilong.common.money import PPM, UC_PER_CREDIT
from lilong.sdk.programmes import VoucherRule
from tests.visitors import PASSWORD, WAIT_S, Member, Words

STEPS_MAX = 40
DEAD_ENDS_MAX = 10
CONTROLS = "main :is(a[href], button), nav :is(a[href], button), .account a"
REDIRECTS, REFUSED = range(300, 400), 400
STARTER_UC = 20 * UC_PER_CREDIT
TERMS = Terms(
    price_uc=5 * UC_PER_CREDIT,
    rule=VoucherRule(rate_ppm=PPM, cap_uc=STARTER_UC, expires_in_days=90, starter_uc=STARTER_UC),
)
"""Prices and a programme whose starter voucher pays for a first job."""

RECEIPT, KEYS, PROGRAMS = "receipt.zip", "keys.json", ("recompute_charge.py", "verify_record.py")


@dataclass(frozen=True, slots=True)
class Task:
    """What a newcomer wants.

    cues: words that draw, strongest first; answers: what goes into a field, by its label, or finds it out when asked.
    is_done: looks at the page and at what was downloaded. fewest_clicks: of the shortest way.
    """

    name: str
    cues: Sequence[str]
    answers: "Mapping[str, str | Callable[[], str | FilePayload]]"
    is_done: "Callable[[Newcomer], bool]"
    fewest_clicks: int


@dataclass(slots=True)
class Walk:
    """What a task took. dead_ends: a sentence for each."""

    task: Task
    clicks: int = 0
    fields: int = 0
    loads: int = 0
    dead_ends: list[str] = field(default_factory=list)
    seconds: float = 0.0


@dataclass(slots=True)
class Newcomer(Member):
    """Somebody who was never here before. folder: where downloads go."""

    folder: Path
    walk: Walk | None = None
    tried: set[tuple[str, str]] = field(default_factory=set)

    def do(self, task: Task) -> Walk:
        """Do a task from the page on which the one before ended; raises AssertionError when lost for good."""
        began = monotonic()
        walk = self.walk = Walk(task=task)
        self.tried.clear()
        for _ in range(STEPS_MAX):
            if self._is_done():
                break
            if self._answer() or self._follow():
                continue
            self._turn_back("nothing here leads on")
            assert len(walk.dead_ends) <= DEAD_ENDS_MAX, walk
        else:
            raise AssertionError(f"lost after {STEPS_MAX} steps: {walk}")
        walk.seconds = monotonic() - began
        self.walk = None
        return walk

    def shows(self, text: str, **figures: str) -> bool:
        """Say whether a text is to be seen."""
        return self.page.get_by_text(self.words(text, **figures)).locator("visible=true").count() > 0

    def copy_example(self) -> FilePayload:
        """Make a file of the example beside the form."""
        text = self.page.get_by_label(self.words("An example")).inner_text()
        return FilePayload(name="job.yaml", mimeType="text/yaml", buffer=text.encode())

    def has(self, name: str) -> bool:
        """Say whether a file was downloaded."""
        return (self.folder / name).exists()

    def _is_done(self) -> bool:
        """Look, and wait where the page says that it goes on by itself."""
        walk = self._walk
        until = monotonic() + WAIT_S
        while not walk.task.is_done(self):
            if self._find_drawn(walk.task.cues[:1]) or not self._goes_on() or monotonic() > until:
                return walk.task.is_done(self)
            self.page.wait_for_timeout(200)
        return True

    def _goes_on(self) -> bool:
        """Say whether the page says that it waits for something, and updates itself."""
        return self.page.locator("[hx-get]:has([role=status]), [data-live-log]").count() > 0

    def _answer(self) -> bool:
        """Fill in what this page asks and can be answered, and send it; say whether there was anything."""
        filled: Locator | None = None
        for label, answer in self._walk.task.answers.items():
            asked = self.page.get_by_label(self.words(label)).locator("visible=true").first
            if (self.page.url, label) in self.tried or not asked.count():
                continue
            self.tried.add((self.page.url, label))
            said = answer if isinstance(answer, str) else answer()
            if isinstance(said, str):
                asked.fill(said)
            else:
                asked.set_input_files(said)
            self._walk.fields += 1
            filled = asked
        if filled is None:
            return False
        self._press(self.page.locator("form", has=filled).locator("button").first)
        return True

    def _follow(self) -> bool:
        """Press what bears the strongest word that was not tried on this page; say whether anything does."""
        drawn = self._find_drawn(self._walk.task.cues)
        if drawn is None:
            return False
        self.tried.add((self.page.url, drawn.inner_text().strip()))
        self._press(drawn)
        return True

    def _find_drawn(self, cues: Sequence[str]) -> Locator | None:
        controls = [
            (each, each.inner_text().strip()) for each in self.page.locator(CONTROLS).all() if each.is_visible()
        ]
        fresh = [(each, label) for each, label in controls if (self.page.url, label) not in self.tried]
        words = [self.words(cue).lower() for cue in cues]
        return next((each for word in words for each, label in fresh if word in label.lower()), None)

    def _press(self, control: Locator) -> None:
        self._walk.clicks += 1
        if control.get_attribute("download") is not None:
            with self.page.expect_download() as file:
                control.click()
            file.value.save_as(self.folder / file.value.suggested_filename)
            return
        control.click()
        self.page.wait_for_load_state()
        for refusal in self.page.locator("[role=alert], .field-wrong").all():
            self._walk.dead_ends.append(refusal.inner_text())

    def count(self, response: Response) -> None:
        """Count a page that was loaded, and a refusal as a dead end."""
        is_page = response.request.is_navigation_request() and "content-disposition" not in response.headers
        if self.walk is None or not is_page or response.status in REDIRECTS:
            return
        self._walk.loads += 1
        if response.status >= REFUSED:
            self._walk.dead_ends.append(f"{response.status} at {response.url}")

    def _turn_back(self, why: str) -> None:
        self._walk.dead_ends.append(f"{self.page.url}: {why}")
        self.page.go_back()
        self.page.wait_for_load_state()

    @property
    def _walk(self) -> Walk:
        assert self.walk is not None
        return self.walk


def walk_in(page: Page, *, url: str, language: str, mails: Path, folder: Path, address: str) -> list[Walk]:
    """Let somebody who was never here become a member, run a job, come back to its home, and check what it cost.

    Returns what each task took; the receipt's files lie in `folder` afterwards, with keys and programs.
    """
    newcomer = Newcomer(page=page, words=Words(language=language), mails=mails, folder=folder)
    page.on("response", lambda response: newcomer.count(response))  # noqa: PLW0108 - Playwright marks what it is given
    page.goto(url)
    *first, last = list_tasks(newcomer, address=address)
    walks = [newcomer.do(task) for task in first]
    newcomer.press("Home")
    walks.append(newcomer.do(last))
    with zipfile.ZipFile(folder / RECEIPT) as archive:
        archive.extractall(folder)
    return walks


def list_tasks(newcomer: Newcomer, *, address: str) -> tuple[Task, Task, Task]:
    """Return the three tasks in their order."""
    name = "Lan Lab"
    return (
        Task(
            name="become a member",
            cues=("Sign up", "Confirm", "Found an organisation"),
            answers={
                "Your name": "Ada Lan",
                "Email": address,
                "Password": PASSWORD,
                "Code": lambda: newcomer.read_code(address),
                "Name of the organisation": name,
            },
            is_done=lambda seer: seer.shows("%(name)s is admitted", name=name),
            fewest_clicks=4,
        ),
        Task(
            name="run a job and read its result",
            cues=("result.txt", "Order now", "Ask what a job costs", "Go to the shelf", "Shelf"),
            answers={"The job's file": newcomer.copy_example},
            is_done=lambda seer: seer.has("result.txt"),
            fewest_clicks=4,
        ),
        Task(
            name="find out what it cost and check it",
            cues=("Receipt", KEYS, *PROGRAMS, "first-job", "Orders"),
            answers={},
            is_done=lambda seer: all(map(seer.has, (RECEIPT, KEYS, *PROGRAMS))),
            fewest_clicks=6,
        ),
    )


def format_table(walks: Mapping[str, Sequence[Walk]]) -> str:
    """Return a line for each task and way of looking at the hub."""
    head = f"{'as':<20}{'task':<38}{'clicks':>8}{'fewest':>8}{'fields':>8}{'pages':>8}{'dead ends':>11}{'seconds':>9}"
    lines = [
        f"{look:<20}{walk.task.name:<38}{walk.clicks:>8}{walk.task.fewest_clicks:>8}{walk.fields:>8}{walk.loads:>8}"
        f"{len(walk.dead_ends):>11}{walk.seconds:>9.1f}"
        for look, done in walks.items()
        for walk in done
    ]
    return "\n".join([head, *lines])
