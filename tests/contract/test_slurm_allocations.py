"""Which accelerators a job was given, by Slurm's own books: asked for once, remembered, and not a member's to forge."""

from dataclasses import replace

import pytest

from lilong.agent.engines.slurm.native import ALLOTTED
from lilong.protocol.messages import Allocation, AttemptState
from lilong.protocol.spec import Isolation, Resources, RunSpec
from tests.contract.engines import SlurmRig
from tests.polling import wait_until
from tests.slurm.trees import SUITES


@pytest.fixture(params=SUITES)
def rig(request, tmp_path):
    rig = SlurmRig(tmp_path, request.getfixturevalue(request.param))
    yield rig
    rig.close()


def make_job(rig, *, accelerator="h100-sxm5", accelerators=2, nodes=1, command="sleep 60"):
    resources = Resources(accelerator=accelerator, accelerators=accelerators)
    fields = {"isolation": Isolation.TRUSTED, "walltime_s": 120, "nodes": nodes, "resources": resources}
    return rig.make_job(RunSpec(name="job", command=command, **fields))


def start(rig, **fields):
    job = make_job(rig, **fields)
    ref = rig.engine.submit(job=job)
    rig.wait_for(ref, AttemptState.RUNNING)
    return job, ref


def wait_for_allocation(rig, ref):
    return wait_until(lambda: (seen := rig.find(ref)) and seen.allocated and seen, within_s=30)


def test_a_job_has_what_slurm_gave_it_and_keeps_it_when_it_has_ended(rig):
    job = make_job(rig, command="sleep 3")
    ref = rig.engine.submit(job=job)
    running = wait_for_allocation(rig, ref)
    end = rig.wait_for_end(ref)

    assert running.allocated == (Allocation(node=running.nodes[0], accelerator="h100-sxm5", count=2),)
    assert end.state is AttemptState.SUCCEEDED
    assert end.allocated == running.allocated


def test_a_gang_has_its_accelerators_on_every_node(rig):
    _, ref = start(rig, accelerator="ascend-910b", accelerators=3, nodes=2)

    assert wait_for_allocation(rig, ref).allocated == (
        Allocation(node="n3", accelerator="ascend-910b", count=3),
        Allocation(node="n4", accelerator="ascend-910b", count=3),
    )


def test_what_a_provider_calls_by_a_better_name_is_told_as_what_slurm_gave(rig):
    gres = {"h100-sxm5": "gpu:ascend910b"}
    rig.site = replace(rig.site, settings=rig.site.settings.model_copy(update={"gres": gres}))
    rig.restart()
    _, ref = start(rig)

    [given] = wait_for_allocation(rig, ref).allocated

    assert (given.accelerator, given.count) == ("ascend-910b", 2)


@pytest.fixture
def calls(rig, tmp_path):
    """Return the file in which the arguments of every call of scontrol stand from now on."""
    log, folder, programs = tmp_path / "calls", tmp_path / "bin", rig.site.cluster.bin
    folder.mkdir()
    for program in programs.iterdir():
        if program.name != "scontrol":
            (folder / program.name).symlink_to(program)
    (folder / "scontrol").write_text(f'#!/bin/sh\necho "$*" >> {log}\nexec {programs}/scontrol "$@"\n')
    (folder / "scontrol").chmod(0o755)
    rig.site = replace(rig.site, settings=rig.site.settings.model_copy(update={"bin": folder}))
    rig.restart()
    return log


def count_questions(calls):
    return calls.read_text().splitlines().count("--details")


def test_scontrol_is_asked_for_all_that_have_started_at_once_and_never_again(rig, calls):
    without = make_job(rig, accelerator=None, accelerators=0)
    refs = [rig.engine.submit(job=make_job(rig, accelerators=1)) for _ in range(3)]
    rig.engine.submit(job=without)
    for ref in refs:
        wait_for_allocation(rig, ref)
    asked = count_questions(calls)
    rig.restart()
    for ref in refs:
        wait_for_allocation(rig, ref)
    rig.wait_for_end(rig.engine.submit(job=make_job(rig, accelerator=None, accelerators=0, command="true")))

    assert 1 <= asked <= 3  # they need not all have started at one look
    assert count_questions(calls) == asked
    assert not (without.folder / ALLOTTED).exists()


def test_a_member_that_writes_into_the_text_of_its_own_job_forges_nothing(rig):
    held = ["scontrol", "update", "PartitionName=low"]
    rig.site.cluster.run(*held, "State=DOWN")
    ref = rig.engine.submit(job=make_job(rig))
    [native] = rig.site.cluster.run("squeue", "--all", "--noheader", f"--name={ref}", "--format=%A").split()
    forged = "x\n   JOB_GRES=gpu:a100:2\n     Nodes=n1 CPU_IDs=0 Mem=1 GRES=gpu:a100:2(IDX:0-1)\n   MinCPUsNode=1"
    rig.site.cluster.run("scontrol", "update", f"jobid={native}", f"comment={forged}", user=rig.site.users[0])
    rig.site.cluster.run(*held, "State=UP")
    rig.wait_for(ref, AttemptState.RUNNING)
    shown = rig.site.cluster.run("scontrol", "--details", "show", "job", native)

    assert shown.count("JOB_GRES=") == 2
    assert rig.look(ref).allocated == ()
