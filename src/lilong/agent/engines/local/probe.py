"""Find out what this machine can isolate, and prove it by a real run before untrusted work is taken. Fails closed."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from lilong.agent.engines.local.capacity import Seat
from lilong.agent.engines.local.cgroups import Groups, find_groups, remove_rank_groups
from lilong.agent.engines.local.host import end_leftovers, may_reach, missing_programs, read_system
from lilong.agent.engines.local.start import LocalLimits, give_to_user, group_name, prepare_rank, start_shim
from lilong.agent.engines.rank import proof, seccomp
from lilong.agent.engines.rank.judging import PROOF_PROCESSES_MAX, read_verdict
from lilong.agent.engines.rank.launch import Isolation, NativeJob
from lilong.agent.engines.rank.sandbox import STAGE, build_drop
from lilong.agent.spool import AttemptFolder, read_json
from lilong.protocol.spec import Resources, RunSpec

PROOF_S = 20.0
_PROOF_ID = "att_" + "0" * 32
_INSTALL = "install bubblewrap (Debian and Ubuntu: apt-get install bubblewrap)"


@dataclass(frozen=True, slots=True)
class Found:
    """What jobs get on this machine, and why work is refused; an empty reason means that it is taken.

    reason: for untrusted work; trusted_reason: for work that needs no sandbox, but never runs as root either.
    """

    isolation: Isolation
    groups: Groups
    reason: str
    trusted_reason: str = ""


def probe_machine(
    *, home: Path, limits: LocalLimits, interpreter: Path, beside: Sequence[Path], cores: Sequence[int]
) -> Found:
    """Return how jobs are isolated here, after a run in the sandbox itself; takes about half a second.

    interpreter: a base profile's Python, which runs the proof; beside: folders a job sees besides /usr.
    """
    system = read_system(beside=tuple(beside))
    drops_user = os.geteuid() == 0 and _succeeds([*build_drop(uid=limits.uid_first), "true"])
    stages = drops_user and _succeeds(
        ["unshare", "--mount", "--propagation", "private", "--", "mount", "-t", "tmpfs", "lilong", STAGE]
    )
    bare = Isolation(drops_user=drops_user, stages=stages, sandboxed=False, system=system, seccomp=b"")
    groups = find_groups()
    closed = _find_closed(home, drops_user=drops_user, stages=stages)
    if closed:
        return Found(bare, groups, closed, closed)
    machine = os.uname().machine
    missing = missing_programs("bwrap", "prlimit", "setpriv", "unshare", "mount")
    if "bwrap" in missing:
        return Found(bare, groups, f"bubblewrap is missing: {_INSTALL}.")
    if missing:
        return Found(bare, groups, f"{', '.join(missing)} is missing: install util-linux.")
    if machine not in seccomp.MACHINES:
        return Found(bare, groups, f"There is no system-call filter for {machine}.")
    if os.geteuid() == 0 and not stages:
        return Found(
            bare, groups, "The agent may not mount folders: run it as root of the machine, or as an ordinary user."
        )
    sandboxed = replace(bare, sandboxed=True, seccomp=seccomp.build_filter(machine=machine))
    prove = partial(_prove, home=home, limits=limits, isolation=sandboxed, interpreter=interpreter, cores=cores)
    reason, without = prove(groups=groups), Groups(groups.version, None, None)
    if reason and groups != without and not prove(groups=without):
        return Found(sandboxed, without, "")
    return Found(bare, groups, f"The proof run failed: {reason}") if reason else Found(sandboxed, groups, "")


def _find_closed(home: Path, *, drops_user: bool, stages: bool) -> str:
    """Return why not even trusted work can run: jobs need a user who is not root and who reaches the agent's folder."""
    if os.geteuid() != 0 or (drops_user and stages):
        return ""
    if not drops_user:
        return "The agent is root and cannot drop to another user, and jobs never run as root: start it as another."
    closed = may_reach(path=home)
    return f"Jobs' users may not enter {closed}: put the agent's home where they may." if closed else ""


def _prove(
    *,
    home: Path,
    limits: LocalLimits,
    isolation: Isolation,
    groups: Groups,
    interpreter: Path,
    cores: Sequence[int],
) -> str:
    """Run proof.py as an untrusted job would run, through a shim; returns why the sandbox does not hold."""
    folder = AttemptFolder(home / "proof" / _PROOF_ID)
    shutil.rmtree(folder.path, ignore_errors=True)
    (folder.path / "environment").mkdir(parents=True)
    (home / "proof").chmod(0o700)
    hidden = home / "proof" / "hidden"
    hidden.touch()
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]
        spec = RunSpec(
            name="proof",
            command=f"{interpreter} -I -S /run/lilong/proof.py {str(hidden)!r} {port}",
            resources=Resources(memory_mib=256, disk_mib=64),
            walltime_s=int(PROOF_S),
        )
        try:
            return _run_proof(folder, spec=spec, limits=limits, isolation=isolation, groups=groups, cores=cores)
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            return str(error)
        finally:
            remove_rank_groups(groups=groups, name=group_name(attempt_id=_PROOF_ID, rank=0))
            shutil.rmtree(home / "proof", ignore_errors=True)


def _run_proof(
    folder: AttemptFolder,
    *,
    spec: RunSpec,
    limits: LocalLimits,
    isolation: Isolation,
    groups: Groups,
    cores: Sequence[int],
) -> str:
    job = NativeJob(
        ref="lilong-proof",
        attempt_id=_PROOF_ID,
        run_id="",
        number=1,
        hub_id="",
        token="",
        nonce="",
        report_key="",
        spec=spec,
        authorised_ms=int(PROOF_S * 1000),
        uid=limits.uid_first + limits.uid_count if isolation.drops_user else None,
        environment_folder=str(folder.path / "environment"),
        secrets_folder="",
        sandboxed=True,
    )
    give_to_user(folder=folder, job=job)
    seat = Seat(node="proof", cores=tuple(cores[:1]), memory_mib=spec.resources.memory_mib)
    narrow = replace(limits.bounds, processes_max=PROOF_PROCESSES_MAX)
    prepare_rank(folder=folder, job=job, seat=seat, rank=0, bounds=narrow, isolation=isolation, groups=groups)
    given = folder.rank(0) / "given" / "proof.py"
    shutil.copyfile(proof.__file__, given)
    given.chmod(0o644)
    start_shim(folder.rank(0))
    deadline_s = time.monotonic() + PROOF_S
    while not (end := read_json(folder.rank(0) / "exit.json")) and time.monotonic() < deadline_s:
        time.sleep(0.02)
    if end is None:
        end_leftovers(uid=job.uid, attempt_id=_PROOF_ID, jobs=[])
        return "it did not end in time"
    output = (folder.rank(0) / "log").read_text(encoding="utf-8", errors="replace")
    return read_verdict(output=output, end=end)


def _succeeds(command: Sequence[str]) -> bool:
    try:
        return subprocess.run(command, check=False, capture_output=True, timeout=10).returncode == 0
    except (OSError, subprocess.SubprocessError):
        return False
