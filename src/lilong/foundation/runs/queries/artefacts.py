"""Reads of the bytes of what jobs left."""

from lilong.common.errors import NotFound
from lilong.common.permissions import Actor, Role, Scope, may, require
from lilong.foundation.objects.public import ObjectReader, open_object
from lilong.foundation.runs.models import Artefact
from lilong.foundation.runs.queries.runs import ArtefactView

READERS = frozenset({Role.OPERATOR, Role.OWNER, Role.ADMIN, Role.MEMBER, Role.VIEWER})


class ArtefactMissing(NotFound):
    """The run left no such file, or it belongs to somebody else."""

    code = "runs.artefact_missing"
    title = "There is no such file of this run"
    next_step = "Look at the order again: files are kept for a while after the run has ended."


def open_artefact(*, actor: Actor, run_id: str, attempt_number: int, sha256: str) -> tuple[ArtefactView, ObjectReader]:
    """Open a file that a run of the actor's own organisation left; close its chunks, or read them all.

    The same roles as for any object. Raises ArtefactMissing, and ObjectMissing once its time is over. Two queries.
    """
    require(may(actor, roles=READERS, scope=Scope.READ))
    found = Artefact.objects.filter(
        attempt__run=run_id,
        attempt__run__organisation_id=actor.organisation_id,
        attempt__number=attempt_number,
        sha256=sha256,
    )
    artefact = found.order_by("path").first()
    if artefact is None or not actor.organisation_id:
        raise ArtefactMissing
    view = ArtefactView(
        attempt_number=attempt_number, path=artefact.path, sha256=artefact.sha256, size_bytes=artefact.size_bytes
    )
    return view, open_object(organisation_id=actor.organisation_id, sha256=sha256)
