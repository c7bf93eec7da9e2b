"""Threads that bring attempts to one user share calls of the helper, and each hears what became of its own."""

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lilong.agent.engines.slurm.conversation import AttemptFolderExists
from lilong.agent.engines.slurm.gathering import Gathering
from lilong.agent.engines.slurm.identity import Delivery, JobUser, Upload
from lilong.common.errors import EngineLost
from tests.polling import wait_until

ATTEMPTS = [f"att_{number:032x}" for number in range(8)]
HELPER = """
import json, os, sys, time
folder = os.path.dirname(os.path.abspath(__file__))
request = json.loads(sys.stdin.buffer.readline())
sys.stdin.buffer.read()
names = [one["attempt_id"] for one in request["attempts"]]
with open(os.path.join(folder, "calls"), "a") as calls:
    calls.write(json.dumps(names) + "\\n")
while not os.path.exists(os.path.join(folder, "go")):
    time.sleep(0.01)
if os.path.exists(os.path.join(folder, "crash")):
    sys.exit(70)
told = [{"error": "exists", "detail": ""} if name.endswith("3") else {} for name in names]
sys.stdout.write(json.dumps({"attempts": told}) + "\\n")
"""


class Login:
    """A user whose helper writes down its calls, and answers them once it may."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "helper").write_text(HELPER)
        user = JobUser(user="me", agent_user="me", helper=folder / "helper", python=Path(sys.executable))
        self.gathering = Gathering(user=user)

    def list_calls(self) -> list[list[str]]:
        path = self.folder / "calls"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def put(self, attempt_id: str) -> str:
        try:
            self.gathering.put(Delivery(attempt_id, (Upload("a", b"1"),), ()))
        except (AttemptFolderExists, EngineLost) as error:
            return error.code
        return ""


@pytest.fixture
def login(tmp_path):
    return Login(tmp_path)


def put_all(login):
    """Let one go first, and all others come while it is under way."""
    with ThreadPoolExecutor(len(ATTEMPTS)) as pool:
        first = pool.submit(login.put, ATTEMPTS[0])
        wait_until(login.list_calls, within_s=20)
        rest = [pool.submit(login.put, attempt_id) for attempt_id in ATTEMPTS[1:]]
        wait_until(lambda: len(login.gathering._waiting) == len(rest), within_s=20)  # noqa: SLF001 - they wait there
        (login.folder / "go").touch()
        return [one.result() for one in [first, *rest]]


def test_who_comes_while_a_call_runs_goes_with_the_next_one(login):
    told = put_all(login)

    assert [sorted(names) for names in login.list_calls()] == [ATTEMPTS[:1], ATTEMPTS[1:]]
    assert told == ["engine.folder_exists" if attempt_id == ATTEMPTS[3] else "" for attempt_id in ATTEMPTS]


def test_a_call_that_is_cut_off_is_lost_for_all_that_went_with_it(login):
    (login.folder / "crash").touch()

    assert put_all(login) == ["engine.lost"] * len(ATTEMPTS)
