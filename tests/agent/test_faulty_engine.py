"""An engine that answers nothing, half, late, garbled or with an error never makes the agent drop a live attempt."""

import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from lilong.agent.attempts import MISSES_UNTIL_LOST, Attempts
from lilong.agent.background import Background
from lilong.agent.cache import ObjectCache
from lilong.agent.engines.port import Observed, OwnedJob
from lilong.agent.environments import EnvironmentStore, read_profile
from lilong.agent.hub import HubClient
from lilong.agent.settings import PackageSettings
from lilong.agent.spool import Spool
from lilong.agent.staging import SecretFolders, Stager
from lilong.agent.uploads import Uploads
from lilong.agent.work import Work
from lilong.common.errors import EngineBusy, EngineLost
from lilong.common.ids import new_id
from lilong.common.time import utc_now
from lilong.protocol.messages import AttemptState, Cancel, Reason, Submit
from lilong.protocol.spec import RunSpec
from tests.contract.engines import PYTHON, make_lock
from tests.contract.fake_engine import FakeEngine, World
from tests.polling import wait_until


class FaultyEngine(FakeEngine):
    """A fake engine with the faults that real ones show; `fault` names the one it has now."""

    fault = ""

    def observe(self, *, refs: Sequence[str]) -> Observed:
        whole = super().observe(refs=refs)
        if self.fault == "raises":
            raise EngineBusy(detail="slurmctld does not answer")
        if self.fault == "empty":
            return Observed(states={}, complete=False)
        if self.fault == "half":
            kept = list(whole.states)[: len(whole.states) // 2]
            return Observed(states={ref: whole.states[ref] for ref in kept}, complete=False)
        if self.fault == "garbled":
            return replace(whole, states={f"?{ref}": state for ref, state in whole.states.items()}, complete=False)
        if self.fault in {"empty but complete", "gone"}:
            return Observed(states={}, complete=True)
        return whole

    def usage(self, *, refs):
        return {} if self.fault == "gone" else super().usage(refs=refs)

    def submit(self, *, job):
        ref = super().submit(job=job)
        if self.fault in {"loses the answer", "loses all answers"}:
            raise EngineLost(detail="sbatch timed out")
        return ref

    def list_owned(self, *, hub_id):
        if self.fault == "loses all answers":
            raise EngineBusy(detail="squeue timed out")
        if self.fault == "has a namesake":
            return [OwnedJob(ref="lilong-false", attempt_id=new_id("att"), token=job.token) for job in self.all(hub_id)]
        return super().list_owned(hub_id=hub_id)

    def all(self, hub_id):
        return super().list_owned(hub_id=hub_id)


class Bench:
    """An agent's attempts over a faulty engine; everything else is real."""

    def __init__(self, home, peer, world):
        self.home, self.engine = home, FaultyEngine(world)
        self.hub = hub = HubClient(hub_url=peer.url, pool_token=peer.token)
        base = read_profile(name="python3", interpreter=PYTHON, for_other_users=False)
        environments = EnvironmentStore(
            folder=home / "environments", profiles={"python3": base}, packages=PackageSettings()
        )
        secrets = SecretFolders(home=home)
        uploads = Uploads(hub=hub, engine=self.engine)
        stager = Stager(cache=ObjectCache(folder=home / "cache", hub=hub), free_disk_bytes=0)
        work = Work(
            engine=self.engine,
            stager=stager,
            environments=environments,
            secrets=secrets,
            uploads=uploads,
            clock=utc_now,
        )
        self.executor = ThreadPoolExecutor(2)
        self.attempts = Attempts(
            spool=Spool(home=home),
            engine=self.engine,
            work=work,
            environments=environments,
            secrets=secrets,
            uploads=uploads,
            background=Background(executor=self.executor, on_done=lambda: None),
            clock=utc_now,
        )

    def close(self):
        self.executor.shutdown()
        self.hub.close()

    def accept(self, command, **fields):
        attempt_id = new_id("att")
        submit = Submit(
            attempt_id=attempt_id,
            run_id="run_1",
            number=1,
            organisation_id="org_1",
            token=f"t{attempt_id[-8:]}",
            nonce="n",
            spec=RunSpec(name="job", command=command, walltime_s=60),
            environment=make_lock(),
            authorised_ms=60_000,
            epoch=1,
            **fields,
        )
        self.attempts.accept(submit, hub_id="hub_1")
        return attempt_id

    def look(self):
        observations, complete = self.attempts.list_observations(wanted={}, now=utc_now())
        return {seen.attempt_id: seen for seen in observations}, complete

    def advance_until(self, attempt_id, state, *, may_start=True):
        def reached():
            self.attempts.advance(may_start=may_start)
            seen = self.look()[0].get(attempt_id)
            return seen if seen is not None and seen.state is state else None

        return wait_until(reached, within_s=20)


@pytest.fixture
def world():
    return World()


@pytest.fixture
def bench(tmp_path, peer, world):
    bench = Bench(tmp_path, peer, world)
    yield bench
    bench.close()


@pytest.mark.parametrize("seed", range(3))
def test_no_live_attempt_is_dropped_by_faulty_answers(bench, seed):
    chance = random.Random(seed)
    attempts = [bench.accept("sleep 60") for _ in range(2)]
    for attempt in attempts:
        bench.advance_until(attempt, AttemptState.RUNNING)

    for _ in range(100):
        bench.engine.fault = chance.choice(["", "raises", "empty", "half", "garbled", "empty but complete"])
        bench.attempts.advance(may_start=True)
        seen, complete = bench.look()
        assert {seen[attempt].state for attempt in attempts} == {AttemptState.RUNNING}
        assert complete == (bench.engine.fault in {"", "empty but complete"})


def test_what_queue_and_accounting_lack_in_several_complete_looks_is_lost(bench):
    attempt = bench.accept("sleep 60")
    bench.advance_until(attempt, AttemptState.RUNNING)
    bench.engine.fault = "gone"

    for _ in range(MISSES_UNTIL_LOST - 1):
        bench.attempts.advance(may_start=True)
    assert bench.look()[0][attempt].state is AttemptState.RUNNING
    lost = bench.advance_until(attempt, AttemptState.LOST)

    assert lost.reason is Reason.NODE_LOST


def test_a_submission_whose_answer_was_lost_is_found_by_its_token(bench, world):
    bench.engine.fault = "loses the answer"
    attempt = bench.accept("sleep 60")

    bench.advance_until(attempt, AttemptState.RUNNING)
    for _ in range(5):
        bench.attempts.advance(may_start=True)

    assert world.submissions == 1


def test_a_submission_of_which_nothing_can_be_heard_is_found_once_the_engine_answers(bench, world):
    bench.engine.fault = "loses all answers"
    attempt = bench.accept("sleep 60")

    wait_until(lambda: bench.attempts.advance(may_start=True) or world.submissions, within_s=20)
    bench.attempts.advance(may_start=True)
    assert bench.look()[0][attempt].state is not AttemptState.RUNNING
    bench.engine.fault = ""
    bench.advance_until(attempt, AttemptState.RUNNING)

    assert world.submissions == 1


def test_a_job_of_another_attempt_is_not_adopted_for_its_token(bench, world):
    bench.engine.fault = "loses the answer"
    attempt = bench.accept("sleep 60")
    wait_until(lambda: bench.attempts.advance(may_start=True) or world.submissions, within_s=20)
    (bench.home / "spool" / attempt / "submitted.json").unlink()
    bench.engine.fault = "has a namesake"
    bench.attempts.cancel(Cancel(attempt_id=attempt, reason=Reason.CANCELLED_BY_MEMBER, grace_s=0))

    bench.attempts.advance(may_start=True)

    assert not (bench.home / "spool" / attempt / "submitted.json").exists()


def test_an_agent_killed_after_the_submission_finds_the_job_and_cancels_it(bench, world, peer):
    attempt = bench.accept("sleep 60")
    bench.advance_until(attempt, AttemptState.RUNNING)
    (bench.home / "spool" / attempt / "submitted.json").unlink()  # as if killed between effect and note

    after = Bench(bench.home, peer, world)
    after.attempts.cancel(Cancel(attempt_id=attempt, reason=Reason.CANCELLED_BY_MEMBER, grace_s=0))
    end = after.advance_until(attempt, AttemptState.CANCELLED)
    after.close()

    assert end.started_at is not None
    assert world.submissions == 1


def test_an_agent_killed_between_staging_and_submission_submits_under_the_charge_code_that_it_was_told(
    bench, world, peer
):
    attempt = bench.accept("sleep 60", charge_code="prg_1")
    wait_until(lambda: bench.attempts.advance(may_start=False) or _is_staged(bench, attempt), within_s=20)

    after = Bench(bench.home, peer, world)
    after.advance_until(attempt, AttemptState.RUNNING)
    after.close()

    assert [one.job.charge_code for one in world.jobs.values()] == ["prg_1"]


def test_without_a_lease_nothing_new_is_submitted(bench, world):
    attempt = bench.accept("true")

    wait_until(lambda: bench.attempts.advance(may_start=False) or _is_staged(bench, attempt), within_s=20)
    for _ in range(20):
        bench.attempts.advance(may_start=False)

    assert world.submissions == 0
    assert bench.advance_until(attempt, AttemptState.SUCCEEDED).exit_code == 0


def _is_staged(bench, attempt):
    return (bench.home / "spool" / attempt / "staged.json").exists()


def test_an_attempt_is_accepted_once(bench):
    attempt = bench.accept("true")
    folder = bench.home / "spool" / attempt
    before = (folder / "submit.json").read_bytes()
    submit = bench.attempts._read_accepted(bench.attempts._spool.folder(attempt)).submit  # noqa: SLF001 - the command again

    bench.attempts.accept(submit, hub_id="hub_1")

    assert (folder / "submit.json").read_bytes() == before
