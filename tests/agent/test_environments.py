"""Package environments are built from locks alone, once, and say why when they cannot be."""

import base64
import hashlib
import threading
import zipfile
from pathlib import Path

import pytest

from lilong.agent.environments import EnvironmentFailed, EnvironmentStore, ProfileUnusable, read_profile
from lilong.agent.settings import PackageSettings
from lilong.common.canonical import sha256_hex
from lilong.protocol.messages import EnvironmentLock

PYTHON = Path("/usr/bin/python3")


def make_wheel(folder, *, name="lilongtest", files=None):
    """Write a wheel of one module and return its line of a lock."""
    wheel = folder / f"{name}-1.0-py3-none-any.whl"
    info = f"{name}-1.0.dist-info"
    contents = {
        f"{name}.py": b"VALUE = 42\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[console_scripts]\n{name}-say = {name}:say\n".encode(),
        **(files or {}),
    }
    digests = {path: hashlib.sha256(content).digest() for path, content in contents.items()}
    lines = [
        f"{path},sha256={base64.urlsafe_b64encode(digest).decode().rstrip('=')},{len(contents[path])}"
        for path, digest in digests.items()
    ]
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, content in contents.items():
            archive.writestr(path, content)
        archive.writestr(f"{info}/RECORD", "\n".join([*lines, f"{info}/RECORD,,"]))
    return f"{name}==1.0 --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n"


@pytest.fixture
def base():
    return read_profile(name="python3", interpreter=PYTHON, for_other_users=False)


@pytest.fixture
def wheels(tmp_path):
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    return wheels


@pytest.fixture
def store(tmp_path, base, wheels, monkeypatch):
    monkeypatch.setenv("UV_OFFLINE", "1")
    packages = PackageSettings(find_links=(str(wheels),))
    return EnvironmentStore(folder=tmp_path / "环境 of agent", profiles={"python3": base}, packages=packages)


def make_lock(base, text="", **fields):
    here = base.profile
    said = {"profile": "python3", "python_version": here.python_version, "platform": here.platform, "lock": text}
    said |= fields
    names = ("profile", "python_version", "platform", "lock")
    digest = sha256_hex("".join(f"{said[name]}\n" for name in names).encode())
    return EnvironmentLock(**{"digest": digest} | said)


def test_a_lock_becomes_a_folder_that_others_may_read_and_that_moves(store, base, wheels, tmp_path):
    folder = store.build(make_lock(base, make_wheel(wheels)))

    module = next(folder.glob("lib/python*/site-packages/lilongtest.py"))
    assert module.read_text() == "VALUE = 42\n"
    assert list(module.parent.glob("__pycache__/lilongtest.*.pyc"))
    assert module.stat().st_mode & 0o004
    assert folder.stat().st_mode & 0o005 == 0o005
    assert str(tmp_path) not in (folder / "bin/lilongtest-say").read_text()


def test_an_empty_lock_is_an_environment_with_a_python(store, base):
    assert (store.build(make_lock(base)) / "bin/python").exists()


def test_no_code_of_a_package_runs_while_it_is_installed(store, base, wheels, tmp_path):
    mark = tmp_path / "mark"
    trap = f"import pathlib; pathlib.Path({str(mark)!r}).touch()\n".encode()
    line = make_wheel(wheels, files={"lilongtest.pth": trap, "sitecustomize.py": trap})

    store.build(make_lock(base, line))

    assert not mark.exists()


def test_one_digest_is_built_once_however_many_ask(store, base, wheels):
    lock = make_lock(base, make_wheel(wheels))
    folders = []
    threads = [threading.Thread(target=lambda: folders.append(store.build(lock))) for _ in range(4)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(folders) == 4
    assert len({(folder, (folder / "pyvenv.cfg").stat().st_ino) for folder in folders}) == 1


def test_what_a_killed_build_left_does_not_count(store, base, wheels):
    lock = make_lock(base, make_wheel(wheels))
    torn = store.find(lock.digest).with_name(f".fresh-{lock.digest}")
    (torn / "lib").mkdir(parents=True)

    folder = store.build(lock)

    assert list(folder.glob("lib/python*/site-packages/lilongtest.py"))
    assert not torn.exists()


@pytest.mark.parametrize("damage", ["other_hash", "no_hash", "no_wheel", "source_only"])
def test_what_does_not_match_its_hash_is_not_installed_and_the_reason_is_uvs(store, base, wheels, damage):
    line = make_wheel(wheels)
    if damage == "other_hash":
        line = line[:-10] + "0000000000"[: len(line[-10:]) - 1] + "\n"
    elif damage == "no_hash":
        line = "lilongtest==1.0\n"
    elif damage == "no_wheel":
        line = line.replace("lilongtest", "lilongother")
    else:
        next(wheels.glob("*.whl")).rename(wheels / "lilongtest-1.0.tar.gz")
    lock = make_lock(base, line)

    with pytest.raises(EnvironmentFailed) as caught:
        store.build(lock)

    assert "lilong" in caught.value.detail
    assert not store.find(lock.digest).exists()


@pytest.mark.parametrize(
    "fields", [{"digest": "0" * 64}, {"python_version": "3.0.0"}, {"platform": "mars"}, {"profile": "none"}]
)
def test_a_lock_for_something_else_is_refused(store, base, fields):
    with pytest.raises(EnvironmentFailed):
        store.build(make_lock(base, **fields))


def test_the_environments_used_longest_ago_go_first_but_none_in_use(store, base, wheels):
    lines = [make_wheel(wheels, name=f"lilongtest{letter}") for letter in "abc"]
    first, second, third = (store.build(make_lock(base, line)) for line in lines)

    store.clean(keep=1, in_use=[first])

    assert first.exists()
    assert not second.exists()
    assert third.exists()


def test_an_interpreter_that_jobs_may_not_read_is_refused_with_the_fix(tmp_path):
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    interpreter = private / "python3"
    interpreter.symlink_to(PYTHON)
    copy = private / "copy"
    copy.write_text(f'#!/bin/sh\nexec {PYTHON} "$@"\n')
    copy.chmod(0o755)

    assert read_profile(name="x", interpreter=interpreter, for_other_users=True).profile.name == "x"
    with pytest.raises(ProfileUnusable, match="other users") as caught:
        read_profile(name="x", interpreter=copy, for_other_users=True)
    assert "agent.toml" in caught.value.next_step


def test_a_missing_interpreter_is_refused(tmp_path):
    with pytest.raises(ProfileUnusable):
        read_profile(name="x", interpreter=tmp_path / "none", for_other_users=False)
