"""Tables of pools and runs. Locks are taken in this order: Pool, Run. A pool's row guards its attempts and meters."""

from django.db import models
from django.db.models import Q

from lilong.common.permissions import Actor
from lilong.foundation.runs.core.runs import OPEN_STATES, RunState
from lilong.foundation.runs.core.table import LIVE_STATES
from lilong.protocol.messages import AttemptState

OPEN = [state.value for state in OPEN_STATES]
LIVE = [state.value for state in LIVE_STATES]


class Hub(models.Model):
    """The one row that names this hub to agents; its id is part of the names of native jobs."""

    id = models.CharField(max_length=64, primary_key=True)
    number = models.PositiveSmallIntegerField(unique=True, default=1)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(number=1), name="runs_one_hub")]


class PoolSet(models.QuerySet["Pool"]):
    """Filters of pools."""

    def visible_to(self, actor: Actor) -> "PoolSet":
        """Keep the pools of the actor's own organisation; an operator sees all."""
        if actor.is_operator:
            return self
        return self.filter(organisation_id=actor.organisation_id) if actor.organisation_id else self.none()


class Pool(models.Model):
    """One engine endpoint of a provider, and what its agent last said.

    epoch rises with every new agent and every restore.
    past_boot_ids: agents that were followed by another and must not act any more. inventory: the last one reported.
    maintenance_starts_at, maintenance_ends_at: of the window that was announced last, which may be over.
    """

    id = models.CharField(max_length=64, primary_key=True)
    organisation_id = models.CharField(max_length=64)
    name = models.CharField(max_length=64)
    engine = models.CharField(max_length=32)
    created_at = models.DateTimeField()
    draining_at = models.DateTimeField(null=True)
    maintenance_starts_at = models.DateTimeField(null=True)
    maintenance_ends_at = models.DateTimeField(null=True)
    maintenance_reason = models.CharField(max_length=200, default="", blank=True)
    epoch = models.BigIntegerField(default=0)
    boot_id = models.CharField(max_length=200, default="")
    past_boot_ids = models.JSONField(default=list)
    agent_version = models.CharField(max_length=200, default="")
    hostname = models.CharField(max_length=200, default="")
    last_sync_at = models.DateTimeField(null=True)
    clock_skew_ms = models.BigIntegerField(default=0)
    inventory = models.JSONField(null=True)

    objects = PoolSet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organisation_id", "name"], name="runs_pool_name_once"),
            models.CheckConstraint(
                condition=Q(maintenance_starts_at=None, maintenance_ends_at=None)
                | Q(maintenance_starts_at__lt=models.F("maintenance_ends_at")),
                name="runs_maintenance_has_length",
            ),
        ]


class PoolToken(models.Model):
    """What an agent shows; the id is the token's SHA-256. The first use of a newer one ends the older ones."""

    id = models.CharField(max_length=64, primary_key=True)
    pool = models.ForeignKey(Pool, on_delete=models.PROTECT, related_name="tokens")
    created_at = models.DateTimeField()
    first_used_at = models.DateTimeField(null=True)


class JoinToken(models.Model):
    """Lets one agent join a pool, once. Only the token's SHA-256 is kept."""

    id = models.CharField(max_length=64, primary_key=True)
    pool = models.ForeignKey(Pool, on_delete=models.PROTECT)
    token_sha256 = models.CharField(max_length=64, unique=True)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)


class UnknownAttempt(models.Model):
    """A job that an agent reports under our token and the hub has no row of: of later orders than a restored backup."""

    id = models.CharField(max_length=64, primary_key=True)
    pool = models.ForeignKey(Pool, on_delete=models.PROTECT)
    attempt_id = models.CharField(max_length=200)
    native_ref = models.CharField(max_length=200)
    state = models.CharField(max_length=16)
    metered_ms = models.BigIntegerField()
    first_seen_at = models.DateTimeField()
    changed_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["pool", "attempt_id"], name="runs_unknown_once")]


class LockedEnvironment(models.Model):
    """Resolved packages for one profile; the id is the environment's digest."""

    id = models.CharField(max_length=64, primary_key=True)
    profile = models.CharField(max_length=200)
    python_version = models.CharField(max_length=200)
    platform = models.CharField(max_length=200)
    lock = models.TextField(blank=True)


class Resolution(models.Model):
    """What requirement lines were resolved to, lately; the id is the SHA-256 of profile and lines."""

    id = models.CharField(max_length=64, primary_key=True)
    environment = models.ForeignKey(LockedEnvironment, on_delete=models.PROTECT)
    resolved_at = models.DateTimeField(db_index=True)


class RunSet(models.QuerySet["Run"]):
    """Filters of runs."""

    def visible_to(self, actor: Actor) -> "RunSet":
        """Keep the runs of the actor's own organisation; an operator sees all."""
        if actor.is_operator:
            return self
        return self.filter(organisation_id=actor.organisation_id) if actor.organisation_id else self.none()


class Run(models.Model):
    """The intent to run something, and how it ended.

    charge_code: the caller's, and opaque here; the agents of its attempts are told. authorised_ms: over all attempts.
    stopped_at, stop_reason: what should be; the next sync brings it to the agent.
    volumes: manifest of each volume of the spec that had content at the order, by volume id.
    kept_at: when what the run needed was let go and what it made was kept for its organisation.
    """

    id = models.CharField(max_length=64, primary_key=True)
    organisation_id = models.CharField(max_length=64)
    person_id = models.CharField(max_length=64)
    charge_code = models.CharField(max_length=64, default="", blank=True)
    name = models.CharField(max_length=64)
    spec = models.JSONField()
    spec_sha256 = models.CharField(max_length=64)
    state = models.CharField(max_length=16, default=RunState.PENDING.value)
    reason = models.CharField(max_length=32, default="", blank=True)
    fault = models.CharField(max_length=16, default="", blank=True)
    detail = models.CharField(max_length=2500, default="", blank=True)
    volumes = models.JSONField(default=dict)
    authorised_ms = models.BigIntegerField()
    stopped_at = models.DateTimeField(null=True)
    stop_reason = models.CharField(max_length=32, default="", blank=True)
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    kept_at = models.DateTimeField(null=True)
    logs_deleted_at = models.DateTimeField(null=True)

    objects = RunSet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(authorised_ms__gt=0), name="runs_authority_positive"),
            models.CheckConstraint(
                condition=Q(state__in=OPEN, finished_at=None) | ~Q(state__in=OPEN) & ~Q(finished_at=None),
                name="runs_finished_has_moment",
            ),
        ]
        indexes = [
            models.Index(fields=["organisation_id", "id"], name="runs_run_of_organisation"),
            models.Index(fields=["id"], condition=Q(finished_at=None), name="runs_run_open"),
            models.Index(fields=["id"], condition=Q(kept_at=None) & ~Q(finished_at=None), name="runs_run_to_keep"),
            models.Index(fields=["finished_at"], condition=Q(logs_deleted_at=None), name="runs_run_with_logs"),
        ]


class Candidate(models.Model):
    """One pool that may take the run, with the environment resolved for it. rank_cost and ref are the caller's."""

    id = models.CharField(max_length=64, primary_key=True)
    run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="candidates")
    position = models.PositiveIntegerField()
    pool = models.ForeignKey(Pool, on_delete=models.PROTECT)
    environment = models.ForeignKey(LockedEnvironment, on_delete=models.PROTECT)
    rank_cost = models.BigIntegerField()
    ref = models.CharField(max_length=64)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "position"], name="runs_candidate_once")]


class Attempt(models.Model):
    """One try of a run on one pool; what changes with every sync stands in Meter. See `core/attempts.py`.

    token names the native job; nonce binds the job wrapper's reports. used_before_ms: authority that earlier attempts
    of the run have used. nodes, accelerator, accelerators, walltime_s, grace_s, outputs_max_bytes: from the spec.
    queue_wait_s: how long it may queue, fixed when it is first offered. allocation_problem: why what the engine gave is
    not what was ordered. billable_ms, usable_ms, meters_agree: the bill, frozen when the attempt settles.
    """

    id = models.CharField(max_length=64, primary_key=True)
    run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="attempts")
    number = models.PositiveIntegerField()
    candidate = models.ForeignKey(Candidate, on_delete=models.PROTECT)
    pool = models.ForeignKey(Pool, on_delete=models.PROTECT)
    token = models.CharField(max_length=64, unique=True)
    nonce = models.CharField(max_length=64)
    nodes = models.PositiveIntegerField()
    walltime_s = models.PositiveIntegerField()
    accelerator = models.CharField(max_length=64, default="", blank=True)
    accelerators = models.PositiveIntegerField(default=0)
    grace_s = models.PositiveIntegerField()
    outputs_max_bytes = models.BigIntegerField()
    used_before_ms = models.BigIntegerField()
    start_checkpoint_sha256 = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField()
    state = models.CharField(max_length=16, default=AttemptState.CREATED.value)
    reason = models.CharField(max_length=32, default="", blank=True)
    fault = models.CharField(max_length=16, default="", blank=True)
    detail = models.CharField(max_length=1000, default="", blank=True)
    offered_at = models.DateTimeField(null=True)
    queue_wait_s = models.PositiveIntegerField(null=True)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    end_seen_at = models.DateTimeField(null=True)
    settled_at = models.DateTimeField(null=True)
    exit_code = models.IntegerField(null=True)
    native_ref = models.CharField(max_length=200, default="", blank=True)
    node_names = models.JSONField(default=list)
    allocation_problem = models.CharField(max_length=500, default="", blank=True)
    report_key = models.CharField(max_length=128, default="", blank=True)
    checkpoint_sha256 = models.CharField(max_length=64, default="", blank=True)
    checkpoint_bytes = models.BigIntegerField(default=0)
    volumes = models.JSONField(default=list)
    outputs_complete = models.BooleanField(default=False)
    missing = models.JSONField(null=True)
    billable_ms = models.BigIntegerField(null=True)
    usable_ms = models.BigIntegerField(null=True)
    meters_agree = models.BooleanField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["run", "number"], name="runs_attempt_number_once"),
            models.UniqueConstraint(fields=["run"], condition=Q(state__in=LIVE), name="runs_one_live_attempt"),
            models.CheckConstraint(
                condition=Q(settled_at=None, billable_ms=None) | ~Q(settled_at=None) & ~Q(billable_ms=None),
                name="runs_settled_is_billed",
            ),
        ]
        indexes = [
            models.Index(fields=["pool"], condition=Q(settled_at=None), name="runs_attempt_unsettled"),
            models.Index(fields=["pool", "created_at"], name="runs_attempt_of_pool"),
        ]


class Meter(models.Model):
    """What changes with every sync of one attempt: readings, verified report chains, sizes, the expected start."""

    attempt = models.OneToOneField(Attempt, primary_key=True, on_delete=models.PROTECT)
    observed_at = models.DateTimeField(null=True)
    expected_start_at = models.DateTimeField(null=True)
    metered_ms = models.BigIntegerField(default=0)
    usable_ms = models.BigIntegerField(default=0)
    enforced_ms = models.BigIntegerField(default=0)
    staging_done_bytes = models.BigIntegerField(default=0)
    staging_total_bytes = models.BigIntegerField(default=0)
    chains = models.JSONField(default=dict)
    log_bytes = models.JSONField(default=dict)


class AttemptObject(models.Model):
    """An object that an attempt uploads. kept: whole, and held for the run."""

    id = models.CharField(max_length=64, primary_key=True)
    attempt = models.ForeignKey(Attempt, on_delete=models.PROTECT)
    sha256 = models.CharField(max_length=64)
    size_bytes = models.BigIntegerField()
    kept = models.BooleanField(default=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["attempt", "sha256"], name="runs_attempt_object_once")]


class Artefact(models.Model):
    """One file that an attempt made and the hub keeps; path relative to the work folder."""

    PATH_MAX = 1024

    id = models.CharField(max_length=64, primary_key=True)
    attempt = models.ForeignKey(Attempt, on_delete=models.PROTECT, related_name="artefacts")
    path = models.CharField(max_length=PATH_MAX)
    sha256 = models.CharField(max_length=64)
    size_bytes = models.BigIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["attempt", "path"], name="runs_artefact_once")]


class VolumeSet(models.QuerySet["Volume"]):
    """Filters of volumes."""

    def visible_to(self, actor: Actor) -> "VolumeSet":
        """Keep the volumes of the actor's own organisation."""
        return self.filter(organisation_id=actor.organisation_id) if actor.organisation_id else self.none()


class Volume(models.Model):
    """A named folder of an organisation that outlives runs. Its content is a manifest; each change makes a version.

    writer: the run that has it mounted for writing, one at a time.
    """

    id = models.CharField(max_length=64, primary_key=True)
    organisation_id = models.CharField(max_length=64)
    name = models.CharField(max_length=64)
    max_bytes = models.BigIntegerField()
    version = models.PositiveIntegerField(default=0)
    manifest_sha256 = models.CharField(max_length=64, default="", blank=True)
    size_bytes = models.BigIntegerField(default=0)
    created_at = models.DateTimeField()
    changed_at = models.DateTimeField()
    writer = models.ForeignKey(Run, null=True, on_delete=models.PROTECT, related_name="volumes_written")

    objects = VolumeSet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organisation_id", "name"], name="runs_volume_name_once")]
