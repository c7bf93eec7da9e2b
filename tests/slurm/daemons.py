"""Daemons that leave nothing behind: each is the child of a process that ends with ours and takes everything along."""

import shutil
import socket
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.polling import wait_until
from tests.slurm.trees import SlurmMissing

STARTS_WITHIN_S = 60.0
STOPS_WITHIN_S = 60.0
# The first process of a process namespace: with it the kernel ends all that is in there, however it was started.
# It waits for the daemon; beside it a reader hands over signals, and ends the daemon when our end of the pipe closes.
# A shell starts what runs beside it deaf to SIGINT and SIGQUIT; jobs would be so, too.
FIRST_PROCESS = """
hostname localhost
exec 3<&0
env --default-signal=INT,QUIT "$@" 3<&- &
daemon=$!
{ while read -r signal; do kill -s "$signal" "$daemon"; done; kill -s KILL "$daemon"; } <&3 &
wait "$daemon"
"""
NEEDED = {"unshare": "util-linux", "hostname": "hostname", "env": "coreutils"}


@dataclass(slots=True)
class Daemon:
    """A program that is started, killed and started again; what it says is in `log`."""

    name: str
    command: Sequence[str | Path]
    log: Path
    _process: "subprocess.Popen[bytes] | None" = field(default=None, init=False)

    @property
    def is_running(self) -> bool:
        """Whether it, or anything that it started, is still there."""
        return self._process is not None and self._process.poll() is None

    def start(self, *, is_ready: Callable[[], bool]) -> None:
        """Start it and wait until it is ready; raises RuntimeError with the end of its log when it ends instead."""
        if self.is_running:
            raise RuntimeError(f"{self.name} is running already")
        _require_programs()
        namespaces = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "--uts"]
        command = [*namespaces, "sh", "-c", FIRST_PROCESS, "sh", *self.command]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=log, stderr=log, bufsize=0, cwd="/", start_new_session=True
            )

        def has_started() -> bool:
            if not self.is_running:
                raise RuntimeError(f"{self.name} did not start: {self.read_log()[-3000:]}")
            return is_ready()

        try:
            wait_until(has_started, within_s=STARTS_WITHIN_S, every_s=0.05)
        except BaseException:
            self.kill()
            raise

    def kill(self) -> None:
        """End it and everything that it started, at once and without a word; wait until the last one is gone."""
        process = self._process
        if process is not None:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(timeout=STOPS_WITHIN_S)

    def stop(self) -> None:
        """Ask it to end and wait until it has, which also ends what it started."""
        process = self._process
        if process is not None and process.poll() is None:
            assert process.stdin is not None
            with suppress(BrokenPipeError):
                process.stdin.write(b"TERM\n")
            process.wait(timeout=STOPS_WITHIN_S)
        self.kill()

    def read_log(self) -> str:
        """Return what it has said since the cluster was made."""
        return self.log.read_text(encoding="utf-8", errors="replace")


def _require_programs() -> None:
    for program, package in NEEDED.items():
        if shutil.which(program) is None:
            raise SlurmMissing(f"{program} is missing: apt-get install {package}")


def is_listening(port: int) -> bool:
    """Tell whether somebody takes connections at a port of 127.0.0.1."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def is_answering(path: Path) -> bool:
    """Tell whether somebody takes connections at a socket in the file system; a killed daemon leaves its own behind."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0
