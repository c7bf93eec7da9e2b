"""The jobs of a pool as somebody finds them who may look everywhere: their folders, their wrappers, what is left."""

import json
import pwd
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from tests.polling import wait_until
from tests.slurm.clocks import read_accounting
from tests.slurm.site import Site

CLEARED_WITHIN_S = 60


class Jobs(Protocol):
    """All jobs of one pool."""

    def find_work(self, attempt_id: str) -> Path:
        """Return the work folder of an attempt, which need not be there."""
        ...

    def find_shim(self, attempt_id: str) -> int | None:
        """Return the process id of an attempt's wrapper, once it has one."""
        ...

    def find_accounted_ms(self, attempt_id: str) -> int | None:
        """Return how long an attempt ran by the engine's own books, 0 where they do not say; None: it has none."""
        ...

    def list_leftovers(self) -> list[str]:
        """Return what is left of jobs that must all be over."""
        ...


class MachineJobs:
    """Jobs of the embedded engine: everything is below the agent's home."""

    def __init__(self, agent_home: Path) -> None:
        self._spool = agent_home / "spool"

    def find_work(self, attempt_id: str) -> Path:
        return self._spool / attempt_id / "job" / "work"

    def find_shim(self, attempt_id: str) -> int | None:
        for path in self._spool.glob(f"{attempt_id}/**/shim.json"):
            with suppress(ValueError, KeyError, OSError):
                return int(json.loads(path.read_text())["pid"])
        return None

    def find_accounted_ms(self, attempt_id: str) -> int | None:
        return None

    def list_leftovers(self) -> list[str]:
        return [f"process {text}" for _, _, text in list_processes() if str(self._spool) in text]


class ClusterJobs:
    """Jobs on a cluster whose nodes are played by this machine. hub_id: what the names of its hub's jobs hold."""

    def __init__(self, site: Site, *, hub_id: str) -> None:
        self._site = site
        self._hub_id = hub_id

    def find_work(self, attempt_id: str) -> Path:
        folder = self._site.settings.jobs_folder
        found = [folder / user / attempt_id for user in self._site.users]
        return next((path for path in found if path.is_dir()), found[0]) / "job" / "work"

    def find_shim(self, attempt_id: str) -> int | None:
        wrapper = f"shim.py --attached {self._site.settings.jobs_folder}"
        found = [pid for pid, _, text in list_processes() if wrapper in text and text.rstrip().endswith(attempt_id)]
        return min(found, default=None)

    def find_node(self, attempt_id: str) -> str:
        """Return the node on which an attempt's wrapper runs; empty where there is none."""
        pid = self.find_shim(attempt_id)
        with suppress(OSError):
            variables = Path(f"/proc/{pid}/environ").read_text(errors="replace").split("\0")
            return next((text.partition("=")[2] for text in variables if text.startswith("SLURMD_NODENAME=")), "")
        return ""

    def find_accounted_ms(self, attempt_id: str) -> int | None:
        accounted = read_accounting(self._site.cluster).get(attempt_id)
        return accounted.elapsed_ms if accounted else 0

    def list_leftovers(self) -> list[str]:
        """Return what is left after Slurm had the time to clear up behind the last job."""
        with suppress(AssertionError):
            wait_until(lambda: not self._list(), within_s=CLEARED_WITHIN_S, every_s=0.2)
        return self._list()

    def _list(self) -> list[str]:
        queue = self._site.cluster.run("squeue", "--noheader", "--format=%A %T %j")
        uids = {pwd.getpwnam(user).pw_uid for user in self._site.users}
        folders = self._site.settings.jobs_folder.glob("*/att_*")
        return [
            *(f"folder {path}" for path in folders),
            *(f"job {row}" for row in queue.splitlines() if f"lilong-{self._hub_id}-" in row),
            *(f"process {text}" for _, uid, text in list_processes() if uid in uids),
        ]


def list_processes() -> Iterator[tuple[int, int, str]]:
    """Yield id, user and command line of every process of this machine; those that are over already have none."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError):
                text = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                yield int(folder.name), folder.stat().st_uid, text
