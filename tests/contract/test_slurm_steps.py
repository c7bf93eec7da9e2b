"""Agents that are killed between any two steps, jobs that exist twice, orders that race with a start."""

import os
import random
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest

from lilong.agent.engines.slurm.layout import HELPER_S_MAX
from lilong.agent.engines.slurm.native import ORDERED, OVER, SUBMITTING, TOLD, Ordered, Submitting
from lilong.agent.engines.slurm.users import JobUsers
from lilong.agent.spool import remove_tree, write_json
from lilong.common.errors import EngineBusy, EngineLost
from lilong.common.ids import new_id
from lilong.common.time import utc_now
from lilong.protocol.messages import AttemptState, Fault, Reason
from lilong.protocol.spec import Isolation, RunSpec
from tests.contract.engines import SlurmRig
from tests.polling import wait_until
from tests.slurm.trees import SUITES

SAVES = "trap 'echo saved; exit 0' TERM; echo began; while :; do sleep 0.1; done"
BY_MEMBER = (AttemptState.CANCELLED, Reason.CANCELLED_BY_MEMBER, Fault.MEMBER)


@pytest.fixture(params=SUITES)
def rig(request, tmp_path):
    rig = SlurmRig(tmp_path, request.getfixturevalue(request.param))
    yield rig
    rig.site.cluster.run("scontrol", "update", "PartitionName=low", "State=UP")
    rig.close()


def make_job(rig, command="sleep 1", *, queue_wait_s=None, **fields):
    spec = RunSpec(**{"name": "job", "command": command, "walltime_s": 60} | fields)
    return rig.make_job(spec, queue_wait_s=queue_wait_s)


def start(rig, command="sleep 50"):
    """Return job, ref and number of a job that has begun."""
    job = make_job(rig, command)
    ref = rig.engine.submit(job=job)
    rig.wait_for(ref, AttemptState.RUNNING)
    return job, ref, list_native(rig, ref)[0].split()[0]


def list_native(rig, ref):
    """Return number, state and node of every native job of this name, as an administrator sees them."""
    names = f"--name={ref}"
    told = rig.site.cluster.run("squeue", "--all", "--states=all", "--noheader", names, "--format=%A %T %N")
    return sorted(told.splitlines())


def close_queue(rig):
    rig.site.cluster.run("scontrol", "update", "PartitionName=low", "State=DOWN")


def open_queue(rig):
    rig.site.cluster.run("scontrol", "update", "PartitionName=low", "State=UP")


def wait_for_native(rig, ref, word):
    wait_until(lambda: any(word in line for line in list_native(rig, ref)), within_s=30)


def summarise(end):
    return end.state, end.reason, end.fault


def read_log(rig, ref):
    return rig.engine.logs(ref=ref, rank=0, offset=0, limit=100)


def submit_again(rig, ref, native_id, *options):
    """Submit the job's own script once more by hand, as its user can; return the number of the second job."""
    cluster, user = rig.site.cluster, rig.site.users[0]
    script = cluster.run("scontrol", "write", "batch_script", native_id, "-")
    named = [f"--job-name={ref}", "--no-requeue", "--output=/dev/null", "--chdir=/tmp", "--parsable"]
    return cluster.run("sbatch", *named, *options, user=user, stdin=script).strip()


# Two native jobs with one token


def test_of_two_jobs_with_one_token_the_one_that_waits_goes_and_one_is_billed(rig):
    _, ref, first = start(rig, "sleep 3")
    second = submit_again(rig, ref, first, "--hold")

    end = rig.wait_for_end(ref)

    assert end.reason is Reason.COMPLETED
    wait_until(lambda: rig.find(ref) and f"{second} CANCELLED " in list_native(rig, ref), within_s=20)
    assert rig.engine.usage(refs=[ref])[ref].usage.metered_ms <= 3_000 + rig.slack_ms


def test_of_two_jobs_with_one_token_the_first_that_started_stays(rig):
    close_queue(rig)
    ref = rig.engine.submit(job=make_job(rig, "echo began; sleep 3"))
    rig.wait_for(ref, AttemptState.QUEUED)
    first = list_native(rig, ref)[0].split()[0]
    second = submit_again(rig, ref, first, "--partition=high")
    wait_for_native(rig, ref, f"{second} RUNNING")
    open_queue(rig)

    end = rig.wait_for_end(ref)

    assert end.reason is Reason.COMPLETED
    assert read_log(rig, ref) == b"began\n"
    states = {line.split()[0]: line.split()[1] for line in list_native(rig, ref)}
    assert states[second] == "COMPLETED"
    assert states[first] in {"CANCELLED", "FAILED"}  # taken off the queue, or found begun
    assert 3_000 <= rig.engine.usage(refs=[ref])[ref].usage.metered_ms <= 3_000 + rig.slack_ms


def test_a_second_job_that_waits_when_the_first_has_ended_unseen_does_not_hide_its_end(rig):
    _, ref, first = start(rig, "sleep 1")
    second = submit_again(rig, ref, first, "--hold")
    wait_for_native(rig, ref, f"{first} COMPLETED")

    end = rig.restart() and rig.wait_for_end(ref)

    assert end.reason is Reason.COMPLETED
    wait_until(lambda: rig.find(ref) and f"{second} CANCELLED " in list_native(rig, ref), within_s=20)


def test_a_job_of_ours_that_the_spool_does_not_know_is_listed_and_cancelled(rig):
    ref = f"lilong-{rig.hub_id}-t1-{new_id('att')}"
    user = rig.site.users[1]
    rig.site.cluster.run(
        "sbatch", f"--job-name={ref}", "--output=/dev/null", "--chdir=/tmp", user=user, stdin="#!/bin/sh\nsleep 50\n"
    )

    assert [owned.ref for owned in rig.engine.list_owned(hub_id=rig.hub_id)] == [ref]
    rig.engine.cancel(ref=ref, reason=Reason.CANCELLED_BY_HUB, grace_s=0)

    wait_for_native(rig, ref, "CANCELLED")


# Orders that race with a start


def test_a_job_that_waits_is_taken_off_the_queue_without_a_signal(rig):
    close_queue(rig)
    ref = rig.engine.submit(job=make_job(rig, SAVES))
    rig.wait_for(ref, AttemptState.QUEUED)

    rig.engine.cancel(ref=ref, reason=Reason.CANCELLED_BY_MEMBER, grace_s=5)
    end = rig.wait_for_end(ref)

    assert summarise(end) == BY_MEMBER
    assert (end.started_at, end.nodes, end.log_bytes) == (None, (), {0: 0})
    assert end.detail == "It was stopped before it started."
    assert rig.engine.usage(refs=[ref])[ref].usage.metered_ms == 0


def test_a_job_that_starts_while_it_is_cancelled_gets_its_grace(rig):
    close_queue(rig)
    slow = replace(rig.site, settings=rig.site.settings.model_copy(update={"look_every_s": 3_600}))
    late = SlurmRig(rig.home, slow)  # what it has read of the queue stays as it is
    ref = late.engine.submit(job=make_job(rig, SAVES, isolation=Isolation.TRUSTED))
    assert late.engine.observe(refs=[ref]).states[ref].state is AttemptState.QUEUED
    open_queue(rig)
    rig.restart()
    wait_until(lambda: rig.find(ref) and read_log(rig, ref), within_s=30)

    late.engine.cancel(ref=ref, reason=Reason.CANCELLED_BY_MEMBER, grace_s=8)
    end = rig.wait_for_end(ref)

    assert summarise(end) == BY_MEMBER
    assert end.started_at is not None
    assert read_log(rig, ref).split()[-1] == b"saved"


def test_a_job_that_waits_too_long_is_withdrawn_also_by_another_agent(rig):
    close_queue(rig)
    ref = rig.engine.submit(job=make_job(rig, queue_wait_s=1))
    patient = rig.engine.submit(job=make_job(rig, queue_wait_s=60))
    rig.wait_for(ref, AttemptState.QUEUED)

    end = rig.restart() and rig.wait_for_end(ref)

    assert summarise(end) == (AttemptState.REJECTED, Reason.QUEUE_WAIT_EXCEEDED, Fault.NOBODY)
    assert end.started_at is None
    open_queue(rig)
    assert rig.wait_for_end(patient).reason is Reason.COMPLETED


def test_a_job_that_started_just_before_it_was_withdrawn_goes_on(rig):
    job, ref, native_id = start(rig, "sleep 4")
    waited = Ordered(reason=Reason.QUEUE_WAIT_EXCEEDED.value, grace_s=0, at=utc_now())
    write_json(job.folder / ORDERED, waited)  # as if it had waited when the queue was read
    user = JobUsers(settings=rig.site.settings, home=rig.home).of(rig.site.users[0])
    withdrawn = user.withdraw(job_ids=[native_id])

    seen = rig.restart() and rig.wait_for(ref, AttemptState.RUNNING)
    end = rig.wait_for_end(ref)

    assert withdrawn.exit_code == 0
    assert seen.reason is None
    assert end.reason is Reason.COMPLETED


def test_an_order_of_the_hub_is_not_lost_behind_a_wait_that_was_too_long(rig):
    job, ref, _ = start(rig, SAVES)
    waited = Ordered(reason=Reason.QUEUE_WAIT_EXCEEDED.value, grace_s=0, at=utc_now())
    write_json(job.folder / ORDERED, waited)

    rig.engine.cancel(ref=ref, reason=Reason.CANCELLED_BY_MEMBER, grace_s=5)

    assert summarise(rig.wait_for_end(ref)) == BY_MEMBER


# Agents that are killed


def test_a_submission_that_was_cut_off_before_sbatch_is_made_once_it_cannot_come_any_more(rig):
    job = make_job(rig)
    rig.engine.bring(job=job, on_bytes=lambda _: None)
    write_json(job.folder / SUBMITTING, Submitting(called_at=utc_now()))

    engine = rig.restart()
    with pytest.raises(EngineBusy, match="not certain yet"):
        engine.submit(job=job)
    with pytest.raises(EngineBusy, match="not certain now"):
        engine.list_owned(hub_id=rig.hub_id)
    write_json(job.folder / SUBMITTING, Submitting(called_at=utc_now() - timedelta(seconds=HELPER_S_MAX + 20)))
    ref = engine.submit(job=job)

    assert rig.wait_for_end(ref).reason is Reason.COMPLETED
    assert len(list_native(rig, ref)) == 1


def test_a_submission_that_was_cut_off_after_sbatch_is_found(rig):
    job = make_job(rig)
    ref = rig.engine.submit(job=job)
    write_json(job.folder / SUBMITTING, Submitting(called_at=utc_now()))

    assert rig.restart().submit(job=job) == ref
    assert rig.wait_for_end(ref).reason is Reason.COMPLETED
    assert len(list_native(rig, ref)) == 1


def test_an_agent_that_was_killed_before_it_wrote_a_fact_comes_to_the_same_end(rig):
    job, ref, _ = start(rig, "echo began; sleep 50")
    order = Ordered(reason=Reason.CANCELLED_BY_MEMBER.value, grace_s=1, at=utc_now())
    write_json(job.folder / ORDERED, order)

    rig.restart().observe(refs=[ref])
    (job.folder / TOLD).unlink(missing_ok=True)
    first = rig.restart() and rig.wait_for_end(ref)
    log = read_log(rig, ref)
    (job.folder / OVER).unlink()
    remove_tree(job.folder / "ranks")
    again = rig.restart() and rig.wait_for_end(ref)

    assert summarise(first) == BY_MEMBER
    assert again == first
    assert log.startswith(b"began\n")
    assert read_log(rig, ref) == log


@contextmanager
def forked(act) -> Iterator[None]:
    """Run `act` in a copy of this process, which is killed when the block is left."""
    pid = os.fork()
    if pid == 0:
        with suppress(BaseException):
            act()
        os._exit(0)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def work(rig, jobs):
    """Do what an agent does with its jobs, for ever."""
    rig.restart()
    while True:
        for job in jobs:
            with suppress(EngineBusy, EngineLost):
                rig.engine.observe(refs=[rig.engine.submit(job=job)])


@pytest.mark.parametrize("seed", [1, random.SystemRandom().randrange(10**6)])
def test_an_agent_that_is_killed_at_random_moments_makes_one_job_each_and_loses_none(rig, seed):
    chance = random.Random(seed)
    jobs = [make_job(rig, command) for command in ("sleep 1", "exit 3", "echo began; sleep 2")]

    def is_over():
        return all((job.folder / OVER).exists() for job in jobs)

    def is_over_or_late(until):
        return is_over() or utc_now() > until

    for _ in range(40):
        until = utc_now() + timedelta(seconds=chance.uniform(0.05, 1.2))
        with forked(lambda: work(rig, jobs)):
            wait_until(partial(is_over_or_late, until), within_s=10)
        if is_over():
            break

    ends = [rig.wait_for_end(rig.engine.submit(job=job), within_s=90).reason for job in jobs]
    assert ends == [Reason.COMPLETED, Reason.EXIT_NONZERO, Reason.COMPLETED], seed
    assert [len(list_native(rig, rig.engine.submit(job=job))) for job in jobs] == [1, 1, 1], seed
