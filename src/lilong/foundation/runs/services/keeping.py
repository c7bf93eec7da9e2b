"""Close a finished run: keep what it made for its organisation, write its volumes back, let go of what it needed."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from lilong.common.ids import new_id
from lilong.foundation.objects.public import drop_hold, find_many, hold
from lilong.foundation.runs.core.runs import RunState
from lilong.foundation.runs.models import Artefact, Attempt, AttemptObject, Run, Volume
from lilong.foundation.runs.queries.manifests import read_manifest
from lilong.foundation.runs.services.volumes import write_version
from lilong.protocol.messages import VolumeNote


def keep_run(*, run_id: str, now: datetime) -> None:
    """Hold artefacts for as long as the setting says, give volumes their new content, drop the run's own holds.

    A run that did not succeed hands over its newest checkpoint as artefacts: its time was paid for. So it does with a
    volume's content that is larger than the volume. Idempotent; a run that is not finished is left alone.
    """
    with transaction.atomic():
        run = Run.objects.select_for_update().get(id=run_id)
        if run.kept_at is not None or run.finished_at is None:
            return
        attempts = list(Attempt.objects.filter(run=run).order_by("-number"))
        if run.state != RunState.SUCCEEDED:
            _keep_checkpoint(run, attempts)
        for note in attempts[0].volumes if attempts else []:
            _write_back(run, attempts[0], VolumeNote.model_validate(note), now=now)
        _hold_artefacts(run, now=now)
        Volume.objects.filter(writer=run).update(writer=None)
        AttemptObject.objects.filter(attempt__run=run).delete()
        drop_hold(holder=run.id)
        run.kept_at = now
        run.save(update_fields=["kept_at"])


def _keep_checkpoint(run: Run, attempts: list[Attempt]) -> None:
    attempt = next((attempt for attempt in attempts if attempt.checkpoint_sha256), None)
    if attempt is not None and run.spec["checkpoint"]:
        folder = run.spec["checkpoint"]["path"]
        _add_artefacts(run, attempt, folder=folder, manifest_sha256=attempt.checkpoint_sha256)


def _write_back(run: Run, attempt: Attempt, note: VolumeNote, *, now: datetime) -> None:
    volume = Volume.objects.select_for_update().filter(id=note.volume_id, writer=run).first()
    if volume is None:
        return
    size_bytes = read_manifest(organisation_id=run.organisation_id, sha256=note.manifest_sha256).size_bytes
    if size_bytes > volume.max_bytes:
        _add_artefacts(run, attempt, folder=volume.name, manifest_sha256=note.manifest_sha256)
    else:
        write_version(volume=volume, manifest_sha256=note.manifest_sha256, size_bytes=size_bytes, now=now)


def _add_artefacts(run: Run, attempt: Attempt, *, folder: str, manifest_sha256: str) -> None:
    manifest = read_manifest(organisation_id=run.organisation_id, sha256=manifest_sha256)
    rows = [
        Artefact(
            id=new_id("art"),
            attempt=attempt,
            path=f"{folder}/{file.path}",
            sha256=file.sha256,
            size_bytes=file.size_bytes,
        )
        for file in manifest.files
        if len(f"{folder}/{file.path}") <= Artefact.PATH_MAX
    ]
    Artefact.objects.bulk_create(rows, ignore_conflicts=True)


def _hold_artefacts(run: Run, *, now: datetime) -> None:
    artefacts = Artefact.objects.filter(attempt__run=run).values_list("sha256", flat=True)
    there = find_many(organisation_id=run.organisation_id, sha256s=list(artefacts))
    if there:
        until = now + timedelta(days=settings.LILONG.artefact_keep_days)
        hold(organisation_id=run.organisation_id, sha256s=list(there), holder=f"{run.id}.made", until=until, now=now)
