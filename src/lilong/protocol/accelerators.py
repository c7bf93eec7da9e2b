"""The registry of accelerators: one id for each, whatever people and tools call it. Unknown names are refused."""

import difflib
import re
import tomllib
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from types import MappingProxyType
from typing import Literal

from lilong.common.errors import InputInvalid
from lilong.common.sentences import join_sentences, say
from lilong.protocol.spec import Frozen

Confidence = Literal["high", "medium", "low"]


class AcceleratorUnknown(InputInvalid):
    """No accelerator of the registry has this name."""

    code = "accelerator.unknown"
    title = "This accelerator is not known"
    next_step = "Use a name that is proposed here or that `lilong shop` shows, or ask the operator to add it."


class Accelerator(Frozen):
    """One accelerator. native: the name in a tool (nvidia_smi, slurm, ray, kubernetes, hami, skypilot, dstack)."""

    id: str
    name: str
    vendor: str
    country: str
    aliases: tuple[str, ...]
    native: Mapping[str, str]
    native_confidence: Confidence
    confidence: str
    source: str


@lru_cache(maxsize=1)
def list_accelerators() -> tuple[Accelerator, ...]:
    """Return the whole registry in the order of its file."""
    text = files("lilong.protocol").joinpath("accelerators.toml").read_text(encoding="utf-8")
    return tuple(Accelerator.model_validate(row) for row in tomllib.loads(text)["accelerator"])


def resolve(name: str) -> Accelerator:
    """Return the accelerator with this id, name, alias or unambiguous native name; spaces, dashes and case are free.

    Raises AcceleratorUnknown with the nearest names.

    >>> resolve("昇腾 910b").id, resolve("NVIDIA H100 80GB HBM3").id
    ('ascend-910b', 'h100-sxm5')
    """
    found = _by_name().get(_normalise(name))
    if found is None:
        nearest = find_nearest(name)
        near = say("Nearest: {names}.", names=", ".join(nearest)) if nearest else ""
        raise AcceleratorUnknown(detail=join_sentences(say("No accelerator is called {name!r}.", name=name[:80]), near))
    return found


def find_nearest(name: str, *, count: int = 3) -> list[str]:
    """Return the ids whose names are most like `name`, best first.

    >>> find_nearest("MI300")[0]
    'mi300x'
    """
    keys = difflib.get_close_matches(_normalise(name), _by_name(), n=count * 4, cutoff=0.4)
    return list(dict.fromkeys(_by_name()[key].id for key in keys))[:count]


@lru_cache(maxsize=1)
def _by_name() -> Mapping[str, Accelerator]:
    """Map every normalised name to its accelerator; a native name that several share names none of them."""
    named: dict[str, Accelerator] = {}
    for accelerator in list_accelerators():
        for name in (accelerator.id, accelerator.name, *accelerator.aliases):
            named[_normalise(name)] = accelerator
    native = [(_normalise(name), item) for item in list_accelerators() for name in item.native.values()]
    counts = [name for name, _ in native]
    return MappingProxyType({name: item for name, item in native if counts.count(name) == 1} | named)


def _normalise(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.casefold())
