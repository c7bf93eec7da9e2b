"""A machine without bubblewrap runs trusted work alone, and never as root."""

from dataclasses import replace

import pytest

from lilong.agent.engines.local.probe import probe_machine
from lilong.agent.engines.rank.judging import judge_proof
from lilong.common.errors import EngineRefused
from lilong.protocol.messages import AttemptState, Fault, Reason
from lilong.protocol.spec import Isolation, Network, Resources, RunSpec
from tests.contract.engines import PYTHON, LocalRig


@pytest.fixture
def bare_rig(tmp_path, monkeypatch):
    """An engine on a machine on which no `bwrap` is found."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("setpriv", "unshare", "mount", "prlimit", "true", "rm"):
        (folder / name).symlink_to(f"/usr/bin/{name}")
    rig = LocalRig(tmp_path)
    with monkeypatch.context() as patch:
        patch.setenv("PATH", str(folder))
        found = probe_machine(
            home=tmp_path,
            limits=rig.settings.local.find_limits(home=tmp_path),
            interpreter=PYTHON,
            beside=[],
            cores=rig.machine.cores,
        )
    rig.machine = replace(rig.machine, found=found)
    rig.restart()
    yield rig
    rig.close()


def make_spec(command, **fields):
    given = {"name": "job", "command": command, "walltime_s": 30, "isolation": Isolation.TRUSTED}
    return RunSpec(**given | {"resources": Resources(memory_mib=256, disk_mib=64)} | fields)


def run(rig, spec):
    job = rig.make_job(spec)
    ref = rig.engine.submit(job=job)
    return job, ref, rig.wait_for_end(ref)


def test_untrusted_work_is_refused_with_the_fix(bare_rig):
    problems = bare_rig.engine.validate(spec=make_spec("true", isolation=Isolation.UNTRUSTED))

    assert [problem.path for problem in problems] == ["isolation"]
    assert "install bubblewrap" in problems[0].message
    assert not bare_rig.engine.caps().sandbox
    with pytest.raises(EngineRefused):
        bare_rig.engine.submit(job=bare_rig.make_job(make_spec("true", isolation=Isolation.UNTRUSTED)))


def test_trusted_work_runs_in_its_folder_as_a_user_that_is_not_root(bare_rig):
    job, ref, end = run(bare_rig, make_spec("pwd; id -u; echo made > made"))

    assert end.state is AttemptState.SUCCEEDED, end
    log = bare_rig.engine.logs(ref=ref, rank=0, offset=0, limit=999).decode().split("\n")
    assert log[1] != "0"
    assert (job.folder / "job/work/made").read_text() == "made\n"


def test_limits_hold_without_a_sandbox_too(bare_rig):
    _, _, end = run(bare_rig, make_spec("head -c 100M /dev/urandom > full; sleep 5"))
    # The limit on one file may end `head` before the sum of all files ends the job.
    assert (end.state, end.fault) in {(AttemptState.FAILED, Fault.MEMBER), (AttemptState.SUCCEEDED, Fault.NOBODY)}

    _, _, end = run(bare_rig, make_spec("for n in $(seq 80); do head -c 1M /dev/urandom > $n; done; sleep 5"))
    assert (end.state, end.reason, end.fault) == (AttemptState.FAILED, Reason.DISK_EXCEEDED, Fault.MEMBER)


def test_the_network_is_given_only_where_the_operator_does_and_never_to_untrusted_work(bare_rig):
    spec = make_spec("true", network=Network.OUTBOUND)

    assert [problem.path for problem in bare_rig.engine.validate(spec=spec)] == ["network"]
    untrusted = spec.model_copy(update={"isolation": Isolation.UNTRUSTED})
    assert len(bare_rig.engine.validate(spec=untrusted)) == 3


PROVEN = {
    "sees_hidden": False,
    "reaches_network": False,
    "interfaces": ["lo"],
    "writes_system": [],
    "writes_work": True,
    "capabilities": 0,
    "no_new_privileges": True,
    "filtered": True,
    "user_namespaces": False,
    "processes": 3,
    "devices": ["/dev/full", "/dev/null", "/dev/random", "/dev/tty", "/dev/urandom", "/dev/zero"],
    "unusable_devices": [],
    "forks": 20,
}


def test_a_sandbox_is_proven_only_when_every_fact_is_as_it_must_be():
    assert judge_proof(PROVEN) == ""


@pytest.mark.parametrize("name", PROVEN)
def test_a_fact_that_is_missing_or_wrong_fails_closed(name):
    right = PROVEN[name]
    wrong = not right if isinstance(right, bool) else ["eth0"] if isinstance(right, list) else 100

    assert judge_proof({key: value for key, value in PROVEN.items() if key != name})
    assert judge_proof(PROVEN | {name: wrong})


@pytest.mark.parametrize(
    ("more", "devices", "words"),
    [
        (["/dev/nvidia3"], ["/dev/nvidia3"], ""),
        (["/dev/nvidia3", "/dev/nvidia4"], ["/dev/nvidia3"], "a job sees /dev/nvidia4, which it was not given"),
        ([], ["/dev/nvidia3"], "a job does not see /dev/nvidia3, which it was given"),
        (["/dev/nvidia3"], [], "a job sees /dev/nvidia3, which it was not given"),
    ],
)
def test_a_sandbox_shows_the_devices_that_a_job_was_given_and_no_others(more, devices, words):
    plain = ["/dev/full", "/dev/null", "/dev/random", "/dev/tty", "/dev/urandom", "/dev/zero"]
    seen = PROVEN | {"devices": plain + more}

    assert judge_proof(seen, devices=devices) == words


def test_a_device_that_jobs_may_not_use_is_named():
    assert "read and write /dev/kfd: put" in judge_proof(PROVEN | {"unusable_devices": ["/dev/kfd"]})
