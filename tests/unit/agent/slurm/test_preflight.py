from dataclasses import replace

import pytest

from lilong.agent.engines.slurm.nodes import Nodes, Partition
from lilong.agent.engines.slurm.parsing import ClusterConfig
from lilong.agent.engines.slurm.preflight import PRIVATE, ClusterFacts, judge_cluster
from lilong.protocol.messages import NodeInventory

CONFIG = ClusterConfig(
    complete=True,
    version="24.11.5",
    accounting=True,
    private=frozenset(PRIVATE),
    enforced=frozenset({"associations", "limits"}),
)
PARTITION = Partition(
    name="gpu",
    up=True,
    walltime_s_max=None,
    nodes_max=None,
    memory_mib_max=None,
    preempt_mode="OFF",
    complete=True,
)
NODE = NodeInventory(name="n1", cores_total=8, cores_free=8, memory_mib_total=1024, memory_mib_free=1024)
GOOD = ClusterFacts(
    config=CONFIG,
    partition=PARTITION,
    nodes=Nodes(nodes=(NODE,), notes=(), complete=True),
    agent_user="lilong-agent",
    is_root=False,
    admin_level="Operator",
    members={"lu1": ""},
    associated=frozenset({"lu1"}),
    hidden_processes=True,
)


def test_a_cluster_on_which_all_is_done_has_nothing_to_mend():
    judgement = judge_cluster(facts=GOOD)

    assert (judgement.refusals, judgement.warnings) == ((), ())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"config": replace(CONFIG, complete=False)}, "scontrol show config"),
        ({"config": replace(CONFIG, accounting=False)}, "accounting_storage/slurmdbd"),
        ({"partition": replace(PARTITION, complete=False)}, "no partition 'gpu'"),
        ({"nodes": Nodes(nodes=(), notes=(), complete=True)}, "no node"),
        ({"admin_level": "None"}, "adminlevel=operator"),
        ({"members": {}}, "`service_users`"),
        ({"members": {"lu1": "sudo refuses."}}, "cannot act as lu1: sudo refuses."),
        ({"associated": frozenset()}, "sacctmgr add user lu1"),
    ],
)
def test_what_makes_serving_impossible_is_refused_with_its_fix(change, words):
    [sentence] = judge_cluster(facts=replace(GOOD, **change)).refusals

    assert words in sentence


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"config": replace(CONFIG, private=frozenset({"jobs"}))}, "usage, users, accounts"),
        ({"config": replace(CONFIG, version="23.02.1")}, "23.02.1 has not been tried"),
        ({"hidden_processes": False}, "hidepid=2"),
        ({"is_root": True}, "Slurm operator"),
        ({"partition": replace(PARTITION, up=False)}, "nothing starts"),
        ({"nodes": Nodes(nodes=(NODE,), notes=("gpu:unheard-of",), complete=True)}, "gpu:unheard-of"),
    ],
)
def test_what_is_less_than_it_could_be_is_a_warning(change, words):
    judgement = judge_cluster(facts=replace(GOOD, **change))

    assert not judgement.refusals
    assert words in judgement.warnings[0]


def test_associations_are_asked_for_only_where_the_cluster_enforces_them():
    config = replace(CONFIG, enforced=frozenset({"limits"}))

    assert not judge_cluster(facts=replace(GOOD, config=config, associated=frozenset())).refusals
