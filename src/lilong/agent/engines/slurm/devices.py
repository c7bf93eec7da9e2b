"""Which variables tell a program the accelerators that it may use, by the vendor of the accelerator. Pure.

They steer well-behaved programs and isolate nobody. A vendor that documents none is left out rather than guessed.
"""

from collections.abc import Mapping
from types import MappingProxyType

from lilong.protocol.accelerators import resolve

_VARIABLES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        # https://rocm.docs.amd.com/en/latest/conceptual/gpu-isolation.html
        "AMD": ("ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES"),
        # https://www.hiascend.com/document/detail/en/canncommercial/800/apiref/envvar/envref_07_0028.html
        "Huawei": ("ASCEND_RT_VISIBLE_DEVICES",),
        # https://docs.nvidia.com/cuda/cuda-c-programming-guide/#cuda-environment-variables
        "NVIDIA": ("CUDA_VISIBLE_DEVICES",),
    }
)


def find_device_variables(*, accelerator_id: str) -> tuple[str, ...]:
    """Return the variables, empty where none is known; raises AcceleratorUnknown for what the registry does not have.

    >>> find_device_variables(accelerator_id="h100-sxm5"), find_device_variables(accelerator_id="wse-3")
    (('CUDA_VISIBLE_DEVICES',), ())
    """
    return _VARIABLES.get(resolve(accelerator_id).vendor, ())
