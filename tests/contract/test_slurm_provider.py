"""What a provider does to a job: pause it, put it back, take its nodes, cancel it; and what a job does to itself."""

from datetime import timedelta

import pytest

from lilong.common.time import utc_now
from lilong.protocol.messages import AttemptState, Fault, Reason
from lilong.protocol.spec import Isolation, RunSpec
from tests.contract.engines import SlurmRig
from tests.polling import wait_until
from tests.slurm.trees import SUITES

PAUSE_S = 5
SAVES = "trap 'echo saved; exit 0' TERM; echo began; while :; do sleep 0.1; done"
BY_PROVIDER = (AttemptState.PREEMPTED, Reason.PREEMPTED_BY_PROVIDER, Fault.PROVIDER)


@pytest.fixture(params=SUITES)
def rig(request, tmp_path):
    rig = SlurmRig(tmp_path, request.getfixturevalue(request.param))
    yield rig
    rig.close()


def start(rig, command, *, authorised_ms=60_000, **fields):
    """Return the ref of a job that has begun, and its number on the cluster."""
    spec = RunSpec(**{"name": "job", "command": command, "walltime_s": 60} | fields)
    ref = rig.engine.submit(job=rig.make_job(spec, authorised_ms=authorised_ms))
    wait_until(lambda: (seen := rig.find(ref)) and seen.log_bytes.get(0), within_s=30)
    return ref, list_native(rig, ref, "--format=%A")[0]


def list_native(rig, ref, *options):
    return rig.site.cluster.run("squeue", "--all", "--noheader", f"--name={ref}", *options).split()


def summarise(end):
    return end.state, end.reason, end.fault


def read_log(rig, ref):
    return rig.engine.logs(ref=ref, rank=0, offset=0, limit=100)


def find_metered(rig, ref):
    """Return what Slurm and what the wrapper have metered, in milliseconds."""
    metered = rig.engine.usage(refs=[ref])[ref]
    return metered.usage.metered_ms, metered.reports[-1].elapsed_ms


@pytest.mark.parametrize("isolation", list(Isolation))
def test_a_job_whose_nodes_are_taken_saves_and_is_preempted(rig, isolation):
    ref, _ = start(rig, SAVES, isolation=isolation)
    high = ["--partition=high", "--exclusive", f"--nodelist={rig.look(ref).nodes[0]}", "--output=/dev/null"]

    rig.site.cluster.run("sbatch", *high, f"--uid={rig.site.users[1]}", "--chdir=/tmp", "--wrap=true")
    end = rig.wait_for_end(ref)

    assert summarise(end) == BY_PROVIDER
    assert end.detail == "The cluster took its place for other work."
    assert read_log(rig, ref).split()[-1] == b"saved"  # a shell says of what it ran before that it was terminated


@pytest.mark.parametrize(
    "command", [SAVES, "echo began; exec sleep 50", "trap 'exit 3' TERM; echo began; sleep 50 & wait"]
)
def test_a_job_that_an_administrator_cancels_is_preempted_however_it_takes_it(rig, command):
    ref, native_id = start(rig, command)

    rig.site.cluster.run("scancel", native_id)
    end = rig.wait_for_end(ref)

    assert summarise(end) == BY_PROVIDER
    assert end.detail == "It was cancelled on the cluster by uid 0."


@pytest.mark.parametrize("isolation", list(Isolation))
def test_a_pause_is_told_is_in_no_meter_and_uses_no_authority(rig, isolation):
    cluster = rig.site.cluster
    command = "echo began; n=0; while [ $n -lt 35 ]; do sleep 0.1; n=$((n+1)); done"
    ref, native_id = start(rig, command, isolation=isolation, authorised_ms=7_000)

    cluster.run("scontrol", "suspend", native_id)
    rig.wait_for(ref, AttemptState.SUSPENDED)
    goes_on_at = utc_now() + timedelta(seconds=PAUSE_S)
    wait_until(lambda: utc_now() >= goes_on_at, within_s=30)
    rig.restart()
    rig.wait_for(ref, AttemptState.SUSPENDED)
    cluster.run("scontrol", "resume", native_id)
    rig.wait_for(ref, AttemptState.RUNNING)
    end = rig.wait_for_end(ref)

    assert end.reason is Reason.COMPLETED
    ran_ms = (end.ended_at - end.started_at).total_seconds() * 1000 - PAUSE_S * 1000
    slurm_ms, wrapper_ms = find_metered(rig, ref)
    assert slurm_ms <= ran_ms + 1_000 + rig.slack_ms / 2
    assert wrapper_ms <= ran_ms + 1_000 + 2_000  # Slurm stops processes two seconds after it says so


def requeue(rig, native_id):
    rig.site.cluster.run("scontrol", "update", f"JobId={native_id}", "Requeue=1")
    rig.site.cluster.run("scontrol", "requeue", native_id)


def test_a_job_that_is_put_back_has_ended_and_leaves_the_queue(rig):
    ref, native_id = start(rig, SAVES)

    requeue(rig, native_id)
    end = rig.wait_for_end(ref)

    assert summarise(end) == BY_PROVIDER
    assert read_log(rig, ref).split()[-1] == b"saved"
    wait_until(lambda: rig.find(ref) and not list_native(rig, ref), within_s=30)
    slurm_ms, wrapper_ms = find_metered(rig, ref)
    assert max(slurm_ms, wrapper_ms) <= 6_000
    assert rig.find(ref) == end


def test_a_wrapper_that_is_started_again_does_nothing(rig):
    ref, native_id = start(rig, "echo began; sleep 50")
    requeue(rig, native_id)
    wait_until(lambda: "PENDING" in list_native(rig, ref, "--format=%T"), within_s=30)

    rig.site.cluster.run("scontrol", "update", f"JobId={native_id}", "StartTime=now")
    wait_until(lambda: "FAILED" in list_native(rig, ref, "--states=all", "--format=%T"), within_s=30)
    end = rig.restart() and rig.wait_for_end(ref)

    assert summarise(end) == BY_PROVIDER
    assert read_log(rig, ref).count(b"began") == 1
    assert max(find_metered(rig, ref)) <= 6_000


def test_a_time_limit_that_an_administrator_shortens_is_no_walltime_of_the_member(rig):
    ref, native_id = start(rig, SAVES)

    # Slurm looks at limits twice a minute.
    soon = rig.site.cluster.run("date", "--date=2 seconds", "+%Y-%m-%dT%H:%M:%S").strip()
    rig.site.cluster.run("scontrol", "update", f"JobId={native_id}", f"EndTime={soon}")
    end = rig.wait_for_end(ref, within_s=90)

    assert summarise(end) == BY_PROVIDER
    assert end.detail == "The cluster's time limit came before the walltime."


@pytest.mark.parametrize("isolation", list(Isolation))
def test_a_job_that_its_own_user_cancels_is_cancelled_by_the_member(rig, isolation):
    ref, native_id = start(rig, "echo began; sleep 50", isolation=isolation)

    rig.site.cluster.run("scancel", native_id, user=rig.site.users[0])
    end = rig.wait_for_end(ref)

    assert summarise(end) == (AttemptState.CANCELLED, Reason.CANCELLED_BY_MEMBER, Fault.MEMBER)
    assert end.detail == "It was cancelled on the cluster by its own user."
