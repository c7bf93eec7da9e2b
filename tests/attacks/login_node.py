"""A login node as a provider sets it up: real users, real sudo, the installed helper, and a folder for all attempts.

Only sbatch and scancel are small scripts at the end of the pipe: they write down who called them, and with what.
"""

import contextlib
import grp
import json
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from lilong.agent.engines.slurm.identity import JobUser
from lilong.agent.engines.slurm.install import Installation, install, plan_installation
from tests.polling import wait_until

ATTACK = Path(__file__).with_name("attack.py")
ATTEMPTS = [f"att_{number:032x}" for number in range(1, 10)]
PYTHON = "/usr/bin/python3"
PROGRAM = """#!/bin/sh
# {name}: the other end of the pipe
{{ id -un; umask; pwd; env | sort; }} > "$HOME/{name}.surroundings"
printf '%s\\n' "$@" > "$HOME/{name}.arguments"
cat > "$HOME/{name}.given"
[ ! -e "$HOME/{name}.acts" ] || . "$HOME/{name}.acts"
echo 4711
"""


def find_reason_without():
    """Return what is missing for users and sudo to be real here; empty when nothing is."""
    if os.geteuid() != 0:
        return "users can be made by root alone"
    missing = [name for name in ("sudo", "visudo", "useradd", "setpriv") if shutil.which(name) is None]
    return f"without {', '.join(missing)} there are no users to keep apart" if missing else ""


class LoginNode:
    """The agent's user, members' users in one group, one user outside of it; all are gone after `close`."""

    def __init__(self):
        self.prefix = f"lilong-t{os.getpid()}"
        self.folder = Path(tempfile.mkdtemp(prefix=f"{self.prefix}-", dir="/var/tmp"))
        self.folder.chmod(0o755)
        self.group = f"{self.prefix}-members"
        run("groupadd", "--system", self.group)
        self.agent = self.add_user("agent", group=None)
        self.ann, self.bob = self.add_user("ann"), self.add_user("bob")
        self.outsider = self.add_user("out", group=None)
        bin_folder = self.folder / "bin"
        bin_folder.mkdir()
        for name in ("sbatch", "scancel"):
            (bin_folder / name).write_text(PROGRAM.format(name=name))
            (bin_folder / name).chmod(0o755)
        self.attack_script = self.folder / "attack.py"
        shutil.copy(ATTACK, self.attack_script)
        self.wanted = Installation(
            agent_user=self.agent,
            group=self.group,
            shared_folder=self.folder / "jobs",
            bin_folder=bin_folder,
            slurm_conf=self.folder / "slurm.conf",
            helper=self.folder / "libexec/job-helper",
            settings=self.folder / "etc/job-helper.json",
            sudoers=Path("/etc/sudoers.d") / self.prefix,
        )
        install(steps=plan_installation(wanted=self.wanted))
        self.sudo = self.folder / "sudo-as-agent"
        self.sudo.write_text(f'#!/bin/sh\nexec {" ".join(self.become(self.agent))} sudo "$@"\n')
        self.sudo.chmod(0o755)

    def add_user(self, name, *, group=""):
        user = f"{self.prefix}-{name}"
        home = self.folder / f"home-{name}"
        groups = ["--groups", self.group if group == "" else group] if group is not None else []
        run("useradd", "--system", "--home-dir", str(home), "--shell", "/usr/sbin/nologin", *groups, user)
        home.mkdir(mode=0o700)
        shutil.chown(home, user)
        return user

    def become(self, user):
        entry = pwd.getpwnam(user)
        groups = [str(entry.pw_gid), *(str(group.gr_gid) for group in grp.getgrall() if user in group.gr_mem)]
        return ["setpriv", f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", f"--groups={','.join(groups)}"]

    def job_user(self, user, *, helper=None, python=Path(PYTHON), sudo=None, wait_s=60):
        """Return the user as the agent reaches it: this process is root, so sudo itself is started by the agent's."""
        helper, sudo = helper or self.wanted.helper, sudo or str(self.sudo)
        return JobUser(user=user, agent_user=self.agent, helper=helper, python=python, sudo=sudo, wait_s=wait_s)

    def act(self, user, *command, given=b""):
        """Run a command as this user, as its jobs could."""
        return subprocess.run(
            [*self.become(user), *map(str, command)], check=False, capture_output=True, input=given, cwd="/"
        )

    def attack(self, user, *arguments):
        """Run an attack as this user; return what came of it."""
        return self.act(user, PYTHON, self.attack_script, *arguments).stdout.decode().strip()

    def ask_raw(self, user, content):
        """Send bytes to the helper as the agent does, and return the line of its answer."""
        done = self.act(self.agent, "sudo", "-n", "-u", user, "--", self.wanted.helper, given=content)
        return json.loads(done.stdout.partition(b"\n")[0])

    def ground(self, user):
        return self.wanted.shared_folder / user

    def home(self, user):
        return Path(pwd.getpwnam(user).pw_dir)

    def set_limit(self, seconds):
        """Rewrite the helper's settings, as root may."""
        settings = json.loads(self.wanted.settings.read_text())
        self.wanted.settings.write_text(json.dumps(settings | {"seconds_max": seconds}))

    def list_pids(self, *users):
        uids = {pwd.getpwnam(user).pw_uid for user in users}
        found = []
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if entry.name.isdigit() and entry.stat().st_uid in uids:
                    found.append(int(entry.name))
        return found

    def end_all(self, *users):
        """Kill every process of these users."""

        def is_quiet():
            pids = self.list_pids(*users)
            for pid in pids:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            return not pids

        wait_until(is_quiet, within_s=20)

    def close(self):
        users = [user.pw_name for user in pwd.getpwall() if user.pw_name.startswith(f"{self.prefix}-")]
        self.end_all(*users)
        self.wanted.sudoers.unlink(missing_ok=True)
        run("rm", "-rf", str(self.folder))
        for user in users:
            run("userdel", user)
        run("groupdel", self.group)


def run(*command):
    subprocess.run(command, check=True, capture_output=True)
