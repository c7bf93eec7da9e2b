"""Users of this machine that exist for one test: a cluster runs jobs as real users, and hides them from others."""

import grp
import os
import pwd
import secrets
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from tests.polling import wait_until
from tests.slurm.trees import SlurmMissing

PREFIX = "lilong-t"


@contextmanager
def temporary_users(count: int, *, group: str | None = None) -> Iterator[tuple[str, ...]]:
    """Make users without password and home folder; remove them, and end their processes, afterwards.

    group: the group that all belong to, named lilong-t…, made when it is missing; by default each has its own.
    Raises SlurmMissing unless the run is root and useradd is there.
    """
    if os.geteuid() != 0:
        raise SlurmMissing("making users needs root")
    if shutil.which("useradd") is None:
        raise SlurmMissing("useradd is missing: apt-get install passwd")
    with ExitStack() as stack:
        if group is not None:
            stack.enter_context(_group(group))
        yield tuple(stack.enter_context(_user(group=group)) for _ in range(count))


@contextmanager
def _user(*, group: str | None) -> Iterator[str]:
    name = f"{PREFIX}{secrets.token_hex(4)}"
    belongs = ["--user-group"] if group is None else ["--gid", group]
    change_users("useradd", "--no-create-home", "--home-dir", "/nonexistent", "--shell", "/bin/sh", *belongs, name)
    uid = pwd.getpwnam(name).pw_uid
    try:
        yield name
    finally:
        wait_until(lambda: not end_processes(uid), within_s=30)
        change_users("userdel", "--force", name)


@contextmanager
def _group(name: str) -> Iterator[None]:
    if not name.startswith(PREFIX):
        raise ValueError(f"{name}: a temporary group is named {PREFIX}…")
    change_users("groupadd", "--force", name)
    try:
        yield
    finally:
        with suppress(KeyError):
            gid = grp.getgrnam(name).gr_gid
            # Another run may use the same name: then the last one to leave removes it.
            if gid not in {user.pw_gid for user in pwd.getpwall()}:
                change_users("groupdel", name)


def end_processes(uid: int) -> list[int]:
    """Kill what runs as this user and return the processes that were found."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError):
            if folder.stat().st_uid == uid:
                found.append(int(folder.name))
                os.kill(found[-1], signal.SIGKILL)
    return found


def change_users(*command: str) -> None:
    """Change the machine's users; the files are locked while another run does the same, so try again then."""

    def is_done() -> bool:
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode != 0 and "cannot lock" not in done.stderr:
            raise RuntimeError(f"{' '.join(command)} failed: {done.stderr.strip()}")
        return done.returncode == 0

    wait_until(is_done, within_s=30, every_s=0.1)
