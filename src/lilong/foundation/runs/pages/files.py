"""Download files of members. Their bytes are never shown as a page of the hub's."""

from pathlib import PurePosixPath
from urllib.parse import quote

from django.http import HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_safe

from lilong.common.django.people import find_actor, for_member
from lilong.foundation.objects.public import ObjectReader
from lilong.foundation.runs.queries.artefacts import open_artefact


@require_safe
@for_member
def download_file(request: HttpRequest, run_id: str, attempt_number: int, sha256: str) -> HttpResponseBase:
    """Send the file with this digest that an attempt left."""
    artefact, reader = open_artefact(
        actor=find_actor(request), run_id=run_id, attempt_number=attempt_number, sha256=sha256
    )
    return respond_file(reader, name=PurePosixPath(artefact.path).name)


def respond_file(reader: ObjectReader, *, name: str) -> StreamingHttpResponse:
    """Return the answer that sends an object as a file of this name."""
    response = StreamingHttpResponse(reader.chunks, content_type="application/octet-stream")
    response["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(name)}"
    response["Content-Length"] = str(reader.size_bytes)
    response["Content-Security-Policy"] = "sandbox"
    return response
