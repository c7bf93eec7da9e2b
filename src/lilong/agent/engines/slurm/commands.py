"""Build what the Slurm engine asks for: names, options, scripts and queries. Pure; `parsing.py` reads the answers.

Every query names its fields: `--json` crashed or changed its shape between versions, fixed fields have not. Answers
keep their header line: an empty answer with exit code 0 was seen to mean "not now", so without it nothing is said.
Fields are separated by a text that the caller makes up for each query, since a job's name may hold anything, newlines
included, and a name could otherwise pretend to be another job's line.
"""

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from types import MappingProxyType

from lilong.protocol.spec import RunSpec

# Epoch seconds leave no room for time zones; where a version ignores the format, TZ makes its ISO times UTC.
QUERY_ENVIRONMENT: Mapping[str, str] = MappingProxyType({"LANG": "C.UTF-8", "TZ": "UTC", "SLURM_TIME_FORMAT": "%s"})
QUEUE_FIELDS: Mapping[str, str] = MappingProxyType(
    {
        "job_id": "%A",
        "state": "%T",
        "uid": "%U",
        "partition": "%P",
        "submitted_at": "%V",
        "started_at": "%S",
        "ended_at": "%e",
        "elapsed": "%M",
        "nodes": "%N",
        "reason": "%r",
        "name": "%j",
    }
)
ACCOUNTING_FIELDS: Mapping[str, str] = MappingProxyType(
    {
        "job_id": "JobIDRaw",
        "state": "State",
        "uid": "UID",
        "partition": "Partition",
        "exit_code": "ExitCode",
        "submitted_at": "Submit",
        "started_at": "Start",
        "ended_at": "End",
        "elapsed": "ElapsedRaw",
        "suspended": "Suspended",
        "nodes": "NodeList",
        "name": "JobName",
    }
)
LOG = "slurm.log"

_NAME = re.compile(r"lilong-([A-Za-z0-9_-]+)-([A-Za-z0-9_]+)-([a-z]{2,5}_[0-9a-f]{32})")
_FAR_AHEAD = timedelta(days=400)  # longer than anything that is asked for has run
_NAME_LENGTH_MAX = 255  # slurmdbd keeps names in a tinytext


@dataclass(frozen=True, slots=True)
class OwnedName:
    """Whose a native job is, as its name says."""

    hub_id: str
    token: str
    attempt_id: str


def build_job_name(*, hub_id: str, token: str, attempt_id: str) -> str:
    """Return the native name, which is also the ref that the port returns; raises ValueError if it cannot be read back.

    >>> build_job_name(hub_id="hub_1", token="9f3c", attempt_id="att_" + "0" * 32)
    'lilong-hub_1-9f3c-att_00000000000000000000000000000000'
    """
    name = f"lilong-{hub_id}-{token}-{attempt_id}"
    if len(name) > _NAME_LENGTH_MAX or parse_job_name(name=name) != OwnedName(hub_id, token, attempt_id):
        raise ValueError(f"{name[:300]!r} cannot be told apart from other names.")
    return name


def parse_job_name(*, name: str) -> OwnedName | None:
    """Return whose job this is, or None when it is not one of ours. A hub's id may hold dashes, a token may not.

    >>> parse_job_name(name="lilong-hub-of-bc-9f3c-att_" + "0" * 32).token
    '9f3c'
    >>> parse_job_name(name="interactive") is None
    True
    """
    match = _NAME.fullmatch(name)
    return None if match is None else OwnedName(hub_id=match[1], token=match[2], attempt_id=match[3])


@dataclass(frozen=True, slots=True)
class Place:
    """Where on the cluster jobs go; account and qos are empty where the cluster's default is meant.

    gres: the generic resource that an accelerator of the registry is here, such as `gpu:h100` or `dcu`.
    """

    partition: str
    account: str = ""
    qos: str = ""
    gres: Mapping[str, str] = field(default_factory=dict[str, str])


def build_gres(*, spec: RunSpec, gres: Mapping[str, str]) -> str:
    """Return the accelerators of one node as Slurm counts them, empty for none; raises KeyError if it has no name here.

    >>> resources = {"accelerator": "h100-sxm5", "accelerators": 4}
    >>> spec = RunSpec.model_validate({"name": "a", "command": "b", "walltime_s": 1, "resources": resources})
    >>> build_gres(spec=spec, gres={"h100-sxm5": "gpu:h100"})
    'gpu:h100:4'
    """
    wanted = spec.resources
    if wanted.accelerator is None or not wanted.accelerators:
        return ""
    return f"{gres[wanted.accelerator]}:{wanted.accelerators}"


def build_submit_options(
    *,
    spec: RunSpec,
    name: str,
    attempt_id: str,
    attempt_folder: PurePosixPath,
    place: Place,
    grace_s: int,
    margin_s: int,
) -> list[str]:
    """Return the options for sbatch. Slurm's time limit is a backstop behind the wrapper's, never nearer than it.

    The job gets the environment of the process that calls sbatch (which is to be QUERY_ENVIRONMENT and a PATH):
    every other value of `--export` known to 22.05, a list of names too, makes the node load the user's login
    environment first, and hold the job when that takes too long; NIL came later.
    """
    limit_s = spec.walltime_s + grace_s + margin_s
    log = str(attempt_folder / LOG).replace("%", "%%")
    gres = build_gres(spec=spec, gres=place.gres)
    options = {
        "job-name": name,
        "comment": attempt_id,
        "partition": place.partition,
        "account": place.account,
        "qos": place.qos,
        "nodes": str(spec.nodes),
        "ntasks-per-node": "1",
        "cpus-per-task": str(spec.resources.cores),
        "mem": f"{spec.resources.memory_mib}M",
        "gres": gres,
        "time": str(-(-limit_s // 60)),
        "chdir": str(attempt_folder),
        "output": log,
        "error": log,
        "open-mode": "append",
        "export": "ALL",
    }
    return [*(f"--{option}={value}" for option, value in options.items() if value), "--no-requeue"]


def build_batch_script(
    *,
    spec: RunSpec,
    attempt_folder: PurePosixPath,
    python: PurePosixPath,
    shim: PurePosixPath,
    srun: PurePosixPath,
    gres: Mapping[str, str],
) -> str:
    """Return the script that becomes the wrapper on one node, or starts one on each node of a gang.

    A step has to ask again for what the job has: since 22.05 srun takes no CPUs from the job's --cpus-per-task, and
    asking for them makes the step exact, so that memory and accelerators are named too. `--wait=0`: a cluster may kill
    the others soon after the first rank has ended, the wrappers do so themselves.
    """
    wrapper = [str(python), "-I", "-S", str(shim), "--attached", str(attempt_folder)]
    if spec.nodes == 1:
        return f"#!/bin/sh\nexec {shlex.join(wrapper)}\n"
    accelerators = build_gres(spec=spec, gres=gres)
    step = [
        str(srun),
        f"--nodes={spec.nodes}",
        f"--ntasks={spec.nodes}",
        "--ntasks-per-node=1",
        f"--cpus-per-task={spec.resources.cores}",
        "--mem=0",  # all that the job has on the node
        *([f"--gres={accelerators}"] if accelerators else []),
        "--kill-on-bad-exit=1",
        "--wait=0",
        "--mpi=none",
        "--export=ALL",
        "--input=none",
    ]
    return f"#!/bin/sh\nexec {shlex.join([*step, *wrapper])}\n"


def build_queue_query(*, separator: str, partitions: Sequence[str] = (), users: Sequence[str] = ()) -> list[str]:
    """Return the call that lists the jobs that the controller knows, those that ended a few minutes ago included.

    separator: as `secrets.token_hex(8)` makes it, fresh for each query. Of an unknown user squeue complains on its
    error output alone: there is a header, no job, and exit code 0.
    """
    filters = {"partition": ",".join(partitions), "user": ",".join(users)}
    return [
        "squeue",
        "--all",  # of hidden partitions, too
        "--states=all",
        f"--format={''.join(f'{field}{separator}' for field in QUEUE_FIELDS.values())}",
        *(f"--{option}={value}" for option, value in filters.items() if value),
    ]


def build_accounting_query(
    *,
    separator: str,
    since: datetime,
    names: Sequence[str] = (),
    job_ids: Sequence[int] = (),
    users: Sequence[str] = (),
) -> list[str]:
    """Return the call that lists jobs, with every time they were started, that were not over by `since`.

    A job that waits for its turn may be missing from the answer: accounting knows it once it was eligible to run.

    >>> build_accounting_query(separator="9c2e", since=datetime(2026, 3, 1, 12, tzinfo=UTC), job_ids=[7, 8])[-3:]
    ['--starttime=2026-03-01T12:00:00', '--jobs=7,8', '--allusers']
    """
    filters = {"name": ",".join(names), "jobs": ",".join(map(str, job_ids)), "user": ",".join(users)}
    return [
        "sacct",
        "--duplicates",
        "--allocations",
        "--parsable",
        f"--delimiter={separator}",
        f"--format={','.join(ACCOUNTING_FIELDS.values())}",
        # Until now, it would be by default: by this machine's clock, which may be behind the cluster's.
        f"--endtime={(since + _FAR_AHEAD).astimezone(UTC):%Y-%m-%dT%H:%M:%S}",
        f"--starttime={since.astimezone(UTC):%Y-%m-%dT%H:%M:%S}",
        *(f"--{option}={value}" for option, value in filters.items() if value),
        *([] if users else ["--allusers"]),
    ]


def build_nodes_query() -> list[str]:
    """Return the call that describes every node in one line each, with the generic resources in use."""
    return ["scontrol", "--all", "--oneliner", "--details", "show", "node"]


def build_allocations_query(*, job_ids: Sequence[int]) -> tuple[list[str], str]:
    """Return the call that describes these jobs with what each has on which node, and what to write to its input.

    By its arguments alone scontrol describes one job or all of the cluster. It fails when one of them is gone, after
    it has described the others.
    """
    return ["scontrol", "--details"], "".join(f"show job {job_id}\n" for job_id in job_ids) + "quit\n"


def build_partition_query(*, partition: str) -> list[str]:
    """Return the call that describes one partition in one line."""
    return ["scontrol", "--all", "--oneliner", "show", "partition", partition]


def build_config_query() -> list[str]:
    """Return the call that prints the cluster's configuration, its version included."""
    return ["scontrol", "show", "config"]


def build_admin_query(*, user: str) -> list[str]:
    """Return the call that says which level of administration a user has in Slurm."""
    return ["sacctmgr", "--noheader", "--parsable2", "show", "user", user, "format=AdminLevel"]


def build_associations_query(*, users: Sequence[str]) -> list[str]:
    """Return the call that lists under which accounts and in which partitions these users may submit, and how."""
    show = ["show", "associations", f"users={','.join(users)}", "format=User,Account,Partition,QOS"]
    return ["sacctmgr", "--noheader", "--parsable2", *show]


def build_accounts_query() -> list[str]:
    """Return the call that lists all accounts, one a line."""
    return ["sacctmgr", "--noheader", "--parsable2", "show", "account", "format=Account"]


def build_qos_query() -> list[str]:
    """Return the call that lists all qualities of service, one a line."""
    return ["sacctmgr", "--noheader", "--parsable2", "show", "qos", "format=Name"]
