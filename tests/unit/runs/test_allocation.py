import pytest

from lilong.foundation.runs.core.allocation import Ordered, find_allocation_problem
from lilong.protocol.messages import Allocation, AttemptState
from tests.pools import make_node
from tests.unit.runs.attempts import follow, make_attempt, observe

S = AttemptState
ORDERED = Ordered(accelerator="h100-sxm5", accelerators=4, nodes=2)
POOL = {"n1": make_node(name="n1", h100_sxm5=8), "n2": make_node(name="n2", h100_sxm5=2)}


def give(node, count, accelerator="h100-sxm5"):
    return Allocation(node=node, accelerator=accelerator, count=count)


def find(*allocated, nodes=(), ordered=ORDERED):
    return find_allocation_problem(ordered, allocated=allocated, node_names=nodes, pool_nodes=POOL)


@pytest.mark.parametrize(
    ("allocated", "nodes"),
    [
        ([], []),
        ([], ["n1", "n9"]),
        ([give("n1", 4), give("n3", 4)], ["n1"]),
        ([give("n1", 8), give("n1", 1, "a100-sxm4-80gb"), give("n3", 4)], []),
        ([give("n1", 2), give("n1", 2), give("n3", 4)], []),
    ],
    ids=["nothing is said", "a node unknown", "as ordered", "more than ordered", "told in two parts"],
)
def test_what_shows_nothing_else_is_no_problem(allocated, nodes):
    assert find(*allocated, nodes=nodes) == ""


@pytest.mark.parametrize(
    ("allocated", "nodes", "why"),
    [
        ([give("n1", 4), give("n3", 3)], [], "Node n3 gave 3 of h100-sxm5 where 4 of h100-sxm5 were ordered."),
        ([give("n1", 4)], [], "Accelerators were given on fewer than the 2 nodes that were ordered."),
        ([], ["n1", "n2"], "Node n2 has 2 of h100-sxm5 by its pool's own inventory; 4 were ordered."),
    ],
)
def test_what_shows_less_is_said_in_one_sentence(allocated, nodes, why):
    assert find(*allocated, nodes=nodes) == why


def test_an_order_without_accelerators_has_no_such_problem():
    assert find(give("n1", 1), nodes=["n2"], ordered=Ordered()) == ""


def test_what_was_shown_once_stays_whatever_is_said_later_and_in_whatever_order():
    attempt = make_attempt(ordered=ORDERED)
    less = observe(S.RUNNING, seconds=5, allocated=(give("n1", 4), give("n3", 3)))
    fewer = observe(S.RUNNING, seconds=6, allocated=(give("n1", 4),))
    as_ordered = observe(S.RUNNING, seconds=7, allocated=(give("n1", 4), give("n3", 4)))
    orders = ([less, fewer, as_ordered], [as_ordered, fewer, less], [fewer, less, less])

    assert len({follow(attempt, *told).allocation_problem for told in orders}) == 1
    assert follow(attempt, as_ordered).allocation_problem == ""
