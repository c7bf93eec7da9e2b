"""Clusters come beside each other, go completely, and do not start by halves."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.polling import wait_until
from tests.slurm.cluster import CommandFailed, running_cluster, shared_folder
from tests.slurm.trees import REPOSITORY, SUITES, SlurmMissing, find_tree
from tests.slurm.users import temporary_users

HOLD_A_CLUSTER = """
import sys
from pathlib import Path
from tests.slurm.cluster import running_cluster

with running_cluster(Path(sys.argv[1])) as cluster:
    print("running", flush=True)
    sys.stdin.read()
"""
# The job leaves a process that is in no session of its own making, has no environment and no name of the cluster's.
SCRIPT = """#!/bin/sh
setsid env -i sh -c 'sleep {seconds} & sleep {seconds}' &
exec sleep {seconds}
"""


@pytest.fixture
def folder():
    with shared_folder() as folder:
        yield folder


@pytest.fixture(autouse=True)
def can_run():
    try:
        for suite in SUITES:
            find_tree(suite)
        with temporary_users(0):
            pass
    except SlurmMissing as problem:
        pytest.skip(str(problem))


def count_processes(text: str) -> int:
    """Count the processes that have this text in their command."""
    found = 0
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found += text.encode() in command.read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


@pytest.mark.parametrize("suite", SUITES)
def test_when_a_cluster_ends_nothing_of_it_remains_not_even_what_a_job_hid(folder, suite):
    seconds = f"99{SUITES[suite].replace('.', '')}7"
    with running_cluster(folder, suite=suite) as cluster:
        cluster.run("sbatch", "--chdir=/", "--output=/dev/null", stdin=SCRIPT.format(seconds=seconds))
        wait_until(lambda: count_processes(f"sleep\0{seconds}") == 3, within_s=60, every_s=0.1)
        assert count_processes(f"{folder}/") >= 8

    assert count_processes(f"sleep\0{seconds}") == 0
    assert count_processes(f"{folder}/") == 0
    with pytest.raises(CommandFailed):
        cluster.run("squeue")


def test_a_cluster_goes_when_its_run_is_killed(folder):
    command = [sys.executable, "-c", HOLD_A_CLUSTER, folder]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=REPOSITORY) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "running\n"
        holder.kill()

    wait_until(lambda: count_processes(f"{folder}/") == 0, within_s=60, every_s=0.1)


def test_a_cluster_that_cannot_start_says_why_and_leaves_nothing_running(folder):
    with (
        pytest.raises(RuntimeError, match="select/nonsense"),
        running_cluster(folder, settings={"SelectType": "select/nonsense"}),
    ):
        pytest.fail("it started")

    assert count_processes(f"{folder}/") == 0


def test_two_clusters_run_beside_each_other(folder):
    old, new = folder / "old", folder / "new"
    with running_cluster(old, suite="bookworm", name="old") as first:
        with running_cluster(new, suite="trixie", name="new") as second:
            for cluster in (first, second):
                assert cluster.run("srun", "sh", "-c", "echo $SLURM_CLUSTER_NAME") == f"{cluster.name}\n"
        assert first.run("srun", "echo", "still here") == "still here\n"


def test_a_folder_in_use_or_of_a_private_home_is_refused(folder, tmp_path):
    (folder / "letter").touch()
    with pytest.raises(FileExistsError), running_cluster(folder):
        pytest.fail("it started")

    (folder / "home").mkdir(mode=0o700)
    with pytest.raises(SlurmMissing, match="may not enter"), running_cluster(folder / "home" / "cluster"):
        pytest.fail("it started")
    with pytest.raises(SlurmMissing, match="plain letters"), running_cluster(folder / "with spaces"):
        pytest.fail("it started")


def test_who_asks_for_a_tree_at_the_same_time_gets_the_same_and_members_may_use_it(folder, tmp_path):
    trees = tmp_path / "private and with spaces" / "trees"
    with ThreadPoolExecutor() as pool:
        first, second = pool.map(lambda _: find_tree("bookworm", trees=trees), range(2))
    trees.parent.chmod(0o700)

    assert first == second
    assert {path.name for path in trees.iterdir()} == {"bookworm", "bookworm.lock"}
    with temporary_users(1) as (member,), running_cluster(folder, trees=trees) as cluster:
        assert cluster.run("sinfo", "--noheader", "--partition=low", "--format=%D", user=member).strip() == "4"


def test_where_debian_cannot_be_had_it_says_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(SlurmMissing, match="use Debian or Ubuntu"):
        find_tree("bookworm", trees=tmp_path / "trees")


def call(command: str, *arguments: str) -> str:
    words = [sys.executable, "-m", f"tests.slurm.{command}", *arguments]
    done = subprocess.run(words, capture_output=True, text=True, cwd=REPOSITORY, check=False)
    return done.stdout + done.stderr


def test_a_cluster_for_trying_things_stays_until_it_is_told_to_go(folder):
    place = str(folder / "cluster")
    for _ in range(2):
        assert f"export PATH={place}/bin" in call("up", "bookworm", place)
        assert "runs in" in call("up", "bookworm", place)
        running = count_processes(f"{place}/")
        assert "has ended" in call("down", place)
        assert (running > 0, count_processes(f"{place}/")) == (True, 0)
    assert "No cluster runs" in call("down", place)
