"""Untrusted work with accelerators: each job sees the devices that Slurm gave to it, and no others."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from lilong.agent.engines.slurm.assembly import prove_sandbox, read_closed_accelerators
from lilong.agent.engines.slurm.settings import AcceleratorSettings
from lilong.protocol.messages import AttemptState, Fault, Reason
from lilong.protocol.spec import Isolation, Resources, RunSpec
from tests.contract.engines import SlurmRig
from tests.polling import wait_until
from tests.slurm.configuration import CONTROL_DEVICE, FIRST_DEVICE
from tests.slurm.site import PROOF_WITHIN_S
from tests.slurm.trees import SUITES

H100 = "h100-sxm5"


@pytest.fixture(params=SUITES)
def rig(request, tmp_path):
    rig = SlurmRig(tmp_path, request.getfixturevalue(request.param))
    yield rig
    rig.close()


def make_spec(command, *, accelerators, accelerator=H100, **fields):
    resources = Resources(memory_mib=256, accelerator=accelerator, accelerators=accelerators)
    return RunSpec(**{"name": "job", "command": command, "walltime_s": 60, "resources": resources} | fields)


def submit(rig, accelerators, *, then="", **fields):
    """Submit a job that says which devices it sees, and waits."""
    look = f"echo $CUDA_VISIBLE_DEVICES; cd {rig.site.cluster.devices}; echo *; echo seen; {then}"
    return rig.engine.submit(job=rig.make_job(make_spec(look, accelerators=accelerators, **fields)))


def read_seen(rig, ref, *, rank=0):
    """Return what a job's variable says, and which devices it sees, once it has said so."""

    def read() -> list[str]:
        rig.find(ref)
        lines = rig.engine.logs(ref=ref, rank=rank, offset=0, limit=10_000).decode().splitlines()
        return lines if "seen" in lines else []

    variable, names, *_ = wait_until(read, within_s=30)
    return variable, set(names.split())


def list_given(rig, ref):
    """Return by node what Slurm's controller says that a job was given, as names of devices."""
    cluster = rig.site.cluster
    [job_id, *_] = cluster.run("squeue", "--all", "--noheader", f"--name={ref}", "--format=%A").split()
    found = re.findall(
        r"Nodes=(\S+) .*GRES=gpu:(\w+):\d+\(IDX:([0-9,-]+)\)", cluster.run("scontrol", "-d", "show", "job", job_id)
    )
    return {
        node: {f"{node}-{kind}-{FIRST_DEVICE + number}" for number in expand(numbers)} for node, kind, numbers in found
    }


def expand(numbers):
    bounds = [part.split("-") for part in numbers.split(",")]
    return [number for bound in bounds for number in range(int(bound[0]), int(bound[-1]) + 1)]


def test_two_jobs_on_one_node_see_their_own_devices_and_not_the_others(rig):
    first, second = (submit(rig, count, then="sleep 50") for count in (3, 2))
    nodes = {rig.wait_for(ref, AttemptState.RUNNING).nodes for ref in (first, second)}

    seen = {ref: read_seen(rig, ref) for ref in (first, second)}

    assert len(nodes) == 1
    for ref, count in ((first, 3), (second, 2)):
        [given] = list_given(rig, ref).values()
        assert len(given) == count
        assert seen[ref] == (",".join(map(str, range(count))), given | {CONTROL_DEVICE})
    assert seen[first][1] & seen[second][1] == {CONTROL_DEVICE}


def test_each_rank_of_a_gang_sees_what_its_own_node_gave(rig):
    alone = submit(rig, 1, then="sleep 50")
    [node] = rig.wait_for(alone, AttemptState.RUNNING).nodes
    gang = submit(rig, 2, nodes=2, then="sleep 50")
    ranks = rig.wait_for(gang, AttemptState.RUNNING).nodes

    seen = [read_seen(rig, gang, rank=rank)[1] for rank in range(2)]

    given = list_given(rig, gang)
    assert set(ranks) == set(given)
    assert f"{node}-h100-{FIRST_DEVICE}" not in given[node]  # so that the ranks' numbers differ
    assert sorted(map(sorted, seen)) == sorted(sorted(names | {CONTROL_DEVICE}) for names in given.values())


def test_neither_variables_nor_device_files_of_its_own_get_a_job_another_device(rig):
    told = dict.fromkeys(("SLURM_JOB_GPUS", "SLURM_STEP_GPUS", "CUDA_VISIBLE_DEVICES"), "5,6,7")
    told |= {"SLURMD_NODENAME": "n3", "SLURM_CONF": "/work/slurm.conf"}
    own = "mknod $HOME/own c 1 3 && echo made; mount --bind /dev/null $HOME && echo mounted; sleep 50"

    ref = submit(rig, 1, variables=told, then=own)
    rig.wait_for(ref, AttemptState.RUNNING)

    [given] = list_given(rig, ref).values()
    assert read_seen(rig, ref) == ("0", given | {CONTROL_DEVICE})
    log = rig.engine.logs(ref=ref, rank=0, offset=0, limit=10_000)
    assert b"made" not in log
    assert b"mounted" not in log


def test_trusted_work_is_told_its_accelerators_and_sees_the_node_as_it_is(rig):
    ref = submit(rig, 2, isolation=Isolation.TRUSTED, then="sleep 50")
    rig.wait_for(ref, AttemptState.RUNNING)

    variable, seen = read_seen(rig, ref)

    [given] = list_given(rig, ref).values()
    assert {f"h100-{FIRST_DEVICE + int(number)}" for number in variable.split(",")} == {name[3:] for name in given}
    assert seen == {path.name for path in rig.site.cluster.devices.iterdir()}


def test_a_job_without_accelerators_sees_none(rig):
    spec = RunSpec(name="job", command=f"ls {rig.site.cluster.devices} || echo none", walltime_s=60)
    ref = rig.engine.submit(job=rig.make_job(spec))

    assert rig.wait_for_end(ref).reason is Reason.COMPLETED
    assert rig.engine.logs(ref=ref, rank=0, offset=0, limit=10_000).endswith(b"none\n")


@contextmanager
def removed(paths) -> Iterator[None]:
    for path in paths:
        path.unlink()
    try:
        yield
    finally:
        for path in paths:
            path.symlink_to("/dev/null")


def test_a_device_that_a_node_lacks_is_the_providers_fault(rig):
    devices = rig.site.cluster.devices
    with removed([devices / f"{node}-h100-{FIRST_DEVICE}" for node in ("n1", "n2")]):
        ref = submit(rig, 1)
        end = rig.wait_for_end(ref, within_s=60)

    assert (end.state, end.reason, end.fault) == (AttemptState.FAILED, Reason.ISOLATION_MISSING, Fault.PROVIDER)
    assert re.search(rf"{devices}/n[12]-h100-{FIRST_DEVICE}\b", end.detail), end.detail
    assert rig.engine.usage(refs=[ref])[ref].usage.usable_ms == 0


def test_an_accelerator_that_its_provider_has_not_opened_is_refused_with_what_would_open_it(rig):
    closed = make_spec("true", accelerator="ascend-910b", accelerators=1)

    [problem] = rig.engine.validate(spec=closed)

    assert problem.path == "isolation"
    assert "`untrusted = true` in [slurm.accelerators.ascend-910b]" in problem.message
    assert rig.engine.validate(spec=closed.model_copy(update={"isolation": Isolation.TRUSTED})) == []
    assert rig.engine.validate(spec=make_spec("true", accelerators=1)) == []


def test_what_a_node_lacks_of_a_driver_is_found_out_before_any_job(rig):
    told = AcceleratorSettings(untrusted=True, common=("/dev/nowhere",))
    settings = rig.site.settings.model_copy(update={"accelerators": {H100: told}})
    site = replace(rig.site, settings=settings)

    reason = prove_sandbox(home=rig.home, settings=settings, profiles=[site.profile], wait_s=PROOF_WITHIN_S)

    assert reason == rig.site.sandbox_reason == ""
    closed = read_closed_accelerators(home=rig.home, settings=settings)[H100]
    assert re.search(r"Node n[12] has no /dev/nowhere", closed)
    rig.site = site
    [problem] = rig.restart().validate(spec=make_spec("true", accelerators=1))
    assert closed in problem.message
