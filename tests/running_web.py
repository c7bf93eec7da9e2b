"""The hub's web process as it runs in earnest: gunicorn, on a free port, over the database of the test."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import httpx
from django.db import connection

from tests.polling import wait_until

STARTS_WITHIN_S = 60


class RunningWeb:
    """A web process that can be killed and started again on its port."""

    def __init__(self, *, home: Path, settings: dict[str, object]) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._settings = {f"LILONG_{name.upper()}": str(value) for name, value in settings.items()}
        self._home = home
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        environment = os.environ | {
            "LILONG_HOME": str(self._home),
            "LILONG_BIND": f"127.0.0.1:{self.port}",
            "LILONG_DATABASE_URL": database_url(),
        }
        command = [sys.executable, "-m", "gunicorn", "-c", "python:lilong.web.gunicorn"]
        self._home.mkdir(parents=True, exist_ok=True)
        with (self._home / "web.log").open("ab") as log:
            self._process = subprocess.Popen(
                command, env=environment | self._settings, process_group=0, stdout=log, stderr=log
            )
        wait_until(self._answers, within_s=STARTS_WITHIN_S)

    def kill(self) -> None:
        """End it at once, as kill -9 does, with its children."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def list_pids(self) -> list[int]:
        """Return the process and its children."""
        assert self._process is not None
        first = self._process.pid
        children = Path(f"/proc/{first}/task/{first}/children").read_text(encoding="ascii").split()
        return [first, *map(int, children)]

    def peak_memory_mib(self) -> float:
        """Return the most that its largest process ever had in memory."""
        lines = [
            line
            for pid in self.list_pids()
            for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
            if line.startswith("VmHWM")
        ]
        return max(int(line.split()[1]) for line in lines) / 1024

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, "gunicorn ended"
        with suppress(httpx.TransportError):
            return httpx.get(f"{self.url}/api/v1/health/live", timeout=5).status_code == httpx.codes.OK
        return False


@contextmanager
def running_web(*, home: Path, **settings: object) -> Iterator[RunningWeb]:
    """Serve the test's database until the end of the block."""
    web = RunningWeb(home=home, settings=settings)
    web.start()
    try:
        yield web
    finally:
        web.kill()


def database_url() -> str:
    """Return the address of the test's database, for another process."""
    database = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{database['NAME']}"
    return f"postgresql://{quote(database['USER'])}@{database['HOST']}:{database['PORT']}/{database['NAME']}"
