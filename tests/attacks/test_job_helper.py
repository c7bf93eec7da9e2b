"""The agent acts as members' users by one program alone, and members' traps lead that program nowhere."""

import contextlib
import os
import subprocess
import time

import pytest

from lilong.agent.engines.slurm.conversation import AttemptFolderExists, AttemptFolderMissing
from lilong.agent.engines.slurm.identity import Part, Upload, Wanted
from lilong.common.errors import EngineBusy, EngineRefused
from tests.attacks.login_node import ATTEMPTS, PYTHON
from tests.attacks.traps import TRAPS

ATTEMPT, OTHER = ATTEMPTS[:2]
SECRET = b"nobody else's"


@pytest.fixture
def ann(node):
    return node.job_user(node.ann)


def read(user, path, attempt_id=ATTEMPT):
    return user.get(wanted=[Wanted(attempt_id, path, 1_000_000)])[0]


def test_files_go_to_a_member_and_come_back(node, ann, tmp_path):
    big = tmp_path / "big"
    big.write_bytes(os.urandom(3_000_000))

    ann.put(
        attempt_id=ATTEMPT,
        uploads=[Upload("work/big", big), Upload("job.sh", b"#!/bin/sh\n", executable=True)],
        folders=["work/out"],
    )

    ground = node.ground(node.ann)
    assert ann.find_folder() == ground
    facts = [path.stat() for path in (ground, *(ground / ATTEMPT).rglob("*"))]
    assert {(one.st_mode & 0o077, one.st_uid) for one in facts} == {(0, node.home(node.ann).stat().st_uid)}
    assert ann.download(attempt_id=ATTEMPT, path="work/big", target=tmp_path / "back", bytes_max=10**9) == 3_000_000
    assert (tmp_path / "back").read_bytes() == big.read_bytes()
    found = ann.list_files(attempt_id=ATTEMPT, paths=["work", "job.sh"], files_max=9, bytes_max=10**9)
    assert [(file.path, file.executable) for file in found.files] == [("work/big", False), ("job.sh", True)]
    ann.remove(attempt_ids=[ATTEMPT, OTHER])
    assert list(ground.iterdir()) == []


def test_an_attempt_is_put_once_and_its_files_are_replaced_one_by_one(ann):
    with pytest.raises(AttemptFolderMissing):
        ann.put_files(attempt_id=ATTEMPT, uploads=[Upload("cancel.json", b"{}")])
    ann.put(attempt_id=ATTEMPT, uploads=[Upload("launch.json", b"1")])
    with pytest.raises(AttemptFolderExists):
        ann.put(attempt_id=ATTEMPT, uploads=[Upload("launch.json", b"2")])

    ann.put_files(attempt_id=ATTEMPT, uploads=[Upload("cancel.json", b"{}"), Upload("authority.json", b"[]")])

    assert [read(ann, path).content for path in ("launch.json", "cancel.json", "authority.json")] == [
        b"1",
        b"{}",
        b"[]",
    ]


def test_hundreds_of_files_come_in_one_call(ann):
    ann.put(attempt_id=ATTEMPT, uploads=[Upload(f"ranks/{n}/usage.json", b"%d" % n) for n in range(300)])
    wanted = [Wanted(ATTEMPT, f"ranks/{n}/usage.json", 65536) for n in range(300)]

    parts = ann.get(wanted=[*wanted, Wanted(OTHER, "a", 1)])

    assert parts == [*(Part(len(str(n)), b"%d" % n) for n in range(300)), None]


def test_a_file_of_the_agent_that_cannot_be_sent_leaves_nothing(node, ann, tmp_path):
    (tmp_path / "link").symlink_to("/etc/passwd")

    with pytest.raises(EngineBusy):
        ann.put(attempt_id=ATTEMPT, uploads=[Upload("a", b"1"), Upload("b", tmp_path / "link")])

    assert list(node.ground(node.ann).iterdir()) == []


@pytest.mark.parametrize("body", [b"", b"ab", b"abcd", b"abc" + b"x" * 1_000_000])
def test_a_body_of_another_size_than_announced_leaves_nothing(node, body):
    files = '[{"path": "a", "size": 1, "mode": 384}, {"path": "b", "size": 2, "mode": 384}]'
    attempts = f'[{{"attempt_id": "{ATTEMPT}", "files": {files}, "folders": []}}]'
    line = f'{{"op": "put", "attempts": {attempts}, "whole": true}}\n'

    assert node.ask_raw(node.ann, line.encode() + body)["error"] in {"short", "body"}
    assert list(node.ground(node.ann).iterdir()) == []


def test_an_agent_that_is_killed_while_it_sends_leaves_nothing(node):
    files = '[{"path": "a", "size": 9000000, "mode": 384}]'
    attempts = f'[{{"attempt_id": "{ATTEMPT}", "files": {files}, "folders": []}}]'
    line = f'{{"op": "put", "attempts": {attempts}, "whole": true}}\n'
    process = subprocess.Popen(
        [*node.become(node.agent), "sudo", "-n", "-u", node.ann, "--", node.wanted.helper],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    process.stdin.write(line.encode() + b"x" * 1_000_000)
    process.stdin.flush()
    assert list(node.ground(node.ann).iterdir())

    out, _ = process.communicate()

    assert b'"short"' in out
    assert list(node.ground(node.ann).iterdir()) == []


# --- Nothing else is run, and as nobody else --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        "-u ANN -- id", "-u ANN -- /bin/sh", "-u ANN -- cat HELPER", "-u ANN -- PYTHON HELPER", "-u ANN -- HELPER x",
        "-u ANN -- HELPER -c id", "-u ANN -- HELPER ''", "-u root -- HELPER", "-u #0 -- HELPER", "-- HELPER",
        "-u OUT -- HELPER", "-u AGENT -- HELPER", "-u ANN -g root -- HELPER", "-g root -- HELPER", "-u ANN -s",
        "-u ANN -i", "-u ANN -e /etc/passwd", "-u ANN SLURM_CONF=/tmp/x -- HELPER", "-u ANN -E -- HELPER",
        "-u ANN -D /etc -- HELPER", "-u ANN -R / -- HELPER", "-u ANN -- HELPER/../job-helper", "-u #UID -- /usr/bin/id",
    ],
)  # fmt: skip
def test_the_agent_may_run_nothing_else_and_as_nobody_else(node, words):
    names = {"ANN": node.ann, "OUT": node.outsider, "AGENT": node.agent, "HELPER": str(node.wanted.helper)}
    names |= {"PYTHON": PYTHON, "''": "", "UID": str(node.home(node.ann).stat().st_uid)}
    for name, value in names.items():
        words = words.replace(name, value)
    command = ["sudo", "-n", *(word for word in words.split(" "))]

    done = node.act(node.agent, *command, given=b'{"op": "describe"}\n')

    assert done.returncode == 1
    assert done.stdout == b""
    assert b"sudo" in done.stderr or b"sorry" in done.stderr.lower()


def test_what_the_agent_may_it_does_as_the_member(node):
    done = node.ask_raw(node.ann, b'{"op": "describe"}\n')

    assert (done["user"], done["folder"]) == (node.ann, str(node.ground(node.ann)))


def test_members_and_others_may_not_use_the_helper_of_another(node):
    for user in (node.ann, node.outsider):
        done = node.act(user, "sudo", "-n", "-u", node.bob, "--", node.wanted.helper, given=b'{"op": "describe"}\n')

        assert (done.returncode, done.stdout) == (1, b"")


def test_a_user_outside_of_the_group_is_refused_with_sudos_reason(node):
    with pytest.raises(EngineRefused, match="sudo does not let the agent act"):
        node.job_user(node.outsider).find_folder()


def test_the_helper_itself_refuses_root_and_arguments(node):
    for command in ([node.wanted.helper], [*node.become(node.ann), node.wanted.helper, "x"]):
        done = subprocess.run(command, check=True, capture_output=True, input=b'{"op": "describe"}\n')

        assert b'"root"' in done.stdout or b'"arguments"' in done.stdout


@pytest.mark.parametrize("name", ["helper", "module", "settings", "folder", "shared"])
def test_what_others_than_root_can_change_is_not_trusted(node, ann, name):
    paths = {
        "helper": node.wanted.helper,
        "module": node.wanted.helper.with_name("hostile_folder.py"),
        "settings": node.wanted.settings,
        "folder": node.wanted.settings.parent,
        "shared": node.wanted.shared_folder,
    }
    before = paths[name].stat().st_mode
    paths[name].chmod(0o777)

    with pytest.raises(EngineRefused, match="can be changed by others than root"):
        ann.find_folder()

    paths[name].chmod(before)
    assert ann.find_folder()


def test_the_callers_surroundings_reach_nothing(node, ann):
    ann.cancel(job_ids=["1"])

    lines = (node.home(node.ann) / "scancel.surroundings").read_text().splitlines()
    names = {line.partition("=")[0] for line in lines[3:]}
    assert lines[:3] == [node.ann, "0077", str(node.ground(node.ann))]
    assert names - {"PWD", "OLDPWD", "SHLVL", "_"} == {
        "HOME", "LANG", "LOGNAME", "PATH", "SLURM_CONF", "SLURM_TIME_FORMAT", "TZ", "USER"
    }  # fmt: skip


# --- A member's folder full of traps ----------------------------------------------------------------------------------


@pytest.fixture(params=TRAPS, ids=lambda trap: trap.__name__)
def trap(request, node):
    """Set a trap in an attempt of ann; return the path that leads out, and the files that it leads to."""
    uid, attempt = node.ground(node.ann).stat().st_uid, node.ground(node.ann) / ATTEMPT
    hidden, own = node.ground(node.bob) / OTHER / "work", node.home(node.ann) / "precious"
    for folder in (hidden, own):
        folder.mkdir(parents=True)
        (folder / "a").write_bytes(SECRET)
        (folder / "a").chmod(0o644)
    (attempt / "work").mkdir(parents=True)
    for path in (own, own / "a"):
        os.chown(path, uid, -1)
    leads_out = request.param(attempt, hidden, own)
    for path in [attempt, *attempt.rglob("*")]:
        if not path.is_file() or path.is_symlink():
            os.chown(path, uid, -1, follow_symlinks=False)
    return leads_out, [hidden / "a", *node.home(node.ann).rglob("a")]


def test_a_trap_in_a_members_folder_leads_nowhere(node, ann, trap):
    leads_out, hidden = trap
    if leads_out is not None:
        assert (node.ground(node.ann) / ATTEMPT / leads_out).read_bytes()  # as root, by its name

    paths = ["work/out", "work/out/a", "work/a", "work/precious/a"]
    assert [read(ann, path) for path in paths] == [None] * 4
    found = ann.list_files(attempt_id=ATTEMPT, paths=["work/out", "work"], files_max=100, bytes_max=10**6)
    assert found.files == ()
    with pytest.raises(EngineRefused):
        ann.put_files(attempt_id=ATTEMPT, uploads=[Upload("work/out/b", b"x")])
    ann.remove(attempt_ids=[ATTEMPT])

    assert list(node.ground(node.ann).iterdir()) == []
    assert [path.read_bytes() for path in hidden] == [SECRET] * 2
    assert not [path for path in hidden if path.with_name("b").exists()]


SWAP = """
import contextlib, os, shutil, sys
os.chdir(sys.argv[1])
while True:
    with contextlib.suppress(OSError):
        os.mkdir("out"); open("out/a", "w").write("mine")
    shutil.rmtree("out", ignore_errors=True)
    with contextlib.suppress(OSError):
        os.symlink(sys.argv[2], "out")
    with contextlib.suppress(OSError):
        os.unlink("out")
"""


def test_a_member_who_swaps_folders_for_links_all_the_time_gains_nothing(node, ann):
    ann.put(attempt_id=ATTEMPT, uploads=[], folders=["work"])
    precious = node.home(node.ann) / "precious"
    precious.mkdir()
    (precious / "a").write_bytes(SECRET)
    for path in (precious, precious / "a"):
        os.chown(path, node.ground(node.ann).stat().st_uid, -1)
    work = node.ground(node.ann) / ATTEMPT / "work"
    swapping = subprocess.Popen([*node.become(node.ann), PYTHON, "-c", SWAP, work, precious])
    deadline_s = time.monotonic() + 8
    answers: set[bytes | None] = set()
    while time.monotonic() < deadline_s or not {None, b"mine"} <= answers:
        parts = ann.get(wanted=[Wanted(ATTEMPT, "work/out/a", 100)] * 500)
        answers |= {part and part.content for part in parts}
        with contextlib.suppress(EngineRefused, EngineBusy):
            ann.put_files(attempt_id=ATTEMPT, uploads=[Upload(f"work/out/{n}", b"x") for n in range(50)])
    with contextlib.suppress(EngineBusy):
        ann.remove(attempt_ids=[ATTEMPT])
    swapping.kill()
    swapping.wait()
    ann.remove(attempt_ids=[ATTEMPT])

    assert SECRET not in answers
    assert [path.name for path in precious.iterdir()] == ["a"]
    assert list(node.ground(node.ann).iterdir()) == []


NEST = """
import os, sys
os.chdir(sys.argv[1])
for _ in range(int(sys.argv[2])):
    os.mkdir("d"); open("f", "w"); os.chmod("f", 0); os.chdir("d")
for _ in range(int(sys.argv[2])):
    os.chdir(".."); os.chmod("d", 0o500 if _ % 2 else 0)
"""


def test_folders_beyond_all_depth_and_without_permission_are_deleted(node, ann):
    ann.put(attempt_id=ATTEMPT, uploads=[], folders=["work"])
    done = node.act(node.ann, PYTHON, "-c", NEST, node.ground(node.ann) / ATTEMPT / "work", 3000)
    assert done.returncode == 0, done.stderr
    found = ann.list_files(attempt_id=ATTEMPT, paths=["work"], files_max=100, bytes_max=10**6)
    assert found.files == ()

    ann.remove(attempt_ids=[ATTEMPT])

    assert list(node.ground(node.ann).iterdir()) == []
