"""Why Slurm lets a job wait, in plain words."""

import pytest

from lilong.agent.engines.slurm.reasons import explain_reason, is_ambiguous

# Every word of src/common/job_state_reason.c of Slurm 24.11, those of 22.05 (slurm_protocol_defs.c) among them.
WORDS = """
None Prolog Priority Dependency Resources PartitionNodeLimit PartitionTimeLimit PartitionDown PartitionInactive
JobHeldAdmin JobHeldUser BeginTime Licenses AssociationJobLimit AssociationResourceLimit AssociationTimeLimit
Reservation ReqNodeNotAvail FrontEndDown SchedDefer NodeDown BadConstraints SystemFailure JobLaunchFailure
NonZeroExitCode RaisedSignal TimeLimit InactiveLimit InvalidAccount InvalidQOS QOSUsageThreshold QOSJobLimit
QOSResourceLimit QOSTimeLimit Cleaning QOSNotAllowed AccountNotAllowed DependencyNeverSatisfied QOSGrpCpuLimit
QOSGrpCPUMinutesLimit QOSGrpCPURunMinutesLimit QOSGrpJobsLimit QOSGrpMemLimit QOSGrpNodeLimit QOSGrpSubmitJobsLimit
QOSGrpWallLimit QOSMaxCpuPerJobLimit QOSMaxCpuMinutesPerJobLimit QOSMaxNodePerJobLimit QOSMaxWallDurationPerJobLimit
QOSMaxCpuPerUserLimit QOSMaxJobsPerUserLimit QOSMaxNodePerUserLimit QOSMaxSubmitJobPerUserLimit QOSMinCpuNotSatisfied
AssocGrpCpuLimit AssocGrpCPUMinutesLimit AssocGrpCPURunMinutesLimit AssocGrpJobsLimit AssocGrpMemLimit
AssocGrpNodeLimit AssocGrpSubmitJobsLimit AssocGrpWallLimit AssocMaxJobsLimit AssocMaxCpuPerJobLimit
AssocMaxCpuMinutesPerJobLimit AssocMaxNodePerJobLimit AssocMaxWallDurationPerJobLimit AssocMaxSubmitJobLimit
JobHoldMaxRequeue JobArrayTaskLimit BurstBufferResources BurstBufferStageIn BurstBufferOperation PowerNotAvail
PowerReserved AssocGrpUnknownRunMinutes AssocMaxUnknownPerNode AssocMaxCpuPerNode AssocGrpMemMinutes
AssocMaxMemMinutesPerJob AssocGrpEnergy AssocMaxEnergyPerNode AssocGrpGRES AssocGrpGRESRunMinutes AssocMaxGRESPerJob
AssocMaxGRESPerNode AssocGrpLicense AssocMaxLicensePerJob AssocGrpBB AssocMaxBBPerNode QOSMaxCpuPerNode
QOSGrpMemoryMinutes QOSMaxMemoryPerUser QOSMinMemory QOSGrpNodeRunMinutes QOSMinNode QOSGrpGRES QOSMaxGRESPerUser
QOSMaxGRESMinutesPerJob QOSMinGRES QOSMaxLicensePerUser QOSMinBB DeadLine MaxBBPerAccount MaxCpuPerAccount
MaxGRESPerAccount MaxMemoryPerAccount MaxJobsPerAccount MaxSubmitJobsPerAccount PartitionConfig AccountingPolicy
FedJobLock OutOfMemory MaxMemPerLimit AssocGrpBilling QOSMaxBillingMinutesPerJob MaxBillingPerAccount
ReservationDeleted ReservationInvalid Constraints
"""


@pytest.mark.parametrize("word", WORDS.split())
def test_every_reason_of_slurm_has_a_sentence(word):
    sentence = explain_reason(reason=word)

    assert "The cluster says" not in sentence
    assert sentence.endswith(".")
    assert word not in sentence or word == "Reservation"


@pytest.mark.parametrize(
    ("reason", "sentence"),
    [
        ("(Priority)", "Jobs with a higher priority wait before it."),
        ("", "The scheduler has not looked at it yet."),
        ("AssocGrpCPURunMinutesLimit", "The limit of its account on cores, times minutes, is reached."),
        ("QOSMaxNodePerUserLimit", "The limit of its quality of service on nodes for one user is reached."),
        ("QOSMinGRES", "It asks for less than its quality of service demands: accelerators."),
        ("launch failed requeued held", "The cluster holds it back after this: launch failed."),
        ("user_env_retrieval_failed_requeued_held", "The cluster holds it back after this: user env retrieval failed."),
        (
            "Nodes required for job are DOWN, DRAINED or reserved for jobs in higher priority partitions",
            "Nodes that it needs are down, drained or set aside for jobs with a higher priority.",
        ),
        ("SiteFactorMood", "The cluster says: SiteFactorMood."),
    ],
)
def test_a_reason_is_put_into_words(reason, sentence):
    assert explain_reason(reason=reason) == sentence


@pytest.mark.parametrize("mark", [", ", ",_"])
def test_nodes_that_are_missing_are_named(mark):
    sentence = explain_reason(reason=f"ReqNodeNotAvail{mark}UnavailableNodes:gpu[1-3]")

    assert sentence.endswith("not responding; not available now: gpu[1-3].")


def test_no_text_is_too_long():
    assert len(explain_reason(reason="x" * 10_000)) < 400


@pytest.mark.parametrize(
    ("exit_code", "words", "is_open"),
    [
        (1, "sbatch: error: Batch job submission failed: Invalid partition name specified", False),
        (255, "sbatch: error: Invalid --time specification", False),
        (1, "sbatch: fatal: Could not establish a configuration source", False),
        (1, "sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)", False),
        (1, "sbatch: error: Batch job submission failed: Unable to contact slurm controller (receive failure)", True),
        (1, "sbatch: error: Batch job submission failed: Zero Bytes were transmitted or received", True),
        (1, "sbatch: error: Batch job submission failed: Protocol authentication error", True),
        (1, "sbatch: error: something is wrong", True),
        (137, "", True),
    ],
)
def test_only_a_refusal_leaves_nothing_open(exit_code, words, is_open):
    assert is_ambiguous(exit_code=exit_code, words=words) is is_open
