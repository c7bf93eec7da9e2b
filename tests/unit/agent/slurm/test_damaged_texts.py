"""Whatever becomes of an answer on its way, the parsers return: they raise nothing and call no half answer whole."""

import random

import pytest

from lilong.agent.engines.slurm.commands import ACCOUNTING_FIELDS, QUEUE_FIELDS
from lilong.agent.engines.slurm.nodes import parse_nodes, parse_partition
from lilong.agent.engines.slurm.parsing import (
    parse_accounting,
    parse_config,
    parse_queue,
    parse_start_estimate,
    parse_submitted,
)

MARK = "9c2e"


def make_table(header, *rows):
    return "".join(f"{MARK.join(fields)}{MARK}\n" for fields in (header.split("|"), *(row.split("|") for row in rows)))


QUEUE = make_table(
    "JOBID|STATE|UID|PARTITION|SUBMIT_TIME|START_TIME|END_TIME|TIME|NODELIST|REASON|NAME",
    "7|RUNNING|1000|main|100|160|N/A|0:40|n[1-2]|None|lilong-a",
    "8|PENDING|1000|main|100|N/A|N/A|0:00||(Priority)|lilong-b",
)
ACCOUNTING = make_table(
    "JobIDRaw|State|UID|Partition|ExitCode|Submit|Start|End|ElapsedRaw|Suspended|NodeList|JobName",
    "7|CANCELLED by 0|1000|main|0:15|100|160|200|40|00:00:00|n[1-2]|lilong-a",
    "8|RUNNING|1000|main|0:0|100|160|Unknown|40|00:00:00|n3|lilong-b",
)
NODE = (
    "NodeName=n1 Arch=x86_64 CoresPerSocket=1 CPUAlloc=1 CPUEfctv=32 CPUTot=32 CPULoad=0.1 Gres=gpu:h100:8"
    " GresUsed=gpu:h100:2(IDX:0-1) RealMemory=64000 AllocMem=100 State=MIXED Partitions=main\n"
)
CONFIG = "Configuration data as of 1\nMessageTimeout = 10 sec\nSLURM_VERSION = 24.11.5\nSlurmctld(primary) at a is UP\n"


def damage(text, chance):
    """Return the text cut, garbled, doubled, or with something else in the middle."""
    at = chance.randrange(len(text))
    kind = chance.randrange(5)
    if kind == 0:
        return text[:at]
    if kind == 1:
        return text[at:]
    if kind == 2:
        return "".join(chr(chance.randrange(1, 0x2FF)) if chance.random() < 0.1 else char for char in text)
    if kind == 3:
        return text[:at] + "error: slurm_receive_msg: Zero Bytes were transmitted\n" + text[at:]
    return text[:at] + text[at // 2 :]


@pytest.mark.parametrize("seed", range(300))
def test_a_damaged_answer_raises_nothing(seed):
    chance = random.Random(seed)

    parse_queue(text=damage(QUEUE, chance), separator=MARK)
    parse_accounting(text=damage(ACCOUNTING, chance), separator=MARK)
    parse_nodes(text=damage(NODE * 3, chance), partition="main", gres={})
    parse_partition(text=damage("PartitionName=main MaxNodes=2 MaxTime=1-00:00:00 State=UP\n", chance))
    parse_config(text=damage(CONFIG, chance))
    parse_start_estimate(text=damage("sbatch: Job 7 to start at 1772366400 using 2 processors on nodes n1\n", chance))
    parse_submitted(text=damage("123;cluster\n", chance))


def test_the_whole_answers_are_whole():
    assert parse_queue(text=QUEUE, separator=MARK).complete
    assert parse_accounting(text=ACCOUNTING, separator=MARK).complete
    assert len(QUEUE_FIELDS) == QUEUE.split("\n", 1)[0].count(MARK)
    assert len(ACCOUNTING_FIELDS) == ACCOUNTING.split("\n", 1)[0].count(MARK)
    assert parse_nodes(text=NODE, partition="main", gres={}).complete
    assert parse_config(text=CONFIG).complete


@pytest.mark.parametrize(("text", "parse"), [(QUEUE, parse_queue), (ACCOUNTING, parse_accounting)])
def test_an_answer_that_is_cut_within_a_row_is_not_whole(text, parse):
    ends = {at for at in range(len(text)) if text[:at].endswith(f"{MARK}\n")}

    for at in set(range(len(text))) - ends:
        assert not parse(text=text[:at], separator=MARK).complete
