"""`lilong login` in a terminal, and a person with a browser: over the web process as it runs in earnest."""

import os
import pty
import re
import subprocess
import sys

import pytest
from django.conf import settings
from django.db import connection

from lilong.cli.credentials import Credentials
from lilong.common.permissions import Role
from lilong.common.time import utc_now
from lilong.foundation.members.services.memberships import add_member
from tests.people import found_owner
from tests.polling import wait_until
from tests.running_web import running_web
from tests.sign_ins import Browser, sign_up

pytestmark = pytest.mark.django_db(transaction=True)
EXIT_NOT_ALLOWED = 4


class Terminal:
    """`lilong login URL` as somebody at a terminal starts it."""

    def __init__(self, url: str, folder) -> None:
        environment = os.environ | {"XDG_CONFIG_HOME": str(folder), "COLUMNS": "200", "TERM": "dumb", "NO_COLOR": "1"}
        ours, theirs = pty.openpty()
        self._ours = ours
        self._said = ""
        command = ["env", "--default-signal=INT", sys.executable, "-m", "lilong.cli.main", "login", url]
        self.process = subprocess.Popen(command, env=environment, stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)

    def read_user_code(self) -> str:
        """Return the code that it shows."""
        return wait_until(self._find_code, within_s=60)

    def wait(self) -> int:
        return self.process.wait(timeout=60)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._ours)

    def _find_code(self) -> str:
        self._said += os.read(self._ours, 4096).decode()
        found = re.search(r"\b([BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4})\b", self._said)
        return found[1] if found else ""


@pytest.fixture
def member():
    browser = sign_up("ada@example.org")
    owner = found_owner(now=utc_now())
    add_member(actor=owner, email="ada@example.org", name="Ada", role=Role.MEMBER, now=utc_now())
    return browser, owner.organisation_id


@pytest.fixture
def web(member):
    connection.close()
    with running_web(home=settings.LILONG.home) as web:
        yield web


@pytest.fixture
def terminal(web, tmp_path):
    terminal = Terminal(web.url, tmp_path)
    yield terminal
    terminal.close()


def decide(browser: Browser, code: str, action: str, organisation_id: str) -> str:
    path = f"/account/device/?code={code}"
    answer = browser.post(path, {"action": action, "organisation_id": organisation_id})
    return str(answer.content.decode())


def test_a_person_approves_the_code_and_the_command_is_signed_in(member, terminal, web, tmp_path):
    page = decide(member[0], terminal.read_user_code(), "confirm", member[1])

    assert "Approved" in page
    assert terminal.wait() == 0
    kept = Credentials.model_validate_json((tmp_path / "lilong" / "credentials.json").read_bytes())
    assert kept.current == web.url
    assert kept.hubs[web.url].token.startswith("lil_")
    assert kept.hubs[web.url].person == "Ada"


def test_a_person_refuses_and_the_command_says_so(member, terminal, tmp_path):
    decide(member[0], terminal.read_user_code(), "deny", member[1])

    assert terminal.wait() == EXIT_NOT_ALLOWED
    assert not (tmp_path / "lilong" / "credentials.json").exists()


def test_ctrl_c_ends_the_wait(terminal):
    terminal.read_user_code()
    terminal.process.send_signal(2)

    assert terminal.wait() == 130
