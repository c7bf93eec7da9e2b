"""How a program finds its accelerators, by their vendor: by which variables, and through which device files. Pure.

The variables steer well-behaved programs and isolate nobody. A vendor is left out where no source was found (T-Head),
where the variable takes other numbers than those of devices (Intel Gaudi: HABANA_VISIBLE_MODULES takes module ids; AWS:
NEURON_RT_VISIBLE_CORES takes cores), and where accelerators are not given out by Slurm (Google, Cerebras).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from lilong.protocol.accelerators import resolve

_VARIABLES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        # https://rocm.docs.amd.com/en/latest/conceptual/gpu-isolation.html: for Linux. HIP_VISIBLE_DEVICES would count
        # among the devices that this one left, so that both are never set.
        "AMD": ("ROCR_VISIBLE_DEVICES",),
        # github:ray-project/ray python/ray/_private/accelerators/biren_gpu.py @85db47f0
        "Biren": ("SUPA_VISIBLE_DEVICES",),
        # github:Cambricon/vllm-mlu vllm_mlu/platforms/mlu.py @8fa99fd9
        "Cambricon": ("MLU_VISIBLE_DEVICES",),
        # github:EnflameTechnology/vllm-gcu vllm_gcu/gcu.py @03cd9d07
        "Enflame": ("TOPS_VISIBLE_DEVICES",),
        # https://www.hiascend.com/document/detail/en/canncommercial/800/apiref/envvar/envref_07_0028.html: ascending
        "Huawei": ("ASCEND_RT_VISIBLE_DEVICES",),
        # github:FlagOpen/FlagPerf training/run_benchmarks/config/test_conf.py: "HIP_VISIBLE_DEVICES for dcu"
        "Hygon": ("HIP_VISIBLE_DEVICES",),
        # github:FlagOpen/FlagPerf, same file: "CUDA_VISIBLE_DEVICES for nvidia, iluvatar"
        "Iluvatar CoreX": ("CUDA_VISIBLE_DEVICES",),
        # github:FlagOpen/FlagPerf, same file; github:PaddlePaddle/FastDeploy, deployment on Kunlunxin
        "Kunlunxin (Baidu)": ("XPU_VISIBLE_DEVICES",),
        # https://developer.metax-tech.com/api/client/document/preview/869: MCCL, environment variables
        "MetaX": ("MACA_VISIBLE_DEVICES",),
        # github:MooreThreads/vllm-musa docs/configuration.md @fe6aa626
        "Moore Threads": ("MUSA_VISIBLE_DEVICES",),
        # https://docs.nvidia.com/cuda/cuda-c-programming-guide/#cuda-environment-variables
        "NVIDIA": ("CUDA_VISIBLE_DEVICES",),
    }
)


@dataclass(frozen=True, slots=True)
class DriverFiles:
    """What a vendor's programs open beside the file of each accelerator, which Slurm knows.

    common: device files that all accelerators of a node share; optional: the same, where there are any. read_only:
    files and folders of the driver; /usr is shown by every sandbox.
    """

    common: tuple[str, ...]
    optional: tuple[str, ...] = ()
    read_only: tuple[str, ...] = ()


# A vendor is left out where no source of its own was found that names them all (Moore Threads, Hygon, MetaX), or where
# every accelerator has several files (Cambricon): `common` of the settings says them there.
_DRIVER_FILES: Mapping[str, DriverFiles] = MappingProxyType(
    {
        # https://rocm.docs.amd.com/en/docs-5.3.3/deploy/docker.html: /dev/kfd for all and a renderD for each;
        # github:ROCm/ROCR-Runtime libhsakmt/src/topology.c: KFD_SYSFS_PATH
        "AMD": DriverFiles(common=("/dev/kfd",), read_only=("/sys/devices/virtual/kfd",)),
        # https://www.hiascend.com/document/detail/en/mindx-dl/300/dluserguide/toolboxug/toolboxug_0008.html
        "Huawei": DriverFiles(
            common=("/dev/davinci_manager", "/dev/devmm_svm", "/dev/hisi_hdc"),
            read_only=("/usr/local/Ascend/driver", "/etc/ascend_install.info"),
        ),
        # https://docs.nvidia.com/datacenter/tesla/mig-user-guide/device-nodes-and-capabilities.html, and
        # github:NVIDIA/libnvidia-container src/nvc_info.c. Not nvidia-caps: they let a job reconfigure an accelerator.
        "NVIDIA": DriverFiles(common=("/dev/nvidiactl", "/dev/nvidia-uvm"), optional=("/dev/nvidia-uvm-tools",)),
    }
)


def find_driver_files(*, accelerator_id: str) -> DriverFiles | None:
    """Return the files, None where they are not known; raises AcceleratorUnknown for what the registry does not have.

    >>> find_driver_files(accelerator_id="h100-sxm5").common
    ('/dev/nvidiactl', '/dev/nvidia-uvm')
    """
    return _DRIVER_FILES.get(resolve(accelerator_id).vendor)


def find_device_variables(*, accelerator_id: str) -> tuple[str, ...]:
    """Return the variables, empty where none is known; raises AcceleratorUnknown for what the registry does not have.

    >>> find_device_variables(accelerator_id="h100-sxm5"), find_device_variables(accelerator_id="wse-3")
    (('CUDA_VISIBLE_DEVICES',), ())
    """
    return _VARIABLES.get(resolve(accelerator_id).vendor, ())
