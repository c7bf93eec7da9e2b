"""What the Slurm engine asks for."""

import shlex
from datetime import UTC, datetime, timedelta, timezone
from pathlib import PurePosixPath
from types import MappingProxyType

import pytest

from lilong.agent.engines.slurm import commands
from lilong.agent.engines.slurm.commands import OwnedName, Place, build_job_name, parse_job_name
from lilong.common.ids import new_id
from lilong.protocol.spec import RunSpec

ATTEMPT = "att_" + "0" * 31 + "1"
FOLDER = PurePosixPath("/scratch/离 龙/50% off/att_1")
GRES = MappingProxyType({"h100-sxm5": "gpu:h100", "bw1000": "dcu"})


def make_spec(*, nodes=1, walltime_s=3600, **resources):
    wanted = {"cores": 8, "memory_mib": 2048} | resources
    return RunSpec.model_validate(
        {"name": "train", "command": "true", "walltime_s": walltime_s, "nodes": nodes, "resources": wanted}
    )


def build_options(spec, *, place=None, grace_s=0, margin_s=0):
    return commands.build_submit_options(
        spec=spec,
        name="n",
        attempt_id=ATTEMPT,
        attempt_folder=FOLDER,
        place=place or Place(partition="main", gres=GRES),
        grace_s=grace_s,
        margin_s=margin_s,
    )


def build_script(spec):
    return commands.build_batch_script(
        spec=spec,
        attempt_folder=FOLDER,
        python=PurePosixPath("/usr/bin/python3"),
        shim=PurePosixPath("/opt/li long/shim.py"),
        srun=PurePosixPath("/opt/slurm/bin/srun"),
        gres=GRES,
    )


@pytest.mark.parametrize("hub_id", ["hub_1", "hub-of-bc", "a--b", new_id("hub")])
def test_a_name_tells_whose_job_it_is(hub_id):
    name = build_job_name(hub_id=hub_id, token="9f_3c", attempt_id=ATTEMPT)

    assert parse_job_name(name=name) == OwnedName(hub_id=hub_id, token="9f_3c", attempt_id=ATTEMPT)


@pytest.mark.parametrize(
    ("hub_id", "token", "attempt_id"),
    [("hub_1", "a-b", ATTEMPT), ("", "a", ATTEMPT), ("hub_1", "a", "att_1"), ("h" * 250, "a", ATTEMPT)],
)
def test_a_name_that_cannot_be_read_back_is_not_made(hub_id, token, attempt_id):
    with pytest.raises(ValueError, match="told apart"):
        build_job_name(hub_id=hub_id, token=token, attempt_id=attempt_id)


@pytest.mark.parametrize("name", ["", "bash", "lilong-hub_1-t", f"lilong-hub_1-t-{ATTEMPT}\n", f"lilong-{ATTEMPT}"])
def test_other_names_are_nobodys(name):
    assert parse_job_name(name=name) is None


def test_options_ask_for_each_node():
    options = build_options(make_spec(nodes=3, accelerator="h100-sxm5", accelerators=4))

    assert {"--nodes=3", "--ntasks-per-node=1", "--cpus-per-task=8", "--mem=2048M", "--gres=gpu:h100:4"} <= set(options)
    assert {"--no-requeue", "--export=ALL", f"--comment={ATTEMPT}", "--open-mode=append"} <= set(options)


def test_options_leave_to_the_cluster_what_the_settings_leave_open():
    options = build_options(make_spec(), place=Place(partition="main"))

    assert not [option for option in options if option.startswith(("--account", "--qos", "--gres"))]


def test_options_name_account_and_qos():
    options = build_options(make_spec(), place=Place(partition="main", account="bc", qos="low"))

    assert {"--partition=main", "--account=bc", "--qos=low"} <= set(options)


@pytest.mark.parametrize(
    ("walltime_s", "grace_s", "margin_s", "minutes"), [(60, 0, 0, 1), (61, 0, 0, 2), (3600, 30, 90, 62), (1, 0, 0, 1)]
)
def test_the_time_limit_is_never_less_than_what_the_job_may_take(walltime_s, grace_s, margin_s, minutes):
    options = build_options(make_spec(walltime_s=walltime_s), grace_s=grace_s, margin_s=margin_s)

    assert f"--time={minutes}" in options


def test_a_percent_sign_in_a_folder_is_no_pattern():
    options = build_options(make_spec())

    assert "--output=/scratch/离 龙/50%% off/att_1/slurm.log" in options
    assert f"--chdir={FOLDER}" in options


def test_an_accelerator_without_a_name_on_this_cluster_is_refused():
    with pytest.raises(KeyError):
        build_options(make_spec(accelerator="mi300x", accelerators=1))


def test_one_node_becomes_the_wrapper():
    lines = build_script(make_spec()).splitlines()

    assert lines[0] == "#!/bin/sh"
    wanted = ["exec", "/usr/bin/python3", "-I", "-S", "/opt/li long/shim.py", "--attached", str(FOLDER)]
    assert [shlex.split(line) for line in lines[1:]] == [wanted]


def test_a_gang_starts_one_wrapper_a_node_with_all_that_the_job_has_there():
    words = shlex.split(build_script(make_spec(nodes=2, accelerator="bw1000", accelerators=8)).splitlines()[1])

    assert words[:2] == ["exec", "/opt/slurm/bin/srun"]
    assert {"--nodes=2", "--ntasks=2", "--ntasks-per-node=1", "--cpus-per-task=8", "--mem=0"} <= set(words)
    assert {"--gres=dcu:8", "--kill-on-bad-exit=1", "--wait=0"} <= set(words)
    assert words[-3:] == ["/opt/li long/shim.py", "--attached", str(FOLDER)]


def test_queries_name_their_fields_and_filters():
    query = commands.build_queue_query(separator="9c2e", partitions=["main", "gpu"], users=["lilong"])

    assert query[0] == "squeue"
    assert {"--states=all", "--partition=main,gpu", "--user=lilong"} <= set(query)
    assert commands.build_queue_query(separator="9c2e")[-1].startswith("--format=%A9c2e%T9c2e")
    assert commands.build_queue_query(separator="9c2e")[-1].endswith("9c2e%j9c2e")


def test_accounting_is_asked_in_universal_time():
    since = datetime(2026, 3, 1, 20, tzinfo=timezone(timedelta(hours=8)))
    query = commands.build_accounting_query(separator="9c2e", since=since, names=["a", "b"], users=["lilong"])

    assert "--starttime=2026-03-01T12:00:00" in query
    assert {"--duplicates", "--allocations", "--delimiter=9c2e", "--name=a,b", "--user=lilong"} <= set(query)
    assert "--allusers" not in query
    assert "--allusers" in commands.build_accounting_query(separator="|", since=datetime(2026, 3, 1, tzinfo=UTC))


def test_every_query_starts_with_its_program():
    assert commands.build_nodes_query()[-2:] == ["show", "node"]
    assert commands.build_partition_query(partition="main")[-1] == "main"
    assert commands.build_config_query() == ["scontrol", "show", "config"]
