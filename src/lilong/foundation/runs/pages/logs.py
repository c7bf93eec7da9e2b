"""Pages of logs: as they stand, in parts, and live."""

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_GET, require_safe

from lilong.common.django.people import find_actor, find_actor_anew, for_member
from lilong.common.django.streams import respond_events
from lilong.foundation.runs.pages.streams import follow_log, read_place
from lilong.foundation.runs.services.logs import read_log_part, require_log_reader

PART_BYTES = 64 * 1024
NUMBER_MAX = 2**50


@require_safe
@for_member
def show_log(request: HttpRequest, run_id: str) -> HttpResponseBase:
    """Show one part of a log, the last unless another is named, and the ways to the others."""
    part = read_log_part(
        actor=find_actor(request),
        run_id=run_id,
        attempt_number=_read_number(request, "attempt"),
        rank=_read_number(request, "rank") or 0,
        offset=_read_number(request, "offset"),
        limit=PART_BYTES,
    )
    place = f"{part.attempt_number}.{part.end}"
    return render(request, "runs/log.html", {"part": part, "run_id": run_id, "place": place})


@require_GET  # no HEAD: it would wait for the whole of what it does not send
@for_member
def stream_log(request: HttpRequest, run_id: str) -> HttpResponseBase:
    """Send what is new of the newest attempt's log as it comes; raises StreamsFull when too many listen."""
    actor = find_actor(request)
    require_log_reader(actor=actor, run_id=run_id)

    def may_go_on() -> bool:
        now = find_actor_anew(request)
        return (now.person_id, now.organisation_id) == (actor.person_id, actor.organisation_id) and now.role is not None

    place = read_place(request.headers.get("Last-Event-ID", "") or request.GET.get("from", ""))
    rank = _read_number(request, "rank") or 0
    return respond_events(follow_log(run_id=run_id, rank=rank, place=place, may_go_on=may_go_on))


@require_safe
@for_member
def show_tail(request: HttpRequest, run_id: str) -> HttpResponseBase:
    """Send the text of the log from a place on, for browsers that could not have a stream."""
    actor = find_actor(request)
    place = read_place(request.GET.get("from", ""))
    part = read_log_part(
        actor=actor,
        run_id=run_id,
        attempt_number=place.attempt_number if place else None,
        rank=_read_number(request, "rank") or 0,
        offset=place.offset if place else None,
        limit=PART_BYTES,
    )
    response = HttpResponse(part.text, content_type="text/plain; charset=utf-8")
    response["Log-Place"] = f"{part.attempt_number}.{part.end}"
    response["Log-Complete"] = str(part.complete).lower()
    response["Run-Over"] = str(part.run_is_over).lower()
    return response


def _read_number(request: HttpRequest, name: str) -> int | None:
    text = request.GET.get(name, "")
    return min(int(text[:17]), NUMBER_MAX) if text.isascii() and text.isdecimal() else None
