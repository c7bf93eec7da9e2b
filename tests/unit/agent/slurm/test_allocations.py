"""What started jobs were given, read from what both versions print of them, whole and damaged."""

import random

import pytest

from lilong.agent.engines.slurm.allocations import name_allocations, parse_allocations
from lilong.agent.engines.slurm.commands import build_allocations_query
from lilong.protocol.messages import Allocation
from tests.unit.agent.slurm.test_damaged_texts import damage

GANG = """\
scontrol: show job 2
JobId=2 JobName={name}
   UserId=lilong-a(1186) GroupId=lilong(1186) MCS_label=N/A
   JobState=RUNNING Reason=None Dependency=(null)
   NodeList=n[1-2]
   NumNodes=2 NumCPUs=2 NumTasks=2 CPUs/Task=1 ReqB:S:C:T=0:0:*:*
   TRES=cpu=2,mem=2000M,node=2,billing=2,gres/gpu=4
   Socks/Node=* NtasksPerN:B:S:C=1:0:*:* CoreSpec=*
   JOB_GRES=gpu:h100:4
     Nodes=n[1-2] CPU_IDs=31 Mem=1000 GRES=gpu:h100:2(IDX:0-1)
   MinCPUsNode=1 MinMemoryCPU=1000M MinTmpDiskNode=0
   Comment={comment}
   StdOut=/dev/null
   TresPerNode=gres/gpu:h100:2

"""
MIXED = """\
scontrol: show job 3
JobId=3 JobName=lilong-b
   JOB_GRES=gpu:h100:1,gpu:a100:2,tmpdisk:30
     Nodes=n1 CPU_IDs=0 Mem=1000 GRES=gpu:h100:1(IDX:0),tmpdisk:10
     Nodes=n[3,5] CPU_IDs=0-1 Mem=1000 GRES=gpu:a100:1(IDX:7),tmpdisk:10
   MinCPUsNode=1 MinMemoryCPU=1000M MinTmpDiskNode=0
"""
NOTHING = """\
JobId=4 JobName=lilong-c
   JOB_GRES=(null)
     Nodes=n1 CPU_IDs=1 Mem=1000 GRES=
   MinCPUsNode=1 MinMemoryCPU=1000M MinTmpDiskNode=0
"""
WAITS = "JobId=5 JobName=lilong-d\n   NodeList=\n   MinCPUsNode=1\n   TresPerNode=gres:gpu:h100:8\n"
NAMES = {2: "lilong-a", 3: "lilong-b", 4: "lilong-c", 5: "lilong-d"}
GIVEN = {"n1": {"gpu:h100": 2}, "n2": {"gpu:h100": 2}}
GRES = {"h100-sxm5": "gpu:h100", "dcu-z100": "dcu", "br100": "gpu:big"}


def make_gang(*, name="lilong-a", comment="att_1"):
    return GANG.format(name=name, comment=comment)


def parse(*texts):
    return parse_allocations(text="".join(texts), names=NAMES)


def test_what_each_node_gives_is_read_of_all_jobs_at_once():
    found = parse(make_gang(), "scontrol: show job 999\n", MIXED, NOTHING, WAITS, "scontrol: quit\n")

    assert found[2] == GIVEN
    assert found[3] == {
        "n1": {"gpu:h100": 1, "tmpdisk": 10},
        "n3": {"gpu:a100": 1, "tmpdisk": 10},
        "n5": {"gpu:a100": 1, "tmpdisk": 10},
    }
    assert found.keys() == {2, 3}


def test_all_jobs_are_asked_for_in_one_call():
    assert build_allocations_query(job_ids=[2, 3]) == (["scontrol", "--details"], "show job 2\nshow job 3\nquit\n")


SHARE = "     Nodes=n1 CPU_IDs=0 Mem=1 GRES=gpu:a100:2(IDX:0-1)"
TOTAL = "   JOB_GRES=gpu:a100:2"


@pytest.mark.parametrize(
    "text",
    [
        make_gang(comment=f"x\n{SHARE}"),
        make_gang(comment=f"x\n{TOTAL}\n{SHARE}\n   MinCPUsNode=1"),
        make_gang(comment=f"x\nJobId=2 JobName=lilong-a\n{TOTAL}\n{SHARE}\n   MinCPUsNode=1"),
        make_gang(name="train"),
        make_gang(name=f"lilong-a\n{SHARE}"),
        make_gang(name=f"lilong-a\n{TOTAL}\n{SHARE}\n   MinCPUsNode=1"),
        make_gang().replace("JOB_GRES=gpu:h100:4", "JOB_GRES=gpu:h100:8"),
        make_gang().replace("Nodes=n[1-2] CPU_IDs", "Nodes=n[1-2,1] CPU_IDs"),
        make_gang().replace("GRES=gpu:h100:2(IDX:0-1)", "GRES=gpu:h100:"),
    ],
)
def test_a_job_whose_text_can_be_read_in_two_ways_is_left_out_and_the_others_are_not(text):
    assert parse(text, MIXED).keys() == {3}


def test_a_name_that_pretends_to_be_the_whole_job_is_not_the_name_that_was_asked_for():
    forged = f"train\n{TOTAL}\n{SHARE}\n   MinCPUsNode=1\nJobId=7 JobName=rest"

    assert parse(make_gang(name=forged)) == {}


def test_a_comment_that_pretends_to_be_another_job_tells_nothing_of_it():
    forged = f"x\nJobId=3 JobName=lilong-b\n{TOTAL}\n{SHARE}\n   MinCPUsNode=1"

    assert parse(make_gang(comment=forged), MIXED) == {2: GIVEN}


@pytest.mark.parametrize("seed", range(300))
def test_a_damaged_answer_raises_nothing_and_shares_add_up(seed):
    chance = random.Random(seed)

    for given in parse(damage(make_gang() + MIXED, chance)).values():
        assert all(counts for counts in given.values())


@pytest.mark.parametrize("cut", range(0, len(GANG), 7))
def test_a_text_that_was_cut_tells_the_truth_or_nothing(cut):
    assert parse(make_gang()[:cut]) in ({}, {2: GIVEN})


@pytest.mark.parametrize(
    ("name", "ordered", "accelerator"),
    [
        ("gpu:h100", "h100-sxm5", "h100-sxm5"),
        ("gpu:a100", "h100-sxm5", "a100-sxm4-80gb"),
        ("gpu:ascend910b", "h100-sxm5", "ascend-910b"),
        ("dcu", "dcu-z100", "dcu-z100"),
        ("dcu:z7", "dcu-z100", "dcu-z100"),
        ("gpu:big", "br100", "br100"),
        ("gpu:big", "h100-sxm5", "br100"),
    ],
)
def test_an_accelerator_is_what_the_registry_knows_by_its_type_and_else_what_the_settings_say(
    name, ordered, accelerator
):
    assert name_allocations(given={"n1": {name: 2}}, ordered=ordered, gres=GRES) == (
        Allocation(node="n1", accelerator=accelerator, count=2),
    )


def test_what_the_settings_make_of_a_type_that_the_registry_knows_counts_for_nothing():
    [given] = name_allocations(given={"n1": {"gpu:a100": 2}}, ordered="h100-sxm5", gres={"h100-sxm5": "gpu:a100"})

    assert given.accelerator == "a100-sxm4-80gb"


def test_what_is_no_accelerator_is_not_told():
    assert name_allocations(given={"n1": {"tmpdisk": 10, "shard:h100": 3}}, ordered="h100-sxm5", gres=GRES) == ()
