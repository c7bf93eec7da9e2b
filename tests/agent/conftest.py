"""A hub's peer and a real agent process in a folder whose path is long, has spaces and is not ASCII."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lilong.agent.engines.local.host import end_leftovers
from lilong.agent.engines.slurm.settings import SlurmSettings
from lilong.agent.settings import AgentSettings, LocalSettings, PackageSettings, write_new_settings
from lilong.agent.spool import read_json
from lilong.common.ids import new_id
from lilong.protocol.messages import Observation, Submit
from lilong.protocol.spec import RunSpec
from tests.agent.hub_peer import HubPeer
from tests.contract.engines import make_lock
from tests.polling import wait_until

FOLDER = "上海 里弄 agent home with spaces " + "很长" * 20


class AgentProcess:
    """An agent that can be killed and started again, and what it left behind."""

    def __init__(self, home: Path, peer: HubPeer) -> None:
        self.home = home
        self.peer = peer
        self.process: subprocess.Popen[bytes] | None = None

    def configure(
        self,
        *,
        local: LocalSettings | None = None,
        slurm: SlurmSettings | None = None,
        packages: PackageSettings | None = None,
    ) -> None:
        settings = AgentSettings(
            hub_url=self.peer.url,
            hub_id="hub_1",
            pool_id="pool_1",
            pool_token=self.peer.token,
            local=local or LocalSettings(),
            slurm=slurm,
            packages=packages or PackageSettings(),
        )
        write_new_settings(self.home, settings=settings)

    def start(self) -> None:
        command = [sys.executable, "-m", "lilong.agent.main", "--home", str(self.home)]
        with (self.home / "agent.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)

    def kill(self, number: int = signal.SIGKILL) -> None:
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(timeout=20)
            self.process = None

    def submit(self, spec: RunSpec, **fields: object) -> str:
        attempt_id = new_id("att")
        given = {
            "attempt_id": attempt_id,
            "run_id": "run_1",
            "number": 1,
            "organisation_id": "org_1",
            "token": f"t{attempt_id[-12:]}",
            "nonce": "nonce",
            "spec": spec,
            "environment": make_lock(),
            "authorised_ms": 60_000,
            "epoch": self.peer.epoch,
        }
        self.peer.say(Submit.model_validate(given | fields))
        return attempt_id

    def wait_for_end(self, attempt_id: str, *, seconds: float = 30.0) -> Observation:
        try:
            return self.peer.wait(attempt_id, lambda seen: seen.outputs_complete, seconds=seconds)
        except AssertionError as error:
            log = (self.home / "agent.log").read_text(errors="replace")[-3000:]
            raise AssertionError(f"{error}\n{log}") from error

    def folder(self, attempt_id: str) -> Path:
        return self.home / "spool" / attempt_id

    def pid(self, attempt_id: str, name: str = "shim", *, rank: int = 0) -> int:
        path = self.folder(attempt_id) / "ranks" / str(rank) / f"{name}.json"
        return int(str(wait_until(lambda: (read_json(path) or {}).get("pid"), within_s=20)))

    def uid(self, attempt_id: str) -> int | None:
        uid = (read_json(self.folder(attempt_id) / "native.json") or {}).get("uid")
        return uid if isinstance(uid, int) else None

    def close(self) -> None:
        self.kill()
        for folder in (self.home / "spool").glob("att_*"):
            for rank in folder.glob("ranks/*/shim.json"):
                pid = (read_json(rank) or {}).get("pid")
                if isinstance(pid, int) and not (rank.parent / "exit.json").exists():
                    _end(pid)
            end_leftovers(uid=self.uid(folder.name), attempt_id=folder.name, jobs=[])


def _end(pid: int) -> None:
    command = Path(f"/proc/{pid}/cmdline")
    if command.exists() and b"shim.py" in command.read_bytes():
        os.kill(pid, signal.SIGKILL)


@pytest.fixture
def peer() -> Iterator[HubPeer]:
    peer = HubPeer()
    yield peer
    peer.close()


@pytest.fixture
def agent(peer: HubPeer, tmp_path: Path) -> Iterator[AgentProcess]:
    home = tmp_path / FOLDER / "agent"
    home.mkdir(parents=True)
    agent = AgentProcess(home, peer)
    agent.configure()
    yield agent
    agent.close()
