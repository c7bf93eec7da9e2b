"""Whatever the other end of the pipe says or does not say, the agent goes on in time and knows what it knows."""

import json
import time

import pytest

from lilong.agent.engines.slurm.conversation import FolderTooLarge, ProgramEnded
from lilong.agent.engines.slurm.identity import BatchJob, CommandResult, JobUser, Upload, Wanted
from lilong.agent.engines.slurm.job_helper import VERSION
from lilong.common.errors import EngineBusy, EngineLost, EngineRefused

ATTEMPT = "att_" + "0" * 32
FAR = 10**9


@pytest.fixture
def say(tmp_path):
    """Return a user whose helper is this shell script."""

    def make(script, *, wait_s=20.0):
        program = tmp_path / "helper"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        return JobUser(user="me", agent_user="me", helper=tmp_path, python=program, wait_s=wait_s)

    return make


def answer(value, content=""):
    return f"cat > /dev/null; cat <<'END'\n{json.dumps(value)}\n{content}END"


CALLS = {
    "find_folder": lambda user: user.find_folder(),
    "get": lambda user: user.get(wanted=[Wanted(ATTEMPT, "a", 10)]),
    "list_files": lambda user: user.list_files(attempt_id=ATTEMPT, paths=["out"], files_max=9, bytes_max=FAR),
    "estimate": lambda user: user.submit(options=["--test-only"], script="#!/bin/sh\n"),
    "put": lambda user: user.put(attempt_id=ATTEMPT, uploads=[Upload("a", b"x" * 1_000_000)]),
    "put_files": lambda user: user.put_files(attempt_id=ATTEMPT, uploads=[Upload("a", b"1")]),
    "submit": lambda user: user.submit(options=[], script="#!/bin/sh\n"),
    "cancel": lambda user: user.cancel(job_ids=["1"]),
    "remove": lambda user: user.remove(attempt_ids=[ATTEMPT]),
}
QUESTIONS = ["find_folder", "get", "list_files", "estimate"]
each_call = pytest.mark.parametrize("name", CALLS)


def error_of(user, name):
    with pytest.raises((EngineBusy, EngineLost, EngineRefused)) as caught:
        CALLS[name](user)
    return caught.value


CUT_OFF = {
    "silent": "exit 0",
    "crashed": "cat > /dev/null; exit 70",
    "killed": "kill -KILL $$",
    "half a line": "cat > /dev/null; printf '{\"files\": ['",
    "no JSON": "cat > /dev/null; echo hello",
    "failed after its answer": "cat > /dev/null; echo '{}'; exit 1",
}


@each_call
@pytest.mark.parametrize("how", CUT_OFF)
def test_an_answer_that_does_not_come_leaves_open_what_was_done(say, name, how):
    error = error_of(say(CUT_OFF[how]), name)

    assert type(error) is (EngineBusy if name in QUESTIONS else EngineLost)


@each_call
def test_a_helper_that_hangs_holds_the_agent_up_no_longer_than_said(say, name):
    began_s = time.monotonic()

    error = error_of(say("exec tail -f /dev/null", wait_s=0.5), name)

    assert type(error) is (EngineBusy if name in QUESTIONS else EngineLost)
    assert time.monotonic() - began_s < 15


def test_a_child_that_keeps_the_pipes_open_holds_nobody_up(say):
    error = error_of(say("tail -f /dev/null & echo '{}'; exit 0", wait_s=0.5), "remove")

    assert isinstance(error, EngineLost)
    assert "did not end in time" in error.detail


@pytest.mark.parametrize("stream", ["1", "2"])
def test_a_helper_that_never_stops_talking_is_cut_off(say, stream):
    error = error_of(say(f"cat /dev/zero >&{stream}"), "get")

    assert isinstance(error, EngineBusy)
    assert len(error.detail) < 2000


@each_call
@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("sudo: a password is required", EngineRefused),
        ("Sorry, user lilong-agent is not allowed to execute '/x' as bob on login1.", EngineRefused),
        ("sudo: unknown user: bob", EngineBusy),
        ("sudo: unable to resolve host login1", EngineBusy),
    ],
)
def test_what_sudo_refuses_had_no_effect(say, name, said, kind):
    error = error_of(say(f'echo "{said}" >&2; exit 1'), name)

    assert type(error) is kind
    assert said in error.detail


@each_call
@pytest.mark.parametrize(
    ("code", "kind"),
    [("option", EngineRefused), ("too_much", FolderTooLarge), ("busy", EngineBusy), ("system", EngineBusy)],
)
def test_what_the_helper_refuses_is_told_with_its_reason(say, name, code, kind):
    error = error_of(say(answer({"error": code, "detail": "because"})), name)

    assert type(error) is kind
    assert "because" in error.detail


@each_call
def test_a_program_of_slurm_that_was_cut_off_is_lost_if_it_could_have_an_effect(say, name):
    error = error_of(say(answer({"error": "timeout", "detail": "sbatch"})), name)

    assert type(error) is (ProgramEnded if name in {"submit", "cancel"} else EngineBusy)


TAKEN = {"exit_code": 0, "stdout": "4711\n", "stderr": ""}
JOBS = [BatchJob((), "#!/bin/sh\n")] * 3


def test_of_many_jobs_each_has_an_answer_of_its_own(say):
    refused = [{"error": code, "detail": "because"} for code in ("option", "timeout")]

    taken, wrong, ended = say(answer({"jobs": [TAKEN, *refused]})).submit_many(jobs=JOBS)

    assert taken == CommandResult(0, "4711\n", "")
    assert (type(wrong), type(ended)) == (EngineRefused, ProgramEnded)


@pytest.mark.parametrize("jobs", [[], [TAKEN] * 2, [TAKEN] * 4, [TAKEN, TAKEN, {}], [TAKEN, TAKEN, None]])
def test_an_answer_of_other_jobs_is_no_answer(say, jobs):
    with pytest.raises((EngineBusy, EngineLost)):
        say(answer({"jobs": jobs})).submit_many(jobs=JOBS)


@pytest.mark.parametrize(
    "said",
    [
        {"files": []},
        {"files": [{"size": 1, "length": 11}]},
        {"files": [{"size": 1, "length": -1}]},
        {"files": [{"size": "1", "length": 0}]},
        {"files": [{"size": 9, "length": 9}]},
        {"files": [{"size": 1, "length": 0}] * 2},
    ],
)
def test_parts_that_were_not_asked_for_are_no_answer(say, said):
    assert isinstance(error_of(say(answer(said)), "get"), EngineBusy)


@pytest.mark.parametrize("path", ["outside", "out/../../x", "/etc/passwd", "out\x1b", "outer/a"])
def test_a_listing_of_what_was_not_asked_for_is_no_answer(say, path):
    listed = {"files": [{"path": path, "size": 1, "executable": False}], "missing": [], "skipped": 0}

    assert isinstance(error_of(say(answer(listed)), "list_files"), EngineBusy)


def test_another_version_of_the_helper_is_refused_with_what_to_do(say):
    error = error_of(say(answer({"version": VERSION + 1, "user": "me", "folder": "/x"})), "find_folder")

    assert type(error) is EngineRefused
    assert "install-helper" in error.detail


def test_a_file_that_never_ends_is_downloaded_no_further_than_said(say, tmp_path):
    user = say(answer({"files": [{"size": FAR, "length": 4}]}, "abc\n"))

    assert user.download(attempt_id=ATTEMPT, path="a", target=tmp_path / "target", bytes_max=8) == 8
    assert (tmp_path / "target").read_bytes() == b"abc\nabc\n"


def test_a_program_that_is_not_there_can_be_tried_later(tmp_path):
    user = JobUser(user="me", agent_user="me", helper=tmp_path, python=tmp_path / "none")

    assert isinstance(error_of(user, "submit"), EngineBusy)


def test_more_files_than_one_request_can_name_are_refused_before_anything_is_sent(say):
    uploads = [Upload("a/" * 50 + str(number), b"") for number in range(120_000)]

    with pytest.raises(FolderTooLarge):
        say("exit 0").put(attempt_id=ATTEMPT, uploads=uploads)


@pytest.mark.parametrize("user", ["root", "", "-u", "a b"])
def test_some_names_are_no_users_for_jobs(tmp_path, user):
    with pytest.raises(EngineRefused):
        JobUser(user=user, agent_user="me", helper=tmp_path)
