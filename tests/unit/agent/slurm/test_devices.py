"""Variables by which programs find their accelerators."""

import pytest

from lilong.agent.engines.slurm.devices import find_device_variables
from lilong.protocol.accelerators import AcceleratorUnknown, list_accelerators

SILENT = {"AWS", "Cerebras", "Google", "Intel", "T-Head (Alibaba)"}


def test_every_vendor_of_the_registry_has_variables_or_is_known_to_have_none():
    silent = {one.vendor for one in list_accelerators() if not find_device_variables(accelerator_id=one.id)}

    assert silent == SILENT


def test_an_accelerator_that_the_registry_does_not_have_is_refused():
    with pytest.raises(AcceleratorUnknown):
        find_device_variables(accelerator_id="abacus")
