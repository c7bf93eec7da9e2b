"""Commands of one sync, from tables alone: what should be, less what was observed."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from lilong.common.errors import LilongError
from lilong.foundation.members.public import reveal_secrets
from lilong.foundation.runs.core.attempts import AttemptFacts, end_attempt
from lilong.foundation.runs.core.commands import Call, decide_call
from lilong.foundation.runs.core.maintenance import limit_wait
from lilong.foundation.runs.core.policy import POLICY
from lilong.foundation.runs.core.runs import decide_queue_wait
from lilong.foundation.runs.core.table import STATES
from lilong.foundation.runs.models import Candidate, LockedEnvironment, Pool, Run
from lilong.foundation.runs.queries.rows import (
    grant_ms,
    list_reachable,
    load_runs,
    read_maintenance,
    read_run,
    takes_work,
)
from lilong.foundation.runs.services.environments import view_environment
from lilong.foundation.runs.services.logs import are_logs_kept
from lilong.foundation.runs.services.sightings import Sighting
from lilong.protocol.messages import (
    AttemptState,
    Cancel,
    Command,
    Extend,
    Fault,
    Locate,
    Observation,
    Reason,
    Release,
    Submit,
)
from lilong.protocol.spec import RunSpec

SUBMITS_PER_SYNC_MAX = 50
LOCK_BYTES_PER_SYNC_MAX = 8 * 1024 * 1024


def list_commands(*, pool: Pool, sightings: Sequence[Sighting], now: datetime) -> list[Command]:
    """Return what the agent is to do. An attempt that is offered for the first time is marked so in its facts.

    A bounded number of attempts is submitted in one sync, the oldest first; the rest follows in the next.
    """
    commands: list[Command] = []
    submits: list[Sighting] = []
    for sighting in sightings:
        call = _decide_call(pool, sighting, now=now)
        if call is Call.SUBMIT:
            submits.append(sighting)
        elif call is not None:
            commands.append(_build_command(call, sighting))
    return [*commands, *_build_submits(pool, submits[:SUBMITS_PER_SYNC_MAX], now=now)]


def list_commands_for_unknown(*, observations: Iterable[Observation], unchanged: Iterable[str]) -> list[Command]:
    """Return how an agent gets rid of jobs that no order explains: stopped first, forgotten then.

    unchanged: those that it only named; it is asked to tell of them again.
    """
    told = [
        Release(attempt_id=seen.attempt_id)
        if STATES[seen.state].has_ended
        else Cancel(attempt_id=seen.attempt_id, reason=Reason.CANCELLED_BY_HUB, grace_s=POLICY.grace_s)
        for seen in observations
    ]
    return [*told, *(Locate(attempt_id=attempt_id, token="") for attempt_id in unchanged)]


def _decide_call(pool: Pool, sighting: Sighting, *, now: datetime) -> Call | None:
    row, facts = sighting.row, sighting.facts
    ended_there = sighting.observation is not None and STATES[sighting.observation.state].has_ended
    return decide_call(
        facts,
        observation=sighting.observation,
        said_to_live=sighting.said_to_live,
        asked_to_stop=row.run.stopped_at is not None,
        granted_ms=grant_ms(row=row, run=row.run),
        logs_kept=ended_there and are_logs_kept(attempt_id=row.id, log_bytes=facts.log_bytes),
        outputs_wanted=row.run.kept_at is None,
        takes_work=takes_work(pool=pool, walltime_s=row.walltime_s, now=now),
    )


def _build_command(call: Call, sighting: Sighting) -> Command:
    row = sighting.row
    match call:
        case Call.CANCEL:
            reason = Reason(row.run.stop_reason) if row.run.stop_reason else Reason.CANCELLED_BY_HUB
            return Cancel(attempt_id=row.id, reason=reason, grace_s=row.grace_s)
        case Call.EXTEND:
            return Extend(attempt_id=row.id, authorised_ms=grant_ms(row=row, run=row.run))
        case Call.LOCATE:
            return Locate(attempt_id=row.id, token=row.token)
        case _:
            return Release(attempt_id=row.id)


def _build_submits(pool: Pool, sightings: Sequence[Sighting], *, now: datetime) -> list[Command]:
    if not sightings:
        return []
    runs = {run.id: run for run in load_runs(runs=Run.objects.filter(id__in=[item.row.run_id for item in sightings]))}
    mine = Candidate.objects.filter(id__in=[item.row.candidate_id for item in sightings])
    environments = {row.id: row.environment for row in mine.select_related("environment")}
    commands: list[Command] = []
    lock_bytes = 0
    for sighting in sightings:
        environment = environments[sighting.row.candidate_id]
        lock_bytes += len(environment.lock)
        if commands and lock_bytes > LOCK_BYTES_PER_SYNC_MAX:
            break
        before = sighting.facts
        if before.offered_at is None:
            wait_s = _decide_queue_wait(runs[sighting.row.run_id], pool, sighting, now=now)
            sighting.facts = replace(before, offered_at=now, queue_wait_s=wait_s)
        try:
            spec = RunSpec.model_validate(runs[sighting.row.run_id].spec)
            commands.append(_build_submit(sighting, environment, spec=spec, epoch=pool.epoch))
        except LilongError as error:
            sighting.facts = _refuse(before, error, now=now)
    return commands


def _decide_queue_wait(run: Run, pool: Pool, sighting: Sighting, *, now: datetime) -> int:
    wait_s = decide_queue_wait(read_run(run=run), reachable=list_reachable(run=run, now=now), policy=POLICY)
    return limit_wait(wait_s, read_maintenance(pool=pool), walltime_s=sighting.row.walltime_s, now=now)


def _build_submit(sighting: Sighting, environment: LockedEnvironment, *, spec: RunSpec, epoch: int) -> Submit:
    """Return the one message in which values of secrets travel; raises what `reveal_secrets` raises."""
    row = sighting.row
    organisation_id = row.run.organisation_id
    secrets = reveal_secrets(organisation_id=organisation_id, names=spec.secrets) if spec.secrets else {}
    return Submit(
        attempt_id=row.id,
        run_id=row.run_id,
        number=row.number,
        organisation_id=organisation_id,
        charge_code=row.run.charge_code,
        token=row.token,
        nonce=row.nonce,
        spec=spec,
        environment=view_environment(row=environment),
        checkpoint_sha256=row.start_checkpoint_sha256 or None,
        volumes=row.run.volumes,
        secrets=secrets,
        authorised_ms=grant_ms(row=row, run=row.run),
        queue_wait_s=sighting.facts.queue_wait_s,
        epoch=epoch,
    )


def _refuse(attempt: AttemptFacts, error: LilongError, *, now: datetime) -> AttemptFacts:
    """End an attempt that can never be submitted because its organisation took away what the spec names."""
    ended = end_attempt(
        attempt,
        state=AttemptState.REJECTED,
        reason=Reason.SPEC_REFUSED,
        detail=error.detail or error.title,
        now=now,
    )
    return replace(ended, fault=Fault.MEMBER)
