"""Which accelerators untrusted work may use on this cluster, what its sandbox then shows, and else why not. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from lilong.agent.engines.rank.sandbox import Accelerators
from lilong.agent.engines.slurm.devices import find_driver_files
from lilong.agent.engines.slurm.settings import AcceleratorSettings, SlurmSettings
from lilong.protocol.accelerators import AcceleratorUnknown, resolve

_GPU = "gpu"  # of no other resource does Slurm tell a step which ones it has
_NEVER_PROVEN = "no node has proven yet that its sandbox shows a job only its own: run `lilong agent prove`."


@dataclass(frozen=True, slots=True)
class Opening:
    """By accelerator: what a sandbox shows of those that are open to untrusted work, and why others are closed."""

    shown: Mapping[str, Accelerators]
    closed: Mapping[str, str]


def open_accelerators(*, settings: SlurmSettings) -> Opening:
    """Return what the provider has opened; every accelerator of `gres` is in one of the two."""
    shown: dict[str, Accelerators] = {}
    closed: dict[str, str] = {}
    for accelerator, gres in settings.gres.items():
        found = _open(accelerator, gres=gres, settings=settings)
        if isinstance(found, str):
            closed[accelerator] = found
        else:
            shown[accelerator] = found
    return Opening(shown=shown, closed=closed)


def find_closed(*, opening: Opening, proven: Mapping[str, object]) -> dict[str, str]:
    """Return why untrusted work does not get an accelerator, for each that it does not get.

    proven: by accelerator, why the last proof on a node failed, empty where it did not.
    """
    unproven = {one: str(proven.get(one, _NEVER_PROVEN)) for one in opening.shown}
    return {**opening.closed, **{one: reason for one, reason in unproven.items() if reason}}


def _open(accelerator: str, *, gres: str, settings: SlurmSettings) -> Accelerators | str:
    table = f"[slurm.accelerators.{accelerator}]"
    told = settings.accelerators.get(accelerator, AcceleratorSettings())
    if not told.untrusted:
        return f"its driver is open to trusted work alone. Its provider may set `untrusted = true` in {table}."
    name, _, kind = gres.partition(":")
    if name != _GPU:
        return (
            f"Slurm tells a job which ones it has of resources called gpu alone, and this is {gres}: call it "
            f"gpu:{kind or name} in slurm.conf and gres.conf, and in `gres`."
        )
    try:
        known = find_driver_files(accelerator_id=accelerator)
    except AcceleratorUnknown as error:
        return error.detail
    if known is None and told.common is None:
        vendor = resolve(accelerator).vendor
        return f"which device files all accelerators of {vendor} share is not known: name them as `common` in {table}."
    return Accelerators(
        gres=name,
        slurmd=str(settings.slurmd),
        common=_choose(told.common, known.common if known else ()),
        optional=_choose(told.optional, known.optional if known else ()),
        read_only=_choose(told.read_only, known.read_only if known else ()),
    )


def _choose(told: tuple[str, ...] | None, known: tuple[str, ...]) -> tuple[str, ...]:
    return known if told is None else told
