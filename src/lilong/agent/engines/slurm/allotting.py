"""Ask once what each job was given, of all that have started at once, and remember it in the spool."""

import time
from collections.abc import Mapping, Sequence

import structlog

from lilong.agent.engines.slurm.allocations import name_allocations, parse_allocations
from lilong.agent.engines.slurm.client import Cluster
from lilong.agent.engines.slurm.commands import build_allocations_query
from lilong.agent.engines.slurm.native import ALLOTTED, Allotted, Seen
from lilong.agent.engines.slurm.states import is_over, is_waiting
from lilong.agent.spool import read_model, write_json
from lilong.common.errors import LilongError
from lilong.protocol.messages import Allocation

_PAUSES_S = (0, 5, 30, 300, 3600)
_JOBS_PER_QUERY_MAX = 200

log = structlog.get_logger(__name__)


class Allotting:
    """What jobs with accelerators were given. Used by one thread."""

    def __init__(self, *, cluster: Cluster, gres: Mapping[str, str]) -> None:
        self._cluster = cluster
        self._gres = gres
        self._known: dict[str, Allotted] = {}
        self._tries: dict[str, tuple[int, float]] = {}

    def refresh(self, jobs: Sequence[Seen]) -> None:
        """Ask for what has started and is not known; of a job of which Slurm does not tell, less and less often."""
        asked = [seen for seen in jobs if self._is_wanted(seen)][:_JOBS_PER_QUERY_MAX]
        if not asked:
            return
        for seen in asked:
            count, _ = self._tries.get(seen.record.ref, (0, 0.0))
            self._tries[seen.record.ref] = (count + 1, time.monotonic())
        names = {seen.row.job_id: seen.record.ref for seen in asked if seen.row}
        command, text = build_allocations_query(job_ids=list(names))
        try:
            said = self._cluster.run(command, text=text)
        except LilongError as error:
            log.warning("what jobs were given is not told", code=error.code, detail=error.detail)
            return
        found = parse_allocations(text=said.output, names=names)
        for seen in asked:
            given = found.get(seen.row.job_id) if seen.row else None
            if seen.row is None or given is None or not given.keys() <= set(seen.row.nodes):
                continue
            ordered = seen.record.spec.resources.accelerator or ""
            allotted = Allotted(allocated=name_allocations(given=given, ordered=ordered, gres=self._gres))
            write_json(seen.folder.path / ALLOTTED, allotted, durable=False)
            self._known[seen.record.ref] = allotted

    def find(self, seen: Seen) -> tuple[Allocation, ...]:
        """Return what a job was given; empty where that is not known."""
        ref = seen.record.ref
        if ref not in self._known and seen.record.spec.resources.accelerators:
            known = read_model(seen.folder.path / ALLOTTED, Allotted)
            if known is not None:
                self._known[ref] = known
        return self._known[ref].allocated if ref in self._known else ()

    def forget_all_but(self, refs: set[str]) -> None:
        """Forget what has left the spool."""
        for ref in (self._known.keys() | self._tries.keys()) - refs:
            self._known.pop(ref, None)
            self._tries.pop(ref, None)

    def _is_wanted(self, seen: Seen) -> bool:
        if not seen.record.spec.resources.accelerators or seen.row is None:
            return False
        has_started = bool(seen.row.nodes) and not is_waiting(seen.row.state) and not is_over(seen.row.state)
        count, tried_s = self._tries.get(seen.record.ref, (0, 0.0))
        has_rested = time.monotonic() >= tried_s + _PAUSES_S[min(count, len(_PAUSES_S) - 1)]
        return has_started and has_rested and not self.find(seen)
