"""What a cluster has to do before other tests may rely on it, on both releases of Slurm."""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.polling import wait_until
from tests.slurm.cluster import CommandFailed, SlurmCluster, running_cluster, shared_folder
from tests.slurm.trees import SUITES, SlurmMissing
from tests.slurm.users import temporary_users

WITHIN_S = 120
FOR_EVER = "exec sleep 100000"
SACCT = ("sacct", "--duplicates", "--parsable2", "--noheader", "--allocations")


@dataclass(frozen=True)
class Members:
    """Two organisations' members, ann and bob, on a cluster, and a folder that both may write to."""

    cluster: SlurmCluster
    folder: Path
    ann: str
    bob: str

    def submit(self, script: str, *options: str, user: str | None = None) -> str:
        """Submit a batch script as ann or somebody else; return the job's number."""
        where = ("--chdir", str(self.folder), "--output", str(self.folder / "%j.out"))
        command = ("sbatch", "--parsable", *where, *options)
        return self.cluster.run(*command, user=user or self.ann, stdin=f"#!/bin/sh\n{script}\n").strip()

    def see_state(self, job: str, *, user: str | None = None) -> str:
        return self.cluster.run(
            "squeue", "--noheader", "--states=all", f"--jobs={job}", "--format=%T", user=user
        ).strip()

    def wait_for(self, job: str, *states: str) -> None:
        wait_until(lambda: self.see_state(job) in states, within_s=WITHIN_S, every_s=0.1)

    def read_output(self, job: str) -> str:
        self.wait_for(job, "COMPLETED")
        return (self.folder / f"{job}.out").read_text(encoding="utf-8")

    def list_accounted(self, job: str, *, fields: str = "State") -> list[list[str]]:
        """Return one row per start of the job, as slurmdbd has it.

        22.05 first shows a stand-in without partition, whose state and nodes are wrong; it is left out.
        """
        printed = self.cluster.run(*SACCT, f"--jobs={job}", f"--format=Partition,{fields}", user=self.ann)
        rows = [line.split("|") for line in printed.splitlines()]
        return [row for partition, *row in rows if partition]

    def wait_for_accounted(self, job: str, *states: str) -> None:
        """Wait until slurmdbd knows these states: it hears of them some seconds later."""
        wanted = [[state] for state in states]
        wait_until(lambda: self.list_accounted(job)[: len(states)] == wanted, within_s=WITHIN_S, every_s=0.2)


@pytest.fixture(scope="module", params=SUITES)
def members_of_the_module(request):
    try:
        with temporary_users(2) as (ann, bob), shared_folder() as folder, shared_folder() as work:
            work.chmod(0o1777)
            with running_cluster(folder, suite=request.param) as cluster:
                cluster.add_account("ann-lab", [ann])
                cluster.add_account("bob-lab", [bob])
                yield Members(cluster=cluster, folder=work, ann=ann, bob=bob)
    except SlurmMissing as problem:
        pytest.skip(str(problem))


@pytest.fixture
def members(members_of_the_module):
    members = members_of_the_module
    yield members
    for user in (members.ann, members.bob):
        members.cluster.run("scancel", "--user", user)
    members.cluster.wait_until_idle()


def test_a_job_gets_accelerators_of_its_type_and_is_told_which(members):
    job = members.submit(
        'echo "$(id -un) $SLURMD_NODENAME $SLURM_JOB_GPUS $CUDA_VISIBLE_DEVICES"', "--gres=gpu:ascend910b:2"
    )
    user, node, job_accelerators, visible = members.read_output(job).split()

    assert (user, job_accelerators, visible) == (members.ann, "0,1", "0,1")
    assert node in [node.name for node in members.cluster.nodes if node.accelerator == "ascend910b"]


def test_what_does_not_fit_the_free_accelerators_waits(members):
    first = members.submit(FOR_EVER, "--nodes=2", "--gres=gpu:h100:7")
    second = members.submit(FOR_EVER, "--gres=gpu:h100:2")
    third = members.submit(FOR_EVER, "--gres=gpu:ascend910b:8")
    members.wait_for(first, "RUNNING")
    members.wait_for(third, "RUNNING")

    assert members.see_state(second) == "PENDING"


def test_a_gang_runs_on_two_nodes_and_slurmdbd_accounts_for_it_in_whole_seconds(members):
    gang = ("--nodes=2", "--ntasks-per-node=1", "--gres=gpu:h100:8")
    job = members.submit("srun sh -c 'echo $SLURM_PROCID $SLURMD_NODENAME $SLURM_STEP_GPUS'", *gang)

    assert sorted(members.read_output(job).splitlines()) == ["0 n1 0,1,2,3,4,5,6,7", "1 n2 0,1,2,3,4,5,6,7"]
    members.wait_for_accounted(job, "COMPLETED")
    [[user, account, nodes, resources, *times]] = members.list_accounted(
        job, fields="User,Account,NodeList,AllocTRES,ElapsedRaw,Submit,Start,End"
    )
    assert (user, account, nodes) == (members.ann, "ann-lab", "n[1-2]")
    assert "gres/gpu=16" in resources.split(",")
    assert times[0].isdigit()
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", time) for time in times[1:])


def test_a_job_finds_srun_whatever_path_its_submitter_had(members):
    output = members.folder / "path.out"
    sbatch = (f"{members.cluster.bin}/sbatch", "--wait", "--chdir=/", f"--output={output}")
    script = "#!/bin/sh\nsrun echo found\n"
    members.cluster.run("env", "PATH=/usr/bin:/bin", *sbatch, user=members.ann, stdin=script)

    assert output.read_text(encoding="utf-8") == "found\n"


def test_a_requeued_job_starts_again_under_the_same_number(members):
    job = members.submit(FOR_EVER)
    members.wait_for(job, "RUNNING")
    members.cluster.run("scontrol", "requeue", job, user=members.ann)

    members.wait_for_accounted(job, "REQUEUED", "RUNNING")
    assert "Restarts=1 " in members.cluster.run("scontrol", "show", "job", job)


def test_a_suspended_job_resumes(members):
    job = members.submit(FOR_EVER)
    members.wait_for(job, "RUNNING")

    members.cluster.run("scontrol", "suspend", job)
    members.wait_for(job, "SUSPENDED")
    members.cluster.run("scontrol", "resume", job)
    members.wait_for(job, "RUNNING")


def test_a_job_of_the_high_partition_preempts_one_of_the_low(members):
    low = members.submit(FOR_EVER, "--nodes=4", "--gres=gpu:8")
    members.wait_for(low, "RUNNING")
    high = members.submit(FOR_EVER, "--partition=high", "--gres=gpu:h100:1", user=members.bob)

    members.wait_for(high, "RUNNING")
    assert members.see_state(low) == "PENDING"
    members.wait_for_accounted(low, "PREEMPTED")


def test_a_node_that_dies_fails_its_job_and_works_again_once_it_is_started(members):
    job = members.submit(FOR_EVER, "--no-requeue", "--nodelist=n2")
    members.wait_for_accounted(job, "RUNNING")

    members.cluster.kill_node("n2")
    members.wait_for_accounted(job, "NODE_FAIL")
    members.cluster.start_node("n2")
    members.cluster.wait_until_idle()
    assert members.read_output(members.submit("echo $SLURMD_NODENAME", "--nodelist=n2")) == "n2\n"


@pytest.mark.parametrize("part", ["controller", "accounting"])
def test_a_job_outlives_the_daemon_that_is_killed(members, part):
    go_on = members.folder / f"go-on-without-{part}"
    before = members.submit(f"until test -e {go_on}; do sleep 0.1; done")
    members.wait_for(before, "RUNNING")
    members.cluster.wait_until_saved(before)

    getattr(members.cluster, f"kill_{part}")()
    go_on.touch()
    getattr(members.cluster, f"start_{part}")()
    members.wait_for(before, "COMPLETED")
    members.wait_for_accounted(before, "COMPLETED")


def test_slurmdbd_learns_what_happened_while_it_was_away(members):
    members.cluster.stop_accounting()
    job = members.submit("true")
    members.wait_for(job, "COMPLETED")

    members.cluster.start_accounting()
    members.wait_for_accounted(job, "COMPLETED")


def test_another_member_neither_sees_nor_cancels_a_job(members):
    job = members.submit(FOR_EVER)
    members.wait_for_accounted(job, "RUNNING")

    assert members.see_state(job, user=members.ann) == "RUNNING"
    assert members.cluster.run("squeue", "--noheader", user=members.bob) == ""
    assert members.cluster.run(*SACCT, "--allusers", f"--jobs={job}", user=members.bob) == ""
    for command in (["scontrol", "show", "job", job], ["scancel", job]):
        with pytest.raises(CommandFailed):
            members.cluster.run(*command, user=members.bob)
    assert members.see_state(job) == "RUNNING"


def test_who_has_no_account_is_refused(members):
    with temporary_users(1) as (stranger,), pytest.raises(CommandFailed, match="Invalid account"):
        members.submit("true", user=stranger)


def test_daemons_listen_on_loopback_alone(members):
    ports = {int(port) for port in re.findall(r"Port=(\d+)", members.cluster.conf.read_text(encoding="utf-8"))}
    tables = [Path(f"/proc/net/{table}").read_text(encoding="ascii") for table in ("tcp", "tcp6")]
    rows = [line.split() for table in tables for line in table.splitlines()[1:]]
    listening = [row[1].split(":") for row in rows if row[3] == "0A"]

    assert {address for address, port in listening if int(port, 16) in ports} == {"0100007F"}
    assert len(ports) == 2 + len(members.cluster.nodes)
