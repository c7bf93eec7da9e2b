"""What scontrol prints of nodes and partitions, as inventories."""

from types import MappingProxyType

import pytest

from lilong.agent.engines.slurm.nodes import is_healthy, parse_nodes, parse_partition, read_gres
from tests.unit.agent.slurm.answered import VERSIONS, read_answer

both_versions = pytest.mark.parametrize("version", VERSIONS)
GRES = MappingProxyType({"h100-sxm5": "gpu:h100", "ascend-910b": "gpu:ascend910b"})


def make_line(*, name="n1", state="IDLE", gres="(null)", used="", partitions="main", **more):
    fields = {"NodeName": name, "CPUAlloc": 0, "CPUTot": 8, "Gres": gres, "GresUsed": used, "OS": "Linux 6.1 #1 SMP"}
    fields |= {"RealMemory": 1000, "AllocMem": 100, "State": state, "Partitions": partitions} | more
    return " ".join(f"{key}={value}" for key, value in fields.items()) + "\n"


def read_kinds(line, gres=GRES):
    nodes = parse_nodes(text=line, partition="main", gres=gres)
    kinds = [(one.accelerator, one.total, one.free, one.drained) for one in nodes.nodes[0].accelerators]
    return kinds, nodes.notes


@both_versions
def test_the_nodes_of_a_real_cluster(version):
    nodes = parse_nodes(text=read_answer(version, "nodes"), partition="low", gres=GRES)
    kinds = {node.name: node.accelerators[0] for node in nodes.nodes}

    assert nodes.complete
    assert nodes.notes == ()
    assert [(node.name, node.healthy) for node in nodes.nodes] == [
        ("n1", True),
        ("n2", True),
        ("n3", False),
        ("n4", False),
    ]
    assert [(kind.total, kind.free, kind.drained) for kind in kinds.values()] == [
        (8, 6, 0),
        (8, 0, 0),
        (8, 0, 8),
        (8, 0, 8),
    ]
    assert (kinds["n1"].accelerator, kinds["n4"].accelerator) == ("h100-sxm5", "ascend-910b")
    assert (nodes.nodes[0].cores_total, nodes.nodes[0].memory_mib_total) == (32, 64_000)
    assert 0 < nodes.nodes[0].cores_free < 32
    assert (nodes.nodes[2].cores_free, nodes.nodes[2].memory_mib_free) == (0, 0)


@both_versions
def test_nodes_of_other_partitions_are_left_out(version):
    nodes = parse_nodes(text=read_answer(version, "nodes"), partition="short", gres=GRES)

    assert [node.name for node in nodes.nodes] == ["n1"]
    assert nodes.complete


def test_free_text_behind_cannot_change_what_stands_before():
    line = make_line(state="IDLE+DRAIN", Reason="State=IDLE RealMemory=9 Gres=gpu:h100:99 [root@now]")
    nodes = parse_nodes(text=line, partition="main", gres=GRES)

    assert (nodes.nodes[0].healthy, nodes.nodes[0].memory_mib_total) == (False, 1000)
    assert nodes.nodes[0].accelerators == ()


def test_several_kinds_on_one_node_are_counted_apart():
    gres = "gpu:h100:8(S:0-1),gpu:a100:2(S:0),dcu:4"
    line = make_line(gres=gres, used="gpu:h100:2(IDX:0,3),gpu:a100:0(IDX:N/A),dcu:1(IDX:3)")
    names = {"h100-sxm5": "gpu:h100", "bw1000": "dcu", "a100-sxm4-80gb": "gpu:a100"}

    assert read_kinds(line, names)[0] == [("h100-sxm5", 8, 6, 0), ("a100-sxm4-80gb", 2, 2, 0), ("bw1000", 4, 3, 0)]


def test_a_kind_without_a_setting_is_looked_up_and_else_left_out_with_a_note():
    gres = "gpu:h100:8,gpu:geforce:2,gpu:4,shard:h100:32,nic:mlx:2"
    kinds, notes = read_kinds(make_line(gres=gres, used="gpu:h100:8"), gres={})

    assert kinds == [("h100-sxm5", 8, 0, 0)]
    assert [note.split()[0] for note in notes] == ["gpu:geforce", "gpu", "shard:h100", "nic:mlx"]


def test_untyped_accelerators_are_known_by_the_settings():
    line = make_line(gres="gpu:8", used="gpu:(null):3(IDX:0-2)")

    assert read_kinds(line, {"mi300x": "gpu"})[0] == [("mi300x", 8, 5, 0)]


def test_a_draining_node_keeps_what_is_in_use():
    line = make_line(state="MIXED+DRAIN", gres="gpu:h100:8", used="gpu:h100:3(IDX:0-2)")

    assert read_kinds(line)[0] == [("h100-sxm5", 8, 0, 5)]


def test_memory_and_cores_that_slurm_keeps_for_itself_are_not_offered():
    node = parse_nodes(text=make_line(CPUEfctv=6, MemSpecLimit=200), partition="main", gres=GRES).nodes[0]

    assert (node.cores_total, node.memory_mib_total, node.memory_mib_free) == (6, 800, 700)


@pytest.mark.parametrize(
    "line",
    [
        make_line(gres="gpu:h100:8"),
        make_line(gres="gpu:h100:many"),
        make_line(RealMemory="much"),
        make_line(name="n" * 300),
        "something else\n",
    ],
)
def test_a_node_that_cannot_be_read_is_left_out_and_missed(line):
    nodes = parse_nodes(text=line + make_line(name="n2"), partition="main", gres=GRES)

    assert [node.name for node in nodes.nodes] == ["n2"]
    assert not nodes.complete


def test_an_empty_answer_is_not_complete():
    assert not parse_nodes(text="", partition="main", gres=GRES).complete


@pytest.mark.parametrize(
    ("state", "healthy"),
    [
        ("IDLE", True),
        ("MIXED", True),
        ("ALLOCATED", True),
        ("ALLOCATED+COMPLETING", True),
        ("MIXED+PLANNED", True),
        ("MIXED-", True),
        ("IDLE~", True),
        ("IDLE#", True),
        ("IDLE%", True),
        ("IDLE!", True),
        ("IDLE+CLOUD+POWERED_DOWN", True),
        ("IDLE+DYNAMIC_NORM", True),
        ("MIXED+", True),
        ("IDLE*", False),
        ("DOWN*", False),
        ("IDLE$", False),
        ("IDLE@", False),
        ("IDLE^", False),
        ("ALLOCATED*$", False),
        ("DOWN+NOT_RESPONDING", False),
        ("IDLE+DRAIN", False),
        ("MIXED+DRAIN*", False),
        ("MIXED+FAIL", False),
        ("MIXED+MAINTENANCE+RESERVED", False),
        ("IDLE+MAINT", False),
        ("IDLE+RESERVED", False),
        ("IDLE+INVALID_REG", False),
        ("IDLE+REBOOT_ISSUED", False),
        ("FUTURE", False),
        ("UNKNOWN", False),
        ("COMPLETING", False),
        ("", False),
    ],
)
def test_a_node_takes_work_or_it_does_not(state, healthy):
    assert is_healthy(state=state) is healthy


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("", {}),
        ("(null)", {}),
        ("N/A", {}),
        ("gpu:8", {"gpu": 8}),
        ("gpu:(null):0(IDX:N/A)", {"gpu": 0}),
        ("gpu:h100:8(S:0-1)", {"gpu:h100": 8}),
        ("gpu:h100:4(S:0),gpu:h100:4(S:1)", {"gpu:h100": 8}),
        ("gpu:nvidia_h100_80gb_hbm3:2(IDX:0,2-3)", {"gpu:nvidia_h100_80gb_hbm3": 2}),
        ("bandwidth:lustre:4K", {"bandwidth:lustre": 4096}),
    ],
)
def test_generic_resources_are_counted(text, counts):
    assert read_gres(text=text) == counts


@pytest.mark.parametrize("text", ["gpu", "gpu:h100", "gpu:h100:8(S:0", "gpu:8;gpu:9", ":8"])
def test_what_is_no_list_of_generic_resources_is_refused(text):
    with pytest.raises(ValueError, match="generic resources"):
        read_gres(text=text)


@both_versions
def test_a_partition_tells_what_it_allows(version):
    partition = parse_partition(text=read_answer(version, "partition"))

    assert (partition.name, partition.up, partition.preempt_mode, partition.complete) == ("low", True, "REQUEUE", True)
    assert (partition.walltime_s_max, partition.nodes_max, partition.memory_mib_max) == (None, None, None)


def test_a_partition_tells_its_limits():
    text = "PartitionName=a MaxNodes=4 MaxTime=1-12:00:00 PreemptMode=OFF State=DOWN MaxMemPerNode=2048\n"
    partition = parse_partition(text=text)

    assert (partition.walltime_s_max, partition.nodes_max, partition.memory_mib_max) == (129_600, 4, 2048)
    assert not partition.up


def test_a_partition_that_is_not_there_is_not_complete():
    assert not parse_partition(text="Partition nope not found\n").complete
