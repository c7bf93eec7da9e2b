"""People at the hub's pages who go by what is to be seen: the words on links, buttons and fields, in their language."""

import gettext
import re
from dataclasses import dataclass
from email import message_from_string, policy
from importlib.util import find_spec
from pathlib import Path

from playwright.sync_api import FilePayload, Locator, Page

from tests.polling import wait_until

PASSWORD = "correct horse battery"
CODE = re.compile(r"^\s*([A-Z0-9]{3,4}(?:-[A-Z0-9]{2,4})+)\s*$", re.MULTILINE)
CATALOGUES = ("lilong", "allauth", "django.conf")
CONTEXTS = ("case",)
"""Of texts that stand in the catalogue with a context."""

WAIT_S = 90


class Words:
    """The words of the pages in one language, from the catalogues that the hub itself reads."""

    def __init__(self, *, language: str) -> None:
        self._catalogues: list[gettext.NullTranslations] = []
        if language == "zh-hans":
            self._catalogues = [_load(package) for package in CATALOGUES]

    def __call__(self, text: str, /, **figures: str) -> str:
        """Return what stands on the pages where the source has `text`."""
        plain = [catalogue.gettext(text) for catalogue in self._catalogues]
        in_context = [each.pgettext(context, text) for each in self._catalogues for context in CONTEXTS]
        said = next((each for each in (*plain, *in_context) if each != text), text)
        return said % figures if figures else said


def _load(package: str) -> gettext.NullTranslations:
    spec = find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    return gettext.translation("django", Path(spec.origin).parent / "locale", languages=["zh_Hans"])


@dataclass(slots=True)
class Member:
    """Somebody before the pages of a hub whose mail lies in `mails`."""

    page: Page
    words: Words
    mails: Path

    def press(self, label: str) -> None:
        """Press the link or button with this label, the first of several."""
        self.find(label).click()
        self.page.wait_for_load_state()

    def find(self, label: str) -> Locator:
        """Find the visible link or button with this label."""
        name = self.words(label)
        link = self.page.get_by_role("link", name=name, exact=True)
        button = self.page.get_by_role("button", name=name, exact=True)
        return link.or_(button).locator("visible=true").first

    def type(self, label: str, text: str) -> None:
        """Fill the field with this label."""
        self.page.get_by_label(self.words(label)).locator("visible=true").first.fill(text)

    def hand_in(self, label: str, file: FilePayload) -> None:
        """Choose a file for the field with this label."""
        self.page.get_by_label(self.words(label)).first.set_input_files(file)

    def wait_for(self, text: str, **figures: str) -> None:
        """Wait until this text is to be seen."""
        self.page.get_by_text(self.words(text, **figures)).locator("visible=true").first.wait_for(timeout=WAIT_S * 1000)

    def read_code(self, address: str) -> str:
        """Read the code in the mail that came last to an address of one's own."""
        return wait_until(lambda: find_in_mails(self.mails, to=address, pattern=CODE), within_s=WAIT_S)


def find_in_mails(folder: Path, *, to: str, pattern: re.Pattern[str]) -> str:
    """Return what the newest mail to an address holds of this, "" while none does; a file holds several mails."""
    found = ""
    for path in sorted(folder.glob("*"), key=lambda path: path.stat().st_mtime_ns):
        for text in path.read_text(encoding="utf-8").split("-" * 79 + "\n"):
            mail = message_from_string(text.lstrip("\n"), policy=policy.default)
            if mail["To"] == to:
                found = ([found] + [match[1] for match in pattern.finditer(mail.get_content())])[-1]
    return found
