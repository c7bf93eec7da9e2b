"""Every attack works on the bare machine and fails in the sandbox, and the attempt ends with reason and fault."""

import os
import socket

import pytest

from lilong.agent.engines.local.host import end_leftovers
from lilong.agent.engines.rank.watch import list_descendants, started_ticks
from lilong.agent.outputs import collect_outputs
from lilong.agent.spool import AttemptFolder
from lilong.protocol.messages import AttemptState, Fault, Reason, Submit
from lilong.protocol.spec import Output
from tests.polling import wait_until

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="without root it does not work outside the sandbox either")


def innermost(arena, job):
    """Return the pid of the command of a running job, as this machine numbers it."""
    bwrap = arena.pid(job, "job")
    return wait_until(lambda: next((pid for pid in reversed(list_descendants(bwrap))), 0), within_s=10)


def test_a_fork_bomb_hits_the_process_limit(arena):
    assert arena.attack_without("fork_bomb", 200) == "worked"

    log, end, _ = arena.attack("fork_bomb", 200)

    assert "worked" not in log
    assert "refused" in log or (end.reason, end.fault) == (Reason.PROCESSES_EXCEEDED, Fault.MEMBER)


def test_forking_without_end_ends_the_attempt_and_leaves_nothing(arena):
    _, end, job = arena.attack("fork_for_ever")
    uid = arena.uid(job)

    assert (end.reason, end.fault) == (Reason.PROCESSES_EXCEEDED, Fault.MEMBER)
    assert end_leftovers(uid=uid, attempt_id=job.attempt_id, jobs=[]) == 0


@pytest.mark.parametrize("attack", ["take_memory", "take_shared_memory"])
def test_more_memory_than_was_bought_is_not_had(arena, attack):
    assert arena.attack_without(attack, 192) == "worked"

    log, end, _ = arena.attack(attack, 192)

    assert "worked" not in log
    assert end.reason in {Reason.MEMORY_EXCEEDED, Reason.COMPLETED}
    assert (end.reason is Reason.MEMORY_EXCEEDED) == ("refused" not in log)
    assert attack != "take_memory" or (end.state, end.fault) == (AttemptState.FAILED, Fault.MEMBER)


@pytest.mark.parametrize("attack", ["fill_disk", "fill_disk_unseen"])
def test_more_disk_than_was_bought_ends_the_attempt(arena, attack):
    assert arena.attack_without(attack, 96) == "worked"

    log, end, _ = arena.attack(attack, 96)

    assert "worked" not in log
    if "refused" not in log:
        assert (end.state, end.reason, end.fault) == (AttemptState.FAILED, Reason.DISK_EXCEEDED, Fault.MEMBER)


def test_folders_nested_beyond_measure_end_the_attempt_and_can_be_deleted(arena):
    assert arena.attack_without("nest_folders", 1_500) == "worked"

    log, end, _ = arena.attack("nest_folders", 1_500)

    assert "worked" not in log
    assert (end.reason, end.fault) == (Reason.DISK_EXCEEDED, Fault.MEMBER)
    assert "nested" in end.detail


def test_a_job_that_ignores_term_is_killed_after_its_grace(arena):
    ref, job = arena.begin(command="trap '' TERM; echo deaf; while :; do sleep 1; done")
    wait_until(lambda: b"deaf" in arena.engine.logs(ref=ref, rank=0, offset=0, limit=100), within_s=10)
    pid = innermost(arena, job)

    arena.engine.cancel(ref=ref, reason=Reason.CANCELLED_BY_MEMBER, grace_s=1)
    end = arena.wait_for_end(ref, within_s=6)

    assert (end.state, end.fault) == (AttemptState.CANCELLED, Fault.MEMBER)
    assert started_ticks(pid) == 0


def test_a_gigabyte_of_log_is_cut_with_a_mark_and_the_job_goes_on(arena):
    log, end, job = arena.attack(command="head -c 1G /dev/zero | tr '\\0' x; echo; echo end > out", walltime_s=60)

    assert end.state is AttemptState.SUCCEEDED
    assert (job.folder / "job/work/out").read_text() == "end\n"
    assert log.startswith("xxx")
    assert (job.folder / "ranks/0/log").stat().st_size < 1024 * 1024 + 200


def test_files_and_secrets_of_another_member_are_out_of_reach(arena, victim):
    paths = [victim.folder / "job/work/mine.txt", victim.secrets_folder / "KEY", victim.folder / "ranks/0/launch.json"]
    for path in paths:
        assert arena.attack_without("read_file", path) == "worked"

        log, end, _ = arena.attack("read_file", path)

        assert "refused" in log
        assert end.state is AttemptState.SUCCEEDED
    pid = innermost(arena, victim)
    assert arena.attack_without("read_file", f"/proc/{pid}/root/work/mine.txt") == "worked"
    assert "refused" in arena.attack("read_file", f"/proc/{pid}/root/work/mine.txt")[0]


@needs_root
def test_the_system_and_the_agents_files_are_out_of_reach(arena):
    hidden = arena.home / "hidden"
    hidden.write_text("x")
    for attack, path in (("read_file", "/etc/shadow"), ("read_file", hidden), ("write_file", hidden)):
        assert arena.attack_without(attack, path) == "worked"
        assert "refused" in arena.attack(attack, path)[0]
    for path in ("/usr/x", "/etc/x", "/x", "/dev/x", "/opt/environment/x", "/run/lilong/job.sh", "/proc/sys/kernel/x"):
        assert "refused" in arena.attack("write_file", path)[0]


def test_the_network_of_the_machine_is_out_of_reach(arena):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert arena.attack_without("connect", port) == "worked"
        assert "refused" in arena.attack("connect", port)[0]


@needs_root
@pytest.mark.parametrize(
    "attack", ["open_packet_socket", "become_root", "mount_folder", "add_key", "inject_terminal", "make_namespace"]
)
def test_what_only_the_system_may_do_is_refused(arena, attack):
    assert arena.attack_without(attack) == "worked"

    log, end, _ = arena.attack(attack)

    assert "refused" in log
    assert end.state is AttemptState.SUCCEEDED


def test_other_jobs_are_neither_seen_nor_signalled_nor_traced(arena, victim):
    pid = innermost(arena, victim)
    assert arena.attack_without("find_process", "61.75") == "worked"
    assert arena.attack_without("trace_process", pid) == "worked"

    for attack, argument in (("find_process", "61.75"), ("trace_process", pid), ("kill_process", pid)):
        assert "refused" in arena.attack(attack, argument)[0]

    assert started_ticks(pid)
    assert arena.attack_without("kill_process", pid) == "worked"


def test_nothing_of_a_job_outlives_it(arena):
    mark = arena.home / "mark"
    assert arena.attack_without("linger", mark) == "worked"
    assert mark.exists()

    log, end, job = arena.attack("linger", "mark")
    uid = arena.uid(job)

    assert "worked" in log
    assert end.state is AttemptState.SUCCEEDED
    assert end_leftovers(uid=uid, attempt_id=job.attempt_id, jobs=[]) == 0


def test_a_link_in_the_outputs_brings_nothing_from_outside(arena):
    command = "mkdir out; echo fine > out/fine; ln -s /etc out/etc; ln -s /etc/passwd out/file; mkfifo out/pipe"
    _, end, job = arena.attack(command=command, outputs=(Output(path="out", max_bytes=10_000),))
    submit = Submit(
        attempt_id=job.attempt_id, run_id="run_1", number=1, organisation_id="org_1", token=job.token, nonce="n",
        spec=job.spec, environment=job.environment, authorised_ms=1, epoch=1,
    )  # fmt: skip
    uid = arena.uid(job)

    outputs, reason, detail = collect_outputs(folder=AttemptFolder(job.folder), submit=submit, end=end, uid=uid)

    assert [artefact.path for artefact in outputs.artefacts] == ["out/fine"]
    assert reason is None
    assert "3 links or special files" in detail
