"""The agent's process: `python -m lilong.agent.main --home DIR`. TERM ends it at once; its jobs go on."""

import argparse
import fcntl
import json
import os
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FrameType

from lilong.agent.assembly import build_loop
from lilong.agent.settings import read_settings
from lilong.common.errors import Conflict, LilongError, render_problem

_THREADS = 12  # most wait for hub, helper or disk
EXIT_REFUSED, EXIT_AGAIN = 2, 75
"""Started again, it would be refused again; or not, because what it needs does not answer now."""


class AgentRuns(Conflict):
    """Another agent works in this home folder."""

    code = "agent.runs"
    title = "An agent runs in this folder already"
    next_step = "Stop it first, or give this one a home folder of its own."


def run_agent(home: Path) -> None:
    """Serve the pool of `home` until TERM or INT; raises what makes it impossible to begin."""
    settings = read_settings(home)
    lock = os.open(home / "agent.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise AgentRuns(detail=str(home)) from error
    stop, wake = threading.Event(), threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        stop.set()
        wake.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    with ThreadPoolExecutor(max_workers=_THREADS, thread_name_prefix="step") as executor:
        build_loop(home=home, settings=settings, executor=executor, wake=wake).run(stop)
        # Steps under way are done again by the next agent; waiting for a download would only delay the end.
        sys.stderr.flush()
        os._exit(0)


def main() -> int:
    """Read the arguments, run, and print a refusal as a problem document; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    home: Path = parser.parse_args().home
    os.umask(0o022)
    try:
        run_agent(home.resolve())
    except LilongError as error:
        sys.stderr.write(json.dumps(render_problem(error), ensure_ascii=False) + "\n")
        return EXIT_AGAIN if error.retryable else EXIT_REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main())
