"""What the contract suite needs of each engine: make it, make it again after its agent died, stage a job, clean up."""

import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from lilong.agent.assembly import Machine, build_engine, examine_machine
from lilong.agent.engines.local.host import end_leftovers
from lilong.agent.engines.port import TERMINAL_STATES, Engine, Job, NativeState
from lilong.agent.engines.slurm.assembly import SANDBOX, build_slurm_engine
from lilong.agent.loop import Lease
from lilong.agent.settings import AgentSettings, LocalSettings
from lilong.agent.spool import Spool, read_json
from lilong.common.canonical import sha256_hex
from lilong.common.errors import EngineBusy
from lilong.common.ids import new_id
from lilong.common.time import utc_now
from lilong.protocol.messages import AttemptState, EnvironmentLock, Reason
from lilong.protocol.spec import RunSpec
from tests.contract.fake_engine import FakeEngine, World
from tests.polling import wait_until
from tests.slurm.site import Site

HUB = "hub_1"
PYTHON = Path("/usr/bin/python3")


def make_lock(lock: str = "") -> EnvironmentLock:
    digest = sha256_hex(f"python3\n3.11.2\nlinux_x86_64\n{lock}\n".encode())
    return EnvironmentLock(
        profile="python3", python_version="3.11.2", platform="linux_x86_64", lock=lock, digest=digest
    )


class Rig(ABC):
    """One engine under test. Jobs carry only commands that every engine understands."""

    engine: Engine
    hub_id = HUB
    slack_ms = 2_000

    def __init__(self, home: Path, *, environment: Path | None = None) -> None:
        """environment: a folder that jobs' users may enter. slack_ms: what the engine may meter beside the command."""
        self.home = home
        self.spool = Spool(home=home)
        self.environment = environment or home / "environment"
        self.environment.mkdir(exist_ok=True)

    @abstractmethod
    def restart(self) -> Engine: ...

    def close(self) -> None:
        for job in self.engine.list_owned(hub_id=self.hub_id):
            self.engine.cancel(ref=job.ref, reason=Reason.CANCELLED_BY_HUB, grace_s=0)

    def make_job(
        self,
        spec: RunSpec,
        *,
        authorised_ms: int = 60_000,
        hub_id: str = "",
        secrets: Path | None = None,
        queue_wait_s: int | None = None,
        organisation_id: str = "org_1",
        charge_code: str = "",
    ) -> Job:
        attempt_id = new_id("att")
        folder = self.spool.create(attempt_id, {})
        folder.work.mkdir(parents=True)
        return Job(
            attempt_id=attempt_id,
            run_id="run_1",
            number=1,
            organisation_id=organisation_id,
            charge_code=charge_code,
            hub_id=hub_id or self.hub_id,
            token=f"t{attempt_id[-8:]}",
            nonce="nonce",
            report_key="00" * 32,
            spec=spec,
            environment=make_lock(),
            authorised_ms=authorised_ms,
            folder=folder.path,
            environment_folder=self.environment,
            secrets_folder=secrets,
            queue_wait_s=queue_wait_s,
        )

    def look(self, ref: str) -> NativeState:
        return self.engine.observe(refs=[ref]).states[ref]

    def find(self, ref: str) -> NativeState | None:
        """Return what the engine says of a job now, None when it says nothing."""
        try:
            return self.engine.observe(refs=[ref]).states.get(ref)
        except EngineBusy:
            return None

    def wait_for(self, ref: str, state: AttemptState, *, within_s: float = 30.0) -> NativeState:
        """Wait until the job is in this state, and return what is known of it then."""

        def reached() -> NativeState | None:
            seen = self.find(ref)
            return seen if seen is not None and seen.state is state else None

        return wait_until(reached, within_s=within_s)

    def wait_for_end(self, ref: str, *, within_s: float = 30.0) -> NativeState:
        def ended() -> NativeState | None:
            state = self.find(ref)
            return state if state is not None and state.state in TERMINAL_STATES else None

        return wait_until(ended, within_s=within_s)


class FakeRig(Rig):
    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self.world = World()
        self.engine = self.restart()

    def restart(self) -> Engine:
        self.engine = FakeEngine(self.world)
        return self.engine


class SlurmRig(Rig):
    """A real cluster, which outlives the rig; its sandbox was proven when it was started."""

    slack_ms = 4_000

    def __init__(self, home: Path, site: Site, *, clock: Callable[[], datetime] = utc_now) -> None:
        super().__init__(home, environment=site.settings.shared_folder / "environment")
        self.clock = clock
        self.hub_id = new_id("hub")  # the cluster remembers the jobs of earlier tests
        self.site = site
        shutil.copyfile(site.folder / SANDBOX, home / SANDBOX)
        self.engine = self.restart()

    def restart(self) -> Engine:
        self.engine = build_slurm_engine(
            home=self.home, settings=self.site.settings, profiles=[self.site.profile], clock=self.clock
        )
        return self.engine

    def close(self) -> None:
        for user in self.site.users:  # of several names scancel takes the last
            self.site.cluster.run("scancel", f"--user={user}")
        self.site.cluster.wait_until_idle()


class LocalRig(Rig):
    """The embedded engine as an agent would build it here; the machine is examined once per settings."""

    examined: dict[LocalSettings, Machine] = {}  # noqa: RUF012 - shared on purpose

    def __init__(self, home: Path, local: LocalSettings | None = None) -> None:
        super().__init__(home)
        self.settings = AgentSettings(
            hub_url="http://127.0.0.1:1", hub_id=HUB, pool_id="pool_1", pool_token="-", local=local or LocalSettings()
        )
        if self.settings.local not in self.examined:
            self.examined[self.settings.local] = examine_machine(
                home=home, profiles={"python3": PYTHON}, local=self.settings.local
            )
        self.machine = self.examined[self.settings.local]
        self.engine = self.restart()

    def restart(self) -> Engine:
        lease = Lease(until_s=float("inf"))
        self.engine = build_engine(home=self.home, settings=self.settings, machine=self.machine, lease=lease)
        return self.engine

    def pid(self, job: Job, name: str, *, rank: int = 0) -> int:
        """Return the pid of a rank's shim or job once it is written."""

        def read() -> int:
            value = (read_json(job.folder / "ranks" / str(rank) / f"{name}.json") or {}).get("pid")
            return value if isinstance(value, int) else 0

        return wait_until(read, within_s=10)

    def uid(self, job: Job) -> int | None:
        """Return the job's own user, None where it has none."""
        return self._uid(job.attempt_id)

    def _uid(self, attempt_id: str) -> int | None:
        uid = (read_json(self.spool.live / attempt_id / "native.json") or {}).get("uid")
        return uid if isinstance(uid, int) else None

    def close(self) -> None:
        super().close()
        for job in self.engine.list_owned(hub_id=HUB):
            with suppress(AssertionError):
                self.wait_for_end(job.ref, within_s=15)
            end_leftovers(uid=self._uid(job.attempt_id), attempt_id=job.attempt_id, jobs=[])
