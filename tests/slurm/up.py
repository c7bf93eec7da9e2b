"""Start a cluster that stays for trying things out: `python -m tests.slurm.up SUITE FOLDER`, behind `make slurm-up`.

Every start makes a new cluster in the folder; what an earlier one left there goes.
"""

import argparse
import fcntl
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.slurm.cluster import SlurmCluster, running_cluster
from tests.slurm.trees import SUITES, SlurmMissing

HOW_TO_USE = """\
Slurm {release} runs in {folder}, with simulated accelerators, eight on each node: {nodes}.

    export PATH={bin}:$PATH SLURM_CONF={conf}
    srun --gres=gpu:{accelerator}:2 printenv CUDA_VISIBLE_DEVICES

Let a user of this machine submit:
    sacctmgr --immediate add account lab
    sacctmgr --immediate add user NAME account=lab

End it: make slurm-down FOLDER={folder}"""


def lock_path(folder: Path) -> Path:
    """Return the file that a cluster which stays keeps locked; it holds the number of the process to end."""
    return folder.with_name(f"{folder.name}.lock")


@contextmanager
def locked(folder: Path) -> Iterator[bool]:
    """Lock the folder for this process and write its number there; yield False where another process has it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with lock_path(folder).open("a", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield True


def stay(*, suite: str, folder: Path) -> None:
    """Run a cluster until SIGTERM, printing how to use it once it is there."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with locked(folder) as is_ours:
        if not is_ours:
            raise SlurmMissing(f"a cluster runs in {folder} already; end it with: make slurm-down FOLDER={folder}")
        if (folder / "etc" / "slurm.conf").exists():
            shutil.rmtree(folder)
        with running_cluster(folder, suite=suite) as cluster:
            print(describe(cluster, suite=suite), flush=True)
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # who waits for the end of it may go
            signal.pause()


def describe(cluster: SlurmCluster, *, suite: str) -> str:
    """Return what somebody who tries the cluster wants to know."""
    return HOW_TO_USE.format(
        release=SUITES[suite],
        folder=cluster.conf.parents[1],
        nodes=", ".join(f"{node.name} {node.accelerator}" for node in cluster.nodes),
        bin=cluster.bin,
        conf=cluster.conf,
        accelerator=cluster.nodes[0].accelerator,
    )


def start(*, suite: str, folder: Path) -> int:
    """Start a process that stays, and show what it says about its cluster; return the exit code."""
    command = [sys.executable, "-m", "tests.slurm.up", "--stay", suite, str(folder)]
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.log").open("w+b") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, start_new_session=True
        )
        assert process.stdout is not None
        words = process.stdout.read().decode()
        print(words, end="")
        if not words:
            process.wait()
            log.seek(0)
            print(log.read().decode(), file=sys.stderr, end="")
    return 0 if words else 1


def main() -> int:
    """Do what the command line says; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suite", choices=SUITES, help="Debian's release, which decides the release of Slurm")
    parser.add_argument("folder", type=Path, help="a short path without spaces where every user may enter")
    parser.add_argument("--stay", action="store_true", help="run the cluster in this process, until SIGTERM")
    arguments = parser.parse_args()
    folder: Path = arguments.folder.resolve()
    if not arguments.stay:
        return start(suite=arguments.suite, folder=folder)
    try:
        stay(suite=arguments.suite, folder=folder)
    except (SlurmMissing, FileExistsError) as problem:
        print(f"No cluster: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
