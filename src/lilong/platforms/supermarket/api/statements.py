"""What an organisation was charged, over HTTP."""

from datetime import date

from django.http import HttpRequest, HttpResponse
from ninja import Router

from lilong.common.django.problems import PROBLEMS
from lilong.common.django.routes import ALL_ROLES, allow, get_actor
from lilong.common.periods import DayPeriod
from lilong.common.permissions import Scope
from lilong.platforms.supermarket.queries.focus import export_focus

router = Router(tags=["statements"])

_CSV = {
    "responses": {200: {"description": "FOCUS 1.2 in CSV", "content": {"text/csv": {"schema": {"type": "string"}}}}}
}


@router.get("/statements/focus", openapi_extra=allow(ALL_ROLES, Scope.READ) | _CSV, response={200: None, **PROBLEMS})
def download_focus(request: HttpRequest, begins_on: date, ends_on: date) -> HttpResponse:
    """Download what your organisation was charged from a day on and before another, of UTC, as FOCUS 1.2 in CSV."""
    period = DayPeriod(begins_on=begins_on, ends_on=ends_on)
    return HttpResponse(export_focus(actor=get_actor(request), period=period), content_type="text/csv; charset=utf-8")
