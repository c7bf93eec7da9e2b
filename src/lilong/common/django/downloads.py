"""Sending what somebody keeps at the hub: streamed, saved and never shown as a page of the hub's own."""

from collections.abc import Iterable

from django.http import StreamingHttpResponse
from django.utils.http import content_disposition_header


def send_file(
    *, chunks: Iterable[bytes], size_bytes: int, filename: str = "", media_type: str = "application/octet-stream"
) -> StreamingHttpResponse:
    """Return an answer that streams these bytes to be saved as a file; who looked first keeps no copy in a cache."""
    response = StreamingHttpResponse(chunks, content_type=media_type)
    named = content_disposition_header(as_attachment=True, filename=filename) if filename else "attachment"
    response["Content-Disposition"] = named or "attachment"
    response["Content-Length"] = str(size_bytes)
    response["Content-Security-Policy"] = "sandbox"
    response["Cache-Control"] = "private, no-store"
    return response
