"""Two organisations on one node of a real cluster: as one user each does what it likes to the other, apart nothing."""

import shutil
import subprocess
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from lilong.agent.engines.port import CanStage
from lilong.agent.spool import read_json
from lilong.common.errors import EngineRefused
from lilong.protocol.messages import AttemptState, Fault, Reason
from lilong.protocol.spec import Isolation, RunSpec
from tests.attacks.conftest import SCRIPT
from tests.contract.engines import SlurmRig
from tests.polling import wait_until
from tests.slurm.site import running_site
from tests.slurm.trees import SUITES

VICTIM = "echo mine > mine.txt; sleep 301.75 & sleep 302.75 & echo began; wait"
ASKED_OF_SLURM = {
    "show the job": "{bin}/scontrol show job {id} | grep -q JobName",
    "read its script": "{bin}/scontrol write batch_script {id} - | grep -q python",
    "see it in the queue": "{bin}/squeue --noheader --all | grep -qw {id}",
    "see it in accounting": "{bin}/sacct --allusers --noheader --jobs={id} | grep -q .",
    "hold it up": "{bin}/scontrol update JobId={id} Comment=attacked",
    "enter its nodes": "{bin}/srun --mpi=none --input=none --jobid={id} --overlap true",
    "signal it": "{bin}/scancel --signal=CONT {id}",
    "cancel it": "{bin}/scancel {id}",
}
DONE_ON_THE_NODE = {
    "read its work": "read_file {folder}/job/work/mine.txt",
    "read its report key": "read_file {folder}/ranks/0/launch.json",
    "forge its end": "write_file {folder}/ranks/0/exit.json.forged",
    "order it to stop": "write_file {folder}/forged.json",
    "read its environment": "read_file /proc/{pid}/environ",
    "read its memory map": "read_file /proc/{pid}/maps",
    "read its files through its root": "read_file /proc/{pid}/cwd/mine.txt",
    "trace it": "trace_process {pid}",
    "kill it": "kill_process {child}",
}
SEEN_WITHOUT_HIDEPID = {"see its command": "read_file /proc/{pid}/cmdline", "find it": "find_process 301.75"}


class TwoOrganisations(SlurmRig):
    """A victim of org_1 that runs, and attackers that are jobs on the same node."""

    def __init__(self, home, site):
        super().__init__(home, replace(site, settings=site.settings.model_copy(update={"log_mib": 1})))
        self.victim, self.victim_ref = self.begin("org_1", VICTIM)

    def begin(self, organisation_id, command):
        """Return job and ref of a trusted job once it has said something."""
        spec = RunSpec(name="job", command=command, walltime_s=120, isolation=Isolation.TRUSTED)
        job = replace(self.make_job(spec), organisation_id=organisation_id)
        shutil.copy(SCRIPT, job.folder / "job/work/attack.py")
        ref = self.engine.submit(job=job)
        wait_until(lambda: self.find(ref) and self.read_log(ref), within_s=60)
        return job, ref

    def read_log(self, ref):
        return self.engine.logs(ref=ref, rank=0, offset=0, limit=100_000).decode()

    def folder(self, job):
        [folder] = self.site.settings.jobs_folder.glob(f"*/{job.attempt_id}")
        return folder

    def attack(self, organisation_id, attacks):
        """Let a job of this organisation try all attacks, one after the other; return which of them worked."""
        folder = self.folder(self.victim)
        pid = int(str((read_json(folder / "ranks/0/job.json") or {})["pid"]))
        facts = {
            "bin": self.site.cluster.bin,
            "id": self.find_native(self.victim_ref, "%A"),
            "folder": folder,
            "pid": pid,
            "child": f"$(cut -d ' ' -f 1 /proc/{pid}/task/{pid}/children)",
        }
        lines = []
        for name, attack in attacks.items():
            if attack.startswith("{bin}"):
                lines.append(
                    f"if ({attack}) > /dev/null 2>&1; then echo '{name}: worked'; else echo '{name}: refused'; fi"
                )
            else:
                lines.append(f"echo '{name}:' $(python3 attack.py {attack})")
        command = "\n".join(lines).format(**facts)
        _, ref = self.begin(organisation_id, command)
        end = self.wait_for_end(ref, within_s=60)
        assert end.nodes == self.look(self.victim_ref).nodes
        told = dict(line.split(": ", 1) for line in self.read_log(ref).splitlines() if ": " in line)
        assert set(told) == set(attacks), self.read_log(ref)
        return {name for name, answer in told.items() if answer == "worked"}

    def find_native(self, ref, field):
        return self.site.cluster.run("squeue", "--all", "--noheader", f"--name={ref}", f"--format={field}").strip()


@pytest.fixture(scope="module", params=SUITES)
def suite(request):
    return request.param


@pytest.fixture(scope="module")
def site(suite):
    with running_site(suite=suite) as site:
        yield site


@pytest.fixture
def members(site, tmp_path):
    members = TwoOrganisations(tmp_path, site)
    yield members
    members.close()


def test_as_one_user_an_organisation_does_what_it_likes_to_another(members):
    attacks = SEEN_WITHOUT_HIDEPID | DONE_ON_THE_NODE | ASKED_OF_SLURM

    assert set(attacks) - members.attack("org_1", attacks) == set()
    assert members.wait_for_end(members.victim_ref).state is AttemptState.CANCELLED


def test_with_users_of_their_own_none_reaches_another(members):
    attacks = DONE_ON_THE_NODE | ASKED_OF_SLURM

    assert members.attack("org_2", attacks) == set()
    assert members.look(members.victim_ref).state is AttemptState.RUNNING


def test_without_hidepid_command_lines_are_seen_and_with_it_nothing_is(members):
    assert members.attack("org_2", SEEN_WITHOUT_HIDEPID) == set(SEEN_WITHOUT_HIDEPID)

    with hidden_processes(members.site, node="n1"):
        assert members.attack("org_2", SEEN_WITHOUT_HIDEPID) == set()


def test_without_private_data_names_are_seen_but_nothing_is_reached(suite, tmp_path):
    with running_site(suite=suite, name="open", settings={"PrivateData": "none"}) as open_site:
        members = TwoOrganisations(tmp_path, open_site)

        assert members.attack("org_2", ASKED_OF_SLURM) == {"show the job", "see it in the queue"}
        members.close()


@contextmanager
def hidden_processes(site, *, node):
    """Let /proc of a node show everybody's own processes alone, as a provider's fstab does on all nodes."""
    enter = ["nsenter", "--target", str(find_slurmd(site, node)), "--mount", "--pid", "--"]
    subprocess.run([*enter, "mount", "-o", "remount,hidepid=2", "/proc"], check=True)
    yield
    subprocess.run([*enter, "mount", "-o", "remount,hidepid=0", "/proc"], check=True)


def find_slurmd(site, node):
    """Return a process in the namespaces of a node of this cluster."""
    mark = f"-N\0{node}\0-d\0{site.folder}/".encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (entry / "cmdline").read_bytes()
            inside = len((entry / "status").read_text().partition("NSpid:")[2].split("\n", 1)[0].split()) > 1
            found += [int(entry.name)] if mark in words and inside else []
    return found[0]


# What a job of one organisation can do to the agent that serves another


def test_a_job_that_carries_the_name_of_another_users_job_is_nobodys(members):
    cluster, ref = members.site.cluster, members.victim_ref
    forged = f"lilong-{members.hub_id}-t1-{members.victim.attempt_id}"
    for name in (ref, forged):
        options = [f"--job-name={name}", "--output=/dev/null", "--chdir=/tmp"]
        cluster.run("sbatch", *options, user=members.site.users[1], stdin="#!/bin/sh\nexit 3\n")
    wait_until(
        lambda: "FAILED" in cluster.run("squeue", "--all", "--states=all", f"--name={forged}", "--format=%T"),
        within_s=30,
    )

    members.restart()
    assert [owned.ref for owned in members.engine.list_owned(hub_id=members.hub_id)] == [ref]
    assert members.look(ref).state is AttemptState.RUNNING
    members.engine.cancel(ref=ref, reason=Reason.CANCELLED_BY_MEMBER, grace_s=1)
    end = members.wait_for_end(ref)

    assert (end.state, end.reason, end.fault) == (
        AttemptState.CANCELLED,
        Reason.CANCELLED_BY_MEMBER,
        Fault.MEMBER,
    )


def test_what_a_job_forges_in_its_wrappers_files_harms_nobody_else_and_fills_no_disk(members):
    job, ref = members.begin("org_2", 'echo begun; python3 attack.py forge_facts "$LILONG_WORK_DIR"/../../ranks/0')
    seen = []

    def has_ended():
        seen.append(members.engine.observe(refs=[ref, members.victim_ref]).states)
        members.engine.usage(refs=[ref, members.victim_ref])
        state = seen[-1].get(ref)
        return state is not None and state.ended_at is not None

    wait_until(has_ended, within_s=60)

    assert {states[members.victim_ref].state for states in seen} == {AttemptState.RUNNING}
    assert (job.folder / "ranks/0/log").stat().st_size <= 1024 * 1024 + 1024


def test_an_organisation_without_a_user_of_its_own_is_refused_with_what_to_do(site, tmp_path):
    first, second = site.users
    cases = {
        "map it to one, or add service users to the pool": {"service_users": ()},
        "All 1 service users are held": {"service_users": (second,), "users": {"org_0": first}},
        "give org_1 one that is mapped once": {"users": {"org_1": first, "org_2": first}, "service_users": (second,)},
        "which runs no jobs: map it to another": {"users": {"org_1": "root"}},
    }
    for number, (words, settings) in enumerate(cases.items()):
        home = tmp_path / str(number)
        home.mkdir()
        rig = SlurmRig(home, replace(site, settings=site.settings.model_copy(update=settings)))
        (home / "held.json").write_text(f'{{"{second}": "org_9"}}')
        job = rig.make_job(RunSpec(name="job", command="true", walltime_s=60))

        assert isinstance(rig.engine, CanStage)
        with pytest.raises(EngineRefused, match=words):
            rig.engine.bring(job=job, on_bytes=lambda _: None)
