"""Keep the hub's processes running on one machine: web, worker, and an agent as soon as one has joined.

A large hub runs the same three on many machines under its own init system; nothing here is needed there.
"""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

WEB = ("-m", "gunicorn", "-c", "python:lilong.web.gunicorn", "lilong.web.wsgi:application")
WORKER = ("-m", "lilong.web.worker")
"""What comes after the interpreter."""

_PR_SET_PDEATHSIG = 1
_BACKOFF_FIRST_S = 0.2
_BACKOFF_MAX_S = 15.0
_STEADY_S = 20.0
_STOP_S = 15.0


@dataclass(slots=True)
class Child:
    """One supervised process. `ready` says whether it may start yet; `grace_s` how long TERM may take."""

    name: str
    command: Sequence[str]
    ready: Callable[[], bool] = field(default=lambda: True)
    process: subprocess.Popen[bytes] | None = None
    started_s: float = 0.0
    next_start_s: float = 0.0
    backoff_s: float = _BACKOFF_FIRST_S


@dataclass(frozen=True, slots=True)
class Ended:
    """A child ended by itself; exit_code: negative for a signal; it starts again after `again_in_s`."""

    name: str
    exit_code: int
    again_in_s: float


class Supervisor:
    """Starts children, restarts those that end with growing pauses, ends all when asked; logs go to `home/run`.

    tell: hears of each child that ends by itself.
    """

    def __init__(
        self, *, home: Path, children: Sequence[Child], environment: Mapping[str, str], tell: Callable[[Ended], None]
    ) -> None:
        self._run_folder = home / "run"
        self._run_folder.mkdir(parents=True, exist_ok=True)
        self._children = list(children)
        self._environment = dict(environment)
        self._tell = tell
        self._stop = threading.Event()

    def stop(self) -> None:
        """Ask `run` to end all children and return."""
        self._stop.set()

    def run(self) -> None:
        """Supervise until `stop` is called or TERM or INT arrives in the main thread."""
        try:
            while not self._stop.is_set():
                for child in self._children:
                    self._tend(child)
                self._stop.wait(0.1)
        finally:
            self._end_all()

    def _tend(self, child: Child) -> None:
        now_s = time.monotonic()
        if child.process is not None:
            exit_code = child.process.poll()
            if exit_code is None:
                return
            steady = now_s - child.started_s > _STEADY_S
            child.backoff_s = _BACKOFF_FIRST_S if steady else min(child.backoff_s * 2, _BACKOFF_MAX_S)
            child.next_start_s = now_s + child.backoff_s
            child.process = None
            self._pid_file(child).unlink(missing_ok=True)
            self._tell(Ended(name=child.name, exit_code=exit_code, again_in_s=child.backoff_s))
        if now_s >= child.next_start_s and child.ready():
            self._start(child)

    def _start(self, child: Child) -> None:
        with (self._run_folder / f"{child.name}.log").open("ab") as log:
            child.process = subprocess.Popen(
                child.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
                start_new_session=True,
                preexec_fn=die_with_parent,  # noqa: PLW1509 - one prctl call, before any thread of the child exists
            )
        child.started_s = time.monotonic()
        pid_file = self._pid_file(child)
        fresh = pid_file.with_suffix(".fresh")
        fresh.write_text(f"{child.process.pid}\n")
        fresh.replace(pid_file)

    def _pid_file(self, child: Child) -> Path:
        return self._run_folder / f"{child.name}.pid"

    def _end_all(self) -> None:
        running = [child for child in self._children if child.process is not None]
        for child in running:
            if child.process is not None:
                child.process.terminate()
        deadline_s = time.monotonic() + _STOP_S
        for child in running:
            if child.process is not None:
                try:
                    child.process.wait(timeout=max(0.1, deadline_s - time.monotonic()))
                except subprocess.TimeoutExpired:
                    child.process.kill()
                    child.process.wait()
            self._pid_file(child).unlink(missing_ok=True)


def hub_children(*, home: Path) -> list[Child]:
    """Return the three processes of an embedded hub; the agent waits until `lilong agent join` wrote its settings."""
    agent_home = home / "agent"
    python = sys.executable
    return [
        Child("web", [python, *WEB]),
        Child("worker", [python, *WORKER]),
        Child(
            "agent",
            [python, "-m", "lilong.agent.main", "--home", str(agent_home)],
            ready=(agent_home / "agent.toml").exists,
        ),
    ]


def hub_environment(*, home: Path) -> dict[str, str]:
    """Return the environment of the hub's processes: ours, with the home folder named."""
    return os.environ | {"LILONG_HOME": str(home.resolve()), "PYTHONUNBUFFERED": "1"}


def serve_until_signalled(*, home: Path, tell: Callable[[Ended], None]) -> None:
    """Run the embedded hub in this process's main thread until TERM or INT."""
    supervisor = Supervisor(
        home=home, children=hub_children(home=home), environment=hub_environment(home=home), tell=tell
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: supervisor.stop())
    supervisor.run()


def die_with_parent() -> None:
    """Ask the system to end this process by TERM when the thread that started it ends: for preexec_fn. Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
