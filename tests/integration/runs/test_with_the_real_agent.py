"""Hub and agent over HTTP: a real agent process and its shims, killed and found again; a hub that was restored."""

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import connection

from lilong.agent.engines.local.host import end_leftovers
from lilong.agent.join import join_pool
from lilong.agent.spool import read_json
from lilong.common.ids import new_id
from lilong.common.time import utc_now
from lilong.foundation.runs.core.runs import RunState
from lilong.foundation.runs.models import Attempt, Run
from lilong.foundation.runs.public import Candidate, get_pools, get_runs, submit_run
from lilong.foundation.runs.public import cancel_run as ask_for_the_end
from lilong.foundation.runs.queries.pools import list_unknown_attempts
from lilong.foundation.runs.reactions import raise_epochs, reconcile
from lilong.foundation.runs.services.logs import read_log
from lilong.foundation.runs.services.pools import create_join_token, create_pool
from lilong.protocol.messages import AttemptState, Fault, Reason
from lilong.protocol.spec import Isolation
from tests.bytes import read
from tests.polling import wait_until
from tests.pools import KEEPER, MEMBER, OPERATOR, ORGANISATION, PROVIDER, make_lock, make_spec, pack

pytestmark = [pytest.mark.django_db(transaction=True)]

COUNT = """
import json, os, time
number = json.load(open("ck/n.json")) if os.path.exists("ck/n.json") else 0
print("from", number, flush=True)
os.makedirs("ck", exist_ok=True)
while number < {until}:
    number += 1
    json.dump(number, open("ck/n.tmp", "w")); os.replace("ck/n.tmp", "ck/n.json")
    time.sleep(0.1)
print("done", flush=True)
open("result.txt", "w").write(str(number))
"""


class RealAgent:
    """A pool of the test's hub and the agent process that serves it."""

    def __init__(self, *, home: Path, hub_url: str) -> None:
        self.home = home
        self.process: subprocess.Popen[bytes] | None = None
        now = utc_now()
        self.pool_id = create_pool(
            actor=KEEPER, provider_organisation_id=PROVIDER, name="real", engine="local", now=now
        )
        token = create_join_token(actor=KEEPER, pool_id=self.pool_id, now=now).token
        join_pool(home=home, hub_url=hub_url, join_token=token)

    def start(self) -> None:
        command = [sys.executable, "-m", "lilong.agent.main", "--home", str(self.home)]
        with (self.home / "agent.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        wait_until(lambda: self.look().inventory, within_s=30)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(timeout=20)
            self.process = None

    def look(self):
        return get_pools(pool_ids=[self.pool_id], now=utc_now())[self.pool_id]

    def shim_pids(self) -> list[int]:
        shims = self.home.glob("spool/att_*/ranks/*/shim.json")
        live = [read_json(shim) or {} for shim in shims if not (shim.parent / "exit.json").exists()]
        return [pid for shim in live if isinstance(pid := shim.get("pid"), int)]

    def close(self) -> None:
        self.kill()
        for pid in self.shim_pids():
            command = Path(f"/proc/{pid}/cmdline")
            if pid and command.exists() and b"shim.py" in command.read_bytes():
                os.kill(pid, signal.SIGKILL)
        for native in self.home.glob("spool/att_*/native.json"):
            uid = (read_json(native) or {}).get("uid")
            end_leftovers(uid=uid if isinstance(uid, int) else None, attempt_id=native.parent.name, jobs=[])


@pytest.fixture
def agent(hub_url, tmp_path):
    agent = RealAgent(home=tmp_path / "agent", hub_url=hub_url)
    agent.start()
    yield agent
    agent.close()


def order(agent, *, until=15, **fields):
    """Submit a job that counts to `until`, ten a second, with a checkpoint after each step; return its run's id."""
    able = agent.look().inventory.capabilities
    fields = {
        "command": "python train.py",
        "workdir_sha256": pack(**{"train.py": COUNT.format(until=until).encode()}),
        "outputs": [{"path": "result.txt", "max_bytes": 100}],
        "checkpoint": {"path": "ck", "grace_s": 1},
        "isolation": Isolation.UNTRUSTED if able.sandbox else Isolation.TRUSTED,
        "resources": {"memory_mib": 256},
        **fields,
    }
    run_id = new_id("run")
    profile = agent.look().inventory.profiles[0]
    submit_run(
        run_id=run_id,
        organisation_id=ORGANISATION,
        person_id=MEMBER.person_id,
        spec=make_spec(**fields),
        candidates=[Candidate(pool_id=agent.pool_id, rank_cost=0, ref="offer")],
        locks={agent.pool_id: make_lock(profile=profile)},
        authorised_ms=120_000,
        now=utc_now(),
    )
    return run_id


def look(run_id):
    reconcile(now=utc_now())
    return get_runs(run_ids=[run_id], now=utc_now())[run_id]


def wait_for(agent, run_id, condition, *, seconds=60):
    def see():
        run = look(run_id)
        return run if condition(run) else None

    try:
        return wait_until(see, within_s=seconds, every_s=0.2)
    except AssertionError as error:
        log = (agent.home / "agent.log").read_text(errors="replace")[-3000:]
        raise AssertionError(f"{look(run_id)}\n{log}") from error


def wait_for_end(agent, run_id):
    return wait_for(agent, run_id, lambda run: run.finished)


def is_counting(run):
    return run.attempts[-1].state is AttemptState.RUNNING and run.attempts[-1].metered_ms > 500


def tail(run_id):
    part = read_log(actor=MEMBER, run_id=run_id, attempt_number=None, rank=0, offset=0, limit=10_000)
    return part.content.decode().split("\n")[:-1]


def test_a_job_runs_and_what_it_wrote_is_there(agent):
    run_id = order(agent)
    done = wait_for_end(agent, run_id)
    [artefact] = done.artefacts

    assert (done.state, done.reason, done.fault) == (RunState.SUCCEEDED, Reason.COMPLETED, Fault.NOBODY)
    assert tail(run_id) == ["from 0", "done"]
    assert (artefact.path, read(artefact.sha256, organisation_id=ORGANISATION)) == ("result.txt", b"15")
    assert 1_500 <= done.billable_ms <= 10_000
    assert done.attempts[0].meters_agree
    wait_until(lambda: not list(agent.home.glob("spool/att_*")), within_s=30)


def test_a_killed_agent_finds_the_same_attempt_again(agent):
    run_id = order(agent, until=40)
    wait_for(agent, run_id, is_counting)
    agent.kill()
    agent.start()
    done = wait_for_end(agent, run_id)

    assert (done.state, len(done.attempts)) == (RunState.SUCCEEDED, 1)
    assert tail(run_id) == ["from 0", "done"]
    assert done.billable_ms >= 4_000


def test_a_killed_shim_is_followed_by_an_attempt_that_goes_on_from_the_checkpoint(agent):
    run_id = order(agent, until=30)
    wait_for(agent, run_id, is_counting)
    for pid in agent.shim_pids():
        os.kill(pid, signal.SIGKILL)
    done = wait_for_end(agent, run_id)
    first, second = done.attempts
    resumed_from = int(tail(run_id)[0].split()[1])

    assert (first.state, first.reason, first.fault) == (AttemptState.FAILED, Reason.SHIM_LOST, Fault.PROVIDER)
    assert (second.state, second.resumed) == (AttemptState.SUCCEEDED, True)
    assert 0 < resumed_from < 30
    assert first.billable_ms <= first.metered_ms
    assert read(done.artefacts[0].sha256, organisation_id=ORGANISATION) == b"30"


def test_a_cancelled_job_is_gone_when_the_run_is_over(agent):
    run_id = order(agent, until=600)
    wait_for(agent, run_id, is_counting)
    pids = agent.shim_pids()
    ask_for_the_end(run_id=run_id, reason=Reason.CANCELLED_BY_MEMBER, now=utc_now())
    done = wait_for_end(agent, run_id)

    assert (done.state, done.fault) == (RunState.CANCELLED, Fault.MEMBER)
    assert done.billable_ms < 30_000
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), within_s=10)


@pytest.mark.sqlite
def test_a_restored_hub_gets_everything_again_and_stops_what_it_does_not_know(agent):
    held = order(agent, until=40)
    wait_for(agent, held, is_counting)
    backup = sqlite3.connect(":memory:")
    connection.connection.backup(backup)
    done_before = wait_for_end(agent, held)
    later = order(agent, until=600)
    wait_for(agent, later, is_counting)
    pids = agent.shim_pids()

    backup.backup(connection.connection)
    raise_epochs(now=utc_now())
    done_after = wait_for_end(agent, held)
    [ghost] = wait_until(lambda: list_unknown_attempts(actor=OPERATOR, cursor=None, limit=10).items, within_s=30)
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), within_s=30)

    assert not Run.objects.filter(id=later).exists()
    assert ghost.pool_id == agent.pool_id
    assert (done_after.state, len(done_after.attempts)) == (RunState.SUCCEEDED, 1)
    assert done_after.artefacts == done_before.artefacts
    assert done_after.billable_ms == done_before.billable_ms
    assert Attempt.objects.count() == 1
