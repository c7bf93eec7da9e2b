from dataclasses import replace

import pytest

from lilong.agent.engines.slurm.associations import Association, Associations, Charging, list_chargings
from lilong.agent.engines.slurm.charging import Charges
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


def associate(*users, account="bc", qos=("normal",)):
    found = tuple(Association(user=user, account=account, qos=frozenset(qos)) for user in users)
    return Associations(found=found, accounts=frozenset({"root", account}), qos=frozenset({"normal", "idle"}))


GOOD = ClusterFacts(
    config=CONFIG,
    partition=PARTITION,
    nodes=NODES,
    agent_user="lilong-agent",
    is_root=False,
    is_single_user=False,
    admin_level="Operator",
    members={"lu1": "", "lu2": ""},
    strangers=(),
    refused={"lu1": "", "lu2": ""},
    chargings=(Charging("lu1", "", ""), Charging("lu2", "", "")),
    associations=associate("lu1", "lu2"),
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
        ({"associations": associate("lu2")}, "`sacctmgr add user lu1 account=ACCOUNT`"),
        ({"refused": {"lu1": "", "lu2": "Invalid qos"}}, "a small job of lu2: Invalid qos. See `account`, `qos`"),
    ],
)
def test_what_makes_serving_impossible_is_refused_with_its_fix(change, words):
    [refusal] = judge_cluster(facts=replace(GOOD, **change)).refusals

    assert words in refusal.message


def test_what_is_wrong_with_many_users_is_said_once():
    why = {name: f"sudo does not let the agent act as {name}: no" for name in ("lu1", "lu1-b", "lu2")}
    [refusal] = judge_cluster(facts=replace(GOOD, members=why, associations=associate(*why))).refusals

    assert "as lu1, lu1-b, lu2: sudo does not let the agent act as it: no. Put" in refusal.message


def test_without_a_view_of_accounting_nothing_is_said_of_accounts():
    blind = replace(GOOD, admin_level="None", associations=associate())

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
    facts = replace(GOOD, associations=associate(), refused={"lu1": "Invalid account", "lu2": "Invalid account"})

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
        ({"gres": {"h100-sxm5": "gpu:a100"}}, "gpu:a100 means a100-sxm4-80gb to the registry"),
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

    assert not judge_cluster(facts=replace(GOOD, config=config, associations=associate())).refusals


def charge(**settings):
    workers = {name: settings.pop(name, {}) for name in ("users", "service_users")}
    return list_chargings(**workers, charges=Charges(**settings))


def test_who_works_under_which_account_and_quality_of_service_follows_from_the_settings():
    chargings = charge(
        users={"org_1": "lu1"},
        service_users=("s1", "s2"),
        accounts_by_organisation={"org_1": "bc", "org_2": "guests"},
        account="pool",
        qos_by_organisation={"org_3": "gold"},
        qos="normal",
    )

    assert chargings == (
        Charging("lu1", "bc", "normal"),
        *(
            Charging(user, account, qos)
            for user in ("s1", "s2")
            for account, qos in (("guests", "normal"), ("pool", "gold"), ("pool", "normal"))
        ),
    )


def test_every_user_may_come_to_work_under_every_programme_whoever_it_works_for():
    chargings = charge(
        users={"org_1": "lu1"},
        service_users=("s1",),
        account="pool",
        accounts_by_organisation={"org_1": "bc"},
        accounts_by_programme={"prg_1": "city"},
        qos_by_programme={"prg_1": "public", "prg_2": "idle"},
    )

    assert chargings == (
        Charging("lu1", "bc", ""),
        Charging("lu1", "bc", "idle"),
        Charging("lu1", "city", "public"),
        Charging("s1", "city", "public"),
        Charging("s1", "pool", ""),
        Charging("s1", "pool", "idle"),
    )


@pytest.mark.parametrize(
    ("settings", "code", "words"),
    [
        ({"account": "bc"}, "", ""),
        ({"account": "BC", "qos": "Normal"}, "", ""),
        (
            {"account": "old"},
            "agent.account_missing",
            "`sacctmgr add account old`, then `sacctmgr add user lu1,lu2 acc",
        ),
        ({"account": "root"}, "agent.account_missing", "no account root: `sacctmgr add user lu1,lu2 account=root`"),
        ({"accounts_by_organisation": {"org_9": "old"}}, "agent.account_missing", "lu1,lu2 account=old"),
        ({"accounts_by_programme": {"prg_9": "old"}}, "agent.account_missing", "lu1,lu2 account=old"),
        (
            {"qos": "gold"},
            "agent.qos_missing",
            "`sacctmgr add qos gold`, then `sacctmgr modify user lu1,lu2 set qos+=g",
        ),
        (
            {"account": "bc", "qos_by_organisation": {"org_9": "idle"}},
            "agent.qos_missing",
            "no quality of service idle: `sacctmgr modify user lu1,lu2 where account=bc set qos+=idle`",
        ),
        (
            {"accounts_by_programme": {"prg_9": "bc"}, "qos_by_programme": {"prg_9": "idle"}},
            "agent.qos_missing",
            "no quality of service idle: `sacctmgr modify user lu1,lu2 where account=bc set qos+=idle`",
        ),
    ],
)
def test_what_slurm_would_not_let_users_have_is_named_once_with_what_makes_it(settings, code, words):
    chargings = charge(service_users=("lu1", "lu2"), **settings)
    enforcing = replace(CONFIG, enforced=CONFIG.enforced | {"qos"})
    refusals = judge_cluster(facts=replace(GOOD, config=enforcing, chargings=chargings)).refusals

    assert [refusal.code for refusal in refusals] == ([code] if code else [])
    assert words in " ".join(refusal.message for refusal in refusals)


def test_a_quality_of_service_that_slurm_does_not_ask_for_is_not_asked_for():
    chargings = charge(service_users=("lu1", "lu2"), qos="gold")

    assert judge_cluster(facts=replace(GOOD, chargings=chargings)).refusals == ()


def test_where_all_jobs_run_as_the_agents_user_it_needs_no_operator_and_is_warned_of_what_they_can_read():
    facts = replace(
        GOOD,
        agent_user="lu1",
        is_single_user=True,
        admin_level="None",
        members={"lu1": ""},
        chargings=(Charging("lu1", "bc", ""),),
    )
    judgement = judge_cluster(facts=facts)
    unreached = judge_cluster(facts=replace(facts, members={"lu1": "There is no helper."}))
    without = judge_cluster(facts=replace(facts, associations=associate()))

    assert judgement.refusals == ()
    assert [warning.code for warning in judgement.warnings] == ["agent.single_user"]
    assert "As lu1: `lilong agent install-helper --single-user`" in unreached.refusals[0].message
    assert [refusal.code for refusal in without.refusals] == ["agent.account_missing"]


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
