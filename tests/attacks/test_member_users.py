"""Members who share a user can do everything to each other's jobs; with a user each they can do nothing."""

import subprocess
from pathlib import Path

import pytest

from lilong.agent.engines.slurm.assignment import Assigned, choose_user
from lilong.agent.engines.slurm.identity import Upload
from lilong.common.errors import EngineBusy, EngineLost, EngineRefused
from tests.attacks.login_node import ATTEMPTS, PYTHON
from tests.polling import wait_until

SCRIPT = "#!/bin/sh\nexec true\n"
MINE, THEIRS = ATTEMPTS[:2]


class TwoMembers:
    """An attempt of each of two organisations, and a running process of the second one."""

    def __init__(self, node, users):
        self.node = node
        self.mine, self.theirs = users
        for user, attempt_id in ((self.mine, MINE), (self.theirs, THEIRS)):
            node.job_user(user).put(attempt_id=attempt_id, uploads=[Upload("work/mine.txt", b"a secret")])
        self.file = node.ground(self.theirs) / THEIRS / "work/mine.txt"
        self.process = subprocess.Popen([*node.become(self.theirs), PYTHON, "-c", "import signal; signal.pause()"])
        wait_until(lambda: self.process.pid in node.list_pids(self.theirs), within_s=10)

    def attack(self, name, path="{file}"):
        return self.node.attack(self.mine, name, path.format(file=self.file, pid=self.process.pid))

    def close(self):
        self.process.kill()
        self.process.wait()


@pytest.fixture
def together(node):
    """Return two members whose jobs one account of the cluster runs."""
    members = TwoMembers(node, (node.ann, node.ann))
    yield members
    members.close()


@pytest.fixture
def apart(node):
    """Return two members with the service users that the agent gives their organisations."""
    held: dict[str, str] = {}
    pool = [node.ann, node.bob]
    for organisation_id in ("org_mine", "org_theirs"):
        given = choose_user(organisation_id=organisation_id, mapped={}, pool=pool, held=held, agent_user=node.agent)
        assert isinstance(given, Assigned)
        held[given.user] = organisation_id
    members = TwoMembers(node, held)
    yield members
    members.close()


ATTACKS = [("read_file", "{file}"), ("write_file", "{file}"), ("kill_process", "{pid}"), ("trace_process", "{pid}")]
ATTACKS += [("read_file", f"/proc/{{pid}}/{name}") for name in ("environ", "maps", "exe")]


def may_trace():
    scope = Path("/proc/sys/kernel/yama/ptrace_scope")
    return not scope.exists() or scope.read_text().strip() == "0"


@pytest.mark.parametrize(("attack", "path"), ATTACKS)
def test_with_a_shared_user_a_member_reaches_the_job_of_another(together, attack, path):
    if attack == "trace_process" and not may_trace():
        pytest.skip("this machine lets nobody trace what is not its child")

    assert together.attack(attack, path) == "worked"


@pytest.mark.parametrize(("attack", "path"), ATTACKS)
def test_with_a_user_each_no_member_reaches_the_job_of_another(apart, attack, path):
    answer = apart.attack(attack, path)

    assert "Permission denied" in answer or "not permitted" in answer
    assert apart.process.poll() is None


def test_the_agents_user_reaches_no_file_but_through_the_helper(node, apart):
    assert "Permission denied" in node.attack(node.agent, "read_file", apart.file)
    assert "Permission denied" in node.attack(node.agent, "write_file", apart.file)


# --- Submitting and cancelling ----------------------------------------------------------------------------------------


def test_a_script_is_submitted_as_the_member(node):
    log = f"{node.ground(node.ann)}/{MINE}/log"

    done = node.job_user(node.ann).submit(options=["--job-name=lilong-x", f"--output={log}"], script=SCRIPT)

    home = node.home(node.ann)
    assert (done.exit_code, done.stdout, done.stderr) == (0, "4711\n", "")
    assert (home / "sbatch.arguments").read_text().split() == ["--parsable", "--job-name=lilong-x", f"--output={log}"]
    assert (home / "sbatch.given").read_text() == SCRIPT
    assert (home / "sbatch.surroundings").read_text().splitlines()[0] == node.ann


@pytest.mark.parametrize("option", ["--uid=0", "--wrap=id", "--output=/etc/x", "--chdir=/", "--get-user-env", "-o/x"])
def test_an_option_that_is_not_of_the_list_starts_nothing(node, option):
    with pytest.raises(EngineRefused, match="option"):
        node.job_user(node.ann).submit(options=["--time=1", option], script=SCRIPT)
    assert list(node.home(node.ann).iterdir()) == []


def test_what_slurm_says_is_kept_short(node):
    make_acts(node, "sbatch", "head -c 1000000 /dev/zero | tr '\\0' x; head -c 1000000 /dev/zero >&2; exit 3")

    done = node.job_user(node.ann).submit(options=[], script=SCRIPT)

    assert (done.exit_code, len(done.stdout), len(done.stderr)) == (3, 8192, 8192)


def test_jobs_are_cancelled_as_the_member_without_a_signal(node):
    done = node.job_user(node.ann).cancel(job_ids=["12", "13_4"])

    assert done.exit_code == 0
    assert (node.home(node.ann) / "scancel.arguments").read_text().split() == ["12", "13_4"]


def make_acts(node, name, script):
    (node.home(node.ann) / f"{name}.acts").write_text(script)


@pytest.fixture
def short_limit(node):
    node.set_limit(2)


@pytest.mark.usefixtures("short_limit")
def test_a_submission_that_gets_no_answer_is_lost_and_its_program_ended(node):
    make_acts(node, "sbatch", "tail -f /dev/null")

    with pytest.raises(EngineLost, match="sbatch did not answer"):
        node.job_user(node.ann).submit(options=["--time=1"], script=SCRIPT)

    wait_until(lambda: not node.list_pids(node.ann), within_s=10)


@pytest.mark.usefixtures("short_limit")
def test_a_mere_question_that_gets_no_answer_can_be_asked_again(node):
    make_acts(node, "sbatch", "tail -f /dev/null")

    with pytest.raises(EngineBusy):
        node.job_user(node.ann).submit(options=["--test-only"], script=SCRIPT)


def test_a_member_who_stops_the_helper_holds_nobody_up(node):
    make_acts(node, "sbatch", "kill -STOP $PPID; tail -f /dev/null")

    with pytest.raises(EngineLost, match="did not end in time"):
        node.job_user(node.ann, wait_s=2).submit(options=[], script=SCRIPT)


def test_a_member_who_kills_the_helper_leaves_it_open_what_was_done(node):
    make_acts(node, "sbatch", "kill -KILL $PPID")

    with pytest.raises(EngineLost, match="exit code"):
        node.job_user(node.ann).submit(options=[], script=SCRIPT)
