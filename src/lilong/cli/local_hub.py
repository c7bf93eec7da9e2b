"""A hub and its witness in one folder, as child processes: what the demo plays on, and what tests start.

A person does the same with `lilong init`, `lilong witness` and `lilong serve`; nothing here can do more.
"""

import json
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import httpx

from lilong.cli.supervisor import die_with_parent
from lilong.common.errors import LilongError
from lilong.common.files import write_durably
from lilong.protocol.checkpoint import parse_verifier_key
from lilong.sdk.client import Lilong
from lilong.witness.memory import init_witness, load_logs, trust_log

READY_S = 60.0
STOP_S = 30.0
COMMAND_S = 120.0
LOG_LINES = 15
_PORTS = range(20_000, 32_000)  # below those that systems hand out to outgoing connections


class HubDidNotStart(LilongError):
    """A process of the hub ended or did not answer in time; `detail` shows the end of its logs."""

    code = "hub.did_not_start"
    title = "The hub did not start"
    next_step = "Read the end of the logs above; they lie whole in the folder `run` of the hub's home."


class LocalHub:
    """A hub whose home is `home` and whose witness's is `home/witness`.

    settings: further lines of settings.toml; environment: for all processes, over ours, of which no LILONG_* counts.
    The processes end with this one, whatever ends it.
    """

    def __init__(
        self,
        *,
        home: Path,
        settings: Mapping[str, str | int | bool | Sequence[str]] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.home = home.resolve()
        self.witness_home = self.home / "witness"
        port = find_free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.one_time_token = ""
        self.witness_url = f"http://127.0.0.1:{find_free_port()}"
        self._settings: dict[str, object] = {"bind": f"127.0.0.1:{port}", "public_url": self.url, **(settings or {})}
        ours = {name: value for name, value in os.environ.items() if not name.startswith("LILONG_")}
        home_only = {"LILONG_HOME": str(self.home), "PYTHONUNBUFFERED": "1"}
        self._environment = ours | home_only | dict(environment or {})
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def make(self, *, email: str = "operator@localhost") -> None:
        """Make hub and witness; `one_time_token` is the first operator's from now on."""
        self.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        key = init_witness(folder=self.witness_home, name="witness.example/1")
        self._settings["witnesses"] = [f"{self.witness_url} {key.text}"]
        lines = [f"{name} = {json.dumps(value, ensure_ascii=False)}\n" for name, value in self._settings.items()]
        write_durably(path=self.home / "settings.toml", content="".join(lines).encode())
        self.one_time_token = str(json.loads(self._manage("init", "--email", email))["one_time_token"])

    def start(self) -> None:
        """Start the hub and its witness, unless it runs, and return once both answer; raises HubDidNotStart.

        The first time the witness is told the key of the hub's log, as an auditor does who has compared it.
        """
        self._spawn("serve", "serve", "--home", str(self.home))
        self._wait_for("serve", lambda: httpx.get(f"{self.url}/api/v1/health/ready", trust_env=False).is_success)
        if not load_logs(self.witness_home):
            with Lilong(url=self.url) as hub:
                self._wait_for("serve", lambda: bool(hub.record.get_keys().key_ring.logs))
                for log_key in hub.record.get_keys().key_ring.logs:
                    trust_log(folder=self.witness_home, key=parse_verifier_key(log_key))
        if "witness" in self._processes:
            return
        bind = self.witness_url.removeprefix("http://")
        self._spawn("witness", "witness", "serve", "--home", str(self.witness_home), "--bind", bind)
        self._wait_for("witness", lambda: httpx.get(f"{self.witness_url}/key", trust_env=False).is_success)

    def stop(self) -> None:
        """End hub and witness, and wait until they are gone."""
        self.stop_serving()
        self._stop("witness")

    def stop_serving(self) -> None:
        """End the hub alone, and wait until it is gone; its witness goes on."""
        self._stop("serve")

    def find_pid(self, name: str) -> int | None:
        """Return the process id of web, worker or agent, or None while it does not run."""
        with suppress(FileNotFoundError, ValueError):
            return int((self.home / "run" / f"{name}.pid").read_text())
        return None

    def read_log_ends(self) -> str:
        """Return the last lines of every log of the hub's processes."""
        ends: list[str] = []
        for path in sorted((self.home / "run").glob("*.log")):
            lines = path.read_text(errors="replace").splitlines()[-LOG_LINES:]
            ends += [f"--- {path.name}", *lines]
        return "\n".join(ends)

    def _manage(self, *arguments: str) -> str:
        """Run a management command of the hub and return its standard output; raises HubDidNotStart."""
        finished = subprocess.run(
            [sys.executable, "-m", "lilong.web.manage", *arguments],
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=COMMAND_S,
        )
        if finished.returncode:
            command = f"{' '.join(arguments)} ended with {finished.returncode}"
            raise HubDidNotStart(detail=f"{command}:\n{finished.stdout}{finished.stderr[-4000:]}")
        return finished.stdout

    def _spawn(self, name: str, *arguments: str) -> None:
        run_folder = self.home / "run"
        run_folder.mkdir(exist_ok=True)
        with (run_folder / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                [sys.executable, "-m", "lilong.cli.main", *arguments],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=die_with_parent,  # noqa: PLW1509 - one prctl call, before any thread of the child exists
            )

    def _wait_for(self, name: str, condition: Callable[[], bool]) -> None:
        deadline_s = time.monotonic() + READY_S
        while time.monotonic() < deadline_s and self._processes[name].poll() is None:
            with suppress(httpx.TransportError):
                if condition():
                    return
            time.sleep(0.1)
        raise HubDidNotStart(detail=self.read_log_ends())

    def _stop(self, name: str) -> None:
        process = self._processes.pop(name, None)
        if process is None:
            return
        process.terminate()
        try:
            process.wait(timeout=STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def find_free_port() -> int:
    """Return a port of 127.0.0.1 on which nothing listens."""
    for port in random.sample(_PORTS, k=100):
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port
    raise HubDidNotStart(detail="Of a hundred ports tried none is free.")
