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
SICK = NODE.model_copy(update={"healthy": False})
NODES = Nodes(nodes=(NODE,), notes=(), complete=True)
GOOD = ClusterFacts(
    config=CONFIG,
    partition=PARTITION,
    nodes=NODES,
    agent_user="lilong-agent",
    is_root=False,
    admin_level="Operator",
    members={"lu1": "", "lu2": ""},
    strangers=(),
    refused={"lu1": "", "lu2": ""},
    associated=frozenset({"lu1", "lu2"}),
    hidden_processes=True,
    shared_folder="",
    gres={},
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
        ({"admin_level": "None"}, "`sacctmgr modify user lilong-agent set adminlevel=operator`"),
        ({"admin_level": ""}, "`sacctmgr add user lilong-agent account=ACCOUNT adminlevel=operator`"),
        (
            {"shared_folder": "The agent cannot write to /a."},
            "cannot write to /a. As root: `install -d -o lilong-agent",
        ),
        ({"members": {}}, "`service_users`"),
        ({"members": {"lilong-agent": ""}}, "take it out of `users` and `service_users`"),
        ({"strangers": ["lu9"]}, "knows no user lu9: `useradd`"),
        ({"members": {"lu1": "sudo refuses lu1."}}, "cannot act as lu1: sudo refuses lu1. Put them"),
        ({"associated": frozenset({"lu2"})}, "`sacctmgr add user lu1 account=ACCOUNT`"),
        ({"refused": {"lu1": "", "lu2": "Invalid qos"}}, "a small job of lu2: Invalid qos. See `account`, `qos`"),
    ],
)
def test_what_makes_serving_impossible_is_refused_with_its_fix(change, words):
    [refusal] = judge_cluster(facts=replace(GOOD, **change)).refusals

    assert words in refusal.message


def test_what_is_wrong_with_many_users_is_said_once():
    why = {name: f"sudo does not let the agent act as {name}: no" for name in ("lu1", "lu1-b", "lu2")}
    [refusal] = judge_cluster(facts=replace(GOOD, members=why, associated=why)).refusals

    assert "as lu1, lu1-b, lu2: sudo does not let the agent act as it: no. Put" in refusal.message


def test_without_a_view_of_accounting_nothing_is_said_of_accounts():
    blind = replace(GOOD, admin_level="None", associated=())

    assert [refusal.code for refusal in judge_cluster(facts=blind).refusals] == ["agent.no_operator"]


@pytest.mark.parametrize(
    "change",
    [
        {"partition": replace(PARTITION, up=False)},
        {"nodes": replace(NODES, nodes=(SICK,))},
    ],
)
def test_while_nothing_can_start_it_says_nothing_of_a_user_that_sbatch_refuses(change):
    facts = replace(GOOD, refused={"lu1": "Required node not available"}, **change)

    assert judge_cluster(facts=facts).refusals == ()


def test_of_users_without_an_account_it_is_not_said_again_that_sbatch_refuses_them():
    facts = replace(GOOD, associated=(), refused={"lu1": "Invalid account", "lu2": "Invalid account"})

    assert [refusal.code for refusal in judge_cluster(facts=facts).refusals] == ["agent.member_without_account"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"config": replace(CONFIG, private=frozenset({"jobs"}))}, "usage, users, accounts"),
        ({"config": replace(CONFIG, version="23.02.1")}, "23.02.1 has not been tried"),
        ({"hidden_processes": False}, "hidepid=2"),
        ({"is_root": True}, "Slurm operator"),
        ({"partition": replace(PARTITION, up=False)}, "nothing starts"),
        ({"nodes": replace(NODES, nodes=(SICK,))}, "No node of gpu takes work now"),
        ({"nodes": Nodes(nodes=(NODE,), notes=("gpu:unheard-of",), complete=True)}, "gpu:unheard-of"),
        ({"gres": {"h100-sxm5": "gpu:h100"}}, "No node of the partition has gpu:h100"),
        ({"gres": {"H100": "gpu:h100"}}, "write h100-sxm5"),
        ({"gres": {"h1000": "gpu:h100"}}, "Nobody can order it: No accelerator is called 'h1000'. Nearest:"),
    ],
)
def test_what_is_less_than_it_could_be_is_a_warning(change, words):
    judgement = judge_cluster(facts=replace(GOOD, **change))

    assert not judgement.refusals
    assert words in judgement.warnings[0].message


def test_associations_are_asked_for_only_where_the_cluster_enforces_them():
    config = replace(CONFIG, enforced=frozenset({"limits"}))

    assert not judge_cluster(facts=replace(GOOD, config=config, associated=frozenset())).refusals


@pytest.mark.parametrize(
    ("values", "opened", "codes"),
    [
        ({}, (), []),
        ({}, ("h100-sxm5",), ["agent.devices_unconstrained"]),
        ({"TaskPlugin": "task/none", "ConstrainDevices": "yes"}, ("h100-sxm5",), ["agent.devices_unconstrained"]),
        ({"TaskPlugin": "task/affinity,task/cgroup"}, ("h100-sxm5",), ["agent.devices_unconstrained"]),
        ({"TaskPlugin": "task/affinity,task/cgroup", "ConstrainDevices": "yes"}, ("h100-sxm5",), []),
    ],
)
def test_where_untrusted_work_may_use_accelerators_slurm_is_to_constrain_devices_too(values, opened, codes):
    facts = replace(GOOD, config=replace(CONFIG, values=values), opened=opened)

    assert [warning.code for warning in judge_cluster(facts=facts).warnings] == codes
