import pytest

from lilong.foundation.runs.core.checks import find_problems
from lilong.protocol.messages import AcceleratorInventory, Capabilities, Inventory, NodeInventory, Profile
from lilong.protocol.spec import Isolation, Network, RunSpec
from tests.unit.runs.attempts import NOON


def make_inventory(*, gang=False, sandbox=True, network=False, nodes=1):
    accelerators = (AcceleratorInventory(accelerator="ascend-910b", total=8, free=0, drained=2),)
    node = {"cores_total": 4, "cores_free": 0, "memory_mib_total": 8192, "memory_mib_free": 0}
    return Inventory(
        observed_at=NOON,
        capabilities=Capabilities(
            engine="local", gang=gang, sandbox=sandbox, network=network, accounting=True, sandbox_reason="no bwrap"
        ),
        profiles=(Profile(name="python3", python_version="3.11.2", platform="linux_x86_64"),),
        nodes=tuple(NodeInventory(name=f"n{n}", accelerators=accelerators, **node) for n in range(nodes)),
    )


def find(change=None, **inventory):
    spec = RunSpec.model_validate({"name": "train", "command": "true", "walltime_s": 60, **(change or {})})
    return [problem.path for problem in find_problems(spec, inventory=make_inventory(**inventory))]


def test_a_busy_pool_that_could_run_it_has_no_problem():
    assert find() == []


def test_a_pool_that_never_reported_can_run_nothing():
    spec = RunSpec(name="train", command="true", walltime_s=60)

    assert [problem.code for problem in find_problems(spec, inventory=None)] == ["runs.pool_unknown"]


def test_untrusted_work_needs_a_proven_sandbox():
    assert find(sandbox=False) == ["isolation"]
    assert find({"isolation": Isolation.TRUSTED}, sandbox=False) == []


def test_network_is_there_or_refused():
    assert find({"network": Network.OUTBOUND}) == ["network"]
    assert find({"network": Network.OUTBOUND}, network=True) == []


@pytest.mark.parametrize(
    ("resources", "path"),
    [
        ({"cores": 5}, "resources.cores"),
        ({"memory_mib": 8193}, "resources.memory_mib"),
        ({"accelerator": "ascend-910b", "accelerators": 7}, "resources.accelerators"),
        ({"accelerator": "nvidia-h100", "accelerators": 1}, "resources.accelerators"),
    ],
)
def test_what_no_node_has_is_named(resources, path):
    assert find({"resources": resources}) == [path]


def test_drained_accelerators_do_not_count():
    assert find({"resources": {"accelerator": "ascend-910b", "accelerators": 6}}) == []


def test_a_gang_needs_as_many_nodes():
    assert find({"nodes": 2}) == ["nodes"]
    assert find({"nodes": 2}, gang=True) == ["nodes"]
    assert find({"nodes": 2}, gang=True, nodes=2) == []


def test_an_unknown_profile_is_refused_with_those_that_exist():
    assert find({"environment": {"profile": "cann8"}}) == ["environment.profile"]
