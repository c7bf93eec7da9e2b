import pytest

from lilong.platforms.supermarket.core.pricing import Shape, Unit
from lilong.platforms.supermarket.core.search.stock import NO_GANG, Gang, Lot, Stock, count_stocks, find_largest_gang
from lilong.platforms.supermarket.core.starts import Starts
from tests.pools import make_inventory, make_node

CORE = Shape(unit=Unit.CORE, cores=1, memory_mib=2048)
CARD = Shape(unit=Unit.ACCELERATOR, cores=2, memory_mib=1024)


@pytest.mark.parametrize(
    ("rooms", "gang"),
    [
        ([], NO_GANG),
        ([0, 0], NO_GANG),
        ([8], Gang(nodes=1, units_per_node=8)),
        ([8, 8, 8], Gang(nodes=3, units_per_node=8)),
        ([8, 2, 2], Gang(nodes=1, units_per_node=8)),
        ([8, 3, 3], Gang(nodes=3, units_per_node=3)),
        ([8, 4], Gang(nodes=1, units_per_node=8)),
        ([1] * 9 + [8], Gang(nodes=10, units_per_node=1)),
    ],
)
def test_the_largest_gang_takes_as_much_of_each_node_as_the_fullest_of_them_has(rooms, gang):
    assert find_largest_gang(rooms=rooms) == gang


def count(*nodes, shape=CARD, accelerator="h100-sxm5", **capabilities):
    lot = Lot("pool_1", accelerator, shape)
    return count_stocks(inventory=make_inventory(nodes=nodes, **capabilities), lots=[lot])[lot]


def test_cores_and_memory_bound_a_gang_too():
    assert count(make_node(cores=5, h100_sxm5=8)).gang.units == 2
    assert count(make_node(cores=64, memory_mib=3000, h100_sxm5=8)).gang.units == 2
    assert count(make_node(cores=5, h100_sxm5=8), shape=CORE, accelerator="").gang.units == 4


def test_nodes_with_equal_room_make_one_gang():
    assert count(*[make_node(cores=16, memory_mib=8192, h100_sxm5=8)] * 3).gang == Gang(nodes=3, units_per_node=8)


def test_a_pool_that_starts_no_gangs_gives_one_node():
    assert count(make_node(), make_node(), shape=CORE, accelerator="", gang=False).gang == Gang(1, 4)


def test_a_sick_node_counts_as_had_and_not_as_free():
    sick = make_node(h100_sxm5=4).model_copy(update={"healthy": False})

    assert count(sick) == Stock(total=4, free=0, gang=NO_GANG, start=Starts.UNKNOWN)


def test_what_is_free_without_the_cores_that_come_with_it_does_not_start():
    assert count(make_node(cores=1, h100_sxm5=4)) == Stock(total=4, free=4, gang=NO_GANG, start=Starts.UNKNOWN)
