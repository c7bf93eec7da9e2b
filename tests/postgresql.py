"""PostgreSQL clusters for tests and benches: made, started, stopped and, unless they are kept, deleted by the run.

Not for data that anyone needs: anybody on this machine may connect, and by default nothing is synced to disk.
"""

import os
import pwd
import re
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SUPERUSER = "lilong"
FAST_AND_LOSSY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
STARTS_AT_MOST = 5


class PostgresqlMissing(RuntimeError):
    """No usable PostgreSQL server is installed; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """A running server; `server_url` has no database name."""

    server_url: str

    def database_url(self, *, name: str) -> str:
        """Return the URL of a database of this server, which need not exist yet."""
        return f"{self.server_url}/{name}"


def find_programs() -> Path:
    """Return the folder of initdb and pg_ctl, of the newest PostgreSQL installed.

    Raises PostgresqlMissing, also where the run is root but the user `postgres` is missing: the server refuses root.
    """
    candidates = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    on_path = shutil.which("initdb")
    if on_path:
        candidates.append(Path(on_path).resolve().parent)
    if not candidates:
        raise PostgresqlMissing("PostgreSQL is not installed: apt-get install postgresql")
    if os.geteuid() == 0:
        try:
            pwd.getpwnam("postgres")
        except KeyError:
            raise PostgresqlMissing("running as root needs the system user postgres") from None
    return max(candidates, key=lambda folder: [int(number) for number in re.findall(r"\d+", str(folder))])


@contextmanager
def running_cluster(*, settings: Mapping[str, str] = FAST_AND_LOSSY, keep: Path | None = None) -> Iterator[Cluster]:
    """Start a cluster of its own on a free port of 127.0.0.1; stop it at the end, and delete it.

    It goes when this process goes, even by SIGKILL: a small shell waits at the end of a pipe to stop it.
    settings: PostgreSQL parameters, by default those that make it quick and lose data when the machine stops.
    keep: a folder in which the cluster stays for the next time; the user `postgres` must be able to reach it.
    """
    programs = find_programs()
    folder = keep or Path(tempfile.mkdtemp(prefix="lilong-postgresql-"))
    folder.mkdir(parents=True, exist_ok=True)
    if os.geteuid() == 0:
        shutil.chown(folder, user="postgres")
    cluster_folder = folder / "cluster"
    watch = _stop_when_we_are_gone(programs=programs, folder=folder, is_kept=keep is not None)
    try:
        if not (cluster_folder / "PG_VERSION").exists():
            _run(
                [
                    *(programs / "initdb", "-D", cluster_folder, "-U", SUPERUSER, "--auth=trust"),
                    *("--encoding=UTF8", "--no-locale", "--no-sync", "--no-instructions"),
                ]
            )
        port = _start(programs=programs, cluster_folder=cluster_folder, settings=settings)
        yield Cluster(server_url=f"postgresql://{SUPERUSER}@127.0.0.1:{port}")
    finally:
        watch.communicate()  # closes its standard input


def _start(*, programs: Path, cluster_folder: Path, settings: Mapping[str, str]) -> int:
    """Start the server and return its port; another process may take a free port first, so try a few."""
    log = cluster_folder.parent / "log"
    for _ in range(STARTS_AT_MOST):
        port = _free_port()
        fixed = {"port": port, "listen_addresses": "127.0.0.1", "unix_socket_directories": "", "max_connections": 300}
        options = " ".join(f"-c {name}='{value}'" for name, value in {**settings, **fixed}.items())
        started = _run(
            [programs / "pg_ctl", "start", "-w", "-s", "-D", cluster_folder, "-l", log, "-o", options], check=False
        )
        if started.returncode == 0:
            return port
    raise RuntimeError(f"PostgreSQL did not start: {log.read_text(encoding='utf-8')[-2000:]}")


def _stop_when_we_are_gone(*, programs: Path, folder: Path, is_kept: bool) -> "subprocess.Popen[bytes]":
    """Start a shell that stops the server as soon as its standard input ends, and deletes what is not kept."""
    mode = "fast" if is_kept else "immediate"
    stop = _as_server_user([programs / "pg_ctl", "stop", "-s", "-m", mode, "-D", folder / "cluster"])
    delete = "" if is_kept else 'rm -rf "$folder"'
    script = f'folder=$1; shift; read -r _; "$@" >/dev/null 2>&1; {delete}'
    return subprocess.Popen(
        ["/bin/sh", "-c", script, "sh", str(folder), *stop], stdin=subprocess.PIPE, start_new_session=True, cwd="/"
    )


def _run(command: list[str | Path], *, check: bool = True) -> "subprocess.CompletedProcess[bytes]":
    """Run a program of PostgreSQL from a folder that its user may read; its output is shown only when it fails."""
    # The server inherits the standard output of pg_ctl: a pipe there would stay open as long as the server runs.
    with tempfile.TemporaryFile() as output:
        done = subprocess.run(
            _as_server_user(command), check=False, cwd="/", stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        output.seek(0)
        if check and done.returncode != 0:
            raise RuntimeError(f"{command[0]} failed: {output.read().decode(errors='replace')}")
    return done


def _as_server_user(command: list[str | Path]) -> list[str]:
    as_other = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    return as_other + [str(part) for part in command]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
