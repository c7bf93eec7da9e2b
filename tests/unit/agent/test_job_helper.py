"""What the helper takes for a request, and which paths and options it never follows or hands on."""

import errno
import io
import json
import os
import signal
from pathlib import Path

import pytest

from lilong.agent.engines.slurm import hostile_folder, job_helper
from lilong.agent.engines.slurm.hostile_folder import Refused

ATTEMPT = "att_" + "0" * 32


def submit(ground, *jobs):
    return [told["error"] for told in ask(ground, op="submit", jobs=list(jobs))[0]["jobs"]]


@pytest.fixture
def ground(tmp_path):
    """The folder of the user who runs the tests, and no time limits: the alarm belongs to pytest."""
    timer = signal.getitimer(signal.ITIMER_REAL)
    fd = os.open(tmp_path, os.O_RDONLY)
    yield job_helper.Ground("me", str(tmp_path), fd, "/nowhere", {}, 0)
    os.close(fd)
    signal.setitimer(signal.ITIMER_REAL, *timer)


def ask(ground, body=b"", **request):
    return job_helper.answer(ground, io.BytesIO(json.dumps(request).encode() + b"\n" + body))


def put(ground, body=b"", *, files=(), folders=(), whole=True, attempt_id=ATTEMPT):
    [error] = put_many(ground, body, describe(files=files, folders=folders, attempt_id=attempt_id), whole=whole)
    if error is not None:
        raise Refused(error, "")


def put_many(ground, body, *attempts, whole=True):
    told = ask(ground, body, op="put", attempts=list(attempts), whole=whole)[0]["attempts"]
    return [one.get("error") for one in told]


def describe(*, files=(), folders=(), attempt_id=ATTEMPT):
    return {"attempt_id": attempt_id, "files": list(files), "folders": list(folders)}


def file(path, size=0, mode=0o600):
    return {"path": path, "size": size, "mode": mode}


def names_in(folder):
    return sorted(path.name for path in Path(folder).iterdir())


def refusal(call, *arguments, **fields):
    with pytest.raises(Refused) as caught:
        call(*arguments, **fields)
    return caught.value.code


@pytest.mark.parametrize(
    "line", [b"", b"\n", b"{}", b"[]\n", b'{"op": 1}\n', b'{"op": "sh"}\n', b"\xff\n", b"[" * 9000 + b"\n"]
)
def test_what_is_no_request_is_refused(ground, line):
    assert refusal(job_helper.answer, ground, io.BytesIO(line)) == "invalid"


def test_an_endless_line_is_read_no_further_than_its_limit(ground):
    stream = io.BytesIO(b" " * (job_helper.REQUEST_BYTES_MAX + 1000))

    assert refusal(job_helper.answer, ground, stream) == "invalid"
    assert stream.tell() == job_helper.REQUEST_BYTES_MAX + 1


@pytest.mark.parametrize("attempt_id", ["..", ".", "", "att_1", f"{ATTEMPT}/..", f"../{ATTEMPT}", f"{ATTEMPT}\n", None])
def test_only_attempt_ids_name_folders(ground, attempt_id):
    asked = {"attempt_id": attempt_id, "path": "a", "offset": 0, "limit": 1}

    assert refusal(put, ground, attempt_id=attempt_id) == "invalid"
    assert refusal(ask, ground, op="get", files=[asked]) == "invalid"
    assert refusal(ask, ground, op="remove", attempt_ids=[attempt_id]) == "invalid"


UNSAFE = ["", "/", "/a", "a/", "a//b", ".", "..", "a/../b", "./a", "a\\b", "a\nb", "a\0b", "\x9b", "\ud800"]
UNSAFE += ["a/" * 64 + "a", "a" * 513]


@pytest.mark.parametrize("path", UNSAFE)
def test_paths_that_could_leave_their_folder_are_refused(ground, path):
    asked = {"attempt_id": ATTEMPT, "path": path, "offset": 0, "limit": 1}

    assert refusal(put, ground, files=[file(path)]) == "path"
    assert refusal(put, ground, folders=[path]) == "path"
    assert refusal(ask, ground, op="get", files=[asked]) == "path"
    assert refusal(ask, ground, op="list", attempt_id=ATTEMPT, paths=[path], files_max=1, bytes_max=1) == "path"
    assert names_in(ground.folder) == []


@pytest.mark.parametrize(
    "entry", [file("a", -1), file("a", size=True), file("a", "1"), file("a", 0, None), {"path": "a"}]
)
def test_sizes_and_modes_are_numbers(ground, entry):
    assert refusal(put, ground, files=[entry]) == "invalid"


def test_an_attempt_comes_whole_with_folders_and_modes(ground, tmp_path):
    put(ground, b"abcde", files=[file("work/a", 3), file("work/run", 2, 0o6755), file("e")], folders=["work/out"])

    work = tmp_path / ATTEMPT / "work"
    assert (work / "a").read_bytes() == b"abc"
    assert (work / "run").read_bytes() == b"de"
    assert [oct((work / name).stat().st_mode & 0o7777) for name in ("a", "run", "out", ".")] == [
        "0o600", "0o700", "0o700", "0o700"
    ]  # fmt: skip
    assert names_in(ground.folder) == [ATTEMPT]


@pytest.mark.parametrize(("body", "code"), [(b"", "short"), (b"ab", "short"), (b"abcd", "body")])
def test_a_body_of_another_size_leaves_nothing(ground, body, code):
    assert refusal(put, ground, body, files=[file("a", 1), file("b", 2)]) == code
    assert names_in(ground.folder) == []


def test_a_body_of_another_size_replaces_nothing(ground, tmp_path):
    put(ground, b"old", files=[file("a", 3)])

    assert refusal(put, ground, b"new", files=[file("a", 2), file("b", 9)], whole=False) == "short"
    assert (tmp_path / ATTEMPT / "a").read_bytes() == b"old"
    assert names_in(tmp_path / ATTEMPT) == ["a"]


OTHERS = [f"att_{number:032x}" for number in range(1, 4)]


def test_each_of_many_attempts_comes_whole_or_not_at_all(ground, tmp_path):
    put(ground, b"old", files=[file("a", 3)], attempt_id=OTHERS[1])
    asked = [describe(files=[file("a", 1), file("b/c", 1)], attempt_id=attempt_id) for attempt_id in OTHERS]

    assert put_many(ground, b"123456", *asked) == [None, "exists", None]

    assert [(tmp_path / OTHERS[2] / path).read_bytes() for path in ("a", "b/c")] == [b"5", b"6"]
    assert (tmp_path / OTHERS[1] / "a").read_bytes() == b"old"
    assert names_in(ground.folder) == OTHERS


@pytest.mark.parametrize("body", [b"", b"1", b"123"])
def test_a_body_of_another_size_leaves_nothing_of_any_attempt(ground, body):
    asked = [describe(files=[file("a", 1)], attempt_id=attempt_id) for attempt_id in OTHERS[:2]]

    assert refusal(put_many, ground, body, *asked) in {"short", "body"}
    assert names_in(ground.folder) == []


def test_an_attempt_that_stands_twice_is_put_once(ground):
    assert put_many(ground, b"12", *[describe(files=[file("a", 1)])] * 2) == [None, "exists"]


def test_files_come_to_those_attempts_that_are_there(ground, tmp_path):
    put(ground, files=[], attempt_id=OTHERS[0])
    asked = [describe(files=[file("a", 1)], attempt_id=attempt_id) for attempt_id in OTHERS[:2]]

    assert put_many(ground, b"12", *asked, whole=False) == [None, "missing"]
    assert (tmp_path / OTHERS[0] / "a").read_bytes() == b"1"


@pytest.mark.parametrize("attempts", [None, {}, [ATTEMPT], [{}], [describe()] * 101])
def test_only_a_short_list_of_attempts_is_put(ground, attempts):
    assert refusal(ask, ground, op="put", attempts=attempts, whole=True) == "invalid"
    assert names_in(ground.folder) == []


def test_more_files_than_may_be_open_at_once_come_whole(ground, tmp_path):
    count = 3 * hostile_folder.UNSYNCED_MAX + 1

    put(ground, b"x" * count, files=[file(str(number), 1) for number in range(count)])

    assert len(names_in(tmp_path / ATTEMPT)) == count


@pytest.mark.parametrize(
    "files", [[file("a"), file("a")], [file("a"), file("a/b")], [file("a/b"), file("a")]], ids=["twice", "in", "over"]
)
def test_a_path_that_stands_twice_is_refused(ground, files):
    assert refusal(put, ground, files=files) == "path"
    assert names_in(ground.folder) == []


def test_a_whole_attempt_is_never_put_over_another(ground, tmp_path):
    put(ground, b"old", files=[file("a", 3)])

    assert refusal(put, ground, b"new", files=[file("a", 3)]) == "exists"
    assert (tmp_path / ATTEMPT / "a").read_bytes() == b"old"


def test_single_files_are_replaced_in_an_attempt_that_is_there(ground, tmp_path):
    assert refusal(put, ground, files=[file("cancel.json")], whole=False) == "missing"
    put(ground, b"old", files=[file("a", 3), file("b")])

    put(ground, b"newer{}", files=[file("a", 5), file("new/cancel.json", 2)], whole=False)

    assert (tmp_path / ATTEMPT / "a").read_bytes() == b"newer"
    assert (tmp_path / ATTEMPT / "new/cancel.json").read_bytes() == b"{}"
    assert names_in(ground.folder) == [ATTEMPT]


def test_parts_of_many_files_come_in_one_answer(ground):
    put(ground, b"0123456789", files=[file("a", 6), file("b", 4), file("empty")])
    asked = [("a", 2, 3), ("none", 0, 9), ("b", 0, 100), ("b", 4, 100), ("empty", 0, 1), ("a", 0, 0)]

    told, content = ask(
        ground,
        op="get",
        files=[{"attempt_id": ATTEMPT, "path": path, "offset": at, "limit": n} for path, at, n in asked],
    )

    assert [(one["size"], one["length"]) for one in told["files"]] == [
        (6, 3), (None, 0), (4, 4), (4, 0), (0, 0), (6, 0)
    ]  # fmt: skip
    assert content == b"2346789"


def test_more_than_fits_into_memory_is_not_read(ground):
    asked = {"attempt_id": ATTEMPT, "path": "a", "offset": 0, "limit": job_helper.GET_BYTES_MAX}

    assert refusal(ask, ground, op="get", files=[asked, asked | {"limit": 1}]) == "invalid"


def list_files(ground, *paths, files_max=100, bytes_max=1000):
    fields = {"paths": list(paths), "files_max": files_max, "bytes_max": bytes_max}
    return ask(ground, op="list", attempt_id=ATTEMPT, **fields)[0]


def test_a_listing_names_regular_files_and_what_was_skipped_and_missing(ground, tmp_path):
    put(ground, b"abc", files=[file("out/a", 1), file("out/deep/run", 2, 0o700)], folders=["out/empty"])
    out = tmp_path / ATTEMPT / "out"
    (out / "link").symlink_to("a")
    os.mkfifo(out / "pipe")
    (out / os.fsdecode(b"\xff")).touch()

    told = list_files(ground, "out", "out/a", "none", "out/link")

    assert told["files"] == [
        {"path": "out/a", "size": 1, "executable": False},
        {"path": "out/deep/run", "size": 2, "executable": True},
    ]
    assert (told["skipped"], told["missing"]) == (3, ["none", "out/link"])


@pytest.mark.parametrize("limit", [{"files_max": 1}, {"bytes_max": 2}])
def test_a_listing_beyond_its_limits_is_refused(ground, limit):
    put(ground, b"abc", files=[file("out/a", 1), file("out/b", 2)])

    assert refusal(list_files, ground, "out", **limit) == "too_much"


def test_removal_takes_what_broken_off_calls_left_and_nothing_else(ground, tmp_path):
    put(ground, files=[file("a")])
    for name in (f".fresh-{ATTEMPT}-1", ".trash-2", ".fresh-att_" + "1" * 32 + "-3", "other"):
        (tmp_path / name / "inner").mkdir(parents=True)

    assert ask(ground, op="remove", attempt_ids=[ATTEMPT, "att_" + "2" * 32])[0] == {"removed": 1}

    assert names_in(ground.folder) == [".fresh-att_" + "1" * 32 + "-3", "other"]


def test_removal_needs_no_room_on_the_disk(ground, tmp_path, monkeypatch):
    put(ground, files=[file("a/b/c")])

    def refuse(*_arguments, **_fields):
        raise OSError(errno.EDQUOT, "no room")

    monkeypatch.setattr(os, "mkdir", refuse)

    assert ask(ground, op="remove", attempt_ids=[ATTEMPT])[0] == {"removed": 1}
    assert names_in(tmp_path) == []


GOOD = ["--job-name=lilong-hub-t-att", "--time=10", "--no-requeue", "--test-only", "--export=ALL", "--output=/dev/null"]
BAD = [
    "--uid=0", "--gid=0", "--wrap=id", "--output=/etc/x", "--output=out", "--error=/root/x", "--input=/etc/shadow",
    "--chdir=/", "--chdir=/etc", "--get-user-env", "--get-user-env=10L", "--bbf=/etc/shadow", "--container=/x",
    "--burst-buffer=x", "--prolog=/x", "--clusters=other", "--array=0-9", "--begin=now", "--dependency=after:1",
    "--export=ALL,LD_PRELOAD=/x", "--export-file=/etc/shadow", "--mail-user=a@b", "--time", "--time=", "--time=1\n",
    "-o/etc/x", "-D/", "--", "/bin/sh", "", "--job-name=../x", "--ui=0", "--UID=0", "--time 1", "--no-requeue=x",
]  # fmt: skip


@pytest.mark.parametrize("option", GOOD)
def test_options_of_the_list_are_handed_on(option):
    job_helper.check_option(option, "/shared/me")


@pytest.mark.parametrize("option", [*BAD, "--output=/shared/me/../you/x", "--output=/shared/men", "--chdir=/shared/me"])
def test_other_options_are_refused(option):
    assert refusal(job_helper.check_option, option, "/shared/me") == "option"


@pytest.mark.parametrize("name", ["chdir", "output", "error", "input"])
def test_paths_of_options_lie_in_the_users_folder(name):
    job_helper.check_option(f"--{name}=/shared/me/{ATTEMPT}/log", "/shared/me")
    assert refusal(job_helper.check_option, f"--{name}=/shared/you/{ATTEMPT}/log", "/shared/me") == "option"


@pytest.mark.parametrize(
    "script",
    [
        "", "echo", "#!/bin/sh\n#SBATCH --uid=0\n", "#!/bin/sh\n#sbatch --output=/x", "#!/bin/sh\n  # SBATCH --wrap=id",
        "#!/bin/sh\n#PBS -o /x", "#!/bin/sh\n#BSUB -o /x", "#!/bin/sh\0", "#!" + "x" * 1024 * 1024,
    ],
)  # fmt: skip
def test_a_script_that_gives_options_of_its_own_is_refused(ground, script):
    assert submit(ground, {"options": [], "script": script}) == ["script"]


def test_each_job_of_a_request_is_judged_by_itself(ground):
    fine = {"options": [], "script": "#!/bin/sh\n"}

    told = submit(
        ground._replace(seconds_max=60), fine, {"options": ["--uid=0"], "script": "#!/bin/sh\n"}, {"options": []}, fine
    )

    assert told == ["program", "option", "invalid", "program"]


def test_jobs_of_one_request_have_the_time_of_one_job_together(ground):
    fine = {"options": [], "script": "#!/bin/sh\n"}

    assert submit(ground, fine, fine, fine) == ["program", "busy", "busy"]  # there is no time at all


@pytest.mark.parametrize("jobs", [None, {}, ["#!/bin/sh\n"], [{"options": [], "script": "#!/bin/sh\n"}] * 101])
def test_only_a_short_list_of_jobs_is_submitted(ground, jobs):
    assert refusal(ask, ground, op="submit", jobs=jobs) == "invalid"


@pytest.mark.parametrize("job_id", ["", "-1", "1 2", "--signal=KILL", "1;2", "1_", "1_2_3", "a", "1\n", "1" * 13])
def test_only_job_ids_are_cancelled(ground, job_id):
    assert refusal(ask, ground, op="cancel", job_ids=["1", job_id]) == "invalid"
    assert refusal(ask, ground, op="cancel", job_ids=[]) == "invalid"


def test_a_slurm_that_is_not_there_is_named(ground):
    assert submit(ground, {"options": [], "script": "#!/bin/sh\n"}) == ["program"]
    assert refusal(ask, ground, op="cancel", job_ids=["1", "2_3"]) == "program"


def test_an_alarm_is_never_taken_for_a_missing_file():
    with pytest.raises(job_helper.TimedOut):
        job_helper.stop(0, None)
    assert not issubclass(job_helper.TimedOut, (OSError, Refused))
