"""Attempts on their way through a sync: loaded, compared with what the agent observed, brought one step on."""

from collections import defaultdict
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime

from lilong.common.ids import new_id
from lilong.foundation.runs.core.attempts import AttemptFacts, decide_absence, decide_attempt
from lilong.foundation.runs.core.policy import POLICY
from lilong.foundation.runs.core.reports import RankChain
from lilong.foundation.runs.core.table import STATES
from lilong.foundation.runs.models import Artefact, Attempt, AttemptObject, Pool
from lilong.foundation.runs.queries.rows import read_attempt
from lilong.protocol.manifest import is_safe_path
from lilong.protocol.messages import AttemptState, Inventory, Observation, SyncRequest


@dataclass(slots=True)
class Sighting:
    """One attempt in one sync: its row, what it was and is by now, what the agent said of it, the outputs it keeps.

    kept: size of each kept object that the observation names, by digest. said_to_live: the agent named it as unchanged.
    """

    row: Attempt
    before: AttemptFacts
    facts: AttemptFacts
    observation: Observation | None
    kept: dict[str, int]
    said_to_live: bool = False

    @property
    def has_started(self) -> bool:
        """Whether work was first seen running in this sync."""
        return self.facts.started_at is not None and self.row.run.started_at is None

    @property
    def has_settled(self) -> bool:
        """Whether the attempt settled in this sync."""
        return self.facts.settled_at is not None and self.before.settled_at is None


def load_sightings(*, pool: Pool, request: SyncRequest) -> tuple[list[Sighting], list[str]]:
    """Return the pool's attempts that have not settled, and those that the agent still speaks of. Two queries.

    Unchanged ones are left out as long as there is nothing to say to the agent either: one light query finds which.
    Also returned are the ids that were named as unchanged and that no row explains.
    """
    observations = {observation.attempt_id: observation for observation in request.observations}
    unchanged = set(request.unchanged) - observations.keys()
    attempts, loud = Attempt.objects.filter(pool=pool).select_related("run", "meter").defer("run__spec"), list[str]()
    if unchanged:
        loud = _list_loud(pool=pool, unchanged=unchanged)
        rows = list(attempts.filter(id__in=[*observations, *loud]))
    else:
        rows = list(attempts.filter(settled_at=None))
        # Not one query with OR: the database would look through all that the pool ever ran.
        settled = observations.keys() - {row.id for row in rows}
        rows += attempts.filter(id__in=settled) if settled else ()
    sightings: list[Sighting] = []
    for row in sorted(rows, key=lambda row: row.id):
        facts = read_attempt(row=row)
        seen = observations.get(row.id)
        said_to_live = row.id in unchanged
        sightings.append(
            Sighting(row=row, before=facts, facts=facts, observation=seen, kept={}, said_to_live=said_to_live)
        )
    _load_kept(sightings)
    known = {sighting.row.id for sighting in sightings}
    return sightings, [attempt_id for attempt_id in loud if attempt_id not in known]


def _list_loud(*, pool: Pool, unchanged: AbstractSet[str]) -> list[str]:
    """Return the attempts that the agent has to hear of, or that it did not name, though they have not settled."""
    columns = ("id", "state", "run__stopped_at", "run__authorised_ms", "used_before_ms", "meter__enforced_ms")
    quiet: set[str] = set()
    loud: list[str] = []
    for attempt_id, state, stopped_at, authorised_ms, used_ms, enforced_ms in Attempt.objects.filter(
        pool=pool, settled_at=None
    ).values_list(*columns):
        has_its_way = stopped_at is None and enforced_ms >= authorised_ms - used_ms
        if attempt_id in unchanged and has_its_way and not STATES[AttemptState(state)].has_ended:
            quiet.add(attempt_id)
        else:
            loud.append(attempt_id)
    return [*loud, *(unchanged - quiet - set(loud))]


def observe(*, sightings: Sequence[Sighting], inventory: Inventory | None, now: datetime) -> None:
    """Bring every observed attempt one step on, and enter the artefacts of those whose outputs are now complete."""
    pool_nodes = {node.name: node for node in inventory.nodes} if inventory else {}
    artefacts: list[Artefact] = []
    for sighting in sightings:
        if sighting.observation is None:
            continue
        sighting.facts = decide_attempt(
            sighting.facts,
            sighting.observation,
            kept=sighting.kept,
            stopped_at=sighting.row.run.stopped_at,
            pool_nodes=pool_nodes,
            now=now,
        )
        if sighting.facts.outputs_complete and not sighting.before.outputs_complete:
            artefacts += _build_artefacts(sighting)
    Artefact.objects.bulk_create(artefacts, ignore_conflicts=True)


def count_absences(*, sightings: Sequence[Sighting], request: SyncRequest, now: datetime) -> None:
    """Count a complete look against attempts that it did not find; of others nothing is concluded."""
    absent = set(request.absent)
    for sighting in sightings:
        if sighting.observation is None and sighting.row.id in absent:
            sighting.facts = decide_absence(
                sighting.facts,
                sent_at=request.sent_at,
                stopped_at=sighting.row.run.stopped_at,
                now=now,
                policy=POLICY,
            )


def list_wanted_reports(*, sightings: Sequence[Sighting]) -> dict[str, dict[int, int]]:
    """Return from which report on each rank should send; of a broken or settled chain no more is wanted."""
    wanted: dict[str, dict[int, int]] = {}
    for sighting in sightings:
        counts = sighting.observation.report_counts if sighting.observation else {}
        for rank, count in counts.items():
            chain = sighting.facts.chains.get(rank, RankChain())
            is_over = chain.broken or sighting.facts.settled_at is not None
            wanted.setdefault(sighting.row.id, {})[rank] = count if is_over else chain.next_sequence
    return wanted


def _load_kept(sightings: Sequence[Sighting]) -> None:
    """Find out which of the objects that observations name are kept. No query when nothing new is named."""
    named: dict[str, set[str]] = defaultdict(set)
    for sighting in sightings:
        observation, known = sighting.observation, sighting.facts.checkpoint
        if observation is None or sighting.facts.outputs_complete:
            continue
        if known is not None:
            sighting.kept[known.manifest_sha256] = known.size_bytes
        digests = {volume.manifest_sha256 for volume in observation.volumes}
        digests |= {artefact.sha256 for artefact in observation.artefacts}
        digests |= {observation.checkpoint.manifest_sha256} if observation.checkpoint else set()
        if digests - set(sighting.kept):
            named[sighting.row.id] = digests
    if not named:
        return
    digests = set().union(*named.values())
    found = AttemptObject.objects.filter(attempt_id__in=list(named), sha256__in=list(digests), kept=True)
    sizes: dict[str, dict[str, int]] = defaultdict(dict)
    for attempt_id, sha256, size_bytes in found.values_list("attempt_id", "sha256", "size_bytes"):
        sizes[attempt_id][sha256] = size_bytes
    for sighting in sightings:
        sighting.kept |= sizes.get(sighting.row.id, {})


def _build_artefacts(sighting: Sighting) -> list[Artefact]:
    """Return the artefacts that an observation names, but for paths that would leave a folder."""
    observation = sighting.observation
    return [
        Artefact(
            id=new_id("art"),
            attempt=sighting.row,
            path=artefact.path,
            sha256=artefact.sha256,
            size_bytes=sighting.kept[artefact.sha256],
        )
        for artefact in (observation.artefacts if observation else ())
        if is_safe_path(artefact.path)
    ]
