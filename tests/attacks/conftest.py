import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lilong.agent.engines.slurm.install import install, plan_installation
from lilong.agent.settings import LocalSettings
from lilong.protocol.spec import Resources, RunSpec
from tests.attacks.login_node import LoginNode, find_reason_without
from tests.contract.engines import LocalRig
from tests.polling import wait_until

SCRIPT = Path(__file__).with_name("attack.py")
NARROW = LocalSettings(processes_max=64, log_mib=1, files_max=5_000)


class Arena(LocalRig):
    """The embedded engine with narrow limits, and the same machine without it."""

    def attack(self, *arguments, **fields):
        """Run an attack as untrusted work; return its log and how it ended."""
        ref, job = self.begin(*arguments, **fields)
        end = self.wait_for_end(ref)
        return self.engine.logs(ref=ref, rank=0, offset=0, limit=100_000).decode("utf-8", "replace"), end, job

    def begin(self, *arguments, command="", **fields):
        words = " ".join(f"'{argument}'" for argument in arguments)
        given = {"name": "attack", "command": command or f"python3 attack.py {words}", "walltime_s": 30}
        given["resources"] = Resources(memory_mib=128, disk_mib=64)
        job = self.make_job(RunSpec.model_validate(given | fields))
        shutil.copy(SCRIPT, job.folder / "job/work/attack.py")
        return self.engine.submit(job=job), job

    def attack_without(self, *arguments):
        """Run an attack as an ordinary process of this account, in a folder of the test."""
        folder = self.home / "without"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        process = subprocess.Popen(
            [sys.executable, str(SCRIPT), *map(str, arguments)],
            cwd=folder,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            assert process.stdout is not None
            return process.stdout.readline().strip()
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


@pytest.fixture
def arena(tmp_path):
    home = tmp_path / "agent"
    home.mkdir()
    arena = Arena(home, NARROW)
    if arena.machine.found.reason:
        pytest.skip(f"no sandbox here: {arena.machine.found.reason}")
    yield arena
    arena.close()
    # pytest cannot delete folders nested so deep, and a shim that was killed may be writing its last file.
    wait_until(lambda: subprocess.run(["rm", "-rf", str(tmp_path)], check=False).returncode == 0, within_s=30)


@pytest.fixture
def victim(arena):
    """Return another member's job, running in a sandbox of its own with a file and a secret."""
    secrets = arena.home / "secrets"
    secrets.mkdir()
    (secrets / "KEY").write_text("a secret of another member")
    (secrets / "KEY").chmod(0o600)
    spec = RunSpec(
        name="victim", command="echo mine > mine.txt; exec sleep 61.75", walltime_s=120, secrets=("KEY",),
        resources=Resources(memory_mib=128, disk_mib=64),
    )  # fmt: skip
    job = arena.make_job(spec, secrets=secrets)
    arena.engine.submit(job=job)
    wait_until((job.folder / "job/work/mine.txt").exists, within_s=20)
    return job


@pytest.fixture(scope="session")
def shared_login_node():
    reason = find_reason_without()
    if reason and os.environ.get("CI") == "true":
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)
    node = LoginNode()
    yield node
    node.close()


@pytest.fixture
def node(shared_login_node):
    """Return the login node with nothing of any attempt on it."""
    yield shared_login_node
    members = (shared_login_node.ann, shared_login_node.bob)
    shared_login_node.end_all(*members)
    for user in members:
        for folder in (shared_login_node.ground(user), shared_login_node.home(user)):
            subprocess.run(["find", str(folder), "-mindepth", "1", "-delete"], check=True)
    install(steps=plan_installation(wanted=shared_login_node.wanted))
