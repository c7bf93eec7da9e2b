"""The page that says how good estimates of starts were; for everybody."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from lilong.common.time import utc_now
from lilong.platforms.supermarket.queries.starts import list_start_records


@require_safe
def show_start_records(request: HttpRequest) -> HttpResponse:
    """Show of each pool how many jobs began in the time that had been estimated, month by month."""
    return render(request, "supermarket/start_records.html", {"pools": list_start_records(now=utc_now())})
