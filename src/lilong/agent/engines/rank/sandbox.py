"""Build the commands that start a rank, in its sandbox or bare. Pure: paths and facts in, arguments out.

As root the agent's own folders may be closed to the job's user. So the folders that the job needs are first bound under
`STAGE` in a private mount namespace, then the user is dropped, and only then bubblewrap builds the sandbox from there.
"""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lilong.protocol.spec import Network

STAGE = "/mnt"
OPTIONS_FD, SECCOMP_FD, MARKER_FD = 7, 8, 9  # reserved in supervise.py
INNER_ID = 1000
SHELL_DEPTH_SANDBOXED, SHELL_DEPTH_BARE = 2, 0

WORK, HOME, TMP = "/work", "/home/job", "/tmp"  # noqa: S108 - the job's own /tmp, inside its sandbox
ENVIRONMENT, SECRETS, RENDEZVOUS, GIVEN = "/opt/environment", "/run/secrets", "/run/rendezvous", "/run/lilong"

# `_signal` is what `signal` wraps in enumerations, which take a third of the time until the job runs.
_NOTICE_TERM = (
    "import _signal, os, sys; _signal.signal(_signal.SIGTERM, _signal.SIG_DFL); os.execvp(sys.argv[1], sys.argv[1:])"
)
_ETC = ("/etc/ld.so.cache", "/etc/alternatives", "/etc/localtime", "/etc/ssl", "/etc/mime.types")
_ETC_NETWORK = ("/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/services")


@dataclass(frozen=True, slots=True)
class Folders:
    """The folders of one rank on this machine; `given` holds job.sh, passwd and group and is read-only for the job."""

    work: Path
    home: Path
    tmp: Path
    rendezvous: Path
    given: Path
    environment: Path
    secrets: Path | None

    def by_name(self) -> dict[str, Path]:
        """Return the folders that exist, by name."""
        named = {
            "work": self.work,
            "home": self.home,
            "tmp": self.tmp,
            "rendezvous": self.rendezvous,
            "given": self.given,
            "environment": self.environment,
        }
        return named if self.secrets is None else named | {"secrets": self.secrets}


@dataclass(frozen=True, slots=True)
class System:
    """What of the host a sandbox shows, read-only: folders, and links such as ("usr/bin", "/bin")."""

    folders: tuple[str, ...]
    links: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Accelerators:
    """What a sandbox shows to a job that Slurm gives accelerators to, beside the devices that it gives.

    gres: the resource that Slurm counts them as. slurmd: the program on the node that tells their files. common: what
    all of them share; optional: the same, where there are any; read_only: files and folders of the driver.
    """

    gres: str
    slurmd: str
    common: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    read_only: tuple[str, ...] = ()


def build_script(*, command: str, stop_signal: str, devices: str = "") -> str:
    r"""Return job.sh: it marks the start, outlives the stop signal, and leaves with the command's exit code.

    The trap keeps the shell until the command, which gets the signal too, has written its checkpoint and ended.
    devices: a file of variables that say which accelerators the job was given, read before it starts.

    >>> build_script(command="python train.py", stop_signal="TERM").splitlines()[-1]
    'python train.py'
    """
    mark = f'cd "$LILONG_WORK_DIR" || exit\nprintf r >&{MARKER_FD}; exec {MARKER_FD}>&-\n'
    trap = f"trap : {shlex.quote(stop_signal)}\n" if stop_signal != "KILL" else ""
    read = f". {shlex.quote(devices)}\n" if devices else ""
    return mark + trap + read + command + "\n"


def build_variables(
    *,
    variables: Mapping[str, str],
    places: Mapping[str, str],
    cores: int,
    rank: int,
    nodes: int,
    ids: Mapping[str, str],
    checkpoint: str,
) -> dict[str, str]:
    """Return the job's whole environment. `places` tells where work, home, tmp, environment… are for the job.

    The member's variables win over the defaults, ours (LILONG_…) over all; secrets come as files, never here.
    """
    threads = str(cores)
    defaults = {
        "PATH": f"{places['environment']}/bin:/usr/local/bin:/usr/bin:/bin",
        "VIRTUAL_ENV": places["environment"],
        "HOME": places["home"],
        "TMPDIR": places["tmp"],
        "USER": "job",
        "LOGNAME": "job",
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        "OMP_NUM_THREADS": threads,
        "OPENBLAS_NUM_THREADS": threads,
        "MKL_NUM_THREADS": threads,
    }
    ours = {
        "LILONG_RANK": str(rank),
        "LILONG_NODES": str(nodes),
        "LILONG_WORK_DIR": places["work"],
        "LILONG_RENDEZVOUS_DIR": places["rendezvous"],
        "LILONG_CHECKPOINT_DIR": f"{places['work']}/{checkpoint}" if checkpoint else "",
        "LILONG_SECRETS_DIR": places.get("secrets", ""),
        **ids,
    }
    return {**defaults, **variables, **{name: value for name, value in ours.items() if value}}


def inner_places(*, folders: Folders) -> dict[str, str]:
    """Return where a sandboxed job finds its folders: short paths, the same everywhere."""
    places = {
        "work": WORK,
        "home": HOME,
        "tmp": TMP,
        "rendezvous": RENDEZVOUS,
        "given": GIVEN,
        "environment": ENVIRONMENT,
        "secrets": SECRETS,
    }
    return {name: places[name] for name in folders.by_name()}


def build_options(
    *,
    sources: Mapping[str, str],
    places: Mapping[str, str],
    system: System,
    variables: Mapping[str, str],
    network: Network,
    shared_memory_bytes: int,
    hostname: str,
) -> list[str]:
    """Return bubblewrap's options, to be handed over by descriptor so that no process list shows them.

    The shim adds the devices of accelerators, which only the node knows.
    """
    options = ["--unshare-user", "--unshare-all", "--disable-userns", "--uid", str(INNER_ID), "--gid", str(INNER_ID)]
    options += ["--die-with-parent", "--new-session", "--clearenv", "--cap-drop", "ALL", "--hostname", hostname]
    options += ["--seccomp", str(SECCOMP_FD)]
    if network is Network.OUTBOUND:
        options += ["--share-net"]
    for folder in system.folders:
        options += ["--ro-bind", folder, folder]
    for target, link in system.links:
        options += ["--symlink", target, link]
    for path in _ETC + (_ETC_NETWORK if network is Network.OUTBOUND else ()):
        options += ["--ro-bind-try", path, path]
    options += ["--proc", "/proc", "--dev", "/dev"]
    options += ["--size", str(shared_memory_bytes), "--tmpfs", "/dev/shm"]  # noqa: S108
    for name in ("tmp", "home", "work", "rendezvous"):
        options += ["--bind", sources[name], places[name]]
    for name in ("environment", "given", "secrets"):
        if name in sources:
            options += ["--ro-bind", sources[name], places[name]]
    for name in ("passwd", "group"):
        options += ["--ro-bind", f"{sources['given']}/{name}", f"/etc/{name}"]
    for name, value in variables.items():
        options += ["--setenv", name, value]
    return [*options, "--chdir", places["work"]]


def pack_options(options: Sequence[str]) -> bytes:
    """Return the options as `bwrap --args FD` reads them."""
    return b"".join(option.encode() + b"\0" for option in options)


def build_sandboxed_command(*, script: str, processes_max: int, python: str = "") -> list[str]:
    """Return the bubblewrap command. The process limit is set inside, where only the sandbox's processes count.

    python: makes the job notice SIGTERM although bubblewrap ignores it. A cluster sends it to every process of a job:
    bubblewrap would die of it at once, and the job with it, without its grace.
    """
    bwrap = ["bwrap", "--args", str(OPTIONS_FD), "--remount-ro", "/dev", "--remount-ro", "/", "--"]
    noticing = [python, "-I", "-S", "-c", _NOTICE_TERM] if python else []
    return [*bwrap, *noticing, "prlimit", f"--nproc={processes_max}:{processes_max}", "/bin/sh", script]


def build_drop(*, uid: int) -> list[str]:
    """Return the prefix that turns root into the attempt's own unprivileged user."""
    ids = ["--reuid", str(uid), "--regid", str(uid), "--clear-groups"]
    return ["setpriv", *ids, "--inh-caps=-all", "--bounding-set=-all", "--"]


def build_stage(*, folders: Mapping[str, Path]) -> tuple[list[str], dict[str, str]]:
    """Return the prefix that binds `folders` under `STAGE` in a private mount namespace, and where they are then."""
    staged = {name: f"{STAGE}/{name}" for name in folders}
    steps = [f"mount -t tmpfs -o mode=0755,size=64k lilong {STAGE}"]
    steps += [
        f"mkdir {staged[name]} && mount --bind {shlex.quote(str(folders[name]))} {staged[name]}" for name in folders
    ]
    script = " && ".join([*steps, 'exec "$@"'])
    return ["unshare", "--mount", "--propagation", "private", "--", "/bin/sh", "-c", script, "sh"], staged
