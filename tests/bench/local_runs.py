"""Short jobs on this machine: the embedded engine, sandboxed and trusted, beside PSI/J's local executor.

Both get the same number of jobs that do nothing, two at a time, and the clock stops when each has been seen to end.
PSI/J only starts processes; the embedded engine also writes each job down first, gives it a user of its own and a
sandbox, meters it and signs what it metered.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from lilong.agent.engines.port import TERMINAL_STATES
from lilong.protocol.messages import AttemptState
from lilong.protocol.spec import Isolation, Resources, RunSpec
from tests.contract.engines import HUB, LocalRig

JOBS = 40
ROUNDS = 3
AT_ONCE = 2
PSIJ = f"""
import sys, time, psij
executor = psij.JobExecutor.get_instance("local")
began = time.monotonic()
waiting = [psij.Job(psij.JobSpec(executable="/bin/true")) for _ in range({JOBS})]
running = []
while waiting or running:
    while waiting and len(running) < {AT_ONCE}:
        running.append(waiting.pop())
        executor.submit(running[-1])
    running[0].wait()
    running = [job for job in running if not job.status.final]
print(time.monotonic() - began)
"""


def time_embedded(isolation: Isolation) -> float:
    """Return the seconds that the embedded engine needs for all jobs."""
    spec = RunSpec(
        name="true",
        command="true",
        walltime_s=60,
        isolation=isolation,
        resources=Resources(cores=1, memory_mib=64, disk_mib=16),
    )
    with tempfile.TemporaryDirectory() as folder:
        rig = LocalRig(Path(folder))
        try:
            jobs = [rig.make_job(spec) for _ in range(JOBS)]
            began_s = time.monotonic()
            open_refs = {rig.engine.submit(job=job) for job in jobs}
            while open_refs:
                states = rig.engine.observe(refs=sorted(open_refs)).states
                ended = {ref for ref, state in states.items() if state.state in TERMINAL_STATES}
                if any(states[ref].state is not AttemptState.SUCCEEDED for ref in ended):
                    raise RuntimeError(f"A job of {HUB} did not succeed: {states}")
                open_refs -= ended
            return time.monotonic() - began_s
        finally:
            rig.close()


def time_psij(python: Path) -> float:
    """Return the seconds that PSI/J's local executor needs for all jobs."""
    answer = subprocess.run([python, "-c", PSIJ], capture_output=True, text=True, check=True)
    return float(answer.stdout.split()[-1])


def main() -> None:
    """Print runs per second and ratios, medians of alternating rounds."""
    with tempfile.TemporaryDirectory() as folder:
        python = Path(folder) / "bin" / "python"
        subprocess.run([sys.executable, "-m", "uv", "venv", "--quiet", "--clear", folder], check=True)
        command = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", str(python), "psij-python"]
        subprocess.run(command, check=True)
        rounds = [
            (time_embedded(Isolation.UNTRUSTED), time_embedded(Isolation.TRUSTED), time_psij(python))
            for _ in range(ROUNDS)
        ]
    sandboxed_s, trusted_s, psij_s = (statistics.median(times) for times in zip(*rounds, strict=True))
    print(f"{JOBS} jobs, two at a time, median of {ROUNDS} rounds: runs/s")
    for name, seconds in (("sandboxed", sandboxed_s), ("trusted", trusted_s), ("PSI/J local", psij_s)):
        print(f"{name:<14}{JOBS / seconds:>8.1f}   {psij_s / seconds:.2f} of PSI/J")


if __name__ == "__main__":
    main()
