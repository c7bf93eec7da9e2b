"""Jobs that break a limit, ignore or fool their wrapper: each ends with its reason, on Slurm as on this machine."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pytest

from lilong.agent.settings import LocalSettings
from lilong.protocol.messages import AttemptState, Fault, Reason
from lilong.protocol.spec import Isolation, Resources, RunSpec
from tests.contract.engines import LocalRig, Rig, SlurmRig
from tests.polling import wait_until

S, R, F = AttemptState, Reason, Fault
RESOURCES = Resources(memory_mib=128, disk_mib=64)
PROCESSES_MAX = 64
SHARED = (
    "import mmap, time; f = open('/dev/shm/x', 'w+b'); f.truncate(60 << 20); m = mmap.mmap(f.fileno(), 60 << 20)\n"
    "m[:] = bytes(60 << 20); own = bytearray(b'x') * (90 << 20); time.sleep(20)\n"
)


FORKS = (
    "import os, time\nwhile True:\n  try:\n    if os.fork() == 0:\n      time.sleep(20)\n      os._exit(0)\n"
    "  except OSError:\n    time.sleep(0.01)\n"
)
WIDE = {"resources": Resources(memory_mib=2048)}  # Slurm counts what processes share once for each
TRUSTED = {"isolation": Isolation.TRUSTED}
BY_MEMBER = (S.CANCELLED, R.CANCELLED_BY_MEMBER, F.MEMBER)


@dataclass(frozen=True)
class Case:
    """A command and how it ends; one that ends by a cancellation says something first."""

    command: str
    end: tuple[AttemptState, Reason, Fault]
    fields: Mapping[str, object] = field(default_factory=dict)


EVERYWHERE = {
    "deaf": Case("trap '' TERM; echo deaf; while :; do sleep 1; done", BY_MEMBER),
    "forks without end": Case(f'exec python3 -c "{FORKS}"', (S.FAILED, R.PROCESSES_EXCEEDED, F.MEMBER), WIDE),
    "fills its disk": Case(
        "n=0; while [ $n -lt 96 ]; do head -c 1M /dev/urandom > f$n; n=$((n+1)); done; sleep 20",
        (S.FAILED, R.DISK_EXCEEDED, F.MEMBER),
    ),
    "takes too much memory": Case(
        "exec python3 -c \"import time; own = bytearray(b'x') * (200 << 20); time.sleep(20)\"",
        (S.FAILED, R.MEMORY_EXCEEDED, F.MEMBER),
    ),
    "runs over its walltime": Case("sleep 20", (S.TIMED_OUT, R.WALLTIME_REACHED, F.MEMBER), {"walltime_s": 2}),
}
ON_CLUSTERS = {
    "shares too much memory": Case(f'exec python3 -c "{SHARED}"', (S.FAILED, R.MEMORY_EXCEEDED, F.MEMBER)),
    "deletes its folder": Case('rm -rf "$LILONG_WORK_DIR"/../../*; echo gone; sleep 60', BY_MEMBER, TRUSTED),
    "terminates its wrapper": Case("kill -TERM $PPID; sleep 20", (S.FAILED, R.KILLED_BY_SIGNAL, F.MEMBER), TRUSTED),
    "kills its wrapper": Case("kill -KILL $PPID; sleep 20", (S.FAILED, R.KILLED_BY_SIGNAL, F.MEMBER), TRUSTED),
}


@pytest.fixture(params=["local", "hasty_bookworm", "hasty_trixie"])
def rig(request, tmp_path):
    if request.param == "local":
        rig: Rig = LocalRig(tmp_path, LocalSettings(processes_max=PROCESSES_MAX))
    else:
        site = request.getfixturevalue(request.param)
        settings = site.settings.model_copy(update={"processes_max": PROCESSES_MAX})
        rig = SlurmRig(tmp_path, replace(site, settings=settings))
    yield rig
    rig.close()


def submit(rig, case):
    fields = {"name": "job", "command": case.command, "walltime_s": 60, "resources": RESOURCES}
    return rig.engine.submit(job=rig.make_job(RunSpec.model_validate({**fields, **case.fields})))


def stop(rig, ref):
    """Cancel a job as its member does, once it has said something."""
    wait_until(lambda: rig.find(ref) and rig.engine.logs(ref=ref, rank=0, offset=0, limit=9), within_s=60)
    rig.engine.cancel(ref=ref, reason=Reason.CANCELLED_BY_MEMBER, grace_s=1)


def test_every_job_ends_for_its_reason(rig):
    cases = EVERYWHERE if isinstance(rig, LocalRig) else EVERYWHERE | ON_CLUSTERS
    refs = {name: submit(rig, case) for name, case in cases.items()}
    for name, case in cases.items():
        if case.end == BY_MEMBER:
            stop(rig, refs[name])

    ends = {name: rig.wait_for_end(ref, within_s=90) for name, ref in refs.items()}

    found = {name: (end.state, end.reason, end.fault) for name, end in ends.items()}
    assert found == {name: case.end for name, case in cases.items()}
