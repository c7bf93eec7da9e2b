"""A pool whose agent says what a test tells it to: the hub is real, the words of the agent are the test's."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from lilong.common.ids import new_id
from lilong.common.permissions import Actor, Role, Scope
from lilong.foundation.runs.core.reports import FIRST_MAC, sign_report
from lilong.foundation.runs.core.requirements import digest_environment
from lilong.foundation.runs.core.table import STATES
from lilong.foundation.runs.public import Candidate, get_runs, submit_run
from lilong.foundation.runs.reactions import reconcile
from lilong.foundation.runs.services.attempt_objects import open_input, put_output
from lilong.foundation.runs.services.pools import create_join_token, create_pool, join
from lilong.foundation.runs.services.sync import sync
from lilong.protocol.manifest import Manifest, ManifestFile
from lilong.protocol.messages import (
    PROTOCOL_VERSION,
    AcceleratorInventory,
    AttemptState,
    Capabilities,
    EnvironmentLock,
    Inventory,
    JoinRequest,
    NodeInventory,
    Observation,
    Profile,
    ReportKind,
    SignedReport,
    Submit,
    SyncRequest,
    SyncResponse,
    Usage,
)
from lilong.protocol.spec import RunSpec
from tests.bytes import digest, upload

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ORGANISATION = "org_member"
PROVIDER = "org_provider"
REPORT_KEY = "5e" * 32
PROFILE = Profile(name="python3", python_version="3.11.2", platform="linux_x86_64")

MEMBER = Actor(
    person_id="per_ada", organisation_id=ORGANISATION, role=Role.MEMBER, scopes=frozenset({Scope.READ, Scope.RUN})
)
KEEPER = Actor(
    person_id="per_pia", organisation_id=PROVIDER, role=Role.OWNER, scopes=frozenset({Scope.READ, Scope.MANAGE})
)
OPERATOR = Actor(person_id="per_opal", organisation_id="org_hub", role=Role.OPERATOR, scopes=frozenset(Scope))


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def make_node(*, name: str = "n0", cores: int = 4, memory_mib: int = 8192, **accelerators: int) -> NodeInventory:
    """Return an idle node; accelerators: counts by registry id, with _ for -."""
    return NodeInventory(
        name=name,
        cores_total=cores,
        cores_free=cores,
        memory_mib_total=memory_mib,
        memory_mib_free=memory_mib,
        accelerators=tuple(
            AcceleratorInventory(accelerator=kind.replace("_", "-"), total=count, free=count)
            for kind, count in accelerators.items()
        ),
    )


FOUR_CORES = (make_node(),)


def make_inventory(*, seconds: float = 0, nodes: Sequence[NodeInventory] = FOUR_CORES, **capabilities) -> Inventory:
    able = {"engine": "local", "gang": True, "sandbox": True, "network": False, "accounting": True, **capabilities}
    return Inventory(
        observed_at=at(seconds), capabilities=Capabilities(**able), profiles=(PROFILE,), nodes=tuple(nodes)
    )


def make_spec(**fields) -> RunSpec:
    return RunSpec.model_validate({"name": "train", "command": "python train.py", "walltime_s": 600, **fields})


def make_lock(*, profile: Profile = PROFILE) -> EnvironmentLock:
    """Return the lock of an environment without packages."""
    words = {"profile": profile.name, "python_version": profile.python_version, "platform": profile.platform}
    return EnvironmentLock(**words, lock="", digest=digest_environment(**words, lock=""))


def submit(*agents: "ScriptedAgent", spec: RunSpec | None = None, authorised_ms: int = 600_000, seconds: float = 0):
    """Submit a run with the agents' pools as candidates and return its id."""
    run_id = new_id("run")
    submit_run(
        run_id=run_id,
        organisation_id=ORGANISATION,
        person_id=MEMBER.person_id,
        spec=spec or make_spec(),
        candidates=[
            Candidate(pool_id=agent.pool_id, rank_cost=number, ref=f"offer_{number}")
            for number, agent in enumerate(agents)
        ],
        locks={agent.pool_id: make_lock() for agent in agents},
        authorised_ms=authorised_ms,
        now=at(seconds),
    )
    return run_id


@dataclass
class ScriptedAgent:
    """One agent: it adopts epochs and signs reports as job wrappers do. nodes: what its pool has."""

    pool_id: str
    pool_token: str
    boot_id: str = "boot-1"
    epoch: int = 0
    complete: bool = True
    nodes: tuple[NodeInventory, ...] = FOUR_CORES
    reports: dict[tuple[str, int], list[SignedReport]] = field(default_factory=dict)

    def sync(self, *observations: Observation, seconds: float, absent=(), **fields) -> SyncResponse:
        """Speak to the hub, and adopt its epoch as the protocol asks."""
        said = {
            "protocol_version": PROTOCOL_VERSION,
            "agent_version": "0.1.0",
            "epoch": self.epoch,
            "boot_id": self.boot_id,
            "sent_at": at(seconds),
            "complete": self.complete,
            "inventory": make_inventory(seconds=seconds, nodes=self.nodes),
            "absent": tuple(absent),
            "observations": observations,
            **fields,
        }
        answer = sync(pool_id=self.pool_id, request=SyncRequest(**said), now=at(seconds))
        self.epoch = max(self.epoch, answer.epoch)
        return answer

    def take(self, *, seconds: float) -> Submit:
        """Return the newest attempt that the hub submits to this pool."""
        submits = [command for command in self.sync(seconds=seconds).commands if isinstance(command, Submit)]
        assert submits, "The hub submits nothing."
        return submits[-1]

    def see(self, submit: Submit, state: AttemptState, *, seconds: float, ms: int = 0, kept_ms: int = 0, **fields):
        """Return an observation with both meters at `ms` and a checkpoint at `kept_ms`."""
        ended = STATES[state].has_ended
        if ms:
            self._report(submit, ms=ms, kept_ms=kept_ms, end=ended and state is not AttemptState.LOST)
        chains = {rank: self.reports.get((submit.attempt_id, rank), []) for rank in range(submit.spec.nodes)}
        said = {
            "attempt_id": submit.attempt_id,
            "native_ref": f"native-{submit.token}",
            "state": state,
            "observed_at": at(seconds),
            "started_at": at(seconds) - timedelta(milliseconds=ms) if ms else None,
            "ended_at": at(seconds) if ended else None,
            "usage": Usage(metered_ms=ms, usable_ms=kept_ms, authorised_ms=submit.authorised_ms),
            "report_key": REPORT_KEY,
            "reports": tuple(report for chain in chains.values() for report in chain),
            "report_counts": {rank: len(chain) for rank, chain in chains.items() if chain},
            "outputs_complete": ended,
            **fields,
        }
        return Observation(**said)

    def _report(self, submit: Submit, *, ms: int, kept_ms: int, end: bool) -> None:
        """Let the job wrapper of every rank report a start, and then how far it is."""
        for rank in range(submit.spec.nodes):
            chain = self.reports.setdefault((submit.attempt_id, rank), [])
            for kind, elapsed_ms in [
                *([] if chain else [(ReportKind.START, 0)]),
                (ReportKind.END if end else ReportKind.HEARTBEAT, ms),
            ]:
                bare = SignedReport(
                    rank=rank,
                    sequence=len(chain),
                    kind=kind,
                    elapsed_ms=elapsed_ms,
                    checkpoint_ms=min(kept_ms, elapsed_ms),
                    mac=FIRST_MAC,
                )
                mac = sign_report(
                    key=bytes.fromhex(REPORT_KEY),
                    nonce=submit.nonce,
                    attempt_id=submit.attempt_id,
                    report=bare,
                    previous_mac=chain[-1].mac if chain else FIRST_MAC,
                )
                chain.append(bare.model_copy(update={"mac": mac}))


def open_pool(name: str = "embedded", *, seconds: float = -10, keeper: Actor = KEEPER) -> ScriptedAgent:
    """Create a pool and let an agent join and report once, so that it serves."""
    provider_id = keeper.organisation_id
    pool_id = create_pool(
        actor=keeper, provider_organisation_id=provider_id, name=name, engine="local", now=at(seconds)
    )
    token = create_join_token(actor=keeper, pool_id=pool_id, now=at(seconds)).token
    request = JoinRequest(protocol_version=PROTOCOL_VERSION, join_token=token, agent_version="0.1.0", hostname="login1")
    joined = join(request=request, now=at(seconds))
    agent = ScriptedAgent(pool_id=pool_id, pool_token=joined.pool_token, boot_id=f"boot-{name}")
    agent.sync(seconds=seconds)
    return agent


def settle(*, seconds: float, rounds: int = 20) -> None:
    """Reconcile until nothing is left to do; each round does a bounded part."""
    for _ in range(rounds):
        if not reconcile(now=at(seconds)):
            return
    raise AssertionError("Reconcile finds work without end.")


def pack(**files):
    """Upload files and their manifest, and return its digest."""
    entries = [
        ManifestFile(path=path, sha256=upload(content, organisation_id=ORGANISATION), size_bytes=len(content))
        for path, content in files.items()
    ]
    return upload(Manifest(files=tuple(entries)).to_bytes(), organisation_id=ORGANISATION)


def bring(agent, taken, content, *, seconds=5):
    """Upload an output of an attempt and return its digest."""
    put_output(
        pool_id=agent.pool_id,
        attempt_id=taken.attempt_id,
        sha256=digest(content),
        offset=0,
        size_bytes=len(content),
        chunks=[content],
        now=at(seconds),
    )
    return digest(content)


def get_input(agent, taken, sha256, *, offset=0):
    """Return the bytes of an input, as the agent of the attempt reads them."""
    reader = open_input(pool_id=agent.pool_id, attempt_id=taken.attempt_id, sha256=sha256, offset=offset, end=None)
    return b"".join(reader.chunks)


def look(run_id, *, seconds=0):
    """Return a run as other rooms see it."""
    return get_runs(run_ids=[run_id], now=at(seconds))[run_id]
