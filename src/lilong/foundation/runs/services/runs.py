"""Submit, extend and cancel runs: what should be. The supermarket alone calls this."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from lilong.common.errors import Conflict, FieldProblem, InputInvalid
from lilong.common.ids import new_id
from lilong.common.sentences import say
from lilong.foundation.members.public import reveal_secrets
from lilong.foundation.objects.public import hold
from lilong.foundation.runs.core.runs import OPEN_STATES, RunState
from lilong.foundation.runs.models import Candidate as CandidateRow
from lilong.foundation.runs.models import Pool, Run, Volume
from lilong.foundation.runs.queries.manifests import list_needs
from lilong.foundation.runs.queries.runs import RunMissing
from lilong.foundation.runs.services.attempts import advance_runs
from lilong.foundation.runs.services.environments import keep_environments
from lilong.protocol.messages import EnvironmentLock, Reason
from lilong.protocol.spec import RunSpec

CANDIDATES_MAX = 50


class RunDiffers(Conflict):
    """A run of this id exists with another spec or organisation."""

    code = "runs.run_differs"
    title = "There is another run with this id"
    next_step = "Make a new id for another run."


class SubmissionInvalid(InputInvalid):
    """The run names a volume that is not there, or has no pool to go to."""

    code = "runs.submission_invalid"
    title = "This run cannot be submitted"
    next_step = "Correct the fields named here and ask for a new quote."


class VolumeBusy(Conflict):
    """A volume is mounted for writing by one run at a time."""

    code = "runs.volume_busy"
    title = "Another run writes to this volume"
    next_step = "Mount it read-only, or wait until the run named here has finished."


@dataclass(frozen=True, slots=True)
class Candidate:
    """One pool that may take a run. rank_cost and ref are the caller's and opaque here."""

    pool_id: str
    rank_cost: int
    ref: str


def submit_run(
    *,
    run_id: str,
    organisation_id: str,
    person_id: str,
    spec: RunSpec,
    candidates: Sequence[Candidate],
    locks: Mapping[str, EnvironmentLock],
    authorised_ms: int,
    now: datetime,
    charge_code: str = "",
) -> None:
    """Intend to run `spec` on the first candidate that takes it, for `authorised_ms` over all attempts.

    Idempotent by run_id. locks: the resolved environment for each candidate's pool. charge_code: opaque here; whichever
    pool gets the run is told of it. Raises ObjectMissing for inputs, SecretMissing for secrets that the organisation
    does not have, SubmissionInvalid, VolumeBusy, RunDiffers.
    """
    with transaction.atomic():
        known = Run.objects.filter(id=run_id).first()
        if known is not None:
            if (known.spec_sha256, known.organisation_id) != (spec.digest, organisation_id):
                raise RunDiffers
            return
        _check_candidates(candidates, locks)
        reveal_secrets(organisation_id=organisation_id, names=spec.secrets)
        volumes = _lock_volumes(spec, organisation_id=organisation_id)
        contents = {volume.id: volume.manifest_sha256 for volume in volumes if volume.manifest_sha256}
        run = Run.objects.create(
            id=run_id,
            organisation_id=organisation_id,
            person_id=person_id,
            charge_code=charge_code,
            name=spec.name,
            spec=spec.model_dump(mode="json"),
            spec_sha256=spec.digest,
            volumes=contents,
            authorised_ms=authorised_ms,
            created_at=now,
        )
        Volume.objects.filter(id__in=_list_written(spec)).update(writer=run)
        needs = list_needs(organisation_id=organisation_id, spec=spec, volumes=contents)
        if needs:
            hold(organisation_id=organisation_id, sha256s=sorted(needs), holder=run_id, until=None, now=now)
        _create_candidates(run, candidates, locks)
        advance_runs(run_ids=[run_id], now=now)


def extend_authority(*, run_id: str, authorised_ms: int) -> None:
    """Let the run use `authorised_ms` in all; less than it has already changes nothing. Raises RunMissing."""
    with transaction.atomic():
        run = _lock_run(run_id)
        if run.state in OPEN_STATES and authorised_ms > run.authorised_ms:
            run.authorised_ms = authorised_ms
            run.save(update_fields=["authorised_ms"])


def cancel_run(*, run_id: str, reason: Reason, now: datetime) -> None:
    """Ask for the end of a run; again, or after its end, it changes nothing. Raises RunMissing.

    The run is over when the engine confirms; no more is billed than until `now` plus the grace.
    """
    with transaction.atomic():
        run = _lock_run(run_id)
        if run.state in OPEN_STATES and run.stopped_at is None:
            run.stopped_at, run.stop_reason, run.state = now, reason, RunState.STOPPING
            run.save(update_fields=["stopped_at", "stop_reason", "state"])


def _lock_run(run_id: str) -> Run:
    run = Run.objects.select_for_update().filter(id=run_id).first()
    if run is None:
        raise RunMissing
    return run


def _check_candidates(candidates: Sequence[Candidate], locks: Mapping[str, EnvironmentLock]) -> None:
    known = set(Pool.objects.filter(id__in={item.pool_id for item in candidates}).values_list("id", flat=True))
    if 0 < len(candidates) <= CANDIDATES_MAX and all(item.pool_id in known & set(locks) for item in candidates):
        return
    message = say(
        "It needs 1 to {most} pools that exist, each with a resolved environment.",
        most=CANDIDATES_MAX,
    )
    raise SubmissionInvalid(fields=[FieldProblem(path="candidates", code="runs.candidates", message=message)])


def _lock_volumes(spec: RunSpec, *, organisation_id: str) -> list[Volume]:
    """Return the volumes that the spec mounts, locked; raises SubmissionInvalid and VolumeBusy."""
    wanted = {item.volume_id for item in spec.inputs if item.volume_id}
    if not wanted:
        return []
    mine = Volume.objects.filter(organisation_id=organisation_id, id__in=wanted)
    volumes = list(mine.select_for_update().order_by("id"))
    missing = wanted - {volume.id for volume in volumes}
    if missing:
        message = say("There is no volume {volume_ids}.", volume_ids=", ".join(sorted(missing)))
        raise SubmissionInvalid(fields=[FieldProblem(path="inputs", code="runs.volume_missing", message=message)])
    written = _list_written(spec)
    for volume in volumes:
        if volume.id in written and volume.writer_id is not None:
            raise VolumeBusy(facts={"volume_id": volume.id, "run_id": volume.writer_id})
    return volumes


def _list_written(spec: RunSpec) -> set[str]:
    return {item.volume_id for item in spec.inputs if item.volume_id and not item.read_only}


def _create_candidates(run: Run, candidates: Sequence[Candidate], locks: Mapping[str, EnvironmentLock]) -> None:
    keep_environments(environments=[locks[item.pool_id] for item in candidates])
    rows = [
        CandidateRow(
            id=new_id("cand"),
            run=run,
            position=position,
            pool_id=item.pool_id,
            environment_id=locks[item.pool_id].digest,
            rank_cost=item.rank_cost,
            ref=item.ref,
        )
        for position, item in enumerate(candidates)
    ]
    CandidateRow.objects.bulk_create(rows)
