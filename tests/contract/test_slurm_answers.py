"""Slurm's programs answer nothing, half, garbled, late or with an error: no attempt is dropped, no job made twice."""

import random
from collections import Counter

import pytest

from lilong.agent.engines.port import TERMINAL_STATES
from lilong.common.errors import EngineBusy, EngineLost
from lilong.protocol.messages import AttemptState, Reason
from lilong.protocol.spec import Resources, RunSpec
from tests.contract.engines import SlurmRig
from tests.polling import wait_until
from tests.slurm.cluster import shared_folder
from tests.slurm.damage import FAULTS, damaged_site

QUICK_FAULTS = [fault for fault in FAULTS if fault != "late"]
SEEDS = [1, random.SystemRandom().randrange(10**6)]


class DamagedRig(SlurmRig):
    def __init__(self, home, site, damage):
        super().__init__(home, site)
        self.damage = damage


@pytest.fixture
def rig(hasty_site, tmp_path):
    with shared_folder() as folder, damaged_site(hasty_site, folder=folder) as found:
        damage, site = found
        rig = DamagedRig(tmp_path, site, damage)
        yield rig
        damage.set("")
        rig.close()


def make_spec(command, **fields):
    return RunSpec(**{"name": "job", "command": command, "walltime_s": 60} | fields)


def observe(rig, refs):
    """Return what an agent hears, which may be nothing."""
    try:
        return rig.engine.observe(refs=refs).states
    except EngineBusy:
        return {}


def count_native(rig, job):
    """Return how many native jobs carry the token, as an administrator counts them."""
    told = rig.site.cluster.run("squeue", "--all", "--states=all", "--noheader", "--format=%A %j")
    return sum(line.endswith(f"-{job.token}-{job.attempt_id}") for line in told.splitlines())


def submit(rig, job):
    """Submit as an agent does: again, and until somebody knows the job."""

    def is_taken():
        try:
            return rig.engine.submit(job=job)
        except (EngineBusy, EngineLost):
            return ""

    return wait_until(is_taken, within_s=60, every_s=0.1)


@pytest.mark.parametrize("seed", SEEDS)
def test_no_live_attempt_ends_or_vanishes_by_damaged_answers_and_all_end_right_later(rig, seed):
    chance = random.Random(seed)
    commands = {"sleep 40": "live", "sleep 1": Reason.COMPLETED, "sleep 1; exit 3": Reason.EXIT_NONZERO}
    refs = {rig.engine.submit(job=rig.make_job(make_spec(command))): end for command, end in commands.items()}
    waits = rig.engine.submit(job=rig.make_job(make_spec("true", resources=Resources(cores=32), nodes=4)))
    wait_until(lambda: rig.look(next(iter(refs))).state is AttemptState.RUNNING, within_s=30)

    for _ in range(25):
        rig.damage.set("")
        for program in chance.sample(["squeue", "sacct", "scontrol"], k=chance.randint(1, 3)):
            rig.damage.set(chance.choice([*QUICK_FAULTS, "header"]), program, share=chance.randrange(100))
        states = observe(rig, [*refs, waits])
        for ref, state in states.items():
            assert state.state not in TERMINAL_STATES or state.reason is refs.get(ref), (seed, state)
    rig.damage.set("")

    rig.wait_for(waits, AttemptState.QUEUED)  # what was read last may have been damaged
    for ref, end in refs.items():
        if end == "live":
            assert rig.look(ref).state is AttemptState.RUNNING
            rig.engine.cancel(ref=ref, reason=Reason.CANCELLED_BY_HUB, grace_s=0)
        else:
            assert rig.wait_for_end(ref).reason is end
    wait_until(lambda: rig.look(waits).state is AttemptState.SUCCEEDED, within_s=30)


def test_an_answer_that_does_not_come_in_time_is_no_answer(rig):
    rig.damage.set("late", "squeue", "scontrol")

    with pytest.raises(EngineBusy, match="squeue has not answered for 3 s"):
        rig.engine.list_owned(hub_id=rig.hub_id)
    with pytest.raises(EngineBusy, match="scontrol has not answered for 3 s"):
        rig.engine.probe()


@pytest.mark.parametrize("fault", ["empty", "half", "garbled", "unasked"])
def test_a_damaged_inventory_is_none_and_refuses_no_job(rig, fault):
    rig.damage.set(fault, "scontrol")
    engine = rig.restart()

    with pytest.raises(EngineBusy):
        engine.probe()
    with pytest.raises(EngineBusy):
        engine.submit(job=rig.make_job(make_spec("true")))


@pytest.mark.parametrize("fault", ["empty", "half", "garbled", "mixed", "unasked", "unheard"])
def test_who_owns_what_is_not_said_without_a_whole_answer(rig, fault):
    rig.engine.submit(job=rig.make_job(make_spec("sleep 30")))
    rig.damage.set(fault, "squeue")

    with pytest.raises(EngineBusy):
        rig.engine.list_owned(hub_id=rig.hub_id)


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault != "mixed"])
def test_a_submission_whose_answer_is_damaged_makes_one_native_job(rig, fault):
    job = rig.make_job(make_spec("sleep 1"))
    rig.damage.set(fault, "sbatch", share=40)
    with pytest.raises((EngineBusy, EngineLost)):
        rig.engine.submit(job=job)
    rig.damage.set("")

    ref = submit(rig, job)

    assert rig.wait_for_end(ref).reason is Reason.COMPLETED
    assert count_native(rig, job) == 1


@pytest.mark.parametrize("seed", SEEDS)
def test_a_submission_amid_damaged_answers_makes_one_native_job(rig, seed):
    chance = random.Random(seed)
    jobs = [rig.make_job(make_spec("sleep 1")) for _ in range(3)]
    taken: dict[str, str] = {}

    def try_all():
        for program in ("squeue", "sacct", "scontrol", "sbatch"):
            rig.damage.set(chance.choice(["", *QUICK_FAULTS]), program, share=chance.randrange(90))
        said = rig.engine.submit_many(jobs=[job for job in jobs if job.attempt_id not in taken])
        taken.update({attempt_id: ref for attempt_id, ref in said.items() if isinstance(ref, str)})
        assert all(isinstance(answer, str | EngineBusy | EngineLost) for answer in said.values())
        return len(taken) == len(jobs)

    wait_until(try_all, within_s=90, every_s=0.5)
    rig.damage.set("")

    assert {rig.wait_for_end(ref).reason for ref in taken.values()} == {Reason.COMPLETED}
    assert Counter(count_native(rig, job) for job in jobs) == {1: 3}, seed
