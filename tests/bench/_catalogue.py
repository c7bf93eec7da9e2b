"""The synthetic catalogue of the bench of optimisers, and what is asked of it. All of it is made up, from a seed.

Offers are sold by the piece, in a region of a cloud. SkyPilot knows machines: there each is machines of 1, 2, 4 and 8.
"""

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any

from lilong.protocol.accelerators import list_accelerators, resolve

SEED = 5
CLOUDS = ("lambda", "fluidstack", "paperspace", "cudo", "do", "nebius")
"""Clouds in which SkyPilot rents several nodes at once and looks at cores and memory: it does not in all."""
REGIONS_EACH = 34
SIZES = (1, 2, 4, 8)
NODES_MAX = 8
SHAPES = ((4, 32), (8, 64), (12, 128), (16, 256), (32, 512))
SHAPES_EACH = 3
SOLD_PPM = 950_000
NOT_IN_SKYPILOT = ("MI355X", "910B", "BW1000", "MXC550", "P800")
"""What SkyPilot has no name of its own for is put into its catalogue under a name that the registry knows."""
MICRO = 1_000_000
HOURLY_STEP_UC = 18
"""A price by the hour that is a whole number of these is a whole number by 1 000 unit-seconds: nothing is rounded."""


@dataclass(frozen=True, slots=True)
class Offering:
    """One offer. accelerator: id in the registry; sky_name: what SkyPilot calls it; hour_uc: of one of them.

    cores, memory_gib: what comes with each.
    """

    number: int
    cloud: str
    region: str
    accelerator: str
    sky_name: str
    cores: int
    memory_gib: int
    hour_uc: int


@dataclass(frozen=True, slots=True)
class Request:
    """What somebody wants for an hour: any one of these accelerators, `count` on each of `nodes`.

    cores, memory_gib: at least so much with each accelerator, 0: no matter. cloud: empty for any.
    """

    sky_names: tuple[str, ...]
    count: int
    nodes: int
    cores: int
    memory_gib: int
    cloud: str


def name_accelerators() -> dict[str, str]:
    """Return the ids of what is on sale by SkyPilot's names, without TPUs, which it looks for at Google alone."""
    known = {row.native["skypilot"]: row.id for row in list_accelerators() if "skypilot" in row.native}
    sold = {name: accelerator for name, accelerator in known.items() if not name.startswith("tpu")}
    return sold | {name: resolve(name).id for name in NOT_IN_SKYPILOT}


def make_offers() -> list[Offering]:
    """Return the catalogue: some shapes of each accelerator in each cloud, sold in nearly all of its regions."""
    random = Random(SEED)
    offers: list[Offering] = []
    for sky_name, accelerator in name_accelerators().items():
        usual_uc = random.randrange(600_000, 9 * MICRO)
        for cloud in CLOUDS:
            for cores, memory_gib in sorted(random.sample(SHAPES, k=SHAPES_EACH)):
                for region in range(REGIONS_EACH):
                    if random.randrange(MICRO) < SOLD_PPM:
                        steps = int(usual_uc * random.uniform(0.6, 1.6)) // HOURLY_STEP_UC
                        offers.append(
                            Offering(
                                number=len(offers),
                                cloud=cloud,
                                region=f"{cloud}-{region}",
                                accelerator=accelerator,
                                sky_name=sky_name,
                                cores=cores,
                                memory_gib=memory_gib,
                                hour_uc=steps * HOURLY_STEP_UC,
                            )
                        )
    return offers


def make_requests(*, count: int) -> list[Request]:
    """Return that many requests; a few want what nobody sells."""
    random, names = Random(SEED + 1), sorted(name_accelerators())
    return [
        Request(
            sky_names=tuple(sorted(random.sample(names, k=random.choice((1, 1, 1, 1, 2, 3))))),
            count=random.choice(SIZES),
            nodes=random.choice((1, 1, 1, 2, 4, NODES_MAX)),
            cores=random.choice((0, 0, 4, 6, 8, 16, 24, 32, 48)),
            memory_gib=random.choice((0, 0, 32, 100, 128, 256, 512)),
            cloud=random.choice((*[""] * 4, random.choice(CLOUDS))),
        )
        for _ in range(count)
    ]


def dump(rows: Sequence[Offering | Request]) -> list[dict[str, Any]]:
    """Return what a program of another environment reads as JSON."""
    return [asdict(row) for row in rows]


def write_skypilot_catalogue(*, offers: Sequence[Offering], folder: Path) -> int:
    """Write SkyPilot's files, a folder for each cloud, and return how many machines they have."""
    columns = (
        "InstanceType",
        "AcceleratorName",
        "AcceleratorCount",
        "vCPUs",
        "MemoryGiB",
        "Price",
        "Region",
        "GpuInfo",
    )
    machines = 0
    for cloud in CLOUDS:
        rows = [
            (
                f"{offer.accelerator}-{offer.cores}c-{offer.memory_gib}g-x{size}",
                offer.sky_name,
                float(size),
                float(offer.cores * size),
                float(offer.memory_gib * size),
                offer.hour_uc * size / MICRO,
                offer.region,
                "",
                "",
            )
            for offer in offers
            if offer.cloud == cloud
            for size in SIZES
        ]
        machines += len(rows)
        _write_csv(folder / cloud / "vms.csv", (*columns, "SpotPrice"), rows)
    named = [(name, " ".join(CLOUDS)) for name in name_accelerators()]
    _write_csv(folder / "common" / "accelerators.csv", ("AcceleratorName", "Clouds"), named)
    return machines


def _write_csv(path: Path, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(rows)
