"""What the organisation was charged in a month, as a file for its accountants."""

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_safe

from lilong.common.django.people import find_actor, for_member
from lilong.common.periods import read_month
from lilong.common.time import utc_now
from lilong.platforms.supermarket.queries.focus import export_focus


@require_safe
@for_member
def download_focus(request: HttpRequest) -> HttpResponseBase:
    """Send a month's charges as FOCUS 1.2 in CSV, the same bytes in every language."""
    month = read_month(request.GET.get("month", ""), now=utc_now())
    content = export_focus(actor=find_actor(request), period=month)
    response = HttpResponse(content, content_type="text/csv; charset=utf-8; header=present")
    response["Content-Disposition"] = f'attachment; filename="focus-{month.begins_on:%Y-%m}.csv"'
    return response
