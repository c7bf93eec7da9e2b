"""Install the helper for a Slurm pool, as root: its two files, its settings, the users' folders, a line of sudoers.

Everything is planned first, so that nothing is written when something does not fit, and can be looked at; doing it
again changes only what differs. The line of sudoers comes last, when what it names is there.
"""

import grp
import json
import os
import pwd
import re
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lilong.agent.engines.slurm import hostile_folder
from lilong.agent.engines.slurm.assignment import is_user_name
from lilong.agent.engines.slurm.layout import HELPER_S_MAX
from lilong.common.errors import InputInvalid, NotAllowed
from lilong.common.files import write_durably

PYTHON = Path("/usr/bin/python3")
HELPER = Path("/usr/local/libexec/lilong/job-helper")
HELPER_SETTINGS = Path("/etc/lilong/job-helper.json")
SUDOERS = Path("/etc/sudoers.d/lilong-agent")
_ROOT = 0
_SUDOERS_MODE = 0o440
_PLAIN_PATH = re.compile(r"/[A-Za-z0-9/._+-]{1,90}")  # needs no quoting in sudoers, and fits a first line of a script
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")
_SOURCES = Path(__file__).parent
_MODULE = "hostile_folder.py"


class HelperUnfit(InputInvalid):
    """Users, folders or programs are not such that the helper would keep members apart. Nothing was written."""

    code = "agent.helper_unfit"
    title = "The helper cannot be installed like this"
    next_step = "Correct what is named here and run the command again."


class RootNeeded(NotAllowed):
    """Only what root alone can change may be run as other users."""

    code = "agent.root_needed"
    title = "Only root can install the helper"
    next_step = "Run it again with sudo; --dry-run shows what it would do."


@dataclass(frozen=True, slots=True)
class Installation:
    """What is installed where. helper: the program; beside it stands the module that it uses.

    shared_folder: on all nodes under the same path; slurm_conf: where the cluster's is not where Slurm looks first.
    """

    agent_user: str
    group: str
    shared_folder: Path
    bin_folder: Path = Path("/usr/bin")
    slurm_conf: Path | None = None
    python: Path = PYTHON
    helper: Path = HELPER
    settings: Path = HELPER_SETTINGS
    sudoers: Path = SUDOERS


@dataclass(frozen=True, slots=True)
class Step:
    """One folder (content None) or file that shall be there. keep: a folder that is there stays as it is."""

    path: Path
    mode: int
    uid: int
    gid: int
    content: bytes | None = None
    keep: bool = False

    def is_done(self) -> bool:
        """Return whether it is there exactly so."""
        try:
            facts = self.path.lstat()
        except FileNotFoundError:
            return False
        if self.keep:
            return True
        is_same = (stat.S_IMODE(facts.st_mode), facts.st_uid, facts.st_gid) == (self.mode, self.uid, self.gid)
        return is_same and (self.content is None or self.path.read_bytes() == self.content)


def plan_installation(*, wanted: Installation) -> tuple[Step, ...]:
    """Return all that root has to make, in order; raises HelperUnfit, also for users who could not be kept apart."""
    for name in (wanted.agent_user, wanted.group):
        if not _PLAIN_NAME.fullmatch(name):
            raise HelperUnfit(detail=f"{name[:80]!r} is no name that sudoers takes as it is.")
    members = _list_members(wanted)
    shared = wanted.shared_folder
    _check_shared_folder(shared)
    steps = [*_plan_files(wanted, uid=_ROOT, gid=_ROOT), Step(shared, 0o711, _ROOT, _ROOT, keep=True)]
    for member in members:
        folder = shared / member.pw_name
        with suppress(FileNotFoundError):
            facts = folder.lstat()
            if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != member.pw_uid:
                raise HelperUnfit(detail=f"{folder} is there, but is no folder of {member.pw_name}.")
        steps.append(Step(folder, 0o700, member.pw_uid, member.pw_gid))
    return (*steps, Step(wanted.sudoers, _SUDOERS_MODE, _ROOT, _ROOT, content=_build_sudoers(wanted)))


def plan_for_one_user(*, wanted: Installation) -> tuple[Step, ...]:
    """Return the same for a pool whose jobs all run as the user who runs this: no root, no sudoers, no separation."""
    if os.geteuid() == _ROOT:
        raise HelperUnfit(detail="No job runs as root: install the helper for one user as that user.")
    uid, gid = os.geteuid(), os.getegid()
    return (*_plan_files(wanted, uid=uid, gid=gid), Step(wanted.shared_folder, 0o711, uid, gid, keep=True))


def install(*, steps: tuple[Step, ...]) -> list[Path]:
    """Do what is not done yet and return its paths. Lines of sudoers are validated before anything is written."""
    for step in steps:
        if step.uid != os.geteuid() and os.geteuid() != _ROOT:
            raise RootNeeded(detail=f"{step.path} has to belong to another user.")
        if step.content is not None and step.mode == _SUDOERS_MODE:
            _validate_sudoers(step.content)
    return [step.path for step in steps if not step.is_done() and _make(step)]


def _make(step: Step) -> bool:
    if step.content is None:
        with suppress(FileExistsError):
            step.path.mkdir(mode=0o700)
    else:
        write_durably(path=step.path, content=step.content, mode=0o400)
    os.chown(step.path, step.uid, step.gid, follow_symlinks=False)
    step.path.chmod(step.mode)
    return True


def _plan_files(wanted: Installation, *, uid: int, gid: int) -> Iterator[Step]:
    paths = [wanted.helper, wanted.settings, wanted.sudoers, wanted.shared_folder, wanted.bin_folder, wanted.python]
    for path in [*paths, wanted.slurm_conf] if wanted.slurm_conf else paths:
        if not _PLAIN_PATH.fullmatch(str(path)) or ".." in path.parts:
            raise HelperUnfit(detail=f"{path} is no absolute path of at most 90 plain letters, digits and ._+-")
    if "." in wanted.sudoers.name or wanted.sudoers.name.endswith("~"):
        raise HelperUnfit(detail=f"{wanted.sudoers}: sudo reads no file with a dot in its name.")
    for program in (wanted.bin_folder / "sbatch", wanted.bin_folder / "scancel", wanted.python):
        if not os.access(program, os.X_OK):
            raise HelperUnfit(detail=f"{program} is no program.")
    _check_python(wanted.python, uid=uid)
    for path in dict.fromkeys([*_list_missing(wanted.helper.parent, uid), *_list_missing(wanted.settings.parent, uid)]):
        yield Step(path, 0o755, uid, gid)
    environment = {"TZ": "UTC", "SLURM_TIME_FORMAT": "%s"}  # so that times in answers mean one thing
    if wanted.slurm_conf is not None:
        environment["SLURM_CONF"] = str(wanted.slurm_conf)
    settings = {
        "shared_folder": str(wanted.shared_folder),
        "bin": str(wanted.bin_folder),
        "environment": environment,
        "seconds_max": HELPER_S_MAX,
    }
    module = (_SOURCES / _MODULE).read_bytes()
    yield Step(wanted.helper.with_name(_MODULE), 0o644, uid, gid, content=module)
    yield Step(wanted.helper, 0o755, uid, gid, content=_build_helper(wanted, single_user=uid))
    yield Step(wanted.settings, 0o644, uid, gid, content=json.dumps(settings, indent=2).encode() + b"\n")


def _list_missing(folder: Path, uid: int) -> list[Path]:
    """Return the folders to make, outermost first, after checking that nobody else decides what lies in them."""
    missing: list[Path] = []
    wanted = folder
    while not folder.exists():
        missing.insert(0, folder)
        folder = folder.parent
    _check_owners(folder, uid=uid)
    if not os.access(folder, os.W_OK) and uid != _ROOT:
        raise HelperUnfit(detail=f"{wanted} is not yours to write in: name --helper and --settings below your home.")
    return missing


def _check_owners(path: Path, *, uid: int) -> None:
    try:
        hostile_folder.check_owners(str(path), {_ROOT, uid})
    except hostile_folder.Refused as refused:
        raise HelperUnfit(detail=f"{refused.detail} Who can change it could act as every member.") from None


def _check_python(python: Path, *, uid: int) -> None:
    _check_owners(python, uid=uid)
    test = [str(python), "-I", "-S", "-c", "import sys; sys.exit(sys.version_info < (3, 6))"]
    if subprocess.run(test, check=False, capture_output=True, stdin=subprocess.DEVNULL).returncode:
        raise HelperUnfit(detail=f"{python} is no Python of version 3.6 or newer.")


def _build_helper(wanted: Installation, *, single_user: int) -> bytes:
    text = (_SOURCES / "job_helper.py").read_text(encoding="utf-8")
    for name, value in (("SETTINGS", json.dumps(str(wanted.settings))), ("SINGLE_USER", str(single_user))):
        line = re.compile(rf"^{name} = .*$", re.MULTILINE)
        text = line.sub(f"{name} = {value}", text, count=1)
    return f"#!{wanted.python} -IS\n{text}".encode()


def _build_sudoers(wanted: Installation) -> bytes:
    return (
        f"# Written by `lilong agent install-helper`: the agent acts as members of one group, by one program alone.\n"
        f"Defaults!{wanted.helper} env_reset, use_pty, !requiretty, !log_input, !log_output\n"
        f'{wanted.agent_user} ALL=(%{wanted.group}) NOPASSWD: NOSETENV: {wanted.helper} ""\n'
    ).encode()


def _validate_sudoers(content: bytes) -> None:
    visudo = shutil.which("visudo", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if visudo is None:
        raise HelperUnfit(detail="There is no visudo here: install sudo.")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sudoers"
        path.write_bytes(content)
        done = subprocess.run(
            [visudo, "-cf", str(path)], check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL
        )
    if done.returncode:
        raise HelperUnfit(detail=f"visudo refuses the line for sudoers: {(done.stderr or done.stdout).strip()[:500]}")


def _list_members(wanted: Installation) -> list[pwd.struct_passwd]:
    """Return the users of the group by name; raises HelperUnfit when one of them may not run jobs of others."""
    try:
        agent, group = pwd.getpwnam(wanted.agent_user), grp.getgrnam(wanted.group)
        names = {*group.gr_mem, *(user.pw_name for user in pwd.getpwall() if user.pw_gid == group.gr_gid)}
        members = [pwd.getpwnam(name) for name in sorted(names)]
    except KeyError as error:
        raise HelperUnfit(detail=f"{error.args[0]}: make the user or group first.") from None
    uids: dict[int, str] = {_ROOT: "root", agent.pw_uid: agent.pw_name}
    if agent.pw_uid == _ROOT:
        raise HelperUnfit(detail="The agent never runs as root: give it a user of its own.")
    for member in members:
        if member.pw_uid in uids or not is_user_name(member.pw_name):
            other = uids.get(member.pw_uid, "nobody else")
            raise HelperUnfit(
                detail=f"{member.pw_name!r} of group {wanted.group} is the same user as {other}, or has no plain name: "
                "take it out of the group."
            )
        uids[member.pw_uid] = member.pw_name
    return members


def _check_shared_folder(folder: Path) -> None:
    if not folder.exists():
        if not folder.parent.is_dir():
            raise HelperUnfit(detail=f"{folder.parent} is no folder.")
        return
    facts = folder.lstat()
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != _ROOT or facts.st_mode & 0o022 or not facts.st_mode & 0o001:
        raise HelperUnfit(detail=f"{folder} has to be a folder of root with mode 0711, and is not.")
