"""What only the embedded engine promises: gangs on one machine, shims that outlive everything, users of their own."""

import os
import random
import signal

import pytest

from lilong.agent.engines.local.host import end_leftovers
from lilong.agent.engines.local.start import start_shim
from lilong.agent.engines.rank.watch import started_ticks
from lilong.agent.settings import LocalSettings
from lilong.agent.spool import read_json
from lilong.protocol.messages import AttemptState, Fault, Reason
from lilong.protocol.spec import Checkpoint, Resources, RunSpec
from tests.contract.engines import LocalRig
from tests.polling import wait_until


@pytest.fixture
def rig(tmp_path):
    rig = LocalRig(tmp_path)
    yield rig
    rig.close()


@pytest.fixture
def gang_rig(tmp_path):
    rig = LocalRig(tmp_path, LocalSettings(nodes=2))
    if len(rig.machine.cores) < 2:
        pytest.skip("a gang of two needs two cores")
    yield rig
    rig.close()


def make_spec(command, **fields):
    given = {"name": "job", "command": command, "walltime_s": 60, "resources": Resources(memory_mib=256)}
    return RunSpec(**given | fields)


def run(rig, spec, **fields):
    job = rig.make_job(spec, **fields)
    ref = rig.engine.submit(job=job)
    return job, ref, rig.wait_for_end(ref)


def test_ranks_of_a_gang_meet_and_share_their_work_folder(gang_rig):
    command = (
        "echo $LILONG_RANK of $LILONG_NODES; touch $LILONG_RENDEZVOUS_DIR/$LILONG_RANK;"
        "while [ ! -e $LILONG_RENDEZVOUS_DIR/0 -o ! -e $LILONG_RENDEZVOUS_DIR/1 ]; do sleep 0.05; done;"
        "echo $LILONG_RANK > rank-$LILONG_RANK; sleep 1"
    )

    job, ref, end = run(gang_rig, make_spec(command, nodes=2))

    assert end.state is AttemptState.SUCCEEDED, end
    assert len(set(end.nodes)) == 2
    assert [gang_rig.engine.logs(ref=ref, rank=rank, offset=0, limit=99) for rank in (0, 1)] == [
        b"0 of 2\n",
        b"1 of 2\n",
    ]
    assert sorted(path.name for path in (job.folder / "job/work").iterdir()) == ["rank-0", "rank-1"]
    assert 900 <= gang_rig.engine.usage(refs=[ref])[ref].usage.metered_ms <= 2_500


def test_a_rank_that_fails_ends_its_gang_for_its_own_reason(gang_rig):
    _, _, end = run(gang_rig, make_spec("if [ $LILONG_RANK = 1 ]; then sleep 0.5; exit 5; fi; sleep 50", nodes=2))

    assert (end.state, end.reason, end.fault, end.exit_code) == (
        AttemptState.FAILED,
        Reason.EXIT_NONZERO,
        Fault.MEMBER,
        5,
    )


def test_a_gang_that_loses_a_shim_ends_whole_and_by_the_providers_fault(gang_rig):
    job = gang_rig.make_job(make_spec("sleep 50", nodes=2))
    ref = gang_rig.engine.submit(job=job)
    wait_until(lambda: gang_rig.look(ref).state is AttemptState.RUNNING, within_s=20)

    os.kill(gang_rig.pid(job, "shim", rank=1), signal.SIGKILL)
    end = gang_rig.wait_for_end(ref, within_s=10)

    assert (end.state, end.reason, end.fault) == (AttemptState.FAILED, Reason.SHIM_LOST, Fault.PROVIDER)
    assert not [rank for rank in (0, 1) if started_ticks(gang_rig.pid(job, "job", rank=rank))]


def test_a_gang_waits_until_all_its_ranks_have_room(gang_rig):
    first = gang_rig.make_job(make_spec("sleep 1"))
    gang_rig.engine.submit(job=first)

    gang = gang_rig.engine.submit(job=gang_rig.make_job(make_spec("true", nodes=2)))

    assert gang_rig.look(gang).reason is Reason.WAITING_FOR_CAPACITY
    assert gang_rig.wait_for_end(gang).state is AttemptState.SUCCEEDED


def test_a_job_that_still_queues_when_its_wait_is_over_is_withdrawn_also_by_another_agent(rig):
    whole = Resources(cores=len(rig.machine.cores), memory_mib=256)
    first = rig.engine.submit(job=rig.make_job(make_spec("sleep 60", resources=whole), queue_wait_s=0))
    wait_until(lambda: rig.look(first).state is AttemptState.RUNNING, within_s=20)
    behind = rig.engine.submit(job=rig.make_job(make_spec("true"), queue_wait_s=1))
    patient = rig.engine.submit(job=rig.make_job(make_spec("true")))
    rig.restart()
    end = rig.wait_for_end(behind)

    assert (end.state, end.reason, end.fault) == (AttemptState.REJECTED, Reason.QUEUE_WAIT_EXCEEDED, Fault.NOBODY)
    assert rig.look(first).state is AttemptState.RUNNING
    assert rig.look(patient).reason is Reason.WAITING_FOR_CAPACITY


def test_the_walltime_ends_a_job_that_was_asked_to_stop_before(rig):
    spec = make_spec("trap 'echo asked; exit 0' TERM; while :; do sleep 0.1; done", walltime_s=5)

    _, ref, end = run(rig, spec)

    assert (end.state, end.reason, end.fault) == (AttemptState.TIMED_OUT, Reason.WALLTIME_REACHED, Fault.MEMBER)
    assert rig.engine.logs(ref=ref, rank=0, offset=0, limit=99).endswith(b"asked\n")
    assert 4_000 <= rig.engine.usage(refs=[ref])[ref].usage.metered_ms <= 5_000


def test_a_shim_that_is_asked_to_end_preempts_its_job_with_grace(rig):
    job = rig.make_job(make_spec("trap 'echo saved; exit 0' TERM; while :; do sleep 0.1; done"))
    ref = rig.engine.submit(job=job)
    wait_until(lambda: rig.look(ref).state is AttemptState.RUNNING, within_s=20)

    os.kill(rig.pid(job, "shim"), signal.SIGTERM)
    end = rig.wait_for_end(ref)

    assert (end.state, end.reason, end.fault) == (
        AttemptState.PREEMPTED,
        Reason.PREEMPTED_BY_PROVIDER,
        Fault.PROVIDER,
    )
    assert rig.engine.logs(ref=ref, rank=0, offset=0, limit=99).endswith(b"saved\n")


def test_a_shim_is_started_once_however_often_it_is_started(rig):
    job = rig.make_job(make_spec("echo once; sleep 0.5"))
    ref = rig.engine.submit(job=job)
    rig.pid(job, "shim")
    for _ in range(3):
        start_shim(job.folder / "ranks/0")
    rig.wait_for_end(ref)
    start_shim(job.folder / "ranks/0")

    assert rig.engine.logs(ref=ref, rank=0, offset=0, limit=99) == b"once\n"


def test_a_recycled_process_number_is_not_taken_for_a_shim(rig):
    job = rig.make_job(make_spec("sleep 50"))
    ref = rig.engine.submit(job=job)
    wait_until(lambda: rig.look(ref).state is AttemptState.RUNNING, within_s=20)
    os.kill(rig.pid(job, "shim"), signal.SIGKILL)
    path = job.folder / "ranks/0/shim.json"
    path.write_text(path.read_text().replace(str(rig.pid(job, "shim")), str(os.getpid())))

    assert rig.wait_for_end(ref).reason is Reason.SHIM_LOST


def test_a_job_of_another_boot_of_the_machine_is_lost_with_its_node(rig):
    job = rig.make_job(make_spec("sleep 50"))
    ref = rig.engine.submit(job=job)
    wait_until(lambda: rig.look(ref).state is AttemptState.RUNNING, within_s=20)
    os.kill(rig.pid(job, "shim"), signal.SIGKILL)
    path = job.folder / "ranks/0/shim.json"
    boot_id = str((read_json(path) or {})["boot_id"])
    path.write_text(path.read_text().replace(boot_id, "0" * 36))

    end = rig.wait_for_end(ref)

    assert (end.state, end.reason) == (AttemptState.LOST, Reason.NODE_LOST)


@pytest.mark.parametrize("seed", range(6))
def test_killing_shims_at_random_moments_leaves_no_process_and_no_doubt(rig, seed):
    chance = random.Random(seed)
    job = rig.make_job(make_spec("for n in 1 2 3; do sleep 30 & done; wait", checkpoint=Checkpoint(path="ck")))
    ref = rig.engine.submit(job=job)
    rig.pid(job, "shim")
    until = chance.random() * 0.6
    wait_until(lambda: until < (_count(job) or 1), within_s=5, every_s=until / 4 + 0.01)

    os.kill(rig.pid(job, "shim"), signal.SIGKILL)
    end = rig.wait_for_end(ref, within_s=10)

    assert (end.reason, end.fault) == (Reason.SHIM_LOST, Fault.PROVIDER)
    assert end_leftovers(uid=rig.uid(job), attempt_id=job.attempt_id, jobs=[]) == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives jobs users of their own")
def test_a_lost_attempt_that_comes_back_from_the_released_ones_leaves_its_users_next_job_alone(rig):
    lost = rig.make_job(make_spec("sleep 60"))
    lost_ref = rig.engine.submit(job=lost)
    os.kill(rig.pid(lost, "shim"), signal.SIGKILL)
    assert rig.wait_for_end(lost_ref).reason is Reason.SHIM_LOST
    uid = rig.uid(lost)
    rig.spool.release(rig.spool.folder(lost.attempt_id))
    running = rig.make_job(make_spec("touch begun; sleep 1"))
    running_ref = rig.engine.submit(job=running)
    wait_until((running.folder / "job/work/begun").exists, within_s=20)
    assert rig.uid(running) == uid

    rig.spool.take_back()
    rig.restart()

    assert rig.look(lost_ref).reason is Reason.SHIM_LOST
    assert rig.wait_for_end(running_ref).state is AttemptState.SUCCEEDED


def _count(job):
    return len(list((job.folder / "ranks/0").glob("*.json")))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives jobs users of their own")
def test_every_attempt_has_a_user_of_its_own_and_none_is_root(rig):
    jobs = [run(rig, make_spec("id -u > id; touch made"))[0] for _ in range(2)]

    uids = {rig.uid(job) for job in jobs}
    owners = {(job.folder / "job/work/made").stat().st_uid for job in jobs}

    assert len(uids) == 2
    assert owners == uids
    assert 0 not in uids
