"""Which device files a rank has: from what Slurm and slurmd say, without a cluster."""

import json
from pathlib import Path

import pytest

from lilong.agent.engines.rank.accelerators import (
    DevicesUnfit,
    build_binds,
    expand_files,
    find_devices,
    find_shown,
    parse_listed,
    parse_numbers,
)
from lilong.agent.engines.rank.launch import LAUNCH, Bounds, Isolation, NativeJob, Place, build_rank
from lilong.agent.engines.rank.sandbox import Accelerators, System
from lilong.agent.spool import AttemptFolder
from lilong.protocol.spec import Resources, RunSpec

# As 22.05.8 and 24.11.5 print it, on a node of two types.
TOLD = {
    "22.05": """slurmd-n1: Node configuration differs from hardware: CPUs=32:2(hw) Boards=1:1(hw)
slurmd-n1: Gres Name=gpu Type=h100 Count=4 Index=0 ID=7696487 File=/dev/nvidia[4-7] (null)
slurmd-n1: Gres Name=gpu Type=l40s Count=2 Index=0 ID=7696487 File=/dev/nvidia3,/dev/nvidia1 (null)
slurmd-n1: Gres Name=nic Type=(null) Count=1 Index=0 ID=6515054 File=/dev/nic0 (null)
""",
    "24.11": """slurmd-n1: error: xcpuinfo_hwloc_topo_load: failed (load will be required after read failures).
slurmd-n1: Gres Name=gpu Type=h100 Count=4 Index=0 ID=7696487 File=/dev/nvidia[4-7] Links=(null) Flags=HAS_FILE,HAS_TYPE
slurmd-n1: Gres Name=gpu Type=l40s Count=2 Index=0 ID=7696487 File=/dev/nvidia3,/dev/nvidia1 Links=0,-1 Flags=HAS_FILE
slurmd-n1: Gres Name=nic Type=(null) Count=1 Index=0 ID=6515054 File=/dev/nic0 Links=(null) Flags=HAS_FILE
""",
}


@pytest.mark.parametrize("version", TOLD)
def test_a_number_is_a_place_in_the_order_of_slurmd_and_not_in_a_files_name(version):
    listed = parse_listed(TOLD[version], gres="gpu")

    assert listed == [[f"/dev/nvidia{number}"] for number in (4, 5, 6, 7, 3, 1)]


def test_one_accelerator_of_several_files_has_all_of_them():
    told = "Gres Name=gpu Type=mi300x Count=1 Index=0 ID=1 File=/dev/dri/card0,/dev/dri/renderD128 (null)\n"
    told += told.replace("card0", "card1").replace("128", "129")

    assert parse_listed(told, gres="gpu") == [
        ["/dev/dri/card0", "/dev/dri/renderD128"],
        ["/dev/dri/card1", "/dev/dri/renderD129"],
    ]


@pytest.mark.parametrize(
    "told",
    [
        "",
        "slurmd: fatal: can't stat gres.conf file /dev/nvidia0",
        "Gres Name=gpu Type=h100 Count=4 Index=0 ID=1 Links=(null)",
        "Gres Name=gpu Type=h100 Count=4 Index=0 ID=1 File=(null) Links=(null)",
        "Gres Name=gpu Type=h100 Count=4 Index=0 ID=1 File=/dev/nvidia[0-2] (null)",
        "Gres Name=gpu Type=h100 Count=2 Index=0 ID=1 File=/dev/nvidia0,/dev/nvidia0 (null)",
        "Gres Name=mps Type=h100 Count=2 Index=0 ID=1 File=/dev/nvidia[0-1] (null)",
    ],
)
def test_what_does_not_name_one_file_for_each_is_refused(told):
    with pytest.raises(DevicesUnfit):
        parse_listed(told, gres="gpu")


def test_ranges_keep_their_zeros_and_their_order():
    assert expand_files("/dev/a[08-10,2]b,/dev/c") == ["/dev/a08b", "/dev/a09b", "/dev/a10b", "/dev/a2b", "/dev/c"]


@pytest.mark.parametrize(
    "value", ["", "nvidia0", "/dev/a[0-1", "/dev/a[0-1][2-3]", "/dev/a[x]", "/dev/a[0-99999999]", "/dev/a,,/dev/b", ","]
)
def test_what_is_no_list_of_paths_is_refused(value):
    with pytest.raises(DevicesUnfit):
        expand_files(value)


@pytest.mark.parametrize("text", ["", "0-1", "1,1", "1,", "-1", "1 2", "GPU-5a", "0x1", "11111", "\uff11"])
def test_numbers_that_are_not_plain_give_none(text):
    assert parse_numbers(text) == []


def make_wanted(tmp_path, *, told="", code=0, count=1, **fields):
    slurmd = tmp_path / "slurmd"
    slurmd.write_text(f"#!/bin/sh\n[ \"$*\" = '-G -N n1' ] || exit 9\necho '{told}' >&2\nexit {code}\n")
    slurmd.chmod(0o755)
    wanted = {"count": count, "numbers_from": "SLURM_JOB_GPUS", "gres": "gpu", "slurmd": str(slurmd)}
    return {**wanted, "common": [], "optional": [], "read_only": []} | fields


def tell(path, count):
    return f"Gres Name=gpu Type=h100 Count={count} Index=0 ID=1 File={path} (null)"


def make_devices(folder, *names):
    for name in names:
        (folder / name).symlink_to("/dev/null")


def test_a_rank_gets_the_files_of_its_numbers(tmp_path):
    make_devices(tmp_path, "d3", "d4", "d5")
    wanted = make_wanted(tmp_path, told=tell(f"{tmp_path}/d[3-5]", 3), count=2)

    found = find_devices(wanted, {"SLURM_JOB_GPUS": "0,2", "SLURM_STEP_GPUS": "1", "SLURMD_NODENAME": "n1"})

    assert found == [f"{tmp_path}/d3", f"{tmp_path}/d5"]


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ({}, "Slurm says nothing in SLURM_JOB_GPUS"),
        ({"SLURM_JOB_GPUS": "0,1"}, "The job has 1 accelerators of this node, and Slurm says 0,1"),
        ({"SLURM_STEP_GPUS": "0", "CUDA_VISIBLE_DEVICES": "0"}, "Slurm says nothing"),
        ({"SLURM_JOB_GPUS": "2"}, "slurmd lists 2 accelerators on node n1, and the job was given number 2"),
    ],
)
def test_numbers_that_do_not_fit_are_refused(tmp_path, numbers, words):
    make_devices(tmp_path, "d0", "d1")

    with pytest.raises(DevicesUnfit, match=words):
        find_devices(make_wanted(tmp_path, told=tell(f"{tmp_path}/d[0-1]", 2)), {"SLURMD_NODENAME": "n1"} | numbers)


def test_a_node_that_lacks_any_of_its_accelerators_gives_none_since_the_others_may_be_numbered_anew(tmp_path):
    make_devices(tmp_path, "d1")

    with pytest.raises(DevicesUnfit, match=f"Node n1 has no {tmp_path}/d0, which Slurm gives out"):
        find_devices(
            make_wanted(tmp_path, told=tell(f"{tmp_path}/d[0-1]", 2)), {"SLURMD_NODENAME": "n1", "SLURM_JOB_GPUS": "1"}
        )


def test_a_file_that_is_no_device_is_refused(tmp_path):
    (tmp_path / "d0").touch()

    with pytest.raises(DevicesUnfit, match="is no device"):
        find_devices(
            make_wanted(tmp_path, told=tell(f"{tmp_path}/d0", 1)), {"SLURMD_NODENAME": "n1", "SLURM_JOB_GPUS": "0"}
        )


@pytest.mark.parametrize(("node", "code"), [("n1", 1), ("n2", 0)])
def test_a_slurmd_that_fails_is_refused_with_its_words(tmp_path, node, code):
    wanted = make_wanted(tmp_path, told="no such option", code=code)

    with pytest.raises(DevicesUnfit, match=f"ends with {code or 9} on node {node}"):
        find_devices(wanted, {"SLURMD_NODENAME": node, "SLURM_JOB_GPUS": "0"})


def test_a_slurmd_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(DevicesUnfit, match="cannot be asked on node n1"):
        find_devices(
            make_wanted(tmp_path, slurmd=f"{tmp_path}/nowhere"), {"SLURMD_NODENAME": "n1", "SLURM_JOB_GPUS": "0"}
        )


def test_what_all_share_is_shown_and_what_is_optional_where_it_is(tmp_path):
    make_devices(tmp_path, "control", "tools")
    wanted = make_wanted(
        tmp_path,
        common=[f"{tmp_path}/control"],
        optional=[f"{tmp_path}/tools", f"{tmp_path}/nowhere"],
        read_only=[str(tmp_path)],
    )

    assert find_shown(wanted, ["/dev/own"], node="n1") == ["/dev/own", f"{tmp_path}/control", f"{tmp_path}/tools"]


@pytest.mark.parametrize("kind", ["common", "read_only"])
def test_what_is_not_optional_has_to_be_there(tmp_path, kind):
    with pytest.raises(DevicesUnfit, match=f"Node n1 has no {tmp_path}/nowhere"):
        find_shown(make_wanted(tmp_path, **{kind: [f"{tmp_path}/nowhere"]}), [], node="n1")


def test_devices_are_bound_as_devices_and_drivers_read_only():
    assert build_binds(["/dev/a", "/dev/b"], ["/opt/driver"]) == [
        *("--dev-bind", "/dev/a", "/dev/a", "--dev-bind", "/dev/b", "/dev/b"),
        *("--ro-bind", "/opt/driver", "/opt/driver"),
    ]


def describe(*, nodes=1, count=1, sandboxed=True):
    """Return the table of a rank's launch.json, and the variables that its spec wanted."""
    resources = Resources(accelerator="h100-sxm5", accelerators=count) if count else Resources()
    told = {"SLURM_JOB_GPUS": "7"}
    spec = RunSpec(name="job", command="true", walltime_s=1, nodes=nodes, resources=resources, variables=told)
    job = NativeJob(
        ref="lilong-1",
        attempt_id="att_1",
        run_id="run_1",
        number=1,
        hub_id="hub_1",
        token="t",
        nonce="n",
        report_key="00",
        spec=spec,
        authorised_ms=1,
        uid=None,
        environment_folder="/environment",
        secrets_folder="",
        sandboxed=sandboxed,
    )
    shown = Accelerators(gres="gpu", slurmd="/usr/sbin/slurmd", common=("/dev/nvidiactl",))
    isolation = Isolation(
        drops_user=False, stages=False, sandboxed=True, system=System(folders=("/usr",), links=()), seccomp=b""
    )
    files = build_rank(
        folder=AttemptFolder(Path("/attempt")),
        job=job,
        rank=0,
        place=Place(hostname="node", accelerators=shown),
        bounds=Bounds(),
        isolation=isolation,
    )
    return json.loads(files[LAUNCH])["accelerators"]


def test_a_step_of_a_gang_reads_its_own_numbers_and_not_those_of_the_first_node():
    assert describe()["numbers_from"] == "SLURM_JOB_GPUS"
    assert describe(nodes=2)["numbers_from"] == "SLURM_STEP_GPUS"


def test_only_a_sandboxed_job_that_has_accelerators_is_shown_any():
    assert describe(count=2) == {
        "count": 2,
        "numbers_from": "SLURM_JOB_GPUS",
        "gres": "gpu",
        "slurmd": "/usr/sbin/slurmd",
        "common": ["/dev/nvidiactl"],
        "optional": [],
        "read_only": [],
    }
    assert describe(count=0) is None
    assert describe(sandboxed=False) is None
