"""What people read instead of the codes of properties, tiers and confidences."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy
from django.utils.translation import pgettext_lazy as _

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise

PROPERTIES: "Mapping[str, _StrOrPromise]" = {
    "memory_gb": _("property", "Memory"),
    "memory_type": _("property", "Kind of memory"),
    "memory_bandwidth_gb_s": _("property", "Memory bandwidth"),
    "fp16_bf16_dense_tflops": _("property", "FP16 or BF16, dense"),
    "fp8_dense_tflops": _("property", "FP8, dense"),
    "int8_dense_tops": _("property", "INT8, dense"),
    "dense_tflops_of_unstated_precision": _("property", "Dense, precision not stated"),
    "interconnect": _("property", "Interconnect"),
    "release_year": _("property", "Year of release"),
    "vendor_country": _("property", "Country of the vendor"),
    "software_stack": _("property", "Software stack"),
    "framework": _("property", "Frameworks and engines"),
}

MEANINGS: "Mapping[str, _StrOrPromise]" = {
    "memory_gb": gettext_lazy("of one accelerator, as its maker counts"),
    "memory_bandwidth_gb_s": gettext_lazy("to its own memory, at its peak or as measured"),
    "fp16_bf16_dense_tflops": gettext_lazy("matrix products without sparsity, at the peak or as measured"),
    "fp8_dense_tflops": gettext_lazy("matrix products without sparsity, at the peak or as measured"),
    "int8_dense_tops": gettext_lazy("matrix products without sparsity, at the peak or as measured"),
    "dense_tflops_of_unstated_precision": gettext_lazy("the source does not say of which numbers"),
    "interconnect": gettext_lazy("between accelerators, in the words of the source"),
    "software_stack": gettext_lazy("driver, compiler and libraries of the vendor"),
    "framework": gettext_lazy("said to run on it"),
}
"""Of a property whose name does not say all."""

TIERS: "Mapping[str, _StrOrPromise]" = {
    "measured": _("tier", "measured"),
    "datasheet": _("tier", "datasheet"),
    "operator": _("tier", "operator"),
    "press": _("tier", "press"),
}

TIER_CHOICES: "Mapping[str, _StrOrPromise]" = {
    "measured": _("tier", "Measured: somebody measured it and says how"),
    "datasheet": _("tier", "Datasheet: whoever makes it says so"),
    "operator": _("tier", "Operator: whoever runs it says so"),
    "press": _("tier", "Press: anybody else says so"),
}

CONFIDENCES: "Mapping[str, _StrOrPromise]" = {
    "high": _("confidence", "high"),
    "medium-high": _("confidence", "rather high"),
    "medium": _("confidence", "medium"),
    "low-medium": _("confidence", "rather low"),
    "low": _("confidence", "low"),
}
