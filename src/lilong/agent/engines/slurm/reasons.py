"""Say in plain words why Slurm lets a job wait. Pure; a word that is not known here is shown as it is."""

import re
from collections.abc import Mapping
from types import MappingProxyType

_SENTENCES: Mapping[str, str] = MappingProxyType(
    {
        "None": "The scheduler has not looked at it yet.",
        "WaitingForScheduling": "The scheduler has not looked at it yet.",
        "Resources": "It is next in line and waits until enough of the cluster is free.",
        "Priority": "Jobs with a higher priority wait before it.",
        "Dependency": "It waits for another job to end.",
        "DependencyNeverSatisfied": "It waits for another job that can no longer end as it would have to.",
        "BeginTime": "Its earliest start time has not come yet.",
        "Licenses": "It waits for a licence.",
        "Reservation": "It waits for its reservation to begin.",
        "ReservationDeleted": "Its reservation was deleted.",
        "JobHeldAdmin": "An administrator of the cluster holds it back.",
        "JobHeldUser": "Its user on the cluster holds it back.",
        "JobHoldMaxRequeue": "It was started too often and is held back.",
        "JobArrayTaskLimit": "As many tasks of its array run as may.",
        "BadConstraints": "No node of the cluster can ever give what it asks for.",
        "PartitionDown": "The partition is down.",
        "PartitionInactive": "The partition starts no jobs now.",
        "PartitionNodeLimit": "It asks for more nodes than the partition allows, or nodes that it needs are down.",
        "PartitionTimeLimit": "It asks for more time than the partition allows.",
        "PartitionConfig": "It asks for what the partition does not allow.",
        "NodeDown": "A node that it needs is down.",
        "ReqNodeNotAvail": "A node that it needs is not available: reserved, down, drained or not responding.",
        "FrontEndDown": "No front-end node can start it.",
        "AccountNotAllowed": "The partition does not take its account.",
        "AccountingPolicy": "A limit of its account is reached.",
        "InvalidAccount": "Its account on the cluster is not valid.",
        "InvalidQOS": "Its quality of service on the cluster is not valid.",
        "QOSNotAllowed": "The partition does not take its quality of service.",
        "QOSUsageThreshold": "Its quality of service has fallen below the threshold of use.",
        "QOSJobLimit": "As many jobs of its quality of service run as may.",
        "QOSResourceLimit": "Its quality of service uses as much as it may.",
        "QOSTimeLimit": "Its quality of service has used up its time.",
        "AssociationJobLimit": "As many jobs of its account run as may.",
        "AssociationResourceLimit": "Its account uses as much as it may.",
        "AssociationTimeLimit": "Its account has used up its time.",
        "Cleaning": "The cluster still cleans up after it was started before.",
        "Prolog": "The cluster prepares its nodes.",
        "SystemFailure": "The cluster had a failure: Slurm, a file system or the network.",
        "JobLaunchFailure": "The cluster could not start it.",
        "NodeFail": "A node failed under it.",
        "BootFailure": "A node could not be booted for it.",
        "ResourceFailure": "The scheduler could not give it what it had chosen.",
        "BurstBufferResources": "It waits for space in the burst buffer.",
        "BurstBufferStageIn": "Its data is being brought into the burst buffer.",
        "DeadLine": "It could not end before its deadline.",
        "TimeLimit": "Its time was used up.",
        "OutOfMemory": "It used more memory than it asked for.",
        "NonZeroExitCode": "It ended with an error.",
        "RaisedSignal": "It was ended by a signal.",
        "InactiveLimit": "It was inactive for too long.",
        "MaxMemPerLimit": "It asks for more memory than a job may have.",
        "MaxPoweredUpNodes": "As many nodes are awake as may be.",
        "SchedDefer": "It does not start at once; the scheduler takes it up in its next round.",
        "BurstBufferOperation": "The burst buffer failed under it.",
        "PowerNotAvail": "There is not enough power for it now.",
        "PowerReserved": "The power that it needs is reserved.",
        "ReservationInvalid": "Its reservation is not valid.",
        "Constraints": "Nodes with what it asks for are not free now.",
        "FedJobLock": "The federation decides on which cluster it runs.",
    }
)
_THINGS: Mapping[str, str] = MappingProxyType(
    {
        "Cpu": "cores",
        "CPU": "cores",
        "Job": "running jobs",
        "Jobs": "running jobs",
        "SubmitJob": "submitted jobs",
        "SubmitJobs": "submitted jobs",
        "Mem": "memory",
        "Memory": "memory",
        "Node": "nodes",
        "Nodes": "nodes",
        "GRES": "accelerators",
        "Wall": "time",
        "WallDuration": "time",
        "License": "licences",
        "BB": "burst buffer",
        "Billing": "billing units",
        "Energy": "energy",
        "Unknown": "something",
    }
)
_SPANS: Mapping[str, str] = MappingProxyType({"": "", "Minutes": ", times minutes,", "RunMinutes": ", times minutes,"})
_BEARERS: Mapping[str, str] = MappingProxyType(
    {"": "", "Job": " for one job", "Node": " on one node", "User": " for one user", "Account": " for one account"}
)
_OWNERS: Mapping[str, str] = MappingProxyType(
    {"": "quality of service", "QOS": "quality of service", "Assoc": "account"}
)
_LIMIT = re.compile(
    rf"(Assoc|QOS|)(Grp|Max|Min)({'|'.join(_THINGS)})(RunMinutes|Minutes|)(?:Per(Job|Node|User|Account))?"
    r"(?:Limit|NotSatisfied)?"
)
_ASIDE = "Nodes required for job are DOWN, DRAINED or reserved for jobs in higher priority partitions"
_LIST = re.compile(r"(\w+)[,_ ]+(?:UnavailableNodes|May be reserved)\b:?_?(.*)")
_HELD = re.compile(r"(.+?) (?:requeued )?held")


def explain_reason(*, reason: str) -> str:
    """Return one sentence for a reason that squeue gives.

    >>> explain_reason(reason="QOSMaxGRESPerUser")
    'The limit of its quality of service on accelerators for one user is reached.'
    >>> explain_reason(reason="ReqNodeNotAvail, UnavailableNodes:n[1-2]")[-7:]
    'n[1-2].'
    >>> explain_reason(reason="FancyNewReason")
    'The cluster says: FancyNewReason.'
    """
    word = reason.strip()
    if word.startswith("(") and word.endswith(")"):
        word = word[1:-1]
    if word in _SENTENCES:
        return _SENTENCES[word]
    if word.replace("_", " ") == _ASIDE:
        return "Nodes that it needs are down, drained or set aside for jobs with a higher priority."
    listed = _LIST.fullmatch(word)
    if listed and listed[1] in _SENTENCES:
        sentence = _SENTENCES[listed[1]]
        return f"{sentence[:-1]}; not available now: {listed[2]}." if listed[2] else sentence
    limit = _LIMIT.fullmatch(word)
    if limit:
        owner, thing = _OWNERS[limit[1]], _THINGS[limit[3]]
        if limit[2] == "Min":
            return f"It asks for less than its {owner} demands: {thing}."
        return f"The limit of its {owner} on {thing}{_SPANS[limit[4]]}{_BEARERS[limit[5] or '']} is reached."
    held = _HELD.fullmatch(word.replace("_", " "))
    if held:
        return f"The cluster holds it back after this: {held[1]}."
    return f"The cluster says: {word[:300]}." if word else _SENTENCES["None"]


def is_ambiguous(*, exit_code: int, words: str) -> bool:
    """Return whether sbatch, when it ended like this, leaves it open if the controller took the job.

    It does unless it says that the controller refused it, or that it was never asked.

    >>> is_ambiguous(exit_code=1, words="sbatch: error: Batch job submission failed: Invalid account")
    False
    >>> is_ambiguous(exit_code=1, words="sbatch: error: Batch job submission failed: Socket timed out on send/recv")
    True
    """
    if exit_code == _OPTIONS_NOT_UNDERSTOOD or any(part in words for part in _NOT_ASKED):
        return False
    return _REFUSED not in words or any(part in words for part in _AMBIGUOUS)


def is_memory_kill(words: str) -> bool:
    """Return whether Slurm, in these words on a job's standard error, ended the job for its memory.

    >>> is_memory_kill("slurmstepd-n2: error: StepId=3.batch exceeded memory limit (113659904 > 62914560), being")
    True
    """
    return any(part in words for part in _MEMORY_KILLS)


def is_for_now(words: str) -> bool:
    """Return whether the same submission may pass later: a limit on jobs, or a controller that is away.

    >>> is_for_now("sbatch: error: QOSMaxSubmitJobPerUserLimit")
    True
    """
    return any(part in words for part in _FOR_NOW)


_OPTIONS_NOT_UNDERSTOOD = 255
_NOT_ASKED = ("sbatch: fatal: ", "cli_filter plugin terminated")
_REFUSED = "Batch job submission failed: "
_AMBIGUOUS = (
    "Socket timed out",
    "Zero Bytes were transmitted",
    "Communication connection failure",
    "Communication shutdown failure",
    "Message receive failure",
    "Message send failure",
    "Unexpected message received",
    "Insane message length",
    "Protocol authentication error",
    "Incompatible versions",
    "(send failure)",
    "(receive failure)",
    "(shutdown failure)",
)
_MEMORY_KILLS = (" exceeded memory limit (", "oom-kill event", "oom_kill event")
_FOR_NOW = (
    "Unable to contact slurm controller (connect failure)",
    "configuration source",
    "Connection refused",
    "temporarily unable to accept job",
    "Resource temporarily unavailable",
    "MaxSubmitJob",
    "MaxSubmitPU",
    "MaxSubmitPA",
)
