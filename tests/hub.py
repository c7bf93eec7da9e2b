"""A real hub in a folder: web, worker, agent and a witness as processes of their own, spoken to over HTTP.

`with running_hub(folder) as hub, Stage(hub=hub) as stage: stage.set_up()` gives people, a pool and an offer, too: see
`lilong.cli.demo.stage`. What runs longer than one test may keep both in a fixture of its own scope.
"""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from lilong.cli.demo.folder import end_jobs
from lilong.cli.local_hub import LocalHub
from lilong.cli.supervisor import Child, Supervisor
from tests.polling import wait_until


@contextmanager
def running_hub(
    folder: Path,
    *,
    settings: Mapping[str, str | int | bool | Sequence[str]] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Iterator[LocalHub]:
    """Make a hub in `folder` and run it for the length of the block; its jobs end with it.

    settings: further lines of settings.toml, such as {"outbox_delivery": False}; environment: over ours for all
    processes, such as {"LILONG_DATABASE_URL": "postgresql://…"}.
    """
    hub = LocalHub(home=folder, settings=settings, environment=environment)
    try:
        hub.make()
        hub.start()
        yield hub
    finally:
        hub.stop()
        end_jobs(folder)


@contextmanager
def keeping_agent(folder: Path, *, environment: Mapping[str, str] | None = None) -> Iterator[Path]:
    """Keep an agent running on a machine of its own as soon as one has joined there, and hand out its home.

    environment: over ours for its process.
    """
    home = folder / "agent"
    command = [sys.executable, "-m", "lilong.cli.main", "agent", "serve", "--home", str(home)]
    agent = Child("agent", command, ready=(home / "agent.toml").exists)
    manager = Supervisor(home=folder, children=[agent], environment=os.environ | dict(environment or {}), tell=print)
    thread = threading.Thread(target=manager.run)
    thread.start()
    try:
        yield home
    finally:
        manager.stop()
        thread.join()
        end_jobs(folder)


def fill(hub: LocalHub, module: str, *arguments: str) -> str:
    """Run a module of tests in the hub's home, and return what it says."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("LILONG_")}
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        env=ours | {"LILONG_HOME": str(hub.home)},
        check=True,
        timeout=120,
        capture_output=True,
        text=True,
    ).stdout


def find_agent_pid(folder: Path) -> int | None:
    """Return the process id of the agent that is kept running in `folder`, or None while it does not run."""
    with suppress(FileNotFoundError, ValueError):
        return int((folder / "run" / "agent.pid").read_text())
    return None


def kill(hub: LocalHub, name: str) -> int:
    """Kill web, worker or agent by SIGKILL and return the process id it had; `serve` starts it again."""
    pid = wait_until(lambda: hub.find_pid(name) or 0, within_s=30)
    os.kill(pid, signal.SIGKILL)
    return pid


def wait_for_another(hub: LocalHub, name: str, *, than: int) -> int:
    """Return the process id of web, worker or agent once it is another one."""
    return wait_until(lambda: _other(hub.find_pid(name), than), within_s=60)


def is_running(pid: int) -> bool:
    """Return whether there is a process with this id."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _other(pid: int | None, than: int) -> int:
    return pid if pid and pid != than else 0
