"""The properties of accelerators of which something can be claimed: a typed list, with units."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

TOLERANCE_PPM = 10_000
"""Figures that differ by one part in a hundred or less are the same figure, rounded differently."""


class Kind(StrEnum):
    """What a value is: a number with a unit, a year, a text, or one of several names that hold beside each other."""

    NUMBER = "number"
    YEAR = "year"
    TEXT = "text"
    NAME = "name"


@dataclass(frozen=True, slots=True, kw_only=True)
class Property:
    """One property. unit: of a number; tolerance_ppm: how far two values may differ, of the larger one."""

    code: str
    kind: Kind
    unit: str = ""
    tolerance_ppm: int = 0

    @property
    def is_number(self) -> bool:
        """Whether its values are numbers."""
        return self.kind in {Kind.NUMBER, Kind.YEAR}


def _number(code: str, unit: str) -> Property:
    return Property(code=code, kind=Kind.NUMBER, unit=unit, tolerance_ppm=TOLERANCE_PPM)


PROPERTIES: Mapping[str, Property] = MappingProxyType(
    {
        each.code: each
        for each in (
            _number("memory_gb", "GB"),
            Property(code="memory_type", kind=Kind.TEXT),
            _number("memory_bandwidth_gb_s", "GB/s"),
            _number("fp16_bf16_dense_tflops", "TFLOPS"),
            _number("fp8_dense_tflops", "TFLOPS"),
            _number("int8_dense_tops", "TOPS"),
            _number("dense_tflops_of_unstated_precision", "TFLOPS"),
            Property(code="interconnect", kind=Kind.TEXT),
            Property(code="release_year", kind=Kind.YEAR),
            Property(code="vendor_country", kind=Kind.TEXT),
            Property(code="software_stack", kind=Kind.NAME),
            Property(code="framework", kind=Kind.NAME),
        )
    }
)
"""By code, in the order in which they are shown."""
