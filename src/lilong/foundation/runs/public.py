"""The door of runs."""

from lilong.foundation.runs.core.estimates import StartEstimate
from lilong.foundation.runs.core.runs import RunState
from lilong.foundation.runs.core.waiting import StartBasis
from lilong.foundation.runs.queries.estimates import estimate_starts
from lilong.foundation.runs.queries.pools import PoolView, get_pools, list_pools
from lilong.foundation.runs.queries.runs import ArtefactView, AttemptView, RunView, get_runs
from lilong.foundation.runs.queries.volumes import find_missing_volumes
from lilong.foundation.runs.services.environments import RequirementUnresolvable, resolve_environment
from lilong.foundation.runs.services.pools import authenticate_pool
from lilong.foundation.runs.services.runs import Candidate, cancel_run, extend_authority, submit_run

__all__ = [
    "ArtefactView",
    "AttemptView",
    "Candidate",
    "PoolView",
    "RequirementUnresolvable",
    "RunState",
    "RunView",
    "StartBasis",
    "StartEstimate",
    "authenticate_pool",
    "cancel_run",
    "estimate_starts",
    "extend_authority",
    "find_missing_volumes",
    "get_pools",
    "get_runs",
    "list_pools",
    "resolve_environment",
    "submit_run",
]
