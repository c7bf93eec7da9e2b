"""Variables and device files by which programs find their accelerators."""

import pytest

from lilong.agent.engines.slurm.devices import find_device_variables, find_driver_files
from lilong.protocol.accelerators import AcceleratorUnknown, list_accelerators

SILENT = {"AWS", "Cerebras", "Google", "Intel", "T-Head (Alibaba)"}


def test_every_vendor_of_the_registry_has_variables_or_is_known_to_have_none():
    silent = {one.vendor for one in list_accelerators() if not find_device_variables(accelerator_id=one.id)}

    assert silent == SILENT


def test_control_devices_are_known_of_the_vendors_that_say_which():
    known = {one.vendor for one in list_accelerators() if find_driver_files(accelerator_id=one.id)}

    assert known == {"AMD", "Huawei", "NVIDIA"}


def test_no_control_device_lets_a_job_reconfigure_an_accelerator():
    nvidia = find_driver_files(accelerator_id="a100-sxm4-80gb")

    assert nvidia is not None
    assert nvidia.common == ("/dev/nvidiactl", "/dev/nvidia-uvm")
    assert nvidia.optional == ("/dev/nvidia-uvm-tools",)


def test_an_accelerator_that_the_registry_does_not_have_is_refused():
    for find in (find_device_variables, find_driver_files):
        with pytest.raises(AcceleratorUnknown):
            find(accelerator_id="abacus")
