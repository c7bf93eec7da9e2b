"""Quote what people hand in by browser: a job's file with its folder as an archive, or an earlier order once more."""

from datetime import datetime

from lilong.common.canonical import sha256_hex
from lilong.common.errors import NotFound
from lilong.common.permissions import Actor, Scope, may, require
from lilong.common.sentences import say
from lilong.foundation.objects.public import store_contents
from lilong.foundation.outbox.public import digest_key
from lilong.platforms.supermarket.core.states import OrderState
from lilong.platforms.supermarket.queries.budgets import find_project_named, list_projects
from lilong.platforms.supermarket.queries.orders import find_order
from lilong.platforms.supermarket.queries.quotes import QuoteView
from lilong.platforms.supermarket.services.archives import ArchivedFile, read_archive
from lilong.platforms.supermarket.services.quotes import BUYERS, quote
from lilong.protocol.manifest import Manifest, ManifestFile
from lilong.protocol.spec import RunSpec
from lilong.protocol.spec_yaml import find_requirements_file, parse_spec

REQUIREMENTS_BYTES_MAX = 256 * 1024


def quote_job(
    *,
    actor: Actor,
    job: bytes,
    archive: bytes,
    max_cost_uc: int | None,
    project_name: str = "",
    request_key: str,
    now: datetime,
) -> QuoteView:
    """Return a quote for a job's file and the archive of its working folder; an empty archive is none.

    The folder's files become objects of the organisation, as `lilong run` makes them. project_name: of an open project
    that it is ordered for, or empty. request_key: of the form, so that it asks once however often it is sent. Raises
    SpecInvalid, ArchiveInvalid and what refuses uploads and quotes.
    """
    require(may(actor, roles=BUYERS, scope=Scope.RUN))
    files = read_archive(content=archive) if archive else ()
    spec = parse_spec(job, requirement_files=_find_requirements(job, files))
    if files:
        spec = spec.model_copy(update={"workdir_sha256": _store_folder(actor, files, now=now)})
    return quote(
        actor=actor,
        spec=spec,
        max_cost_uc=max_cost_uc,
        request_name=name_page_request(actor=actor, key=request_key),
        project_id=find_project_named(organisation_id=actor.organisation_id, name=project_name),
        now=now,
    )


def quote_again(*, actor: Actor, order_id: str, request_name: str | None, now: datetime) -> QuoteView:
    """Return a quote, at today's prices and for the same project, for the job of an earlier order of one's own.

    A project that was closed since is left out. What was approved after its quote had expired costs no more than was
    approved. Nothing is ordered: whoever asks looks at the price first.
    """
    require(may(actor, roles=BUYERS, scope=Scope.RUN))
    order = find_order(actor=actor, order_id=order_id)
    if order.organisation_id != actor.organisation_id:
        raise NotFound(detail=say("There is no order {order_id} of your organisation.", order_id=order_id[:64]))
    open_projects = {project.id for project in list_projects(actor=actor)}
    return quote(
        actor=actor,
        spec=RunSpec.model_validate(order.spec),
        max_cost_uc=order.max_uc if order.state == OrderState.APPROVED else None,
        request_name=request_name,
        project_id=order.project_id if order.project_id in open_projects else "",
        now=now,
    )


def name_page_request(*, actor: Actor, key: str) -> str:
    """Return the name of what a form asks for, the same however often it is sent."""
    return digest_key(organisation_id=actor.organisation_id, route=f"page {actor.person_id}", key=key)


def _find_requirements(job: bytes, files: tuple[ArchivedFile, ...]) -> dict[str, str]:
    name = find_requirements_file(job)
    found = [file.content for file in files if file.path == name]
    return {name: found[0][:REQUIREMENTS_BYTES_MAX].decode(errors="replace")} if name and found else {}


def _store_folder(actor: Actor, files: tuple[ArchivedFile, ...], *, now: datetime) -> str:
    """Store what the organisation does not hold yet, and return the digest of the manifest."""
    manifest = Manifest(
        files=tuple(
            ManifestFile(
                path=file.path,
                sha256=sha256_hex(file.content),
                size_bytes=len(file.content),
                executable=file.executable,
            )
            for file in files
        )
    )
    contents = [*(file.content for file in files), manifest.to_bytes()]
    store_contents(organisation_id=actor.organisation_id, contents=contents, now=now)
    return manifest.sha256
