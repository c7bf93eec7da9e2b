"""What a job waits for and until when, as Slurm tells it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest

from lilong.common.time import utc_now
from lilong.protocol.messages import AttemptState
from lilong.protocol.spec import Resources, RunSpec
from tests.contract.engines import SlurmRig
from tests.polling import wait_until
from tests.slurm.trees import SUITES

LIMIT = timedelta(minutes=30)
SLACK = timedelta(minutes=5)


@pytest.fixture(params=SUITES)
def rig(request, tmp_path):
    rig = SlurmRig(tmp_path, request.getfixturevalue(request.param))
    yield rig
    rig.close()


def make_job(rig, command="sleep 30", **fields):
    return rig.make_job(RunSpec(**{"name": "job", "command": command, "walltime_s": 60} | fields))


@contextmanager
def fill_cluster(rig, *, limit: str) -> Iterator[None]:
    """Let another member have all nodes, for as long as `limit` says."""
    cluster, user = rig.site.cluster, rig.site.users[1]
    whole = ["--partition=low", f"--nodes={len(cluster.nodes)}", "--exclusive", f"--time={limit}"]
    job = cluster.run("sbatch", "--parsable", *whole, "--output=/dev/null", "--wrap=sleep 300", user=user).strip()
    asked = ["squeue", "--noheader", f"--jobs={job}", "--format=%T"]
    wait_until(lambda: cluster.run(*asked).strip() == "RUNNING", within_s=30)
    yield
    cluster.run("scancel", job)


def test_a_job_that_waits_for_others_is_expected_when_their_time_is_over_until_it_starts(rig):
    with fill_cluster(rig, limit="30"):
        ref = rig.engine.submit(job=make_job(rig))
        waiting = wait_until(lambda: (seen := rig.look(ref)).expected_start_at and seen, within_s=60)
        estimate = rig.engine.estimate(spec=make_job(rig).spec)
    running = rig.wait_for(ref, AttemptState.RUNNING)

    assert waiting.state is AttemptState.QUEUED
    assert waiting.detail in {
        "It is next in line and waits until enough of the cluster is free.",
        "Jobs with a higher priority wait before it.",
    }
    assert LIMIT - SLACK < waiting.expected_start_at - utc_now() < LIMIT + SLACK
    assert estimate.basis == "scheduler"
    assert running.expected_start_at is None


def test_behind_jobs_without_an_end_nobody_knows_when_a_job_starts(rig):
    with fill_cluster(rig, limit="UNLIMITED"):
        ref = rig.engine.submit(job=make_job(rig, resources=Resources(cores=32)))
        [native] = rig.site.cluster.run("squeue", "--noheader", f"--name={ref}", "--format=%A").split()
        planned = ["squeue", "--noheader", f"--jobs={native}", "--format=%S"]
        wait_until(lambda: rig.site.cluster.run(*planned).strip() != "N/A", within_s=60)
        rig.wait_for(ref, AttemptState.QUEUED)
        seen = [rig.look(ref) for _ in range(3)]

    assert {(one.state, one.expected_start_at) for one in seen} == {(AttemptState.QUEUED, None)}
    rig.wait_for(ref, AttemptState.RUNNING)
