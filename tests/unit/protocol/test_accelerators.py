import re

import pytest

from lilong.protocol.accelerators import AcceleratorUnknown, list_accelerators, resolve


def test_no_two_accelerators_share_a_name():
    names = [
        (re.sub(r"[\W_]+", "", name.casefold()), item.id)
        for item in list_accelerators()
        for name in {item.id, item.name, *item.aliases}
    ]

    assert len({name for name, _ in set(names)}) == len(set(names))


def test_every_accelerator_is_found_by_each_of_its_names():
    for accelerator in list_accelerators():
        for name in (accelerator.id, accelerator.name, *accelerator.aliases):
            assert resolve(name) == accelerator


def test_a_name_that_several_share_resolves_to_none_of_them():
    with pytest.raises(AcceleratorUnknown):
        resolve("nvidia.com/gpu")


def test_an_unknown_name_is_refused_with_the_nearest_ones():
    with pytest.raises(AcceleratorUnknown) as caught:
        resolve("MI300")

    assert "mi300x" in caught.value.detail
