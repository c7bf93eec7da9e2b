"""Whole journeys through a hub whose agent runs jobs, as everybody may look at it; every page on the way is sound."""

import io
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count
from pathlib import Path

import pytest
from playwright.sync_api import Browser, FilePayload, StorageState, expect

from lilong.cli.demo.proof import recompute_charge, verify_record
from lilong.cli.demo.stage import Stage
from tests.browsing import LOOKS, Look, examine, listen
from tests.visitors import PASSWORD, WAIT_S, Member, Words

EVERY_LOOK = pytest.mark.parametrize("look", LOOKS, ids=str)
JOB = """\
name: count-up
command: |
  for i in $(seq 1 20); do echo "epoch $i 轮"; sleep 0.1; done
  read go < go.txt && echo "$go" > result.txt
walltime: 1m
outputs:
  - path: result.txt
    max: 1MiB
"""
TOOLS = ("recompute_charge.py", "verify_record.py")
numbers = count()


@dataclass(slots=True)
class Traveller(Member):
    """A member who looks at every page on the way; faults: what was wrong, by page; troubles: of the console."""

    url: str
    troubles: list[str]
    faults: dict[str, list[str]] = field(default_factory=dict)

    def look(self, name: str) -> None:
        """Look at the page as it stands."""
        visit = examine(self.page)
        faults = visit.violations + ([f"{visit.overflow_px} px too wide"] if visit.overflow_px > 0 else [])
        if faults:
            self.faults[name] = faults

    def sign_up(self) -> None:
        """Sign up with an address of one's own, and verify it by the code in the mail."""
        address = f"ada{next(numbers)}@example.org"
        self.page.goto(self.url)
        self.look("front")
        self.press("Sign up")
        self.type("Your name", "Ada Lan")
        self.type("Email", address)
        self.type("Password", PASSWORD)
        self.look("sign up")
        self.press("Sign Up")
        self.look("code")
        self.type("Code", self.read_code(address))
        self.press("Confirm")

    def found(self, *, name: str, kind: str) -> None:
        """Found an organisation of a kind."""
        self.page.get_by_label(self.words(kind)).check()
        self.type("Name of the organisation", name)
        self.look("found")
        self.press("Found it and apply")

    def check_nothing_was_wrong(self) -> None:
        """Raise AssertionError with what was wrong on any page."""
        assert self.faults == {}
        assert self.troubles == []


@contextmanager
def travelling(stage: Stage, browser: Browser, look: Look, *, state: StorageState | None = None) -> Iterator[Traveller]:
    """Open a browser that looks at the hub in this way; state: cookies of somebody who is signed in."""
    url = stage.hub.url
    context = look.open(browser, url=url, storage_state=state)
    page = context.new_page()
    yield Traveller(
        page=page,
        words=Words(language=look.language),
        mails=stage.hub.home / "mail",
        url=url,
        troubles=listen(page),
    )
    context.close()


@pytest.fixture(scope="module")
def operators(stage: Stage, browser: Browser) -> list[StorageState]:
    """Return the cookies of two operators who have signed in with the one-time tokens that they were given."""
    signed_in = []
    for number in range(2):
        address = f"judge{number}@hub.example"
        added = stage.operators[0].members.add(email=address, name=f"Judge {number}", role="operator")
        with travelling(stage, browser, Look()) as judge:
            judge.page.goto(f"{judge.url}/account/first-sign-in/")
            judge.type("One-time token", added.one_time_token.secret)
            judge.type("New password", PASSWORD)
            judge.press("Set the password and sign in")
            judge.type("Code", judge.read_code(address))
            judge.press("Confirm")
            expect(judge.page.get_by_role("banner")).to_contain_text(f"Judge {number}")
            signed_in.append(judge.page.context.storage_state())
    return signed_in


@EVERY_LOOK
def test_a_newcomer_signs_up_is_admitted_by_rule_runs_a_job_and_reads_its_charge_on_the_statement(
    stage, browser, look, tmp_path
):
    with travelling(stage, browser, look) as ada:
        words, page = ada.words, ada.page
        ada.sign_up()
        ada.found(name="Lan Lab", kind="Resident: a team or company in the neighbourhood")
        ada.wait_for("%(name)s is admitted", name="Lan Lab")
        expect(page.get_by_role("row", name="First steps")).to_contain_text("20.00")
        ada.look("home")

        ada.press("Go to the shelf")
        ada.look("shelf")
        ada.hand_in("The job's file", FilePayload(name="job.yaml", mimeType="text/yaml", buffer=JOB.encode()))
        ada.hand_in(
            "Working folder", FilePayload(name="folder.zip", mimeType="application/zip", buffer=pack("go.txt", "done"))
        )
        ada.press("Ask for a quote")
        expect(page.get_by_role("heading", level=1)).to_have_text("count-up")
        ada.look("quote")
        ada.press("Order now")

        page.get_by_role("log").get_by_text("epoch 3 轮").wait_for(timeout=WAIT_S * 1000)
        assert page.get_by_role("log").get_by_text("epoch 20 轮").count() == 0
        ada.look("order that runs")
        ada.find("Download the receipt").wait_for(timeout=WAIT_S * 1000)
        ada.look("order that is settled")
        order = page.url
        charged = read_figure(page.locator("dt", has_text=words("Charged")).locator("+ dd").inner_text())
        with page.expect_download() as result:
            page.get_by_role("link", name="result.txt").click()
        assert result.value.path().read_text() == "done\n"
        download_receipt(ada, tmp_path)

        for program, verdict in (("charge", recompute_charge(tmp_path)), ("record", verify_record(tmp_path))):
            assert verdict.accepted, (program, verdict.sentence)
        ada.press("Wallet")
        about = page.locator("tr", has=page.locator(f"a[href='/orders/{order.rsplit('/', 1)[1]}']"))
        about.first.wait_for()
        ada.look("statement")
        changes = [read_figure(row.locator("td").nth(2).inner_text()) for row in about.all()]
        ada.press("Orders")
        ada.look("orders")
        ada.press("count-up")
        ada.press("Read the whole log")
        ada.look("log")

        assert sum(changes) == -charged < 0
        ada.check_nothing_was_wrong()


@EVERY_LOOK
def test_an_applicant_reads_why_it_was_refused_by_which_rule_appeals_and_another_operator_decides(
    stage, browser, operators, look
):
    name = f"Far Away {look}"
    with travelling(stage, browser, look) as ada:
        ada.sign_up()
        ada.found(name=name, kind="Virtual member: a team or company elsewhere")
        ada.wait_for("%(name)s has applied and cannot order yet", name=name)
        ada.look("home of an applicant")

        with travelling(stage, browser, look, state=operators[0]) as judge:
            judge.page.goto(judge.url)
            judge.press("Desk")
            judge.press("Cases")
            open_case(judge, name)
            judge.look("case at the desk")
            judge.type("Reason", "No registration was shown.")
            judge.press("Refuse")
            expect(judge.page.get_by_role("status")).to_be_visible()
            judge.check_nothing_was_wrong()

        ada.press("See how the application stands")
        ada.look("cases")
        ada.press("Admission of an organisation")
        ada.look("refused case")
        main = ada.page.get_by_role("main")
        expect(main).to_contain_text("No registration was shown.")
        expect(main.locator("dt", has_text=ada.words("Published rule")).locator("+ dd")).to_contain_text("admission")
        expect(main).to_contain_text(ada.words("version %(version)s", version="2"))
        ada.type("Why should it be looked at again?", "The certificate is in our evidence wallet now.")
        ada.press("Appeal")
        ada.look("appeal")

        with travelling(stage, browser, look, state=operators[0]) as judge:
            judge.page.goto(f"{judge.url}/desk/cases")
            open_case(judge, name)
            judge.wait_for("You cannot decide this one")
        with travelling(stage, browser, look, state=operators[1]) as other:
            other.page.goto(f"{other.url}/desk/cases")
            open_case(other, name)
            other.look("appeal at the desk")
            other.type("Reason", "The certificate is valid.")
            other.press("Approve")
            expect(other.page.get_by_role("status")).to_be_visible()
            other.check_nothing_was_wrong()

        ada.press("Home")
        ada.wait_for("%(name)s is admitted", name=name)
        ada.check_nothing_was_wrong()


def open_case(judge: Traveller, organisation: str) -> None:
    """Open the newest case of an organisation from the list at the desk."""
    judge.page.get_by_role("row", name=organisation).first.get_by_role("link").click()
    judge.page.wait_for_load_state()


def download_receipt(member: Traveller, folder: Path) -> None:
    """Put the receipt, unpacked, with the keys and programs into a folder, as the page says."""
    with member.page.expect_download() as receipt:
        member.press("Download the receipt")
    with zipfile.ZipFile(receipt.value.path()) as archive:
        archive.extractall(folder)
    member.press("Check the receipt yourself")
    member.look("verify")
    for name in ("keys.json", *TOOLS):
        with member.page.expect_download() as file:
            member.press(name)
        file.value.save_as(folder / name)


def read_figure(text: str) -> Decimal:
    """Return the number in a cell."""
    found = re.search(r"[-−+]?[\d,]+\.?\d*", text)
    assert found, text
    return Decimal(found[0].replace(",", "").replace("−", "-"))


def pack(name: str, content: str) -> bytes:
    """Return a zip with one file of one line."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(name, f"{content}\n")
    return packed.getvalue()
