"""A real Slurm cluster of four nodes on this one machine, with slurmdbd and MariaDB, that a test may kill part by part.

Its programs are Debian's own; jobs run as the machine's real users on its own file system. Accelerators are simulated:
typed resources that Slurm hands out, behind which there is no device.
"""

import os
import random
import re
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from tests.polling import wait_until
from tests.slurm import configuration
from tests.slurm.configuration import Description, Node
from tests.slurm.daemons import Daemon, is_answering, is_listening
from tests.slurm.trees import PROGRAMS, TREES, SlurmMissing, Tree, find_tree

ACCELERATORS = ("h100", "h100", "ascend910b", "ascend910b")
# Below the ports that the kernel hands out by itself, so that nobody gets one between our look and Slurm's start.
PORTS = range(10_000, 20_000)  # hubs that are started beside clusters take theirs above
# Slurm cannot read paths with spaces everywhere, and a socket's path has at most 107 bytes.
PLAIN_PATH = re.compile(r"/[A-Za-z0-9._/+-]{1,70}")
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
READY_WITHIN_S = 120.0


class CommandFailed(RuntimeError):
    """A command of the cluster ended with an error: `code`, and what it said in `output` and in the message."""

    def __init__(self, *, command: Sequence[str], code: int, output: str, errors: str) -> None:
        super().__init__(f"{' '.join(command)} ended with {code}: {errors.strip()}")
        self.code = code
        self.output = output


class SlurmCluster:
    """A running cluster. Whatever is called here returns when it has come to pass."""

    def __init__(self, description: Description) -> None:
        self._description = description
        self._munged = self._daemon("munged", *_munge_options(description))
        self._database = self._daemon("mariadbd", *_database_options(description))
        self._accounting = self._daemon("slurmdbd", "-D")
        self._controller = self._daemon("slurmctld", "-D", "-f", description.daemon_conf)
        stepd = description.sbin / "slurmstepd"
        self._nodes = {
            node.name: self._daemon("slurmd", "-D", "-f", description.daemon_conf, "-N", node.name, "-d", stepd)
            for node in description.nodes
        }
        for name, daemon in self._nodes.items():
            daemon.log = daemon.log.with_name(f"slurmd.{name}.log")

    @property
    def name(self) -> str:
        """What Slurm calls the cluster."""
        return self._description.name

    @property
    def bin(self) -> Path:
        """Folder of sbatch, squeue and the like, which every user of this machine may call."""
        return self._description.bin

    @property
    def conf(self) -> Path:
        """The cluster's slurm.conf."""
        return self._description.conf

    @property
    def slurmd(self) -> Path:
        """The program of a node."""
        return self._description.sbin / "slurmd"

    @property
    def devices(self) -> Path:
        """Folder of what stands for accelerators: see `configuration.list_devices`."""
        return self._description.devices

    @property
    def wrong_clock(self) -> Path:
        """Library that shows a program of `bin` another time; see faketime(1)."""
        return self._description.tree.wrong_clock

    @property
    def nodes(self) -> tuple[Node, ...]:
        """The nodes, whether they are alive or not."""
        return self._description.nodes

    @property
    def environment(self) -> dict[str, str]:
        """PATH and SLURM_CONF for a process that uses this cluster; the programs in `bin` need neither."""
        return {"PATH": f"{self.bin}:{SYSTEM_PATH}", "SLURM_CONF": str(self.conf), "LANG": "C.UTF-8"}

    def run(self, *command: str, user: str | None = None, stdin: str = "") -> str:
        """Run a command, as root or as a user, from `/` and with `environment` alone; return what it prints.

        Raises CommandFailed when it ends with an error.
        """
        as_user = ["runuser", "-u", user, "--"] if user is not None else []
        done = subprocess.run(
            [*as_user, *command],
            check=False,
            capture_output=True,
            text=True,
            input=stdin,
            env=self.environment,
            cwd="/",
        )
        if done.returncode != 0:
            raise CommandFailed(command=command, code=done.returncode, output=done.stdout, errors=done.stderr)
        return done.stdout

    def add_account(self, name: str, users: Sequence[str]) -> None:
        """Make an account, as an organisation has one, and let users submit under it: their first is their default."""
        self.run("sacctmgr", "--immediate", "add", "account", name)
        for user in users:
            self.run("sacctmgr", "--immediate", "add", "user", user, f"account={name}")

    def kill_node(self, name: str) -> None:
        """End a node's slurmd, slurmstepd and jobs at once, as when its power fails."""
        self._nodes[name].kill()

    def start_node(self, name: str) -> None:
        """Start a node and wait until it takes connections; when Slurm uses it again is Slurm's to say."""
        [port] = [node.port for node in self.nodes if node.name == name]
        self._nodes[name].start(is_ready=lambda: is_listening(port))

    def stop_controller(self) -> None:
        """Ask slurmctld to end."""
        self._controller.stop()

    def kill_controller(self) -> None:
        """End slurmctld at once."""
        self._controller.kill()

    def start_controller(self) -> None:
        """Start slurmctld and wait until it answers."""
        self._controller.start(is_ready=self._controller_answers)

    def stop_accounting(self) -> None:
        """Ask slurmdbd to end; its database stays."""
        self._accounting.stop()

    def kill_accounting(self) -> None:
        """End slurmdbd at once; its database stays."""
        self._accounting.kill()

    def start_accounting(self) -> None:
        """Start slurmdbd and wait until it takes connections."""
        self._accounting.start(is_ready=lambda: is_listening(self._description.accounting_port))

    def kill_database(self) -> None:
        """End MariaDB at once; what slurmdbd was told is written already, or it is told again."""
        self._database.kill()

    def start_database(self) -> None:
        """Start MariaDB and wait until it takes connections."""
        self._database.start(is_ready=lambda: is_answering(self._description.database_socket))

    def kill_munge(self) -> None:
        """End munged at once: nobody can prove who they are."""
        self._munged.kill()

    def start_munge(self) -> None:
        """Start munged and wait until it takes connections."""
        self._munged.start(is_ready=lambda: is_answering(self._description.munge_socket))

    def wait_until_idle(self, *, within_s: float = READY_WITHIN_S) -> None:
        """Wait until every node is up and has nothing to do."""
        wait_until(lambda: self._node_states() == ["idle"] * len(self.nodes), within_s=within_s, every_s=0.1)

    def wait_until_saved(self, job: str) -> None:
        """Wait until slurmctld has the job on disk; one of the last five seconds is lost when slurmctld is killed."""
        state = self._description.folder / "state" / "job_state"
        before = state.stat().st_mtime_ns if state.exists() else 0
        # It saves after a change, so there has to be one.
        self.run("scontrol", "update", f"jobid={job}", "admincomment=saved")
        wait_until(lambda: state.exists() and state.stat().st_mtime_ns > before, within_s=READY_WITHIN_S, every_s=0.1)

    def read_log(self, daemon: str) -> str:
        """Return what a daemon has said: slurmctld, slurmdbd, slurmd.n1, mariadbd, munged."""
        return (self._description.folder / "log" / f"{daemon}.log").read_text(encoding="utf-8", errors="replace")

    def start(self) -> None:
        """Start everything, each part once the parts that it needs answer."""
        self.start_munge()
        _make_database(self._description)
        self.start_database()
        self.start_accounting()
        self.start_controller()
        for node in self.nodes:
            self.start_node(node.name)
        self.wait_until_idle()

    def close(self) -> None:
        """End everything that runs for this cluster, jobs included."""
        with ExitStack() as stack:
            for daemon in (self._munged, self._database, self._accounting, self._controller, *self._nodes.values()):
                stack.callback(daemon.kill)

    def _daemon(self, name: str, *options: str | Path) -> Daemon:
        folder = self._description.folder
        return Daemon(name=name, command=[folder / "sbin" / name, *options], log=folder / "log" / f"{name}.log")

    def _controller_answers(self) -> bool:
        if not is_listening(self._description.controller_port):
            return False
        with suppress(CommandFailed):
            return self.run("scontrol", "ping").rstrip().endswith("is UP")
        return False

    def _node_states(self) -> list[str]:
        with suppress(CommandFailed):
            return self.run("sinfo", "--noheader", "--Node", "--partition=low", "--format=%T").split()
        return []


@contextmanager
def running_cluster(
    folder: Path,
    *,
    suite: str = "bookworm",
    name: str = "lilong",
    settings: Mapping[str, str] | None = None,
    trees: Path = TREES,
) -> Iterator[SlurmCluster]:
    """Start a cluster in a folder that is empty or missing, and end it: also when this process is killed.

    folder: short, without spaces, and where other users may enter, such as `shared_folder()`. What the cluster wrote
    there stays. settings: lines of slurm.conf to add or replace. trees: where the suites' trees are, or will be.
    Raises SlurmMissing where no cluster can run.
    """
    if os.geteuid() != 0:
        raise SlurmMissing("a Slurm cluster runs jobs as their users, which needs root")
    folder = folder.resolve()
    if not PLAIN_PATH.fullmatch(str(folder)):
        raise SlurmMissing(f"Slurm wants a short path of plain letters: use another folder than {folder}")
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise FileExistsError(f"{folder} holds something already: use an empty folder")
    folder.chmod(0o755)
    if not _may_be_entered(folder):
        raise SlurmMissing(f"other users may not enter {folder}: use a folder where everybody may")
    with _reserving_ports(2 + len(ACCELERATORS)) as (controller_port, accounting_port, *node_ports):
        description = Description(
            name=name,
            folder=folder,
            tree=_place_tree(find_tree(suite, trees=trees), place=folder / "tree"),
            controller_port=controller_port,
            accounting_port=accounting_port,
            nodes=tuple(
                Node(name=f"n{number}", accelerator=accelerator, port=port)
                for number, (accelerator, port) in enumerate(zip(ACCELERATORS, node_ports, strict=True), start=1)
            ),
            settings=settings or {},
        )
        _write_files(description)
        cluster = SlurmCluster(description)
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.close()


@contextmanager
def shared_folder() -> Iterator[Path]:
    """Make a folder that is short enough for a cluster and that every user may enter; delete it afterwards."""
    with tempfile.TemporaryDirectory(prefix="lilong-slurm-", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def _place_tree(tree: Tree, *, place: Path) -> Tree:
    """Link the tree to where its path is plain; copy it there when other users cannot enter its own folder."""
    if _may_be_entered(tree.root):
        place.symlink_to(tree.root)
    else:
        shutil.copytree(tree.root, place, symlinks=True)
    return Tree(suite=tree.suite, root=place)


def _may_be_entered(folder: Path) -> bool:
    return all(path.stat().st_mode & 0o001 for path in (folder, *folder.parents))


@contextmanager
def _reserving_ports(count: int) -> Iterator[range]:
    """Yield free ports of this machine that no other cluster takes meanwhile: each holds the port before its own."""
    guards = PORTS[:: count + 1]
    for guard_port in random.sample(guards, k=len(guards)):
        ports = range(guard_port + 1, guard_port + 1 + count)
        with socket.socket() as guard:
            if _binds(guard, guard_port) and all(_is_free(port) for port in ports):
                yield ports
                return
    raise RuntimeError(f"this machine has no {count} free ports between {PORTS.start} and {PORTS.stop}")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return _binds(probe, port)


def _binds(probe: socket.socket, port: int) -> bool:
    try:
        probe.bind(("", port))
    except OSError:
        return False
    return True


def _write_files(cluster: Description) -> None:
    for name in ("bin", "sbin", "etc", "run", "state", "spool", "log", "devices"):
        (cluster.folder / name).mkdir(mode=0o755)
    (cluster.folder / "database").mkdir(mode=0o700)
    for node in cluster.nodes:
        (cluster.folder / "spool" / node.name).mkdir(mode=0o755)
    for device in configuration.list_devices(cluster):
        device.symlink_to("/dev/null")
    for program in PROGRAMS:
        environment = {"SLURM_CONF": str(cluster.conf)}
        if program == "slurmdbd":
            environment["MYSQL_UNIX_PORT"] = str(cluster.database_socket)
        script = configuration.render_script(cluster, program, environment=environment)
        folder = cluster.bin if program in configuration.CLIENTS else cluster.sbin
        _write(folder / program, text=script, mode=0o755)
    _write(cluster.conf, text=configuration.render_slurm_conf(cluster), mode=0o644)
    _write(cluster.daemon_conf, text=configuration.render_daemon_conf(cluster), mode=0o644)
    _write(cluster.conf.with_name("gres.conf"), text=configuration.render_gres_conf(cluster), mode=0o644)
    _write(cluster.conf.with_name("cgroup.conf"), text=configuration.render_cgroup_conf(cluster), mode=0o644)
    _write(cluster.conf.with_name("slurmdbd.conf"), text=configuration.render_slurmdbd_conf(cluster), mode=0o600)
    _write(cluster.folder / "etc" / "munge.key", text=random.SystemRandom().randbytes(64).hex(), mode=0o600)


def _write(path: Path, *, text: str, mode: int) -> None:
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)


def _munge_options(cluster: Description) -> list[str]:
    return [
        "--foreground",
        "--force",  # a folder of somebody else on the way to its files is fine here
        f"--socket={cluster.munge_socket}",
        f"--key-file={cluster.folder}/etc/munge.key",
        f"--seed-file={cluster.folder}/run/munge.seed",
        f"--pid-file={cluster.folder}/run/munged.pid",
        "--num-threads=4",
    ]


def _database_options(cluster: Description) -> list[str]:
    texts = cluster.tree.database_texts
    return [
        "--no-defaults",
        "--user=root",
        f"--datadir={cluster.folder}/database/files",
        f"--tmpdir={cluster.folder}/database",  # each that starts deletes what others have in a common one
        f"--lc-messages-dir={texts}",
        f"--character-sets-dir={texts}/charsets",
        f"--socket={cluster.database_socket}",
        f"--pid-file={cluster.folder}/run/mariadbd.pid",
        "--skip-networking",
        "--innodb-log-file-size=8M",
        "--innodb-flush-log-at-trx-commit=2",  # what is committed outlives the process, if not the machine
    ]


def _make_database(cluster: Description) -> None:
    (cluster.folder / "database" / "files").mkdir(mode=0o700)
    done = subprocess.run(
        [cluster.sbin / "mariadbd", *_database_options(cluster), "--bootstrap"],
        check=False,
        capture_output=True,
        text=True,
        input=configuration.render_database_statements(cluster),
    )
    if done.returncode != 0:
        raise RuntimeError(f"MariaDB could not make its tables: {done.stderr[-3000:]}")
