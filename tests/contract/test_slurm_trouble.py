"""Controllers, accounting and nodes that die: every job is found again, ends right and is billed for what ran."""

from dataclasses import replace

import pytest

from lilong.common.errors import EngineBusy, EngineLost
from lilong.protocol.messages import AttemptState, Fault, Reason
from lilong.protocol.spec import Checkpoint, Resources, RunSpec
from tests.contract.engines import SlurmRig
from tests.polling import wait_until

SAVING = "mkdir -p ck; echo began; while :; do date +%s > ck/$$; mv ck/$$ ck/state; sleep 0.1; done"


@pytest.fixture
def rig(hasty_site, tmp_path):
    rig = SlurmRig(tmp_path, hasty_site)
    yield rig
    rig.close()


def make_spec(command, **fields):
    return RunSpec(**{"name": "job", "command": command, "walltime_s": 60} | fields)


def start(rig, spec):
    """Return job and ref of a job once it runs."""
    job = rig.make_job(spec)
    ref = rig.engine.submit(job=job)
    rig.wait_for(ref, AttemptState.RUNNING)
    return job, ref


def submit(rig, job):
    """Submit again until the cluster has taken the job."""

    def is_taken():
        try:
            return rig.engine.submit(job=job)
        except (EngineBusy, EngineLost):
            return None

    return wait_until(is_taken, within_s=60)


def list_native(rig, ref):
    """Return state and number of every native job of this name, as an administrator sees them."""
    format_ = "--format=%T %A"
    return rig.site.cluster.run("squeue", "--all", "--states=all", "--noheader", f"--name={ref}", format_).splitlines()


def list_accounted(rig, ref):
    """Return the number of every native job of this name that accounting knows, however long ago it left the queue."""
    options = ["--allusers", "--allocations", "--duplicates", "--noheader", "--starttime=now-1hour", f"--name={ref}"]
    return rig.site.cluster.run("sacct", *options, "--format=JobIDRaw").split()


def find_metered_ms(rig, ref):
    return rig.engine.usage(refs=[ref])[ref].usage.metered_ms


def wait_until_saved(rig, ref):
    """Wait until the controller would know the running job after it was killed: it writes every few seconds."""
    state = rig.site.folder / "cluster" / "state" / "job_state"
    wait_until(lambda: state.exists() and ref.encode() in state.read_bytes(), within_s=20)
    written = state.stat().st_mtime_ns
    rig.site.cluster.run("scontrol", "update", f"JobId={list_native(rig, ref)[0].split()[1]}", "Comment=touched")
    wait_until(lambda: state.stat().st_mtime_ns != written, within_s=20)


def test_a_controller_that_dies_loses_no_job_that_runs_ends_or_is_submitted(rig):
    _, ends = start(rig, make_spec("sleep 12.5"))  # a wrapper counts from when it has seen it start
    _, runs = start(rig, make_spec("sleep 100"))
    waiting = rig.make_job(make_spec("true"))
    wait_until_saved(rig, runs)

    rig.site.cluster.kill_controller()
    try:
        with pytest.raises((EngineBusy, EngineLost)):
            rig.engine.submit(job=waiting)
        assert rig.find(runs) is None
        rig.restart()
        assert rig.find(runs) is None
    finally:
        rig.site.cluster.start_controller()
    ref = submit(rig, waiting)

    assert rig.wait_for_end(ref).reason is Reason.COMPLETED
    assert rig.wait_for(runs, AttemptState.RUNNING)
    assert rig.wait_for_end(ends, within_s=60).reason is Reason.COMPLETED  # nodes tell of it every 15 seconds
    metered = rig.engine.usage(refs=[ends])[ends]
    assert 12_000 <= metered.reports[-1].elapsed_ms <= 13_000
    assert metered.usage.metered_ms >= 12_000
    assert [len(list_accounted(rig, one)) for one in (ref, runs)] == [1, 1]


def test_a_job_that_a_controller_has_forgotten_is_lost_once_that_is_certain(hasty_site, tmp_path):
    site = replace(hasty_site, settings=hasty_site.settings.model_copy(update={"settle_s": 1}))
    rig = SlurmRig(tmp_path, site)
    _, ref = start(rig, make_spec("echo began; exec sleep 50"))
    rig.site.cluster.kill_controller()
    for path in (site.folder / "cluster" / "state").glob("job_state*"):
        path.unlink()
    rig.site.cluster.start_controller()

    end = rig.wait_for_end(ref)

    assert end.fault is Fault.PROVIDER
    assert end.reason in {Reason.NODE_LOST, Reason.PREEMPTED_BY_PROVIDER}
    assert rig.engine.logs(ref=ref, rank=0, offset=0, limit=99) == b"began\n"
    assert rig.engine.observe(refs=[ref]).complete
    rig.close()


def test_without_accounting_ends_are_told_from_the_queue_and_later_from_accounting(rig):
    cluster = rig.site.cluster
    _, seen = start(rig, make_spec("sleep 1"))
    _, unseen = start(rig, make_spec("sleep 2"))
    cluster.kill_accounting()
    try:
        assert rig.wait_for_end(seen).reason is Reason.COMPLETED
        wait_until(lambda: not list_native(rig, unseen), within_s=60)
        observed = rig.restart().observe(refs=[unseen])
        assert (observed.states, observed.complete) == ({}, False)
    finally:
        cluster.start_accounting()

    assert rig.wait_for_end(unseen).reason is Reason.COMPLETED
    for ref in (seen, unseen):
        assert 1_000 <= find_metered_ms(rig, ref) <= 2_000 + rig.slack_ms


def test_jobs_whose_nodes_die_are_lost_and_leave_log_reports_and_checkpoint(rig):
    cluster = rig.site.cluster
    fields = {"checkpoint": Checkpoint(path="ck"), "resources": Resources(cores=17)}  # one on a node
    jobs = dict([start(rig, make_spec(SAVING, nodes=nodes, **fields))[::-1] for nodes in (1, 2)])
    wait_until(lambda: all(all(rig.look(ref).log_bytes.values()) for ref in jobs), within_s=20)
    nodes = {rig.look(ref).nodes[-1] for ref in jobs}

    for node in nodes:
        cluster.kill_node(node)
    try:
        ends = {ref: rig.wait_for_end(ref, within_s=60) for ref in jobs}
    finally:
        for node in nodes:
            cluster.start_node(node)

    for ref, job in jobs.items():
        end = ends[ref]
        assert (end.state, end.reason, end.fault) == (AttemptState.LOST, Reason.NODE_LOST, Fault.PROVIDER), end
        ranks = set(range(job.spec.nodes))
        assert {rig.engine.logs(ref=ref, rank=rank, offset=0, limit=5) for rank in ranks} == {b"began"}
        assert {report.rank for report in rig.engine.usage(refs=[ref])[ref].reports} == ranks
        rig.engine.fetch(ref=ref, wanted={"ck": 10_000})
        assert float((job.folder / "job/work/ck/state").read_text()) > 0
