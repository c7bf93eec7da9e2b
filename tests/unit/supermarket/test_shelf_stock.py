import pytest

from lilong.platforms.supermarket.core.pricing import Shape, Unit
from lilong.platforms.supermarket.core.search.stock import NO_GANG, Gang, count_stock, find_largest_gang
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
    nodes = [make_node(cores=16, h100_sxm5=room) for room in rooms]

    assert find_largest_gang(inventory=make_inventory(nodes=nodes), shape=CARD, accelerator="h100-sxm5") == gang


def test_cores_and_memory_bound_a_gang_too():
    few_cores = make_inventory(nodes=[make_node(cores=5, h100_sxm5=8)])
    little_memory = make_inventory(nodes=[make_node(cores=64, memory_mib=3000, h100_sxm5=8)])

    assert find_largest_gang(inventory=few_cores, shape=CARD, accelerator="h100-sxm5").units == 2
    assert find_largest_gang(inventory=little_memory, shape=CARD, accelerator="h100-sxm5").units == 2
    assert find_largest_gang(inventory=few_cores, shape=CORE, accelerator="").units == 4


def test_a_pool_that_starts_no_gangs_gives_one_node():
    inventory = make_inventory(nodes=[make_node(), make_node()], gang=False)

    assert find_largest_gang(inventory=inventory, shape=CORE, accelerator="") == Gang(nodes=1, units_per_node=4)


def test_a_sick_node_counts_as_had_and_not_as_free():
    sick = make_node(h100_sxm5=4).model_copy(update={"healthy": False})
    stock = count_stock(inventory=make_inventory(nodes=[sick]), shape=CARD, accelerator="h100-sxm5")

    assert (stock.total, stock.free, stock.gang, stock.start) == (4, 0, NO_GANG, Starts.UNKNOWN)


def test_what_is_free_without_the_cores_that_come_with_it_does_not_start():
    stock = count_stock(
        inventory=make_inventory(nodes=[make_node(cores=1, h100_sxm5=4)]), shape=CARD, accelerator="h100-sxm5"
    )

    assert (stock.free, stock.gang, stock.start) == (4, NO_GANG, Starts.UNKNOWN)
